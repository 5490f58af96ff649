//! What makes a chain of entries, and what finds one that is broken.

use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt;

use crate::ports::store::{
    AuditEntry, AuditHash, AuditHead, AuditRange, AuditRecord, Store, StoreError,
};

/// Entries that are read at a time.
const PAGE: usize = 500;

/// Begins what is hashed, so that nothing else that this server hashes is ever an entry.
const ENTRY: &[u8] = b"bedside audit entry 1";
const HEAD: &[u8] = b"bedside audit head 1";

/// The server's key for heads.
#[derive(Clone)]
pub struct AuditKey(Hmac<Sha256>);

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey")
    }
}

impl AuditKey {
    /// The key for heads that is derived from this secret, which may have other uses.
    #[must_use]
    pub fn derived_from(secret: &[u8]) -> Self {
        let keyed = |key: &[u8]| {
            Hmac::<Sha256>::new_from_slice(key)
                .expect("keyed, because HMAC takes keys of any length")
        };
        let own = keyed(secret)
            .chain_update(b"bedside audit key 1")
            .finalize();
        Self(keyed(&own.into_bytes()))
    }

    fn mac_of(&self, node: &str, seq: u64, hash: &AuditHash) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(HEAD);
        mac.update(&(node.len() as u64).to_be_bytes());
        mac.update(node.as_bytes());
        mac.update(&seq.to_be_bytes());
        mac.update(hash);
        mac
    }

    /// The head that this entry makes.
    #[must_use]
    pub fn head(&self, last: &AuditEntry) -> AuditHead {
        let mac = self.mac_of(&last.node, last.seq, &last.hash);
        AuditHead {
            node: last.node.clone(),
            seq: last.seq,
            hash: last.hash,
            mac: mac.finalize().into_bytes().into(),
        }
    }

    fn signed(&self, head: &AuditHead) -> bool {
        let mac = self.mac_of(&head.node, head.seq, &head.hash);
        mac.verify_slice(&head.mac).is_ok()
    }
}

/// The entry behind `prev`, the last one of the node's chain: its seq and hash, zeros for none.
#[must_use]
pub fn link(
    node: &str,
    prev: (u64, AuditHash),
    record: AuditRecord,
    (ip, agent): (Option<String>, Option<String>),
) -> AuditEntry {
    let mut entry = AuditEntry {
        node: node.to_owned(),
        seq: prev.0 + 1,
        record,
        ip,
        agent,
        prev_hash: prev.1,
        hash: AuditHash::default(),
    };
    entry.hash = hash(&entry);
    entry
}

/// SHA-256 over every field, each behind its length, so that no two entries are hashed alike.
fn hash(entry: &AuditEntry) -> AuditHash {
    let AuditEntry {
        node,
        seq,
        record,
        ip,
        agent,
        prev_hash,
        hash: _,
    } = entry;
    let mut hasher = Sha256::new_with_prefix(ENTRY);
    let mut add = |part: Option<&[u8]>| {
        // One more than the length: absent is not the same as empty.
        let length = part.map_or(0, |part| part.len() as u64 + 1);
        hasher.update(length.to_be_bytes());
        hasher.update(part.unwrap_or_default());
    };
    add(Some(node.as_bytes()));
    add(Some(&seq.to_be_bytes()));
    add(Some(&record.at.as_millis().to_be_bytes()));
    add(record.actor.as_ref().map(|actor| actor.as_str().as_bytes()));
    add(Some(record.action.as_bytes()));
    add(Some(record.subject.as_bytes()));
    add(Some(record.detail.as_bytes()));
    add(ip.as_ref().map(String::as_bytes));
    add(agent.as_ref().map(String::as_bytes));
    add(Some(prev_hash));
    hasher.finalize().into()
}

/// A chain that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its head: to be noted where nobody who can write the store can write.
    pub head: AuditHead,
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The entry at this place is missing, or stands elsewhere.
    Missing(u64),
    /// The entry at this place is not as it was written.
    Changed(u64),
    /// The entry at this place does not follow the one before.
    Unlinked(u64),
    /// The chain ends here, before its head, which is at this place.
    Cut(u64, u64),
    /// There are entries behind the head, from this place on.
    Unsigned(u64),
    /// There is no head, or it was not made with this key.
    Head,
    /// The head is older than the one that was noted elsewhere, at this place, or another.
    OldHead(u64),
    /// It could not be read.
    Store(StoreError),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(seq) => write!(f, "entry {seq} is missing or out of its place"),
            Self::Changed(seq) => write!(f, "entry {seq} was changed"),
            Self::Unlinked(seq) => write!(f, "entry {seq} does not follow the one before it"),
            Self::Cut(last, head) => {
                write!(f, "the chain ends at {last}, but was written up to {head}")
            }
            Self::Unsigned(seq) => write!(
                f,
                "entry {seq} and what follows were not written by this server"
            ),
            Self::Head => {
                f.write_str("its head is missing, or was not made with this server's key")
            }
            Self::OldHead(seq) => {
                write!(
                    f,
                    "it does not hold the head that was noted, at {seq}: it was cut and its head put back"
                )
            }
            Self::Store(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for Broken {}

/// Follows a node's chain from its first entry to its head. `noted` is a head of it that was kept
/// elsewhere, as its seq and hash: with it a head that was put back is found, too.
///
/// # Errors
/// The first thing that is wrong.
pub async fn verify(
    store: &dyn Store,
    key: &AuditKey,
    node: &str,
    noted: Option<(u64, AuditHash)>,
) -> Result<Verified, Broken> {
    // First, so that what is written meanwhile lies behind it.
    let head = store.audit_head(node.to_owned()).await;
    let head = head.map_err(Broken::Store)?.ok_or(Broken::Head)?;
    if head.node != node || !key.signed(&head) {
        return Err(Broken::Head);
    }
    let mut last = (0, AuditHash::default());
    let mut saw_noted = noted.is_none();
    while last.0 < head.seq {
        let range = AuditRange {
            from_seq: last.0 + 1,
            to_seq: head.seq,
            newest_first: false,
            limit: PAGE,
        };
        let entries = store.audit_entries(node.to_owned(), range).await;
        let entries = entries.map_err(Broken::Store)?;
        if entries.is_empty() {
            return Err(Broken::Cut(last.0, head.seq));
        }
        for entry in entries {
            check(node, last, &entry)?;
            last = (entry.seq, entry.hash);
            saw_noted |= noted == Some(last);
        }
    }
    if last.1 != head.hash {
        return Err(Broken::Changed(last.0));
    }
    if let (Some((seq, _)), false) = (noted, saw_noted) {
        return Err(Broken::OldHead(seq));
    }
    behind(store, key, &head).await?;
    Ok(Verified { head })
}

fn check(node: &str, last: (u64, AuditHash), entry: &AuditEntry) -> Result<(), Broken> {
    if entry.node != node || entry.seq != last.0 + 1 {
        return Err(Broken::Missing(last.0 + 1));
    }
    if hash(entry) != entry.hash {
        return Err(Broken::Changed(entry.seq));
    }
    if entry.prev_hash != last.1 {
        return Err(Broken::Unlinked(entry.seq));
    }
    Ok(())
}

/// Whether all behind a head was written since it was read.
async fn behind(store: &dyn Store, key: &AuditKey, head: &AuditHead) -> Result<(), Broken> {
    let range = AuditRange {
        from_seq: head.seq + 1,
        to_seq: u64::MAX,
        newest_first: false,
        limit: 1,
    };
    let more = store.audit_entries(head.node.clone(), range).await;
    let Some(first) = more.map_err(Broken::Store)?.into_iter().next() else {
        return Ok(());
    };
    let now = store.audit_head(head.node.clone()).await;
    let now = now.map_err(Broken::Store)?.ok_or(Broken::Head)?;
    if now.seq >= first.seq && key.signed(&now) {
        return Ok(());
    }
    Err(Broken::Unsigned(first.seq))
}
