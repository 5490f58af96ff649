//! Requests for an upgrade that are answered with plain HTTP.

use actix_http::StatusCode;
use serde::Serialize;
use std::{pin::pin, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

/// How long a refused client may take to read why.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Why, for developers. Nothing that the client sent.
    pub message: String,
    /// What stands for it in Engine.IO.
    code: Option<u8>,
    headers: &'static str,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    message: &'a str,
}

impl Refusal {
    /// A refusal with this status.
    #[must_use]
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            code: None,
            headers: "",
        }
    }

    /// No credential that can be trusted.
    #[must_use]
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, message).with("WWW-Authenticate: Bearer")
    }

    /// With further header lines.
    #[must_use]
    pub(crate) fn with(mut self, headers: &'static str) -> Self {
        self.headers = headers;
        self
    }

    /// With a code instead of `success`, as clients of Engine.IO expect.
    #[must_use]
    pub(crate) fn with_code(mut self, code: u8) -> Self {
        self.code = Some(code);
        self
    }

    /// The whole answer.
    #[must_use]
    pub fn response(&self) -> Vec<u8> {
        let reason = StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default();
        let body = serde_json::to_vec(&Body {
            success: self.code.is_none().then_some(false),
            code: self.code,
            message: &self.message,
        })
        .expect("writes, because it is a flag, a number and a string");
        let more = if self.headers.is_empty() { "" } else { "\r\n" };
        let head = format!(
            "HTTP/1.1 {} {reason}\r\n\
             Content-Type: application/json\r\n\
             Content-Length: {}\r\n\
             Cache-Control: no-store\r\n\
             Connection: close{more}{}\r\n\r\n",
            self.status,
            body.len(),
            self.headers,
        );
        [head.as_bytes(), &body].concat()
    }
}

/// Writes `answer` and ends the connection so that the client can read it: closing with unread
/// bytes in the way would reset the connection and lose the answer.
pub(crate) async fn answer<S: AsyncRead + AsyncWrite>(stream: S, answer: &[u8]) {
    let mut stream = pin!(stream);
    let goodbye = async {
        stream.write_all(answer).await?;
        stream.shutdown().await?;
        let mut rest = [0; 512];
        while stream.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Whether it was read or not, there is nothing left to do for this client.
    let _ = timeout(TIMEOUT, goodbye).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_goes_on_talking_can_still_read_the_answer() {
        let (mut client, server) = duplex(64);
        let refused = tokio::spawn(async move { answer(server, b"no").await });
        let talk = async {
            client.write_all(&[b'x'; 10_000]).await?;
            client.shutdown().await?;
            let mut read = Vec::new();
            client.read_to_end(&mut read).await?;
            std::io::Result::Ok(read)
        };
        assert_eq!(talk.await.expect("nothing was reset"), b"no");
        refused.await.expect("ends with the client");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_goes_is_left() {
        let (_client, server) = duplex(64);
        answer(server, b"no").await;
    }
}
