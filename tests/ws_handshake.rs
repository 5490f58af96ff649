//! Which upgrade requests are accepted, and how the others are answered.

use actix_http::{
    Method, Version,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use bedside::ws::handshake::{Acceptable, Credential, Request, judge};
use bedside_protocol::WireFormat;

/// The example of RFC 6455, section 1.3.
const GOOD: &[(&str, &str)] = &[
    ("host", "server.example.com"),
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", "13"),
];

/// A request that starts as the good one.
struct Case {
    method: Method,
    version: Version,
    uri: &'static str,
    headers: Vec<(&'static str, String)>,
}

fn good() -> Case {
    Case {
        method: Method::GET,
        version: Version::HTTP_11,
        uri: "/ws",
        headers: GOOD.iter().map(|(n, v)| (*n, (*v).to_owned())).collect(),
    }
}

impl Case {
    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| *n != name);
        self
    }

    fn and(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        self.without(name).and(name, value)
    }

    fn at(mut self, uri: &'static str) -> Self {
        self.uri = uri;
        self
    }

    fn judge(&self) -> Result<Acceptable, (u16, String)> {
        let headers: HeaderMap = self
            .headers
            .iter()
            .map(|(name, value)| {
                let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
                (HeaderName::from_static(name), value)
            })
            .collect();
        let (path, query) = self.uri.split_once('?').unwrap_or((self.uri, ""));
        let request = Request {
            method: &self.method,
            version: self.version,
            path,
            query,
            headers: &headers,
        };
        let allowed = [
            "https://app.example.org".to_owned(),
            "http://localhost:5173/".to_owned(),
        ];
        judge(request, &allowed).map_err(|refusal| {
            let response = String::from_utf8(refusal.response()).expect("UTF-8");
            (refusal.status, response)
        })
    }

    fn status(&self) -> u16 {
        self.judge().map_or_else(|(status, _)| status, |_| 101)
    }
}

#[test]
fn the_example_of_the_rfc_is_answered_as_there() {
    let accepted = good().judge().expect("is accepted");
    assert_eq!(
        String::from_utf8(accepted.response()).expect("ASCII"),
        "HTTP/1.1 101 Switching Protocols\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
    assert_eq!(accepted.credential, Credential::Hello);
}

#[test]
fn what_rfc_6455_asks_for_is_asked_for() {
    let post = Case {
        method: Method::POST,
        ..good()
    };
    let old = Case {
        version: Version::HTTP_10,
        ..good()
    };
    let connect = Case {
        method: Method::CONNECT,
        ..good()
    };
    for (case, status, why) in [
        (good(), 101, "good"),
        (good().at("/ws/"), 404, "another path"),
        (good().at("/"), 404, "another path"),
        (post, 405, "POST"),
        (connect, 405, "CONNECT"),
        (old, 400, "HTTP/1.0"),
        (good().with("upgrade", "WebSocket"), 101, "any case"),
        (good().with("upgrade", "h2c"), 426, "another upgrade"),
        (good().without("upgrade"), 426, "no upgrade"),
        (
            good().with("connection", "keep-alive, UPGRADE"),
            101,
            "list",
        ),
        (good().with("connection", "keep-alive"), 400, "no upgrade"),
        (good().without("connection"), 400, "no upgrade"),
        (good().with("sec-websocket-version", "8"), 426, "version"),
        (
            good().with("sec-websocket-version", "13, 8"),
            426,
            "versions",
        ),
        (good().and("sec-websocket-version", "13"), 400, "twice"),
        (good().without("sec-websocket-version"), 426, "none"),
        (good().without("sec-websocket-key"), 400, "no key"),
        (
            good().and("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            400,
            "two",
        ),
        (
            good().with("sec-websocket-key", "dGhlIHNhbXBsZSBub25j"),
            400,
            "15 bytes",
        ),
        (
            good().with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZWU="),
            400,
            "17 bytes",
        ),
        (
            good().with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ"),
            400,
            "no padding",
        ),
        (
            good().with("sec-websocket-key", "not base64 at all!!!!!!!"),
            400,
            "not base64",
        ),
        (good().and("content-length", "0"), 101, "no body"),
        (good().and("content-length", "5"), 400, "a body"),
        (good().and("transfer-encoding", "chunked"), 400, "a body"),
    ] {
        assert_eq!(case.status(), status, "{why}: {:?}", case.headers);
    }
}

#[test]
fn a_wrong_version_is_told_the_right_one() {
    let (_, response) = good()
        .with("sec-websocket-version", "8")
        .judge()
        .expect_err("426");
    assert!(
        response.starts_with("HTTP/1.1 426 Upgrade Required\r\n"),
        "{response}"
    );
    assert!(
        response.contains("\r\nSec-WebSocket-Version: 13\r\n"),
        "{response}"
    );
}

#[test]
fn a_refusal_is_a_whole_response() {
    let (_, response) = good().at("/nowhere").judge().expect_err("404");
    let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
    assert!(
        head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())),
        "{head}"
    );
    assert!(head.contains("\r\nConnection: close"), "{head}");
    assert!(
        head.contains("\r\nContent-Type: application/json\r\n"),
        "{head}"
    );
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(body["success"], false);
    assert_eq!(body["message"], "there is no WebSocket here");
}

#[test]
fn the_clients_first_known_subprotocol_is_chosen() {
    for (list, format, named) in [
        (None, WireFormat::Json, false),
        (Some("bedside.v1.json"), WireFormat::Json, true),
        (Some("bedside.v1.msgpack"), WireFormat::MsgPack, true),
        (
            Some("bedside.v1.msgpack, bedside.v1.json"),
            WireFormat::MsgPack,
            true,
        ),
        (
            Some("graphql-ws ,bedside.v1.json,bedside.v1.msgpack"),
            WireFormat::Json,
            true,
        ),
    ] {
        let case = match list {
            Some(list) => good().with("sec-websocket-protocol", list),
            None => good(),
        };
        let accepted = case.judge().expect("is accepted");
        assert_eq!(
            (accepted.format, accepted.named),
            (format, named),
            "{list:?}"
        );
        let response = String::from_utf8(accepted.response()).expect("ASCII");
        let line = format!("\r\nSec-WebSocket-Protocol: {}\r\n", format.subprotocol());
        assert_eq!(response.contains(&line), named, "{response}");
        assert!(response.ends_with("\r\n\r\n"), "{response}");
    }
    let two_lines = good()
        .with("sec-websocket-protocol", "graphql-ws")
        .and("sec-websocket-protocol", "bedside.v1.msgpack");
    assert_eq!(
        two_lines.judge().expect("is accepted").format,
        WireFormat::MsgPack
    );
    let unknown = good().with("sec-websocket-protocol", "bedside.v2.json, Bedside.v1.json");
    assert_eq!(unknown.status(), 400);
}

#[test]
fn only_known_origins_come_in() {
    for (origin, host, status) in [
        ("https://app.example.org", "chat.example.org", 101),
        ("HTTPS://App.Example.Org", "chat.example.org", 101),
        ("http://app.example.org", "chat.example.org", 403),
        ("https://app.example.org:8443", "chat.example.org", 403),
        ("https://app.example.org.evil.test", "chat.example.org", 403),
        ("https://evil.test", "chat.example.org", 403),
        ("null", "chat.example.org", 403),
        ("", "", 403),
        ("http://", "", 403),
        ("http://localhost:5173", "localhost:3000", 101),
        ("http://localhost:3000", "localhost:3000", 101),
        ("http://localhost:3001", "localhost:3000", 403),
        ("https://chat.example.org", "chat.example.org", 101),
        ("https://chat.example.org", "CHAT.example.org:443", 101),
        ("http://chat.example.org", "chat.example.org:80", 101),
        ("http://chat.example.org", "chat.example.org:443", 403),
        ("ftp://chat.example.org", "chat.example.org", 403),
    ] {
        let case = good().with("host", host).with("origin", origin);
        assert_eq!(case.status(), status, "{origin} at {host}");
    }
    let two = good()
        .with("origin", "https://app.example.org")
        .and("origin", "https://evil.test");
    assert_eq!(two.status(), 400);
}

#[test]
fn a_token_stands_in_one_place_and_never_in_the_url() {
    let bearer = |value: &str| good().with("authorization", value);
    assert_eq!(
        bearer("Bearer a.b.c")
            .judge()
            .expect("is accepted")
            .credential,
        Credential::Bearer("a.b.c".to_owned())
    );
    assert_eq!(
        bearer("bearer  a.b.c ")
            .judge()
            .expect("is accepted")
            .credential,
        Credential::Bearer("a.b.c".to_owned())
    );
    assert_eq!(
        good()
            .at("/ws?v=1&ticket=abc%2Bd")
            .judge()
            .expect("is accepted")
            .credential,
        Credential::Ticket("abc+d".to_owned())
    );
    for (case, status, why) in [
        (bearer("Basic YTpi"), 401, "another scheme"),
        (bearer("Bearer"), 401, "no token"),
        (
            bearer("Bearer a").and("authorization", "Bearer b"),
            400,
            "two",
        ),
        (
            bearer("Bearer a").at("/ws?ticket=b"),
            400,
            "token and ticket",
        ),
        (good().at("/ws?ticket=a&ticket=b"), 400, "two tickets"),
        (good().at("/ws?token=a"), 400, "in the URL"),
        (good().at("/ws?access_token=a"), 400, "in the URL"),
        (good().at("/ws?ticket=a&jwt=b"), 400, "in the URL"),
        (good().at("/ws?%74oken=a"), 400, "in the URL, in disguise"),
        (good().at("/ws?other=1"), 101, "nothing"),
    ] {
        assert_eq!(case.status(), status, "{why}");
    }
    let (_, response) = bearer("Basic YTpi").judge().expect_err("401");
    assert!(
        response.contains("\r\nWWW-Authenticate: Bearer\r\n"),
        "{response}"
    );
    assert!(!response.contains("YTpi"), "{response}");
    let accepted = bearer("Bearer a.b.c").judge().expect("is accepted");
    assert!(!format!("{accepted:?}").contains("a.b.c"));
}
