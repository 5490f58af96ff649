//! Web origins: who a browser says it speaks for.

use std::{fmt, net::Ipv6Addr};

/// A web origin, `scheme://host[:port]`: lower case, without the scheme's own port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(String);

/// What [`Origin::parse`] wants to see.
pub(super) const EXPECTED: &str =
    "an origin such as https://clinic.example or http://localhost:3000, without path or wildcard";

impl Origin {
    /// Reads an origin; a lone `/` after it is forgiven, since people copy it from browsers.
    ///
    /// # Errors
    /// What was expected, for anything with a path, a query, a user name or a wildcard.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim().to_ascii_lowercase();
        let (scheme, rest) = text.split_once("://").ok_or(EXPECTED)?;
        let own_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(EXPECTED),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = split_port(rest).ok_or(EXPECTED)?;
        if !is_host(host) {
            return Err(EXPECTED);
        }
        match port {
            Some(0) => Err(EXPECTED),
            Some(port) if port != own_port => Ok(Self(format!("{scheme}://{host}:{port}"))),
            _ => Ok(Self(format!("{scheme}://{host}"))),
        }
    }

    /// The origin as browsers write it in `Origin`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Whether a request with this `Host` header reaches this origin. The scheme is not looked
    /// at: behind a proxy that ends TLS the server does not know it.
    #[must_use]
    pub fn is_reached_by(&self, host: &str) -> bool {
        let scheme = if self.is_https() { "https" } else { "http" };
        // A path in Host must not pass as the `/` that people copy.
        !host.contains('/') && Self::parse(&format!("{scheme}://{host}")).as_ref() == Ok(self)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `host[:port]`, where an IPv6 host is in brackets.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let colon = match text.rfind(']') {
        Some(bracket) => text[bracket..].find(':').map(|at| bracket + at),
        None => text.find(':'),
    };
    match colon {
        None => Some((text, None)),
        // `parse` alone would take a sign.
        Some(at) if text[at + 1..].bytes().all(|b| b.is_ascii_digit()) => {
            Some((&text[..at], Some(text[at + 1..].parse().ok()?)))
        }
        Some(_) => None,
    }
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        return inner
            .strip_suffix(']')
            .is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok());
    }
    !host.is_empty()
        && host.len() <= 253
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_normalised_and_everything_else_is_refused() {
        for (text, want) in [
            ("https://Clinic.Example", "https://clinic.example"),
            ("https://clinic.example:443/", "https://clinic.example"),
            ("http://clinic.example:443", "http://clinic.example:443"),
            (" http://localhost:3000 ", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(Origin::parse(text).map(|o| o.0), Ok(want.to_owned()));
        }
        for text in [
            "",
            "null",
            "*",
            "clinic.example",
            "ftp://clinic.example",
            "https://",
            "https:///",
            "https://clinic.example/app",
            "https://clinic.example//",
            "https://clinic.example?x",
            "https://clinic.example#x",
            "https://me:secret@clinic.example",
            "https://*.clinic.example",
            "https://clinic.example:0",
            "https://clinic.example:+1",
            "https://clinic.example:65536",
            "https://clinic.example:",
            "https://clinic.example:1:2",
            "http://[::1",
            "http://[::1]x:80",
            "http://[evil]",
        ] {
            assert_eq!(Origin::parse(text), Err(EXPECTED), "{text}");
        }
    }

    #[test]
    fn a_host_header_reaches_only_its_own_origin() {
        let origin = Origin::parse("https://clinic.example").expect("an origin");
        for (host, want) in [
            ("clinic.example", true),
            ("CLINIC.example:443", true),
            ("clinic.example:80", false),
            ("clinic.example/", false),
            ("evil.example", false),
            ("", false),
        ] {
            assert_eq!(origin.is_reached_by(host), want, "{host}");
        }
    }
}
