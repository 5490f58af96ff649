//! Cross-origin calls: exact origins only.

use actix_web::{
    HttpResponse,
    dev::RequestHead,
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
};

use super::parts::Cors;

/// How long a browser may keep a preflight's answer, seconds.
const PREFLIGHT_AGE_S: &str = "600";

/// What is to be said about a request's origin.
pub(super) enum Verdict {
    /// There is none: not a browser, or the same origin.
    Absent,
    /// Its page may call.
    Allowed {
        origin: HeaderValue,
        credentials: bool,
    },
    /// It may not: the answer carries no CORS header, so the browser keeps it from the page.
    Foreign,
}

impl Verdict {
    /// Judges the header `Origin`.
    pub(super) fn on(cors: &Cors, headers: &HeaderMap) -> Self {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Self::Absent;
        };
        if cors
            .origins
            .iter()
            .any(|own| own.as_bytes() == origin.as_bytes())
        {
            Self::Allowed {
                origin: origin.clone(),
                credentials: cors.credentials,
            }
        } else {
            Self::Foreign
        }
    }

    /// Writes it into the answer's headers, unless a handler has its own way with origins.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        // Caches must keep the answers to different origins apart.
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let Self::Allowed {
            origin,
            credentials,
        } = self
        else {
            return;
        };
        if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("Retry-After, Location, Allow"),
        );
        if *credentials {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
    }
}

/// The answer to a preflight; none for any other request.
pub(super) fn preflight(verdict: &Verdict, head: &RequestHead) -> Option<HttpResponse> {
    let asks = head
        .headers
        .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if head.method != Method::OPTIONS || !asks {
        return None;
    }
    match verdict {
        Verdict::Absent => None,
        Verdict::Foreign => Some(HttpResponse::Forbidden().finish()),
        Verdict::Allowed { .. } => Some(
            HttpResponse::NoContent()
                .insert_header((
                    header::ACCESS_CONTROL_ALLOW_METHODS,
                    "GET, HEAD, POST, PUT, PATCH, DELETE",
                ))
                .insert_header((
                    header::ACCESS_CONTROL_ALLOW_HEADERS,
                    "Authorization, Content-Type, Idempotency-Key",
                ))
                .insert_header((header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE_S))
                .finish(),
        ),
    }
}
