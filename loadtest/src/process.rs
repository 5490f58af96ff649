//! What the kernel says of a process.

use serde::Serialize;
use std::{fs, time::Duration};

/// A process on this machine.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

/// Its memory, KiB.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Memory {
    /// All that is resident.
    pub rss_kib: u64,
    /// What of it is no file: heap and stacks.
    pub anon_kib: u64,
    /// What of it maps files: the program itself, SQLite's shared memory.
    pub file_kib: u64,
    /// The most that was ever resident.
    pub peak_kib: u64,
}

impl Process {
    /// This one.
    #[must_use]
    pub fn own() -> Self {
        Self(std::process::id())
    }

    /// CPU time of all its threads. Threads that ended are not counted, but neither server nor
    /// harness ends any while it is measured.
    ///
    /// `schedstat` counts nanoseconds, `stat` only clock ticks of 10 ms.
    #[must_use]
    pub fn cpu(self) -> Option<Duration> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0)).ok()?;
        let mut nanos = 0;
        for task in tasks.flatten() {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            nanos += text.split(' ').next()?.parse::<u64>().ok()?;
        }
        Some(Duration::from_nanos(nanos))
    }

    /// CPU time of the threads whose names start so.
    #[must_use]
    pub fn cpu_of_threads(self, prefix: &str) -> Option<Duration> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0)).ok()?;
        let mut nanos = 0;
        for task in tasks.flatten() {
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if name.starts_with(prefix) {
                let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
                nanos += text.split(' ').next()?.parse::<u64>().ok()?;
            }
        }
        Some(Duration::from_nanos(nanos))
    }

    /// Its memory now.
    #[must_use]
    pub fn memory(self) -> Option<Memory> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let of = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_end_matches("kB").trim().parse().ok()
        };
        Some(Memory {
            rss_kib: of("VmRSS:")?,
            anon_kib: of("RssAnon:")?,
            file_kib: of("RssFile:")? + of("RssShmem:")?,
            peak_kib: of("VmHWM:")?,
        })
    }
}

/// The machine, so that a figure can be judged.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores_allowed: usize,
    /// Cores in all.
    pub cores: usize,
    /// The kernel.
    pub kernel: String,
    /// Load over 1, 5 and 15 minutes.
    pub load: String,
}

impl Machine {
    /// This one, now.
    #[must_use]
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let info = read("/proc/cpuinfo");
        let lines = |name| info.lines().filter(move |line| line.starts_with(name));
        let cpu = lines("model name")
            .next()
            .and_then(|l| l.split(": ").nth(1));
        Self {
            cpu: cpu.unwrap_or("unknown").trim().to_owned(),
            cores_allowed: std::thread::available_parallelism().map_or(0, usize::from),
            cores: lines("processor").count(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: load(),
        }
    }
}

/// Load over 1, 5 and 15 minutes.
#[must_use]
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_uses_cpu() {
        let memory = Process::own().memory().expect("a status");
        assert!(memory.rss_kib >= memory.anon_kib && memory.peak_kib >= memory.rss_kib);
        assert!(Process::own().cpu().expect("a schedstat") > Duration::ZERO);
        assert!(Machine::here().cores >= 1);
    }
}
