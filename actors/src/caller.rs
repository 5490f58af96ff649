//! Who asks, and where the answer goes.

use bedside_protocol::{CommandError, Reply, Roles, UserId};
use std::{fmt, sync::Arc};
use tokio::sync::oneshot;

use crate::outbox::Outbox;

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
    pub origin: Option<Arc<Outbox>>,
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
}

impl Responder {
    /// Answers on a socket, under the id that the client gave.
    #[must_use]
    pub fn socket(outbox: Arc<Outbox>, id: Option<u64>) -> Self {
        Self(Some(Target::Socket { outbox, id }))
    }

    /// Answers through a channel.
    #[must_use]
    pub fn channel() -> (Self, oneshot::Receiver<Result<Reply, CommandError>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(Target::Channel(sender))), receiver)
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
            (
                Self::Socket {
                    outbox,
                    id: Some(id),
                },
                Ok(reply),
            ) => outbox.reply(id, &reply),
            // A command without an id wants no answer when it goes well.
            (Self::Socket { id: None, .. }, Ok(_)) => {}
            (Self::Socket { outbox, id }, Err(error)) => outbox.error(id, &error),
            (Self::Channel(sender), result) => {
                // The caller may have given up; what was done stays done.
                let _ = sender.send(result);
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
