//! How the types that need more than a derive are described to OpenAPI documents.
//!
//! JSON Schema counts characters where this protocol counts bytes: what is longer in bytes than
//! its `maxLength` allows is refused all the same, with `too_large`.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, Object, ObjectBuilder, RefOr, Schema, SchemaFormat, Type,
        schema::{ArrayBuilder, SchemaType},
    },
};

use crate::{
    ClientMsgId, ConsultationId, ConversationId, Event, MessageId, NotificationId, Role, Roles,
    Timestamp, UserId,
    event::LoggedEvent,
    limits::{CLIENT_MSG_ID_BYTES_MAX, USER_ID_BYTES_MAX},
};

/// No control characters.
const PLAIN: &str = r"^[^\x00-\x1f\x7f-\x9f]+$";

/// Text of so many characters.
#[must_use]
pub fn text(min: usize, max: usize) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(min).filter(|min| *min > 0))
        .max_length(Some(max))
        .build()
}

/// Text of 1 to so many characters, none of which is a control character.
#[must_use]
pub fn plain_text(max: usize) -> Object {
    let mut schema = text(1, max);
    schema.pattern = Some(PLAIN.to_owned());
    schema
}

/// Any JSON, null too.
#[must_use]
pub fn anything() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .build()
}

/// The bounds of single fields, by what they hold.
pub(crate) mod bounds {
    use super::{ArrayBuilder, Object, Schema, ToSchema, text};
    use crate::{Attachment, UserId, limits};
    use utoipa::openapi::Ref;

    pub(crate) fn message_text() -> Object {
        text(0, limits::TEXT_BYTES_MAX)
    }

    pub(crate) fn attachment_url() -> Object {
        text(1, limits::ATTACHMENT_FIELD_BYTES_MAX)
    }

    pub(crate) fn attachment_field() -> Object {
        text(0, limits::ATTACHMENT_FIELD_BYTES_MAX)
    }

    pub(crate) fn emoji() -> Object {
        text(1, limits::EMOJI_BYTES_MAX)
    }

    pub(crate) fn title() -> Object {
        text(0, limits::TITLE_BYTES_MAX)
    }

    pub(crate) fn attachments() -> Schema {
        list_of::<Attachment>(limits::ATTACHMENTS_MAX)
    }

    pub(crate) fn member_ids() -> Schema {
        list_of::<UserId>(limits::MEMBERS_MAX)
    }

    fn list_of<T: ToSchema>(max: usize) -> Schema {
        let items = Ref::from_schema_name(T::name());
        ArrayBuilder::new()
            .items(items)
            .max_items(Some(max))
            .build()
            .into()
    }
}

macro_rules! described {
    ($($name:ident: $schema:expr;)*) => {
        $(
            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    $schema.into()
                }
            }

            impl ToSchema for $name {}
        )*
    };
}

described! {
    ConversationId: uuid();
    MessageId: uuid();
    NotificationId: uuid();
    UserId: plain_text(USER_ID_BYTES_MAX);
    ClientMsgId: plain_text(CLIENT_MSG_ID_BYTES_MAX);
    ConsultationId: number_as_text();
    Timestamp: time();
    Roles: ArrayBuilder::new().items(Role::schema()).unique_items(true).build();
    LoggedEvent: logged_event();
}

fn uuid() -> Object {
    string(SchemaFormat::Custom("uuid".to_owned()))
}

/// The years that a time may be of.
const YEARS: &str = "^(19[7-9][0-9]|[2-9][0-9]{3})-";

fn time() -> Object {
    let mut time = string(SchemaFormat::KnownFormat(KnownFormat::DateTime));
    time.pattern = Some(YEARS.to_owned());
    time
}

fn string(format: SchemaFormat) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(format))
        .build()
}

fn number_as_text() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^(0|[1-9][0-9]{0,15})$"))
        .description(Some("A number up to 2^53 - 1, as text"))
        .build()
}

fn logged_event() -> Object {
    let names = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(Event::NAMES.iter().copied()));
    let seq = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1));
    let data = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("As in an event frame of this type"));
    ObjectBuilder::new()
        .property("type", names)
        .property("seq", seq)
        .property("data", data)
        .required("type")
        .required("seq")
        .required("data")
        .build()
}
