//! A file system of a test's own, and the servers on it.

use bedside_loadtest::server::{DataDir, Recipe, SECRET, Server};
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// Bytes of one that is to be filled: less than what the write-ahead log may take.
pub(crate) const SMALL: u64 = 8 << 20;

/// Mounts `$1` at `$2` and waits until its standard input ends.
const HOLD: &str = r#"mkdir -p "$2" && mount $1 "$2" && echo ready && exec cat"#;

/// A mounted file system. Gone with this value.
pub(crate) struct Place {
    holder: Child,
    /// How to get in: arguments of nsenter.
    inside: Vec<String>,
    dir: DataDir,
}

impl Drop for Place {
    fn drop(&mut self) {
        // The mount goes with the last process that sees it.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Place {
    /// So many bytes of memory. None, and a word about it, when there is none to be had; with
    /// CI=true that is a failure.
    pub(crate) fn memory(bytes: u64) -> Option<Self> {
        let dir = DataDir::new(None).expect("a directory");
        Self::mounted(
            dir,
            &format!("-t tmpfs -o size={bytes} bedside"),
            !is_root(),
        )
    }

    /// A disk with ext4, which takes root.
    pub(crate) fn ext4() -> Option<Self> {
        let dir = DataDir::new(None).expect("a directory");
        let image = dir.path().join("image");
        let file = File::create(&image).and_then(|file| file.set_len(32 << 20));
        file.expect("an image");
        let made = Command::new("mkfs.ext4").arg("-qF").arg(&image).output();
        if !is_root() || !made.is_ok_and(|made| made.status.success()) {
            return none("a disk with ext4 takes root and mkfs.ext4");
        }
        let what = format!("-o loop {}", image.display());
        Self::mounted(dir, &what, false)
    }

    fn mounted(dir: DataDir, what: &str, as_user: bool) -> Option<Self> {
        let mut unshare = Command::new("unshare");
        if as_user {
            unshare.args(["--user", "--map-root-user"]);
        }
        let holder = unshare
            .args(["--mount", "sh", "-c", HOLD, "hold", what])
            .arg(dir.data())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut holder) = holder else {
            return none("there is no unshare");
        };
        let said = holder.stdout.take().expect("its output");
        let said = BufReader::new(said).lines().next();
        let pid = holder.id().to_string();
        let mut inside = vec!["--target".to_owned(), pid, "--mount".to_owned()];
        if as_user {
            inside.extend(["--user".to_owned(), "--preserve-credentials".to_owned()]);
        }
        let place = Self {
            holder,
            inside,
            dir,
        };
        if !said.is_some_and(|line| line.is_ok_and(|line| line == "ready")) {
            return none("nothing can be mounted here");
        }
        place.write_script();
        Some(place)
    }

    /// Starts the server where the file system is. A limit of the size of files, which some tests
    /// set, is to be an error and not the end of the process.
    fn write_script(&self) {
        let text = format!(
            "#!/bin/sh\ntrap '' XFSZ\nexec nsenter {} -- {}\n",
            self.inside.join(" "),
            env!("CARGO_BIN_EXE_bedside")
        );
        fs::write(self.script(), text).expect("a script");
        let mode = fs::Permissions::from_mode(0o700);
        fs::set_permissions(self.script(), mode).expect("it can be run");
    }

    fn script(&self) -> PathBuf {
        self.dir.path().join("server")
    }

    /// A server on it.
    pub(crate) async fn start(&self) -> Server {
        let server = Server::start(&Recipe::of(self.script()), &self.dir).await;
        server.expect("it starts")
    }

    /// A server on it that does not start: what it says, and that it did not fall over.
    pub(crate) fn refused(&self) -> String {
        refused(&self.script(), &self.dir.data())
    }

    /// Does something to what is mounted.
    pub(crate) fn sh(&self, command: &str) {
        let done = Command::new("nsenter")
            .args(&self.inside)
            .args(["--", "sh", "-c", command, "sh"])
            .arg(self.dir.data())
            .arg(self.dir.path().join("image"))
            .output();
        let Output { status, stderr, .. } = done.expect("nsenter runs");
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    }

    /// Takes all the room that is left; it is given back by [`Self::free`].
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.ballast()).expect("a file");
        while file.write_all(&[0; 4_096]).is_ok() {}
        while file.write_all(&[0]).is_ok() {}
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.ballast()).expect("it was full");
    }

    fn ballast(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id());
        let data = self.dir.data();
        let data = data.strip_prefix("/").expect("an absolute path").to_owned();
        Path::new(&root).join(data).join("ballast")
    }

    /// All that servers wrote to standard error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("server.log")).expect("a log")
    }
}

/// A server that does not start here: what it says.
pub(crate) fn refused(program: &Path, data: &Path) -> String {
    let ended = Command::new("timeout")
        .arg("20")
        .arg(program)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("BEDSIDE_HOST", "127.0.0.1")
        .env("PORT", "0")
        .env("JWT_SECRET", SECRET)
        .env("BEDSIDE_DATA_DIR", data)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout == b"0\n")
}

fn none(why: &str) -> Option<Place> {
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!is_ci, "{why}: with CI=true nothing is left out");
    eprintln!("not run: {why}");
    None
}
