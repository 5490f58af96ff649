//! Who a client is before it says so.

use core::net::{IpAddr, Ipv4Addr};

/// Bytes of what a client calls itself that are kept.
const AGENT_BYTES_MAX: usize = 200;

/// A client's address and what it calls itself, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whence {
    ip: Option<IpAddr>,
    agent: Option<Box<str>>,
}

impl Whence {
    /// A client of this address, which calls itself so. Of that at most 200 bytes are kept, and no
    /// control characters: it ends up on the screens of auditors.
    #[must_use]
    pub fn new(ip: IpAddr, agent: Option<&str>) -> Self {
        let clean = |agent: &str| {
            let plain: String = agent.chars().filter(|c| !c.is_control()).collect();
            let cut = &plain[..plain.floor_char_boundary(AGENT_BYTES_MAX)];
            (!cut.is_empty()).then(|| cut.into())
        };
        Self {
            ip: Some(ip.to_canonical()),
            agent: agent.and_then(clean),
        }
    }

    /// The address; `0.0.0.0` when none is known.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// Both as they are written down.
    pub(super) fn written(&self) -> (Option<String>, Option<String>) {
        let agent = self.agent.as_deref().map(str::to_owned);
        (self.ip.map(|ip| ip.to_string()), agent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_calls_itself_is_cut_and_holds_no_control_characters() {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let agent = format!("a\r\nb\x1b[31mc\u{85}{}\u{e4}", "x".repeat(195));
        let (_, agent) = Whence::new(ip, Some(&agent)).written();
        let agent = agent.expect("something is left");
        assert!(agent.starts_with("ab[31mcx"), "{agent}");
        assert!(agent.len() <= AGENT_BYTES_MAX);
        assert_eq!(Whence::new(ip, Some("\n")).written().1, None);
    }
}
