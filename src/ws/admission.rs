//! How many sockets there may be: in all, and per address before they say who they are.
//!
//! An address is nobody: a clinic has one for all its people. So it only counts for who has not
//! shown a good token, and only what went wrong is held against it: a bucket of failures, which
//! nothing good takes from.

use bedside_protocol::limits;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

use crate::{
    budget::{Budget, Taken},
    recent::Recent,
};

/// Addresses whose failures are remembered. Of more, those that were quiet for longest are
/// forgotten.
const FAILING_MAX: usize = 20_000;

/// Counts the sockets of one server. Shared by its workers.
pub struct Admission {
    connections_max: usize,
    unauthenticated_max: usize,
    /// The same for an address that has failed too often.
    in_doubt_max: usize,
    open: AtomicUsize,
    draining: AtomicBool,
    drains: Notify,
    emptied: Notify,
    unauthenticated: Mutex<HashMap<IpAddr, usize>>,
    failing: Recent<IpAddr, Arc<Mutex<Budget>>>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    failures: AtomicU64,
    throttled: AtomicU64,
    refused_waits: AtomicU64,
}

/// What came of clients that have not shown a good token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StrangerCounts {
    /// Sockets that have yet to say who they are.
    pub waiting: usize,
    /// Tokens that cannot be trusted, and sockets that never said hello.
    pub failures: u64,
    /// Those of them whose address had no failure free.
    pub throttled: u64,
    /// Sockets refused because too many of their address had not said hello.
    pub refused_waits: u64,
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No addresses.
        f.debug_struct("Admission")
            .field("open", &self.open())
            .finish_non_exhaustive()
    }
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The server has as many sockets as it may, or is about to stop.
    Server,
    /// This address has too many sockets that have not said who they are.
    Address,
}

impl Admission {
    /// Room for this many sockets.
    #[must_use]
    pub fn new(connections_max: usize) -> Arc<Self> {
        // The other half is for who has shown a good token, and for other addresses.
        let unauthenticated_max = limits::UNAUTHENTICATED_PER_ADDRESS_MAX.min(connections_max / 2);
        let unauthenticated_max = unauthenticated_max.max(1);
        let in_doubt_max = limits::UNAUTHENTICATED_IN_DOUBT_MAX.min(unauthenticated_max);
        Self::build(connections_max, unauthenticated_max, in_doubt_max)
    }

    /// The same, with room for so many sockets of one address that have not said who they are,
    /// whatever went wrong there.
    #[must_use]
    pub fn with(connections_max: usize, unauthenticated_max: usize) -> Arc<Self> {
        Self::build(connections_max, unauthenticated_max, unauthenticated_max)
    }

    fn build(connections_max: usize, unauthenticated_max: usize, in_doubt_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections_max,
            unauthenticated_max,
            in_doubt_max,
            open: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            drains: Notify::new(),
            emptied: Notify::new(),
            unauthenticated: Mutex::default(),
            failing: Recent::new(FAILING_MAX),
            counts: Counts::default(),
        })
    }

    /// Takes a place for one socket.
    ///
    /// # Errors
    /// [`Full::Server`].
    pub fn enter(self: &Arc<Self>) -> Result<Seat, Full> {
        // Counted first and looked at after, so that two at once cannot both take the last one.
        let seat = Seat(Arc::clone(self));
        let before = self.open.fetch_add(1, Ordering::AcqRel);
        if before >= self.connections_max || self.is_draining() {
            return Err(Full::Server);
        }
        Ok(seat)
    }

    /// Takes a place for a socket of this address that has yet to say who it is.
    ///
    /// # Errors
    /// [`Full::Address`].
    pub fn wait_for_hello(self: &Arc<Self>, address: IpAddr) -> Result<Waiting, Full> {
        let address = network(address);
        let is_in_doubt = self
            .failing
            .get(&address)
            .is_some_and(|budget| budget.lock().is_spent());
        let most = match is_in_doubt {
            true => self.in_doubt_max,
            false => self.unauthenticated_max,
        };
        let mut unauthenticated = self.unauthenticated.lock();
        let count = unauthenticated.entry(address).or_insert(0);
        if *count >= most {
            drop(unauthenticated);
            self.counts.refused_waits.fetch_add(1, Ordering::Relaxed);
            return Err(Full::Address);
        }
        *count += 1;
        Ok(Waiting {
            admission: Arc::clone(self),
            address,
            is_excused: false,
        })
    }

    /// Notes that somebody of this address failed to say who they are.
    ///
    /// # Errors
    /// How long until this address has a failure free again: tell no more than that.
    pub fn failed(&self, address: IpAddr) -> Result<(), Duration> {
        self.counts.failures.fetch_add(1, Ordering::Relaxed);
        let full = || {
            let most = limits::FAILURES_PER_ADDRESS_A_MINUTE;
            Arc::new(Mutex::new(Budget::per_minute(most)))
        };
        let budget = self.failing.update(network(address), |budget| {
            let budget = budget.unwrap_or_else(full);
            (budget.clone(), budget)
        });
        let mut budget = budget.lock();
        if budget.take() == Taken::None {
            self.counts.throttled.fetch_add(1, Ordering::Relaxed);
            return Err(budget.wait());
        }
        Ok(())
    }

    /// What came of those who have not shown a good token.
    #[must_use]
    pub fn strangers(&self) -> StrangerCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        StrangerCounts {
            waiting: self.unauthenticated.lock().values().sum(),
            failures: read(&self.counts.failures),
            throttled: read(&self.counts.throttled),
            refused_waits: read(&self.counts.refused_waits),
        }
    }

    /// How many sockets there may be.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.connections_max
    }

    /// How many sockets there are.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Lets nobody in any more.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.drains.notify_waiters();
    }

    /// Waits until the server is about to stop.
    pub async fn drained(&self) {
        loop {
            let drains = self.drains.notified();
            if self.is_draining() {
                return;
            }
            drains.await;
        }
    }

    /// Whether the server is about to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Waits until the last socket is gone.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.open() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// Who holds one IPv6 address usually holds its whole /64, so that is what counts.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The place of one socket, given back on drop.
#[must_use]
pub struct Seat(Arc<Admission>);

impl Drop for Seat {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.emptied.notify_waiters();
        }
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seat")
    }
}

/// The place of a socket that has yet to say who it is, given back on drop. Dropped without
/// [`excuse`](Self::excuse) it is a failure of its address.
#[must_use]
pub struct Waiting {
    admission: Arc<Admission>,
    address: IpAddr,
    is_excused: bool,
}

impl Waiting {
    /// Whether the server is about to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.admission.is_draining()
    }

    /// It has shown a token, and what is wrong with that, if anything, is counted elsewhere.
    pub fn excuse(&mut self) {
        self.is_excused = true;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_excused && !self.admission.is_draining() {
            // There is nobody left to be told to wait.
            let _ = self.admission.failed(self.address);
        }
        let mut unauthenticated = self.admission.unauthenticated.lock();
        if let Some(count) = unauthenticated.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                unauthenticated.remove(&self.address);
            }
        }
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse()
            .expect("is an address, because the test says so")
    }

    #[test]
    fn the_last_place_is_given_once_and_comes_back() {
        let admission = Admission::new(2);
        let first = admission.enter();
        let second = admission.enter();
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(admission.enter().err(), Some(Full::Server));
        assert_eq!(admission.open(), 2);
        drop(first);
        assert!(admission.enter().is_ok());
    }

    #[test]
    fn a_draining_server_lets_nobody_in() {
        let admission = Admission::new(2);
        admission.drain();
        assert_eq!(admission.enter().err(), Some(Full::Server));
        assert_eq!(admission.open(), 0);
    }

    #[test]
    fn unauthenticated_sockets_are_counted_by_network() {
        let admission = Admission::new(200);
        let mut waiting: Vec<_> = (0..100)
            .map(|n| admission.wait_for_hello(address(&format!("2001:db8::{n:x}:0:0:1"))))
            .collect();
        assert!(waiting.iter().all(Result::is_ok));
        let again = || admission.wait_for_hello(address("2001:db8::ffff"));
        assert_eq!(again().err(), Some(Full::Address));
        assert!(admission.wait_for_hello(address("2001:db8:0:1::1")).is_ok());
        assert!(admission.wait_for_hello(address("192.0.2.1")).is_ok());
        assert_eq!(admission.strangers().refused_waits, 1);
        waiting.iter_mut().flatten().for_each(Waiting::excuse);
        drop(waiting);
        assert!(again().is_ok());
        assert!(admission.unauthenticated.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_says_hello_gets_less_room_for_a_while() {
        let admission = Admission::new(4_000);
        let from = address("192.0.2.1");
        let take = |count: usize| -> Vec<_> {
            let taken = (0..count).map(|_| admission.wait_for_hello(from));
            taken.collect()
        };
        let silent = take(limits::FAILURES_PER_ADDRESS_A_MINUTE as usize);
        assert!(silent.iter().all(Result::is_ok));
        drop(silent);
        let (doubted, rest) = (limits::UNAUTHENTICATED_IN_DOUBT_MAX, 10);
        let mut some = take(doubted + rest);
        assert_eq!(some.iter().filter(|taken| taken.is_ok()).count(), doubted);
        assert_eq!(admission.strangers().refused_waits, rest as u64);
        some.iter_mut().flatten().for_each(Waiting::excuse);
        drop(some);
        tokio::time::advance(Duration::from_secs(60)).await;
        let all = take(2_000);
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(admission.wait_for_hello(from).err(), Some(Full::Address));
        admission.drain();
        let before = admission.strangers().failures;
        drop(all);
        assert_eq!(admission.strangers().failures, before, "it was us who left");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_counted_by_network_and_forgiven_with_time() {
        let admission = Admission::new(1);
        let free = limits::FAILURES_PER_ADDRESS_A_MINUTE;
        for n in 0..free {
            let from = address(&format!("2001:db8::{n:x}:0:0:1"));
            assert_eq!(admission.failed(from), Ok(()));
        }
        let again = || admission.failed(address("2001:db8::1"));
        let wait = again().expect_err("there is none left");
        assert!(wait <= Duration::from_millis(500), "{wait:?}");
        assert_eq!(admission.failed(address("2001:db8:0:1::1")), Ok(()));
        assert_eq!(admission.failed(address("::ffff:192.0.2.1")), Ok(()));
        tokio::time::advance(wait).await;
        assert_eq!(again(), Ok(()));
        let counts = admission.strangers();
        assert_eq!(
            (counts.failures, counts.throttled),
            (u64::from(free) + 4, 1)
        );
    }

    #[test]
    fn the_addresses_that_are_remembered_are_bounded() {
        let admission = Admission::new(1);
        for n in 0..100_000_u32 {
            let _ = admission.failed(IpAddr::V4(n.into()));
        }
        assert!(admission.failing.len() <= FAILING_MAX + 16);
    }
}
