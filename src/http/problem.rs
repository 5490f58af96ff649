//! What a refused request is answered with.
//!
//! Under `/api/v1` that is RFC 9457 problem details with members for both kinds of client:
//!
//! ```json
//! {"type":"urn:bedside:error:rate_limited","title":"Too many requests","status":429,
//!  "detail":"...","code":"rate_limited","retry_after_ms":250,
//!  "success":false,"message":"...","statusCode":429}
//! ```
//!
//! Elsewhere it is `{"success":false,"message":"..."}`.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use bedside_actors::ports::store::StoreError;
use bedside_protocol::{CommandError, ErrorCode};
use serde::Serialize;
use std::fmt;

/// A refusal, and the shape in which it is told.
#[derive(Debug)]
pub(crate) struct Problem {
    error: CommandError,
    status: StatusCode,
    plain: bool,
}

impl Problem {
    /// The refusal in the shape that the requested path has.
    pub(crate) fn at(path: &str, error: CommandError) -> Self {
        Self {
            plain: !is_native(path),
            ..Self::from(error)
        }
    }

    /// The same with a status that says more than the code's own.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// What went wrong.
    pub(crate) const fn code(&self) -> ErrorCode {
        self.error.code
    }

    fn body(&self) -> Body<'_> {
        Body {
            kind: format!("urn:bedside:error:{}", self.error.code),
            title: title(self.error.code, self.status),
            status: self.status.as_u16(),
            detail: &self.error.message,
            code: self.error.code,
            retry_after_ms: self.error.retry_after_ms,
            success: false,
            message: &self.error.message,
            status_code: self.status.as_u16(),
        }
    }
}

/// Whether errors under this path are problem details.
pub(crate) fn is_native(path: &str) -> bool {
    path.strip_prefix("/api/v1")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The refusal of an extractor, which has the request at hand.
pub(crate) fn refuse(request: &HttpRequest, error: CommandError) -> actix_web::Error {
    Problem::at(request.path(), error).into()
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: ErrorCode,
    #[serde(skip_serializing_if = "is_zero")]
    retry_after_ms: u64,
    success: bool,
    message: &'a str,
    #[serde(rename = "statusCode")]
    status_code: u16,
}

#[derive(Serialize)]
struct PlainBody<'a> {
    success: bool,
    message: &'a str,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands the field over by reference"
)]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The same words for every occurrence of a problem type, as RFC 9457 wants it.
fn title(code: ErrorCode, status: StatusCode) -> &'static str {
    match code {
        // 405, 408, 415: the code is the nearest one, the status tells more.
        _ if status.as_u16() != code.http_status() => {
            status.canonical_reason().unwrap_or("Refused")
        }
        ErrorCode::Unauthorized => "Not signed in",
        ErrorCode::TokenExpired => "Token expired",
        ErrorCode::NotAMember => "Not a member of the conversation",
        ErrorCode::Forbidden => "Not allowed",
        ErrorCode::NotFound => "Not found",
        ErrorCode::InvalidArgument => "Invalid argument",
        ErrorCode::TooLarge => "Over a limit",
        ErrorCode::Conflict => "Contradicts what is stored",
        ErrorCode::RateLimited => "Too many requests",
        ErrorCode::Unavailable => "Not available now",
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        Self {
            status: StatusCode::from_u16(error.code.http_status())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            error,
            plain: false,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => CommandError::new(
                ErrorCode::Conflict,
                "it contradicts what is stored; read the present state",
            ),
            StoreError::Full => CommandError::unavailable("the server's disk is full", 5_000),
            // The store's own words are for operators and stay here.
            StoreError::Unavailable(why) => {
                tracing::warn!(%why, "the store could not serve a request");
                CommandError::unavailable("storage is not available now", 1_000)
            }
        }
        .into()
    }
}

/// A refusal on a path outside `/api/v1`: what its handlers fail with, so that nobody has to
/// carry the path along.
#[derive(Debug)]
pub(crate) struct PlainProblem(Problem);

impl<E: Into<Problem>> From<E> for PlainProblem {
    fn from(error: E) -> Self {
        Self(Problem {
            plain: true,
            ..error.into()
        })
    }
}

impl fmt::Display for PlainProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for PlainProblem {
    fn status_code(&self) -> StatusCode {
        self.0.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        self.0.error_response()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status);
        if self.error.retry_after_ms > 0 {
            let seconds = self.error.retry_after_ms.div_ceil(1_000);
            answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            answer.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if self.plain {
            return answer.json(PlainBody {
                success: false,
                message: &self.error.message,
            });
        }
        answer
            .content_type("application/problem+json")
            .json(self.body())
    }
}
