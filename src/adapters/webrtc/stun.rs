//! As much of STUN (RFC 8489) as it takes to tell whose a binding request is.

use hmac::{Hmac, Mac as _};
use sha1::Sha1;

const HEADER_BYTES: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: u16 = 0x0001;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const INTEGRITY_BYTES: usize = 20;

/// A binding request: the first thing that a client sends to a connection, and again from each
/// other address that it comes to.
pub(super) struct BindingRequest<'a> {
    bytes: &'a [u8],
    username: &'a str,
    /// Where the integrity attribute begins, and its value.
    integrity: (usize, &'a [u8]),
}

impl<'a> BindingRequest<'a> {
    /// None for whatever is none.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        if !looks_like_stun(bytes) || be16(bytes, 0)? != BINDING_REQUEST {
            return None;
        }
        if usize::from(be16(bytes, 2)?) != bytes.len() - HEADER_BYTES {
            return None;
        }
        let (mut at, mut username, mut integrity) = (HEADER_BYTES, None, None);
        while at + 4 <= bytes.len() && integrity.is_none() {
            let (kind, length) = (be16(bytes, at)?, usize::from(be16(bytes, at + 2)?));
            let value = bytes.get(at + 4..at + 4 + length)?;
            match kind {
                USERNAME => username = std::str::from_utf8(value).ok(),
                MESSAGE_INTEGRITY if length == INTEGRITY_BYTES => integrity = Some((at, value)),
                _ => {}
            }
            at += 4 + length.next_multiple_of(4);
        }
        Some(Self {
            bytes,
            username: username?,
            integrity: integrity?,
        })
    }

    /// The server's half of the user name.
    pub(super) fn ufrag(&self) -> &'a str {
        self.username.split(':').next().unwrap_or_default()
    }

    /// Whether whoever sent it knows the password.
    pub(super) fn is_signed_with(&self, pwd: &str) -> bool {
        let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(pwd.as_bytes()) else {
            return false;
        };
        let (at, value) = self.integrity;
        // The length in the signed header counts up to the end of this attribute.
        let Ok(length) = u16::try_from(at + 4 + INTEGRITY_BYTES - HEADER_BYTES) else {
            return false;
        };
        mac.update(&self.bytes[..2]);
        mac.update(&length.to_be_bytes());
        mac.update(&self.bytes[4..at]);
        mac.verify_slice(value).is_ok()
    }
}

/// Whether it is STUN and no DTLS, RTP or RTCP (RFC 7983).
pub(super) fn looks_like_stun(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER_BYTES && bytes[0] < 4 && bytes[4..8] == MAGIC_COOKIE
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([two[0], two[1]]))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A request as clients send them.
    pub(in super::super) fn request(username: &str, pwd: &str) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0];
        bytes.extend(MAGIC_COOKIE);
        bytes.extend([7; 12]);
        bytes.extend([0, 6, 0, username.len() as u8]);
        bytes.extend(username.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let signed = (bytes.len() + 24 - HEADER_BYTES) as u16;
        bytes[2..4].copy_from_slice(&signed.to_be_bytes());
        let mut mac = Hmac::<Sha1>::new_from_slice(pwd.as_bytes()).unwrap();
        mac.update(&bytes);
        bytes.extend([0, 8, 0, 20]);
        bytes.extend(mac.finalize().into_bytes());
        bytes
    }

    #[test]
    fn a_request_names_whose_it_is_and_proves_it() {
        let bytes = request("mine:theirs", "a password of ours");
        let request = BindingRequest::parse(&bytes).unwrap();
        assert_eq!(request.ufrag(), "mine");
        assert!(request.is_signed_with("a password of ours"));
        assert!(!request.is_signed_with("another password"));
    }

    /// RFC 5769, 2.1.
    #[test]
    fn the_published_vector_is_signed() {
        let text = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e\
                    74002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020\
                    000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        let bytes: Vec<u8> = digits.chunks(2).map(|pair| byte(pair).unwrap()).collect();
        let request = BindingRequest::parse(&bytes).unwrap();
        assert_eq!(request.ufrag(), "evtj");
        assert!(request.is_signed_with("VOkJxbRl1RmTxUk/WvJxBt"));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_judged(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..80) {
            let _ = BindingRequest::parse(&bytes);
            if bytes.len() >= 8 {
                bytes[..2].copy_from_slice(&[0, 1]);
                bytes[4..8].copy_from_slice(&MAGIC_COOKIE);
                let length = (bytes.len().saturating_sub(HEADER_BYTES)) as u16;
                bytes[2..4].copy_from_slice(&length.to_be_bytes());
                if let Some(request) = BindingRequest::parse(&bytes) {
                    prop_assert!(!request.is_signed_with("a password"));
                }
            }
            let whole = request("a:b", "pwd");
            let _ = BindingRequest::parse(&whole[..cut.min(whole.len())]);
        }
    }
}
