//! Agora, the provider to which calls go that this server cannot carry: makes its tokens. Nothing
//! is asked of Agora itself.

mod token;

use bedside_actors::ports::fallback::{FallbackCredentials, FallbackGrant, FallbackProvider};
use bedside_protocol::Timestamp;
use getrandom::fill;

use crate::config::AgoraConfig;
use token::{AccessToken, Privileges};

/// The largest number that Agora takes for a token's salt; the smallest is 1.
const SALT_MAX: u32 = 99_999_999;

/// See the module's text.
#[derive(Debug)]
pub struct Agora {
    config: AgoraConfig,
}

impl Agora {
    /// The project whose keys these are.
    #[must_use]
    pub const fn new(config: AgoraConfig) -> Self {
        Self { config }
    }
}

impl FallbackProvider for Agora {
    fn name(&self) -> &'static str {
        "agora"
    }

    fn credentials(&self, grant: &FallbackGrant, now: Timestamp) -> FallbackCredentials {
        let seconds = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
        let token = AccessToken {
            app_id: &self.config.app_id,
            channel: &grant.channel,
            uid: grant.uid,
            issued_at_s: seconds(now.as_millis() / 1_000),
            lasts_s: u32::try_from(grant.lasting.as_secs()).unwrap_or(u32::MAX),
            salt: salt(),
            privileges: match grant.publishes {
                true => Privileges::Publish,
                false => Privileges::Subscribe,
            },
        };
        FallbackCredentials {
            app_id: self.config.app_id.clone(),
            channel: grant.channel.clone(),
            uid: grant.uid,
            token: token.sign(self.config.certificate.expose()),
        }
    }
}

/// So that two tokens for the same are not alike.
fn salt() -> u32 {
    let mut random = [0; 4];
    fill(&mut random).expect("random, because a system without a random source does not start");
    u32::from_le_bytes(random) % SALT_MAX + 1
}
