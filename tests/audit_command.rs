//! `bedside audit verify` on the file of a server that has run, and what that server's own log
//! holds after hostile input: the binary, as operators run it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A directory that is gone when the test is.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("bedside-audit-{}", uuid::Uuid::new_v4());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn bedside(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedside"));
    command
        .args(args)
        .env_clear()
        .env("JWT_SECRET", SECRET)
        .env("BEDSIDE_DATA_DIR", dir)
        .env("BEDSIDE_HOST", "127.0.0.1")
        .env("PORT", "0");
    command
}

fn run(dir: &Path, args: &[&str]) -> Output {
    bedside(dir, args).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A server that runs. Killed when it is dropped, as by a power cut.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(dir: &Path, log: &str) -> Self {
        let mut child = bedside(dir, &["serve"])
            .env("BEDSIDE_LOG", log)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let out = child.stdout.take().expect("is piped");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("a line");
        let address = line.split_once("//").expect("an address").1;
        let address = address.trim().trim_end_matches('/').to_owned();
        Self { child, address }
    }

    /// Sends these bytes and gives what comes back.
    fn talk(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let patience = Some(Duration::from_secs(30));
        stream.set_read_timeout(patience).expect("a time-out");
        stream.write_all(request).expect("it reads");
        let mut answer = Vec::new();
        // A reset is an end too.
        let _ = stream.read_to_end(&mut answer);
        text(&answer)
    }

    fn request(&self, method: &str, path: &str, token: &str, body: &str) -> String {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.talk(request.as_bytes())
    }

    /// What it wrote to standard error until it was killed.
    fn end(mut self) -> String {
        let err = self.child.stderr.take().expect("is piped");
        let reader = thread::spawn(move || {
            let mut all = Vec::new();
            let _ = BufReader::new(err).read_to_end(&mut all);
            all
        });
        let _ = self.child.kill();
        let _ = self.child.wait();
        text(&reader.join().expect("no panic"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn admin_token(dir: &Path) -> String {
    let args = ["token", "--sub", "a1", "--role", "admin"];
    text(&run(dir, &args).stdout).trim().to_owned()
}

/// The directory of a server that wrote some entries.
fn written() -> Scratch {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.0, "info");
    let token = admin_token(&scratch.0);
    for n in 0..6 {
        let body = format!(r#"{{"user_id":"p{n}"}}"#);
        let answer = server.request("POST", "/api/v1/admin/revocations", &token, &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    server.end();
    scratch
}

fn tamper(dir: &Path, sql: &str) {
    let db = rusqlite::Connection::open(dir.join("bedside.db")).expect("the store");
    db.execute_batch(sql).expect("tampered");
}

/// What the command finds, and with which exit code.
fn verify(dir: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let args = [&["audit", "verify"], more].concat();
    let output = run(dir, &args);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output.status.code(), out, err)
}

#[test]
fn a_log_that_nobody_touched_is_whole_and_its_head_can_be_noted() {
    let empty = Scratch::new();
    let (code, out, _) = verify(&empty.0, &[]);
    assert_eq!((code, out.as_str()), (Some(0), "the audit log is empty\n"));
    let scratch = written();
    let (code, out, err) = verify(&scratch.0, &[]);
    assert_eq!(code, Some(0), "{err}");
    let head = out.trim().strip_prefix("whole: ").expect("one whole chain");
    assert!(head.starts_with("alone:6:"), "{out}");
    assert_eq!(verify(&scratch.0, &["--noted", head]).0, Some(0));
    let odd = verify(&scratch.0, &["--noted", "alone"]);
    assert_eq!(odd.0, Some(2), "{}", odd.2);
}

#[test]
fn whatever_was_done_to_it_is_found_and_the_command_fails() {
    let swap = "UPDATE audit_chain SET seq = 99 WHERE seq = 2;
        UPDATE audit_chain SET seq = 2 WHERE seq = 3;
        UPDATE audit_chain SET seq = 3 WHERE seq = 99;";
    for (sql, found) in [
        (
            "UPDATE audit_chain SET subject = 'p9' WHERE seq = 3",
            "alone: entry 3 was changed",
        ),
        (
            "UPDATE audit_chain SET at = at + 1 WHERE seq = 6",
            "alone: entry 6 was changed",
        ),
        (
            "DELETE FROM audit_chain WHERE seq = 4",
            "alone: entry 4 is missing or out of its place",
        ),
        (swap, "alone: entry 2 was changed"),
        (
            "DELETE FROM audit_chain WHERE seq > 4",
            "alone: the chain ends at 4, but was written up to 6",
        ),
        (
            "DELETE FROM audit_heads",
            "alone: its head is missing, or was not made with this server's key",
        ),
    ] {
        let scratch = written();
        tamper(&scratch.0, sql);
        let (code, out, err) = verify(&scratch.0, &[]);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{sql}");
        assert!(err.contains("the audit log was tampered with"), "{err}");
        assert!(err.contains(&format!("BROKEN: {found}")), "{sql}: {err}");
    }
}

#[test]
fn a_log_that_was_deleted_whole_is_missed_by_who_noted_it() {
    let scratch = written();
    let (_, out, _) = verify(&scratch.0, &[]);
    let head = out
        .trim()
        .strip_prefix("whole: ")
        .expect("whole")
        .to_owned();
    tamper(
        &scratch.0,
        "DELETE FROM audit_chain; DELETE FROM audit_heads;",
    );
    assert_eq!(verify(&scratch.0, &[]).0, Some(0));
    let (code, _, err) = verify(&scratch.0, &["--noted", &head]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("BROKEN: alone"), "{err}");
}

/// Ends the line that it stands in, and begins one of its own; and what changes a terminal.
const FORGED: &str = "2026-01-01T00:00:00Z  INFO bedside: forged";

#[test]
fn nobody_writes_lines_of_their_own_into_the_servers_log() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.0, "debug");
    let odd = format!("x\u{1b}[2J\r\n{FORGED}\n\u{85}\u{2028}");
    let encoded: String = odd.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let token = text(
        &run(
            &scratch.0,
            &["token", "--sub", "d1", "--role", "doctor", "--name", &odd],
        )
        .stdout,
    );
    let token = token.trim();
    let json = serde_json::to_string(&odd).expect("JSON");
    for (method, path, body) in [
        ("GET", format!("/api/v1/users/{encoded}"), String::new()),
        ("GET", format!("/{encoded}"), String::new()),
        (
            "GET",
            format!("/chat/search?query={encoded}"),
            String::new(),
        ),
        (
            "PUT",
            "/api/v1/users/me".to_owned(),
            format!(r#"{{"name":{json}}}"#),
        ),
        (
            "POST",
            "/api/v1/conversations".to_owned(),
            format!(r#"{{"kind":{json}}}"#),
        ),
        (
            "POST",
            "/api/v1/conversations".to_owned(),
            format!(r#"{{{json}:1"#),
        ),
    ] {
        let answer = server.request(method, &path, token, &body);
        assert!(answer.starts_with("HTTP/1.1 "), "{path}: {answer}");
        assert!(!answer.starts_with("HTTP/1.1 5"), "{path}: {answer}");
    }
    // Without a name they are let in, and so is one whose name is odd; neither makes a line.
    let raw = format!("GET /x\u{1b}[2J HTTP/1.1\r\nHost: a\r\n\r\n\n{FORGED}\r\n\r\n");
    server.talk(raw.as_bytes());
    let agent = format!(
        "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Authorization: Bearer {}\r\nUser-Agent: a\u{1b}[31m\tb\r\n\r\n",
        "forged"
    );
    let answer = server.talk(agent.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let log = server.end();
    assert!(!log.is_empty(), "it says something at this level");
    for line in log.lines() {
        assert!(
            !line.contains('\u{1b}') && !line.contains('\u{85}'),
            "{line:?}"
        );
        assert!(!line.starts_with(FORGED), "{line:?}");
    }
}

#[test]
fn a_page_that_leads_its_own_name_here_reads_no_metrics() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.0, "warn");
    let get = |host: &str| {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        server.talk(request.as_bytes())
    };
    assert!(get(&server.address).starts_with("HTTP/1.1 200"));
    assert!(get("localhost").starts_with("HTTP/1.1 200"));
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:3000",
    ] {
        let answer = get(host);
        assert!(answer.starts_with("HTTP/1.1 4"), "{host}: {answer}");
    }
}
