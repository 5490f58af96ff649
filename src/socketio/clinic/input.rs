//! What a client emitted: a name and an object, read leniently.

use bedside_protocol::{
    CommandError, ConsultationId, ConversationId, MessageId, NotificationId, UserId,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value as Json};
use std::str::FromStr;

use super::asked::About;
use crate::{seeds::SeedId, socketio::application::ClientEvent};

/// An event of a client that is known here.
pub(super) struct Input {
    /// Its name.
    pub(super) event: &'static str,
    /// The client waits for an answer under this number.
    pub(super) ack: Option<i64>,
    fields: Map<String, Json>,
}

/// Somebody claims to be somebody else.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Impostor {
    /// The field that says so.
    pub(super) field: &'static str,
    /// Who it names, if that can be anybody.
    pub(super) claimed: Option<UserId>,
}

impl Input {
    /// Reads an event that is one of `known`.
    ///
    /// # Errors
    /// `invalid_argument` when it is not, or its first argument is no object.
    pub(super) fn read(
        known: &[&'static str],
        mut event: ClientEvent,
        ack: Option<i64>,
    ) -> Result<Self, CommandError> {
        let name = known.iter().find(|known| **known == event.name());
        let Some(name) = name else {
            return Err(CommandError::invalid("there is no such event here"));
        };
        let Some(Json::Object(fields)) = event.argument() else {
            return Err(CommandError::invalid(format!(
                "{name}: the first argument must be an object"
            )));
        };
        Ok(Self {
            event: name,
            ack,
            fields,
        })
    }

    /// Checks that these fields, where they are there, name the caller.
    ///
    /// # Errors
    /// The first one that does not.
    pub(super) fn check_identity(
        &self,
        me: &UserId,
        fields: &[&'static str],
    ) -> Result<(), Impostor> {
        for field in fields {
            let Some(claimed) = self.field(field) else {
                continue;
            };
            let claimed = SeedId::deserialize(claimed).ok();
            let claimed = claimed.and_then(|id| id.user_id().ok());
            if claimed.as_ref() != Some(me) {
                return Err(Impostor { field, claimed });
            }
        }
        Ok(())
    }

    /// A person's id.
    ///
    /// # Errors
    /// `invalid_argument`, naming the field; for the others too.
    pub(super) fn user(&self, field: &'static str) -> Result<UserId, CommandError> {
        self.seed_id(field)?.user_id().map_err(|_| malformed(field))
    }

    pub(super) fn chat(&self) -> Result<ConversationId, CommandError> {
        self.id("chatId")
    }

    pub(super) fn consultation(&self) -> Result<ConsultationId, CommandError> {
        self.id("consultationId")
    }

    pub(super) fn message(&self) -> Result<MessageId, CommandError> {
        self.id("messageId")
    }

    pub(super) fn notification(&self) -> Result<NotificationId, CommandError> {
        self.id("notificationId")
    }

    pub(super) fn flag(&self, field: &'static str) -> Result<bool, CommandError> {
        match self.field(field) {
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(_) => Err(malformed(field)),
            None => Err(missing(field)),
        }
    }

    /// A text; none when it is absent.
    pub(super) fn text(&self, field: &'static str) -> Result<Option<&str>, CommandError> {
        match self.field(field) {
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(malformed(field)),
            None => Ok(None),
        }
    }

    /// All of it. What is malformed is named, and nothing of it repeated.
    pub(super) fn into<T: DeserializeOwned>(self) -> Result<T, CommandError> {
        serde_path_to_error::deserialize(Json::Object(self.fields)).map_err(|error| {
            let field = error.path().to_string();
            CommandError::invalid(format!("{field}: malformed"))
        })
    }

    /// What it is about, as far as it says so.
    pub(super) fn about(&self) -> About {
        if let Ok(id) = self.chat() {
            About::Conversation(id)
        } else if let Ok(id) = self.consultation() {
            About::Consultation(id)
        } else if let Ok(id) = self.notification() {
            About::Notification(id)
        } else if let Ok(id) = self.message() {
            About::Message(id)
        } else if let Ok(id) = self.user("receiverId") {
            About::User(id)
        } else if let Ok(id) = self.user("senderId") {
            About::User(id)
        } else {
            About::Nothing
        }
    }

    fn field(&self, field: &str) -> Option<&Json> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    fn seed_id(&self, field: &'static str) -> Result<SeedId, CommandError> {
        let value = self.field(field).ok_or_else(|| missing(field))?;
        SeedId::deserialize(value).map_err(|_| malformed(field))
    }

    fn id<T: FromStr>(&self, field: &'static str) -> Result<T, CommandError> {
        let id = self.seed_id(field)?;
        id.as_str().parse().map_err(|_| malformed(field))
    }
}

fn missing(field: &str) -> CommandError {
    CommandError::invalid(format!("{field}: missing"))
}

fn malformed(field: &str) -> CommandError {
    CommandError::invalid(format!("{field}: malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn input(fields: Json) -> Input {
        let Json::Object(fields) = fields else {
            panic!("an object");
        };
        Input {
            event: "test",
            ack: None,
            fields,
        }
    }

    fn user(id: &str) -> UserId {
        UserId::new(id).expect("is an id")
    }

    #[test]
    fn ids_are_numbers_or_texts() {
        let id = ConversationId::new();
        let fields = input(json!({"a": 7, "b": "7", "chatId": id, "consultationId": 12}));
        assert_eq!(fields.user("a"), Ok(user("7")));
        assert_eq!(fields.user("b"), Ok(user("7")));
        assert_eq!(fields.chat(), Ok(id));
        assert_eq!(fields.consultation().map(|id| id.number()), Ok(12));
    }

    #[test]
    fn faults_name_the_field_and_repeat_nothing() {
        let fields = input(json!({
            "chatId": "secret", "consultationId": "007", "messageId": [1], "a": null, "b": true,
        }));
        let said = |error: CommandError| error.to_string();
        let refused = [
            said(fields.chat().expect_err("malformed")),
            said(fields.consultation().expect_err("malformed")),
            said(fields.message().expect_err("malformed")),
            said(fields.user("a").expect_err("null is absent")),
            said(fields.user("b").expect_err("malformed")),
            said(fields.flag("chatId").expect_err("malformed")),
            said(fields.text("b").expect_err("malformed")),
        ];
        assert_eq!(
            refused,
            [
                "invalid_argument: chatId: malformed",
                "invalid_argument: consultationId: malformed",
                "invalid_argument: messageId: malformed",
                "invalid_argument: a: missing",
                "invalid_argument: b: malformed",
                "invalid_argument: chatId: malformed",
                "invalid_argument: b: malformed",
            ]
        );
        assert_eq!(fields.flag("b"), Ok(true));
        assert_eq!(fields.text("a"), Ok(None));
    }

    #[test]
    fn whoever_is_named_must_be_the_caller() {
        let all = &["senderId", "userId"];
        let me = user("7");
        assert_eq!(input(json!({})).check_identity(&me, all), Ok(()));
        let same = input(json!({"senderId": 7, "userId": "7"}));
        assert_eq!(same.check_identity(&me, all), Ok(()));
        let null = input(json!({"senderId": null}));
        assert_eq!(null.check_identity(&me, all), Ok(()));
        let impostor = |fields| input(fields).check_identity(&me, all).expect_err("differs");
        assert_eq!(
            impostor(json!({"senderId": 7, "userId": "8"})),
            Impostor {
                field: "userId",
                claimed: Some(user("8")),
            }
        );
        for odd in [
            json!({"userId": {"id": 7}}),
            json!({"userId": "07"}),
            json!({"userId": 7.5}),
        ] {
            assert_eq!(impostor(odd).field, "userId");
        }
    }
}
