//! One UDP port for all connections. A datagram is told to its connection by the address that it
//! comes from; a new address is learned from a binding request that names a connection and proves
//! that it knows its password.

use futures_util::task::AtomicWaker;
use parking_lot::{Mutex, RwLock};
use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Weak},
    task::{Context, Poll},
};
use tokio::net::UdpSocket;

use super::{sdp::IceKeys, stats::Stats, stun};

/// Datagrams that wait for one connection. More are dropped, as a network would.
const WAITING_MAX: usize = 512;
/// Addresses of one connection; the oldest makes room.
const ADDRESSES_MAX: usize = 8;
/// Credentials of one connection that hold: the last ones and those before.
const KEYS_MAX: usize = 2;
/// The largest datagram that is taken, bytes. Larger ones do not come over the internet.
const DATAGRAM_BYTES_MAX: usize = 2_048;
/// Datagrams that are read before others get their turn.
const READ_AT_ONCE: usize = 64;

/// The sockets and who is behind them.
pub(super) struct Mux {
    sockets: Vec<(SocketAddr, UdpSocket)>,
    routes: RwLock<Routes>,
    pub(super) stats: Arc<Stats>,
}

#[derive(Default)]
struct Routes {
    by_address: HashMap<SocketAddr, Arc<Inlet>>,
    by_ufrag: HashMap<String, (String, Arc<Inlet>)>,
}

/// What came for one connection.
#[derive(Default)]
pub(super) struct Inlet {
    /// For IPv4 and IPv6: the connection has a socket for each.
    waiting: [Queue; 2],
    known: Mutex<Known>,
}

#[derive(Default)]
struct Queue {
    datagrams: Mutex<VecDeque<(Vec<u8>, SocketAddr)>>,
    waker: AtomicWaker,
}

#[derive(Default)]
struct Known {
    addresses: VecDeque<SocketAddr>,
    ufrags: VecDeque<String>,
}

/// A connection's place behind the port. It is freed when this is dropped.
pub(super) struct Route {
    mux: Weak<Mux>,
    inlet: Arc<Inlet>,
}

impl Mux {
    /// Takes sockets that are bound. Call it on the thread that is to read them.
    pub(super) fn new(
        sockets: Vec<std::net::UdpSocket>,
        stats: Arc<Stats>,
    ) -> io::Result<Arc<Self>> {
        let wrap = |socket: std::net::UdpSocket| {
            socket.set_nonblocking(true)?;
            Ok((socket.local_addr()?, UdpSocket::from_std(socket)?))
        };
        Ok(Arc::new(Self {
            sockets: sockets.into_iter().map(wrap).collect::<io::Result<_>>()?,
            routes: RwLock::default(),
            stats,
        }))
    }

    /// Reads one of the sockets for as long as it works.
    pub(super) async fn read(self: Arc<Self>, socket: usize) -> io::Error {
        let (_, socket) = &self.sockets[socket];
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            if let Err(error) = socket.readable().await {
                return error;
            }
            for _ in 0..READ_AT_ONCE {
                match socket.try_recv_from(&mut buffer) {
                    Ok((length, from)) => self.received(&buffer[..length], canonical(from)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if is_passing(&error) => {}
                    Err(error) => return error,
                }
            }
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// A datagram came.
    pub(super) fn received(&self, datagram: &[u8], from: SocketAddr) {
        let known = self.routes.read().by_address.get(&from).cloned();
        let inlet = if datagram.len() == DATAGRAM_BYTES_MAX {
            None
        } else if stun::looks_like_stun(datagram) {
            self.whose_request(datagram, from, known)
        } else {
            known
        };
        match inlet {
            Some(inlet) if inlet.push(datagram, from) => {}
            Some(_) => self.stats.overflowed(),
            None => self.stats.unknown(),
        }
    }

    /// Whose connection a binding request is for. What is no request stays with its address.
    fn whose_request(
        &self,
        datagram: &[u8],
        from: SocketAddr,
        known: Option<Arc<Inlet>>,
    ) -> Option<Arc<Inlet>> {
        let Some(request) = stun::BindingRequest::parse(datagram) else {
            return known;
        };
        let (pwd, inlet) = self.routes.read().by_ufrag.get(request.ufrag()).cloned()?;
        if known.is_some_and(|known| Arc::ptr_eq(&known, &inlet)) {
            return Some(inlet);
        }
        request.is_signed_with(&pwd).then(|| {
            self.learn(from, &inlet);
            inlet
        })
    }

    fn learn(&self, from: SocketAddr, inlet: &Arc<Inlet>) {
        let mut routes = self.routes.write();
        let before = routes.by_address.insert(from, inlet.clone());
        if let Some(before) = before {
            before.known.lock().addresses.retain(|known| *known != from);
        }
        let mut known = inlet.known.lock();
        known.addresses.push_back(from);
        if known.addresses.len() > ADDRESSES_MAX
            && let Some(oldest) = known.addresses.pop_front()
        {
            routes.by_address.remove(&oldest);
        }
    }

    /// A place for another connection.
    pub(super) fn route(self: &Arc<Self>) -> Route {
        Route {
            mux: Arc::downgrade(self),
            inlet: Arc::default(),
        }
    }

    /// Sends it, or loses it as a network would. There is no waiting: a socket that is full
    /// belongs to all connections.
    pub(super) fn send(&self, datagram: &[u8], to: SocketAddr) {
        let socket = self
            .sockets
            .iter()
            .find(|(at, _)| at.is_ipv4() == to.is_ipv4());
        let sent = socket.is_some_and(|(_, socket)| socket.try_send_to(datagram, to).is_ok());
        if !sent {
            self.stats.unsent();
        }
    }
}

impl Route {
    /// Lets in whoever has these credentials, besides those who have the ones before.
    pub(super) fn admit(&self, keys: IceKeys) {
        let Some(mux) = self.mux.upgrade() else {
            return;
        };
        let mut routes = mux.routes.write();
        let mut known = self.inlet.known.lock();
        if known.ufrags.contains(&keys.ufrag) {
            return;
        }
        known.ufrags.push_back(keys.ufrag.clone());
        if known.ufrags.len() > KEYS_MAX
            && let Some(oldest) = known.ufrags.pop_front()
        {
            routes.by_ufrag.remove(&oldest);
        }
        let place = (keys.pwd, self.inlet.clone());
        routes.by_ufrag.insert(keys.ufrag, place);
    }

    pub(super) fn inlet(&self) -> Arc<Inlet> {
        self.inlet.clone()
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        let Some(mux) = self.mux.upgrade() else {
            return;
        };
        let mut routes = mux.routes.write();
        let known = std::mem::take(&mut *self.inlet.known.lock());
        for address in known.addresses {
            routes.by_address.remove(&address);
        }
        for ufrag in known.ufrags {
            routes.by_ufrag.remove(&ufrag);
        }
    }
}

impl Inlet {
    fn queue(&self, is_ipv4: bool) -> &Queue {
        &self.waiting[usize::from(!is_ipv4)]
    }

    /// False when too much waits.
    fn push(&self, datagram: &[u8], from: SocketAddr) -> bool {
        let queue = self.queue(from.is_ipv4());
        {
            let mut datagrams = queue.datagrams.lock();
            if datagrams.len() == WAITING_MAX {
                return false;
            }
            datagrams.push_back((datagram.to_vec(), from));
        }
        queue.waker.wake();
        true
    }

    /// The next datagram of this family.
    pub(super) fn poll(
        &self,
        is_ipv4: bool,
        context: &mut Context<'_>,
    ) -> Poll<(Vec<u8>, SocketAddr)> {
        let queue = self.queue(is_ipv4);
        if let Some(datagram) = queue.datagrams.lock().pop_front() {
            return Poll::Ready(datagram);
        }
        queue.waker.register(context.waker());
        // It may have come between the look and the registration.
        queue
            .datagrams
            .lock()
            .pop_front()
            .map_or(Poll::Pending, Poll::Ready)
    }

    /// Another one, if it is there already.
    pub(super) fn next(&self, is_ipv4: bool) -> Option<(Vec<u8>, SocketAddr)> {
        self.queue(is_ipv4).datagrams.lock().pop_front()
    }
}

/// IPv4 as such, also where it came through a socket of IPv6.
fn canonical(at: SocketAddr) -> SocketAddr {
    match at.ip() {
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => SocketAddr::new(ip.into(), at.port()),
            None => at,
        },
        IpAddr::V4(_) => at,
    }
}

/// What a peer's network says about an earlier datagram is no fault of the socket.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;
