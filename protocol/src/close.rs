//! Why a socket was closed, and whether to come back.

/// Close codes that the server sends.
///
/// The range tells an old client what to do about a code it does not know:
/// 1000..=1015 as RFC 6455 has them (1001 and 1006: reconnect; 1002, 1003, 1007 and 1009: a bug
/// in the client, reconnect with long backoff); 4400..=4499: do not reconnect with the same
/// token; 4500..=4599: reconnect with jittered backoff, then `sync.resume`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// The client asked for it.
    Normal = 1000,
    /// The server is going away. Reconnect.
    GoingAway = 1001,
    /// The client broke RFC 6455.
    ProtocolError = 1002,
    /// A text frame on a binary subprotocol, or the other way round.
    UnsupportedData = 1003,
    /// A text frame was not UTF-8.
    InvalidPayload = 1007,
    /// A frame over its limit.
    MessageTooBig = 1009,
    /// No hello in time, something else before hello, or a token that cannot be trusted.
    Unauthorized = 4401,
    /// The token ran out and was not refreshed. Get a new one, then reconnect.
    TokenExpired = 4402,
    /// The user opened too many sockets; this was the oldest. Do not reconnect by itself.
    Replaced = 4409,
    /// The session was ended by an administrator or by signing out.
    Revoked = 4410,
    /// The user is blocked: no token of theirs is taken until the block is lifted.
    Blocked = 4411,
    /// The session failed and could not be restarted.
    InternalError = 4500,
    /// The client did not read as fast as its events came. Reconnect and resume by seq.
    SlowConsumer = 4501,
    /// Nothing was heard from the client in time.
    IdleTimeout = 4502,
    /// The server has as many sockets as it may. Reconnect with backoff.
    Overloaded = 4503,
}

impl CloseCode {
    /// All codes.
    pub const ALL: &'static [Self] = &[
        Self::Normal,
        Self::GoingAway,
        Self::ProtocolError,
        Self::UnsupportedData,
        Self::InvalidPayload,
        Self::MessageTooBig,
        Self::Unauthorized,
        Self::TokenExpired,
        Self::Replaced,
        Self::Revoked,
        Self::Blocked,
        Self::InternalError,
        Self::SlowConsumer,
        Self::IdleTimeout,
        Self::Overloaded,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The reason text on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::GoingAway => "going_away",
            Self::ProtocolError => "protocol_error",
            Self::UnsupportedData => "unsupported_data",
            Self::InvalidPayload => "invalid_payload",
            Self::MessageTooBig => "message_too_big",
            Self::Unauthorized => "unauthorized",
            Self::TokenExpired => "token_expired",
            Self::Replaced => "replaced",
            Self::Revoked => "revoked",
            Self::Blocked => "blocked",
            Self::InternalError => "internal_error",
            Self::SlowConsumer => "slow_consumer",
            Self::IdleTimeout => "idle_timeout",
            Self::Overloaded => "overloaded",
        }
    }
}

/// Whether a client comes back by itself after this code, with the same token. Works for codes
/// that it does not know, by their range.
#[must_use]
pub const fn reconnects(code: u16) -> bool {
    !matches!(code, 1000 | 4400..=4499)
}
