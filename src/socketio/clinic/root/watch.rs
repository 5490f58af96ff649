//! Whose coming and going a socket hears of: the people of its user's direct conversations.

use bedside_actors::ports::store::{Select, StoreResult};
use bedside_protocol::{
    Command, Conversation, ConversationKind, UserId, command::PresenceWatch, limits,
};
use futures_util::future::FutureExt as _;
use std::{sync::Arc, time::Duration};

use crate::socketio::clinic::{
    client::{Client, Job, Step},
    hall::Hall,
};

/// Direct conversations that are looked at, the newest first.
pub(super) const DIRECTS_MAX: usize = 200;

/// Those whom a socket watches, the newest conversation last.
#[derive(Default)]
pub(super) struct Watch(Vec<UserId>);

impl Watch {
    /// Watches the people of these conversations.
    pub(super) fn start(&mut self, client: &mut Client, rows: &[Conversation]) {
        let newer = std::mem::take(&mut self.0);
        let me = client.me();
        let others = rows.iter().rev().filter_map(|row| {
            let other = row.members.iter().find(|member| member.user_id != *me);
            other.map(|other| other.user_id.clone())
        });
        self.0 = others.filter(|other| !newer.contains(other)).collect();
        self.0.extend(newer);
        if !self.0.is_empty() {
            self.ask(client);
        }
    }

    /// Watches somebody too.
    pub(super) fn add(&mut self, client: &mut Client, other: UserId) {
        if !self.0.contains(&other) {
            self.add_again(client, other);
        }
    }

    /// Watches somebody too, or after it may have been ended.
    pub(super) fn add_again(&mut self, client: &mut Client, other: UserId) {
        self.0.retain(|watched| *watched != other);
        self.0.push(other);
        self.ask(client);
    }

    fn ask(&mut self, client: &mut Client) {
        let too_many = self.0.len().saturating_sub(limits::PRESENCE_WATCH_MAX);
        self.0.drain(..too_many);
        client.command_quietly(Command::PresenceWatch(PresenceWatch {
            user_ids: self.0.clone(),
        }));
    }
}

/// Finds the direct conversations of a user.
pub(super) fn directs(client: &Client) -> Job {
    let (hall, me) = (Arc::clone(&client.hall), client.me().clone());
    async move {
        let mut failures = 0_u32;
        loop {
            match find(&hall, &me).await {
                Ok(rows) => return Step::Directs(rows),
                Err(fault) => {
                    tracing::error!(error = %fault, "direct conversations could not be read");
                    failures += 1;
                    tokio::time::sleep(Duration::from_millis(50 << failures.min(6))).await;
                }
            }
        }
    }
    .boxed()
}

async fn find(hall: &Hall, me: &UserId) -> StoreResult<Vec<Conversation>> {
    let store = hall.node.store();
    let listed = store.listed(me.clone()).await?;
    let ids: Vec<_> = listed
        .iter()
        .filter(|row| row.kind == ConversationKind::Direct && row.last_seq.is_none())
        .map(|row| row.conversation_id)
        .take(DIRECTS_MAX)
        .collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = store.conversations(me.clone(), Select::Ids(ids)).await?;
    let mut rows = found.rows;
    rows.sort_by_key(|row| std::cmp::Reverse(row.last_activity_at));
    Ok(rows)
}
