//! The message that an edit, a delete or a reaction changes.
//!
//! `rev` of a message is the seq of the last entry that changed it. A change is made only while
//! `rev` is what was read, and never when `rev` is at or above the entry's seq, for then it was
//! made already. All changes of a message are entries of one log, and an entry is stored only
//! when everything before it is, and is filed; so they are made in the log's order, and making
//! one again, by whomever, is harmless.

use bedside_actors::ports::store::{StoreError, StoreResult, page::toggle_reaction};
use bedside_protocol::{ConversationId, Reaction};
use scylla::value::CqlTimestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    cql::{Cql, Query},
    entry::{self, Effect, Entry, bucket},
    values::{EntryKind, Sparse, at, from_json_list, int, json, odd, user_id, uuid_of},
};

pub(super) const UPDATE: Query = Query::conditional(
    "UPDATE messages SET text = ?, attachments = ?, reactions = ?, edited_at = ?, deleted_at = ?,
         text_seq = ?, rev = ?
     WHERE conversation_id = ? AND bucket = ? AND seq = ? IF rev = ?",
);
const FORGET_EFFECT: Query = Query::conditional(
    "UPDATE messages SET effect = '' WHERE conversation_id = ? AND bucket = ? AND seq = ? IF EXISTS",
);
const KEEP_REVISION: Query = Query::write(
    "INSERT INTO message_revisions (conversation_id, seq, rev, text, attachments)
     VALUES (?, ?, ?, ?, ?)",
);

/// The values of [`UPDATE`].
pub(super) type Update = (
    Sparse<String>,
    Sparse<String>,
    Sparse<String>,
    Sparse<CqlTimestamp>,
    Sparse<CqlTimestamp>,
    Sparse<i64>,
    i64,
    Uuid,
    i32,
    i64,
    i64,
);

/// Reads the message that an entry wants to change; a [`StoreError::Conflict`] when it is not
/// there, is another one, or was deleted.
pub(super) async fn find(cql: &Cql, entry: &Entry) -> StoreResult<Entry> {
    let target_seq = entry.target()?.ok_or(StoreError::Conflict)?;
    let target = read(cql, entry.id(), target_seq).await?;
    let target = target.ok_or(StoreError::Conflict)?;
    let is_it = target.kind()? == EntryKind::Message
        && target.message_id == entry.message_id
        && target.deleted_at.0.is_none();
    if is_it {
        Ok(target)
    } else {
        Err(StoreError::Conflict)
    }
}

async fn read(cql: &Cql, id: ConversationId, seq: u64) -> StoreResult<Option<Entry>> {
    let place = (uuid_of(id), bucket(seq), int(seq));
    cql.first::<Entry>(entry::ONE, place).await
}

/// What an entry makes of its target.
pub(super) fn update(entry: &Entry, target: &Entry) -> StoreResult<Update> {
    let seq = int(entry.seq()?);
    let (conversation_id, bucket, target_seq) = target.place();
    let rev = target.rev.0.ok_or_else(|| odd("rev"))?;
    let none = || Sparse(None);
    let (mut text, mut attachments, mut reactions) = (none(), none(), none());
    let (mut edited_at, mut deleted_at, mut text_seq) = (Sparse(None), Sparse(None), Sparse(None));
    match entry.kind()? {
        EntryKind::Edit => {
            let Some(Effect::Text(new)) = entry.effect()? else {
                return Err(odd("edit"));
            };
            text = Some(new).into();
            edited_at = Some(at(entry.at())).into();
            text_seq = Some(seq).into();
        }
        EntryKind::Delete => {
            text = Some(String::new()).into();
            attachments = Some(String::new()).into();
            reactions = Some(String::new()).into();
            deleted_at = Some(at(entry.at())).into();
            text_seq = Some(seq).into();
        }
        EntryKind::React => reactions = Some(reacted(entry, target)?).into(),
        _ => return Err(odd("target")),
    }
    Ok((
        text,
        attachments,
        reactions,
        edited_at,
        deleted_at,
        text_seq,
        seq,
        conversation_id,
        bucket,
        target_seq,
        rev,
    ))
}

fn reacted(entry: &Entry, target: &Entry) -> StoreResult<String> {
    let mut reactions: Vec<Reaction> = from_json_list(target.reactions.0.as_deref())?;
    let by = entry
        .sender_id
        .0
        .as_deref()
        .ok_or_else(|| odd("reaction"))?;
    let (emoji, on) = (entry.emoji.0.as_deref(), entry.is_on.0);
    let (Some(emoji), Some(on)) = (emoji, on) else {
        return Err(odd("reaction"));
    };
    toggle_reaction(&mut reactions, emoji, &user_id(by)?, on);
    json(&reactions)
}

/// Keeps the text that an entry is about to replace. Should the entry be refused, the row says
/// what the message still says, and readers of revisions leave it out.
pub(super) async fn keep_revision(cql: &Cql, entry: &Entry, target: &Entry) -> StoreResult<()> {
    if entry.kind()? == EntryKind::React {
        return Ok(());
    }
    let (conversation_id, _, seq) = target.place();
    let rev = target.text_seq.0.ok_or_else(|| odd("text_seq"))?;
    let (text, attachments) = (target.text.clone(), target.attachments.clone());
    let values = (conversation_id, seq, rev, text, attachments);
    cql.write(KEEP_REVISION, values).await
}

/// Makes the change of an entry whose target is in an older bucket, unless it is made already.
pub(super) async fn change(cql: &Cql, entry: &Entry) -> StoreResult<()> {
    let Some(target_seq) = entry.target()? else {
        return Err(odd("target"));
    };
    if bucket(target_seq) == entry.bucket {
        // Made together with the entry.
        return Ok(());
    }
    let until = cql.until();
    loop {
        let target = read(cql, entry.id(), target_seq).await?;
        let target = target.ok_or_else(|| odd("target"))?;
        if target.rev.0.is_some_and(|rev| rev >= entry.place().2) {
            break;
        }
        keep_revision(cql, entry, &target).await?;
        match cql.apply(UPDATE, update(entry, &target)?).await {
            Ok(true) => break,
            Err(error) if Instant::now() > until => return Err(error),
            // It may have been applied, or somebody else makes the same change: look again.
            _ => cql.pause().await,
        }
    }
    if entry.effect.0.is_some() {
        cql.apply_surely(FORGET_EFFECT, entry.place()).await?;
    }
    Ok(())
}
