//! What a handler's arguments say of its operation: who may call it, and what it takes.

use actix_web::{HttpRequest, web};
use bedside_protocol::{ConsultationId, ConversationId, MessageId, NotificationId, UserId};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema, Type,
        path::{Parameter, ParameterIn},
    },
};

use super::shapes::{Shape, one};
use crate::http::{
    auth::{Bearer, Me, SignedIn},
    input::{Body, OptionalBody, Params},
    parts::Parts,
};

/// Who may call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Anybody, without a token.
    Anybody,
    /// Whoever holds a good token.
    Bearer,
    /// A person.
    Person,
    /// A person with this role.
    Role(&'static str),
}

/// What the arguments of a handler say.
pub(crate) struct Signature {
    pub(super) who: Who,
    /// The changing parts of the path, in their order.
    pub(super) path: Vec<fn() -> RefOr<Schema>>,
    pub(super) query: Option<fn() -> Vec<Parameter>>,
    /// The body, and whether there has to be one.
    pub(super) body: Option<(Shape, bool)>,
}

impl Signature {
    /// Only people with this role may call.
    pub(crate) const fn only(&mut self, role: &'static str) {
        self.who = Who::Role(role);
    }

    /// What these arguments say.
    pub(super) fn of<Args: Extracts>() -> Self {
        let mut signature = Self {
            who: Who::Anybody,
            path: Vec::new(),
            query: None,
            body: None,
        };
        Args::note(&mut signature);
        signature
    }
}

/// An argument of a handler.
pub(crate) trait Extracts {
    /// Notes what it says, if anything.
    fn note(_: &mut Signature) {}
}

impl Extracts for Parts {}
impl Extracts for HttpRequest {}

macro_rules! callers {
    ($($extractor:ty => $who:expr;)*) => {
        $(
            impl Extracts for $extractor {
                fn note(signature: &mut Signature) {
                    signature.who = $who;
                }
            }
        )*
    };
}

callers! {
    Bearer => Who::Bearer;
    Me => Who::Person;
    SignedIn => Who::Person;
}

impl<T: ToSchema> Extracts for Body<T> {
    fn note(signature: &mut Signature) {
        signature.body = Some((one::<T>, true));
    }
}

impl<T: ToSchema> Extracts for OptionalBody<T> {
    fn note(signature: &mut Signature) {
        signature.body = Some((one::<T>, false));
    }
}

impl<T: IntoParams> Extracts for Params<T> {
    fn note(signature: &mut Signature) {
        signature.query = Some(|| T::into_params(|| Some(ParameterIn::Query)));
    }
}

impl<T: PathParts> Extracts for web::Path<T> {
    fn note(signature: &mut Signature) {
        signature.path = T::schemas();
    }
}

/// What the changing parts of a path are.
pub(crate) trait PathParts {
    /// Their schemas, in their order.
    fn schemas() -> Vec<fn() -> RefOr<Schema>>;
}

macro_rules! path_parts {
    ($($part:ty)*) => {
        $(
            impl PathParts for $part {
                fn schemas() -> Vec<fn() -> RefOr<Schema>> {
                    vec![<$part>::schema]
                }
            }
        )*
    };
}

path_parts! { ConversationId MessageId NotificationId ConsultationId UserId }

impl PathParts for (ConversationId, u64) {
    fn schemas() -> Vec<fn() -> RefOr<Schema>> {
        vec![ConversationId::schema, seq]
    }
}

impl PathParts for (ConversationId, u64, String) {
    fn schemas() -> Vec<fn() -> RefOr<Schema>> {
        vec![ConversationId::schema, seq, emoji]
    }
}

impl PathParts for (ConversationId, UserId) {
    fn schemas() -> Vec<fn() -> RefOr<Schema>> {
        vec![ConversationId::schema, UserId::schema]
    }
}

fn seq() -> RefOr<Schema> {
    let seq = ObjectBuilder::new().schema_type(Type::Integer);
    seq.minimum(Some(1)).maximum(Some(i64::MAX)).into()
}

fn emoji() -> RefOr<Schema> {
    use bedside_protocol::{limits::EMOJI_BYTES_MAX, openapi::text};
    let mut emoji = text(1, EMOJI_BYTES_MAX);
    emoji.pattern = Some(r"^[^\s\x00-\x1f\x7f-\x9f]+$".to_owned());
    emoji.into()
}

impl Extracts for () {}

macro_rules! tuples {
    ($(($($arg:ident)+))*) => {
        $(
            impl<$($arg: Extracts),+> Extracts for ($($arg,)+) {
                fn note(signature: &mut Signature) {
                    $($arg::note(signature);)+
                }
            }
        )*
    };
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) }
