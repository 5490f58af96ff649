//! Requests for a WebSocket.

use futures_util::future::{FutureExt as _, LocalBoxFuture};
use std::{rc::Rc, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Engine, EngineEdge,
    far::{There, relay},
    fault::Fault,
    metrics::Transport,
    payload::text_frame,
    query::Query,
    registry::Claimed,
    session::Session,
    socket::{EngineSocket, GivenSeat, Place},
};
use crate::{
    socketio::application::Handshake,
    ws::{
        Edge, Refusal, Upgrade, drive,
        handshake::{self, accept, check_origin, offered},
        no_room, refuse,
    },
};

/// A handshake that was accepted.
struct Socket {
    answer: Vec<u8>,
    speaks: EngineSocket,
    place: Place,
}

/// A request that was not refused.
enum Opened {
    /// It opens a socket here.
    Here(Socket),
    /// It is for a session of another node.
    There(There, String),
}

impl<S> Edge<S> for EngineEdge
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    fn is_at(&self, path: &str) -> bool {
        self.0.config.is_at(path)
    }

    fn upgrade(&self, upgrade: Upgrade<S>) -> LocalBoxFuture<'static, ()> {
        match open(&self.0, &upgrade) {
            Ok(Opened::There(there, sid)) => {
                let engine = Arc::clone(&self.0);
                let carried = async move { relay(&engine, there, sid, upgrade).await };
                actix_rt::spawn(carried);
                std::future::ready(()).boxed_local()
            }
            Ok(Opened::Here(socket)) => {
                let metrics = Arc::clone(&self.0.socket_metrics);
                let driver = drive(
                    upgrade,
                    &socket.answer,
                    socket.speaks,
                    socket.place,
                    metrics,
                );
                actix_rt::spawn(driver);
                std::future::ready(()).boxed_local()
            }
            Err(refusal) => {
                self.0.socket_metrics.refused(refusal.status);
                refuse(upgrade, refusal).boxed_local()
            }
        }
    }
}

fn open<S>(engine: &Arc<Engine>, upgrade: &Upgrade<S>) -> Result<Opened, Refusal> {
    let head = upgrade.request.head();
    let request = handshake::Request {
        method: &head.method,
        version: head.version,
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
    };
    let sid = Query::of(request.query).websocket()?;
    // Engine.IO has no subprotocol; but browsers give up when none of those that a page offers
    // is taken, and the reference server takes the first.
    let subprotocol = offered(request.headers).next();
    let answer = accept(request)?.response(subprotocol);
    check_origin(request.headers, &engine.allowed_origins).map_err(|_| Fault::Forbidden)?;
    let (speaks, place) = match sid {
        None => begin(engine, Handshake::new(request.headers, upgrade.address))?,
        Some(sid) => match engine.there(&sid) {
            Some(there) => return Ok(Opened::There(there, sid.into_owned())),
            None => carry_on(engine, &sid)?,
        },
    };
    Ok(Opened::Here(Socket {
        answer,
        speaks,
        place,
    }))
}

fn begin(engine: &Arc<Engine>, handshake: Handshake) -> Result<(EngineSocket, Place), Refusal> {
    let (seat, speaker) = engine.admit(handshake)?;
    let sid = engine.new_sid()?;
    let mut session = Session::new(Arc::clone(engine), speaker, Transport::WebSocket);
    let open = text_frame(&session.open_packet(&sid));
    session.queue.push_back(open);
    Ok((EngineSocket::open(session), Place::Own { _seat: seat }))
}

/// A WebSocket that comes too late for its session is accepted and then closed: that is what
/// clients expect of the reference server.
fn carry_on(engine: &Arc<Engine>, sid: &str) -> Result<(EngineSocket, Place), Refusal> {
    match engine.registry.claim(sid) {
        Claimed::Nowhere => Err(Fault::UnknownSession.into()),
        Claimed::Taken => {
            let seat = engine.admission.enter().map_err(no_room)?;
            Ok((EngineSocket::doomed(), Place::Own { _seat: seat }))
        }
        Claimed::Granted(claim) => {
            // It needs no seat of its own: there is at most one such socket for each session.
            let seat = GivenSeat::default();
            let place = Place::Given {
                _seat: Rc::clone(&seat),
            };
            Ok((
                EngineSocket::probing(Arc::clone(engine), claim, seat),
                place,
            ))
        }
    }
}
