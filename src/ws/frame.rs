//! WebSocket frames (RFC 6455, section 5) as a server sees them: masked frames in, unmasked
//! frames out.
//!
//! Pure: no sockets, no clock, no logging. The caller owns the bytes that came in, shows their
//! front to [`Parser::next`] and drops what was consumed. A message in one frame is unmasked
//! where it lies and lent from there; only a fragmented message is copied, into a buffer that
//! lives until that message is delivered.
//!
//! Strict: whatever the RFC lets a server fail the connection for is a [`Violation`], as early as
//! the bytes show it. No extension is negotiated, so the reserved bits must be 0. The outcome
//! depends on the bytes only, never on how they were cut into reads.
//!
//! ```
//! use bedside::ws::frame::{Message, Parsed, Parser};
//!
//! // A masked "Hello", from RFC 6455, section 5.7.
//! let mut input = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
//! let mut parser = Parser::new(8 * 1024);
//! assert_eq!(
//!     parser.next(&mut input),
//!     Ok(Parsed::Message { consumed: 11, message: Message::Text("Hello") }),
//! );
//! ```

use std::{error::Error, fmt};

/// The most payload that a control frame may have: RFC 6455, section 5.5.
const CONTROL_BYTES_MAX: usize = 125;

/// The least that is set aside for a fragmented message, so that a client that sends it in tiny
/// pieces does not cause a reallocation for each.
const ASSEMBLY_BYTES_MIN: usize = 256;

const RESERVED_BITS: &Violation = &Violation::protocol("reserved bits without an extension");
const RESERVED_OPCODE: &Violation = &Violation::protocol("reserved opcode");
const FRAGMENTED_CONTROL: &Violation = &Violation::protocol("fragmented control frame");
const NOTHING_TO_CONTINUE: &Violation = &Violation::protocol("continuation of nothing");
const NOT_A_CONTINUATION: &Violation =
    &Violation::protocol("new message within a fragmented message");
const NOT_MASKED: &Violation = &Violation::protocol("frame without a mask");
const LONG_CONTROL: &Violation = &Violation::protocol("control frame over 125 bytes");
const LENGTH_TOP_BIT: &Violation = &Violation::protocol("length with its top bit set");
const LENGTH_NOT_MINIMAL: &Violation = &Violation::protocol("length not in its shortest form");
const CLOSE_OF_ONE_BYTE: &Violation = &Violation::protocol("close frame with half a code");
const CLOSE_CODE: &Violation = &Violation::protocol("close code that may not be sent");
const NOT_UTF8: &Violation = &Violation {
    close_code: 1007,
    reason: "text is not UTF-8",
};
const TOO_BIG: &Violation = &Violation {
    close_code: 1009,
    reason: "message too big",
};

/// What a frame is: the opcodes of RFC 6455, section 5.2. The others (3 to 7, 11 to 15) are
/// reserved and a client that uses one is failed with 1002.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further piece of a fragmented message. Here for completeness: this server reads
    /// fragments and writes none.
    Continuation = 0x0,
    /// UTF-8 text.
    Text = 0x1,
    /// Any bytes.
    Binary = 0x2,
    /// The start or the answer of the closing handshake; its payload is empty or from
    /// [`close_payload`].
    Close = 0x8,
    /// To be answered by a pong with the same payload. At most 125 bytes.
    Ping = 0x9,
    /// The answer to a ping, or a heartbeat that wants no answer. At most 125 bytes.
    Pong = 0xa,
}

impl Opcode {
    const fn from_wire(nibble: u8) -> Option<Self> {
        Some(match nibble {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }

    const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// Why the connection has to be failed: RFC 6455, section 7.1.7. What the server sends for it is
/// `framed(Opcode::Close, &close_payload(v.close_code, v.reason))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Violation {
    /// One of three (RFC 6455, section 7.4.1): 1002 for broken framing, 1007 for text that is not
    /// UTF-8, 1009 for a message over its limit.
    pub close_code: u16,
    /// What was wrong, in a few words of ASCII that fit in a close frame and hold nothing of what
    /// the client sent.
    pub reason: &'static str,
}

impl Violation {
    const fn protocol(reason: &'static str) -> Self {
        Self {
            close_code: 1002,
            reason,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.close_code)
    }
}

impl Error for Violation {}

/// What [`Parser::next`] found at the front of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// Not a frame yet. The input was left as it was.
    Incomplete {
        /// Before this many bytes are there, counted from the start of the input, trying again
        /// is no use. Always more than there were. While the header is being read it is the end
        /// of the header's next part, so that an oversize length is seen before its payload is
        /// waited for; after that it is the end of the frame. At most 14 (2 bytes, an 8 byte
        /// length and the masking key) plus the message limit, or plus 125 if that is more: an
        /// input buffer of that size holds every frame.
        needed: usize,
    },
    /// A piece of a message was taken in that is not its last (RFC 6455, section 5.4). There is
    /// nothing to do but to drop what was consumed.
    Fragment {
        /// The size of the frame, never more than the input.
        consumed: usize,
    },
    /// A message is complete.
    Message {
        /// The size of the frame that completed it, never more than the input.
        consumed: usize,
        /// What it says.
        message: Message<'a>,
    },
}

/// A whole message, or a control frame; these may come between the fragments of a message
/// (RFC 6455, section 5.4). Lent by the input or by the parser. `Debug` shows the content: it is
/// for tests, not for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Checked to be UTF-8 (RFC 6455, section 8.1), at most the message limit, may be empty.
    Text(&'a str),
    /// At most the message limit, may be empty.
    Binary(&'a [u8]),
    /// At most 125 bytes. Has to be answered with the same bytes (section 5.5.2).
    Ping(&'a [u8]),
    /// At most 125 bytes. May come without a ping (section 5.5.3).
    Pong(&'a [u8]),
    /// The client wants to close, with `None` when it does not say why (section 5.5.1). Nothing
    /// that comes after it means anything; not to ask the parser about it is up to the caller.
    Close(Option<CloseFrame<'a>>),
}

/// Why a client closes: RFC 6455, section 5.5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// A code for which [`close_code_is_valid_on_wire`] holds, so that it may be echoed.
    pub code: u16,
    /// At most 123 bytes, often empty. Text by the client: not to be trusted, nor shown to users.
    pub reason: &'a str,
}

/// How far a message in fragments is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// There is none.
    None,
    /// One was delivered from the buffer, which the next call lets go.
    Delivered,
    /// A text message has begun.
    Text,
    /// A binary message has begun.
    Binary,
}

/// Reads the frames of one client, one [`next`](Self::next) at a time.
///
/// Small, because a server has one for each of its sockets: a few words, and nothing on the heap
/// except while a fragmented message is under way; even then no more than the message limit. After
/// a [`Violation`] there is no use in keeping it.
pub struct Parser {
    /// RFC 6455, section 7.1.7: after the connection was failed nothing more is processed.
    failed: Option<&'static Violation>,
    assembly: Assembly,
}

/// Apart from the parser so that a message can be lent from it while `failed` is written.
struct Assembly {
    bytes: Vec<u8>,
    bytes_max: usize,
    progress: Progress,
    /// How many bytes at the end of a text are the start of a character: 0 to 3.
    open: u8,
}

/// A frame's header, without its masking key.
#[derive(Clone, Copy)]
struct Header {
    fin: bool,
    opcode: Opcode,
    payload_at: usize,
    end: usize,
}

/// What the start of a frame shows.
enum Front {
    /// Too little; this many bytes show more.
    Needs(usize),
    /// How long the frame is, and that it is welcome.
    Header(Header),
}

impl Parser {
    /// A parser at the start of a connection's frames, right after the handshake.
    ///
    /// `message_bytes_max` bounds the payload of a text or binary message, whether in one frame
    /// or summed over its fragments (RFC 6455, section 10.4, asks for both); more is 1009.
    /// Control frames have their own bound, 125 bytes. The limit also bounds the memory that the
    /// parser holds.
    #[must_use]
    pub const fn new(message_bytes_max: usize) -> Self {
        Self {
            failed: None,
            assembly: Assembly {
                bytes: Vec::new(),
                bytes_max: message_bytes_max,
                progress: Progress::None,
                open: 0,
            },
        }
    }

    /// Changes the limit, for example because the client has said who it is. Holds from the next
    /// frame on, and for all of a message that is under way: if that is over a lowered limit
    /// already, its next fragment is 1009.
    pub const fn set_message_bytes_max(&mut self, n: usize) {
        self.assembly.bytes_max = n;
    }

    /// Looks at the front of `input` and takes at most one frame from it.
    ///
    /// Call it again with the rest after each [`Parsed::Fragment`] and [`Parsed::Message`] until
    /// it says [`Parsed::Incomplete`]; that last call also lets go of the buffer from which a
    /// fragmented message was lent. The input is unmasked in place (section 5.3), once per
    /// frame: bytes that were consumed must not be shown again, and bytes of an incomplete frame
    /// are as they were.
    ///
    /// # Errors
    ///
    /// When the client breaks RFC 6455 or the message limit, as soon as that can be seen: what is
    /// wrong with the first two bytes does not wait for a third, oversize does not wait for the
    /// masking key, and text that is wrong fails with its fragment. Every later call then returns
    /// the same violation, whatever it is shown. Complete messages before the wrong frame have
    /// all been returned by then.
    pub fn next<'a>(&'a mut self, input: &'a mut [u8]) -> Result<Parsed<'a>, Violation> {
        if let Some(violation) = self.failed {
            return Err(*violation);
        }
        self.assembly.next(input).map_err(|violation| {
            self.failed = Some(violation);
            *violation
        })
    }
}

/// Without the content of messages, which must not end up in a log.
impl fmt::Debug for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parser")
            .field("failed", &self.failed)
            .field("progress", &self.assembly.progress)
            .field("assembled_bytes", &self.assembly.bytes.len())
            .field("message_bytes_max", &self.assembly.bytes_max)
            .finish()
    }
}

impl Assembly {
    fn next<'a>(&'a mut self, input: &'a mut [u8]) -> Result<Parsed<'a>, &'static Violation> {
        if self.progress == Progress::Delivered {
            self.progress = Progress::None;
            self.bytes = Vec::new();
        }
        let header = match self.front(input)? {
            Front::Needs(needed) => return Ok(Parsed::Incomplete { needed }),
            Front::Header(header) => header,
        };
        let consumed = header.end;
        let Some((key, payload)) = header.split(input) else {
            return Ok(Parsed::Incomplete { needed: consumed });
        };
        unmask(payload, key);
        let payload = &*payload;

        let message = match header.opcode {
            Opcode::Ping => Message::Ping(payload),
            Opcode::Pong => Message::Pong(payload),
            Opcode::Close => Message::Close(close_frame(payload)?),
            Opcode::Text if header.fin => Message::Text(text(payload)?),
            Opcode::Binary if header.fin => Message::Binary(payload),
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                match header.opcode {
                    Opcode::Text => self.progress = Progress::Text,
                    Opcode::Binary => self.progress = Progress::Binary,
                    _ => {}
                }
                self.append(payload);
                let is_text = self.progress == Progress::Text;
                if !header.fin {
                    if is_text {
                        self.check_text(payload.len())?;
                    }
                    return Ok(Parsed::Fragment { consumed });
                }
                self.progress = Progress::Delivered;
                self.open = 0;
                if is_text {
                    Message::Text(text(&self.bytes)?)
                } else {
                    Message::Binary(&self.bytes)
                }
            }
        };
        Ok(Parsed::Message { consumed, message })
    }

    /// Judges what is there of a header, each part as soon as it is there, and in the order in
    /// which the bytes come: else the violation would depend on how they were cut into reads.
    fn front(&self, input: &[u8]) -> Result<Front, &'static Violation> {
        let Some((&first, rest)) = input.split_first() else {
            return Ok(Front::Needs(2));
        };
        if first & 0x70 != 0 {
            return Err(RESERVED_BITS);
        }
        let fin = first & 0x80 != 0;
        let opcode = Opcode::from_wire(first & 0x0f).ok_or(RESERVED_OPCODE)?;
        let under_way = matches!(self.progress, Progress::Text | Progress::Binary);
        match opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong if !fin => return Err(FRAGMENTED_CONTROL),
            Opcode::Continuation if !under_way => return Err(NOTHING_TO_CONTINUE),
            Opcode::Text | Opcode::Binary if under_way => return Err(NOT_A_CONTINUATION),
            _ => {}
        }

        let Some((&second, rest)) = rest.split_first() else {
            return Ok(Front::Needs(2));
        };
        if second & 0x80 == 0 {
            return Err(NOT_MASKED);
        }
        let short = second & 0x7f;
        if opcode.is_control() && usize::from(short) > CONTROL_BYTES_MAX {
            return Err(LONG_CONTROL);
        }

        let (payload_len, key_at) = match short {
            126 => {
                let Some(&bytes) = rest.first_chunk() else {
                    return Ok(Front::Needs(4));
                };
                let len = u16::from_be_bytes(bytes);
                if len < 126 {
                    return Err(LENGTH_NOT_MINIMAL);
                }
                (u64::from(len), 4)
            }
            127 => {
                let Some(&bytes) = rest.first_chunk() else {
                    return Ok(Front::Needs(10));
                };
                let len = u64::from_be_bytes(bytes);
                if len >> 63 != 0 {
                    return Err(LENGTH_TOP_BIT);
                }
                if len <= u64::from(u16::MAX) {
                    return Err(LENGTH_NOT_MINIMAL);
                }
                (len, 10)
            }
            len => (u64::from(len), 2),
        };

        let payload_len = usize::try_from(payload_len).map_err(|_| TOO_BIG)?;
        if !opcode.is_control() {
            let total = self.bytes.len().checked_add(payload_len).ok_or(TOO_BIG)?;
            if total > self.bytes_max {
                return Err(TOO_BIG);
            }
        }
        let payload_at = key_at + 4;
        Ok(Front::Header(Header {
            fin,
            opcode,
            payload_at,
            end: payload_at.checked_add(payload_len).ok_or(TOO_BIG)?,
        }))
    }

    /// Grows by doubling, but never past the limit, within which `front` has found the sum to be.
    fn append(&mut self, payload: &[u8]) {
        let (len, capacity) = (self.bytes.len(), self.bytes.capacity());
        let total = len + payload.len();
        if total > capacity {
            let room = total
                .max(capacity.saturating_mul(2))
                .max(ASSEMBLY_BYTES_MIN)
                .min(self.bytes_max);
            self.bytes.reserve_exact(room - len);
        }
        self.bytes.extend_from_slice(payload);
    }

    /// Checks the `added` bytes at the end of a text that goes on, together with the start of a
    /// character that the fragment before may have ended with. Each byte is looked at once, and
    /// those of such a start a second time.
    fn check_text(&mut self, added: usize) -> Result<(), &'static Violation> {
        let from = self.bytes.len() - added - usize::from(self.open);
        let unchecked = &self.bytes[from..];
        self.open = match str::from_utf8(unchecked) {
            Ok(_) => 0,
            Err(e) if e.error_len().is_some() => return Err(NOT_UTF8),
            // No length means that the text ends within a character: after 1 to 3 bytes of it.
            Err(e) => (unchecked.len() - e.valid_up_to()) as u8,
        };
        Ok(())
    }
}

impl Header {
    /// The masking key and the payload, once the frame is complete.
    fn split<'a>(&self, input: &'a mut [u8]) -> Option<([u8; 4], &'a mut [u8])> {
        let (head, payload) = input
            .get_mut(..self.end)?
            .split_at_mut_checked(self.payload_at)?;
        Some((*head.last_chunk()?, payload))
    }
}

/// RFC 6455, section 5.3. 8 bytes at a time, which the compiler turns into wider steps still;
/// 8 is twice the key's length, so the rest starts with the key's first byte again.
fn unmask(payload: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// RFC 6455, section 8.1.
fn text(payload: &[u8]) -> Result<&str, &'static Violation> {
    str::from_utf8(payload).map_err(|_| NOT_UTF8)
}

/// RFC 6455, section 5.5.1: nothing, or two bytes of code and then a reason.
fn close_frame(payload: &[u8]) -> Result<Option<CloseFrame<'_>>, &'static Violation> {
    match payload {
        [] => Ok(None),
        [_] => Err(CLOSE_OF_ONE_BYTE),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !close_code_is_valid_on_wire(code) {
                return Err(CLOSE_CODE);
            }
            let reason = text(reason)?;
            Ok(Some(CloseFrame { code, reason }))
        }
    }
}

/// Whether a close frame may carry this code.
///
/// RFC 6455, section 7.4, and what IANA has registered since (1012 to 1014): 1000 to 1003 and
/// 1007 to 1014, 3000 to 3999 for libraries, 4000 to 4999 for applications. Not 1005, 1006 and
/// 1015, which stand for the lack of a code on the wire, and not what is undefined or reserved:
/// below 1000, 1004, 1016 to 2999, 5000 and over.
#[must_use]
pub const fn close_code_is_valid_on_wire(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The payload of a close frame that gives a code and a reason: RFC 6455, section 5.5.1.
///
/// A reason over 123 bytes is cut, between two characters, so that the payload is at most
/// 125 bytes. `code` is written as it is; it should be one for which
/// [`close_code_is_valid_on_wire`] holds. To close without a code, send an empty payload.
#[must_use]
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    let code = code.to_be_bytes();
    let reason = &reason[..reason.floor_char_boundary(CONTROL_BYTES_MAX - code.len())];
    [&code, reason.as_bytes()].concat()
}

/// The start of a frame by the server, up to its payload: 2, 4 or 10 bytes, held inline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    bytes: [u8; 10],
    len: u8,
}

impl FrameHeader {
    /// The bytes to send before the payload.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The header of a server's frame (RFC 6455, section 5.2) that holds a whole message: FIN set, no
/// mask (section 5.1), the length in its shortest form. Apart from the payload, so that one
/// payload can go to many sockets without a copy.
///
/// `payload_len` is the length of something in memory, so at most `isize::MAX`, and for a control
/// frame at most 125 bytes.
///
/// # Panics
///
/// In debug builds only, when a control frame is given more than 125 bytes: no client
/// would take it.
#[must_use]
pub fn frame_header(opcode: Opcode, payload_len: usize) -> FrameHeader {
    debug_assert!(
        !opcode.is_control() || payload_len <= CONTROL_BYTES_MAX,
        "a control frame of {payload_len} bytes"
    );
    let mut bytes = [0; 10];
    bytes[0] = 0x80 | opcode as u8;
    let len = if payload_len < 126 {
        bytes[1] = payload_len as u8;
        2
    } else if let Ok(short) = u16::try_from(payload_len) {
        bytes[1] = 126;
        bytes[2..4].copy_from_slice(&short.to_be_bytes());
        4
    } else {
        bytes[1] = 127;
        bytes[2..10].copy_from_slice(&(payload_len as u64).to_be_bytes());
        10
    };
    FrameHeader { bytes, len }
}

/// A server's frame that holds a whole message; see [`frame_header`] for the bounds.
///
/// # Panics
///
/// As [`frame_header`].
#[must_use]
pub fn framed(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    [frame_header(opcode, payload.len()).as_slice(), payload].concat()
}

/// What cannot be seen from outside; the rest is in `tests/frames/`.
#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = framed(Opcode::Binary, payload);
        let payload_at = frame.len() - payload.len();
        frame[0] = first;
        frame[1] |= 0x80;
        frame.splice(payload_at..payload_at, [0; 4]);
        frame
    }

    #[test]
    fn an_idle_parser_is_small_and_holds_no_heap() {
        assert!(size_of::<Parser>() <= 64, "{}", size_of::<Parser>());
        let mut parser = Parser::new(1024);
        for frame in [masked(0x82, &[7; 1000]), masked(0x89, b"ping")] {
            assert!(parser.next(&mut frame.clone()).is_ok());
            assert_eq!(parser.assembly.bytes.capacity(), 0);
        }
    }

    #[test]
    fn the_buffer_stays_within_the_limit_and_goes_after_the_message() {
        for limit in [0, 1, 255, 256, 257, 1000, 5000] {
            let mut parser = Parser::new(limit);
            let piece = vec![7; 3.min(limit)];
            assert!(parser.next(&mut masked(0x02, &piece)).is_ok());
            let mut total = piece.len();
            while total < limit {
                let piece = vec![7; 3.min(limit - total)];
                assert!(parser.next(&mut masked(0x00, &piece)).is_ok());
                total += piece.len();
                assert!(parser.assembly.bytes.capacity() <= limit);
            }
            assert!(matches!(
                parser.next(&mut masked(0x80, &[])),
                Ok(Parsed::Message { message: Message::Binary(bytes), .. }) if bytes.len() == limit
            ));
            assert_eq!(parser.next(&mut []), Ok(Parsed::Incomplete { needed: 2 }));
            assert_eq!(parser.assembly.bytes.capacity(), 0);
        }
    }

    #[test]
    fn unmasking_equals_the_formula_of_the_rfc() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for len in 0..70 {
            let original: Vec<u8> = (0..len).map(|n: u8| n.wrapping_mul(29)).collect();
            let expected: Vec<u8> = original
                .iter()
                .enumerate()
                .map(|(i, byte)| byte ^ key[i % 4])
                .collect();
            let mut payload = original;
            unmask(&mut payload, key);
            assert_eq!(payload, expected);
        }
    }

    #[test]
    fn debug_shows_no_content() {
        let mut parser = Parser::new(1024);
        assert!(parser.next(&mut masked(0x01, b"secret")).is_ok());
        let shown = format!("{parser:?}");
        assert!(shown.contains("assembled_bytes: 6"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
        assert!(!shown.contains("115"), "{shown}");
    }
}
