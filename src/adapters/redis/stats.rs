//! What the bridge counts.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::seal::Refusal;

/// What commands are sent to Redis for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Messages to peers.
    Publish,
    /// Whether Redis is there.
    Ping,
    /// Leases: renewing, giving back, and who else has one.
    Lease,
    /// Who is on which node.
    Presence,
}

impl Kind {
    /// All of them, as the counters have them.
    pub const ALL: [Self; 4] = [Self::Publish, Self::Ping, Self::Lease, Self::Presence];

    /// A word for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Ping => "ping",
            Self::Lease => "lease",
            Self::Presence => "presence",
        }
    }
}

/// Counters of one bridge, each at least as new as the snapshot's call. Numbers since the start,
/// unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BridgeStats {
    /// Whether the connection is there now.
    pub up: bool,
    /// Messages that Redis took.
    pub published: u64,
    /// Bytes of their envelopes.
    pub published_bytes: u64,
    /// Messages that were taken from peers.
    pub received: u64,
    /// Bytes of their envelopes.
    pub received_bytes: u64,
    /// Messages that were not taken from peers, by [`Refusal::ALL`].
    pub refused: [u64; Refusal::ALL.len()],
    /// Presence of peers that did not open.
    pub presence_unreadable: u64,
    /// Messages that nobody was there to take.
    pub undelivered: u64,
    /// Messages refused because there was no connection.
    pub refused_down: u64,
    /// Messages refused because too many waited.
    pub refused_full: u64,
    /// Messages refused because their caller broke the rules: a bug.
    pub refused_misuse: u64,
    /// Messages that were waiting, or on their way, when the connection was lost.
    pub dropped: u64,
    /// Messages that wait now.
    pub waiting: u64,
    /// How often the connection was lost.
    pub losses: u64,
    /// How often connecting failed.
    pub connect_failures: u64,
    /// The last round trip of a ping, microseconds.
    pub ping_us: u64,
    /// Commands sent, by [`Kind::ALL`].
    pub commands: [u64; Kind::ALL.len()],
    /// Bytes of those commands, in the same order.
    pub command_bytes: [u64; Kind::ALL.len()],
}

/// The same, alive.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) up: AtomicBool,
    pub(super) published: AtomicU64,
    pub(super) published_bytes: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) received_bytes: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    pub(super) presence_unreadable: AtomicU64,
    pub(super) undelivered: AtomicU64,
    pub(super) refused_down: AtomicU64,
    pub(super) refused_full: AtomicU64,
    pub(super) refused_misuse: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) losses: AtomicU64,
    pub(super) connect_failures: AtomicU64,
    pub(super) ping_us: AtomicU64,
    commands: [AtomicU64; Kind::ALL.len()],
    command_bytes: [AtomicU64; Kind::ALL.len()],
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, number: usize) {
    counter.fetch_add(number as u64, Relaxed);
}

impl Counters {
    pub(super) fn refused(&self, why: Refusal) {
        add(&self.refused[why as usize], 1);
    }

    pub(super) fn sent(&self, kind: Kind, commands: usize, bytes: usize) {
        add(&self.commands[kind as usize], commands);
        add(&self.command_bytes[kind as usize], bytes);
    }

    pub(super) fn snapshot(&self, waiting: usize) -> BridgeStats {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        BridgeStats {
            up: self.up.load(Relaxed),
            published: read(&self.published),
            published_bytes: read(&self.published_bytes),
            received: read(&self.received),
            received_bytes: read(&self.received_bytes),
            refused: self.refused.each_ref().map(read),
            presence_unreadable: read(&self.presence_unreadable),
            undelivered: read(&self.undelivered),
            refused_down: read(&self.refused_down),
            refused_full: read(&self.refused_full),
            refused_misuse: read(&self.refused_misuse),
            dropped: read(&self.dropped),
            waiting: waiting as u64,
            losses: read(&self.losses),
            connect_failures: read(&self.connect_failures),
            ping_us: read(&self.ping_us),
            commands: self.commands.each_ref().map(read),
            command_bytes: self.command_bytes.each_ref().map(read),
        }
    }
}

/// Bytes of a command of these arguments as it travels.
pub(super) fn command_bytes(arguments: &[usize]) -> usize {
    let header = |n: usize| 3 + n.checked_ilog10().unwrap_or(0) as usize + 1;
    let bulk = |len: &usize| header(*len) + len + 2;
    header(arguments.len()) + arguments.iter().map(bulk).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_as_long_as_it_says() {
        for payload in [0, 1, 9, 10, 99, 100, 12_345] {
            let mut command = redis::cmd("PUBLISH");
            command.arg("bedside:x:all").arg(vec![0_u8; payload]);
            let packed = command.get_packed_command().len();
            assert_eq!(command_bytes(&[7, 13, payload]), packed);
        }
    }

    #[test]
    fn reasons_are_counted_where_they_are_listed() {
        for (at, why) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, at);
        }
        for (at, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, at);
        }
    }
}
