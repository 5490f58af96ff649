//! A row of the log, and how an append becomes one.

use bedside_actors::ports::store::{
    Append, AppendBody, Attempt, ChangeEffect, NewConversation, StoreError, StoreResult,
};
use bedside_protocol::{ConversationId, ConversationState, Event, Message, MessageId, Timestamp};
use scylla::{DeserializeRow, SerializeRow, value::CqlTimestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    cql::Query,
    values::{
        EntryKind, Named, Sparse, at, conversation_id, count, from_json, int, json, json_list,
        named, time, uuid_of, uuid_of_message,
    },
};

/// Entries in one partition.
pub(super) const BUCKET_ENTRIES: u64 = 4_096;

/// The columns of an [`Entry`].
macro_rules! columns {
    () => {
        "conversation_id, bucket, seq, kind, at, sender_id, ord, sender_ord, attempt, message_id, \
         target_seq, message_type, text, attachments, reply_to_seq, client_msg_id, body_hash, \
         composed_at, edited_at, deleted_at, reactions, emoji, is_on, change, effect, text_seq, rev"
    };
}

pub(super) const INSERT: Query = Query::conditional(concat!(
    "INSERT INTO messages (",
    columns!(),
    ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     IF NOT EXISTS"
));

/// One entry with its unfinished business settled.
pub(super) const ONE: Query = Query::serial(concat!(
    "SELECT ",
    columns!(),
    " FROM messages WHERE conversation_id = ? AND bucket = ? AND seq = ?"
));

/// The entries of a bucket from a seq on, with their unfinished business settled.
pub(super) const TAIL: Query = Query::serial(concat!(
    "SELECT ",
    columns!(),
    " FROM messages WHERE conversation_id = ? AND bucket = ? AND seq >= ? ORDER BY seq ASC"
));

/// A stretch of a bucket, as readers see it, oldest first.
pub(super) const FORWARD: Query = Query::read(concat!(
    "SELECT ",
    columns!(),
    " FROM messages WHERE conversation_id = ? AND bucket = ? AND seq >= ? AND seq <= ?
     ORDER BY seq ASC LIMIT ?"
));

/// The same, newest first.
pub(super) const BACKWARD: Query = Query::read(concat!(
    "SELECT ",
    columns!(),
    " FROM messages WHERE conversation_id = ? AND bucket = ? AND seq >= ? AND seq <= ?
     ORDER BY seq DESC LIMIT ?"
));

/// A row of `messages`. Which columns it has depends on its kind.
#[derive(Clone, Default, SerializeRow, DeserializeRow)]
pub(super) struct Entry {
    conversation_id: Uuid,
    pub(super) bucket: i32,
    seq: i64,
    kind: String,
    at: At,
    pub(super) sender_id: Sparse<String>,
    pub(super) ord: i64,
    pub(super) sender_ord: i64,
    pub(super) attempt: Sparse<Uuid>,
    pub(super) message_id: Sparse<Uuid>,
    target_seq: Sparse<i64>,
    pub(super) message_type: Sparse<String>,
    pub(super) text: Sparse<String>,
    pub(super) attachments: Sparse<String>,
    pub(super) reply_to_seq: Sparse<i64>,
    pub(super) client_msg_id: Sparse<String>,
    pub(super) body_hash: Sparse<Vec<u8>>,
    pub(super) composed_at: Sparse<CqlTimestamp>,
    pub(super) edited_at: Sparse<CqlTimestamp>,
    pub(super) deleted_at: Sparse<CqlTimestamp>,
    pub(super) reactions: Sparse<String>,
    pub(super) emoji: Sparse<String>,
    pub(super) is_on: Sparse<bool>,
    pub(super) change: Sparse<String>,
    pub(super) effect: Sparse<String>,
    pub(super) text_seq: Sparse<i64>,
    pub(super) rev: Sparse<i64>,
}

/// The time of an entry; every row has one.
type At = Sparse<CqlTimestamp>;

/// What an entry changes besides the log, as its row keeps it for whoever has to file it again.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Effect {
    /// The new text of a message in an older bucket; gone once the message has it.
    Text(String),
    Title(String),
    State(String),
    PutMember {
        user_id: String,
        member_role: String,
        first_seq: u64,
        joined_at: i64,
    },
    EndMember(String),
    Consultation {
        status: String,
        notes: Option<String>,
    },
}

pub(super) fn bucket(seq: u64) -> i32 {
    i32::try_from(seq / BUCKET_ENTRIES).unwrap_or(i32::MAX)
}

impl Entry {
    /// The row of an append. [`StoreError::Conflict`] for one that says what no entry can say.
    pub(super) fn of(append: &Append) -> StoreResult<Self> {
        let mut entry = Self {
            attempt: Some(Uuid::from_u128(append.attempt.0)).into(),
            ord: int(append.ord),
            sender_ord: int(append.sender_ord),
            sender_id: append.by.as_ref().map(ToString::to_string).into(),
            ..Self::at_place(append.conversation_id, append.seq, append.at)
        };
        entry.say(append)?;
        Ok(entry)
    }

    fn at_place(id: ConversationId, seq: u64, time: Timestamp) -> Self {
        Self {
            conversation_id: uuid_of(id),
            bucket: bucket(seq),
            seq: int(seq),
            at: Some(at(time)).into(),
            ..Self::default()
        }
    }

    /// The first entry of a log.
    pub(super) fn first(
        id: ConversationId,
        new: &NewConversation,
        attempt: Sparse<Uuid>,
        change: String,
    ) -> Self {
        Self {
            kind: EntryKind::Change.name().to_owned(),
            sender_id: Some(new.created_by.to_string()).into(),
            attempt,
            change: Some(change).into(),
            ..Self::at_place(id, 1, new.created_at)
        }
    }

    fn say(&mut self, append: &Append) -> StoreResult<()> {
        match &append.body {
            AppendBody::Message { message, body_hash } => {
                self.body_hash = Some(body_hash.to_vec()).into();
                self.say_message(message)?;
            }
            AppendBody::Edit {
                target_seq,
                message_id,
                text,
            } => {
                self.name(EntryKind::Edit, *target_seq, *message_id);
                self.effect = Some(json(&Effect::Text(text.to_string()))?).into();
            }
            AppendBody::Delete {
                target_seq,
                message_id,
            } => self.name(EntryKind::Delete, *target_seq, *message_id),
            AppendBody::React {
                target_seq,
                message_id,
                emoji,
                on,
            } => {
                self.name(EntryKind::React, *target_seq, *message_id);
                self.emoji = Some(emoji.to_string()).into();
                self.is_on = Some(*on).into();
            }
            AppendBody::Change { event, effect } => {
                self.kind = EntryKind::Change.name().to_owned();
                self.change = Some(json(event)?).into();
                self.effect = Some(json(&effect_of(effect))?).into();
            }
            AppendBody::Consultation {
                event,
                status,
                notes,
            } => {
                let (kind, change) = consultation_event(event)?;
                self.kind = kind.name().to_owned();
                self.change = Some(change).into();
                let effect = Effect::Consultation {
                    status: status.name().to_owned(),
                    notes: notes.as_deref().map(ToOwned::to_owned),
                };
                self.effect = Some(json(&effect)?).into();
            }
        }
        // Who reacts, edits or deletes has a name in the log.
        if self.target_seq.0.is_some() && append.by.is_none() {
            return Err(StoreError::Conflict);
        }
        Ok(())
    }

    fn say_message(&mut self, message: &Message) -> StoreResult<()> {
        self.kind = EntryKind::Message.name().to_owned();
        self.sender_id = message.sender_id.as_ref().map(ToString::to_string).into();
        self.message_id = Some(uuid_of_message(message.message_id)).into();
        self.message_type = Some(message.message_type.name().to_owned()).into();
        self.text = Some(message.text.clone()).into();
        self.attachments = json_list(&message.attachments)?.into();
        self.reply_to_seq = message.reply_to_seq.map(int).into();
        self.client_msg_id = message
            .client_msg_id
            .as_ref()
            .map(ToString::to_string)
            .into();
        self.composed_at = message.composed_at.map(at).into();
        self.text_seq = Some(self.seq).into();
        self.rev = Some(self.seq).into();
        Ok(())
    }

    /// Names the message that the entry changes.
    fn name(&mut self, kind: EntryKind, target_seq: u64, message_id: MessageId) {
        self.kind = kind.name().to_owned();
        self.target_seq = Some(int(target_seq)).into();
        self.message_id = Some(uuid_of_message(message_id)).into();
    }

    pub(super) fn id(&self) -> ConversationId {
        conversation_id(self.conversation_id)
    }

    pub(super) fn seq(&self) -> StoreResult<u64> {
        count(self.seq)
    }

    /// Its place: the primary key.
    pub(super) fn place(&self) -> (Uuid, i32, i64) {
        (self.conversation_id, self.bucket, self.seq)
    }

    pub(super) fn at(&self) -> Timestamp {
        self.at.0.map_or(Timestamp::from_millis(0), time)
    }

    pub(super) fn kind(&self) -> StoreResult<EntryKind> {
        named(&self.kind)
    }

    pub(super) fn attempt(&self) -> Attempt {
        Attempt(self.attempt.0.map_or(0, |attempt| attempt.as_u128()))
    }

    /// The place of the message that it changes.
    pub(super) fn target(&self) -> StoreResult<Option<u64>> {
        self.target_seq.0.map(count).transpose()
    }

    pub(super) fn effect(&self) -> StoreResult<Option<Effect>> {
        match self.effect.0.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => from_json(text).map(Some),
        }
    }
}

fn effect_of(effect: &ChangeEffect) -> Effect {
    match effect {
        ChangeEffect::Title(title) => Effect::Title(title.clone()),
        ChangeEffect::State(state) => Effect::State(ConversationState::name(*state).to_owned()),
        ChangeEffect::PutMember(member) => Effect::PutMember {
            user_id: member.user_id.to_string(),
            member_role: member.member_role.name().to_owned(),
            first_seq: member.first_seq,
            joined_at: member.joined_at.as_millis(),
        },
        ChangeEffect::EndMember(user_id) => Effect::EndMember(user_id.to_string()),
    }
}

/// How the log keeps an event of a consultation.
fn consultation_event(event: &Event) -> StoreResult<(EntryKind, String)> {
    match event {
        Event::ConsultationStarted(started) => Ok((EntryKind::ConsultationStarted, json(started)?)),
        Event::ConsultationEnded(ended) => Ok((EntryKind::ConsultationEnded, json(ended)?)),
        _ => Err(StoreError::Conflict),
    }
}
