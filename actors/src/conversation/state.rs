//! What a conversation actor knows, and the plain decisions on it. No runtime, no I/O.

use bedside_protocol::{
    ClientMsgId, CommandError, Consultation, Conversation, ConversationId, ConversationKind,
    ConversationState, Event, EventFrame, Member, MemberRole, MessageId, Mine, Reply, Roles,
    Timestamp, UserId, event::ConversationChanged, limits,
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::Arc,
};

use super::queue::Pass;
use crate::{
    caller::Caller,
    ports::store::{
        Append, AppendBody, Attempt, BodyHash, ConversationKey, Head, Loaded, MemberRecord,
        SentRecord,
    },
    presence::PresenceTable,
    rights::{self, Standing, Until, Verb},
    sessions::UserSlot,
};

/// How many sends are remembered word for word, so that a retry needs no look into the store.
const RECENT_MAX: usize = 256;
/// How many older ones are remembered by a hash of their name, so that a new name need not be
/// looked for in the store: about 1 MiB for a conversation that has had as many since it was
/// loaded, and a few bytes for others.
const HASHES_MAX: usize = 65_536;

/// A conversation as its actor holds it.
pub(crate) struct State {
    pub(crate) id: ConversationId,
    pub(crate) key: ConversationKey,
    pub(crate) kind: ConversationKind,
    pub(crate) title: String,
    pub(crate) patient_id: Option<UserId>,
    pub(crate) state: ConversationState,
    /// The consultation whose chat it is, what is on its way included.
    pub(crate) consultation: Option<Consultation>,
    /// The same as it is known to be stored.
    pub(crate) stored_consultation: Option<Consultation>,
    pub(crate) log_start_seq: u64,
    /// The last entry that has been given a seq, stored or on its way.
    pub(crate) head: Head,
    /// The last entry that is known to be stored.
    pub(crate) stored: Head,
    /// Never shrinks while the actor lives, so that a fan-out in slices can go by index.
    pub(crate) members: Vec<MemberState>,
    index: HashMap<UserId, usize>,
    pub(crate) recent: Recent,
    /// Targets of edits and deletes that are on their way.
    pub(crate) changing: HashSet<u64>,
    /// Whether other servers write to this store, too.
    pub(crate) is_shared: bool,
}

/// A member as the actor holds them.
pub(crate) struct MemberState {
    pub(crate) record: MemberRecord,
    pub(crate) slot: Arc<UserSlot>,
    /// Countable messages that they have sent, those on their way included.
    pub(crate) sender_ord: u64,
    /// Until when what the membership rests on holds; none when it has ended.
    pub(crate) related: Option<Until>,
    /// Whether they treat the patient that the conversation is about.
    pub(crate) treats: bool,
}

impl MemberState {
    pub(crate) fn is_present(&self) -> bool {
        self.record.last_seq.is_none()
    }

    /// Whether they may read the entry at `seq`.
    pub(crate) fn sees(&self, seq: u64) -> bool {
        self.record.first_seq <= seq && self.record.last_seq.is_none_or(|last| seq <= last)
    }
}

/// An entry on its way to the store, and what happens once it is there.
pub(crate) struct Pending {
    pub(crate) seq: u64,
    pub(crate) attempt: Attempt,
    pub(crate) ord: u64,
    pub(crate) at: Timestamp,
    pub(crate) reply: Reply,
    /// Whom it is for, and what it was decided from.
    pub(super) pass: Pass,
    /// Retries of the same send that came meanwhile.
    pub(super) waiters: Vec<Pass>,
    pub(crate) event: Event,
    /// The message that an edit or delete changes.
    pub(crate) target_seq: Option<u64>,
}

/// An entry that has been decided on.
pub(crate) struct Planned {
    pub(crate) append: Append,
    pub(crate) event: Event,
    pub(crate) reply: Reply,
    pub(crate) target_seq: Option<u64>,
}

impl State {
    pub(crate) fn new(
        id: ConversationId,
        loaded: Loaded,
        slot: impl Fn(&UserId) -> Arc<UserSlot>,
        standing: impl Fn(&MemberRecord) -> (Option<Until>, bool),
    ) -> Self {
        let members: Vec<_> = loaded
            .members
            .into_iter()
            .map(|record| {
                let (related, treats) = standing(&record);
                let sent = loaded.sender_ords.get(&record.user_id);
                MemberState {
                    slot: slot(&record.user_id),
                    sender_ord: sent.copied().unwrap_or(0),
                    related,
                    treats,
                    record,
                }
            })
            .collect();
        let index = members
            .iter()
            .enumerate()
            .map(|(i, m)| (m.record.user_id.clone(), i))
            .collect();
        Self {
            id,
            key: loaded.key,
            kind: loaded.kind,
            title: loaded.title,
            patient_id: loaded.patient_id,
            state: loaded.state,
            consultation: loaded.consultation.clone(),
            stored_consultation: loaded.consultation,
            log_start_seq: loaded.log_start_seq,
            head: loaded.head,
            stored: loaded.head,
            members,
            index,
            recent: Recent::new(loaded.tail, loaded.tail_from_seq),
            changing: HashSet::new(),
            is_shared: loaded.attempts.is_some(),
        }
    }

    pub(crate) fn member(&self, user_id: &UserId) -> Option<&MemberState> {
        self.index.get(user_id).map(|i| &self.members[*i])
    }

    pub(crate) fn member_mut(&mut self, user_id: &UserId) -> Option<&mut MemberState> {
        self.index.get(user_id).map(|i| &mut self.members[*i])
    }

    pub(crate) fn present(&self) -> impl Iterator<Item = &MemberState> {
        self.members.iter().filter(|m| m.is_present())
    }

    /// Adds or replaces a member in memory.
    pub(crate) fn put_member(&mut self, member: MemberState) {
        match self.index.get(&member.record.user_id) {
            Some(i) => self.members[*i] = member,
            None => {
                self.index
                    .insert(member.record.user_id.clone(), self.members.len());
                self.members.push(member);
            }
        }
    }

    pub(crate) fn standing(&self, user_id: &UserId, roles: Roles, now: Timestamp) -> Standing {
        let member = self.member(user_id);
        Standing {
            kind: self.kind,
            state: self.state,
            roles,
            member: member.map(|m| m.record.member_role),
            present: member.is_some_and(MemberState::is_present),
            // Who is no longer staff by their token has lost what rested on it.
            related: member.is_some_and(|m| {
                m.related.is_some_and(|until| until.holds(now))
                    && (roles.is_staff() || !m.record.roles.is_staff())
            }),
        }
    }

    /// Whether the caller may do it.
    pub(crate) fn check(
        &self,
        verb: Verb,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        rights::may(verb, &self.standing(&caller.user_id, caller.roles, now))?;
        let is_patients = matches!(
            self.kind,
            ConversationKind::CareTeam | ConversationKind::FamilyUpdate
        );
        let treats = || self.member(&caller.user_id).is_some_and(|m| m.treats);
        if is_patients && matches!(verb, Verb::Rename | Verb::Manage) && !treats() {
            // A clinician may be in it as family, too.
            return Err(CommandError::forbidden(
                "only a clinician of the patient may change this conversation",
            ));
        }
        Ok(())
    }

    /// Ends the presence that somebody who is gone and the others saw of each other by this
    /// conversation. Staff may see each other all the same.
    pub(crate) fn unwatch(&self, presence: &PresenceTable, gone: &UserId) -> Vec<UserId> {
        let mut unrelated = Vec::new();
        let Some(member) = self.member(gone) else {
            return unrelated;
        };
        member.slot.each(|outbox| {
            presence.unwatch_conversation(outbox.session_id(), self.id);
        });
        presence.unwatch_via(gone, self.id);
        for other in self.present() {
            if !(member.record.roles.is_staff() && other.record.roles.is_staff()) {
                presence.unwatch_pair(gone, &other.record.user_id);
                unrelated.push(other.record.user_id.clone());
            }
        }
        unrelated
    }

    /// Whether a broadcast hides the other members from this one.
    pub(crate) fn is_hidden_from(&self, member: &MemberState) -> bool {
        hides_members(self.kind, member.record.member_role)
    }

    /// The next entry by `by`: its seq is taken here, before anything is awaited.
    pub(crate) fn next_entry(
        &mut self,
        by: Option<&UserId>,
        countable: bool,
        at: Timestamp,
        body: AppendBody,
    ) -> Append {
        // Time never goes back within a log, whatever the machine's clock does.
        let at = at.max(self.head.at);
        self.head = Head {
            seq: self.head.seq + 1,
            ord: self.head.ord + u64::from(countable),
            at,
        };
        let mut sender_ord = 0;
        if let Some(member) = by.and_then(|by| self.member_mut(by)) {
            member.sender_ord += u64::from(countable);
            sender_ord = member.sender_ord;
        }
        Append {
            conversation_id: self.id,
            key: self.key,
            seq: self.head.seq,
            attempt: Attempt::next(),
            at,
            by: by.cloned(),
            ord: self.head.ord,
            sender_ord,
            body,
        }
    }

    /// Unread messages of a member, as of what is stored.
    pub(crate) fn unread(&self, member: &MemberState) -> u64 {
        member
            .record
            .receipts
            .unread(self.head.ord, member.sender_ord)
    }

    pub(crate) fn mine(&self, member: &MemberState) -> Mine {
        let r = &member.record;
        Mine {
            member_role: r.member_role,
            first_seq: r.first_seq,
            last_seq: r.last_seq,
            delivered_up_to_seq: r.receipts.delivered_seq,
            read_up_to_seq: r.receipts.read_seq,
            unread_count: self.unread(member),
            pinned: r.preferences.pinned,
            muted_until: r.preferences.muted_until,
            archived: r.preferences.archived,
        }
    }
}

/// Whether a conversation of this kind hides its other members from a member of this role.
#[must_use]
pub fn hides_members(kind: ConversationKind, member_role: MemberRole) -> bool {
    kind == ConversationKind::Broadcast && member_role != MemberRole::Admin
}

/// Takes out of a conversation what its viewer may not see.
pub fn redact(conversation: &mut Conversation, viewer: &UserId) {
    if conversation.me.last_seq.is_some() {
        // Who is in it today is not for those who have gone.
        conversation.members.clear();
    } else if hides_members(conversation.kind, conversation.me.member_role) {
        conversation
            .members
            .retain(|m| m.user_id == *viewer || m.member_role == MemberRole::Admin);
        for member in &mut conversation.members {
            if member.user_id != *viewer {
                hide_receipts(member);
            }
        }
    }
}

fn hide_receipts(member: &mut Member) {
    member.delivered_up_to_seq = 0;
    member.read_up_to_seq = 0;
}

/// The event as a viewer from whom members are hidden may see it: same type and seq, nobody's
/// coming or going.
#[must_use]
pub fn redact_event(event: &Event, viewer: Option<&UserId>) -> Event {
    match event {
        Event::ConversationChanged(changed) => {
            let about_viewer = changed.user_id.is_some() && changed.user_id.as_ref() == viewer;
            if about_viewer {
                return event.clone();
            }
            Event::ConversationChanged(ConversationChanged {
                user_id: None,
                member_role: None,
                first_seq: None,
                member_ids: Vec::new(),
                by_user_id: changed
                    .by_user_id
                    .clone()
                    .filter(|_| changed.user_id.is_none()),
                ..changed.clone()
            })
        }
        other => other.clone(),
    }
}

/// A logged event of this conversation as a frame.
pub(crate) fn frame(id: ConversationId, seq: u64, event: Event) -> EventFrame {
    EventFrame::logged(id, seq, event)
}

/// The last sends under a `client_msg_id`.
pub(crate) struct Recent {
    sent: HashMap<(UserId, ClientMsgId), Sent>,
    order: VecDeque<(UserId, ClientMsgId)>,
    /// Hashes of the names that went out of `sent`.
    older: HashSet<u64>,
    /// Every send from this seq on is in `sent` or `older`.
    from_seq: u64,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) seq: u64,
    pub(crate) message_id: MessageId,
    pub(crate) created_at: Timestamp,
    pub(crate) body_hash: BodyHash,
}

/// What is known of a `client_msg_id`.
pub(crate) enum Known {
    /// It was used for this.
    Sent(Sent),
    /// It is new.
    New,
    /// Only the store can tell.
    AskStore,
}

impl Recent {
    fn new(tail: Vec<SentRecord>, from_seq: u64) -> Self {
        let mut recent = Self {
            sent: HashMap::new(),
            order: VecDeque::new(),
            older: HashSet::new(),
            from_seq,
        };
        for record in tail {
            recent.insert(record, u64::MAX);
        }
        recent
    }

    /// Takes a send in, and the oldest one out for it when that is among those `stored`: one
    /// that is still on its way is known nowhere else.
    pub(crate) fn insert(&mut self, record: SentRecord, stored: u64) {
        let name = (record.sender_id, record.client_msg_id);
        let sent = Sent {
            seq: record.seq,
            message_id: record.message_id,
            created_at: record.created_at,
            body_hash: record.body_hash,
        };
        if self.sent.insert(name.clone(), sent).is_none() {
            self.order.push_back(name);
        }
        while self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.front()
            && let Some(sent) = self.sent.get(oldest)
            && sent.seq <= stored
        {
            if self.older.len() < HASHES_MAX {
                self.older.insert(hash(&oldest.0, &oldest.1));
            } else {
                // Only the store knows the names up to here from now on.
                self.older = HashSet::new();
                self.from_seq = self.from_seq.max(sent.seq + 1);
            }
            self.sent.remove(oldest);
            self.order.pop_front();
        }
    }

    pub(crate) fn look_up(&self, sender: &UserId, client_msg_id: &ClientMsgId) -> Known {
        match self.sent.get(&(sender.clone(), client_msg_id.clone())) {
            Some(sent) => Known::Sent(sent.clone()),
            None if self.from_seq <= 1 && !self.older.contains(&hash(sender, client_msg_id)) => {
                Known::New
            }
            None => Known::AskStore,
        }
    }
}

fn hash(sender: &UserId, client_msg_id: &ClientMsgId) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one((sender, client_msg_id))
}

/// Bounds the entries that wait for their commit.
pub(crate) fn check_pending(pending: usize) -> Result<(), CommandError> {
    if pending >= limits::CONVERSATION_PENDING_MAX {
        return Err(CommandError::unavailable(
            "too many messages of this conversation wait to be stored",
            250,
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> UserId {
        UserId::new("u").expect("a user id")
    }

    fn name(n: usize) -> ClientMsgId {
        ClientMsgId::new(&format!("m{n}")).expect("a name")
    }

    fn sent(n: usize) -> SentRecord {
        SentRecord {
            sender_id: user(),
            client_msg_id: name(n),
            seq: n as u64 + 1,
            message_id: MessageId::new(),
            created_at: Timestamp::default(),
            body_hash: [0; 16],
        }
    }

    fn known(recent: &Recent, n: usize) -> &'static str {
        match recent.look_up(&user(), &name(n)) {
            Known::Sent(_) => "sent",
            Known::New => "new",
            Known::AskStore => "ask",
        }
    }

    #[test]
    fn what_was_sent_is_never_taken_for_new() {
        let mut recent = Recent::new(Vec::new(), 1);
        let all = RECENT_MAX + HASHES_MAX;
        for n in 0..all {
            recent.insert(sent(n), u64::MAX);
        }
        assert_eq!(known(&recent, all - 1), "sent");
        assert_eq!(known(&recent, all - RECENT_MAX), "sent");
        assert_eq!(known(&recent, all - RECENT_MAX - 1), "ask");
        assert_eq!(known(&recent, 0), "ask");
        assert_eq!(known(&recent, all), "new");
        // One more than is remembered: from here on only the store knows.
        recent.insert(sent(all), u64::MAX);
        assert_eq!(known(&recent, 0), "ask");
        assert_eq!(known(&recent, all + 1), "ask");
        assert_eq!(known(&recent, all), "sent");
    }

    #[test]
    fn a_log_with_a_past_is_asked_about() {
        let recent = Recent::new(vec![sent(80)], 17);
        assert_eq!(known(&recent, 80), "sent");
        assert_eq!(known(&recent, 81), "ask");
    }
}
