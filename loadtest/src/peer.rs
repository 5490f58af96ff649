//! A client that is convenient rather than cheap: asks and waits, and keeps what came meanwhile.

use bedside_protocol::{
    ClientMsgId, Command, CommandError, ConversationId, Event, EventFrame, MessageSend,
    ServerFrame, WireFormat,
    codec::{decode_server_frame, encode_command},
    command::MessageHistory,
    event::SessionWelcome,
    reply::History,
};
use serde::de::DeserializeOwned;
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

use crate::{
    Outcome, fault,
    ws::{self, Dial, Incoming, Reader, Writer},
};

/// Longer than anything takes that goes well.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came.
#[derive(Debug)]
pub enum Got {
    /// An answer; it is kept under this number.
    Answer(u64),
    /// An event.
    Event(Box<EventFrame>),
    /// The end, with its code.
    Closed(u16),
}

/// A signed-in socket.
#[derive(Debug)]
pub struct Peer {
    reader: Reader,
    writer: Writer,
    format: WireFormat,
    next_id: u64,
    answers: HashMap<u64, Result<serde_json::Value, CommandError>>,
    /// Events that came while something else was awaited.
    pub events: VecDeque<(Instant, EventFrame)>,
    /// The first frame.
    pub welcome: SessionWelcome,
    /// When it came.
    pub welcomed_at: Instant,
}

impl Peer {
    /// Connects and waits for the welcome.
    ///
    /// # Errors
    /// When there is none.
    pub async fn open(dial: &Dial, token: &str) -> Outcome<Self> {
        let opened = tokio::time::timeout(PATIENCE, ws::open(dial, token)).await?;
        let (mut reader, writer) = opened?;
        let first = match tokio::time::timeout(PATIENCE, reader.next()).await? {
            Incoming::Message(bytes) => decode_server_frame(dial.format, bytes)?,
            Incoming::Closed(code) => return fault(format!("closed with {code} before welcome")),
        };
        let ServerFrame::Event(EventFrame {
            event: Event::SessionWelcome(welcome),
            ..
        }) = first
        else {
            return fault("the first frame is no welcome");
        };
        Ok(Self {
            reader,
            writer,
            format: dial.format,
            next_id: 0,
            answers: HashMap::new(),
            events: VecDeque::new(),
            welcome,
            welcomed_at: Instant::now(),
        })
    }

    /// Sends a command; the number of its answer.
    pub fn post(&mut self, command: &Command) -> u64 {
        self.next_id += 1;
        let frame = encode_command(self.format, Some(self.next_id), command);
        self.writer.send(&frame);
        self.next_id
    }

    /// Reads one frame.
    ///
    /// # Errors
    /// When it is none of the protocol.
    pub async fn read(&mut self) -> Outcome<Got> {
        let frame = match self.reader.next().await {
            Incoming::Closed(code) => return Ok(Got::Closed(code)),
            Incoming::Message(bytes) => decode_server_frame(self.format, bytes)?,
        };
        Ok(match frame {
            ServerFrame::Event(event) => Got::Event(Box::new(event)),
            ServerFrame::Reply { reply_to, data } => {
                self.answers.insert(reply_to, Ok(data));
                Got::Answer(reply_to)
            }
            ServerFrame::Error { reply_to, error } => {
                let id =
                    reply_to.ok_or_else(|| format!("an error that answers nothing: {error}"))?;
                self.answers.insert(id, Err(error));
                Got::Answer(id)
            }
        })
    }

    /// Takes an answer that came.
    pub fn take_answer(&mut self, id: u64) -> Option<Result<serde_json::Value, CommandError>> {
        self.answers.remove(&id)
    }

    /// Waits for an answer; events that come meanwhile are kept.
    ///
    /// # Errors
    /// When the socket ends or nothing comes.
    pub async fn answer(&mut self, id: u64) -> Outcome<Result<serde_json::Value, CommandError>> {
        loop {
            if let Some(answer) = self.take_answer(id) {
                return Ok(answer);
            }
            match tokio::time::timeout(PATIENCE, self.read()).await?? {
                Got::Answer(_) => {}
                Got::Event(event) => self.events.push_back((Instant::now(), *event)),
                Got::Closed(code) => return fault(format!("closed with {code} while waiting")),
            }
        }
    }

    /// Asks until it is answered with something else than "try again later".
    ///
    /// # Errors
    /// When the socket ends, or when it is refused.
    pub async fn ask<T: DeserializeOwned>(&mut self, command: &Command) -> Outcome<T> {
        loop {
            let id = self.post(command);
            match self.answer(id).await? {
                Ok(data) => return Ok(serde_json::from_value(data)?),
                Err(error) if error.code.retryable() => {
                    tokio::time::sleep(Duration::from_millis(error.retry_after_ms.max(5))).await;
                }
                Err(error) => return fault(format!("{} was refused: {error}", command.name())),
            }
        }
    }

    /// The next page of a conversation's log.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn page(&mut self, id: ConversationId, after_seq: u64) -> Outcome<History> {
        self.ask(&history(id, after_seq)).await
    }

    /// Says goodbye. What is still to come is not read.
    pub fn close(self) {
        self.writer.close();
    }
}

/// A `message.history` of what comes after a seq.
#[must_use]
pub fn history(id: ConversationId, after_seq: u64) -> Command {
    Command::MessageHistory(MessageHistory {
        conversation_id: id,
        after_seq: Some(after_seq),
        before_seq: None,
        limit: Some(200),
    })
}

/// A `message.send` with a name of its own.
#[must_use]
pub fn say(to: ConversationId, client_msg_id: u64, text: String) -> Command {
    Command::MessageSend(MessageSend {
        conversation_id: Some(to),
        client_msg_id: Some(name_of(client_msg_id)),
        text,
        ..MessageSend::default()
    })
}

/// A `client_msg_id` of 16 bytes.
#[must_use]
pub fn name_of(number: u64) -> ClientMsgId {
    ClientMsgId::new(&format!("{number:016x}")).expect("16 hexadecimal digits are within bounds")
}

/// The number whose name this is.
#[must_use]
pub fn number_of(name: &str) -> Option<u64> {
    u64::from_str_radix(name, 16).ok()
}

/// The text that belongs to a name, so that a wrong body is seen.
#[must_use]
pub fn text_of(number: u64, bytes: usize) -> String {
    let mut text = format!("message {number:016x} ");
    let words = "the quick brown fox jumps over the lazy dog and on it goes ";
    while text.len() < bytes {
        text.push_str(&words[..words.len().min(bytes - text.len())]);
    }
    text.truncate(bytes);
    text
}
