//! WebSocket without anything on it: messages come back as they went.

use bedside::ws::{
    Edge, Upgrade,
    dialect::{Dialect, Incoming, Output, Step},
    drive,
    frame::{Opcode, framed},
    handshake::{self, accept},
    metrics::NoMetrics,
    refuse,
};
use bedside_protocol::CloseCode;
use bytes::Bytes;
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Messages that wait. While there are so many the client is not read.
const WAITING_MAX: usize = 64;

/// Serves the echo.
pub(crate) struct EchoEdge;

impl<S> Edge<S> for EchoEdge
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    fn is_at(&self, path: &str) -> bool {
        path == "/"
    }

    fn upgrade(&self, upgrade: Upgrade<S>) -> LocalBoxFuture<'static, ()> {
        let head = upgrade.request.head();
        let accepted = accept(handshake::Request {
            method: &head.method,
            version: head.version,
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: &head.headers,
        });
        match accepted {
            Ok(accept) => {
                let answer = accept.response(None);
                let metrics = Arc::new(NoMetrics);
                actix_rt::spawn(drive(upgrade, &answer, Echo::default(), (), metrics));
                std::future::ready(()).boxed_local()
            }
            Err(refusal) => refuse(upgrade, refusal).boxed_local(),
        }
    }
}

#[derive(Default)]
struct Echo {
    waiting: VecDeque<Bytes>,
    choked: bool,
}

impl Dialect for Echo {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.choked = self.waiting.len() >= WAITING_MAX;
        if self.choked {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    fn receive(&mut self, message: Incoming<'_>) -> Step {
        let frame = match message {
            Incoming::Text(text) => framed(Opcode::Text, text.as_bytes()),
            Incoming::Binary(bytes) => framed(Opcode::Binary, bytes),
        };
        self.waiting.push_back(frame.into());
        Step::Next
    }

    fn message_bytes_max(&self) -> usize {
        MESSAGE_BYTES_MAX
    }

    fn poll_output(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut VecDeque<Bytes>,
        _: usize,
    ) -> Poll<Output> {
        if self.waiting.is_empty() {
            // Messages come on the task that asks here, which therefore needs no waking.
            return Poll::Pending;
        }
        into.append(&mut self.waiting);
        if std::mem::take(&mut self.choked) {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Output::Frames)
    }

    fn poll_closed(&mut self, _: &mut Context<'_>) -> Poll<CloseCode> {
        Poll::Pending
    }

    fn farewell(&self, _: CloseCode) -> Option<Bytes> {
        None
    }

    fn deadline(&self) -> Option<(Instant, CloseCode)> {
        None
    }
}
