//! The opening handshake (RFC 6455, section 4.2) as a decision on the request's head alone.
//!
//! The upgrade service gets every request that asks for `Upgrade: websocket`, past all
//! middleware, so everything that middleware would do is done here: the path, the method, the
//! Origin, where the token may stand.

use actix_http::{
    Method, Version,
    header::{self, HeaderMap},
    ws::hash_key,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bedside_protocol::WireFormat;

use super::refusal::Refusal;

/// Where the native protocol is spoken.
pub const PATH: &str = "/ws";

/// What of a request decides.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its version.
    pub version: Version,
    /// Its path, without the query.
    pub path: &'a str,
    /// Its query, without the question mark.
    pub query: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
}

/// What the client says about who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A token in `Authorization: Bearer`.
    Bearer(String),
    /// A single-use ticket in the query.
    Ticket(String),
    /// Nothing yet: its first frame has to be `session.hello`.
    Hello,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer(***)",
            Self::Ticket(_) => "Ticket(***)",
            Self::Hello => "Hello",
        })
    }
}

/// A handshake that may be accepted, once its credential was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptable {
    /// How frames are to be written.
    pub format: WireFormat,
    /// The client named the format, so the answer has to as well.
    pub named: bool,
    /// Who it is.
    pub credential: Credential,
    accept: Accept,
}

impl Acceptable {
    /// The answer that opens the socket.
    #[must_use]
    pub fn response(&self) -> Vec<u8> {
        self.accept
            .response(self.named.then(|| self.format.subprotocol()))
    }
}

/// What proves to a client that its handshake was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept([u8; 28]);

impl Accept {
    /// The answer that opens the socket, with the subprotocol if one was chosen.
    #[must_use]
    pub fn response(&self, subprotocol: Option<&str>) -> Vec<u8> {
        let mut out = Vec::with_capacity(192);
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\n\
              Upgrade: websocket\r\n\
              Connection: Upgrade\r\n\
              Sec-WebSocket-Accept: ",
        );
        out.extend_from_slice(&self.0);
        if let Some(name) = subprotocol {
            out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
            out.extend_from_slice(name.as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
        out
    }
}

/// Judges a request for an upgrade. `allowed_origins` are those of other sites that may connect,
/// such as `https://app.example.org`.
///
/// # Errors
/// The answer to refuse with.
pub fn judge(request: Request<'_>, allowed_origins: &[String]) -> Result<Acceptable, Refusal> {
    if request.path != PATH {
        return Err(Refusal::new(404, "there is no WebSocket here"));
    }
    let headers = request.headers;
    let accept = accept(request)?;
    check_origin(headers, allowed_origins)?;
    let (format, named) = subprotocol(headers)?;
    Ok(Acceptable {
        format,
        named,
        credential: credential(headers, request.query)?,
        accept,
    })
}

/// Judges what RFC 6455 itself asks of a request for an upgrade, whatever is spoken then.
///
/// # Errors
/// The answer to refuse with.
pub fn accept(request: Request<'_>) -> Result<Accept, Refusal> {
    let headers = request.headers;
    if request.method != Method::GET {
        return Err(Refusal::new(405, "a WebSocket starts with GET").with("Allow: GET"));
    }
    if request.version != Version::HTTP_11 {
        return Err(Refusal::new(400, "a WebSocket needs HTTP/1.1"));
    }
    if !has_token(headers, header::UPGRADE, "websocket") {
        return Err(Refusal::new(426, "say Upgrade: websocket")
            .with("Upgrade: websocket\r\nSec-WebSocket-Version: 13"));
    }
    if !has_token(headers, header::CONNECTION, "upgrade") {
        return Err(Refusal::new(400, "say Connection: Upgrade"));
    }
    // actix-http does not look for a body here: its bytes would be read as frames.
    let empty = |value: &header::HeaderValue| value.as_bytes() == b"0";
    if headers.contains_key(header::TRANSFER_ENCODING)
        || !headers.get_all(header::CONTENT_LENGTH).all(empty)
    {
        return Err(Refusal::new(400, "a handshake has no body"));
    }
    if only(headers, header::SEC_WEBSOCKET_VERSION)? != Some("13") {
        return Err(
            Refusal::new(426, "only version 13 of WebSocket is spoken here")
                .with("Sec-WebSocket-Version: 13"),
        );
    }
    let key = only(headers, header::SEC_WEBSOCKET_KEY)?.unwrap_or_default();
    match BASE64_STANDARD.decode(key) {
        Ok(bytes) if bytes.len() == 16 => Ok(Accept(hash_key(key.as_bytes()))),
        _ => Err(Refusal::new(
            400,
            "Sec-WebSocket-Key has to be 16 bytes in base64",
        )),
    }
}

/// A page of another site must not open a socket in its visitor's name. A request without an
/// Origin comes from no browser.
pub(crate) fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), Refusal> {
    let Some(origin) = only(headers, header::ORIGIN)? else {
        return Ok(());
    };
    let origin = origin.to_ascii_lowercase();
    let listed = allowed
        .iter()
        .any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(&origin));
    if listed || is_same_origin(&origin, only(headers, header::HOST)?.unwrap_or_default()) {
        return Ok(());
    }
    Err(Refusal::new(403, "this Origin may not connect"))
}

/// Whether a page of `origin` (lower case) came from `host`. The scheme is not known here when a
/// proxy ends TLS, so either one will do.
fn is_same_origin(origin: &str, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    [("http://", ":80"), ("https://", ":443")]
        .iter()
        .any(|(scheme, port)| {
            let bare = |host: &str| host.strip_suffix(port).unwrap_or(host).to_owned();
            origin
                .strip_prefix(scheme)
                .is_some_and(|at| !at.is_empty() && bare(at) == bare(&host))
        })
}

/// The first format of the client's list that is known here.
fn subprotocol(headers: &HeaderMap) -> Result<(WireFormat, bool), Refusal> {
    let mut asked = false;
    for name in offered(headers) {
        asked = true;
        for format in WireFormat::ALL {
            if format.subprotocol() == name {
                return Ok((format, true));
            }
        }
    }
    if asked {
        return Err(Refusal::new(400, "none of these subprotocols is known"));
    }
    Ok((WireFormat::Json, false))
}

/// Where the client says who it is: in one place at most.
fn credential(headers: &HeaderMap, query: &str) -> Result<Credential, Refusal> {
    let mut ticket = None;
    for (name, value) in query_pairs(query)? {
        match name.as_str() {
            // URLs end up in logs and histories, so a token in one is a token to be revoked.
            "token" | "access_token" | "jwt" => {
                return Err(Refusal::new(
                    400,
                    "a token may not stand in a URL: use Authorization, session.hello or a ticket",
                ));
            }
            "ticket" if ticket.is_some() => return Err(Refusal::new(400, "one ticket is enough")),
            "ticket" => ticket = Some(value),
            _ => {}
        }
    }
    let bearer = match only(headers, header::AUTHORIZATION)? {
        None => None,
        Some(value) => match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Some(token.trim().to_owned())
            }
            _ => return Err(Refusal::unauthorized("say Authorization: Bearer")),
        },
    };
    match (bearer, ticket) {
        (Some(_), Some(_)) => Err(Refusal::new(400, "a token or a ticket, not both")),
        (Some(token), None) => Ok(Credential::Bearer(token)),
        (None, Some(ticket)) => Ok(Credential::Ticket(ticket)),
        (None, None) => Ok(Credential::Hello),
    }
}

fn query_pairs(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    actix_web::web::Query::from_query(query)
        .map(actix_web::web::Query::into_inner)
        .map_err(|_| Refusal::new(400, "the query cannot be read"))
}

/// The value of a header that may be there once.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(&name);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text.trim())),
            Err(_) => Err(Refusal::new(400, "a header is not ASCII")),
        },
        (Some(_), Some(_)) => Err(Refusal::new(400, "a header is there twice")),
    }
}

/// The subprotocols that a client offers, the one that it likes best first.
pub(crate) fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    tokens(headers, header::SEC_WEBSOCKET_PROTOCOL)
}

/// The entries of a comma-separated header, which may also be there several times.
fn tokens(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted))
}
