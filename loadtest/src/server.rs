//! A server that the harness starts, kills and starts again.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::time::Instant;

use crate::{Outcome, fault, process::Process};

/// What signs the tokens of servers that the harness starts.
pub const SECRET: &str = "a secret of the load harness, for servers on loopback alone";
/// How long a server may take until it listens.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long one that is asked to stop may take: what the server promises, and some more.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The program.
    pub program: PathBuf,
    /// The one core that it may use.
    pub core: Option<usize>,
    /// More settings.
    pub env: Vec<(String, String)>,
}

impl Recipe {
    /// A server of this program on all cores.
    #[must_use]
    pub fn of(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            core: None,
            env: Vec::new(),
        }
    }
}

/// A directory that is gone when this is dropped.
#[derive(Debug)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// A new one, under `parent` or where temporary files are kept.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(parent: Option<&Path>) -> Outcome<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bedside-load-{}-{count}", std::process::id());
        let path = parent
            .map_or_else(std::env::temp_dir, Path::to_owned)
            .join(name);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The end of what the last server wrote to standard error.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.0.join("server.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// What the server is told to keep its data in.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// Bytes of the files that the server keeps.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let files = fs::read_dir(self.data()).into_iter().flatten().flatten();
        files.filter_map(|f| Some(f.metadata().ok()?.len())).sum()
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that runs. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From the start of the process until it listened.
    pub ready_after: Duration,
}

impl Server {
    /// Starts a server on a data directory and waits until it listens.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start(recipe: &Recipe, dir: &DataDir) -> Outcome<Self> {
        let begun = Instant::now();
        let log = File::options()
            .create(true)
            .append(true)
            .open(dir.path().join("server.log"))?;
        // taskset becomes the server, so its process id is the server's.
        let mut command = match recipe.core {
            None => Command::new(&recipe.program),
            Some(core) => {
                let mut command = Command::new("taskset");
                command.arg("-c").arg(core.to_string()).arg(&recipe.program);
                command
            }
        };
        let child = command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("BEDSIDE_HOST", "127.0.0.1")
            .env("PORT", "0")
            .env("BEDSIDE_DATA_DIR", dir.data())
            .env("JWT_SECRET", SECRET)
            .env("BEDSIDE_LOG", "warn")
            .envs(recipe.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let mut starting = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            ready_after: Duration::ZERO,
        };
        let stdout = starting.child.stdout.take();
        let line = tokio::task::spawn_blocking(move || {
            let lines = stdout.map(|out| BufReader::new(out).lines());
            lines
                .into_iter()
                .flatten()
                .map_while(Result::ok)
                .find(|line| line.contains("http://"))
        });
        let line = tokio::time::timeout(START_TIMEOUT, line).await.ok();
        let line = line.and_then(Result::ok).flatten().unwrap_or_default();
        let address = line.split("http://").nth(1).unwrap_or_default();
        match address.trim_end_matches('/').parse() {
            Ok(address) => starting.address = address,
            Err(_) => return fault(format!("the server did not start:\n{}", dir.log_tail())),
        }
        starting.ready_after = begun.elapsed();
        Ok(starting)
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Asks it to stop, and waits until it has; how it ended.
    ///
    /// # Errors
    /// When it does not.
    pub async fn stop(mut self) -> Outcome<ExitStatus> {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status()?;
        if !asked.success() {
            return fault("the server could not be asked to stop");
        }
        let until = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        fault("the server did not stop")
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
