//! The audit log's key, and `bedside audit verify`.

use bedside_actors::{
    audit::{AuditKey, Broken, verify},
    ports::store::{AuditHash, Store},
};
use std::{error::Error, fmt::Write as _, sync::Arc};

use crate::{
    config::{Config, Secret},
    key_file::{KeyFileError, key_file},
};

/// The file in the data directory whose secret signs the ends of the audit log's chains.
const KEY_FILE: &str = "audit-key";

/// A head that was noted elsewhere: node, seq and hash.
pub(crate) type Noted = (String, u64, AuditHash);

/// What the heads of this server are signed with: its own file, or what the nodes of a cluster
/// share.
pub(super) fn key(config: &Config) -> Result<AuditKey, KeyFileError> {
    let derive = |secret: &Secret| AuditKey::derived_from(secret.expose().as_bytes());
    match &config.cluster {
        Some(cluster) => Ok(derive(&cluster.key)),
        None => key_file(&config.store.data_dir, KEY_FILE).map(|secret| derive(&secret)),
    }
}

/// The one that they may have been signed with before.
fn old_key(config: &Config) -> Option<AuditKey> {
    let old = config.cluster.as_ref()?.key_old.as_ref()?;
    Some(AuditKey::derived_from(old.expose().as_bytes()))
}

/// Follows the chain of every node; what was found, as a text.
pub(super) async fn report(
    config: &Config,
    store: Arc<dyn Store>,
    noted: &[Noted],
) -> Result<String, Box<dyn Error>> {
    let (key, old) = (key(config)?, old_key(config));
    let mut nodes = store.audit_nodes().await?;
    // One that was noted and is not there any more was deleted whole.
    nodes.extend(noted.iter().map(|(node, ..)| node.clone()));
    nodes.sort();
    nodes.dedup();
    let (mut text, mut is_broken) = (String::new(), false);
    for node in nodes {
        let known = noted.iter().find(|(name, ..)| *name == node);
        let known = known.map(|(_, seq, hash)| (*seq, *hash));
        let mut found = verify(&*store, &key, &node, known).await;
        if let (Err(Broken::Head), Some(old)) = (&found, &old) {
            found = verify(&*store, old, &node, known).await;
        }
        // Writing to a String cannot fail.
        let _ = match found {
            Ok(whole) => writeln!(
                text,
                "whole: {node}:{}:{}",
                whole.head.seq,
                hex(&whole.head.hash)
            ),
            Err(why) => {
                is_broken = true;
                writeln!(text, "BROKEN: {node}: {why}")
            }
        };
    }
    store.close().await;
    if is_broken {
        return Err(format!("the audit log was tampered with\n{text}").into());
    }
    if text.is_empty() {
        text.push_str("the audit log is empty\n");
    }
    Ok(text)
}

fn hex(hash: &AuditHash) -> String {
    hash.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A line of an earlier report: `node:seq:hash`.
///
/// # Errors
/// What it should be.
pub(crate) fn noted(text: &str) -> Result<Noted, String> {
    let wrong = || "a head is node:seq:hash, as `bedside audit verify` prints it".to_owned();
    let (rest, hash) = text.rsplit_once(':').ok_or_else(wrong)?;
    let (node, seq) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let mut bytes = AuditHash::default();
    if hash.len() != 2 * bytes.len() || !hash.is_ascii() {
        return Err(wrong());
    }
    for (byte, digits) in bytes.iter_mut().zip(hash.as_bytes().chunks(2)) {
        let digits = str::from_utf8(digits).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok((node.to_owned(), seq.parse().map_err(|_| wrong())?, bytes))
}
