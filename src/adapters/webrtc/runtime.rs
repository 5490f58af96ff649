//! What a connection runs on: the thread of its call, and a place behind the one UDP port where it
//! believes to have sockets of its own.

use std::{
    fmt,
    future::Future,
    io::{self, IoSliceMut},
    net::{SocketAddr, TcpListener, UdpSocket},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt as _;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime,
    TokioRuntime, Transmit,
};

use super::mux::{Inlet, Mux};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The runtime of one connection.
pub(super) struct PeerRuntime {
    mux: Arc<Mux>,
    inlet: Arc<Inlet>,
    /// Told when a task of the connection's panicked. The connection is of no more use then.
    broken: Arc<dyn Fn() + Send + Sync>,
}

impl PeerRuntime {
    pub(super) fn new(
        mux: Arc<Mux>,
        inlet: Arc<Inlet>,
        broken: Arc<dyn Fn() + Send + Sync>,
    ) -> Arc<Self> {
        Arc::new(Self { mux, inlet, broken })
    }
}

impl fmt::Debug for PeerRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerRuntime")
    }
}

impl Runtime for PeerRuntime {
    fn spawn(&self, task: Task) -> Box<dyn JoinHandle> {
        let broken = self.broken.clone();
        TokioRuntime.spawn(Box::pin(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                broken();
            }
        }))
    }

    /// The socket that was bound only gave its address, by which the connection tells its sockets
    /// apart; it is closed here.
    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(Arc::new(Virtual {
            mux: self.mux.clone(),
            inlet: self.inlet.clone(),
            address: socket.local_addr()?,
        }))
    }

    fn wrap_tcp_listener(&self, _: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn connect_tcp<'a>(
        &'a self,
        _: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn resolve_host<'a>(
        &'a self,
        _: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn sleep(&self, duration: Duration) -> Task {
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }

    fn yield_now(&self) -> Task {
        TokioRuntime.yield_now()
    }

    fn name(&self) -> &'static str {
        "bedside"
    }
}

/// What a connection takes for a socket of its own.
struct Virtual {
    mux: Arc<Mux>,
    inlet: Arc<Inlet>,
    address: SocketAddr,
}

impl fmt::Debug for Virtual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Virtual({})", self.address)
    }
}

impl AsyncUdpSocket for Virtual {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn poll_send(&self, _: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        self.mux.send(transmit.contents, transmit.destination);
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let is_ipv4 = self.address.is_ipv4();
        let places = buffers.len().min(metas.len());
        if places == 0 {
            return Poll::Ready(Ok(0));
        }
        let first = match self.inlet.poll(is_ipv4, context) {
            Poll::Ready(first) => first,
            Poll::Pending => return Poll::Pending,
        };
        let mut filled = 0;
        let mut next = Some(first);
        while let Some((datagram, from)) = next {
            let length = datagram.len().min(buffers[filled].len());
            buffers[filled][..length].copy_from_slice(&datagram[..length]);
            metas[filled].addr = from;
            metas[filled].len = length;
            metas[filled].stride = length.max(1);
            filled += 1;
            next = (filled < places)
                .then(|| self.inlet.next(is_ipv4))
                .flatten();
        }
        Poll::Ready(Ok(filled))
    }
}
