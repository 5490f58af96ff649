//! What the loads gave.

use serde::Serialize;

use super::Checked;
use crate::{
    process::Memory,
    report::{Percentiles, median},
};

/// What one load gave.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Which load.
    pub load: String,
    /// Which run, from 1.
    pub run: usize,
    /// Sends acknowledged while it was measured.
    pub acked: u64,
    /// The same, a second.
    pub acked_per_s: f64,
    /// From the send (the intended one, in an open loop) to its acknowledgement.
    pub ack_ms: Percentiles,
    /// How much later than intended the harness itself sent, in an open loop.
    pub late_ms: Option<Percentiles>,
    /// Server CPU per acknowledged send, microseconds.
    pub server_cpu_us: Option<f64>,
    /// What of it the store's threads took.
    pub store_cpu_us: Option<f64>,
    /// How much of one core the harness used: near 1 it is the harness that was measured.
    pub client_cores: f64,
    /// Sends that were told to come again later, and did.
    pub retried: u64,
}

/// What came of it all.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// Direct conversations.
    pub conversations: usize,
    /// People with a socket each.
    pub users: usize,
    /// Messages before anything was measured.
    pub preload: usize,
    /// Bytes of a text.
    pub text_bytes: usize,
    /// Each load of each run.
    pub figures: Vec<Figures>,
    /// What was compared at the end.
    pub checked: Checked,
    /// The server's memory at the end.
    pub memory: Option<Memory>,
}

impl Figures {
    /// One line for the terminal.
    #[must_use]
    pub fn line(&self) -> String {
        let us = |us: Option<f64>| us.map_or("-".to_owned(), |us| format!("{us:.1}"));
        format!(
            "run {} {:<12} {:>8.0} acked/s  ack ms {}  server us/send {} (store {})  client {:.2} cores{}",
            self.run,
            self.load,
            self.acked_per_s,
            self.ack_ms,
            us(self.server_cpu_us),
            us(self.store_cpu_us),
            self.client_cores,
            if self.retried > 0 {
                format!("  retried {}", self.retried)
            } else {
                String::new()
            },
        )
    }
}

impl Results {
    /// Whether the server did all that it promised.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.checked.problems.is_empty()
    }

    /// The medians of each load over the runs.
    #[must_use]
    pub fn medians(&self) -> Vec<Median> {
        let loads = self.figures.iter().filter(|figures| figures.run == 1);
        let of_load = |first: &Figures| {
            let of = |value: fn(&Figures) -> Option<f64>| {
                let same = self.figures.iter().filter(|f| f.load == first.load);
                median(same.filter_map(value).collect())
            };
            Median {
                load: first.load.clone(),
                acked_per_s: of(|f| Some(f.acked_per_s)).unwrap_or(0.0),
                p50_ms: of(|f| Some(f.ack_ms.p50)).unwrap_or(0.0),
                p99_ms: of(|f| Some(f.ack_ms.p99)).unwrap_or(0.0),
                p999_ms: of(|f| Some(f.ack_ms.p999)).unwrap_or(0.0),
                server_cpu_us: of(|f| f.server_cpu_us),
                store_cpu_us: of(|f| f.store_cpu_us),
            }
        };
        loads.map(of_load).collect()
    }

    /// What was compared.
    #[must_use]
    pub fn summary(&self) -> String {
        let Checked {
            acked,
            delivered,
            read_back,
            stored,
            problems,
        } = &self.checked;
        let memory = self.memory.unwrap_or_default();
        format!(
            "acknowledged {acked} = delivered {delivered}; {stored} of them read back from \
             {read_back} conversations; {} problems; server RSS {} MiB",
            problems.len(),
            memory.rss_kib / 1024
        )
    }
}

/// The middle of several runs of one load.
#[derive(Clone, Debug, Serialize)]
pub struct Median {
    /// Which load.
    pub load: String,
    /// Acknowledged a second.
    pub acked_per_s: f64,
    /// Until half were acknowledged.
    pub p50_ms: f64,
    /// Until 99 of 100 were.
    pub p99_ms: f64,
    /// Until 999 of 1000 were.
    pub p999_ms: f64,
    /// Server CPU per acknowledged send, microseconds.
    pub server_cpu_us: Option<f64>,
    /// What of it the store's threads took.
    pub store_cpu_us: Option<f64>,
}

impl Median {
    /// A row of a Markdown table.
    #[must_use]
    pub fn row(&self, label: &str) -> String {
        let us = |us: Option<f64>| us.map_or("-".to_owned(), |us| format!("{us:.1}"));
        format!(
            "| {label}, {} | {:.0} | {:.2} | {:.2} | {:.2} | {} | {} |",
            self.load,
            self.acked_per_s,
            self.p50_ms,
            self.p99_ms,
            self.p999_ms,
            us(self.server_cpu_us),
            us(self.store_cpu_us),
        )
    }
}
