//! The process, as /proc tells; on a system without it these read nought.

use std::fs;

use super::Metrics;

/// Clock ticks a second in /proc: Linux fixes it at 100 for every program, whatever the kernel
/// itself uses.
const TICKS_PER_S: f64 = 100.0;

pub(super) fn register(metrics: &Metrics) {
    metrics.register_gauge_fn("process_resident_memory_bytes", "Memory in use.", || {
        resident_bytes(&read("/proc/self/status"))
    });
    metrics.register_gauge_fn("process_open_fds", "Open file descriptors.", open_fds);
    metrics.register_counter_seconds(
        "process_cpu_seconds_total",
        "Processor time used, in user and system mode.",
        || cpu_s(&read("/proc/self/stat")),
    );
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn resident_bytes(status: &str) -> f64 {
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() * 1_024.0
}

fn open_fds() -> f64 {
    const DIRECTORY: &str = "/proc/self/fd";
    // Newer kernels tell the number as the directory's size; to list it costs tens of
    // milliseconds when a hundred thousand sockets are open.
    match fs::metadata(DIRECTORY).map(|m| m.len()) {
        Ok(n) if n > 0 => n as f64,
        // Less the one that reads the directory.
        _ => fs::read_dir(DIRECTORY).map_or(0, |entries| entries.count().saturating_sub(1)) as f64,
    }
}

fn cpu_s(stat: &str) -> f64 {
    // The name in brackets comes second and may hold spaces and brackets itself; user and
    // system time are the 12th and 13th fields after it.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    ticks / TICKS_PER_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read_by_their_fields() {
        let status = "Name:\tbedside\nVmHWM:\t  999 kB\nVmRSS:\t  12 kB\nThreads:\t4\n";
        assert_eq!(resident_bytes(status), 12_288.0);
        assert_eq!(resident_bytes(""), 0.0);
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14";
        assert_eq!(cpu_s(stat), 2.0);
        assert_eq!(cpu_s(""), 0.0);
    }

    #[test]
    fn an_open_file_is_counted() {
        let before = open_fds();
        let files: Vec<_> = (0..64)
            .map(|_| fs::File::open("/proc/self/stat").expect("a file"))
            .collect();
        // Other tests of this process open and close files meanwhile.
        assert!(open_fds() > before + 32.0, "{before}");
        drop(files);
    }
}
