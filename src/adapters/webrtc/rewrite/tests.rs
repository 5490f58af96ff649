use super::*;
use proptest::prelude::*;

const A: Stretch = Stretch { ssrc: 1, turn: 0 };
const B: Stretch = Stretch { ssrc: 2, turn: 0 };

/// A picture of VP8 with its number, a key frame or not.
fn vp8(id: u16, tl0: u8, key: bool) -> Vec<u8> {
    let id = id & 0x7fff | 0x8000;
    let [high, low] = id.to_be_bytes();
    vec![0x90, 0xe0, high, low, tl0, 0x20, u8::from(!key)]
}

fn incoming(stretch: Stretch, seq: u16, timestamp: u32, payload: &[u8]) -> Incoming<'_> {
    Incoming {
        stretch,
        codec: Codec::Vp8,
        seq,
        timestamp,
        payload,
        at: Duration::ZERO,
    }
}

fn sent(verdict: Verdict) -> Outgoing {
    match verdict {
        Verdict::Send(outgoing) => outgoing,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_stream_goes_through_as_it_is() {
    let mut rewriter = Rewriter::default();
    for seq in 65_534..65_540_u32 {
        let payload = vp8(seq as u16, 0, seq == 65_534);
        let out = sent(rewriter.rewrite(incoming(A, seq as u16, seq * 3_000, &payload)));
        assert_eq!((out.seq, out.timestamp), (seq as u16, seq * 3_000));
        assert_eq!(out.payload, None);
    }
}

#[test]
fn nothing_is_shown_before_a_key_frame() {
    let mut rewriter = Rewriter::default();
    let delta = vp8(1, 1, false);
    let verdict = rewriter.rewrite(incoming(A, 1, 0, &delta));
    assert_eq!(verdict, Verdict::NeedsKeyFrame);
    let key = vp8(2, 2, true);
    sent(rewriter.rewrite(incoming(A, 2, 0, &key)));
    let other = rewriter.rewrite(incoming(B, 900, 0, &delta));
    assert_eq!(other, Verdict::NeedsKeyFrame);
}

#[test]
fn another_source_goes_on_where_the_one_before_ended() {
    let mut rewriter = Rewriter::default();
    let first = vp8(0x7fff, 0xff, true);
    sent(rewriter.rewrite(incoming(A, 65_535, 1_000, &first)));
    let second = vp8(40, 7, true);
    let packet = Incoming {
        at: Duration::from_millis(100),
        ..incoming(B, 77, 500_000, &second)
    };
    let out = sent(rewriter.rewrite(packet));
    assert_eq!((out.seq, out.timestamp), (0, 1_000 + 9_000));
    let shown = Vp8::parse(&out.payload.unwrap()).unwrap();
    assert_eq!((shown.picture_id(), shown.tl0()), (Some(0), Some(0)));
    let next = vp8(41, 8, false);
    let out = sent(rewriter.rewrite(incoming(B, 79, 503_000, &next)));
    assert_eq!((out.seq, out.timestamp), (2, 1_000 + 9_000 + 3_000));
}

#[test]
fn what_is_older_than_the_key_frame_is_dropped_and_what_is_late_is_not() {
    let mut rewriter = Rewriter::default();
    let (key, delta) = (vp8(5, 1, true), vp8(6, 2, false));
    sent(rewriter.rewrite(incoming(A, 100, 0, &key)));
    assert_eq!(rewriter.rewrite(incoming(A, 99, 0, &delta)), Verdict::Drop);
    sent(rewriter.rewrite(incoming(A, 103, 0, &delta)));
    let late = sent(rewriter.rewrite(incoming(A, 102, 0, &delta)));
    assert_eq!(late.seq, 102);
    sent(rewriter.rewrite(incoming(B, 7, 0, &key)));
    let after = sent(rewriter.rewrite(incoming(B, 8, 0, &delta)));
    assert_eq!(after.seq, 105, "it counts on from the newest");
}

#[test]
fn a_silence_leaves_no_hole() {
    let mut rewriter = Rewriter::default();
    let voice = |turn, seq, at_ms| Incoming {
        stretch: Stretch { ssrc: 3, turn },
        codec: Codec::Opus,
        seq,
        timestamp: u32::from(seq) * 960,
        payload: &[1],
        at: Duration::from_millis(at_ms),
    };
    let before = sent(rewriter.rewrite(voice(0, 10, 0)));
    let after = sent(rewriter.rewrite(voice(1, 60, 1_000)));
    assert_eq!(after.seq, before.seq + 1);
    assert_eq!(after.timestamp, before.timestamp + 48_000);
}

#[test]
fn a_long_stream_is_never_taken_for_old() {
    let mut rewriter = Rewriter::default();
    let (key, delta) = (vp8(0, 0, true), vp8(0, 0, false));
    sent(rewriter.rewrite(incoming(A, 0, 0, &key)));
    for n in 1..200_000_u32 {
        let out = sent(rewriter.rewrite(incoming(A, n as u16, n, &delta)));
        assert_eq!(out.seq, n as u16);
    }
}

proptest! {
    #[test]
    fn whatever_takes_turns_the_receiver_sees_dense_numbers(
        turns in proptest::collection::vec((any::<u32>(), any::<u16>(), any::<u32>(), 1_u16..40), 1..20)
    ) {
        let mut rewriter = Rewriter::default();
        let (mut last, mut at) = (None::<u16>, Duration::ZERO);
        for (turn, (ssrc, seq, timestamp, length)) in turns.into_iter().enumerate() {
            let stretch = Stretch { ssrc, turn: turn as u32 };
            for n in 0..length {
                at += Duration::from_millis(33);
                let payload = vp8(n, n as u8, n == 0);
                let packet = Incoming {
                    at,
                    ..incoming(stretch, seq.wrapping_add(n), timestamp.wrapping_add(u32::from(n)), &payload)
                };
                let out = sent(rewriter.rewrite(packet));
                if let Some(last) = last {
                    prop_assert_eq!(out.seq, last.wrapping_add(1));
                }
                last = Some(out.seq);
            }
        }
    }
}
