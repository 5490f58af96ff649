//! What all other nodes are asked or told at once. A node that does not answer in time is left
//! out: what goes this way is of use now or not at all.

use bedside_protocol::{ConversationId, UserId};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use std::{sync::Arc, time::Duration};

use super::{
    Peers,
    wire::{Answer, Call, Room, Seated, Told},
};

/// How long a client waits at most for what other nodes add.
const PATIENCE: Duration = Duration::from_millis(700);

/// All other nodes.
#[derive(Clone)]
pub struct Everywhere(Arc<dyn Peers>);

impl Everywhere {
    /// All nodes but this one.
    #[must_use]
    pub fn new(peers: Arc<dyn Peers>) -> Self {
        Self(peers)
    }

    /// Shows an event to the sockets in a room there. The argument is JSON.
    pub fn tell(&self, told: Told, argument: Bytes) {
        let telling = self.ask(&Call::Tell(told, argument));
        tokio::spawn(telling);
    }

    /// The sockets in a room there.
    pub fn sitters(&self, room: Room) -> BoxFuture<'static, Vec<Seated>> {
        let asking = self.ask(&Call::Sitters(room));
        let all = async {
            let answers = asking.await.into_iter();
            let sitters = answers.filter_map(|answer| match answer {
                Answer::Sitters(sitters) => Some(sitters),
                _ => None,
            });
            sitters.flatten().collect()
        };
        all.boxed()
    }

    /// How far somebody was sent a conversation there; 0 when nothing is known.
    pub fn shown(&self, user_id: &UserId, id: ConversationId) -> BoxFuture<'static, u64> {
        let asking = self.ask(&Call::Shown(user_id.clone(), id));
        let highest = async {
            let answers = asking.await.into_iter();
            let shown = answers.filter_map(|answer| match answer {
                Answer::Shown(seq) => Some(seq),
                _ => None,
            });
            shown.max().unwrap_or(0)
        };
        highest.boxed()
    }

    /// What they answer, as far as they do.
    fn ask(&self, call: &Call) -> impl Future<Output = Vec<Answer>> + Send + 'static {
        let (peers, body) = (Arc::clone(&self.0), call.encode());
        async move {
            let Ok(body) = body else {
                return Vec::new();
            };
            let others = peers.others();
            let calls = others.iter().map(|node| {
                let body = body.clone();
                peers.call(node, body, PATIENCE)
            });
            let answered = join_all(calls).await.into_iter().flatten();
            answered
                .filter_map(|answer| Answer::decode(answer).ok())
                .collect()
        }
    }
}
