//! Who asks, and where the answer goes.

use bedside_protocol::{
    CommandError, Consultation, Reply, Roles, SessionId, Timestamp, UserId,
    node::{NodeResult, Subscription},
};
use std::{fmt, sync::Arc};
use tokio::sync::oneshot;

use crate::{
    cluster::{self, Cluster},
    outbox::Outbox,
};

/// Who asks. Made from a verified token, never from what a client says.
#[derive(Clone)]
pub struct Caller {
    /// The token's `sub`.
    pub user_id: UserId,
    /// Display name; empty when the token had none.
    pub name: Arc<str>,
    /// What the present token grants.
    pub roles: Roles,
    /// The socket that asks; none for REST.
    pub origin: Option<Origin>,
}

/// The socket that asks.
#[derive(Clone, Debug)]
pub enum Origin {
    /// It is on this node.
    Here(Arc<Outbox>),
    /// It is on another node, which passed the command on.
    Elsewhere(SessionId),
}

impl Origin {
    /// Which session's.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        match self {
            Self::Here(outbox) => outbox.session_id(),
            Self::Elsewhere(session_id) => *session_id,
        }
    }

    /// The socket's outbox, if it is here.
    #[must_use]
    pub const fn outbox(&self) -> Option<&Arc<Outbox>> {
        match self {
            Self::Here(outbox) => Some(outbox),
            Self::Elsewhere(_) => None,
        }
    }
}

impl From<Arc<Outbox>> for Origin {
    fn from(outbox: Arc<Outbox>) -> Self {
        Self::Here(outbox)
    }
}

impl Caller {
    /// The outbox of the socket that asks, if it is here.
    #[must_use]
    pub fn outbox(&self) -> Option<&Arc<Outbox>> {
        self.origin.as_ref().and_then(Origin::outbox)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No name: it identifies a person.
        write!(f, "Caller({})", self.user_id)
    }
}

/// Where the answer to one command goes. Dropped unanswered, as when the actor that held it
/// panics, it answers `unavailable`, so that no caller waits for ever.
pub struct Responder(Option<Target>);

enum Target {
    Socket {
        outbox: Arc<Outbox>,
        id: Option<u64>,
    },
    Channel(oneshot::Sender<Result<Reply, CommandError>>),
    Peer(Box<dyn FnOnce(NodeResult) + Send>),
    /// The server itself tries a command once more that it took in at this time.
    Again(Timestamp, Arc<Cluster>, Box<Target>),
}

impl Responder {
    /// Answers on a socket, under the id that the client gave.
    #[must_use]
    pub fn socket(outbox: Arc<Outbox>, id: Option<u64>) -> Self {
        outbox.owe_answer();
        Self(Some(Target::Socket { outbox, id }))
    }

    /// Answers through a channel.
    #[must_use]
    pub fn channel() -> (Self, oneshot::Receiver<Result<Reply, CommandError>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(Target::Channel(sender))), receiver)
    }

    /// Answers the node that passed the command on.
    pub(crate) fn peer(answer: impl FnOnce(NodeResult) + Send + 'static) -> Self {
        Self(Some(Target::Peer(Box::new(answer))))
    }

    /// The command is tried once more by the server, which took it in at `since`. What the first
    /// try stored is then no repetition of the client's, unless it was told of it before.
    pub(crate) fn again(mut self, cluster: &Arc<Cluster>, since: Timestamp) -> Self {
        Self(match self.0.take() {
            // The node that asked knows better since when.
            target @ (None | Some(Target::Peer(_) | Target::Again(..))) => target,
            Some(target) => Some(Target::Again(since, cluster.clone(), Box::new(target))),
        })
    }

    /// Lets the socket of another node into a room: its own node does it. Gives itself back
    /// when nobody elsewhere asked.
    pub(crate) fn let_enter(mut self, consultation: &Consultation) -> Option<Self> {
        match self.0.take() {
            Some(Target::Peer(answer)) => {
                answer(NodeResult::MayEnter(Box::new(consultation.clone())));
                None
            }
            target => Some(Self(target)),
        }
    }

    /// Lets the socket of another node subscribe, in the same way; with nothing to hear, none.
    pub(crate) fn let_subscribe(
        mut self,
        subscription: impl FnOnce() -> Option<Subscription>,
    ) -> Option<Self> {
        match self.0.take() {
            Some(Target::Peer(answer)) => {
                answer(NodeResult::MaySubscribe(subscription()));
                None
            }
            target => Some(Self(target)),
        }
    }

    /// It went well.
    pub fn ok(self, reply: Reply) {
        self.answer(Ok(reply));
    }

    /// It was refused.
    pub fn err(self, error: CommandError) {
        self.answer(Err(error));
    }

    /// Answers either way.
    pub fn answer(mut self, result: Result<Reply, CommandError>) {
        if let Some(target) = self.0.take() {
            target.answer(result);
        }
    }
}

impl Target {
    fn answer(self, result: Result<Reply, CommandError>) {
        match (self, result) {
            (Self::Socket { outbox, id }, result) => {
                match (id, result) {
                    (Some(id), Ok(reply)) => outbox.reply(id, &reply),
                    // A command without an id wants no answer when it goes well.
                    (None, Ok(_)) => {}
                    (id, Err(error)) => outbox.error(id, &error),
                }
                outbox.answered();
            }
            (Self::Channel(sender), result) => {
                // The caller may have given up; what was done stays done.
                let _ = sender.send(result);
            }
            (Self::Peer(answer), result) => answer(cluster::result_of(result)),
            (Self::Again(since, cluster, target), mut result) => {
                if let Ok(Reply::MessageSent(sent)) = &mut result
                    && sent.created_at >= since
                {
                    sent.duplicate = !cluster.firsts.claim(sent.message_id);
                }
                target.answer(result);
            }
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if let Some(target) = self.0.take() {
            target.answer(Err(CommandError::unavailable(
                "the server failed on this command; whether it was done is unknown",
                100,
            )));
        }
    }
}
