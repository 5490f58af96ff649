//! Long polling carries many packets at once, with a separator between them and bytes in base64.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::{Buf as _, Bytes};
use engineioxide_core::{Packet, ProtocolVersion, Str};
use std::collections::VecDeque;

use crate::ws::frame::{Opcode, framed};

/// Between two packets.
const SEPARATOR: u8 = 0x1e;

/// A packet that cannot be understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Understands one packet of text.
pub(super) fn parse(packet: Str) -> Result<Packet, Malformed> {
    Packet::parse(ProtocolVersion::V4, packet).map_err(|_| Malformed)
}

/// A packet as WebSocket frame.
pub(super) fn text_frame(packet: &str) -> Bytes {
    framed(Opcode::Text, packet.as_bytes()).into()
}

/// The packets of one body, taken one by one.
#[derive(Debug)]
pub(super) struct Packets(Option<Str>);

impl Packets {
    pub(super) fn of(body: String) -> Self {
        Self(Some(body.into()))
    }

    pub(super) fn is_done(&self) -> bool {
        self.0.is_none()
    }
}

impl Iterator for Packets {
    type Item = Result<Packet, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.take()?;
        let end = rest.as_bytes().iter().position(|b| *b == SEPARATOR);
        let packet = match end {
            Some(end) => {
                self.0 = Some(rest.slice(end + 1..));
                rest.slice(..end)
            }
            None => rest,
        };
        Some(parse(packet))
    }
}

/// Takes the frames that fit in `bytes_max` off the queue, and at least one, as one body.
pub(super) fn take(queue: &mut VecDeque<Bytes>, bytes_max: usize) -> Bytes {
    let Some(first) = queue.pop_front() else {
        return Bytes::new();
    };
    let first = packet(&first);
    let fits = |length: usize, next: &Bytes| length + 1 + packet_length(next) <= bytes_max;
    if !queue.front().is_some_and(|next| fits(first.len(), next)) {
        return first;
    }
    let mut body = first.to_vec();
    while let Some(next) = queue.pop_front_if(|next| fits(body.len(), next)) {
        body.push(SEPARATOR);
        body.extend_from_slice(&packet(&next));
    }
    body.into()
}

/// A WebSocket frame of ours as packet of long polling; text shares the frame's bytes.
fn packet(frame: &Bytes) -> Bytes {
    let payload = frame.slice(header_length(frame)..);
    if is_text(frame) {
        return payload;
    }
    let mut packet = String::with_capacity(1 + base64_length(payload.len()));
    packet.push('b');
    BASE64_STANDARD.encode_string(payload, &mut packet);
    packet.into()
}

fn packet_length(frame: &Bytes) -> usize {
    let payload = frame.len() - header_length(frame);
    if is_text(frame) {
        payload
    } else {
        1 + base64_length(payload)
    }
}

fn is_text(frame: &Bytes) -> bool {
    frame
        .first()
        .is_some_and(|first| first & 0x0f == Opcode::Text as u8)
}

/// What stands before the payload of an unmasked frame.
fn header_length(mut frame: &[u8]) -> usize {
    if frame.len() < 2 {
        return frame.len();
    }
    frame.advance(1);
    match frame[0] {
        126 => 4,
        127 => 10,
        _ => 2,
    }
}

fn base64_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn packets(body: &str) -> Vec<Result<Packet, Malformed>> {
        Packets::of(body.to_owned()).collect()
    }

    #[test]
    fn a_body_is_cut_at_its_separators() {
        assert_eq!(
            packets("4hello\u{1e}bAQIDBA==\u{1e}3\u{1e}1"),
            [
                Ok(Packet::Message("hello".into())),
                Ok(Packet::Binary(Bytes::from_static(&[1, 2, 3, 4]))),
                Ok(Packet::Pong),
                Ok(Packet::Close),
            ]
        );
    }

    #[test]
    fn what_is_no_packet_is_malformed() {
        for body in ["", "abc", "0{}", "7", "b###", "é", "4a\u{1e}"] {
            assert!(packets(body).contains(&Err(Malformed)), "{body:?}");
        }
    }

    #[test]
    fn frames_become_packets() {
        for bytes in [1, 125, 126, 65_535, 65_536] {
            let text = "a".repeat(bytes);
            let mut queue = VecDeque::from([text_frame(&text)]);
            assert_eq!(take(&mut queue, 0), text);
        }
        let frame = framed(Opcode::Binary, &[1, 2, 3, 4]);
        assert_eq!(take(&mut VecDeque::from([frame.into()]), 9), "bAQIDBA==");
    }

    #[test]
    fn a_body_takes_what_fits_and_one_in_any_case() {
        let mut queue: VecDeque<_> = ["4aa", "4bb", "4cccc", "4d"].map(text_frame).into();
        assert_eq!(take(&mut queue, 8), "4aa\u{1e}4bb");
        assert_eq!(take(&mut queue, 2), "4cccc");
        assert_eq!(take(&mut queue, 2), "4d");
        assert_eq!(take(&mut queue, 2), "");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way(
            messages in vec((any::<bool>(), vec(any::<u8>(), 0..300)), 1..20),
            bytes_max in 0..2000_usize,
        ) {
            let mut queue = VecDeque::new();
            for (is_text, bytes) in &messages {
                let hex = bytes.iter().map(|b| format!("{b:x}")).collect::<String>();
                queue.push_back(if *is_text {
                    text_frame(&format!("4{hex}"))
                } else {
                    framed(Opcode::Binary, bytes).into()
                });
            }
            let mut arrived = Vec::new();
            while !queue.is_empty() {
                let body = take(&mut queue, bytes_max);
                let packets = packets(std::str::from_utf8(&body).expect("is text"));
                prop_assert!(body.len() <= bytes_max || packets.len() == 1);
                arrived.extend(packets);
            }
            let sent: Vec<_> = messages.iter().map(|(is_text, bytes)| Ok(if *is_text {
                let hex = bytes.iter().map(|b| format!("{b:x}")).collect::<String>();
                Packet::Message(hex.into())
            } else {
                Packet::Binary(bytes.clone().into())
            })).collect();
            prop_assert_eq!(arrived, sent);
        }

        #[test]
        fn any_body_is_understood_or_refused(body in any::<String>()) {
            packets(&body);
        }
    }
}
