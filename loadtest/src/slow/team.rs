//! Those who send.

use bedside_protocol::{Command, ConversationId, Role, limits::TEXT_BYTES_MAX};
use serde_json::json;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;

use super::{PATIENCE, SLOW_CONSUMER};
use crate::{
    Outcome, fault,
    peer::{self, Got, Peer},
    server::SECRET,
    token,
    world::{self, Call, User},
    ws::Dial,
};

/// Sends that one sender has open at a time.
const WINDOW: usize = 8;

/// A care team: a patient, some who send, one who is fast and one who will be slow.
pub(super) struct Team {
    pub(super) id: ConversationId,
    senders: Vec<User>,
    pub(super) fast: User,
    pub(super) slow: User,
    cuts: AtomicUsize,
}

impl Team {
    pub(super) async fn make(server: SocketAddr, senders: usize) -> Outcome<Arc<Self>> {
        let user = |name: String, role| User::new(SECRET, name, role);
        let patient = user("slow-patient".to_owned(), Role::Patient);
        let nurse = |i: usize| user(format!("slow-sender-{i}"), Role::Nurse);
        let senders: Vec<_> = (0..senders).map(nurse).collect();
        let fast = user("slow-fast".to_owned(), Role::Nurse);
        let slow = user("slow-slow".to_owned(), Role::Nurse);
        let service = Arc::new(token::mint(SECRET, "load-harness", Role::Service));
        let staff: Vec<_> = senders.iter().chain([&fast, &slow]).collect();
        let people = staff.iter().copied().chain([&patient]).map(|user| {
            let body = json!({"name": user.id, "role": user.role.name()});
            Call::new("PUT", format!("/api/v1/users/{}", user.id), &service, body)
        });
        world::each(server, people.collect()).await?;
        let relations = staff.iter().map(|user| {
            let body = json!({"patient_id": patient.id, "user_id": user.id, "kind": "clinician"});
            Call::new("PUT", "/api/v1/relations".to_owned(), &service, body)
        });
        world::each(server, relations.collect()).await?;
        let body = json!({
            "kind": "care_team",
            "title": "The team of the slow one",
            "patient_id": patient.id,
            "member_ids": staff.iter().map(|user| &user.id).collect::<Vec<_>>(),
        });
        let creator = Arc::new(fast.token.clone());
        let call = Call::new("POST", "/api/v1/conversations".to_owned(), &creator, body);
        let made = world::each(server, vec![call]).await?;
        let id = made[0]["conversation"]["conversation_id"].as_str();
        let id = id
            .and_then(|id| id.parse().ok())
            .ok_or("the team has no id")?;
        Ok(Arc::new(Self {
            id,
            senders,
            fast,
            slow,
            cuts: AtomicUsize::new(0),
        }))
    }

    /// Sends messages with these numbers, all senders at once.
    pub(super) async fn send(
        self: &Arc<Self>,
        dial: &Dial,
        first: usize,
        count: usize,
    ) -> Outcome<()> {
        let mut sending = JoinSet::new();
        for who in 0..self.senders.len() {
            let (team, dial) = (Arc::clone(self), dial.clone());
            sending.spawn(async move {
                let numbers = (first + who..first + count).step_by(team.senders.len());
                let numbers = numbers.map(|n| n as u64 + 1).collect();
                team.send_all(who, &dial, numbers).await
            });
        }
        while let Some(done) = sending.join_next().await {
            done??;
        }
        Ok(())
    }

    /// How often a sender was cut off.
    pub(super) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
    }

    /// Sends with some of them open at a time. Who is cut off for reading too slowly comes
    /// back and sends again what was not acknowledged.
    async fn send_all(&self, who: usize, dial: &Dial, mut numbers: VecDeque<u64>) -> Outcome<()> {
        let token = &self.senders[who].token;
        let mut peer = Peer::open(dial, token).await?;
        let mut open: Vec<(u64, u64)> = Vec::new();
        loop {
            while open.len() < WINDOW
                && let Some(number) = numbers.pop_front()
            {
                open.push((peer.post(&self.large(number)), number));
            }
            if open.is_empty() {
                return Ok(());
            }
            match tokio::time::timeout(PATIENCE, peer.read()).await?? {
                Got::Event(_) => {}
                Got::Answer(id) => {
                    let at = open.iter().position(|(posted, _)| *posted == id);
                    let (_, number) = open.swap_remove(at.ok_or("an answer to nothing")?);
                    match peer.take_answer(id).ok_or("no answer")? {
                        Ok(_) => {}
                        Err(error) if error.code.retryable() => {
                            let wait = Duration::from_millis(error.retry_after_ms.max(5));
                            tokio::time::sleep(wait).await;
                            numbers.push_front(number);
                        }
                        Err(error) => return fault(format!("a send was refused: {error}")),
                    }
                }
                Got::Closed(SLOW_CONSUMER) => {
                    self.cuts.fetch_add(1, Ordering::Relaxed);
                    peer = Peer::open(dial, token).await?;
                    for (_, number) in open.drain(..) {
                        numbers.push_front(number);
                    }
                }
                Got::Closed(code) => return fault(format!("a sender was closed with {code}")),
            }
        }
    }

    fn large(&self, number: u64) -> Command {
        peer::say(self.id, number, peer::text_of(number, TEXT_BYTES_MAX))
    }
}
