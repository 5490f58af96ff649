//! Whether this process may have as many files open as it may have sockets.

/// What a process needs besides sockets: the store, the log, HTTP connections.
const OTHERS: u64 = 512;

/// Warns when sockets would be refused by the kernel before they are by the server.
pub(super) fn warn_if_below(connections_max: usize) {
    let Some(limit) = std::fs::read_to_string("/proc/self/limits")
        .ok()
        .and_then(|limits| soft_limit(&limits))
    else {
        return;
    };
    if limit < connections_max as u64 + OTHERS {
        tracing::warn!(
            limit,
            connections_max,
            "the limit of open files is below the connections that are allowed: raise it \
             (ulimit -n, LimitNOFILE=) or allow fewer",
        );
    }
}

/// The soft limit, out of the text of `/proc/self/limits`; none when there is no limit.
fn soft_limit(limits: &str) -> Option<u64> {
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::soft_limit;

    const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units
Max processes             94321                94321                processes
Max open files            20000                1048576              files
";

    #[test]
    fn the_soft_limit_is_read() {
        assert_eq!(soft_limit(LIMITS), Some(20_000));
        assert_eq!(soft_limit(&LIMITS.replace("20000 ", "unlimited ")), None);
        assert_eq!(soft_limit(""), None);
    }
}
