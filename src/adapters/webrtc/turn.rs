//! Credentials for a TURN server that shares a secret with this one: coturn's `use-auth-secret`.
//! The name is when it runs out and whose it is, the password an HMAC of the name.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bedside_actors::ports::media::{IceLogin, IceServer};
use bedside_protocol::{ParticipantId, Timestamp};
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use std::time::Duration;

use crate::config::Secret;

/// TURN servers that clients may use.
#[derive(Clone, Debug)]
pub struct TurnServers {
    /// `turn:` and `turns:` URLs.
    pub urls: Vec<String>,
    /// What they share with this server.
    pub secret: Secret,
    /// How long somebody may ask them for a relay. One that is open lives on.
    pub ttl: Duration,
}

impl TurnServers {
    /// What lets one participant use them, from `now` on.
    #[must_use]
    pub fn for_participant(&self, participant: ParticipantId, now: Timestamp) -> IceServer {
        let ttl_ms = i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX);
        let expires_at = Timestamp::from_millis(now.as_millis().saturating_add(ttl_ms));
        let username = format!("{}:{participant}", expires_at.as_millis() / 1_000);
        let mut mac = Hmac::<Sha1>::new_from_slice(self.secret.expose().as_bytes())
            .expect("keyed, because HMAC takes keys of any length");
        mac.update(username.as_bytes());
        IceServer {
            urls: self.urls.clone(),
            login: Some(IceLogin {
                credential: STANDARD.encode(mac.finalize().into_bytes()),
                username,
                expires_at,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The password is what `echo -n NAME | openssl dgst -sha1 -hmac SECRET -binary | base64` says.
    #[test]
    fn the_password_is_what_coturn_computes() {
        let servers = TurnServers {
            urls: vec!["turn:turn.example.org:3478".to_owned()],
            secret: Secret::new("north"),
            ttl: Duration::from_secs(600),
        };
        let participant = ParticipantId::from_bytes([0x11; 16]);
        let server =
            servers.for_participant(participant, Timestamp::from_millis(1_700_000_000_999));
        let login = server.login.unwrap();
        assert_eq!(
            login.username,
            "1700000600:11111111-1111-1111-1111-111111111111"
        );
        assert_eq!(login.credential, "bcJbb/r6nwl50W+R7TZ8JP+mHig=");
    }
}
