//! The SFU: calls on `webrtc`, behind one UDP port.
//!
//! Each participant has one connection, on which the server always offers (`peer.rs`). A call is a
//! task (`call.rs`) that owns the connections of its participants. Packets do not go through it:
//! the task of each incoming track writes them to all receivers by a shared table (`ingest.rs`,
//! `forward.rs`), with numbers of each receiver's own (`rewrite.rs`). `mux.rs` is the port,
//! `runtime.rs` what makes connections believe in sockets of their own, `sdp.rs` what is done to
//! offers and answers, `observer.rs` what is read of RTCP.
//!
//! A call and all its connections live on one thread. A panic is caught where it happens: in a
//! connection it costs that connection, in a call's task that call.

mod call;
mod candidate;
mod codec;
mod forward;
mod ingest;
mod layers;
mod link;
mod media_engine;
mod mux;
mod observer;
mod peer;
mod place;
mod quality;
mod rewrite;
mod runtime;
mod sdp;
mod speaker;
mod stats;
mod stun;
mod threads;
mod turn;

use bedside_actors::ports::media::{
    IceServer, Joining, Media, MediaError, MediaEvent, MediaSink, OfferId, Source,
};
use bedside_protocol::{CallId, ParticipantId, Timestamp, limits};
use parking_lot::RwLock;
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

pub use self::{stats::Stats, turn::TurnServers};

use self::{
    call::{Ask, CallShared},
    mux::Mux,
    peer::Surroundings,
    place::Place,
    threads::Threads,
};

/// How an SFU is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The UDP port; 0 takes any free one.
    pub port: u16,
    /// Addresses at which clients reach it, the preferred one first. At least one.
    pub advertised: Vec<IpAddr>,
    /// Threads that carry calls, at least 1.
    pub threads: usize,
    /// People in all calls together. More are refused.
    pub peers_max: usize,
    /// TURN servers that clients may use.
    pub turn: Option<TurnServers>,
    /// Whether clients are asked for several layers of their picture, of which one is passed on.
    pub simulcast: bool,
}

/// The SFU. It ends with its last handle.
pub struct WebRtc {
    calls: Arc<Calls>,
    threads: Threads,
    next_thread: AtomicUsize,
    around: Surroundings,
    options: Options,
    stats: Arc<Stats>,
}

type Calls = RwLock<HashMap<CallId, Arc<CallShared>>>;

impl WebRtc {
    /// Binds the port and starts the threads.
    ///
    /// # Errors
    /// When the port cannot be bound or a thread cannot be started.
    pub fn start(options: Options) -> io::Result<Arc<Self>> {
        let stats = Arc::<Stats>::default();
        let sockets = bind(&options)?;
        let port = sockets[0].local_addr()?.port();
        let threads = Threads::start(options.threads)?;
        let mux = {
            let _inside = threads.handle(0).enter();
            Mux::new(sockets, stats.clone())?
        };
        let calls = Arc::<Calls>::default();
        for socket in 0..mux.sockets() {
            let (mux, calls) = (mux.clone(), Arc::downgrade(&calls));
            threads.handle(0).spawn(async move {
                let error = mux.read(socket).await;
                tracing::error!(%error, "the port of calls cannot be read any more");
                lose_all(&calls);
            });
        }
        let reached_at = options.advertised.iter();
        let reached_at = reached_at.map(|ip| SocketAddr::new(*ip, port)).collect();
        Ok(Arc::new(Self {
            calls,
            threads,
            next_thread: AtomicUsize::new(0),
            around: Surroundings {
                mux,
                reached_at,
                simulcast: options.simulcast,
            },
            options,
            stats,
        }))
    }

    /// Where clients reach it.
    #[must_use]
    pub fn reached_at(&self) -> &[SocketAddr] {
        &self.around.reached_at
    }

    /// What it has done.
    #[must_use]
    pub fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    fn call(&self, call: CallId) -> Result<Arc<CallShared>, MediaError> {
        let calls = self.calls.read();
        calls.get(&call).cloned().ok_or(MediaError::NoSuchCall)
    }
}

fn bind(options: &Options) -> io::Result<Vec<UdpSocket>> {
    use socket2::{Domain, Protocol, Socket, Type};
    // Room for a moment in which nobody reads: a picture of a full call.
    const BUFFER_BYTES: usize = 4 * 1024 * 1024;
    let mut port = options.port;
    let mut sockets = Vec::new();
    let wants_ipv6 = options.advertised.iter().any(IpAddr::is_ipv6);
    // Where nobody else is meant to reach it, nobody else does.
    let only_here = options.advertised.iter().all(IpAddr::is_loopback);
    let any_ipv4: IpAddr = [if only_here { 127 } else { 0 }, 0, 0, u8::from(only_here)].into();
    let addresses = [
        Some(any_ipv4),
        wants_ipv6.then(|| Ipv6Addr::UNSPECIFIED.into()),
    ];
    for ip in addresses.into_iter().flatten() {
        let domain = if ip.is_ipv6() {
            Domain::IPV6
        } else {
            Domain::IPV4
        };
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if ip.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // As much as the system grants.
        let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(BUFFER_BYTES);
        socket.bind(&SocketAddr::new(ip, port).into())?;
        let socket = UdpSocket::from(socket);
        port = socket.local_addr()?.port();
        sockets.push(socket);
    }
    Ok(sockets)
}

fn lose_all(calls: &Weak<Calls>) {
    let Some(calls) = calls.upgrade() else {
        return;
    };
    let lost: Vec<_> = calls.write().drain().map(|(_, call)| call).collect();
    for call in lost {
        call.close();
        call.sink.happened(MediaEvent::Lost);
    }
}

impl Media for WebRtc {
    fn ice_servers(&self, participant: ParticipantId, now: Timestamp) -> Vec<IceServer> {
        let turn = self.options.turn.iter();
        turn.map(|turn| turn.for_participant(participant, now))
            .collect()
    }

    fn open(&self, id: CallId, sink: Arc<dyn MediaSink>) -> Result<(), MediaError> {
        let mut calls = self.calls.write();
        if calls.contains_key(&id) {
            return Err(MediaError::CallExists);
        }
        let (shared, asks) = CallShared::new(id, sink, self.stats.clone());
        calls.insert(id, shared.clone());
        let thread = self.next_thread.fetch_add(1, Relaxed);
        let (calls, around) = (Arc::downgrade(&self.calls), self.around.clone());
        self.threads.handle(thread).spawn(async move {
            if call::run(shared.clone(), asks, around).await {
                if let Some(calls) = calls.upgrade() {
                    forget(&calls, &shared);
                }
                tracing::error!(call = %id, "the media of a call broke");
                shared.sink.happened(MediaEvent::Lost);
            }
        });
        Ok(())
    }

    fn close(&self, call: CallId) {
        let call = self.calls.write().remove(&call);
        if let Some(call) = call {
            call.close();
        }
    }

    fn add(&self, call: CallId, who: ParticipantId, joining: Joining) -> Result<(), MediaError> {
        let call = self.call(call)?;
        let (place, is_new) = {
            let mut places = call.places.write();
            if let Some(place) = places.get(&who) {
                (place.clone(), false)
            } else if places.len() >= limits::CALL_PARTICIPANTS_MAX {
                return Err(MediaError::Full);
            } else if self.stats.peers() >= self.options.peers_max {
                return Err(MediaError::Overloaded);
            } else {
                let rank = call.joined.fetch_add(1, Relaxed);
                let place = Place::new(who, rank, joining, self.stats.clone());
                places.insert(who, place.clone());
                (place, true)
            }
        };
        let asked = call.ask(Ask::Connect(place));
        if asked.is_err() && is_new {
            call.places.write().remove(&who);
        }
        asked
    }

    fn answer(
        &self,
        call: CallId,
        who: ParticipantId,
        offer: OfferId,
        sdp: &str,
    ) -> Result<(), MediaError> {
        let call = self.call(call)?;
        let place = call.place(who)?;
        place.claim(offer, sdp)?;
        let asked = call.ask(Ask::Answer(place.clone(), offer, sdp.to_owned()));
        if asked.is_err() {
            place.wait_again(offer);
        }
        asked
    }

    fn candidate(
        &self,
        call: CallId,
        who: ParticipantId,
        candidate: &str,
    ) -> Result<(), MediaError> {
        let place = self.call(call)?.place(who)?;
        place.count_candidate()?;
        candidate::check(candidate).map_err(MediaError::BadCandidate)
    }

    fn restart(&self, call: CallId, who: ParticipantId) -> Result<(), MediaError> {
        let call = self.call(call)?;
        let place = call.place(who)?;
        call.ask(Ask::Restart(place))
    }

    fn publish(
        &self,
        call: CallId,
        who: ParticipantId,
        source: Source,
        allowed: bool,
    ) -> Result<(), MediaError> {
        let call = self.call(call)?;
        {
            // Against two who share a screen at the same time.
            let places = call.places.write();
            let place = places.get(&who).ok_or(MediaError::NoSuchParticipant)?;
            let shares = |place: &&Arc<Place>| {
                place.id != who && place.publication(Source::Screen).is_allowed()
            };
            if allowed
                && source == Source::Screen
                && places.values().filter(shares).count() >= limits::CALL_SCREENS_MAX
            {
                return Err(MediaError::Full);
            }
            place.publication(source).allow(allowed);
        }
        call.changed();
        Ok(())
    }

    fn mute(
        &self,
        call: CallId,
        who: ParticipantId,
        source: Source,
        muted: bool,
    ) -> Result<(), MediaError> {
        let place = self.call(call)?.place(who)?;
        place.publication(source).mute(muted);
        Ok(())
    }

    fn remove(&self, call: CallId, who: ParticipantId) -> Result<(), MediaError> {
        let call = self.call(call)?;
        let removed = call.places.write().remove(&who);
        removed.ok_or(MediaError::NoSuchParticipant)?;
        call.changed();
        Ok(())
    }
}

/// Another call may have been opened in its place.
fn forget(calls: &Calls, broken: &Arc<CallShared>) {
    let mut calls = calls.write();
    if calls
        .get(&broken.id)
        .is_some_and(|call| Arc::ptr_eq(call, broken))
    {
        calls.remove(&broken.id);
    }
}

impl Drop for WebRtc {
    fn drop(&mut self) {
        for call in self.calls.write().drain() {
            call.1.close();
        }
    }
}

#[cfg(test)]
mod tests;
