//! One conversation in memory: its log, and what the entries change besides it.

use bedside_protocol::{
    ConversationId, ConversationKind, ConversationState, Event, LoggedEvent, MemberRole, Message,
    MessageId, Timestamp, UserId,
    event::{ConversationChanged, MessageDeleted, MessageReacted, MessageUpdated},
};
use std::collections::{BTreeMap, HashMap};

use super::super::{
    Append, AppendBody, Attempt, BodyHash, ChangeEffect, Head, NewConversation, NewMember,
    Preferences, Receipts, Revision, StoreError, StoreResult, page::toggle_reaction,
};

pub(super) struct Log {
    pub(super) id: ConversationId,
    pub(super) kind: ConversationKind,
    pub(super) title: String,
    pub(super) patient_id: Option<UserId>,
    pub(super) created_by: UserId,
    pub(super) created_at: Timestamp,
    pub(super) state: ConversationState,
    pub(super) members: BTreeMap<UserId, MemberRow>,
    pub(super) revisions: HashMap<u64, Vec<Revision>>,
    /// The entry of seq n is at n - 1.
    entries: Vec<Entry>,
}

pub(super) struct MemberRow {
    pub(super) member_role: MemberRole,
    pub(super) first_seq: u64,
    pub(super) last_seq: Option<u64>,
    pub(super) joined_at: Timestamp,
    pub(super) receipts: Receipts,
    pub(super) preferences: Preferences,
}

pub(super) struct Entry {
    pub(super) attempt: Attempt,
    pub(super) at: Timestamp,
    pub(super) by: Option<UserId>,
    pub(super) ord: u64,
    pub(super) sender_ord: u64,
    pub(super) what: What,
}

pub(super) enum What {
    /// As it stands now.
    Message {
        message: Message,
        body_hash: BodyHash,
    },
    Edit(Target),
    Delete(Target),
    React {
        target: Target,
        emoji: String,
        on: bool,
    },
    Change(ConversationChanged),
    Consultation(Event),
}

#[derive(Clone, Copy)]
pub(super) struct Target {
    seq: u64,
    message_id: MessageId,
}

impl Log {
    pub(super) fn new(new: NewConversation) -> Self {
        let first = Entry {
            attempt: Attempt::default(),
            at: new.created_at,
            by: Some(new.created_by.clone()),
            ord: 0,
            sender_ord: 0,
            what: What::Change(new.event),
        };
        let mut log = Self {
            id: new.conversation_id,
            kind: new.kind,
            title: new.title,
            patient_id: new.patient_id,
            created_by: new.created_by,
            created_at: new.created_at,
            state: ConversationState::Open,
            members: BTreeMap::new(),
            revisions: HashMap::new(),
            entries: vec![first],
        };
        for member in new.members {
            log.put_member(member);
        }
        log
    }

    pub(super) fn head(&self) -> Head {
        self.head_at(self.entries.len() as u64)
    }

    /// The last entry within a window that ends with `last_seq`.
    pub(super) fn head_at(&self, last_seq: u64) -> Head {
        let seq = last_seq.min(self.entries.len() as u64);
        self.entry(seq).map_or_else(Head::default, |entry| Head {
            seq,
            ord: entry.ord,
            at: entry.at,
        })
    }

    pub(super) fn entry(&self, seq: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(seq.checked_sub(1)?).ok()?)
    }

    /// The entries from `from` to `to`, with their seqs.
    pub(super) fn range(
        &self,
        from: u64,
        to: u64,
    ) -> impl DoubleEndedIterator<Item = (u64, &Entry)> {
        let to = to.min(self.entries.len() as u64);
        (from.max(1)..=to).filter_map(|seq| Some((seq, self.entry(seq)?)))
    }

    /// Countable messages that `user_id` has sent up to `seq`.
    pub(super) fn sender_ord(&self, user_id: &UserId, seq: u64) -> u64 {
        let mut newest_first = self.range(1, seq).rev();
        newest_first
            .find(|(_, entry)| entry.by.as_ref() == Some(user_id))
            .map_or(0, |(_, entry)| entry.sender_ord)
    }

    pub(super) fn append(&mut self, append: Append) -> StoreResult<()> {
        if append.conversation_id != self.id || append.seq != self.head().seq + 1 {
            return Err(StoreError::Conflict);
        }
        let by = append.by.as_ref();
        let what = match append.body {
            AppendBody::Message { message, body_hash } => What::Message {
                message: Message::clone(&message),
                body_hash,
            },
            AppendBody::Edit {
                target_seq: seq,
                message_id,
                text,
            } => {
                let target = Target { seq, message_id };
                self.keep_revision(target, append.at)?;
                let message = self.live(target)?;
                text.as_ref().clone_into(&mut message.text);
                message.edited_at = Some(append.at);
                What::Edit(target)
            }
            AppendBody::Delete {
                target_seq: seq,
                message_id,
            } => {
                let target = Target { seq, message_id };
                self.keep_revision(target, append.at)?;
                let message = self.live(target)?;
                message.text.clear();
                message.attachments.clear();
                message.reactions.clear();
                message.deleted_at = Some(append.at);
                What::Delete(target)
            }
            AppendBody::React {
                target_seq: seq,
                message_id,
                emoji,
                on,
            } => {
                let target = Target { seq, message_id };
                let by = by.ok_or(StoreError::Conflict)?;
                toggle_reaction(&mut self.live(target)?.reactions, &emoji, by, on);
                let emoji = emoji.as_ref().to_owned();
                What::React { target, emoji, on }
            }
            AppendBody::Change { event, effect } => {
                self.change(effect, append.seq)?;
                What::Change(*event)
            }
            AppendBody::Consultation { event, .. } => What::Consultation(*event),
        };
        self.entries.push(Entry {
            attempt: append.attempt,
            at: append.at,
            by: append.by,
            ord: append.ord,
            sender_ord: append.sender_ord,
            what,
        });
        Ok(())
    }

    /// The message to change; one that was deleted is not there any more.
    fn live(&mut self, target: Target) -> StoreResult<&mut Message> {
        let at = usize::try_from(target.seq).map_err(|_| StoreError::Conflict)?;
        let at = at.checked_sub(1).ok_or(StoreError::Conflict)?;
        match self.entries.get_mut(at).map(|entry| &mut entry.what) {
            Some(What::Message { message, .. })
                if message.message_id == target.message_id && message.deleted_at.is_none() =>
            {
                Ok(message)
            }
            _ => Err(StoreError::Conflict),
        }
    }

    fn keep_revision(&mut self, target: Target, replaced_at: Timestamp) -> StoreResult<()> {
        let text = self.live(target)?.text.clone();
        let revisions = self.revisions.entry(target.seq).or_default();
        revisions.push(Revision {
            rev: revisions.len() as u32 + 1,
            text,
            replaced_at,
        });
        Ok(())
    }

    fn change(&mut self, effect: ChangeEffect, seq: u64) -> StoreResult<()> {
        match effect {
            ChangeEffect::Title(title) => self.title = title,
            ChangeEffect::State(state) => self.state = state,
            ChangeEffect::PutMember(member) => self.put_member(member),
            ChangeEffect::EndMember(user_id) => {
                let present = self.members.get_mut(&user_id);
                let member = present.filter(|member| member.last_seq.is_none());
                member.ok_or(StoreError::Conflict)?.last_seq = Some(seq);
            }
        }
        Ok(())
    }

    fn put_member(&mut self, new: NewMember) {
        let before = new.first_seq.saturating_sub(1);
        let known = self.members.remove(&new.user_id);
        let below = Receipts {
            delivered_seq: before,
            read_seq: before,
            read_ord: self.head_at(before).ord,
            read_sender_ord: self.sender_ord(&new.user_id, before),
        };
        let receipts = known
            .as_ref()
            .map_or(below, |known| known.receipts.merge(below));
        let row = MemberRow {
            member_role: new.member_role,
            first_seq: new.first_seq,
            last_seq: None,
            joined_at: new.joined_at,
            receipts,
            preferences: known.map_or_else(Preferences::default, |known| known.preferences),
        };
        self.members.insert(new.user_id, row);
    }

    /// What a reader of the log gets for an entry.
    pub(super) fn logged(&self, seq: u64, entry: &Entry) -> LoggedEvent {
        let user_id = || {
            let by = entry.by.clone();
            by.expect("edits, deletes and reactions have an author, because the port says so")
        };
        let event = match &entry.what {
            What::Message { message, .. } => Event::MessageCreated(message.clone()),
            What::Edit(target) => Event::MessageUpdated(MessageUpdated {
                target_seq: target.seq,
                message_id: target.message_id,
                user_id: user_id(),
                text: self.present(*target).map_or("", |m| &m.text).to_owned(),
                edited_at: entry.at,
            }),
            What::Delete(target) => Event::MessageDeleted(MessageDeleted {
                target_seq: target.seq,
                message_id: target.message_id,
                user_id: user_id(),
                deleted_at: entry.at,
            }),
            What::React { target, emoji, on } => {
                let shows = self
                    .present(*target)
                    .is_some_and(|m| m.deleted_at.is_none());
                Event::MessageReacted(MessageReacted {
                    target_seq: target.seq,
                    message_id: target.message_id,
                    user_id: user_id(),
                    emoji: if shows { emoji.clone() } else { String::new() },
                    on: shows && *on,
                    at: entry.at,
                })
            }
            What::Change(changed) => Event::ConversationChanged(changed.clone()),
            What::Consultation(event) => event.clone(),
        };
        LoggedEvent { seq, event }
    }

    fn present(&self, target: Target) -> Option<&Message> {
        match &self.entry(target.seq)?.what {
            What::Message { message, .. } => Some(message),
            _ => None,
        }
    }
}
