//! How many sockets there may be: in all, and per address before they say who they are.

use bedside_protocol::limits;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;

/// Counts the sockets of one server. Shared by its workers.
#[derive(Debug)]
pub struct Admission {
    connections_max: usize,
    unauthenticated_max: usize,
    open: AtomicUsize,
    draining: AtomicBool,
    drains: Notify,
    emptied: Notify,
    unauthenticated: Mutex<HashMap<IpAddr, usize>>,
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
        Self::with(connections_max, limits::UNAUTHENTICATED_PER_ADDRESS_MAX)
    }

    /// The same, with room for so many sockets of one address that have not said who they are.
    #[must_use]
    pub fn with(connections_max: usize, unauthenticated_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections_max,
            unauthenticated_max,
            open: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            drains: Notify::new(),
            emptied: Notify::new(),
            unauthenticated: Mutex::default(),
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
        let mut unauthenticated = self.unauthenticated.lock();
        let count = unauthenticated.entry(address).or_insert(0);
        if *count >= self.unauthenticated_max {
            return Err(Full::Address);
        }
        *count += 1;
        Ok(Waiting {
            admission: Arc::clone(self),
            address,
        })
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
fn network(address: IpAddr) -> IpAddr {
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

/// The place of a socket that has yet to say who it is, given back on drop.
#[must_use]
pub struct Waiting {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Waiting {
    /// Whether the server is about to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.admission.is_draining()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
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
        let admission = Admission::new(1);
        let waiting: Vec<_> = (0..limits::UNAUTHENTICATED_PER_ADDRESS_MAX)
            .map(|n| admission.wait_for_hello(address(&format!("2001:db8::{n:x}:0:0:1"))))
            .collect();
        assert!(waiting.iter().all(Result::is_ok));
        let again = || admission.wait_for_hello(address("2001:db8::ffff"));
        assert_eq!(again().err(), Some(Full::Address));
        assert!(admission.wait_for_hello(address("2001:db8:0:1::1")).is_ok());
        assert!(admission.wait_for_hello(address("192.0.2.1")).is_ok());
        drop(waiting);
        assert!(again().is_ok());
        assert!(admission.unauthenticated.lock().is_empty());
    }
}
