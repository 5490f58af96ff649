//! Ids as seed 000's clients know them: numbers where they can be.

use bedside_protocol::{
    ConsultationId, ConversationId, MessageId, UserId, ids::InvalidId, limits::USER_ID_BYTES_MAX,
    openapi::plain_text,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::fmt;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type, schema::OneOfBuilder},
};

/// The largest number that every client in JavaScript reads as it was written: 2^53 - 1.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// An id that is a JSON number where its text is a canonical decimal up to 2^53 - 1 (`7`, but
/// neither `007` nor `+7`), and else a string. Reads both; the two are the same id. At most 128
/// bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SeedId(String);

impl SeedId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As somebody's id.
    ///
    /// # Errors
    /// When it is empty or holds a control character.
    pub fn user_id(&self) -> Result<UserId, InvalidId> {
        UserId::new(&self.0)
    }

    /// As a consultation's id.
    ///
    /// # Errors
    /// When it is no number up to 2^53 - 1.
    pub fn consultation_id(&self) -> Result<ConsultationId, InvalidId> {
        self.0.parse()
    }

    fn number(&self) -> Option<u64> {
        let number: u64 = self.0.parse().ok()?;
        (number <= NUMBER_MAX && number.to_string() == self.0).then_some(number)
    }
}

impl From<&str> for SeedId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<&UserId> for SeedId {
    fn from(id: &UserId) -> Self {
        Self(id.to_string())
    }
}

impl From<ConsultationId> for SeedId {
    fn from(id: ConsultationId) -> Self {
        Self(id.to_string())
    }
}

impl From<ConversationId> for SeedId {
    fn from(id: ConversationId) -> Self {
        Self(id.to_string())
    }
}

impl From<MessageId> for SeedId {
    fn from(id: MessageId) -> Self {
        Self(id.to_string())
    }
}

impl PartialSchema for SeedId {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0))
            .maximum(Some(NUMBER_MAX));
        OneOfBuilder::new()
            .item(number)
            .item(plain_text(USER_ID_BYTES_MAX))
            .into()
    }
}

impl ToSchema for SeedId {}

impl Serialize for SeedId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.number() {
            Some(number) => s.serialize_u64(number),
            None => s.serialize_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for SeedId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct NumberOrText;
        impl serde::de::Visitor<'_> for NumberOrText {
            type Value = SeedId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id: a whole number up to 2^53 - 1, or a string")
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<SeedId, E> {
                if number > NUMBER_MAX {
                    return Err(E::custom("an id that is a number is at most 2^53 - 1"));
                }
                Ok(SeedId(number.to_string()))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<SeedId, E> {
                let number = u64::try_from(number);
                self.visit_u64(number.map_err(|_| E::custom("an id is not negative"))?)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<SeedId, E> {
                if text.len() > USER_ID_BYTES_MAX {
                    return Err(E::custom("an id has at most 128 bytes"));
                }
                Ok(SeedId(text.to_owned()))
            }
        }
        d.deserialize_any(NumberOrText)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json};

    fn read(json: Value) -> Result<SeedId, serde_json::Error> {
        from_value(json)
    }

    #[test]
    fn canonical_decimals_are_numbers_and_all_else_is_text() {
        let written = |text: &str| serde_json::to_value(SeedId::from(text)).expect("is written");
        assert_eq!(written("7"), json!(7));
        assert_eq!(written("0"), json!(0));
        assert_eq!(
            written("9007199254740991"),
            json!(9_007_199_254_740_991_u64)
        );
        for text in [
            "9007199254740992",
            "007",
            "+7",
            "-7",
            "7.0",
            " 7",
            "",
            "d1",
            "٧",
            "18446744073709551616",
        ] {
            assert_eq!(written(text), json!(text));
        }
    }

    #[test]
    fn a_number_and_its_text_are_one_id() {
        assert_eq!(read(json!(7)).expect("is one"), SeedId::from("7"));
        assert_eq!(read(json!("7")).expect("is one"), SeedId::from("7"));
        assert_eq!(read(json!("d1")).expect("is one"), SeedId::from("d1"));
        assert_eq!(
            read(json!(7)).expect("is one").user_id(),
            UserId::new("7"),
            "the user of that sub"
        );
    }

    #[test]
    fn what_cannot_be_an_id_is_refused() {
        let long = "x".repeat(USER_ID_BYTES_MAX + 1);
        for json in [
            json!(-1),
            json!(7.5),
            json!(1_u64 << 53),
            json!(null),
            json!([7]),
            json!(long),
        ] {
            assert!(read(json.clone()).is_err(), "{json}");
        }
        assert!(read(json!("x".repeat(USER_ID_BYTES_MAX))).is_ok());
        assert!(SeedId::from("").user_id().is_err());
        assert!(SeedId::from("d1").consultation_id().is_err());
        assert!(SeedId::from("07").consultation_id().is_err());
    }
}
