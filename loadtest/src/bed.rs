//! The processes that `scripts/cluster` started, by its state directory: to kill them, pause
//! them and start them again. Only these: a pid counts when its process has the directory in
//! its command line or works in it.
//!
//! ```text
//! DIR/env             JWT_SECRET and what else the nodes were started with, as NAME=VALUE
//! DIR/services        NAME KIND ADDRESS, a line each
//! DIR/NAME/pid, log   of each service
//! DIR/NAME/start      starts it again
//! ```

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{net::TcpStream, process::Command, time::Instant};

use crate::{Outcome, fault, http::Rest};

/// How long a service may take to answer after its start.
const READY_WITHIN: Duration = Duration::from_secs(400);
/// How long a killed process may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// How long one that was asked to stop may take: what a node promises, and some more.
const STOPPED_WITHIN: Duration = Duration::from_secs(40);

/// What a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Bedside node.
    Node,
    /// The balancer before the nodes.
    Balancer,
    /// Redis.
    Redis,
    /// A server of the CQL ring.
    Cql,
    /// The control port of the fault proxy.
    Proxy,
}

/// One process.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name and that of its directory.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Where it listens.
    pub address: SocketAddr,
    bed: PathBuf,
}

/// All of them.
#[derive(Clone, Debug)]
pub struct Bed {
    /// In the order of their start.
    pub services: Vec<Service>,
    /// What signs tokens.
    pub secret: String,
}

impl Bed {
    /// Reads what stands in a state directory.
    ///
    /// # Errors
    /// When there is none, or it is not understood.
    pub fn open(dir: &Path) -> Outcome<Self> {
        let dir = fs::canonicalize(dir)?;
        let env = fs::read_to_string(dir.join("env"))?;
        let secret = env
            .lines()
            .find_map(|line| line.strip_prefix("JWT_SECRET="));
        let secret = secret.ok_or("the environment has no JWT_SECRET")?;
        let lines = fs::read_to_string(dir.join("services"))?;
        let services = lines.lines().map(|line| Service::read(line, &dir));
        Ok(Self {
            services: services.collect::<Outcome<_>>()?,
            secret: secret.to_owned(),
        })
    }

    /// The services of one kind.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(move |s| s.kind == kind)
    }
}

impl Service {
    fn read(line: &str, bed: &Path) -> Outcome<Self> {
        let words: Vec<_> = line.split_whitespace().collect();
        let [name, kind, address] = words[..] else {
            return fault(format!("a service is NAME KIND ADDRESS, not {line:?}"));
        };
        let kind = match kind {
            "node" => Kind::Node,
            "balancer" => Kind::Balancer,
            "redis" => Kind::Redis,
            "cql" => Kind::Cql,
            "proxy" => Kind::Proxy,
            other => return fault(format!("there is no kind of service {other:?}")),
        };
        Ok(Self {
            name: name.to_owned(),
            kind,
            address: address.parse()?,
            bed: bed.to_owned(),
        })
    }

    fn dir(&self) -> PathBuf {
        self.bed.join(&self.name)
    }

    /// Its process, when it runs and is one of this bed: pids are used again.
    fn pid(&self) -> Option<u32> {
        let pid: u32 = fs::read_to_string(self.dir().join("pid"))
            .ok()?
            .trim()
            .parse()
            .ok()?;
        let process = PathBuf::from(format!("/proc/{pid}"));
        let bed = self.bed.to_str()?;
        let works_here = fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(bed));
        let line = fs::read(process.join("cmdline")).ok()?;
        let is_named = String::from_utf8_lossy(&line).contains(bed);
        // A process that ended and whose parent has not asked for it has no program. (Nor has it a
        // command line; but one that has just begun may not have one yet.)
        let runs = fs::read_link(process.join("exe")).is_ok();
        (runs && (works_here || is_named)).then_some(pid)
    }

    /// Sends a signal by its name.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn signal(&self, signal: &str) -> Outcome<()> {
        let Some(pid) = self.pid() else {
            return fault(format!("{} does not run", self.name));
        };
        let sent = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(pid.to_string())
            .status()
            .await?;
        match sent.success() {
            true => Ok(()),
            false => fault(format!("{} took no {signal}", self.name)),
        }
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Errors
    /// When it does not run, or does not go.
    pub async fn kill(&self) -> Outcome<()> {
        self.signal("KILL").await?;
        self.gone(GONE_WITHIN).await
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// When it does not run, or does not stop.
    pub async fn stop(&self) -> Outcome<()> {
        self.signal("TERM").await?;
        self.gone(STOPPED_WITHIN).await
    }

    async fn gone(&self, within: Duration) -> Outcome<()> {
        let until = Instant::now() + within;
        while self.pid().is_some() {
            if Instant::now() > until {
                return fault(format!("{} is not gone", self.name));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Starts it again; whether it answers is for [`Self::ready`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn start(&self) -> Outcome<()> {
        // What it starts keeps what it inherits, so nothing here waits for the end of a pipe.
        let started = Command::new(self.dir().join("start"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await?;
        match started.success() {
            true => Ok(()),
            false => fault(format!("{} was not started", self.name)),
        }
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ready(&self) -> Outcome<()> {
        let until = Instant::now() + READY_WITHIN;
        while !self.answers().await {
            if Instant::now() > until {
                return fault(format!("{} does not answer", self.name));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn answers(&self) -> bool {
        let asking = async {
            if self.kind != Kind::Node {
                return Ok(TcpStream::connect(self.address).await.is_ok());
            }
            let mut rest = Rest::connect(self.address).await?;
            Ok::<_, crate::Fault>(rest.ask("GET", "/ready", "", None).await?.status == 200)
        };
        let answered = tokio::time::timeout(Duration::from_secs(2), asking).await;
        matches!(answered, Ok(Ok(true)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::DataDir;

    fn bed_with(pid: u32) -> (DataDir, Bed) {
        let dir = DataDir::new(None).expect("a directory");
        let path = dir.path();
        fs::write(path.join("env"), "JWT_SECRET=s=1\nREDIS_URL=x\n").expect("written");
        fs::write(path.join("services"), "n1 node 127.0.0.1:1\n").expect("written");
        fs::create_dir(path.join("n1")).expect("made");
        fs::write(path.join("n1/pid"), format!("{pid}\n")).expect("written");
        let bed = Bed::open(path).expect("a bed");
        (dir, bed)
    }

    #[tokio::test]
    async fn a_process_of_the_bed_is_killed_and_no_other() {
        let (dir, bed) = bed_with(std::process::id());
        let refused = bed.services[0].kill().await.expect_err("not of this bed");
        assert_eq!(refused.to_string(), "n1 does not run");

        let mut child = Command::new("sleep")
            .arg("600")
            .current_dir(dir.path().join("n1"))
            .kill_on_drop(true)
            .spawn()
            .expect("started");
        let pid = child.id().expect("it runs");
        fs::write(dir.path().join("n1/pid"), pid.to_string()).expect("written");
        bed.services[0].kill().await.expect("killed");
        let ended = child.wait().await.expect("ended");
        assert!(!ended.success());
    }

    #[test]
    fn the_secret_is_read_whole_and_wrong_lines_are_refused() {
        let (dir, bed) = bed_with(1);
        assert_eq!(bed.secret, "s=1");
        assert_eq!(bed.all(Kind::Node).count(), 1);
        fs::write(dir.path().join("services"), "n1 cook 127.0.0.1:1\n").expect("written");
        assert!(Bed::open(dir.path()).is_err());
    }
}
