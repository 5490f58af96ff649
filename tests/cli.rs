//! The binary, run as operators run it.

use bedside::{auth::Verifier, config::Secret, demo};
use bedside_protocol::{ErrorCode, Role, Roles, Timestamp};
use socket2::{Domain, Socket, Type};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Command, Output},
    thread,
    time::Duration,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Runs the binary with this environment and no other.
fn bedside(args: &[&str], env: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bedside"))
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .output()
        .expect("the binary runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// A directory that is gone when the test is.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("bedside-cli-{}", uuid::Uuid::new_v4());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    fn text(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_token_stands_alone_on_standard_output_and_is_good() {
    let args = [
        "token",
        "--sub",
        "42",
        "--role",
        "Doctor",
        "--role",
        "admin",
        "--name",
        "Omar",
        "--scope",
        "directory:write",
        "--expires",
        "12h",
    ];
    let output = bedside(
        &args,
        &[("JWT_SECRET", SECRET), ("LARAVEL_URL", "https://l.example")],
    );
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        stderr(&output)
    );
    let printed = stdout(&output);
    let token = printed.strip_suffix('\n').expect("one line");
    let verifier = Verifier::hs256(
        &Secret::new(SECRET),
        Some("https://l.example".to_owned()),
        None,
    );
    let now = Timestamp::now();
    let identity = verifier.verify(token, now).expect("a good token");
    assert_eq!(identity.user_id.as_str(), "42");
    assert_eq!(
        identity.roles,
        [Role::Doctor, Role::Admin].into_iter().collect::<Roles>()
    );
    assert_eq!(&*identity.name, "Omar");
    assert!(identity.has_scope("directory:write"));
    let lives_ms = identity.expires_at.millis_since(now);
    assert!((43_100_000..=43_200_000).contains(&lives_ms), "{lives_ms}");
}

#[test]
fn without_expires_the_configured_life_counts() {
    let args = ["token", "--sub", "u1", "--role", "patient"];
    let output = bedside(&args, &[("JWT_SECRET", SECRET), ("JWT_EXPIRES_IN", "15m")]);
    let verifier = Verifier::hs256(&Secret::new(SECRET), None, None);
    let token = stdout(&output);
    let check = |in_s: i64| {
        let at = Timestamp::now().plus_millis(in_s * 1_000);
        verifier
            .verify(token.trim_end(), at)
            .map(|_| ())
            .map_err(|e| e.code)
    };
    assert_eq!(check(850), Ok(()));
    assert_eq!(check(950), Err(ErrorCode::TokenExpired));
}

#[test]
fn in_demo_mode_tokens_are_of_the_demo_and_for_ordinary_people() {
    let scratch = Scratch::new();
    let env = [("BEDSIDE_DATA_DIR", scratch.text())];
    let output = bedside(&["token", "--sub", "demo-nurse", "--role", "nurse"], &env);
    assert!(output.status.success(), "{}", stderr(&output));
    let secret = demo::demo_secret(&scratch.0).expect("the secret that was made");
    let verifier = Verifier::hs256(&secret, None, None);
    let token = stdout(&output);
    assert!(verifier.verify(token.trim_end(), Timestamp::now()).is_ok());
    for role in ["admin", "service"] {
        let output = bedside(&["token", "--sub", "x", "--role", role], &env);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        assert!(stderr(&output).contains("demo mode"), "{}", stderr(&output));
    }
}

#[test]
fn a_token_for_nobody_is_refused() {
    let long = "x".repeat(129);
    for args in [
        &["token", "--sub", "", "--role", "doctor"][..],
        &["token", "--sub", &long, "--role", "doctor"],
        &["token", "--sub", "u1"],
        &["token", "--role", "doctor"],
        &["token", "--sub", "u1", "--role", "emperor"],
        &[
            "token",
            "--sub",
            "u1",
            "--role",
            "doctor",
            "--expires",
            "soon",
        ],
    ] {
        let output = bedside(args, &[("JWT_SECRET", SECRET)]);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn the_effective_configuration_is_printed_without_secrets() {
    let scratch = Scratch::new();
    let file = scratch.0.join("bedside.toml");
    fs::write(&file, "[server]\nport = 4000\n").expect("written");
    let path = file.to_str().expect("a plain path");
    let output = bedside(
        &["--config", path, "--print-config"],
        &[("JWT_SECRET", SECRET), ("BEDSIDE_LOG", "warn")],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = stdout(&output);
    for line in [
        "port = 4000  # file",
        r#"jwt_secret = "***"  # env"#,
        r#"bedside_log = "warn"  # env"#,
        "bedside_connections_max = 100000  # default",
    ] {
        assert!(
            printed.lines().any(|l| l == line),
            "{line} is not in\n{printed}"
        );
    }
    assert!(!printed.contains(SECRET));
}

#[test]
fn a_bad_configuration_stops_every_command_and_shows_all_its_faults() {
    let token = &["token", "--sub", "u1", "--role", "doctor"][..];
    for args in [
        &[][..],
        &["serve"],
        &["healthcheck"],
        &["--print-config"],
        token,
    ] {
        let output = bedside(args, &[("PORT", "abc"), ("JWT_SECRET", "hunter2")]);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let text = stderr(&output);
        assert!(
            text.contains("PORT") && text.contains("JWT_SECRET"),
            "{text}"
        );
        assert!(!text.contains("hunter2") && output.stdout.is_empty());
    }
}

#[test]
fn the_version_is_told() {
    let output = bedside(&["--version"], &[]);
    let want = format!("bedside {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(stdout(&output), want);
}

/// A server of one answer on a free port; gives its port and, in the end, what it was asked.
fn answering(answer: &'static str) -> (u16, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a caller");
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("readable") == 1 {
            request.push(byte[0]);
        }
        stream.write_all(answer.as_bytes()).expect("writable");
        String::from_utf8(request).expect("ASCII")
    });
    (port, server)
}

#[test]
fn a_healthcheck_is_the_server_s_status() {
    for (answer, code) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 0),
        ("HTTP/1.0 200 OK\r\n\r\n", 0),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", 1),
        ("HTTP/1.1 200\r\n\r\n", 0),
        ("HTTP/1.1 2000 OK\r\n\r\n", 1),
        ("SSH-2.0-OpenSSH_9.9\r\n", 1),
        ("", 1),
    ] {
        let (port, server) = answering(answer);
        let output = bedside(&["healthcheck"], &[("PORT", &port.to_string())]);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{answer:?}: {}",
            stderr(&output)
        );
        let asked = server.join().expect("no panic");
        assert!(asked.starts_with("GET /health HTTP/1.1\r\n"), "{asked}");
        assert!(
            asked.contains(&format!("\r\nHost: 127.0.0.1:{port}\r\n")),
            "{asked}"
        );
    }
}

#[test]
fn a_healthcheck_asks_where_it_is_told() {
    let (port, server) = answering("HTTP/1.1 200 OK\r\n\r\n");
    let url = format!("http://localhost:{port}/api/health");
    let output = bedside(&["healthcheck", "--url", &url], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        server
            .join()
            .expect("no panic")
            .starts_with("GET /api/health ")
    );
    let output = bedside(&["healthcheck", "--url", "ftp://localhost/health"], &[]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_healthcheck_of_nobody_or_of_a_silent_server_fails_soon() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port().to_string();
    // The listener's queue accepts the connection, and then nobody answers.
    let output = bedside(&["healthcheck"], &[("PORT", &port)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("within 3 s"),
        "{}",
        stderr(&output)
    );
    // Bound, so that nobody else gets the port, but not listening.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("a free port");
    let bound = socket.local_addr().expect("bound").as_socket_ipv4();
    let port = bound.expect("IPv4").port().to_string();
    let output = bedside(&["healthcheck"], &[("PORT", &port)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("cannot be asked"),
        "{}",
        stderr(&output)
    );
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own that drips stalls nothing"
)]
fn a_server_that_drips_does_not_hold_the_healthcheck() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port().to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a caller");
        let mut sent = 0;
        while sent < 12 && stream.write_all(b"H").is_ok() {
            sent += 1;
            thread::sleep(Duration::from_millis(700));
        }
        sent
    });
    let output = bedside(&["healthcheck"], &[("PORT", &port)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(server.join().expect("no panic") < 12, "it was given up on");
}

#[test]
fn another_epoch_is_made_for_a_restored_store() {
    let scratch = Scratch::new();
    let env = [("BEDSIDE_DATA_DIR", scratch.text()), ("JWT_SECRET", SECRET)];
    let epoch = || {
        let db = rusqlite::Connection::open(PathBuf::from(scratch.text()).join("bedside.db"));
        db.expect("the store")
            .query_row(
                "SELECT value FROM store_meta WHERE key = 'epoch'",
                [],
                |row| row.get::<_, String>(0),
            )
            .expect("an epoch")
    };
    let first = bedside(&["rotate-epoch"], &env);
    assert!(first.status.success(), "{}", stderr(&first));
    let before = epoch();
    assert!(bedside(&["rotate-epoch"], &env).status.success());
    assert_ne!(epoch(), before);
}
