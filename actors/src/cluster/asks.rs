//! Commands that were passed on to the node that their conversation is placed on.

use bedside_protocol::{
    Command, CommandError, ConversationId, Reply,
    node::{NodeAct, NodeAsk, NodeResult, WireCommand},
    reply::Empty,
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::Instant;

use crate::{
    caller::Origin,
    conversation::{Act, Ask},
    ports::bus::Peer,
};

/// Commands on their way to other nodes; past that they are refused.
const WAITING_MAX: usize = 65_536;

/// How long an answer may take. Then the conversation is looked after here, as far as that can
/// do no harm: the store refuses whoever is late.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_millis(1_500);

/// The same while the other node gives signs of life: it waits for the store, and so would this
/// one, in its way. It is asked again meanwhile, in case that the bridge lost the question.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Waiting {
    pub(super) conversation_id: ConversationId,
    pub(super) ask: Ask,
    peer: Arc<Peer>,
    pub(super) since: Instant,
    /// How often it was asked.
    asked: u32,
}

impl Waiting {
    fn message(&self, request: u64) -> NodeAsk {
        let caller = &self.ask.caller;
        NodeAsk {
            request,
            conversation_id: self.conversation_id,
            user_id: caller.user_id.clone(),
            name: caller.name.to_string(),
            roles: caller.roles,
            session_id: caller.origin.as_ref().map(Origin::session_id),
            act: act_of(&self.ask.act),
        }
    }

    /// Whether the other node was asked more than once: what its answer calls a repetition may be
    /// that of the server.
    pub(super) fn is_repeated(&self) -> bool {
        self.asked > 1
    }
}

#[derive(Default)]
struct Table {
    /// In the order in which they were passed on.
    waiting: BTreeMap<u64, Waiting>,
    last: u64,
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Asks {
    table: Mutex<Table>,
}

impl Asks {
    /// Keeps a command until it is answered; what is to be sent.
    ///
    /// # Errors
    /// The command, when too many wait.
    #[expect(
        clippy::result_large_err,
        reason = "it gives back what it was given, on a path that is rarely taken"
    )]
    pub(super) fn keep(
        &self,
        peer: &Arc<Peer>,
        conversation_id: ConversationId,
        ask: Ask,
    ) -> Result<NodeAsk, Ask> {
        let mut table = self.table.lock();
        if table.waiting.len() >= WAITING_MAX {
            return Err(ask);
        }
        table.last += 1;
        let request = table.last;
        let waiting = Waiting {
            conversation_id,
            ask,
            peer: peer.clone(),
            since: Instant::now(),
            asked: 1,
        };
        let message = waiting.message(request);
        table.waiting.insert(request, waiting);
        Ok(message)
    }

    /// One that is answered.
    pub(super) fn take(&self, request: u64) -> Option<Waiting> {
        self.table.lock().waiting.remove(&request)
    }

    /// Those that have waited for too long, in order; a peer that `is_there` has longer.
    pub(super) fn overdue(
        &self,
        within: Duration,
        patience: Duration,
        is_there: impl Fn(&Peer) -> bool,
    ) -> Vec<Waiting> {
        self.extract(|waiting| {
            let waited = waiting.since.elapsed();
            waited >= patience || (waited >= within && !is_there(&waiting.peer))
        })
    }

    /// Those to be asked once more, after `within`, twice that, four times that and so on: what
    /// comes to the same however often and however late it comes. A member who is added, removed
    /// and then added by a repetition would be in it.
    pub(super) fn to_repeat(&self, within: Duration) -> Vec<(Arc<Peer>, NodeAsk)> {
        let mut table = self.table.lock();
        let late = table.waiting.iter_mut().filter(|(_, waiting)| {
            let due = within * (1 << waiting.asked.min(8)) / 2;
            waiting.since.elapsed() >= due && may_be_late(&waiting.ask.act)
        });
        let late = late.map(|(request, waiting)| {
            waiting.asked += 1;
            (waiting.peer.clone(), waiting.message(*request))
        });
        late.collect()
    }

    /// Those that wait for a node that is gone, in order.
    pub(super) fn of_peer(&self, peer: &Peer) -> Vec<Waiting> {
        self.extract(|waiting| *waiting.peer == *peer)
    }

    /// All, in order.
    pub(super) fn all(&self) -> Vec<Waiting> {
        self.extract(|_| true)
    }

    fn extract(&self, which: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        let mut table = self.table.lock();
        let out = table.waiting.extract_if(.., |_, waiting| which(waiting));
        out.map(|(_, waiting)| waiting).collect()
    }
}

/// Whether it may be done once more after something else was.
fn may_be_late(act: &Act) -> bool {
    match act {
        Act::Command(Command::MessageSend(send)) => send.client_msg_id.is_some(),
        // Marks only grow.
        Act::Command(Command::ReceiptDeliver(_) | Command::ReceiptRead(_)) => true,
        _ => false,
    }
}

/// Whether it may be done once more without doing it twice.
pub(super) fn may_repeat(act: &Act) -> bool {
    match act {
        Act::Command(Command::MessageSend(send)) => send.client_msg_id.is_some(),
        Act::Command(
            Command::MemberLeave(_)
            | Command::MessageEdit(_)
            | Command::ConsultationStart(_)
            | Command::ConsultationEnd(_),
        )
        | Act::CancelConsultation
        | Act::SystemMessage(_)
        | Act::Notice(_) => false,
        Act::Command(_) => true,
    }
}

fn act_of(act: &Act) -> NodeAct {
    match act {
        Act::Command(command) => NodeAct::Command(WireCommand(command.clone())),
        Act::CancelConsultation => NodeAct::CancelConsultation,
        Act::SystemMessage(text) => NodeAct::SystemMessage(text.clone()),
        Act::Notice(text) => NodeAct::Notice(text.clone()),
    }
}

pub(super) fn act_from(act: NodeAct) -> Act {
    match act {
        NodeAct::Command(WireCommand(command)) => Act::Command(command),
        NodeAct::CancelConsultation => Act::CancelConsultation,
        NodeAct::SystemMessage(text) => Act::SystemMessage(text),
        NodeAct::Notice(text) => Act::Notice(text),
    }
}

/// What goes back to the node that asked.
pub(crate) fn result_of(answer: Result<Reply, CommandError>) -> NodeResult {
    match answer {
        Ok(Reply::Empty(_)) => NodeResult::Done,
        Ok(Reply::MessageSent(sent)) => NodeResult::Sent(sent),
        Ok(Reply::Logged(logged)) => NodeResult::Logged(logged),
        Ok(Reply::Mine(mine)) => NodeResult::Mine(Box::new(mine)),
        Ok(Reply::ReceiptTaken(taken)) => NodeResult::Receipt(taken),
        Ok(Reply::Consultation(reply)) => NodeResult::Consultation(reply),
        Ok(_) => NodeResult::Unknown,
        Err(error) => NodeResult::Refused(error),
    }
}

/// What the client is told.
pub(super) fn answer_from(result: NodeResult) -> Result<Reply, CommandError> {
    Ok(match result {
        NodeResult::Done => Reply::Empty(Empty {}),
        NodeResult::Sent(sent) => Reply::MessageSent(sent),
        NodeResult::Logged(logged) => Reply::Logged(logged),
        NodeResult::Mine(mine) => Reply::Mine(*mine),
        NodeResult::Receipt(taken) => Reply::ReceiptTaken(taken),
        NodeResult::Consultation(reply) => Reply::Consultation(reply),
        NodeResult::Refused(error) => return Err(error),
        NodeResult::MayEnter(_) | NodeResult::MaySubscribe(_) | NodeResult::Unknown => {
            return Err(CommandError::unavailable(
                "another node answered what this one does not understand",
                1_000,
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::{Caller, Responder};
    use bedside_protocol::{
        MemberRole, NodeId, Role, Roles, UserId,
        command::{MemberAdd, Receipt},
    };

    const SECOND: Duration = Duration::from_secs(1);

    fn peer(name: &str) -> Arc<Peer> {
        Arc::new(Peer {
            node: NodeId::new(name).expect("a name"),
            incarnation: 1,
        })
    }

    fn user() -> UserId {
        UserId::new("u").expect("an id")
    }

    fn keep(asks: &Asks, peer: &Arc<Peer>, command: Command) -> u64 {
        let caller = Caller {
            user_id: user(),
            name: "".into(),
            roles: Roles::from(Role::Doctor),
            origin: None,
        };
        let ask = Ask {
            caller,
            act: Act::Command(command),
            responder: Responder::channel().0,
            since: Instant::now(),
        };
        let kept = asks.keep(peer, ConversationId::new(), ask);
        kept.ok().expect("it has room").request
    }

    fn send(id: Option<&str>) -> Command {
        let send = serde_json::json!({"text": "x", "client_msg_id": id});
        Command::MessageSend(serde_json::from_value(send).expect("a message"))
    }

    fn add() -> Command {
        Command::MemberAdd(MemberAdd {
            conversation_id: ConversationId::new(),
            user_id: user(),
            member_role: MemberRole::default(),
            share_history: false,
        })
    }

    fn read() -> Command {
        Command::ReceiptRead(Receipt {
            conversation_id: ConversationId::new(),
            up_to_seq: 1,
        })
    }

    fn requests(repeated: Vec<(Arc<Peer>, NodeAsk)>) -> Vec<u64> {
        repeated.into_iter().map(|(_, ask)| ask.request).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_be_late_is_asked_again_and_ever_more_rarely() {
        let (asks, there) = (Asks::default(), peer("there"));
        let named = keep(&asks, &there, send(Some("m1")));
        keep(&asks, &there, send(None));
        keep(&asks, &there, add());
        let mark = keep(&asks, &there, read());
        let mut asked_at = Vec::new();
        for tenth in 0..100 {
            let repeated = requests(asks.to_repeat(SECOND));
            if !repeated.is_empty() {
                assert_eq!(repeated, [named, mark]);
                asked_at.push(tenth);
            }
            tokio::time::advance(SECOND / 10).await;
        }
        assert_eq!(asked_at, [10, 20, 40, 80]);
        assert!(asks.take(named).is_some_and(|one| one.is_repeated()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_is_there_is_waited_for_longer() {
        let (asks, there, silent) = (Asks::default(), peer("there"), peer("silent"));
        keep(&asks, &there, add());
        let early = keep(&asks, &silent, add());
        let overdue = || {
            let overdue = asks.overdue(SECOND, 5 * SECOND, |peer| *peer == *there);
            overdue.len()
        };
        assert_eq!(overdue(), 0);
        tokio::time::advance(SECOND).await;
        assert_eq!(overdue(), 1);
        assert!(asks.take(early).is_none(), "it is taken back");
        tokio::time::advance(3 * SECOND).await;
        assert_eq!(overdue(), 0);
        tokio::time::advance(SECOND).await;
        assert_eq!(overdue(), 1);
    }
}
