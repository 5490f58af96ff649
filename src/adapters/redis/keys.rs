//! The cluster's key and everything that is derived from it.
//!
//! HKDF-SHA-256 with one label per use, so that no derived key tells of another. Two keys are
//! valid while one takes over from the other: the first seals, both open.

use aes_gcm::{Aes256Gcm, KeyInit as _};
use bedside_actors::ports::bus::UserKey;
use bedside_protocol::{NodeId, UserId, envelope::Destination, envelope::VERSION};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

use crate::config::Secret;

/// Says which key sealed something.
pub(super) type KeyId = [u8; 4];

/// One cluster key.
struct Key {
    id: KeyId,
    derive: Hkdf<Sha256>,
}

impl Key {
    fn new(secret: &Secret) -> Self {
        let derive = Hkdf::new(Some(b"bedside cluster"), secret.expose().as_bytes());
        let mut id = KeyId::default();
        expand(&derive, &[b"key id"], &mut id);
        Self { id, derive }
    }
}

/// The keys of a cluster.
pub(super) struct Keys {
    /// The first seals; all of them open.
    keys: Vec<Key>,
    users: Hmac<Sha256>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// `users` keys what stands for people, and must stay while the others rotate, for nodes
    /// with other keys have to agree on it; without one it is `key`.
    pub(super) fn new(key: &Secret, other: Option<&Secret>, users: Option<&Secret>) -> Self {
        let base = Key::new(users.unwrap_or(key));
        let mut user_key = [0; 32];
        expand(&base.derive, &[b"user ids"], &mut user_key);
        let mut keys = vec![Key::new(key)];
        keys.extend(other.map(Key::new).filter(|other| other.id != keys[0].id));
        Self {
            keys,
            users: <Hmac<Sha256> as Mac>::new_from_slice(&user_key)
                .expect("keyed, because HMAC takes keys of any length"),
        }
    }

    /// The key that seals.
    pub(super) fn sealing(&self) -> KeyId {
        self.keys[0].id
    }

    /// What seals and opens on the way from one life of a node to a destination. None when there
    /// is no such key.
    pub(super) fn of_link(
        &self,
        id: KeyId,
        source: &NodeId,
        incarnation: u64,
        to: &Destination,
    ) -> Option<Aes256Gcm> {
        let source_life = incarnation.to_be_bytes();
        let (kind, node, life) = match to {
            Destination::All => ([0], "", [0; 8]),
            Destination::Node { node, incarnation } => {
                ([1], node.as_str(), incarnation.to_be_bytes())
            }
        };
        let source = source.as_str();
        // Names end where a byte that no name has begins.
        let info: [&[u8]; 8] = [
            b"envelope",
            &[VERSION],
            source.as_bytes(),
            &[0],
            &source_life,
            &kind,
            &life,
            node.as_bytes(),
        ];
        self.cipher(id, &info)
    }

    /// What seals and opens what one life of a node says of the people on it.
    pub(super) fn of_presence(&self, id: KeyId, node: &NodeId, life: u64) -> Option<Aes256Gcm> {
        let name = node.as_str().as_bytes();
        self.cipher(
            id,
            &[b"presence", &[VERSION], name, &[0], &life.to_be_bytes()],
        )
    }

    /// What stands for a person outside of the nodes' memory.
    pub(super) fn of_user(&self, user_id: &UserId) -> UserKey {
        let mut mac = self.users.clone();
        mac.update(user_id.as_str().as_bytes());
        let digest = mac.finalize().into_bytes();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        UserKey(key)
    }

    fn cipher(&self, id: KeyId, info: &[&[u8]]) -> Option<Aes256Gcm> {
        let key = self.keys.iter().find(|key| key.id == id)?;
        let mut derived = [0; 32];
        expand(&key.derive, info, &mut derived);
        Some(Aes256Gcm::new(&derived.into()))
    }
}

fn expand(derive: &Hkdf<Sha256>, info: &[&[u8]], out: &mut [u8]) {
    derive
        .expand_multi_info(info, out)
        .expect("expands, because HKDF gives up to 8,160 bytes");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(key: &str, other: Option<&str>, users: Option<&str>) -> Keys {
        let secret = |text: &str| Secret::new(text.repeat(32));
        let (other, users) = (other.map(secret), users.map(secret));
        Keys::new(&secret(key), other.as_ref(), users.as_ref())
    }

    fn user_key(keys: &Keys) -> UserKey {
        keys.of_user(&UserId::new("patient-7").expect("an id"))
    }

    #[test]
    fn through_a_rotation_all_nodes_agree_on_users() {
        // As docs/OPERATIONS.md has it: each line is one restart of every node, one by one.
        let steps = [
            keys("a", None, None),
            keys("a", Some("b"), Some("a")),
            keys("b", Some("a"), Some("a")),
            keys("b", None, Some("a")),
        ];
        for pair in steps.windows(2) {
            assert_eq!(user_key(&pair[0]), user_key(&pair[1]));
        }
        assert_ne!(user_key(&steps[0]), user_key(&keys("b", None, None)));
    }

    #[test]
    fn a_key_does_not_count_twice() {
        assert_eq!(keys("a", Some("a"), None).keys.len(), 1);
    }
}
