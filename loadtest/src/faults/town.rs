//! Who is there: pairs whose ends are on different nodes, groups over all nodes, a device for
//! everyone.

use bedside_protocol::{ConversationId, Role};
use serde_json::json;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::sync::watch;

use super::{
    Plan,
    board::{Board, Orders},
    device::{Device, Life, Own},
    memory::Memory,
};
use crate::{
    Outcome, fault,
    rng::Rng,
    world::{Call, User, World, each},
};

/// One of so many only listens.
const LISTENER_ONE_IN: usize = 8;
/// People in a group.
const GROUP_SIZE: usize = 8;

/// Everyone, and everything they may say something in.
pub(super) struct Town {
    pub(super) users: Vec<User>,
    /// Each conversation with its members' places.
    pub(super) conversations: Vec<(ConversationId, Vec<usize>)>,
}

impl Town {
    /// Makes it over REST, at the first node.
    pub(super) async fn make(plan: &Plan, node: SocketAddr, secret: &str) -> Outcome<Self> {
        let tag = format!("faults-{:x}", plan.seed);
        let world = World::make(node, secret, &tag, plan.devices, plan.pairs).await?;
        let doctors: Vec<usize> = (0..world.users.len())
            .filter(|i| world.users[*i].role == Role::Doctor)
            .collect();
        if doctors.len() < GROUP_SIZE && plan.groups > 0 {
            return fault("groups need more devices");
        }
        let pairs = world.pairs.iter();
        let mut conversations: Vec<_> = pairs.map(|p| (p.id, p.members.to_vec())).collect();
        let groups = (0..plan.groups).map(|group| {
            let members = (0..GROUP_SIZE).map(|i| doctors[(group * 3 + i) % doctors.len()]);
            members.collect::<Vec<_>>()
        });
        let groups: Vec<_> = groups.collect();
        let posts = groups.iter().map(|members| {
            let ids: Vec<_> = members[1..].iter().map(|i| &world.users[*i].id).collect();
            let body = json!({"kind": "internal_staff", "title": "Ward", "member_ids": ids});
            let token = Arc::new(world.users[members[0]].token.clone());
            Call::new("POST", "/api/v1/conversations".to_owned(), &token, body)
        });
        let made = each(node, posts.collect()).await?;
        for (made, members) in made.iter().zip(groups) {
            let id = made["conversation"]["conversation_id"].as_str();
            let id = id.and_then(|id| id.parse().ok());
            conversations.push((id.ok_or("a new group has no id")?, members));
        }
        Ok(Self {
            users: world.users,
            conversations,
        })
    }

    /// The places of the people who are in any conversation.
    fn busy(&self) -> Vec<usize> {
        let is_busy = |i: &usize| self.conversations.iter().any(|(_, m)| m.contains(i));
        (0..self.users.len()).filter(is_busy).collect()
    }

    /// A device for everyone who is in any conversation. Doctors and patients take turns at the
    /// entries one apart, so that the two ends of a pair are at different ones.
    pub(super) fn devices(
        &self,
        plan: &Plan,
        entries: &[SocketAddr],
        board: &Arc<Board>,
        orders: &watch::Receiver<Orders>,
    ) -> Vec<Device> {
        let busy = self.busy();
        let side = self.users.len() / 2;
        let listens = |number: usize| number % LISTENER_ONE_IN == LISTENER_ONE_IN - 1;
        let talkers = (0..busy.len()).filter(|number| !listens(*number)).count();
        let rate = plan.rate / talkers.max(1) as f64;
        let device = |(number, place): (usize, &usize)| {
            let home = if *place < side { *place } else { *place + 1 } % entries.len();
            let (after, before) = (&entries[home..], &entries[..home]);
            let own = self.conversations.iter().filter_map(|(id, members)| {
                let at = members.iter().position(|member| member == place)?;
                Some(Own {
                    id: *id,
                    at: at as u64,
                    of: members.len() as u64,
                })
            });
            let conversations: Vec<_> = own.collect();
            let ids: Vec<_> = conversations.iter().map(|own| own.id).collect();
            let user = self.users[*place].clone();
            let memory = Memory::new(number, user.id.clone(), &ids, plan.seed);
            Device {
                number,
                conversations,
                entries: [after, before].concat(),
                rate: if listens(number) { 0.0 } else { rate },
                memory: Arc::new(Mutex::new(memory)),
                board: Arc::clone(board),
                orders: orders.clone(),
                rng: Rng::new(plan.seed ^ (number as u64 + 1).wrapping_mul(0x9E37_79B9)),
                life: Life::default(),
                user,
            }
        };
        busy.iter().enumerate().map(device).collect()
    }
}
