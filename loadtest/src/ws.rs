//! A WebSocket client that costs little: one system call to send and one to read many frames.
//!
//! It trusts the server: it is here to load it, while the frame tests of the server judge how it
//! speaks. Messages are single frames both ways, as the server sends them.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bedside_protocol::WireFormat;
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpSocket,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::{Outcome, fault};

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// The answer to the handshake, bytes.
const HEAD_BYTES_MAX: usize = 4096;

/// How to reach the server.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Where it listens.
    pub server: SocketAddr,
    /// Where to call from; more than 28,000 sockets need more than one address.
    pub from: Option<IpAddr>,
    /// A small one makes a client that stops reading felt sooner.
    pub receive_buffer_bytes: Option<u32>,
    /// What to speak.
    pub format: WireFormat,
}

impl Dial {
    /// JSON, and nothing special.
    #[must_use]
    pub const fn new(server: SocketAddr) -> Self {
        Self {
            server,
            from: None,
            receive_buffer_bytes: None,
            format: WireFormat::Json,
        }
    }
}

/// What a server said.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A frame of the protocol.
    Message(&'a [u8]),
    /// The end, with its code; 1006 when the connection just ended.
    Closed(u16),
}

/// The reading side.
#[derive(Debug)]
pub struct Reader {
    stream: OwnedReadHalf,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    pongs: Writer,
}

/// The writing side. Clones write to the same socket.
#[derive(Clone, Debug)]
pub struct Writer {
    stream: Arc<OwnedWriteHalf>,
    /// What the socket did not take yet; while it is not empty somebody is writing it.
    waiting: Arc<Mutex<Vec<u8>>>,
    opcode: u8,
}

/// Opens a socket of the native protocol in the name of `token`.
///
/// # Errors
/// When the server cannot be reached or does not answer with 101.
pub async fn open(dial: &Dial, token: &str) -> Outcome<(Reader, Writer)> {
    let subprotocol = dial.format.subprotocol();
    let headers =
        format!("Sec-WebSocket-Protocol: {subprotocol}\r\nAuthorization: Bearer {token}\r\n");
    upgrade(dial, "/ws", &headers).await
}

/// Opens a socket at `path`; `headers` are more lines of the request, each with its end.
///
/// # Errors
/// When the server cannot be reached or does not answer with 101.
pub async fn upgrade(dial: &Dial, path: &str, headers: &str) -> Outcome<(Reader, Writer)> {
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = dial.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(from) = dial.from {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let mut stream = socket.connect(dial.server).await?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n{headers}\r\n",
        dial.server,
        BASE64_STANDARD.encode([7_u8; 16]),
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    let end = loop {
        if stream.read_buf(&mut head).await? == 0 {
            return fault("the server hung up during the handshake");
        }
        if let Some(at) = head.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if head.len() > HEAD_BYTES_MAX {
            return fault("the answer to the handshake has no end");
        }
    };
    if !head.starts_with(b"HTTP/1.1 101") {
        let line = head.split(|b| *b == b'\r').next().unwrap_or_default();
        return fault(format!(
            "the handshake was answered with {}",
            String::from_utf8_lossy(line)
        ));
    }
    let (reading, writing) = stream.into_split();
    let writer = Writer {
        stream: Arc::new(writing),
        waiting: Arc::default(),
        opcode: match dial.format {
            WireFormat::Json => TEXT,
            WireFormat::MsgPack => BINARY,
        },
    };
    head.drain(..end);
    let reader = Reader {
        stream: reading,
        start: 0,
        end: head.len(),
        buffer: head,
        pongs: writer.clone(),
    };
    Ok((reader, writer))
}

impl Writer {
    /// Sends a message. What the socket does not take at once is written later; that it is gone
    /// is for the reader to find.
    pub fn send(&self, payload: &[u8]) {
        self.frame(self.opcode, payload);
    }

    /// Says goodbye.
    pub fn close(&self) {
        self.frame(CLOSE, &1000_u16.to_be_bytes());
    }

    fn frame(&self, opcode: u8, payload: &[u8]) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let someone_writes = !waiting.is_empty();
        push_frame(&mut waiting, opcode, payload);
        if someone_writes {
            return;
        }
        match self.stream.try_write(&waiting) {
            Ok(written) if written == waiting.len() => waiting.clear(),
            Ok(written) => {
                waiting.drain(..written);
                tokio::spawn(self.clone().write_rest());
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                tokio::spawn(self.clone().write_rest());
            }
            Err(_) => waiting.clear(),
        }
    }

    async fn write_rest(self) {
        while self.stream.writable().await.is_ok() {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            match self.stream.try_write(&waiting) {
                Ok(written) => {
                    waiting.drain(..written);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => waiting.clear(),
            }
            if waiting.is_empty() {
                // An idle socket keeps no room for a burst long past.
                *waiting = Vec::new();
                return;
            }
        }
    }
}

impl Reader {
    /// The next message. Pings are answered on the way.
    pub async fn next(&mut self) -> Incoming<'_> {
        let (start, end) = loop {
            let Some((opcode, start, end)) = self.whole_frame() else {
                if self.fill().await.is_err() {
                    return Incoming::Closed(1006);
                }
                continue;
            };
            self.start = end;
            match opcode {
                TEXT | BINARY => break (start, end),
                PING => self.pongs.frame(PONG, &self.buffer[start..end]),
                CLOSE => {
                    let code = match self.buffer[start..end] {
                        [high, low, ..] => u16::from_be_bytes([high, low]),
                        _ => 1005,
                    };
                    self.pongs.frame(CLOSE, &code.to_be_bytes());
                    return Incoming::Closed(code);
                }
                _ => {}
            }
        };
        Incoming::Message(&self.buffer[start..end])
    }

    /// Opcode, and where the payload of the next frame is, when all of it is there.
    fn whole_frame(&self) -> Option<(u8, usize, usize)> {
        let bytes = &self.buffer[self.start..self.end];
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let (head, len) = match second & 0x7F {
            126 => (
                4,
                u64::from(u16::from_be_bytes(*bytes.get(2..4)?.as_array()?)),
            ),
            127 => (10, u64::from_be_bytes(*bytes.get(2..10)?.as_array()?)),
            short => (2, u64::from(short)),
        };
        let end = usize::try_from(len).ok()?.checked_add(head)?;
        (end <= bytes.len()).then_some((first & 0x0F, self.start + head, self.start + end))
    }

    async fn fill(&mut self) -> Outcome<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == 0 && self.buffer.len() > 64 * 1024 {
            self.buffer = Vec::new();
        }
        if self.buffer.len() < self.end + 2048 {
            self.buffer.resize((self.end * 2).max(4096), 0);
        }
        let read = self.stream.read(&mut self.buffer[self.end..]).await?;
        if read == 0 {
            return fault("the server hung up");
        }
        self.end += read;
        Ok(())
    }
}

/// One masked frame, as clients have to send them.
fn push_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    /// Any one will do: what a mask keeps out is proxies, and there are none here.
    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    out.reserve(payload.len() + 14);
    out.push(0x80 | opcode);
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    let mut quads = payload.chunks_exact(4);
    for quad in &mut quads {
        let masked: [u8; 4] = std::array::from_fn(|i| quad[i] ^ MASK[i]);
        out.extend_from_slice(&masked);
    }
    let rest = quads.remainder().iter().zip(MASK);
    out.extend(rest.map(|(byte, mask)| byte ^ mask));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_each_length_is_masked_and_has_its_head() {
        for (len, head) in [
            (0, 6),
            (5, 6),
            (125, 6),
            (126, 8),
            (65_535, 8),
            (65_536, 14),
        ] {
            let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut out = Vec::new();
            push_frame(&mut out, TEXT, &payload);
            assert_eq!(out.len(), len + head);
            assert_eq!(out[0], 0x81);
            let mask: Vec<u8> = out[head - 4..head].to_vec();
            let plain: Vec<u8> = out[head..]
                .iter()
                .zip(mask.iter().cycle())
                .map(|(b, m)| b ^ m)
                .collect();
            assert_eq!(plain, payload);
        }
    }
}
