//! Sealing what is sent and opening what comes, without I/O.
//!
//! A message is sealed with AES-256-GCM under a key of its own link (a life of its source, and
//! its destination); the nonce is the `link_seq`, which [`Outward`] never lets go backwards, and
//! the header is associated data. [`Opener`] takes each message once and in order.

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{AeadInPlace as _, Tag},
};
use bedside_actors::ports::bus::{Peer, Received};
use bedside_protocol::{
    NodeId,
    envelope::{BODY_BYTES_MAX, Destination, EnvelopeError, HEADER_BYTES_MAX, Header, TAG_BYTES},
};
use bytes::Bytes;
use std::collections::HashMap;

use super::keys::{KeyId, Keys};

/// Nodes whose messages are remembered. Of more than that, the one that was silent for longest is
/// forgotten, and with it all that are older than it.
const SOURCES_MAX: usize = 1_024;

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No envelope at all.
    Malformed,
    /// An envelope of another version.
    Version,
    /// Sealed with a key that is not valid here.
    UnknownKey,
    /// For somebody else.
    Destination,
    /// From a node of this name: this process, or another that calls itself the same.
    Own,
    /// From a life of a node that is over.
    OldIncarnation,
    /// It, or a later one of the same link, was taken already.
    Replay,
    /// It does not open: made or changed by somebody without the key.
    Tampered,
}

impl Refusal {
    /// All of them, as the counters have them.
    pub const ALL: [Self; 8] = [
        Self::Malformed,
        Self::Version,
        Self::UnknownKey,
        Self::Destination,
        Self::Own,
        Self::OldIncarnation,
        Self::Replay,
        Self::Tampered,
    ];

    /// A word for metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::UnknownKey => "unknown_key",
            Self::Destination => "destination",
            Self::Own => "own",
            Self::OldIncarnation => "old_incarnation",
            Self::Replay => "replay",
            Self::Tampered => "tampered",
        }
    }
}

/// What seals for one destination.
pub(super) struct Outward {
    cipher: Aes256Gcm,
    header: Header,
}

impl Outward {
    /// From this life of this node to there.
    pub(super) fn new(keys: &Keys, me: &Peer, to: Destination) -> Self {
        let key_id = keys.sealing();
        let cipher = keys.of_link(key_id, &me.node, me.incarnation, &to);
        Self {
            cipher: cipher.expect("derived, because this key is one of them"),
            header: Header {
                key_id,
                source: me.node.clone(),
                incarnation: me.incarnation,
                link_seq: 0,
                to,
            },
        }
    }

    /// The envelope. The caller lets no two with the same `link_seq` out.
    pub(super) fn seal(&self, link_seq: u64, body: &[u8]) -> Vec<u8> {
        debug_assert!(body.len() <= BODY_BYTES_MAX && link_seq > 0);
        let mut out = Vec::with_capacity(HEADER_BYTES_MAX + body.len() + TAG_BYTES);
        let header = Header {
            link_seq,
            ..self.header.clone()
        };
        header.encode(&mut out);
        let body_at = out.len();
        out.extend_from_slice(body);
        let (clear, sealed) = out.split_at_mut(body_at);
        let tag = self
            .cipher
            .encrypt_in_place_detached(&nonce(link_seq), clear, sealed)
            .expect("seals, because bodies are far below 64 GiB");
        out.extend_from_slice(&tag);
        out
    }
}

fn nonce(link_seq: u64) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&link_seq.to_be_bytes());
    nonce.into()
}

/// The two links from a source to this node.
#[derive(Default)]
struct Inward {
    /// What opens, and the key that it is derived from.
    cipher: Option<(KeyId, Box<Aes256Gcm>)>,
    /// The last that was taken.
    link_seq: u64,
}

/// What is known of a source.
struct Source {
    incarnation: u64,
    /// To this node, and to all.
    links: [Inward; 2],
    /// The greater the later it was heard.
    heard: u64,
}

impl Source {
    fn new(incarnation: u64) -> Self {
        Self {
            incarnation,
            links: Default::default(),
            heard: 0,
        }
    }
}

/// Opens what comes to one life of a node.
pub(super) struct Opener {
    me: Peer,
    sources: HashMap<NodeId, Source>,
    /// Unknown sources of up to this incarnation may be ones that were forgotten.
    forgotten: u64,
    opened: u64,
}

impl Opener {
    pub(super) fn new(me: Peer) -> Self {
        Self {
            me,
            sources: HashMap::new(),
            forgotten: 0,
            opened: 0,
        }
    }

    /// The message in an envelope. What is remembered of a source changes only by messages that
    /// opened, so that nobody without a key can.
    ///
    /// # Errors
    /// Why it is not taken.
    pub(super) fn open(&mut self, keys: &Keys, mut bytes: Vec<u8>) -> Result<Received, Refusal> {
        let (header, body_at) = Header::decode(&bytes).map_err(|error| match error {
            EnvelopeError::Version => Refusal::Version,
            EnvelopeError::Malformed => Refusal::Malformed,
        })?;
        let to_all = self.is_for_me(&header)?;
        let mut fresh = None;
        let known = self.sources.get_mut(&header.source);
        let known = known.filter(|source| source.incarnation >= header.incarnation);
        let source = match known {
            Some(source) if source.incarnation > header.incarnation => {
                return Err(Refusal::OldIncarnation);
            }
            Some(source) => source,
            None if header.incarnation <= self.forgotten => return Err(Refusal::OldIncarnation),
            None => fresh.insert(Source::new(header.incarnation)),
        };
        let link = &mut source.links[usize::from(to_all)];
        if header.link_seq <= link.link_seq {
            return Err(Refusal::Replay);
        }
        link.open(keys, &header, &mut bytes, body_at)?;
        link.link_seq = header.link_seq;
        self.opened += 1;
        source.heard = self.opened;
        if let Some(source) = fresh {
            self.remember(header.source.clone(), source);
        }
        let body = Bytes::from(bytes);
        Ok(Received {
            from: Peer {
                node: header.source,
                incarnation: header.incarnation,
            },
            to_all,
            link_seq: header.link_seq,
            body: body.slice(body_at..body.len() - TAG_BYTES),
        })
    }

    /// Whether it is for all.
    fn is_for_me(&self, header: &Header) -> Result<bool, Refusal> {
        if header.source == self.me.node {
            return Err(Refusal::Own);
        }
        match &header.to {
            Destination::All => Ok(true),
            Destination::Node { node, incarnation }
                if *node == self.me.node && *incarnation == self.me.incarnation =>
            {
                Ok(false)
            }
            Destination::Node { .. } => Err(Refusal::Destination),
        }
    }

    fn remember(&mut self, node: NodeId, source: Source) {
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&node) {
            let silent = self.sources.iter().min_by_key(|(_, source)| source.heard);
            if let Some((silent, incarnation)) = silent.map(|(n, s)| (n.clone(), s.incarnation)) {
                self.sources.remove(&silent);
                self.forgotten = self.forgotten.max(incarnation);
            }
        }
        self.sources.insert(node, source);
    }
}

impl Inward {
    fn open(
        &mut self,
        keys: &Keys,
        header: &Header,
        bytes: &mut [u8],
        body_at: usize,
    ) -> Result<(), Refusal> {
        let cached = self.cipher.take().filter(|(id, _)| *id == header.key_id);
        let (id, cipher) = match cached {
            Some(cached) => cached,
            None => {
                let (source, life) = (&header.source, header.incarnation);
                let cipher = keys.of_link(header.key_id, source, life, &header.to);
                (header.key_id, Box::new(cipher.ok_or(Refusal::UnknownKey)?))
            }
        };
        let (clear, sealed) = bytes.split_at_mut(body_at);
        let (body, tag) = sealed
            .split_last_chunk_mut::<TAG_BYTES>()
            .expect("has a tag, because the header was taken");
        let tag = Tag::<Aes256Gcm>::from(*tag);
        let opened = cipher.decrypt_in_place_detached(&nonce(header.link_seq), clear, body, &tag);
        self.cipher = Some((id, cipher));
        opened.map_err(|_| Refusal::Tampered)
    }
}

#[cfg(test)]
mod tests;
