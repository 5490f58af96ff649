//! A client as the protocol wants it: resumes, pages after a reset, and merges by seq.

use bedside_actors::{node::Node, testkit::client::Client};
use bedside_protocol::{Command, ConversationId, Event, LoggedEvent, Role};
use std::{collections::BTreeMap, sync::Arc};

use super::{history, resume};

/// One who must miss nothing.
#[derive(Default)]
pub(crate) struct Receiver {
    pub(crate) client: Option<Client>,
    pub(crate) log: BTreeMap<u64, Event>,
    /// The session has resumed: from then on nothing may come before what it follows.
    resumed: bool,
}

impl Receiver {
    pub(crate) fn position(&self) -> u64 {
        (1..).take_while(|seq| self.log.contains_key(seq)).count() as u64
    }

    fn take(&mut self, id: ConversationId) {
        let Some(client) = &mut self.client else {
            return;
        };
        for (seq, event) in client.seen(id) {
            let is_next = self
                .log
                .last_key_value()
                .is_none_or(|(last, _)| seq <= last + 1);
            assert!(is_next || !self.resumed, "{seq} was shown over a hole");
            self.log.insert(seq, event);
        }
        client.events.clear();
    }

    /// Connects if need be, resumes, and pages after a reset. Whether it worked.
    pub(crate) async fn sync(&mut self, node: &Arc<Node>, id: ConversationId) -> bool {
        if self.client.as_ref().is_none_or(|c| c.outbox().is_closed()) {
            self.resumed = false;
            self.client = Some(Client::open(node, "r", Role::Nurse).await);
        }
        let mut position = self.position();
        let client = self.client.as_mut().expect("it was just made");
        if !self.resumed {
            let post = client.post(resume(&[(id, position)]));
            match client.answer_or_cut(post).await {
                Some(Ok(_)) => {}
                _ => return false,
            }
            let reset = client.events.iter().find_map(|f| match &f.event {
                Event::SyncReset(reset) => Some(reset.head_seq),
                _ => None,
            });
            while reset.is_some_and(|head| position < head) {
                let mut next = history(id);
                next.after_seq = Some(position);
                let post = client.post(Command::MessageHistory(next));
                let Some(Ok(page)) = client.answer_or_cut(post).await else {
                    return false;
                };
                for logged in page["events"].as_array().expect("events") {
                    let logged: LoggedEvent =
                        serde_json::from_value(logged.clone()).expect("an event");
                    position = logged.seq;
                    self.log.insert(logged.seq, logged.event);
                }
            }
            self.take(id);
            self.resumed = true;
        }
        true
    }

    pub(crate) async fn listen(&mut self, id: ConversationId) {
        if let Some(client) = &mut self.client {
            client.glance().await;
            self.take(id);
        }
    }
}
