//! Where a call goes when this server cannot carry it: a provider of video calls outside, which
//! is shown a credential that is made here.

use bedside_protocol::{ConsultationId, Timestamp, UserId};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// What somebody may do in one channel of a provider's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallbackGrant {
    /// The provider's name of the call.
    pub channel: String,
    /// The provider's name of the participant.
    pub uid: u32,
    /// Whether they may be seen and heard, or only see and hear.
    pub publishes: bool,
    /// How long from now the credential is good.
    pub lasting: Duration,
}

/// With which somebody joins a channel.
#[derive(Clone, PartialEq, Eq)]
pub struct FallbackCredentials {
    /// Which application of the provider's.
    pub app_id: String,
    /// See [`FallbackGrant::channel`].
    pub channel: String,
    /// See [`FallbackGrant::uid`].
    pub uid: u32,
    /// What proves it. Secret: never logged.
    pub token: String,
}

bedside_protocol::quiet_debug! {
    FallbackCredentials { app_id, channel, uid }
}

/// A provider of calls. Makes credentials without asking anybody, so it never waits and never
/// fails.
pub trait FallbackProvider: Send + Sync {
    /// What clients know it by, such as `agora`.
    fn name(&self) -> &'static str;

    /// A credential for what is granted, made at `now`.
    fn credentials(&self, grant: &FallbackGrant, now: Timestamp) -> FallbackCredentials;
}

/// What the channel of a consultation's call begins with; its id follows.
const CHANNEL_OF_CONSULTATION: &str = "consultation_";

/// The channel of a consultation's call.
#[must_use]
pub fn channel_of(id: ConsultationId) -> String {
    format!("{CHANNEL_OF_CONSULTATION}{}", id.number())
}

/// The consultation whose call has this channel; none for any other text.
#[must_use]
pub fn consultation_of(channel: &str) -> Option<ConsultationId> {
    let id = channel.strip_prefix(CHANNEL_OF_CONSULTATION)?;
    id.parse().ok()
}

/// What providers know a person by: their id, where it is a number below 2^31, as those of seed
/// 000 are, else 31 bits of its hash with the highest one set. Never 0, which to providers is
/// anybody.
#[must_use]
pub fn uid_of(user_id: &UserId) -> u32 {
    let text = user_id.as_str();
    let number = text.parse().ok().filter(|n| (1..1 << 31).contains(n));
    if let Some(number) = number
        && !text.starts_with(['0', '+'])
    {
        return number;
    }
    let hash = Sha256::digest(text);
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) | 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(text: &str) -> u32 {
        uid_of(&UserId::new(text).expect("an id"))
    }

    #[test]
    fn numbers_stand_for_themselves_and_other_ids_for_their_hash() {
        assert_eq!((uid("1"), uid("2147483647")), (1, 2_147_483_647));
        let hashed = ["0", "01", "+1", "2147483648", "4294967296", "nurse-7"];
        for id in hashed {
            assert!(uid(id) >= 1 << 31, "{id}");
        }
        assert_ne!(uid("nurse-7"), uid("nurse-8"));
        assert_eq!(uid("nurse-7"), uid("nurse-7"));
    }

    #[test]
    fn a_channel_names_one_consultation() {
        let id: ConsultationId = "1234567".parse().expect("an id");
        assert_eq!(channel_of(id), "consultation_1234567");
        assert_eq!(consultation_of("consultation_1234567"), Some(id));
        for other in [
            "consultation_01234567",
            "consultation_",
            "consultation_x",
            "consultation_1234567 ",
            "Consultation_1234567",
            "1234567",
        ] {
            assert_eq!(consultation_of(other), None, "{other}");
        }
    }
}
