//! What comes in with a request: JSON bodies and query parameters, within their bounds.
//!
//! What is wrong with them is told by the field's name and what it should be, never by what it
//! was: that may be health data, and answers end up in the logs of clients and proxies.

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::{StatusCode, header},
    web::BytesMut,
};
use bedside_protocol::{CommandError, limits::REST_BODY_BYTES_MAX};
use futures_util::{StreamExt, future::LocalBoxFuture};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    future::{Ready, ready},
    time::Duration,
};

use super::problem::{Problem, refuse};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A JSON body of at most [`REST_BODY_BYTES_MAX`] bytes.
pub(crate) struct Body<T>(pub(crate) T);

/// The same where there need not be one.
pub(crate) struct OptionalBody<T>(pub(crate) Option<T>);

/// The query parameters.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = read(&request, payload).await?;
            parse(&bytes)
                .map(Self)
                .map_err(|error| refuse(&request, error))
        })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for OptionalBody<T> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = read(&request, payload).await?;
            if bytes.is_empty() {
                return Ok(Self(None));
            }
            parse(&bytes)
                .map(|body| Self(Some(body)))
                .map_err(|error| refuse(&request, error))
        })
    }
}

impl<T: DeserializeOwned> FromRequest for Params<T> {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let pairs = form_urlencoded::parse(request.query_string().as_bytes());
        let params = serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs))
            .map(Self)
            .map_err(|error| refuse(request, fault(&error)));
        ready(params)
    }
}

async fn read(request: &HttpRequest, payload: Payload) -> Result<BytesMut, actix_web::Error> {
    let with_status = |error, status| -> actix_web::Error {
        Problem::at(request.path(), error)
            .with_status(status)
            .into()
    };
    if request.headers().contains_key(header::CONTENT_TYPE) && !is_json(request) {
        return Err(with_status(
            CommandError::invalid("the body must be application/json"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ));
    }
    match tokio::time::timeout(BODY_TIMEOUT, gather(request, payload)).await {
        Ok(gathered) => gathered.map_err(|error| refuse(request, error)),
        Err(_) => Err(with_status(
            CommandError::invalid("the body took too long to arrive"),
            StatusCode::REQUEST_TIMEOUT,
        )),
    }
}

fn is_json(request: &HttpRequest) -> bool {
    request
        .content_type()
        .rsplit_once('/')
        .is_some_and(|(_, kind)| {
            kind.eq_ignore_ascii_case("json") || kind.to_ascii_lowercase().ends_with("+json")
        })
}

async fn gather(request: &HttpRequest, mut payload: Payload) -> Result<BytesMut, CommandError> {
    let too_large = || CommandError::too_large("body: at most 262144 bytes");
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > REST_BODY_BYTES_MAX) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| CommandError::invalid("the body ended early"))?;
        if body.len() + chunk.len() > REST_BODY_BYTES_MAX {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CommandError> {
    // What reads a list can read a struct too, by the order of its members: nobody means that.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(CommandError::invalid("the body must be a JSON object"));
    }
    read_json(bytes).or_else(|error| with_whole_numbers(bytes).ok_or(error))
}

fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CommandError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let body = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let inner = error.inner();
        if inner.is_data() {
            fault(&error)
        } else {
            CommandError::invalid(format!(
                "the body is not JSON: line {}, column {}",
                inner.line(),
                inner.column()
            ))
        }
    })?;
    json.end()
        .map_err(|_| CommandError::invalid("the body goes on after its JSON"))?;
    Ok(body)
}

/// The body with `7.0` read as 7: to JSON they are the same number, and some clients write it so.
/// None when that does not mend it.
fn with_whole_numbers<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let mut body: Value = serde_json::from_slice(bytes).ok()?;
    make_whole(&mut body).then(|| serde_json::from_value(body).ok())?
}

/// Whether there was such a number.
fn make_whole(value: &mut Value) -> bool {
    match value {
        Value::Number(number) => {
            // What is larger was not written as it is meant: a float has no more digits.
            const LARGEST: f64 = 9_007_199_254_740_991.0;
            let float = number.as_f64().filter(|_| number.is_f64());
            let whole = float.filter(|float| float.fract() == 0.0 && float.abs() <= LARGEST);
            if let Some(whole) = whole {
                *value = Value::from(whole as i64);
            }
            whole.is_some()
        }
        Value::Array(values) => make_all_whole(values),
        Value::Object(members) => make_all_whole(members.values_mut()),
        _ => false,
    }
}

/// All of them, so not only up to the first.
fn make_all_whole<'a>(values: impl IntoIterator<Item = &'a mut Value>) -> bool {
    let mut any = false;
    for value in values {
        any |= make_whole(value);
    }
    any
}

/// Names the field and what it should be.
fn fault<E: std::fmt::Display>(error: &serde_path_to_error::Error<E>) -> CommandError {
    let why = without_values(&error.inner().to_string());
    let field = error.path().to_string();
    // A list index or a map key of the client's may be in the path; ours are short.
    if field == "." || field.len() > 64 {
        CommandError::invalid(why)
    } else {
        CommandError::invalid(format!("{field}: {why}"))
    }
}

/// What serde says, without the value that it quotes.
fn without_values(why: &str) -> String {
    // serde_json adds where: " at line 1 column 7".
    let why = why.rsplit_once(" at line ").map_or(why, |(why, _)| why);
    let quotes = [
        "invalid type",
        "invalid value",
        "unknown variant",
        "unknown field",
    ];
    if !quotes.iter().any(|start| why.starts_with(start)) {
        return why.to_owned();
    }
    why.rsplit_once(", expected ").map_or_else(
        || "not what it should be".to_owned(),
        |(_, wanted)| format!("expected {wanted}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use bedside_protocol::{UserId, command::ConversationCreate};
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Sample {
        #[expect(dead_code, reason = "only its faults are looked at")]
        text: String,
        #[expect(dead_code, reason = "only its faults are looked at")]
        ids: Vec<UserId>,
    }

    fn message(json: &str) -> String {
        parse::<Sample>(json.as_bytes())
            .expect_err("is at fault")
            .message
            .into_owned()
    }

    #[test]
    fn faults_name_the_field_and_never_the_value() {
        assert_eq!(
            message(r#"{"text":"a","ids":7331}"#),
            "ids: expected a sequence"
        );
        assert_eq!(message(r#"{"ids":[]}"#), "missing field `text`");
        let secret = message(r#"{"text":{"a":"has a rash, expected b"},"ids":[]}"#);
        assert_eq!(secret, "text: expected a string");
        let secret = message(r#"{"text":"a","ids":["has a rash, expected b", ["rash"]]}"#);
        assert!(secret.starts_with("ids[1]: expected"), "{secret}");
        assert!(!secret.contains("rash"), "{secret}");
    }

    #[test]
    fn an_unknown_variant_is_not_repeated() {
        let error = parse::<ConversationCreate>(br#"{"kind":"has a rash"}"#).expect_err("unknown");
        assert!(
            error.message.starts_with("kind: expected one of"),
            "{error}"
        );
        assert!(!error.message.contains("rash"), "{error}");
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let read =
            |json: &str| parse::<Numbers>(json.as_bytes()).map(|read| (read.up_to, read.any));
        assert_eq!(
            read(r#"{"up_to":7.0,"any":[1.5,2.0]}"#),
            Ok((7, serde_json::json!([1.5, 2])))
        );
        assert_eq!(
            read(r#"{"up_to":7,"any":2.0}"#),
            Ok((7, serde_json::json!(2.0)))
        );
        for bad in ["7.5", "1e300", "-1.0", "\"7\""] {
            let error = read(&format!(r#"{{"up_to":{bad},"any":0}}"#)).expect_err(bad);
            assert!(error.message.starts_with("up_to: "), "{error}");
        }
    }

    #[derive(Debug, Deserialize)]
    struct Numbers {
        up_to: u64,
        any: Value,
    }

    #[test]
    fn a_list_is_no_body() {
        let error = parse::<Sample>(br#" ["text", []]"#).expect_err("is none");
        assert_eq!(error.message, "the body must be a JSON object");
    }

    #[test]
    fn broken_json_is_told_by_its_place() {
        assert_eq!(
            message("{\"text\":\n  oh}"),
            "the body is not JSON: line 2, column 3"
        );
        assert_eq!(
            message(r#"{"text":"a","ids":[]} {}"#),
            "the body goes on after its JSON"
        );
    }
}
