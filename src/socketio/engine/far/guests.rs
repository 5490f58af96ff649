//! WebSockets that clients opened at other nodes. Each is served here as one of our own, on a
//! stream in memory whose other end the calls of that node write and read.
//!
//! Bytes are counted in both directions: what comes again is not written again, and what was read
//! is kept until the other node says that it has it.

use actix_http::{
    Method, Request, Uri,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use bytes::{Buf as _, Bytes, BytesMut};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, duplex, split},
    sync::{Mutex as Turns, mpsc, watch},
    time::{Instant, timeout, timeout_at},
};

use super::{hold, lease::Lease};
use crate::{
    peer_calls::wire::{Answer, Open, Pull, Push, Refused, StreamId},
    socketio::engine::EngineEdge,
    ws::{Edge as _, Upgrade},
};

/// The most bytes that are brought at once.
pub(super) const CHUNK_BYTES_MAX: usize = 64 * 1024;
/// How long after its last call the other node is taken for gone. It is silent while its client
/// takes nothing, which is for the driver to judge.
const SILENT_FOR: Duration = Duration::from_secs(45);
/// Sockets that wait to be served by one worker.
const WAITING_MAX: usize = 64;

/// Something to be done on a worker's thread.
type Job = Box<dyn FnOnce() + Send>;

/// The WebSockets that other nodes brought.
pub(super) struct Guests {
    guests: Mutex<HashMap<StreamId, Arc<Guest>>>,
    guests_max: usize,
    /// The workers that serve them, who take turns.
    workers: Mutex<Vec<mpsc::Sender<Job>>>,
    next: AtomicUsize,
}

struct Guest {
    up: Turns<Up>,
    down: Turns<Down>,
    lease: Lease,
    /// The client is. Whoever waits for bytes need not wait any more.
    is_gone: watch::Sender<bool>,
}

struct Up {
    into: WriteHalf<DuplexStream>,
    taken: u64,
}

struct Down {
    from: ReadHalf<DuplexStream>,
    /// How many bytes the other node has.
    given: u64,
    /// Those that it may not have.
    kept: Bytes,
}

impl Guests {
    pub(super) fn new(guests_max: usize) -> Self {
        Self {
            guests: Mutex::default(),
            guests_max,
            workers: Mutex::default(),
            next: AtomicUsize::new(0),
        }
    }

    /// Sockets may be served on this thread.
    pub(super) fn serve_here(&self) {
        let (sender, mut jobs) = mpsc::channel::<Job>(WAITING_MAX);
        actix_rt::spawn(async move {
            while let Some(job) = jobs.recv().await {
                job();
            }
        });
        self.workers.lock().push(sender);
    }

    fn do_somewhere(&self, job: Job) -> bool {
        let mut workers = self.workers.lock();
        workers.retain(|worker| !worker.is_closed());
        if workers.is_empty() {
            return false;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % workers.len();
        workers[turn].try_send(job).is_ok()
    }

    /// Has a WebSocket served.
    pub(super) fn open(self: &Arc<Self>, edge: &EngineEdge, open: Open) -> Answer {
        let Some(asked) = Asked::of(&open) else {
            return Answer::Refused(Refused::Malformed);
        };
        let mut guests = self.guests.lock();
        if guests.contains_key(&open.stream) {
            return Answer::Done;
        }
        if guests.len() >= self.guests_max {
            return Answer::Refused(Refused::Busy);
        }
        let (ours, theirs) = duplex(CHUNK_BYTES_MAX);
        let edge = edge.clone();
        let serve = Box::new(move || {
            let upgrade = Upgrade {
                stream: theirs,
                address: open.address,
                request: asked.into(),
                read_ahead: Bytes::new(),
                unsent: Bytes::new(),
            };
            actix_rt::spawn(edge.upgrade(upgrade));
        });
        if !self.do_somewhere(serve) {
            return Answer::Refused(Refused::Busy);
        }
        let (lease, mut term) = Lease::new(SILENT_FOR);
        guests.insert(open.stream, Arc::new(Guest::new(ours, lease)));
        drop(guests);
        let guests = Arc::downgrade(self);
        tokio::spawn(async move {
            term.runs_out().await;
            if let Some(guests) = guests.upgrade() {
                guests.close(open.stream);
            }
        });
        Answer::Done
    }

    /// The client is gone.
    pub(super) fn close(&self, stream: StreamId) {
        if let Some(guest) = self.guests.lock().remove(&stream) {
            guest.is_gone.send_replace(true);
        }
    }

    fn find(&self, stream: StreamId, lasts: Duration) -> Option<Arc<Guest>> {
        let guest = self.guests.lock().get(&stream).cloned()?;
        guest.lease.renew(lasts + SILENT_FOR);
        Some(guest)
    }

    /// Takes bytes of the client.
    pub(super) async fn push(&self, push: Push, bytes: Bytes) -> Answer {
        let hold = hold(push.hold_ms);
        match self.find(push.stream, hold) {
            Some(guest) => guest.up.lock().await.take(&push, bytes, hold).await,
            None => Answer::Ended,
        }
    }

    /// Gives bytes to the client.
    pub(super) async fn pull(&self, pull: Pull) -> Answer {
        let hold = hold(pull.hold_ms);
        let answer = match self.find(pull.stream, hold) {
            Some(guest) => guest.give(pull.offset, hold).await,
            None => Answer::Ended,
        };
        if answer == Answer::Ended {
            self.close(pull.stream);
        }
        answer
    }
}

impl Guest {
    fn new(stream: DuplexStream, lease: Lease) -> Self {
        let (from, into) = split(stream);
        Self {
            up: Turns::new(Up { into, taken: 0 }),
            down: Turns::new(Down {
                from,
                given: 0,
                kept: Bytes::new(),
            }),
            lease,
            is_gone: watch::Sender::new(false),
        }
    }

    async fn give(&self, offset: u64, hold: Duration) -> Answer {
        let mut is_gone = self.is_gone.subscribe();
        let given = async { self.down.lock().await.give(offset, hold).await };
        tokio::select! {
            answer = given => answer,
            _ = is_gone.wait_for(|gone| *gone) => Answer::Ended,
        }
    }
}

impl Up {
    async fn take(&mut self, push: &Push, mut bytes: Bytes, hold: Duration) -> Answer {
        let Some(again) = self.taken.checked_sub(push.offset) else {
            // Something before it is missing, which no honest node leaves out.
            return Answer::Ended;
        };
        bytes.advance(
            usize::try_from(again)
                .unwrap_or(usize::MAX)
                .min(bytes.len()),
        );
        let until = Instant::now() + hold;
        while !bytes.is_empty() {
            match timeout_at(until, self.into.write(&bytes)).await {
                Ok(Ok(written)) if written > 0 => {
                    bytes.advance(written);
                    self.taken += written as u64;
                }
                Ok(_) => return Answer::Ended,
                Err(_) => return Answer::Taken(self.taken),
            }
        }
        if push.is_end {
            // Nobody reads any more: that is the end as well.
            let _ = self.into.shutdown().await;
        }
        Answer::Taken(self.taken)
    }
}

impl Down {
    async fn give(&mut self, offset: u64, hold: Duration) -> Answer {
        if offset == self.given + self.kept.len() as u64 {
            self.given = offset;
            self.kept = Bytes::new();
        }
        if offset != self.given {
            return Answer::Ended;
        }
        if !self.kept.is_empty() {
            return Answer::Pulled(self.kept.clone());
        }
        let mut read = BytesMut::with_capacity(CHUNK_BYTES_MAX);
        match timeout(hold, self.from.read_buf(&mut read)).await {
            Ok(Ok(0) | Err(_)) => Answer::Ended,
            Ok(Ok(_)) => {
                self.kept = read.freeze();
                Answer::Pulled(self.kept.clone())
            }
            Err(_) => Answer::Later,
        }
    }
}

/// A request for a WebSocket, on its way to the thread that serves it.
struct Asked {
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Asked {
    fn of(open: &Open) -> Option<Self> {
        let header = |(name, value): &(String, String)| {
            Some((name.parse().ok()?, HeaderValue::from_str(value).ok()?))
        };
        Some(Self {
            uri: open.target.parse().ok()?,
            headers: open.headers.iter().map(header).collect::<Option<_>>()?,
        })
    }
}

impl From<Asked> for Request {
    fn from(asked: Asked) -> Self {
        let mut request = Self::new();
        let head = request.head_mut();
        head.method = Method::GET;
        head.uri = asked.uri;
        head.headers = asked.headers.into_iter().collect::<HeaderMap>();
        request
    }
}
