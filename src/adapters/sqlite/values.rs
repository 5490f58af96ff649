//! How values are written into columns and read from them.

use bedside_actors::ports::store::{Preferences, Receipts};
use bedside_protocol::{
    ConsultationId, ConversationId, MessageId, NotificationId, Timestamp, UserId,
};
use rusqlite::{Row, types::FromSql};
use serde::{Serialize, de::DeserializeOwned};

use super::fault::Fault;
use crate::adapters::names;

pub(super) use crate::adapters::names::EntryKind;

/// A count or seq as a column holds it; a bound like `u64::MAX` becomes the highest there is.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Reads a count or seq.
pub(super) fn count(row: &Row<'_>, column: usize) -> Result<u64, Fault> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| Fault::Value("count"))
}

pub(super) fn optional_count(row: &Row<'_>, column: usize) -> Result<Option<u64>, Fault> {
    let value: Option<i64> = row.get(column)?;
    Ok(value.and_then(|value| u64::try_from(value).ok()))
}

pub(super) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp, Fault> {
    Ok(Timestamp::from_millis(row.get(column)?))
}

pub(super) fn optional_time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Fault> {
    let value: Option<i64> = row.get(column)?;
    Ok(value.map(Timestamp::from_millis))
}

pub(super) fn user_id(row: &Row<'_>, column: usize) -> Result<UserId, Fault> {
    optional_user_id(row, column)?.ok_or(Fault::Value("user_id"))
}

pub(super) fn optional_user_id(row: &Row<'_>, column: usize) -> Result<Option<UserId>, Fault> {
    let Some(text) = row.get_ref(column)?.as_str_or_null().map_err(conversion)? else {
        return Ok(None);
    };
    UserId::new(text)
        .map(Some)
        .map_err(|_| Fault::Value("user_id"))
}

pub(super) fn message_id(row: &Row<'_>, column: usize) -> Result<MessageId, Fault> {
    Ok(MessageId::from_bytes(row.get(column)?))
}

pub(super) fn conversation_id(row: &Row<'_>, column: usize) -> Result<ConversationId, Fault> {
    Ok(ConversationId::from_bytes(row.get(column)?))
}

pub(super) fn notification_id(row: &Row<'_>, column: usize) -> Result<NotificationId, Fault> {
    Ok(NotificationId::from_bytes(row.get(column)?))
}

pub(super) fn consultation_id(row: &Row<'_>, column: usize) -> Result<ConsultationId, Fault> {
    ConsultationId::from_number(count(row, column)?).ok_or(Fault::Value("consultation_id"))
}

pub(super) fn optional_consultation_id(
    row: &Row<'_>,
    column: usize,
) -> Result<Option<ConsultationId>, Fault> {
    let id = optional_count(row, column)?.map(ConsultationId::from_number);
    id.map(|id| id.ok_or(Fault::Value("consultation_id")))
        .transpose()
}

/// Reads a column that must hold something.
pub(super) fn required<T: FromSql>(
    row: &Row<'_>,
    column: usize,
    name: &'static str,
) -> Result<T, Fault> {
    let value: Option<T> = row.get(column)?;
    value.ok_or(Fault::Value(name))
}

/// A list as JSON; an empty one as NULL, which costs nothing.
pub(super) fn json_list<T: Serialize>(list: &[T]) -> Result<Option<String>, Fault> {
    if list.is_empty() {
        return Ok(None);
    }
    json(&list).map(Some)
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|_| Fault::Value("JSON"))
}

pub(super) fn from_json_list<T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> Result<Vec<T>, Fault> {
    match row.get_ref(column)?.as_str_or_null().map_err(conversion)? {
        Some(text) => serde_json::from_str(text).map_err(|_| Fault::Value("JSON")),
        None => Ok(Vec::new()),
    }
}

pub(super) fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, Fault> {
    let text = row.get_ref(column)?.as_str().map_err(conversion)?;
    serde_json::from_str(text).map_err(|_| Fault::Value("JSON"))
}

pub(super) fn optional_json<T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> Result<Option<T>, Fault> {
    match row.get_ref(column)?.as_str_or_null().map_err(conversion)? {
        Some(text) => serde_json::from_str(text)
            .map(Some)
            .map_err(|_| Fault::Value("JSON")),
        None => Ok(None),
    }
}

fn conversion(_: rusqlite::types::FromSqlError) -> Fault {
    Fault::Value("text")
}

/// Reads an enum by its name.
pub(super) trait Named: names::Named {
    fn name(self) -> &'static str {
        names::Named::name(self)
    }

    fn read(row: &Row<'_>, column: usize) -> Result<Self, Fault> {
        let text = row.get_ref(column)?.as_str().map_err(conversion)?;
        Self::named(text).ok_or(Fault::Value("name"))
    }
}

impl<T: names::Named> Named for T {}

/// Watermarks from four columns that begin at `column`.
pub(super) fn receipts(row: &Row<'_>, column: usize) -> Result<Receipts, Fault> {
    Ok(Receipts {
        delivered_seq: count(row, column)?,
        read_seq: count(row, column + 1)?,
        read_ord: count(row, column + 2)?,
        read_sender_ord: count(row, column + 3)?,
    })
}

/// A member's own marks from three columns that begin at `column`.
pub(super) fn preferences(row: &Row<'_>, column: usize) -> Result<Preferences, Fault> {
    Ok(Preferences {
        pinned: row.get(column)?,
        muted_until: optional_time(row, column + 1)?,
        archived: row.get(column + 2)?,
    })
}
