//! A Socket.IO client on a WebSocket, as far as a load needs one.

use crate::{
    Outcome, fault,
    ws::{self, Dial, Incoming, Reader, Writer},
};

const PATH: &str = "/socket.io/?EIO=4&transport=websocket";
const PONG: &[u8] = b"3";

/// What came, in one pass: most of it is only counted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// An event, from its name on: `message-received",{...}]`.
    Event(&'a [u8]),
    /// The answer to an event of ours, from its number on: `7[{"ok":true}]`.
    Ack(&'a [u8]),
    /// The answer to CONNECT.
    Connected,
    /// The refusal of CONNECT, or the end of the namespace.
    Refused(&'a [u8]),
    /// The heartbeat, which has to be answered.
    Ping,
    /// Anything else.
    Other,
}

/// Reads one packet of Engine.IO with one of Socket.IO in it, in the namespace `/`.
pub(super) fn packet(bytes: &[u8]) -> Packet<'_> {
    match bytes {
        [b'4', b'2', b'[', b'"', event @ ..] => Packet::Event(event),
        [b'4', b'3', ack @ ..] => Packet::Ack(ack),
        [b'2'] => Packet::Ping,
        [b'4', b'0', ..] => Packet::Connected,
        [b'4', b'4' | b'1', why @ ..] => Packet::Refused(why),
        _ => Packet::Other,
    }
}

/// Connects to the namespace `/` in the name of `token`.
pub(super) async fn open(dial: &Dial, token: &str) -> Outcome<(Reader, Writer)> {
    let (mut reader, writer) = ws::upgrade(dial, PATH, "").await?;
    match reader.next().await {
        Incoming::Message([b'0', ..]) => {}
        _ => return fault("a session does not begin with its handshake"),
    }
    writer.send(format!(r#"40{{"token":"{token}"}}"#).as_bytes());
    loop {
        match reader.next().await {
            Incoming::Message(bytes) => match packet(bytes) {
                Packet::Connected => break,
                Packet::Ping => writer.send(PONG),
                Packet::Refused(why) => {
                    let why = String::from_utf8_lossy(why);
                    return fault(format!("the server did not let a client in: {why}"));
                }
                _ => {}
            },
            Incoming::Closed(code) => {
                return fault(format!("the server closed a new socket with {code}"));
            }
        }
    }
    Ok((reader, writer))
}

/// Answers a heartbeat.
pub(super) fn pong(writer: &Writer) {
    writer.send(PONG);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_told_apart() {
        let event = br#"42["new_message",{"message":{}}]"#;
        assert_eq!(packet(event), Packet::Event(&event[4..]));
        assert_eq!(
            packet(br#"437[{"ok":true}]"#),
            Packet::Ack(br#"7[{"ok":true}]"#)
        );
        assert_eq!(packet(b"2"), Packet::Ping);
        assert_eq!(packet(br#"40{"sid":"x"}"#), Packet::Connected);
        assert_eq!(packet(b"44{}"), Packet::Refused(b"{}"));
        assert_eq!(packet(b"41"), Packet::Refused(b""));
        assert_eq!(packet(b"6"), Packet::Other);
        assert_eq!(packet(b""), Packet::Other);
    }
}
