//! What is stored, read from outside, and what has to be true of it.

use bedside_protocol::{ConversationId, Event, MessageId, reply::History};
use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
};

use super::member::Member;
use crate::{
    Outcome,
    peer::number_of,
    world::{Call, each},
};

/// An acknowledgement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack {
    pub(crate) conversation: ConversationId,
    pub(crate) seq: u64,
    pub(crate) name: u64,
    pub(crate) message_id: MessageId,
}

/// What is kept of an entry of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A message, by its `client_msg_id`.
    Message { name: u64, message_id: MessageId },
    /// Something else.
    Other,
}

impl Entry {
    pub(crate) fn of(event: &Event) -> Self {
        let Event::MessageCreated(message) = event else {
            return Self::Other;
        };
        let name = message.client_msg_id.as_ref();
        match name.and_then(|name| number_of(name.as_str())) {
            Some(name) => Self::Message {
                name,
                message_id: message.message_id,
            },
            None => Self::Other,
        }
    }
}

/// The logs as REST gives them.
pub(super) struct Ledger {
    /// Each conversation with the token of somebody who may read it.
    readers: Vec<(ConversationId, Arc<String>)>,
    pub(super) logs: HashMap<ConversationId, Vec<Entry>>,
    pub(super) problems: Vec<String>,
}

impl Ledger {
    pub(super) fn new(readers: Vec<(ConversationId, Arc<String>)>) -> Self {
        Self {
            readers,
            logs: HashMap::new(),
            problems: Vec::new(),
        }
    }

    /// Reads what was added to each log; the heads.
    pub(super) async fn read(
        &mut self,
        server: SocketAddr,
    ) -> Outcome<HashMap<ConversationId, u64>> {
        let mut behind = self.readers.clone();
        while !behind.is_empty() {
            let calls = behind.iter().map(|(id, token)| {
                let after = self.logs.get(id).map_or(0, Vec::len);
                let path =
                    format!("/api/v1/conversations/{id}/messages?after_seq={after}&limit=200");
                Call::new("GET", path, token, serde_json::Value::Null)
            });
            let pages = each(server, calls.collect()).await?;
            let mut more = Vec::new();
            for (reader, page) in behind.into_iter().zip(pages) {
                let page: History = serde_json::from_value(page)?;
                let log = self.logs.entry(reader.0).or_default();
                for logged in page.events {
                    if logged.seq != log.len() as u64 + 1 {
                        let text = format!("{}: seq {} after {}", reader.0, logged.seq, log.len());
                        self.problems.push(text);
                    }
                    log.push(Entry::of(&logged.event));
                }
                if page.has_more {
                    more.push(reader);
                }
            }
            behind = more;
        }
        Ok(self
            .logs
            .iter()
            .map(|(id, log)| (*id, log.len() as u64))
            .collect())
    }

    /// Forgets what it read, to read it all again.
    pub(super) fn forget(&mut self) {
        self.logs.clear();
    }

    /// Messages in all logs.
    pub(super) fn messages(&self) -> usize {
        let entries = self.logs.values().flatten();
        entries
            .filter(|entry| matches!(entry, Entry::Message { .. }))
            .count()
    }

    /// All acknowledged is stored where it was said to be; nothing is there twice; nothing is
    /// there that nobody sent; everybody has the same list.
    pub(super) fn judge(&mut self, members: &[Member]) {
        let mut names = HashSet::new();
        let sent: HashSet<u64> = members
            .iter()
            .flat_map(|m| &m.sent)
            .map(|s| s.name)
            .collect();
        for (id, log) in &self.logs {
            for entry in log {
                let Entry::Message { name, .. } = entry else {
                    continue;
                };
                if !names.insert(*name) {
                    self.problems
                        .push(format!("{id}: {name:016x} is stored twice"));
                }
                if !sent.contains(name) {
                    self.problems
                        .push(format!("{id}: {name:016x} was never sent"));
                }
            }
        }
        for ack in members.iter().flat_map(|member| &member.acks) {
            let log = self.logs.get(&ack.conversation);
            let found = log.and_then(|log| log.get((ack.seq - 1) as usize)).copied();
            let expected = Entry::Message {
                name: ack.name,
                message_id: ack.message_id,
            };
            if found != Some(expected) {
                self.problems.push(format!(
                    "{}: {:016x} was acknowledged as seq {}, where there is {found:?}",
                    ack.conversation, ack.name, ack.seq
                ));
            }
        }
        for member in members.iter().filter(|member| !member.is_away) {
            for (id, seen) in &member.seen {
                let log = self.logs.get(id).map_or(&[][..], Vec::as_slice);
                if seen.log != log {
                    let same = seen.log.iter().zip(log).take_while(|(a, b)| a == b).count();
                    self.problems.push(format!(
                        "{id}: a member has {} entries of {}, the same up to {same}",
                        seen.log.len(),
                        log.len()
                    ));
                }
            }
        }
    }
}
