//! A REST client of one kept-alive connection: JSON in, JSON out.

use serde_json::Value;
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{Outcome, fault};

/// One connection.
#[derive(Debug)]
pub struct Rest {
    server: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; null when there is none.
    pub body: Value,
}

impl Answer {
    /// The body of an answer that went well.
    ///
    /// # Errors
    /// When it did not.
    pub fn ok(self) -> Outcome<Value> {
        if (200..300).contains(&self.status) {
            Ok(self.body)
        } else {
            fault(format!("REST answered {}: {}", self.status, self.body))
        }
    }
}

impl Rest {
    /// Connects.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn connect(server: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            server,
            stream,
            buffer: Vec::new(),
        })
    }

    /// Asks.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn ask(
        &mut self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Outcome<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.server,
            body.len(),
        );
        self.stream.write_all(request.as_bytes()).await?;
        let head_end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            self.read().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let Some(status) = status else {
            return fault("the answer is not HTTP");
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let length: usize = match length {
            Some(length) => length,
            None if status == 204 => 0,
            None => return fault("the answer does not tell its length"),
        };
        while self.buffer.len() < head_end + length {
            self.read().await?;
        }
        let body = &self.buffer[head_end..head_end + length];
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        self.buffer.drain(..head_end + length);
        Ok(Answer { status, body })
    }

    async fn read(&mut self) -> Outcome<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return fault("the server hung up");
        }
        Ok(())
    }
}
