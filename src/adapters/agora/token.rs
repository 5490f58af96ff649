//! Agora's `AccessToken2`, whose texts begin with `007`:
//!
//! ```text
//! "007" + base64(zlib(text(signature) + info))
//! info      = text(app id) issued:u32 lasts:u32 salt:u32 services:u16 service ...
//! service   = type:u16 count:u16 (privilege:u16 lasts:u32) ... text(channel) text(uid)
//! signature = HMAC(HMAC(salt, HMAC(issued, certificate)), info)
//! ```
//!
//! Numbers are little-endian, a text is its length as u16 and its bytes, `lasts` are seconds from
//! `issued`, and HMAC is HMAC-SHA-256 with its first argument as the key.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::ZlibEncoder};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::io::Write as _;

const VERSION: &str = "007";
/// The service of calls, among chat and others.
const SERVICE_RTC: u16 = 1;
const JOIN: u16 = 1;
const PUBLISH_AUDIO: u16 = 2;
const PUBLISH_VIDEO: u16 = 3;
const PUBLISH_DATA: u16 = 4;

/// What its bearer may do in the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Privileges {
    /// Join, and send audio, video and data.
    Publish,
    /// Join.
    Subscribe,
}

impl Privileges {
    /// Ascending, as Agora wants them.
    const fn all(self) -> &'static [u16] {
        match self {
            Self::Publish => &[JOIN, PUBLISH_AUDIO, PUBLISH_VIDEO, PUBLISH_DATA],
            Self::Subscribe => &[JOIN],
        }
    }
}

/// A token before it is signed.
pub(super) struct AccessToken<'a> {
    pub(super) app_id: &'a str,
    pub(super) channel: &'a str,
    pub(super) uid: u32,
    pub(super) issued_at_s: u32,
    pub(super) lasts_s: u32,
    pub(super) salt: u32,
    pub(super) privileges: Privileges,
}

impl AccessToken<'_> {
    /// The text that is given to clients.
    pub(super) fn sign(&self, certificate: &str) -> String {
        let info = self.info();
        let key = mac(&self.issued_at_s.to_le_bytes(), certificate.as_bytes());
        let key = mac(&self.salt.to_le_bytes(), &key);
        let mut content = Vec::with_capacity(info.len() + 34);
        put(&mut content, &mac(&key, &info));
        content.extend_from_slice(&info);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        let packed = zlib.write_all(&content).and_then(|()| zlib.finish());
        let packed = packed.expect("packed, because writing into a Vec does not fail");
        format!("{VERSION}{}", STANDARD.encode(packed))
    }

    fn info(&self) -> Vec<u8> {
        let mut info = Vec::new();
        put(&mut info, self.app_id.as_bytes());
        for number in [self.issued_at_s, self.lasts_s, self.salt] {
            info.extend_from_slice(&number.to_le_bytes());
        }
        let privileges = self.privileges.all();
        for number in [1, SERVICE_RTC, privileges.len() as u16] {
            info.extend_from_slice(&number.to_le_bytes());
        }
        for privilege in privileges {
            info.extend_from_slice(&privilege.to_le_bytes());
            info.extend_from_slice(&self.lasts_s.to_le_bytes());
        }
        put(&mut info, self.channel.as_bytes());
        put(&mut info, self.uid.to_string().as_bytes());
        info
    }
}

/// Writes a text. All of them are far shorter than the 64 KiB that it could say.
fn put(into: &mut Vec<u8>, text: &[u8]) {
    into.extend_from_slice(&(text.len() as u16).to_le_bytes());
    into.extend_from_slice(text);
}

fn mac(key: &[u8], over: &[u8]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mac = mac.expect("keyed, because HMAC takes keys of any length");
    mac.chain_update(over).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::ZlibDecoder;
    use std::io::Read as _;

    /// The example that Agora publishes with its own code.
    const EXAMPLE: &str = "007eJxTYBBbsMMnKq7p9Hf/HcIX5kce9b518kCiQgSr5Zrp4X1Tu6UUGCzNDZwdjU1TUs0Mkk1MzExMk5ISUy0SjQxNDcwMk4yN3b8IMEQwMTAwMoAwBIL4CgzmKeZGxmamqUmWFsYmFqbGluapxqnGaZYpJmYGSSkpiVwMRhYWRsYmhkbmxgDCaiTj";
    const CERTIFICATE: &str = "5CFd2fd1755d40ecb72977518be15d3b";

    fn unpacked(token: &str) -> Vec<u8> {
        let packed = token.strip_prefix(VERSION).expect("a version");
        let packed = STANDARD.decode(packed).expect("base64");
        let mut content = Vec::new();
        let mut zlib = ZlibDecoder::new(&packed[..]);
        zlib.read_to_end(&mut content).expect("zlib");
        content
    }

    /// Of what is packed: zlib packs the same bytes in more than one way.
    #[test]
    fn it_says_what_the_published_example_says() {
        let token = AccessToken {
            app_id: "970CA35de60c44645bbae8a215061b33",
            channel: "7d72365eb983485397e3e3f9d460bdda",
            uid: 2_882_341_273,
            issued_at_s: 1_111_111,
            lasts_s: 600,
            salt: 1,
            privileges: Privileges::Subscribe,
        };
        let own = token.sign(CERTIFICATE);
        assert_eq!(unpacked(&own), unpacked(EXAMPLE));
        let other = AccessToken { uid: 1, ..token };
        assert_ne!(unpacked(&other.sign(CERTIFICATE)), unpacked(EXAMPLE));
    }
}
