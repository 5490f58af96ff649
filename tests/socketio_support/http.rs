//! HTTP/1.1 requests, byte by byte.

use serde_json::Value;
use std::{net::SocketAddr, pin::pin};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::soon;

/// A connection, for one request after the other.
pub(crate) struct Connection {
    /// What it reads from.
    pub(crate) reader: BufReader<OwnedReadHalf>,
    /// What it writes to.
    pub(crate) writer: OwnedWriteHalf,
}

/// What a request is answered with.
#[derive(Debug)]
pub(crate) struct Response {
    /// Its status.
    pub(crate) status: u16,
    /// Its headers, their names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Connection {
    /// A new connection.
    pub(crate) async fn open(to: SocketAddr) -> Self {
        let stream = soon("a connection", TcpStream::connect(to)).await;
        let stream = stream.expect("it listens");
        stream.set_nodelay(true).expect("a live socket");
        let (reader, writer) = stream.into_split();
        Self {
            reader: BufReader::new(reader),
            writer,
        }
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        // A server that has refused the head need not read the rest; its answer will tell.
        let _ = soon("the server to read", self.writer.write_all(bytes)).await;
    }

    /// Sends a request, and does not wait for the answer.
    pub(crate) async fn send(&mut self, method: &str, target: &str, body: &[u8]) {
        self.send_raw(&request(method, target, body)).await;
    }

    /// The answer to the request that was sent; none when the connection ends instead.
    pub(crate) async fn answer(&mut self) -> Option<Response> {
        soon("an answer over HTTP", read_answer(&mut self.reader)).await
    }

    /// Sends bytes until there is an answer, which may be before the last of them.
    pub(crate) async fn ask_raw(&mut self, bytes: &[u8]) -> Response {
        let answer = soon("an answer over HTTP", async {
            let mut answer = pin!(read_answer(&mut self.reader));
            tokio::select! {
                answer = &mut answer => answer,
                _ = self.writer.write_all(bytes) => answer.await,
            }
        });
        answer.await.expect("an answer, and not the end")
    }

    /// Sends a request and waits for the answer.
    pub(crate) async fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Response {
        self.ask_raw(&request(method, target, body)).await
    }
}

fn request(method: &str, target: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\
         Content-Type: text/plain;charset=UTF-8\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

type Reader = BufReader<OwnedReadHalf>;

async fn read_answer(reader: &mut Reader) -> Option<Response> {
    let line = line(reader).await?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut headers = Vec::new();
    loop {
        let line = self::line(reader).await?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').expect("a header has a colon");
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut response = Response {
        status,
        headers,
        body: Vec::new(),
    };
    if status != 101 {
        read_body(reader, &mut response).await?;
    }
    Some(response)
}

async fn read_body(reader: &mut Reader, response: &mut Response) -> Option<()> {
    if response.header("transfer-encoding") == Some("chunked") {
        return read_chunks(reader, &mut response.body).await;
    }
    match response.header("content-length") {
        Some(length) => {
            let length = length.parse().expect("a length is a number");
            response.body = vec![0; length];
            reader.read_exact(&mut response.body).await.ok()?;
        }
        None => {
            reader.read_to_end(&mut response.body).await.ok()?;
        }
    }
    Some(())
}

async fn read_chunks(reader: &mut Reader, body: &mut Vec<u8>) -> Option<()> {
    loop {
        let length = usize::from_str_radix(&line(reader).await?, 16).expect("a length");
        let start = body.len();
        body.resize(start + length, 0);
        reader.read_exact(&mut body[start..]).await.ok()?;
        line(reader).await?;
        if length == 0 {
            return Some(());
        }
    }
}

async fn line(reader: &mut Reader) -> Option<String> {
    let mut line = String::new();
    let read = reader.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

impl Response {
    /// A header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(key, _)| key == name);
        header.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("is UTF-8, because Engine.IO's payloads are")
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// The body as a payload: its packets.
    pub(crate) fn packets(&self) -> Vec<&str> {
        assert_eq!(self.status, 200, "{self:?}");
        self.text().split('\x1e').collect()
    }
}

/// A request on a connection of its own.
pub(crate) async fn ask(to: SocketAddr, method: &str, target: &str, body: &[u8]) -> Response {
    Connection::open(to).await.ask(method, target, body).await
}

/// A GET on a connection of its own.
pub(crate) async fn get(to: SocketAddr, target: &str) -> Response {
    ask(to, "GET", target, b"").await
}

/// A POST on a connection of its own.
pub(crate) async fn post(to: SocketAddr, target: &str, body: &str) -> Response {
    ask(to, "POST", target, body.as_bytes()).await
}
