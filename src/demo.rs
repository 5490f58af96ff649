//! Demo mode: what someone gets who starts the server with no configuration at all. Without
//! `JWT_SECRET` it serves this machine alone, signs its own tokens, and lets anyone at the
//! keyboard be one of three made-up people. Everything here keeps that away from real use.

mod secret;

use bedside_protocol::Role;
use std::fmt;

pub use secret::{demo_secret, signing_secret};

/// A made-up person. Never an admin or a service: the demo must not be able to show what it
/// would be like to hold those rights over somebody's real data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoPerson {
    /// `sub` of their tokens.
    pub user_id: &'static str,
    /// Display name, in both directions of writing, so that a client that mixes them up is seen.
    pub name: &'static str,
    /// Their one role.
    pub role: Role,
}

/// Everybody in the demo.
pub const PEOPLE: [DemoPerson; 3] = [
    DemoPerson {
        user_id: "demo-patient",
        name: "Sara Haddad / سارة حداد",
        role: Role::Patient,
    },
    DemoPerson {
        user_id: "demo-doctor",
        name: "Dr. Omar Khalil / د. عمر خليل",
        role: Role::Doctor,
    },
    DemoPerson {
        user_id: "demo-nurse",
        name: "Lina Mansour / لينا منصور",
        role: Role::Nurse,
    },
];

/// The person with this id.
#[must_use]
pub fn person(user_id: &str) -> Option<&'static DemoPerson> {
    PEOPLE.iter().find(|person| person.user_id == user_id)
}

/// Whether a token minted in demo mode may grant this role.
#[must_use]
pub const fn role_allowed(role: Role) -> bool {
    !matches!(role, Role::Admin | Role::Service)
}

/// Whether a request, given by all its headers, may sign in as one of [`PEOPLE`]: it must come
/// straight from this machine.
///
/// The listener is bound to loopback, but a reverse proxy or a tunnel on this machine would
/// bring the world to it, and a web page could reach it through a name that it made resolve to
/// 127.0.0.1. The first leaves forwarding headers, the second its own name in `Host`.
#[must_use]
pub fn login_allowed<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> bool {
    let mut hosts = 0;
    for (name, value) in headers {
        if is_proxy_header(name) {
            return false;
        }
        if name.eq_ignore_ascii_case("host") {
            hosts += 1;
            if !std::str::from_utf8(value).is_ok_and(is_local_host) {
                return false;
            }
        }
    }
    hosts == 1
}

/// Whether a header is one that proxies add.
#[must_use]
pub fn is_proxy_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
}

/// Whether a `Host` value, with or without port, is one of this machine's own names.
#[must_use]
pub fn is_local_host(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|own| {
        host.strip_prefix(own)
            .is_some_and(|port| port.is_empty() || is_port(port))
    })
}

/// `:` and a port number.
fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|digits| {
        digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok()
    })
}

/// The mark of a store made in demo mode.
pub const MARK_DEMO: &str = "demo";
/// The mark of a store made with a real secret.
pub const MARK_REAL: &str = "real";

/// Why a store may not be opened in this mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkError {
    /// Demo mode on a store with real data: anyone at the keyboard could read it.
    RealStoreInDemo,
    /// A real server on a demo's store: made-up people would be among the patients.
    DemoStoreInReal,
    /// A mark of a version that this one does not know.
    Unknown,
}

impl fmt::Display for MarkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RealStoreInDemo => {
                "this store holds real data and cannot be opened in demo mode: set JWT_SECRET, \
                 or set BEDSIDE_DATA_DIR to another directory"
            }
            Self::DemoStoreInReal => {
                "this store was made in demo mode and cannot be opened with JWT_SECRET: set \
                 BEDSIDE_DATA_DIR to another directory"
            }
            Self::Unknown => "this store was made by another version of the server",
        })
    }
}

impl std::error::Error for MarkError {}

/// Whether a store with this mark may be opened, and the mark to write when it has none yet.
///
/// # Errors
/// When the store is of the other kind.
pub fn check_store_mark(
    existing: Option<&str>,
    demo: bool,
) -> Result<Option<&'static str>, MarkError> {
    match (existing, demo) {
        (None, true) => Ok(Some(MARK_DEMO)),
        (None, false) => Ok(Some(MARK_REAL)),
        (Some(MARK_DEMO), true) | (Some(MARK_REAL), false) => Ok(None),
        (Some(MARK_REAL), true) => Err(MarkError::RealStoreInDemo),
        (Some(MARK_DEMO), false) => Err(MarkError::DemoStoreInReal),
        (Some(_), _) => Err(MarkError::Unknown),
    }
}
