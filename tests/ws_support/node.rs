//! A node in memory, where a token is the name of its bearer.

use bedside_actors::{
    audit::AuditKey,
    node::{Node, NodeConfig},
    ports::{
        clock::SystemClock,
        identity::{Identities, SessionIdentity, TokenStamp, Verification, Verified},
        store::memory::MemoryStore,
    },
};
use bedside_protocol::{CommandError, ErrorCode, Role, Roles, Timestamp, UserId};
use std::{sync::Arc, time::Duration};

/// Believes everybody but `nobody`, and `late` no longer.
pub(crate) struct Names;

impl Identities for Names {
    fn verify(&self, token: &str, _: Timestamp) -> Verification {
        match token.strip_prefix("slow-") {
            // As if somebody else had to be asked.
            Some(token) => {
                let verified = known(token);
                Verification::Waiting(Box::pin(async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    verified
                }))
            }
            None => known(token).into(),
        }
    }
}

fn known(token: &str) -> Verified {
    match token {
        "nobody" => Err(CommandError::new(ErrorCode::Unauthorized, "nobody")),
        "late" => Err(CommandError::new(ErrorCode::TokenExpired, "too late")),
        "down" => Err(CommandError::unavailable("the provider is down", 1_000)),
        name => Ok(identity(name)),
    }
}

pub(crate) fn identity(name: &str) -> SessionIdentity {
    SessionIdentity {
        user_id: UserId::new(name).expect("a good id, because the test says so"),
        name: name.into(),
        email: "".into(),
        roles: Roles::NONE.with(Role::Doctor),
        expires_at: None,
        stamp: TokenStamp::default(),
    }
}

pub(crate) fn node() -> Arc<Node> {
    let config = NodeConfig {
        arbiters: 1,
        edit_window: Duration::from_secs(900),
        passivate_after: Duration::from_secs(300),
        attachment_hosts: Vec::new(),
        body_hash: Arc::new(|send| {
            let mut hash = [0; 16];
            let bytes = send.text.as_bytes();
            let n = bytes.len().min(16);
            hash[..n].copy_from_slice(&bytes[..n]);
            hash
        }),
        audit_key: AuditKey::derived_from(b"a test"),
        on_command: None,
    };
    Node::start(
        config,
        Arc::new(MemoryStore::new()),
        Arc::new(SystemClock),
        Arc::new(Names),
    )
}
