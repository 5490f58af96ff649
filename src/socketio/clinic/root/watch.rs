//! Whose coming and going a socket hears of: the people of its user's direct conversations.

use bedside_actors::{caller::Caller, ports::store::Select};
use bedside_protocol::{
    Availability, CommandError, Conversation, ConversationKind, Presence, UserId, limits,
};
use futures_util::future::FutureExt as _;
use serde::Serialize;
use std::{sync::Arc, time::Duration};

use crate::socketio::clinic::{
    client::{Client, Found, Job, Missing, Step},
    hall::Hall,
    lookups,
    out::Out,
};

/// Direct conversations that are looked at, the newest first.
const DIRECTS_MAX: usize = limits::PRESENCE_WATCH_MAX;
/// When they could not be read, how long until the next try.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserStatus<'a> {
    user_id: &'a UserId,
    is_online: bool,
    status: Availability,
}

/// Those whom a socket watches, the newest conversation last.
#[derive(Default)]
pub(super) struct Watch {
    watched: Vec<UserId>,
    opened: bool,
}

impl Watch {
    /// Finds out whom to watch, and does.
    pub(super) fn open(&self, client: &mut Client) {
        client.find_out_aside(directs(client, Duration::ZERO));
    }

    /// It failed: the client is let in, and it is tried again.
    pub(super) fn open_again(&mut self, client: &mut Client) {
        self.opened = true;
        client.find_out_aside(directs(client, AGAIN_AFTER));
    }

    /// Whether it has yet to be found out.
    pub(super) fn is_opening(&self) -> bool {
        !self.opened
    }

    /// The people of these conversations are watched.
    pub(super) fn start(&mut self, client: &Client, rows: &[Conversation]) {
        self.opened = true;
        self.watched = others(client.me(), rows);
    }

    /// Watches somebody too. Errors: that is to be done first.
    pub(super) fn add(
        &mut self,
        client: &Client,
        other: &UserId,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        if self.watched.contains(other) && !matches!(client.found, Some(Found::Watched(_))) {
            return Ok(());
        }
        self.add_again(client, other, out)
    }

    /// Watches somebody too, or after it may have been ended. Errors: that is to be done first.
    pub(super) fn add_again(
        &mut self,
        client: &Client,
        other: &UserId,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        if let Some(Found::Watched(presences)) = &client.found {
            let theirs = presences.iter().find(|presence| presence.user_id == *other);
            if let Some(presence) = theirs.filter(|presence| presence.online) {
                // They may have come before anybody looked.
                show(presence, out);
            }
            return Ok(());
        }
        self.watched.retain(|watched| watched != other);
        self.watched.push(other.clone());
        let too_many = self
            .watched
            .len()
            .saturating_sub(limits::PRESENCE_WATCH_MAX);
        self.watched.drain(..too_many);
        Err(self.ask(client))
    }

    /// Asks for all of them anew. Errors: that is to be done first.
    pub(super) fn renew(&self, client: &Client) -> Result<(), Missing> {
        match &client.found {
            Some(Found::Watched(_)) => Ok(()),
            _ => Err(self.ask(client)),
        }
    }

    fn ask(&self, client: &Client) -> Missing {
        let (hall, caller) = (Arc::clone(&client.hall), client.caller.clone());
        let watched = self.watched.clone();
        let watch = async move {
            let presences = hall.node.watch_presence(&caller, watched).await;
            // Who cannot be watched now may be when they next write.
            Found::Watched(presences.unwrap_or_default())
        };
        watch.boxed()
    }
}

pub(super) fn show(presence: &Presence, out: &mut Out<'_, '_>) {
    let status = UserStatus {
        user_id: &presence.user_id,
        is_online: presence.online,
        status: presence.status,
    };
    out.emit("user_status_change", &status);
}

/// Finds the direct conversations of a user and watches their people.
fn directs(client: &Client, after: Duration) -> Job {
    let (hall, caller) = (Arc::clone(&client.hall), client.caller.clone());
    async move {
        if !after.is_zero() {
            tokio::time::sleep(after).await;
        }
        Step::Directs(find(&hall, &caller).await.ok())
    }
    .boxed()
}

async fn find(hall: &Hall, caller: &Caller) -> Result<Vec<Conversation>, CommandError> {
    let (store, me) = (hall.node.store(), &caller.user_id);
    let listed = store.listed(me.clone()).await.map_err(lookups::fault)?;
    let ids: Vec<_> = listed
        .iter()
        .filter(|row| row.kind == ConversationKind::Direct && row.last_seq.is_none())
        .map(|row| row.conversation_id)
        .take(DIRECTS_MAX)
        .collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = store.conversations(me.clone(), Select::Ids(ids)).await;
    let mut rows = found.map_err(lookups::fault)?.rows;
    rows.sort_by_key(|row| std::cmp::Reverse(row.last_activity_at));
    let others = others(me, &rows);
    hall.node.watch_presence(caller, others).await?;
    Ok(rows)
}

/// The other ones of these direct conversations, the newest conversation last.
fn others(me: &UserId, rows: &[Conversation]) -> Vec<UserId> {
    let other = |row: &Conversation| {
        let other = row.members.iter().find(|member| member.user_id != *me);
        other.map(|other| other.user_id.clone())
    };
    rows.iter().rev().filter_map(other).collect()
}
