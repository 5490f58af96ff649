//! The closed table of error codes. Codes are added, never changed.

use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal $name:literal $retry:ident $status:literal $hint:literal;)*) => {
        /// What went wrong, as a client reads it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode { $($(#[$doc])* $variant,)* }

        impl ErrorCode {
            /// All codes, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code's number. 1xxx: about who asks; 2xxx: about what is asked (final);
            /// 3xxx: try again later.
            #[must_use]
            pub const fn number(self) -> u16 { match self { $(Self::$variant => $number),* } }

            /// The name, as on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name),* } }

            /// Whether the same command may succeed later.
            #[must_use]
            pub const fn retryable(self) -> bool { match self { $(Self::$variant => error_codes!(@ $retry)),* } }

            /// The HTTP status that REST answers with.
            #[must_use]
            pub const fn http_status(self) -> u16 { match self { $(Self::$variant => $status),* } }

            /// What a client does about it.
            #[must_use]
            pub const fn advice(self) -> &'static str { match self { $(Self::$variant => $hint),* } }
        }
    };
    (@ retry) => { true };
    (@ final) => { false };
}

error_codes! {
    /// No token, or one that cannot be trusted.
    Unauthorized = 1001 "unauthorized" final 401 "sign in and connect again";
    /// The token was good and has run out.
    TokenExpired = 1002 "token_expired" final 401 "get a new token, then session.refresh or connect again";
    /// The caller is not, or no longer, a member of the conversation.
    NotAMember = 1003 "not_a_member" final 403 "take the conversation off the screen";
    /// The caller may not do this, whoever else may.
    Forbidden = 1004 "forbidden" final 403 "tell the user; do not retry";
    /// There is no such thing, or none that the caller may know of.
    NotFound = 2001 "not_found" final 404 "drop the reference";
    /// A field is missing, malformed or out of its bounds; the message names it.
    InvalidArgument = 2002 "invalid_argument" final 400 "mend the command; a bug in the client";
    /// A field or the whole frame is over its limit; the message names it.
    TooLarge = 2003 "too_large" final 413 "shorten it";
    /// It contradicts what is stored, such as a `client_msg_id` used with another body.
    Conflict = 2004 "conflict" final 409 "read the present state, then decide";
    /// Too many commands; `retry_after_ms` says when to go on.
    RateLimited = 3001 "rate_limited" retry 429 "wait retry_after_ms, then try again";
    /// The server cannot do it now; whether it was done is unknown.
    Unavailable = 3002 "unavailable" retry 503 "try again with the same client_msg_id, with backoff";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A refused command.
///
/// JSON: `{"code":"not_a_member","message":"...","retry_after_ms":0}`. The message is for
/// developers and never holds health data; `retry_after_ms` is 0 where it says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandError {
    /// What went wrong.
    pub code: ErrorCode,
    /// Why, in English, without message text, names or tokens.
    pub message: Cow<'static, str>,
    /// Milliseconds to wait before trying again; 0 = nothing to say.
    #[serde(default)]
    pub retry_after_ms: u64,
}

impl CommandError {
    /// An error with this message and nothing to say about when to retry.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_ms: 0,
        }
    }

    /// A malformed command; `message` names the field.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message)
    }

    /// The caller may not do this.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Forbidden, message)
    }

    /// Not here, or not for the caller to know.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// Over a limit; `message` names it.
    pub fn too_large(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::TooLarge, message)
    }

    /// Not now: try again after `retry_after_ms`.
    pub fn unavailable(message: impl Into<Cow<'static, str>>, retry_after_ms: u64) -> Self {
        Self {
            retry_after_ms,
            ..Self::new(ErrorCode::Unavailable, message)
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for CommandError {}
