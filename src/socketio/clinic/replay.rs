//! How far each client got, for those that come back and say so.
//!
//! The JavaScript client keeps the `pid` of the answer to CONNECT and the last argument of the
//! last event that had a text there, and sends both along when it connects again. Here that text
//! names the message. So what is remembered per `pid` is the order in which messages were sent:
//! all up to the one that the client names has reached it, and nothing after it.

use bedside_protocol::{Conversation, ConversationId, Timestamp, UserId};
use parking_lot::Mutex;
use serde_json::Value as Json;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// Clients that are remembered, connected or not.
const CLIENTS_MAX: usize = 10_000;
/// How long after its end.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// Messages after the one that a client may name.
const LOG_MAX: usize = 512;

/// A message: where it is.
pub(super) type Place = (ConversationId, u64);

/// What is remembered of the clients of a server.
#[derive(Default)]
pub(super) struct Replays(Mutex<Table>);

#[derive(Default)]
struct Table {
    tracks: HashMap<Uuid, Arc<Track>>,
    /// Those that have ended, the first one first.
    ended: VecDeque<(Instant, Uuid)>,
}

/// What is remembered of one client.
pub(super) struct Track {
    pub(super) pid: Uuid,
    user_id: UserId,
    since: Timestamp,
    sent: Mutex<Sent>,
}

#[derive(Clone, Default)]
struct Sent {
    /// The message after which `log` begins; none at the very beginning.
    base: Option<Place>,
    /// Per conversation how far the client is at `base`.
    positions: HashMap<ConversationId, u64>,
    /// What it was sent after `base`, in order.
    log: VecDeque<Place>,
}

impl Sent {
    fn note(&mut self, place: Place) {
        if self.log.len() >= LOG_MAX {
            self.fold();
        }
        self.log.push_back(place);
    }

    /// Takes the oldest entry for received.
    fn fold(&mut self) {
        if let Some((id, seq)) = self.log.pop_front() {
            let position = self.positions.entry(id).or_insert(0);
            *position = seq.max(*position);
            self.base = Some((id, seq));
        }
    }

    /// Goes back to where a client says it is; false when that is not known any more.
    fn rewind(&mut self, at: Option<Place>) -> bool {
        if at != self.base {
            let Some(index) = at.and_then(|at| self.log.iter().rposition(|place| *place == at))
            else {
                return false;
            };
            for _ in 0..=index {
                self.fold();
            }
        }
        for (id, seq) in self.log.drain(..) {
            // The first that it lacks says how far it is, where nothing else does.
            self.positions.entry(id).or_insert(seq.saturating_sub(1));
        }
        true
    }
}

impl Track {
    /// The client is sent this message.
    pub(super) fn note(&self, place: Place) {
        self.sent.lock().note(place);
    }

    /// Up to where the client has a conversation: as it said, or else as was delivered to its
    /// user.
    pub(super) fn start_of(&self, row: &Conversation) -> u64 {
        let first = row.me.first_seq.saturating_sub(1);
        let known = self
            .sent
            .lock()
            .positions
            .get(&row.conversation_id)
            .copied();
        let start = match known {
            Some(position) => position,
            // It came up since the client was first here, and was never shown to it.
            None if row.created_at > self.since => 0,
            None => row.me.delivered_up_to_seq,
        };
        start.max(first)
    }

    /// From here on the client is sent a conversation.
    pub(super) fn begin(&self, id: ConversationId, start: u64) {
        self.sent.lock().positions.insert(id, start);
    }
}

impl Replays {
    /// Remembers a client that connects, and finds out how far it is if it was here before.
    pub(super) fn begin(&self, user_id: &UserId, auth: &Json, now: Timestamp) -> Arc<Track> {
        let mut table = self.0.lock();
        table.forget_old();
        let (since, sent) = table
            .taken_up(user_id, auth)
            .unwrap_or((now, Sent::default()));
        let track = Arc::new(Track {
            // Not to be guessed, though it is of use to nobody else.
            pid: Uuid::new_v4(),
            user_id: user_id.clone(),
            since,
            sent: Mutex::new(sent),
        });
        if table.tracks.len() < CLIENTS_MAX {
            table.tracks.insert(track.pid, Arc::clone(&track));
        }
        track
    }

    /// A client is gone.
    pub(super) fn end(&self, track: &Track) {
        let mut table = self.0.lock();
        if table.tracks.contains_key(&track.pid) {
            table.ended.push_back((Instant::now(), track.pid));
        }
    }
}

impl Table {
    /// What was known of a client under its last `pid`, which ends with that.
    fn taken_up(&mut self, user_id: &UserId, auth: &Json) -> Option<(Timestamp, Sent)> {
        let pid = auth.get("pid")?.as_str()?.parse().ok()?;
        let track = self.tracks.get(&pid)?;
        if track.user_id != *user_id {
            return None;
        }
        let track = self.tracks.remove(&pid)?;
        let offset = match auth.get("offset") {
            None | Some(Json::Null) => None,
            Some(offset) => Some(parse_offset(offset.as_str()?)?),
        };
        // The old socket may not have ended yet: what it is still sent does not count.
        let mut sent = track.sent.lock().clone();
        sent.rewind(offset).then_some((track.since, sent))
    }

    fn forget_old(&mut self) {
        let now = Instant::now();
        while let Some((at, pid)) = self.ended.front().copied() {
            let is_old = now.duration_since(at) >= KEPT_FOR;
            if !is_old && self.tracks.len() < CLIENTS_MAX {
                return;
            }
            self.ended.pop_front();
            self.tracks.remove(&pid);
        }
    }
}

/// How a client names a message later.
pub(super) fn offset((id, seq): Place) -> String {
    format!("{id}.{seq}")
}

fn parse_offset(text: &str) -> Option<Place> {
    let (id, seq) = text.split_once('.')?;
    Some((id.parse().ok()?, seq.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn user(id: &str) -> UserId {
        UserId::new(id).expect("is an id")
    }

    fn back(track: &Track, at: Option<Place>) -> Json {
        match at {
            None => json!({"token": "t", "pid": track.pid.to_string()}),
            Some(at) => json!({"token": "t", "pid": track.pid.to_string(), "offset": offset(at)}),
        }
    }

    fn positions(track: &Track, ids: &[ConversationId]) -> Vec<Option<u64>> {
        let sent = track.sent.lock();
        ids.iter()
            .map(|id| sent.positions.get(id).copied())
            .collect()
    }

    #[tokio::test]
    async fn a_client_is_where_it_says_and_what_came_after_is_missing() {
        let (replays, me) = (Replays::default(), user("p1"));
        let [a, b, c] = [(); 3].map(|()| ConversationId::new());
        let first = replays.begin(&me, &json!({"token": "t"}), NOW);
        first.begin(a, 3);
        for place in [(a, 4), (b, 7), (a, 5), (b, 8), (c, 2)] {
            first.note(place);
        }
        let second = replays.begin(&me, &back(&first, Some((a, 5))), NOW);
        assert_ne!(first.pid, second.pid);
        assert_eq!(positions(&second, &[a, b, c]), [Some(5), Some(7), Some(1)]);
        // Nothing came meanwhile: it names the same message, under its new name.
        let third = replays.begin(&me, &back(&second, Some((a, 5))), NOW);
        assert_eq!(positions(&third, &[a, b, c]), [Some(5), Some(7), Some(1)]);
        let again = replays.begin(&me, &back(&first, Some((a, 5))), NOW);
        assert_eq!(positions(&again, &[a]), [None], "an old name is spent");
    }

    #[tokio::test]
    async fn one_that_received_nothing_is_where_it_began() {
        let (replays, me, a) = (Replays::default(), user("p1"), ConversationId::new());
        let first = replays.begin(&me, &Json::Null, NOW);
        first.begin(a, 3);
        first.note((a, 4));
        let second = replays.begin(&me, &back(&first, None), NOW);
        assert_eq!(positions(&second, &[a]), [Some(3)]);
    }

    #[tokio::test]
    async fn what_is_not_known_for_certain_is_not_known() {
        let (replays, me, a) = (Replays::default(), user("p1"), ConversationId::new());
        let knows = |auth: &Json, who: &UserId| {
            let track = replays.begin(who, auth, NOW);
            positions(&track, &[a])[0].is_some()
        };
        let begun = || {
            let track = replays.begin(&me, &Json::Null, NOW);
            track.begin(a, 3);
            track.note((a, 4));
            track
        };
        assert!(knows(&back(&begun(), Some((a, 4))), &me));
        assert!(!knows(&back(&begun(), Some((a, 9))), &me), "never sent");
        assert!(!knows(&back(&begun(), Some((a, 4))), &user("d1")));
        for offset in [json!(7), json!("x"), json!("x.1"), json!(format!("{a}.x"))] {
            let auth = json!({"pid": begun().pid.to_string(), "offset": offset});
            assert!(!knows(&auth, &me), "{auth}");
        }
        // Only so much is remembered.
        let long = begun();
        for seq in 5..5 + LOG_MAX as u64 {
            long.note((a, seq));
        }
        assert!(!knows(&back(&long, None), &me));
        let long = begun();
        for seq in 5..5 + LOG_MAX as u64 {
            long.note((a, seq));
        }
        assert!(knows(&back(&long, Some((a, 4))), &me), "its beginning is");
    }

    #[tokio::test(start_paused = true)]
    async fn clients_are_forgotten_ten_minutes_after_their_end() {
        let (replays, me, a) = (Replays::default(), user("p1"), ConversationId::new());
        let track = replays.begin(&me, &Json::Null, NOW);
        track.begin(a, 3);
        replays.end(&track);
        tokio::time::advance(KEPT_FOR).await;
        let late = replays.begin(&me, &back(&track, None), NOW);
        assert_eq!(positions(&late, &[a]), [None]);
        assert_eq!(replays.0.lock().tracks.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_remembered_and_those_that_ended_go_first() {
        let (replays, me) = (Replays::default(), user("p1"));
        let first = replays.begin(&me, &Json::Null, NOW);
        for _ in 0..CLIENTS_MAX {
            replays.begin(&me, &Json::Null, NOW);
        }
        assert_eq!(replays.0.lock().tracks.len(), CLIENTS_MAX);
        replays.end(&first);
        let last = replays.begin(&me, &Json::Null, NOW);
        let table = replays.0.lock();
        assert_eq!(table.tracks.len(), CLIENTS_MAX);
        assert!(table.tracks.contains_key(&last.pid));
        assert!(!table.tracks.contains_key(&first.pid));
    }
}
