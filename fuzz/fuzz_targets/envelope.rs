//! The header of what nodes send to each other, on arbitrary bytes: it never panics, what it
//! takes says the same bytes again, and no envelope is longer than it may be.

#![no_main]

use bedside_protocol::envelope::{
    BODY_BYTES_MAX, EnvelopeError, HEADER_BYTES_MAX, Header, TAG_BYTES, VERSION,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match Header::decode(data) {
        Ok((header, body_at)) => {
            assert!(body_at <= HEADER_BYTES_MAX && header.link_seq > 0);
            assert!((TAG_BYTES..=TAG_BYTES + BODY_BYTES_MAX).contains(&(data.len() - body_at)));
            let mut again = Vec::new();
            header.encode(&mut again);
            assert_eq!(again, data[..body_at]);
        }
        Err(EnvelopeError::Version) => assert_ne!(data[0], VERSION),
        Err(EnvelopeError::Malformed) => {}
    }
});
