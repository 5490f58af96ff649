//! Why a request is refused: the codes and texts of the reference server, which clients show.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use serde::Serialize;

use crate::ws::Refusal;

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    UnknownTransport = 0,
    UnknownSession = 1,
    BadHandshakeMethod = 2,
    BadRequest = 3,
    Forbidden = 4,
    UnsupportedVersion = 5,
}

#[derive(Serialize)]
struct Body {
    code: u8,
    message: &'static str,
}

impl Fault {
    /// By its code.
    pub(super) const fn of(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::UnknownTransport,
            1 => Self::UnknownSession,
            2 => Self::BadHandshakeMethod,
            3 => Self::BadRequest,
            4 => Self::Forbidden,
            5 => Self::UnsupportedVersion,
            _ => return None,
        })
    }

    const fn message(self) -> &'static str {
        match self {
            Self::UnknownTransport => "Transport unknown",
            Self::UnknownSession => "Session ID unknown",
            Self::BadHandshakeMethod => "Bad handshake method",
            Self::BadRequest => "Bad request",
            Self::Forbidden => "Forbidden",
            Self::UnsupportedVersion => "Unsupported protocol version",
        }
    }

    const fn status(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            _ => 400,
        }
    }

    /// The answer to a request of long polling.
    pub(super) fn response(self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::BAD_REQUEST);
        HttpResponse::build(status)
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .json(Body {
                code: self as u8,
                message: self.message(),
            })
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::new(fault.status(), fault.message()).with_code(fault as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_upgrade_says_the_same_as_a_refused_poll() {
        let answer = Refusal::from(Fault::UnknownSession).response();
        let answer = String::from_utf8(answer).expect("is ASCII");
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{answer}"
        );
        let body = r#"{"code":1,"message":"Session ID unknown"}"#;
        assert!(answer.ends_with(body), "{answer}");
        assert_eq!(Fault::Forbidden.response().status(), 403);
    }

    #[test]
    fn a_fault_is_found_by_its_code() {
        for code in 0..6 {
            assert_eq!(Fault::of(code).map(|fault| fault as u8), Some(code));
        }
        assert_eq!(Fault::of(6), None);
    }
}
