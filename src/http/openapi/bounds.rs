//! The bounds of parameters and members, as far as their types do not tell them.

use bedside_protocol::{
    Role,
    limits::{
        ATTACHMENT_FIELD_BYTES_MAX, CONSULTATIONS_PAGE_MAX, CONVERSATIONS_PAGE_MAX,
        DEDUPE_KEY_BYTES_MAX, HISTORY_PAGE_MAX, MEMBERS_MAX, NAME_BYTES_MAX, NOTES_BYTES_MAX,
        NOTIFICATION_ACTION_BYTES_MAX, NOTIFICATION_BODY_BYTES_MAX, NOTIFICATION_TITLE_BYTES_MAX,
        NOTIFICATION_USERS_MAX, NOTIFICATIONS_PAGE_MAX, PRESENCE_WATCH_MAX, SEARCH_QUERY_BYTES_MAX,
        TEXT_BYTES_MAX, TITLE_BYTES_MAX, USER_ID_BYTES_MAX,
    },
    openapi::{plain_text, text},
};
use utoipa::openapi::{
    Object, ObjectBuilder, Ref, RefOr, Schema, Type,
    schema::{ArrayBuilder, SchemaType},
};

/// The largest number that every client reads as it was written: 2^53 - 1.
const NUMBER_MAX: u64 = (1 << 53) - 1;
/// Something that is in a text, and not only blanks.
const NOT_BLANK: &str = r"\S";
/// The same without control characters.
const WORDS: &str = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$";
/// No control characters, and maybe nothing at all.
const MAYBE_PLAIN: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";
const EMAIL: &str = r"^[^@\s\x00-\x1f\x7f-\x9f]+@[^\s\x00-\x1f\x7f-\x9f]+$";

fn integer(min: u64, max: u64) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(min))
        .maximum(Some(max))
        .build()
}

fn rows(max: usize) -> Object {
    integer(1, max as u64)
}

fn patterned(mut schema: Object, pattern: &str) -> Object {
    schema.pattern = Some(pattern.to_owned());
    schema
}

fn nullable(mut schema: Object) -> Object {
    if let SchemaType::Type(kind) = schema.schema_type {
        schema.schema_type = SchemaType::from_iter([kind, Type::Null]);
    }
    schema
}

fn list(items: impl Into<RefOr<Schema>>, min: usize, max: usize) -> Schema {
    ArrayBuilder::new()
        .items(items.into())
        .min_items(Some(min).filter(|min| *min > 0))
        .max_items(Some(max))
        .into()
}

fn user_ids(min: usize, max: usize) -> Schema {
    list(Ref::from_schema_name("UserId"), min, max)
}

fn one_of(names: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names))
        .build()
}

fn nullable_one_of(names: impl IntoIterator<Item = &'static str>) -> Object {
    let mut schema = nullable(one_of(names));
    if let Some(values) = &mut schema.enum_values {
        values.push(serde_json::Value::Null);
    }
    schema
}

fn nullable_list(items: impl Into<RefOr<Schema>>, max: Option<usize>) -> Schema {
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(items.into())
        .max_items(max)
        .into()
}

fn roles_of_people() -> impl Iterator<Item = &'static str> {
    let people = Role::ALL.iter().filter(|role| **role != Role::Service);
    people.map(|role| role.name())
}

macro_rules! bounds {
    ($($name:ident: $kind:ty = $schema:expr;)*) => {
        $(pub(crate) fn $name() -> $kind { $schema })*
    };
}

bounds! {
    number: Object = integer(0, u64::MAX);
    nullable_number: Object = nullable(integer(0, u64::MAX));
    page_number: Object = integer(1, u64::MAX);
    cursor: Object = text(0, 1_024);
    conversations_page: Object = rows(CONVERSATIONS_PAGE_MAX);
    history_page: Object = rows(HISTORY_PAGE_MAX);
    contacts_page: Object = rows(PRESENCE_WATCH_MAX);
    notifications_page: Object = rows(NOTIFICATIONS_PAGE_MAX);
    consultations_page: Object = rows(CONSULTATIONS_PAGE_MAX);
    skip: Object = integer(0, 10_000);
    query: Object = patterned(text(1, SEARCH_QUERY_BYTES_MAX), NOT_BLANK);
    said: Object = patterned(text(1, TEXT_BYTES_MAX), NOT_BLANK);
    maybe_said: Object = nullable(text(0, TEXT_BYTES_MAX));
    title: Object = patterned(text(1, TITLE_BYTES_MAX), WORDS);
    maybe_title: Object = nullable(text(0, TITLE_BYTES_MAX));
    new_title: Object = nullable(patterned(text(1, TITLE_BYTES_MAX), WORDS));
    file_field: Object = nullable(text(0, ATTACHMENT_FIELD_BYTES_MAX));
    sendable_type: Object = one_of(["text", "image", "file", "voice"]);
    message_text: Object = text(0, TEXT_BYTES_MAX);
    chat_type: Object = one_of(["Direct", "Care Team", "Family Update", "Internal Staff", "Broadcast"]);
    channel: Object = nullable_one_of(["in_app"]);
    maybe_role: Object = nullable_one_of(roles_of_people());
    roles: Schema = nullable_list(one_of(roles_of_people()), None);
    notes: Object = nullable(text(0, NOTES_BYTES_MAX));
    notification_title: Object = patterned(text(1, NOTIFICATION_TITLE_BYTES_MAX), NOT_BLANK);
    notification_body: Object = text(0, NOTIFICATION_BODY_BYTES_MAX);
    notification_action: Object = nullable(text(0, NOTIFICATION_ACTION_BYTES_MAX));
    dedupe_key: Object = nullable(text(1, DEDUPE_KEY_BYTES_MAX));
    notified: Schema = user_ids(1, NOTIFICATION_USERS_MAX);
    members: Schema = user_ids(0, MEMBERS_MAX);
    block_reason: Object = patterned(text(1, 500), WORDS);
    email: Object = nullable(patterned(text(3, 254), EMAIL));
    role: Object = one_of(Role::ALL.iter().map(|role| role.name()));
    consultation_type: Object = one_of(["VIDEO", "CHAT", "video", "chat"]);
    consultation_number: Object = integer(0, NUMBER_MAX);
    agora_channel: Object = text(1, 64);
    agora_uid: Object = nullable(integer(0, u64::from(u32::MAX)));
    agora_role: Object = nullable_one_of(["publisher", "subscriber"]);
    seed_id: Object = plain_text(USER_ID_BYTES_MAX);
    template: Object = nullable(patterned(text(1, 50), WORDS));
    templates: Schema = nullable_list(patterned(text(1, 50), WORDS), Some(50));
    language: Object = nullable(patterned(text(1, 10), "^[A-Za-z0-9-]+$"));
    timezone: Object = nullable(patterned(text(1, 50), "^[A-Za-z0-9/_+-]+$"));
    asked: Schema = list(patterned(text(0, USER_ID_BYTES_MAX), MAYBE_PLAIN), 0, PRESENCE_WATCH_MAX);
    watched: Schema = user_ids(0, PRESENCE_WATCH_MAX);
    name: Object = nullable(patterned(text(1, NAME_BYTES_MAX), WORDS));
}
