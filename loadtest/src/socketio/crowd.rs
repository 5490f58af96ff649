//! Many clients at once: opening them, and leaving them idle.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::task::JoinSet;

use super::line::{self, Packet};
use crate::{
    Fault, Outcome,
    world::User,
    ws::{Dial, Incoming, Reader, Writer},
};

/// Clients that are let in at once: what the server lets wait for that per address.
const OPENING: usize = 48;
/// Clients from one address.
const PER_ADDRESS: usize = 1_000;

/// Connects all of them. What came of each is given to `joined`, with its place.
pub(super) async fn open(
    server: SocketAddr,
    users: &[User],
    mut joined: impl FnMut(usize, Reader, Writer),
) -> Outcome<()> {
    let mut opening = JoinSet::new();
    let mut next = 0;
    loop {
        while next < users.len() && opening.len() < OPENING {
            let from = 1 + u8::try_from(next / PER_ADDRESS).unwrap_or(u8::MAX);
            let dial = Dial {
                from: Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, from))),
                ..Dial::new(server)
            };
            let (place, token) = (next, users[next].token.clone());
            opening.spawn(async move { Ok::<_, Fault>((place, line::open(&dial, &token).await?)) });
            next += 1;
        }
        let Some(opened) = opening.join_next().await else {
            return Ok(());
        };
        let (place, (reader, writer)) = opened??;
        joined(place, reader, writer);
    }
}

/// Clients that only answer heartbeats. Gone when dropped.
#[derive(Debug, Default)]
pub(super) struct Idle {
    closed: Arc<AtomicUsize>,
    reading: JoinSet<()>,
}

impl Idle {
    pub(super) async fn open(server: SocketAddr, users: &[User]) -> Outcome<Self> {
        let mut idle = Self::default();
        open(server, users, |_, reader, writer| {
            let closed = Arc::clone(&idle.closed);
            idle.reading.spawn(async move {
                rest(reader, &writer).await;
                closed.fetch_add(1, Ordering::Relaxed);
            });
        })
        .await?;
        Ok(idle)
    }

    /// How many the server has closed.
    pub(super) fn closed(&self) -> usize {
        self.closed.load(Ordering::Relaxed)
    }
}

/// Reads until the end.
async fn rest(mut reader: Reader, writer: &Writer) {
    while let Incoming::Message(bytes) = reader.next().await {
        if line::packet(bytes) == Packet::Ping {
            line::pong(writer);
        }
    }
}
