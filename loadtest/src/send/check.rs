//! The comparison at the end of a run: acknowledged = delivered = stored, dense, nothing twice.

use bedside_protocol::{Event, reply::History};
use serde::Serialize;
use std::{collections::HashSet, net::SocketAddr, sync::Arc};

use super::{
    Plan,
    engine::{Engine, Entry},
};
use crate::{
    Outcome,
    peer::{self, Peer},
    rng::Rng,
    world::{self, Call, World},
    ws::Dial,
};

/// Problems that are told word by word.
const PROBLEMS_MAX: usize = 20;
/// Conversations that are read through REST; the others through a socket.
const BY_REST: usize = 32;

/// What was compared, and what was wrong.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Checked {
    /// Messages acknowledged.
    pub acked: usize,
    /// Messages that came to the other member while all was running.
    pub delivered: usize,
    /// Conversations whose log was read from its beginning, by REST and by `message.history`.
    pub read_back: usize,
    /// Messages found there.
    pub stored: usize,
    /// What was wrong; empty when all is well.
    pub problems: Vec<String>,
}

impl Checked {
    fn problem(&mut self, text: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(text);
        }
    }
}

pub(super) async fn check(
    engine: &Arc<Engine>,
    world: &World,
    server: SocketAddr,
    plan: &Plan,
) -> Outcome<Checked> {
    let (acked, delivered) = engine.sorted();
    let mut checked = Checked {
        acked: acked.len(),
        delivered: delivered.len(),
        problems: engine.faults(),
        ..Checked::default()
    };
    // Each acknowledgement names the member that it was for, so the two are the same list.
    if acked != delivered {
        let got: HashSet<_> = delivered.iter().collect();
        let missing = acked.iter().filter(|entry| !got.contains(entry)).count();
        checked.problem(format!(
            "{missing} acknowledged messages were never delivered"
        ));
        let sent: HashSet<_> = acked.iter().collect();
        let extra = delivered
            .iter()
            .filter(|entry| !sent.contains(entry))
            .count();
        checked.problem(format!(
            "{extra} messages were delivered and never acknowledged"
        ));
        if delivered.len() != got.len() {
            checked.problem(format!("{} came twice", delivered.len() - got.len()));
        }
    }
    names_are_unique(&acked, &mut checked);
    // Seq 1 is the making of the conversation.
    for pair in acked.chunk_by(|a, b| a.pair == b.pair) {
        if !pair.iter().zip(2..).all(|(entry, seq)| entry.seq == seq) {
            checked.problem(format!(
                "conversation {} has holes or doubles",
                pair[0].pair
            ));
        }
    }
    read_back(&acked, world, server, plan, &mut checked).await?;
    Ok(checked)
}

fn names_are_unique(acked: &[Entry], checked: &mut Checked) {
    let mut names: Vec<_> = acked.iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    let twice = names.windows(2).filter(|pair| pair[0] == pair[1]).count();
    if twice > 0 {
        checked.problem(format!("{twice} sends were acknowledged twice"));
    }
}

/// Reads whole logs, of a sample when there are too many conversations.
async fn read_back(
    acked: &[Entry],
    world: &World,
    server: SocketAddr,
    plan: &Plan,
    checked: &mut Checked,
) -> Outcome<()> {
    let by_pair: Vec<&[Entry]> = acked.chunk_by(|a, b| a.pair == b.pair).collect();
    let mut rng = Rng::new(plan.seed);
    let sample: Vec<&[Entry]> = if by_pair.len() <= plan.read_back {
        by_pair
    } else {
        (0..plan.read_back)
            .map(|_| by_pair[rng.below(by_pair.len())])
            .collect()
    };
    for (i, entries) in sample.into_iter().enumerate() {
        let pair = &world.pairs[entries[0].pair as usize];
        let reader = &world.users[pair.members[i % 2]];
        let stored = if i < BY_REST {
            by_rest(server, pair.id, &reader.token).await?
        } else {
            let mut peer = Peer::open(&Dial::new(server), &reader.token).await?;
            let mut log = Vec::new();
            loop {
                let page = peer.page(pair.id, log.len() as u64).await?;
                let has_more = page.has_more;
                log.extend(page.events.into_iter().map(|e| (e.seq, e.event)));
                if !has_more {
                    break log;
                }
            }
        };
        compare(entries, &stored, plan, checked);
        checked.read_back += 1;
        checked.stored += stored.len().saturating_sub(1);
    }
    Ok(())
}

async fn by_rest(
    server: SocketAddr,
    id: bedside_protocol::ConversationId,
    token: &str,
) -> Outcome<Vec<(u64, Event)>> {
    let token = Arc::new(token.to_owned());
    let mut log = Vec::new();
    loop {
        let path = format!(
            "/api/v1/conversations/{id}/messages?after_seq={}&limit=200",
            log.len()
        );
        let call = Call::new("GET", path, &token, serde_json::Value::Null);
        let page = world::each(server, vec![call]).await?.pop();
        let page: History = serde_json::from_value(page.unwrap_or_default())?;
        log.extend(page.events.into_iter().map(|e| (e.seq, e.event)));
        if !page.has_more {
            return Ok(log);
        }
    }
}

fn compare(acked: &[Entry], stored: &[(u64, Event)], plan: &Plan, checked: &mut Checked) {
    let pair = acked[0].pair;
    if !stored.iter().zip(1..).all(|((seq, _), i)| *seq == i) {
        checked.problem(format!("the log of conversation {pair} is not dense"));
    }
    if stored.len() != acked.len() + 1 {
        checked.problem(format!(
            "conversation {pair}: {} acknowledged, {} stored",
            acked.len(),
            stored.len().saturating_sub(1)
        ));
    }
    for ((seq, event), entry) in stored.iter().skip(1).zip(acked) {
        let Event::MessageCreated(message) = event else {
            checked.problem(format!("conversation {pair}, seq {seq}: not a message"));
            continue;
        };
        let name = message.client_msg_id.as_ref();
        let name = name.and_then(|name| peer::number_of(name.as_str()));
        if name != Some(entry.name) {
            checked.problem(format!("conversation {pair}, seq {seq}: another message"));
        } else if message.text != peer::text_of(entry.name, plan.text_bytes) {
            checked.problem(format!("conversation {pair}, seq {seq}: another text"));
        }
    }
}
