//! The native WebSocket edge.
//!
//! actix-http hands a request that asks for `Upgrade: websocket` over together with its raw
//! stream ([`Upgrade`]), and [`NativeEdge`] takes it from there:
//!
//! ```text
//! handshake   may it open, and who is it        (pure)
//! refusal     if not: plain HTTP
//! admission   is there room
//! driver      one task per socket: bytes <-> frames, deadlines, closing
//!   inbox       what was read and not yet understood
//!   frame       RFC 6455                         (pure)
//!   outgoing    what has yet to be written
//! dialect     what the driver asks of whatever is spoken (the seam)
//! native      the native protocol: hello, then commands in and the outbox out
//!   encoder     how they are written
//! ```
//!
//! There are two seams for further transports. Another protocol behind an HTTP upgrade is an
//! [`Edge`] beside this one; if it is spoken in WebSocket frames it can be a
//! [`dialect::Dialect`] and leave the rest to the driver. And whatever the transport, what it needs
//! of the node is [`Node::open_session`] with an outbox that it drains, which makes no
//! assumption about sockets at all.

pub mod admission;
pub mod dialect;
pub mod driver;
pub mod encoder;
pub mod frame;
pub mod handshake;
mod inbox;
pub mod metrics;
pub mod native;
mod outgoing;
mod refusal;

use actix_http::Request;
use bedside_actors::{
    audit::Whence,
    node::Node,
    ports::identity::{SessionIdentity, Verification, Verified},
};
use bedside_protocol::{CommandError, ErrorCode};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, LocalBoxFuture};
use std::{net::IpAddr, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};

use admission::{Admission, Full};
use dialect::Dialect;
use driver::{Driver, Opening};
use handshake::{Acceptable, Credential};
use metrics::SocketMetrics;
use native::{Native, Stranger};
pub use refusal::Refusal;

use crate::strangers::{self, Strangers, Way};

/// A request to leave HTTP, and the connection that it came on.
pub struct Upgrade<S> {
    /// The connection.
    pub stream: S,
    /// The request.
    pub request: Request,
    /// Who sent it, as far as proxies that are trusted tell.
    pub address: IpAddr,
    /// What was read behind the request: the client need not wait for the answer.
    pub read_ahead: Bytes,
    /// Answers to earlier requests on this connection that are not written yet.
    pub unsent: Bytes,
}

/// A protocol that connections may be upgraded to.
pub trait Edge<S>: Send + Sync {
    /// Whether requests for this path are its own.
    fn is_at(&self, path: &str) -> bool;

    /// Takes the connection over. The future ends when HTTP has nothing more to do with it; what
    /// goes on after that is a local task of its own.
    fn upgrade(&self, upgrade: Upgrade<S>) -> LocalBoxFuture<'static, ()>;
}

/// Turns a ticket into whom it was made for, once.
pub type RedeemTicket = dyn Fn(&str) -> Redeeming + Send + Sync;

/// What becomes of a ticket.
pub enum Redeeming {
    /// Whom it was made for; none when it is not good.
    Here(Option<SessionIdentity>),
    /// The same, as soon as the node that made it says so.
    Elsewhere(BoxFuture<'static, Result<Option<SessionIdentity>, NotAsked>>),
}

/// The node that made a ticket did not say whether it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAsked;

impl From<Option<SessionIdentity>> for Redeeming {
    fn from(redeemed: Option<SessionIdentity>) -> Self {
        Self::Here(redeemed)
    }
}

/// What the native edge needs.
#[derive(Clone)]
pub struct NativeEdge {
    /// Where sessions are opened.
    pub node: Arc<Node>,
    /// How many sockets there may be.
    pub admission: Arc<Admission>,
    /// Origins of other sites whose pages may connect.
    pub allowed_origins: Arc<[String]>,
    /// Redeems tickets.
    pub redeem_ticket: Arc<RedeemTicket>,
    /// Who is told of bad tokens.
    pub strangers: Arc<Strangers>,
    /// Counts.
    pub metrics: Arc<dyn SocketMetrics>,
}

impl<S> Edge<S> for NativeEdge
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    fn is_at(&self, path: &str) -> bool {
        path == handshake::PATH
    }

    fn upgrade(&self, upgrade: Upgrade<S>) -> LocalBoxFuture<'static, ()> {
        match self.open(&upgrade) {
            Ok(Opened::Known(socket)) => {
                self.drive(upgrade, socket);
                std::future::ready(()).boxed_local()
            }
            Ok(Opened::Asking(asking)) => {
                let edge = self.clone();
                async move {
                    match edge.ask(asking).await {
                        Ok(socket) => edge.drive(upgrade, socket),
                        Err(refusal) => edge.refuse(upgrade, refusal).await,
                    }
                }
                .boxed_local()
            }
            Err(refusal) => self.refuse(upgrade, refusal).boxed_local(),
        }
    }
}

/// A handshake that was accepted.
struct Socket {
    acceptable: Acceptable,
    native: Native,
    seat: admission::Seat,
}

/// A handshake that was not refused.
enum Opened {
    /// It is known who it is.
    Known(Socket),
    /// Somebody else knows who it is: the node that made a ticket, or a token's provider.
    Asking(Asking),
}

struct Asking {
    acceptable: Acceptable,
    seat: admission::Seat,
    whence: Whence,
    identity: Identifying,
}

type Identifying = BoxFuture<'static, Result<SessionIdentity, Refusal>>;

enum Signed {
    In(Native),
    Asking(Identifying),
}

/// The driver of a socket whose handshake was accepted. `answer` opens it; `guard` is held for as
/// long as the connection is.
pub fn drive<S, D, G>(
    upgrade: Upgrade<S>,
    answer: &[u8],
    dialect: D,
    guard: G,
    metrics: Arc<dyn SocketMetrics>,
) -> Driver<S, D, G>
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: Dialect,
{
    let opening = Opening {
        answer: [&upgrade.unsent[..], answer].concat().into(),
        read_ahead: upgrade.read_ahead,
        metrics,
    };
    Driver::new(upgrade.stream, opening, dialect, guard)
}

impl NativeEdge {
    fn open<S>(&self, upgrade: &Upgrade<S>) -> Result<Opened, Refusal> {
        let head = upgrade.request.head();
        let request = handshake::Request {
            method: &head.method,
            version: head.version,
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: &head.headers,
        };
        let acceptable = handshake::judge(request, &self.allowed_origins)?;
        let seat = self.admission.enter().map_err(no_room)?;
        let whence = strangers::whence(&head.headers, upgrade.address);
        Ok(match self.sign_in(&acceptable, &whence)? {
            Signed::In(native) => Opened::Known(Socket {
                acceptable,
                native,
                seat,
            }),
            Signed::Asking(identity) => Opened::Asking(Asking {
                acceptable,
                seat,
                whence,
                identity,
            }),
        })
    }

    fn sign_in(&self, acceptable: &Acceptable, whence: &Whence) -> Result<Signed, Refusal> {
        let address = whence.address();
        let identity = match &acceptable.credential {
            Credential::Hello => {
                let waiting = self.admission.wait_for_hello(address).map_err(no_room)?;
                let (node, metrics) = (Arc::clone(&self.node), Arc::clone(&self.metrics));
                let stranger = Stranger {
                    strangers: Arc::clone(&self.strangers),
                    whence: whence.clone(),
                    waiting,
                };
                let native = Native::expecting_hello(node, acceptable.format, metrics, stranger);
                return Ok(Signed::In(native));
            }
            Credential::Bearer(token) => {
                match self
                    .node
                    .identities()
                    .verify(token, self.node.clock().now())
                {
                    Verification::Done(verified) => {
                        verified.map_err(|error| not_verified(&self.strangers, whence, error))?
                    }
                    Verification::Waiting(verified) => {
                        // One of those who have not said who they are, until it is known.
                        let mut waiting =
                            self.admission.wait_for_hello(address).map_err(no_room)?;
                        // It has a token; what is wrong with that is counted by itself.
                        waiting.excuse();
                        let (strangers, whence) = (Arc::clone(&self.strangers), whence.clone());
                        let identity = async move {
                            let verified: Verified = verified.await;
                            drop(waiting);
                            verified.map_err(|error| not_verified(&strangers, &whence, error))
                        };
                        return Ok(Signed::Asking(identity.boxed()));
                    }
                }
            }
            Credential::Ticket(ticket) => match (self.redeem_ticket)(ticket) {
                Redeeming::Here(redeemed) => {
                    redeemed_of(&self.node, &self.strangers, whence, redeemed)?
                }
                Redeeming::Elsewhere(redeeming) => {
                    let node = Arc::clone(&self.node);
                    let (strangers, whence) = (Arc::clone(&self.strangers), whence.clone());
                    let identity = async move {
                        let redeemed = redeeming.await.map_err(|NotAsked| not_asked())?;
                        redeemed_of(&node, &strangers, &whence, redeemed)
                    };
                    return Ok(Signed::Asking(identity.boxed()));
                }
            },
        };
        Ok(Signed::In(self.signed_in(
            acceptable,
            identity,
            whence.clone(),
        )))
    }

    /// Whom a ticket stands for, if they are still let in: their token may have been revoked since
    /// the ticket was made.
    fn signed_in(
        &self,
        acceptable: &Acceptable,
        identity: SessionIdentity,
        whence: Whence,
    ) -> Native {
        let (node, metrics) = (Arc::clone(&self.node), Arc::clone(&self.metrics));
        Native::signed_in(node, acceptable.format, metrics, identity, whence)
    }

    async fn ask(&self, asking: Asking) -> Result<Socket, Refusal> {
        let identity = asking.identity.await?;
        Ok(Socket {
            native: self.signed_in(&asking.acceptable, identity, asking.whence),
            acceptable: asking.acceptable,
            seat: asking.seat,
        })
    }

    fn drive<S>(&self, upgrade: Upgrade<S>, socket: Socket)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (answer, metrics) = (socket.acceptable.response(), Arc::clone(&self.metrics));
        actix_rt::spawn(drive(upgrade, &answer, socket.native, socket.seat, metrics));
    }

    fn refuse<S>(&self, upgrade: Upgrade<S>, refusal: Refusal) -> impl Future<Output = ()> + use<S>
    where
        S: AsyncRead + AsyncWrite,
    {
        self.metrics.refused(refusal.status);
        refuse(upgrade, refusal)
    }
}

fn not_verified(strangers: &Strangers, whence: &Whence, error: CommandError) -> Refusal {
    let why = error.message.clone();
    let error = strangers.refused(Way::Native, whence, None, &why, error);
    match error.code {
        ErrorCode::Unavailable => Refusal::new(503, error.message).with("Retry-After: 5"),
        // Half a second at most until the next one is free.
        ErrorCode::RateLimited => Refusal::new(429, error.message).with("Retry-After: 1"),
        _ => Refusal::unauthorized(error.message),
    }
}

fn not_asked() -> Refusal {
    Refusal::new(
        503,
        "the node that made the ticket cannot be asked: take another one",
    )
    .with("Retry-After: 1")
}

/// Who a ticket was made for, unless they are kept out by now.
fn redeemed_of(
    node: &Node,
    strangers: &Strangers,
    whence: &Whence,
    redeemed: Option<SessionIdentity>,
) -> Result<SessionIdentity, Refusal> {
    let refuse = |error| not_verified(strangers, whence, error);
    let identity = redeemed.ok_or_else(|| refuse(no_ticket()))?;
    node.admit(&identity).map_err(refuse)?;
    Ok(identity)
}

fn no_ticket() -> CommandError {
    CommandError::new(
        ErrorCode::Unauthorized,
        "no such ticket: it was used, ran out or never was",
    )
}

pub(crate) fn no_room(full: Full) -> Refusal {
    match full {
        Full::Server => {
            Refusal::new(503, "the server has as many sockets as it may").with("Retry-After: 5")
        }
        Full::Address => {
            Refusal::new(429, "too many sockets that have not said hello").with("Retry-After: 5")
        }
    }
}

/// Answers in plain HTTP and ends the connection.
pub async fn refuse<S>(upgrade: Upgrade<S>, refusal: Refusal)
where
    S: AsyncRead + AsyncWrite,
{
    let answer = [&upgrade.unsent[..], &refusal.response()].concat();
    drop((upgrade.request, upgrade.read_ahead));
    refusal::answer(upgrade.stream, &answer).await;
}
