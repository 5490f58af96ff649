//! What the SFU reads of payloads: where a picture begins that needs no other, and the numbers of
//! VP8 that have to go on when another source takes over.

/// How a stream is coded, by the payload types that this server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Opus,
    Vp8,
    H264,
}

pub(super) const OPUS_TYPE: u8 = 111;
pub(super) const VP8_TYPE: u8 = 96;
pub(super) const H264_TYPE: u8 = 102;

impl Codec {
    pub(super) const fn of(payload_type: u8) -> Option<Self> {
        match payload_type {
            OPUS_TYPE => Some(Self::Opus),
            VP8_TYPE => Some(Self::Vp8),
            H264_TYPE => Some(Self::H264),
            _ => None,
        }
    }

    /// Ticks of its timestamps a second.
    pub(super) const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Vp8 | Self::H264 => 90_000,
        }
    }

    /// Whether a decoder can begin with this packet.
    pub(super) fn starts_afresh(self, payload: &[u8]) -> bool {
        match self {
            Self::Opus => true,
            Self::Vp8 => Vp8::parse(payload).is_some_and(|vp8| vp8.is_key_start),
            Self::H264 => h264_starts_afresh(payload),
        }
    }
}

/// The descriptor before each VP8 payload (RFC 7741, 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vp8 {
    /// The first packet of a key frame.
    pub(super) is_key_start: bool,
    /// Where the picture id is, and the id; whether it has 15 bits or 7.
    picture_id: Option<(usize, u16, bool)>,
    /// Where the number of the lowest temporal layer's picture is.
    tl0: Option<(usize, u8)>,
}

impl Vp8 {
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut at = 1;
        let (mut picture_id, mut tl0) = (None, None);
        if first & 0x80 != 0 {
            let extensions = *payload.get(at)?;
            at += 1;
            if extensions & 0x80 != 0 {
                let high = *payload.get(at)?;
                if high & 0x80 != 0 {
                    let low = *payload.get(at + 1)?;
                    let id = u16::from_be_bytes([high & 0x7f, low]);
                    picture_id = Some((at, id, true));
                    at += 2;
                } else {
                    picture_id = Some((at, u16::from(high), false));
                    at += 1;
                }
            }
            if extensions & 0x40 != 0 {
                tl0 = Some((at, *payload.get(at)?));
                at += 1;
            }
            if extensions & 0x30 != 0 {
                at += 1;
            }
        }
        let starts_picture = first & 0x10 != 0 && first & 0x07 == 0;
        let is_key = *payload.get(at)? & 0x01 == 0;
        Some(Self {
            is_key_start: starts_picture && is_key,
            picture_id,
            tl0,
        })
    }

    pub(super) fn picture_id(&self) -> Option<u16> {
        self.picture_id.map(|(_, id, _)| id)
    }

    pub(super) fn tl0(&self) -> Option<u8> {
        self.tl0.map(|(_, number)| number)
    }

    /// Writes both numbers moved on by so much into the payload that this was parsed from.
    pub(super) fn move_on(&self, payload: &mut [u8], picture_id_by: u16, tl0_by: u8) {
        if let Some((at, id, long)) = self.picture_id {
            let id = id.wrapping_add(picture_id_by);
            if long {
                payload[at] = 0x80 | (id >> 8) as u8 & 0x7f;
                payload[at + 1] = id as u8;
            } else {
                payload[at] = id as u8 & 0x7f;
            }
        }
        if let Some((at, number)) = self.tl0 {
            payload[at] = number.wrapping_add(tl0_by);
        }
    }
}

/// H.264 begins with its parameters or with a picture of its own (RFC 6184): alone in a packet,
/// among others in one, or as the first piece.
fn h264_starts_afresh(payload: &[u8]) -> bool {
    const PICTURE: u8 = 5;
    const PARAMETERS: u8 = 7;
    const TOGETHER: u8 = 24;
    const PIECE: u8 = 28;
    let Some(first) = payload.first() else {
        return false;
    };
    match first & 0x1f {
        PICTURE | PARAMETERS => true,
        TOGETHER => units(&payload[1..]).any(|unit| {
            let kind = unit.first().map_or(0, |b| b & 0x1f);
            kind == PICTURE || kind == PARAMETERS
        }),
        PIECE => payload
            .get(1)
            .is_some_and(|b| b & 0x80 != 0 && b & 0x1f == PICTURE),
        _ => false,
    }
}

fn units(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
        let unit = rest.get(2..2 + length)?;
        rest = &rest[2 + length..];
        Some(unit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// X, I with 15 bits, L and T, as Chromium writes them; then the first byte of a key frame.
    const KEY: [u8; 7] = [0x90, 0xe0, 0x91, 0x23, 0x45, 0x20, 0x10];

    #[test]
    fn vp8_is_read_and_moved_on() {
        let vp8 = Vp8::parse(&KEY).unwrap();
        assert!(vp8.is_key_start);
        assert_eq!((vp8.picture_id(), vp8.tl0()), (Some(0x1123), Some(0x45)));
        let mut payload = KEY;
        vp8.move_on(&mut payload, 0x7000, 0xff);
        assert_eq!(payload, [0x90, 0xe0, 0x81, 0x23, 0x44, 0x20, 0x10]);
    }

    #[test]
    fn short_picture_ids_wrap_at_seven_bits() {
        let mut payload = [0x90, 0x80, 0x7f, 0x10];
        let vp8 = Vp8::parse(&payload).unwrap();
        vp8.move_on(&mut payload, 2, 0);
        assert_eq!(payload[2], 1);
    }

    #[test]
    fn only_the_first_packet_of_a_key_frame_starts_afresh() {
        assert!(Codec::Vp8.starts_afresh(&KEY));
        let delta = [0x90, 0xe0, 0x91, 0x23, 0x45, 0x20, 0x11];
        assert!(!Codec::Vp8.starts_afresh(&delta));
        let middle = [0x80, 0xe0, 0x91, 0x23, 0x45, 0x20, 0x10];
        assert!(!Codec::Vp8.starts_afresh(&middle));
        assert!(!Codec::Vp8.starts_afresh(&[]));
    }

    #[test]
    fn h264_starts_with_parameters_or_a_picture_of_its_own() {
        for yes in [
            &[0x67, 1][..],
            &[0x65, 1],
            &[0x78, 0, 2, 0x09, 0xf0, 0, 2, 0x67, 1],
            &[0x7c, 0x85],
        ] {
            assert!(Codec::H264.starts_afresh(yes), "{yes:?}");
        }
        for no in [
            &[][..],
            &[0x61, 1],
            &[0x7c, 0x05],
            &[0x7c],
            &[0x78, 0, 9, 0x67],
            &[0x78, 0, 1, 0x61],
        ] {
            assert!(!Codec::H264.starts_afresh(no), "{no:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read(mut payload in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Codec::H264.starts_afresh(&payload);
            if let Some(vp8) = Vp8::parse(&payload) {
                vp8.move_on(&mut payload, 9, 9);
            }
        }
    }
}
