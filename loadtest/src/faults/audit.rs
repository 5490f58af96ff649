//! Reads what is stored, and what the counts say, through REST.

use bedside_protocol::{Conversation, ConversationId, reply::History};
use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

use super::{
    device::Device,
    judge::{Log, Verdict, View, judge, judge_views},
    memory::Memory,
};
use crate::{
    Outcome,
    crash::Entry,
    world::{Call, each},
};

/// How long a node that was just started may refuse.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the last events of a calm town may be on their way.
const ARRIVE_WITHIN: Duration = Duration::from_secs(5);

type Logs = HashMap<ConversationId, Log>;

/// Reads and judges.
pub(super) struct Auditor {
    nodes: Vec<SocketAddr>,
    /// Which node is next.
    turn: usize,
    /// Who is in what: the device and its token.
    members: Vec<(usize, ConversationId, Arc<String>)>,
    logs: Logs,
    /// Read watermarks when they were last looked at.
    read: HashMap<(usize, ConversationId), u64>,
}

impl Auditor {
    pub(super) fn new(nodes: Vec<SocketAddr>, devices: &[Device]) -> Self {
        let members = devices.iter().flat_map(|device| {
            let token = Arc::new(device.user.token.clone());
            let own = device.conversations.iter();
            own.map(move |own| (device.number, own.id, Arc::clone(&token)))
        });
        Self {
            members: members.collect(),
            nodes,
            turn: 0,
            logs: Logs::new(),
            read: HashMap::new(),
        }
    }

    /// Reads on in all logs, through the next node, and judges.
    pub(super) async fn audit(&mut self, memories: &[Arc<Mutex<Memory>>]) -> Outcome<Verdict> {
        self.turn = (self.turn + 1) % self.nodes.len();
        let node = self.nodes[self.turn];
        let until = Instant::now() + PATIENCE;
        let views = loop {
            match self.read_on(node).await {
                Ok(views) => break views,
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        };
        self.until_seen(memories).await;
        Ok(self.judge(memories, &views))
    }

    /// Reads everything again, through each node; how many messages there are.
    pub(super) async fn audit_all(
        &mut self,
        memories: &[Arc<Mutex<Memory>>],
    ) -> Outcome<(Verdict, usize)> {
        let mut verdict = Verdict::default();
        for _ in 0..self.nodes.len() {
            self.logs.clear();
            verdict = self.audit(memories).await?;
            if !verdict.is_good() {
                break;
            }
        }
        let entries = self.logs.values().flatten();
        let stored = entries.filter(|(_, entry)| matches!(entry, Entry::Message { .. }));
        Ok((verdict, stored.count()))
    }

    async fn read_on(&mut self, node: SocketAddr) -> Outcome<Vec<View>> {
        self.read_logs(node).await?;
        let calls = self.members.iter().map(|(_, id, token)| {
            let path = format!("/api/v1/conversations/{id}");
            Call::new("GET", path, token, serde_json::Value::Null)
        });
        let answers = each(node, calls.collect()).await?;
        let views = self.members.iter().zip(answers).map(|(member, answer)| {
            let seen: Conversation = serde_json::from_value(answer)?;
            Ok(View {
                device: member.0,
                id: member.1,
                head_seq: seen.head_seq,
                read_up_to_seq: seen.me.read_up_to_seq,
                unread_count: seen.me.unread_count,
            })
        });
        views.collect()
    }

    async fn read_logs(&mut self, node: SocketAddr) -> Outcome<()> {
        let mut seen = HashSet::new();
        let first_of = self.members.iter().filter(|(_, id, _)| seen.insert(*id));
        let mut behind: Vec<_> = first_of.map(|(_, id, t)| (*id, Arc::clone(t))).collect();
        while !behind.is_empty() {
            let calls = behind.iter().map(|(id, token)| {
                let log = self.logs.get(id).and_then(|log| log.last());
                let after = log.map_or(0, |(seq, _)| *seq);
                let path =
                    format!("/api/v1/conversations/{id}/messages?after_seq={after}&limit=200");
                Call::new("GET", path, token, serde_json::Value::Null)
            });
            let pages = each(node, calls.collect()).await?;
            let mut more = Vec::new();
            for (reader, page) in behind.into_iter().zip(pages) {
                let page: History = serde_json::from_value(page)?;
                let events = page.events.iter();
                let entries = events.map(|logged| (logged.seq, Entry::of(&logged.event)));
                self.logs.entry(reader.0).or_default().extend(entries);
                if page.has_more {
                    more.push(reader);
                }
            }
            behind = more;
        }
        Ok(())
    }

    /// What is stored and not yet shown is shown within moments; what is not is for the judge.
    async fn until_seen(&self, memories: &[Arc<Mutex<Memory>>]) {
        let until = Instant::now() + ARRIVE_WITHIN;
        let all_seen = || {
            self.members.iter().all(|(device, id, _)| {
                let memory = memories[*device].lock();
                let memory = memory.unwrap_or_else(PoisonError::into_inner);
                memory.position(*id) >= self.logs.get(id).map_or(0, |log| log.len() as u64)
            })
        };
        while !all_seen() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn judge(&mut self, memories: &[Arc<Mutex<Memory>>], views: &[View]) -> Verdict {
        let locks = memories.iter().map(|memory| memory.lock());
        let locks: Vec<_> = locks
            .map(|lock| lock.unwrap_or_else(PoisonError::into_inner))
            .collect();
        let plain: Vec<&Memory> = locks.iter().map(|lock| &**lock).collect();
        let mut verdict = judge(&self.logs, &plain);
        judge_views(&self.logs, &plain, views, &mut self.read, &mut verdict);
        verdict
    }
}
