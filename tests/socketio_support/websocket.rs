//! A client of RFC 6455: what a browser's `WebSocket` does, and nothing more.

use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
};

use super::{
    http::{Connection, Response},
    soon,
};

/// A socket that is open.
pub(crate) struct WebSocket {
    /// What it reads from.
    pub(crate) reader: Reader,
    /// What it writes to.
    pub(crate) writer: Writer,
}

/// Its one half.
pub(crate) struct Reader(BufReader<OwnedReadHalf>);

/// Its other half.
pub(crate) struct Writer(OwnedWriteHalf);

/// What comes from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// The end, with the code of its close frame.
    Closed(Option<u16>),
}

impl Incoming {
    /// A text message.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

impl WebSocket {
    /// A socket, or what it was refused with.
    pub(crate) async fn try_open(to: SocketAddr, target: &str) -> Result<Self, Response> {
        let mut connection = Connection::open(to).await;
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        connection.send_raw(request.as_bytes()).await;
        let answer = connection.answer().await.expect("an answer");
        if answer.status != 101 {
            return Err(answer);
        }
        let accept = answer.header("sec-websocket-accept");
        assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        Ok(Self {
            reader: Reader(connection.reader),
            writer: Writer(connection.writer),
        })
    }

    /// A socket.
    pub(crate) async fn open(to: SocketAddr, target: &str) -> Self {
        match Self::try_open(to, target).await {
            Ok(socket) => socket,
            Err(answer) => panic!("{target} was refused: {answer:?}"),
        }
    }

    /// Sends a text message.
    pub(crate) async fn say(&mut self, text: &str) {
        self.writer.say(text).await;
    }

    /// Sends a binary message.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.writer.send(bytes).await;
    }

    /// What comes next. Answers what has to be answered.
    pub(crate) async fn next(&mut self) -> Incoming {
        loop {
            match soon("something on a WebSocket", self.reader.next()).await {
                Received::Message(message) => {
                    if let Incoming::Closed(_) = message {
                        self.writer.frame(CLOSE, b"").await;
                    }
                    return message;
                }
                Received::Ping(payload) => self.writer.frame(PONG, &payload).await,
            }
        }
    }

    /// What comes next that is no ping of Engine.IO; these are answered.
    pub(crate) async fn next_past_pings(&mut self) -> Incoming {
        let next = async {
            loop {
                match self.next().await {
                    Incoming::Text(ping) if ping == "2" => self.say("3").await,
                    other => return other,
                }
            }
        };
        soon("something but pings on a WebSocket", next).await
    }

    /// What came before the end, and the end's code.
    pub(crate) async fn until_closed(&mut self) -> (Vec<Incoming>, Option<u16>) {
        let mut before = Vec::new();
        let end = async {
            loop {
                match self.next().await {
                    Incoming::Closed(code) => return code,
                    message => before.push(message),
                }
            }
        };
        let code = soon("the end of a WebSocket", end).await;
        (before, code)
    }
}

/// What a reader finds.
pub(crate) enum Received {
    /// A message, or the end.
    Message(Incoming),
    /// A ping of RFC 6455, which is to be answered.
    Ping(Vec<u8>),
}

impl Reader {
    /// What comes next.
    pub(crate) async fn next(&mut self) -> Received {
        loop {
            let Some((opcode, payload)) = self.frame().await else {
                return Received::Message(Incoming::Closed(None));
            };
            let message = match opcode {
                TEXT => {
                    Incoming::Text(String::from_utf8(payload).expect("UTF-8, because it is text"))
                }
                BINARY => Incoming::Binary(payload),
                CLOSE => {
                    let code = payload.first_chunk();
                    Incoming::Closed(code.map(|code| u16::from_be_bytes(*code)))
                }
                PING => return Received::Ping(payload),
                PONG => continue,
                _ => panic!("a frame of no kind: {opcode}"),
            };
            return Received::Message(message);
        }
    }

    /// A frame; none when the connection has ended.
    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.0.read_u8().await.ok()?;
        let second = self.0.read_u8().await.ok()?;
        assert_eq!(first & 0xf0, FINAL, "a whole message, without extensions");
        assert_eq!(second & MASKED, 0, "a server's frame is not masked");
        let length = match second {
            126 => usize::from(self.0.read_u16().await.ok()?),
            127 => usize::try_from(self.0.read_u64().await.ok()?).expect("fits in memory"),
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((first & 0x0f, payload))
    }
}

impl Writer {
    /// Sends a text message.
    pub(crate) async fn say(&mut self, text: &str) {
        self.frame(TEXT, text.as_bytes()).await;
    }

    /// Sends a binary message.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.frame(BINARY, bytes).await;
    }

    /// Answers a ping of RFC 6455.
    pub(crate) async fn pong(&mut self, payload: &[u8]) {
        self.frame(PONG, payload).await;
    }

    /// Starts to close.
    pub(crate) async fn close(&mut self) {
        self.frame(CLOSE, &1000_u16.to_be_bytes()).await;
    }

    async fn frame(&mut self, opcode: u8, payload: &[u8]) {
        const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
        let mut frame = vec![FINAL | opcode];
        match payload.len() {
            length @ 0..126 => frame.push(MASKED | length as u8),
            length @ 126..0x1_0000 => {
                frame.push(MASKED | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(MASKED | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(KEY);
        let masked = payload.iter().zip(KEY.iter().cycle());
        frame.extend(masked.map(|(byte, key)| byte ^ key));
        // A server that has closed already does not read any more: what it sent last will tell.
        let _ = soon("the server to read", self.0.write_all(&frame)).await;
    }
}
