//! What travels between the nodes of a cluster: a clear header in front of a sealed body.
//!
//! Sent by one node to another or to all, over a bridge that anybody on its network may read and
//! write. The header says who sealed it with what and for whom; all of it is associated data of
//! the seal, so that a changed header does not open. There is no cryptography here.
//!
//! Integers are big-endian, names are those of [`NodeId`]:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, [`VERSION`] |
//! | 4 | key id |
//! | 8 | incarnation of the source |
//! | 8 | link_seq, from 1 |
//! | 1, then so many | name of the source |
//! | 1 | 0 for all, 1 for one node; the rest of the header only for one node |
//! | 8 | its incarnation |
//! | 1, then so many | its name |
//!
//! Then the sealed body: as many bytes as the body, and a tag of [`TAG_BYTES`].

use std::fmt;

use crate::NodeId;

/// The version of this layout and of what seals it.
pub const VERSION: u8 = 1;

/// The longest header, bytes.
pub const HEADER_BYTES_MAX: usize =
    1 + 4 + 8 + 8 + 1 + NodeId::BYTES_MAX + 1 + 8 + 1 + NodeId::BYTES_MAX;

/// What a seal adds to a body, bytes.
pub const TAG_BYTES: usize = 16;

/// The longest body, bytes. Far from what a bridge cuts a slow reader off at.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest envelope, bytes.
pub const ENVELOPE_BYTES_MAX: usize = HEADER_BYTES_MAX + BODY_BYTES_MAX + TAG_BYTES;

/// Whom an envelope is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Every node but the source.
    All,
    /// One life of one node.
    Node {
        /// Its name.
        node: NodeId,
        /// Which of its lives.
        incarnation: u64,
    },
}

/// What stands in front of a sealed body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Names the key that sealed it.
    pub key_id: [u8; 4],
    /// Who sent it.
    pub source: NodeId,
    /// Which of its lives: differs for each start and grows.
    pub incarnation: u64,
    /// Its place among what this life of the source sent to this destination; never 0, never
    /// used twice, and the nonce of the seal.
    pub link_seq: u64,
    /// Whom it is for.
    pub to: Destination,
}

/// Why bytes are no envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Of a version that is not known here.
    Version,
    /// Cut off, too long, or with a name that is none.
    Malformed,
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "an envelope of another version",
            Self::Malformed => "no envelope",
        })
    }
}

impl std::error::Error for EnvelopeError {}

impl Header {
    /// Writes it at the end of `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        out.extend_from_slice(&self.key_id);
        out.extend_from_slice(&self.incarnation.to_be_bytes());
        out.extend_from_slice(&self.link_seq.to_be_bytes());
        put_name(out, &self.source);
        match &self.to {
            Destination::All => out.push(0),
            Destination::Node { node, incarnation } => {
                out.push(1);
                out.extend_from_slice(&incarnation.to_be_bytes());
                put_name(out, node);
            }
        }
    }

    /// The header of an envelope, and where its sealed body begins.
    ///
    /// # Errors
    /// See [`EnvelopeError`].
    pub fn decode(envelope: &[u8]) -> Result<(Self, usize), EnvelopeError> {
        match envelope.first() {
            Some(&VERSION) => {}
            Some(_) => return Err(EnvelopeError::Version),
            None => return Err(EnvelopeError::Malformed),
        }
        if envelope.len() > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::Malformed);
        }
        let mut rest = &envelope[1..];
        let header = Self::read(&mut rest).ok_or(EnvelopeError::Malformed)?;
        let body_and_tag = TAG_BYTES..=BODY_BYTES_MAX + TAG_BYTES;
        if header.link_seq == 0 || !body_and_tag.contains(&rest.len()) {
            return Err(EnvelopeError::Malformed);
        }
        Ok((header, envelope.len() - rest.len()))
    }

    fn read(rest: &mut &[u8]) -> Option<Self> {
        let key_id = take(rest)?;
        let incarnation = u64::from_be_bytes(take(rest)?);
        let link_seq = u64::from_be_bytes(take(rest)?);
        let source = take_name(rest)?;
        let to = match take(rest)? {
            [0] => Destination::All,
            [1] => {
                let incarnation = u64::from_be_bytes(take(rest)?);
                let node = take_name(rest)?;
                Destination::Node { node, incarnation }
            }
            _ => return None,
        };
        Some(Self {
            key_id,
            source,
            incarnation,
            link_seq,
            to,
        })
    }
}

fn put_name(out: &mut Vec<u8>, name: &NodeId) {
    let name = name.as_str().as_bytes();
    out.push(u8::try_from(name.len()).expect("fits, because names have at most 63 bytes"));
    out.extend_from_slice(name);
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*taken)
}

fn take_name(rest: &mut &[u8]) -> Option<NodeId> {
    let [len] = take(rest)?;
    let (name, left) = rest.split_at_checked(len.into())?;
    *rest = left;
    NodeId::new(std::str::from_utf8(name).ok()?).ok()
}
