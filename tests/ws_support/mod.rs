//! What the tests of the WebSocket edge share: a client that writes frames by hand.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod node;

use bedside::ws::frame::{Opcode, framed};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A frame of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The first byte: FIN and the opcode.
    pub(crate) first: u8,
    /// What it holds.
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The payload as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("is UTF-8, because the server sent it as text")
    }

    /// The code of a close frame; none when it has none.
    pub(crate) fn close_code(&self) -> Option<u16> {
        assert_eq!(self.first, 0x88, "not a close frame: {self:?}");
        self.payload
            .first_chunk()
            .map(|code| u16::from_be_bytes(*code))
    }

    /// The reason of a close frame.
    pub(crate) fn close_reason(&self) -> &str {
        std::str::from_utf8(&self.payload[2..]).expect("is UTF-8, because the server sent it")
    }

    /// The payload as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.first, 0x81, "not a text frame: {self:?}");
        serde_json::from_slice(&self.payload).expect("is JSON, because the server sent it")
    }
}

/// A client's frame.
pub(crate) fn masked(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = framed(opcode, payload);
    let payload_at = frame.len() - payload.len();
    let key = [0x37, 0xfa, 0x21, 0x3d];
    frame[1] |= 0x80;
    for (byte, key) in frame[payload_at..].iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
    frame.splice(payload_at..payload_at, key);
    frame
}

/// A client on any stream.
pub(crate) struct Client<S> {
    /// Its end.
    pub(crate) stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// A client on this stream.
    pub(crate) fn new(stream: S) -> Self {
        Self { stream }
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream
            .write_all(bytes)
            .await
            .expect("the server reads");
    }

    /// Sends a frame.
    pub(crate) async fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        self.send_raw(&masked(opcode, payload)).await;
    }

    /// Sends a text frame.
    pub(crate) async fn say(&mut self, text: &str) {
        self.send(Opcode::Text, text.as_bytes()).await;
    }

    /// The next frame; none when the server has ended the connection between two frames.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 2];
        if self.stream.read(&mut head[..1]).await.ok()? == 0 {
            return None;
        }
        self.read(&mut head[1..]).await;
        assert_eq!(head[1] & 0x80, 0, "a server's frame is not masked");
        let len = match head[1] {
            126 => {
                let mut len = [0; 2];
                self.read(&mut len).await;
                usize::from(u16::from_be_bytes(len))
            }
            127 => {
                let mut len = [0; 8];
                self.read(&mut len).await;
                usize::try_from(u64::from_be_bytes(len)).expect("fits in memory")
            }
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        self.read(&mut payload).await;
        Some(Frame {
            first: head[0],
            payload,
        })
    }

    async fn read(&mut self, into: &mut [u8]) {
        self.stream
            .read_exact(into)
            .await
            .expect("a frame that was begun is finished");
    }

    /// The next frame, which there is.
    pub(crate) async fn expect(&mut self) -> Frame {
        self.frame().await.expect("a frame, and not the end")
    }

    /// The head of an HTTP response.
    pub(crate) async fn response_head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = self.stream.read_u8().await.expect("a whole head");
            head.push(byte);
        }
        String::from_utf8(head).expect("is ASCII")
    }

    /// All that comes until the end.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset counts as an end as well.
        let _ = self.stream.read_to_end(&mut rest).await;
        rest
    }
}
