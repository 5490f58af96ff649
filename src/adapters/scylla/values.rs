//! How values are written into columns and read from them.

use bedside_actors::ports::store::{StoreError, StoreResult};
use bedside_protocol::{
    ConsultationId, ConversationId, MessageId, NotificationId, Timestamp, UserId,
};
use scylla::{
    deserialize::{DeserializationError, FrameSlice, TypeCheckError, value::DeserializeValue},
    frame::response::result::ColumnType,
    serialize::{
        SerializationError,
        value::SerializeValue,
        writers::{CellWriter, WrittenCellProof},
    },
    value::{CqlDate, CqlTimestamp},
};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

pub(super) use crate::adapters::names::{EntryKind, Named};

/// A value that a row may lack. Nothing is written for one that is not there: a null would be a
/// tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sparse<T>(pub(super) Option<T>);

impl<T> Default for Sparse<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> From<Option<T>> for Sparse<T> {
    fn from(value: Option<T>) -> Self {
        Self(value)
    }
}

impl<T: SerializeValue> SerializeValue for Sparse<T> {
    fn serialize<'b>(
        &self,
        typ: &ColumnType<'_>,
        writer: CellWriter<'b>,
    ) -> Result<WrittenCellProof<'b>, SerializationError> {
        match &self.0 {
            Some(value) => value.serialize(typ, writer),
            None => Ok(writer.set_unset()),
        }
    }
}

impl<'f, 'm, T: DeserializeValue<'f, 'm>> DeserializeValue<'f, 'm> for Sparse<T> {
    fn type_check(typ: &ColumnType<'_>) -> Result<(), TypeCheckError> {
        T::type_check(typ)
    }

    fn deserialize(
        typ: &'m ColumnType<'m>,
        value: Option<FrameSlice<'f>>,
    ) -> Result<Self, DeserializationError> {
        Option::<T>::deserialize(typ, value).map(Self)
    }
}

/// A stored value that this server did not write so.
pub(super) fn odd(what: &'static str) -> StoreError {
    StoreError::Unavailable(format!("a stored {what} cannot be read"))
}

/// A count or seq as a column holds it; a bound like `u64::MAX` becomes the highest there is.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Reads a count or seq.
pub(super) fn count(value: i64) -> StoreResult<u64> {
    u64::try_from(value).map_err(|_| odd("count"))
}

/// A seq as the timestamp of a write, so that the highest seq wins whatever the order of arrival.
pub(super) fn stamp(seq: u64) -> i64 {
    int(seq)
}

pub(super) fn at(time: Timestamp) -> CqlTimestamp {
    CqlTimestamp(time.as_millis())
}

pub(super) fn time(value: CqlTimestamp) -> Timestamp {
    Timestamp::from_millis(value.0)
}

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The day of a time, in UTC.
pub(super) fn day(time: Timestamp) -> CqlDate {
    let day = time.as_millis().div_euclid(DAY_MS);
    CqlDate(u32::try_from(day + (1 << 31)).unwrap_or(0))
}

/// The month of a day as 202611.
pub(super) fn month(day: CqlDate) -> i32 {
    // Civil from days, after Howard Hinnant: years begin in March, so a leap day comes last.
    let days = i64::from(day.0) - (1 << 31) + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    i32::try_from(year * 100 + month).unwrap_or(0)
}

pub(super) fn uuid_of(id: ConversationId) -> Uuid {
    Uuid::from_bytes(id.to_bytes())
}

pub(super) fn uuid_of_message(id: MessageId) -> Uuid {
    Uuid::from_bytes(id.to_bytes())
}

pub(super) fn uuid_of_notification(id: NotificationId) -> Uuid {
    Uuid::from_bytes(id.to_bytes())
}

pub(super) fn conversation_id(value: Uuid) -> ConversationId {
    ConversationId::from_bytes(value.into_bytes())
}

pub(super) fn message_id(value: Uuid) -> MessageId {
    MessageId::from_bytes(value.into_bytes())
}

pub(super) fn notification_id(value: Uuid) -> NotificationId {
    NotificationId::from_bytes(value.into_bytes())
}

pub(super) fn user_id(value: &str) -> StoreResult<UserId> {
    UserId::new(value).map_err(|_| odd("user_id"))
}

pub(super) fn consultation_id(value: i64) -> StoreResult<ConsultationId> {
    let id = ConsultationId::from_number(count(value)?);
    id.ok_or_else(|| odd("consultation_id"))
}

/// Reads an enum by its name.
pub(super) fn named<T: Named>(name: &str) -> StoreResult<T> {
    T::named(name).ok_or_else(|| odd("name"))
}

/// A list as JSON; nothing for an empty one.
pub(super) fn json_list<T: Serialize>(list: &[T]) -> StoreResult<Option<String>> {
    if list.is_empty() {
        return Ok(None);
    }
    json(&list).map(Some)
}

pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|_| odd("JSON"))
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> StoreResult<T> {
    serde_json::from_str(text).map_err(|_| odd("JSON"))
}

pub(super) fn from_json_list<T: DeserializeOwned>(text: Option<&str>) -> StoreResult<Vec<T>> {
    match text {
        Some("") | None => Ok(Vec::new()),
        Some(text) => from_json(text),
    }
}
