//! What Redis and the nodes have counted so far.

use std::{collections::BTreeMap, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    Outcome,
    bed::{Bed, Kind},
    fault,
};

/// Counters of the nodes that say what the engines behind them were asked.
const OF_INTEREST: [&str; 4] = [
    "bedside_cql_",
    "bedside_redis_",
    "bedside_bus_",
    "bedside_cluster_",
];

/// Counts by name, of all nodes together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counts(pub(super) BTreeMap<String, f64>);

impl Counts {
    pub(super) async fn of(bed: &Bed) -> Outcome<Self> {
        let mut counts = Self::default();
        for node in bed.all(Kind::Node) {
            counts.add_metrics(&metrics(node.address).await?);
        }
        if let Some(redis) = bed.all(Kind::Redis).next() {
            let mut lines = Redis::connect(redis.address).await?;
            counts.add_commands(&lines.info("commandstats").await?);
            counts.add_bytes(&lines.info("stats").await?);
        }
        Ok(counts)
    }

    pub(super) fn since(&self, before: &Self) -> Self {
        let less = |(name, count): (&String, &f64)| {
            let before = before.0.get(name).copied().unwrap_or(0.0);
            (name.clone(), count - before)
        };
        Self(self.0.iter().map(less).collect())
    }

    fn add(&mut self, name: String, count: f64) {
        *self.0.entry(name).or_default() += count;
    }

    /// Prometheus' text format: `name{labels} value`. Gauges and buckets are left out.
    fn add_metrics(&mut self, text: &str) {
        for line in text.lines() {
            let Some((sample, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let name = sample.split('{').next().unwrap_or_default();
            let counts = name.ends_with("_total") || name.ends_with("_count");
            let is_of_interest = OF_INTEREST.iter().any(|prefix| name.starts_with(prefix));
            if let (true, Ok(value)) = (counts && is_of_interest, value.parse()) {
                self.add(sample.to_owned(), value);
            }
        }
    }

    /// `cmdstat_publish:calls=3,usec=...`. What is asked to count is not counted.
    fn add_commands(&mut self, info: &str) {
        for line in info.lines() {
            let stat = line.strip_prefix("cmdstat_");
            let Some((command, rest)) = stat.and_then(|stat| stat.split_once(":calls=")) else {
                continue;
            };
            let calls = rest.split(',').next().and_then(|calls| calls.parse().ok());
            if let Some(calls) = calls.filter(|_| command != "info") {
                self.add(format!("redis: {command}"), calls);
                self.add("redis: all commands".to_owned(), calls);
            }
        }
    }

    fn add_bytes(&mut self, info: &str) {
        for (field, name) in [
            ("total_net_input_bytes:", "redis: bytes in"),
            ("total_net_output_bytes:", "redis: bytes out"),
        ] {
            let value = info.lines().find_map(|line| line.strip_prefix(field));
            if let Some(bytes) = value.and_then(|value| value.trim().parse().ok()) {
                self.add(name.to_owned(), bytes);
            }
        }
    }
}

async fn metrics(node: SocketAddr) -> Outcome<String> {
    let mut stream = TcpStream::connect(node).await?;
    let request = format!("GET /metrics HTTP/1.0\r\nHost: {node}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
        _ => fault("a node shows no metrics"),
    }
}

/// As much of a Redis client as it takes to ask for INFO.
struct Redis(TcpStream);

impl Redis {
    async fn connect(address: SocketAddr) -> Outcome<Self> {
        Ok(Self(TcpStream::connect(address).await?))
    }

    /// `INFO section`, answered with `$LENGTH\r\n` and the text.
    async fn info(&mut self, section: &str) -> Outcome<String> {
        let request = format!("INFO {section}\r\n");
        self.0.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        loop {
            if self.0.read_buf(&mut answer).await? == 0 {
                return fault("Redis hung up");
            }
            let text = String::from_utf8_lossy(&answer);
            let Some((length, rest)) = text.split_once("\r\n") else {
                continue;
            };
            let length: usize = match length.strip_prefix('$').map(str::parse) {
                Some(Ok(length)) => length,
                _ => return fault("Redis answers INFO with something else"),
            };
            if rest.len() >= length + 2 {
                return Ok(rest[..length].to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_read_and_summed() {
        let mut before = Counts::default();
        before.add_commands("# Commandstats\r\ncmdstat_publish:calls=3,usec=9\r\n");
        let mut now = Counts::default();
        now.add_commands(
            "cmdstat_publish:calls=10,usec=9\r\ncmdstat_info:calls=7,usec=1\r\n\
             cmdstat_config|get:calls=1,usec=1\r\n",
        );
        now.add_bytes("total_net_input_bytes:42\r\ntotal_net_output_bytes:7\r\n");
        for node in 1..=2 {
            now.add_metrics(&format!(
                "# TYPE bedside_cql_statements_total counter\n\
                 bedside_cql_statements_total{{kind=\"read\"}} {node}\n\
                 bedside_store_waiting 4\nbedside_cql_seconds_bucket{{le=\"1\"}} 3\n"
            ));
        }
        let since = now.since(&before).0;
        assert_eq!(since["redis: publish"], 7.0);
        assert_eq!(since["redis: all commands"], 8.0);
        assert_eq!(since["redis: bytes in"], 42.0);
        assert_eq!(since["bedside_cql_statements_total{kind=\"read\"}"], 3.0);
        assert_eq!(since.len(), 6);
    }
}
