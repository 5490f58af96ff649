//! The codec against everything that proptest and malice come up with.

#[path = "codec/strategies.rs"]
mod strategies;

use bedside_protocol::{
    Command, CommandFrame, DecodeError, ErrorCode, Event, EventFrame, Reply, ServerFrame,
    WireFormat,
    codec::{
        decode_command, decode_server_frame, encode_command, encode_error, encode_event,
        encode_reply,
    },
    reply::{ConversationReply, Joined},
};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde::{Serialize, ser::SerializeMap};
use serde_json::{Value, json};

const FORMATS: [WireFormat; 2] = WireFormat::ALL;
const CONVERSATION: &str = "0193a6f0-5b1e-7c00-8000-000000000001";
/// What a user wrote and no error may repeat.
const SECRET: &str = "zq-has-a-rash-zq";

/// A map in this very order, with whatever is in it twice.
struct Pairs(Vec<(&'static str, Value)>);

impl Serialize for Pairs {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

fn write(format: WireFormat, value: &impl Serialize) -> Vec<u8> {
    match format {
        WireFormat::Json => serde_json::to_vec(value).expect("writes"),
        WireFormat::MsgPack => rmp_serde::to_vec_named(value).expect("writes"),
    }
}

fn frame(format: WireFormat, pairs: &[(&'static str, Value)]) -> Vec<u8> {
    write(format, &Pairs(pairs.to_vec()))
}

fn refused(format: WireFormat, bytes: &[u8]) -> DecodeError {
    decode_command(format, bytes).expect_err("is no command")
}

/// What a command frame holds, as generic values.
fn data_of(command: &Command) -> Value {
    serde_json::to_value(command).expect("writes")
}

proptest! {
    #[test]
    fn a_command_comes_back(command in strategies::command(), id in any::<Option<u64>>()) {
        for format in FORMATS {
            let bytes = encode_command(format, id, &command);
            let back = decode_command(format, &bytes);
            prop_assert_eq!(back, Ok(CommandFrame { id, command: command.clone() }));
        }
    }

    #[test]
    fn an_event_comes_back(frame in strategies::event_frame()) {
        for format in FORMATS {
            let bytes = encode_event(format, &frame);
            let back = decode_server_frame(format, &bytes);
            prop_assert_eq!(back, Ok(ServerFrame::Event(frame.clone())));
        }
    }

    #[test]
    fn an_error_comes_back(error in strategies::error(), reply_to in any::<Option<u64>>()) {
        for format in FORMATS {
            let bytes = encode_error(format, reply_to, &error);
            let back = decode_server_frame(format, &bytes);
            prop_assert_eq!(back, Ok(ServerFrame::Error { reply_to, error: error.clone() }));
        }
    }

    #[test]
    fn a_reply_comes_back(
        conversation in strategies::conversation(),
        created in any::<bool>(),
        reply_to in any::<u64>(),
    ) {
        let said = ConversationReply { conversation, created };
        for format in FORMATS {
            let bytes = encode_reply(format, reply_to, &Reply::Conversation(Box::new(said.clone())));
            let Ok(ServerFrame::Reply { reply_to: to, data }) = decode_server_frame(format, &bytes)
            else {
                panic!("is a reply");
            };
            prop_assert_eq!(to, reply_to);
            let back: ConversationReply = serde_json::from_value(data).expect("is a conversation");
            prop_assert_eq!(&back, &said);
        }
    }

    #[test]
    fn a_room_comes_back(joined in strategies::joined(), reply_to in any::<u64>()) {
        for format in FORMATS {
            let bytes = encode_reply(format, reply_to, &Reply::Joined(Box::new(joined.clone())));
            let Ok(ServerFrame::Reply { data, .. }) = decode_server_frame(format, &bytes) else {
                panic!("is a reply");
            };
            let back: Joined = serde_json::from_value(data).expect("is a room");
            prop_assert_eq!(&back, &joined);
        }
    }

    /// `type` after `data`, `id` last, strange fields anywhere: the same command.
    #[test]
    fn the_order_of_fields_does_not_matter(
        command in strategies::command(),
        id in any::<u64>(),
        order in Just(vec![0, 1, 2, 3, 4]).prop_shuffle(),
    ) {
        let fields = [
            ("id", json!(id)),
            ("type", json!(command.name())),
            ("data", data_of(&command)),
            ("trace", json!({"a": [1, 2.5, null, {"type": "x", "data": []}]})),
            ("seq", json!(7)),
        ];
        let pairs: Vec<_> = order.iter().map(|at| fields[*at].clone()).collect();
        for format in FORMATS {
            let back = decode_command(format, &frame(format, &pairs));
            prop_assert_eq!(back, Ok(CommandFrame { id: Some(id), command: command.clone() }));
        }
    }

    #[test]
    fn unknown_fields_in_data_are_ignored(command in strategies::command()) {
        let mut data = data_of(&command);
        data["a_field_of_a_later_version"] = json!([{"deep": ["er", -1, 1e300]}, null]);
        for format in FORMATS {
            for pairs in [
                [("type", json!(command.name())), ("data", data.clone())],
                [("data", data.clone()), ("type", json!(command.name()))],
            ] {
                let back = decode_command(format, &frame(format, &pairs));
                prop_assert_eq!(back, Ok(CommandFrame { id: None, command: command.clone() }));
            }
        }
    }

    #[test]
    fn events_are_read_in_any_order(event in strategies::event_frame(), late in any::<bool>()) {
        let mut pairs = vec![("type", json!(event.event.name()))];
        pairs.extend(event.conversation_id.map(|id| ("conversation_id", json!(id))));
        pairs.extend(event.seq.map(|seq| ("seq", json!(seq))));
        let data = ("data", serde_json::to_value(&event.event).expect("writes"));
        pairs.insert(if late { pairs.len() } else { 0 }, data);
        pairs.push(("a_field_of_a_later_version", json!({"x": 1})));
        for format in FORMATS {
            let back = decode_server_frame(format, &frame(format, &pairs));
            prop_assert_eq!(back, Ok(ServerFrame::Event(event.clone())));
        }
    }

    #[test]
    fn no_bytes_cause_a_panic(bytes in vec(any::<u8>(), 0..512)) {
        for format in FORMATS {
            let _ = decode_command(format, &bytes);
            let _ = decode_server_frame(format, &bytes);
        }
    }

    /// Frames that are nearly right reach further into the codec than noise does.
    #[test]
    fn no_damage_causes_a_panic(
        command in strategies::command(),
        event in strategies::event_frame(),
        damage in vec((any::<Index>(), any::<u8>()), 1..6),
        cut in any::<Index>(),
    ) {
        for format in FORMATS {
            for mut bytes in [encode_command(format, Some(1), &command), encode_event(format, &event)] {
                for (at, byte) in &damage {
                    let at = at.index(bytes.len());
                    bytes[at] = *byte;
                }
                let _ = decode_command(format, &bytes);
                let _ = decode_server_frame(format, &bytes);
                bytes.truncate(cut.index(bytes.len()));
                let _ = decode_command(format, &bytes);
                let _ = decode_server_frame(format, &bytes);
            }
        }
    }

    /// Every field in turn gets a value of another type that holds what a user wrote: whatever
    /// the error says, it does not say that.
    #[test]
    fn errors_never_repeat_what_a_user_wrote(
        command in strategies::command(),
        late in any::<bool>(),
        wrong in prop::sample::select(vec![
            json!(SECRET),
            json!(format!("missing field `{SECRET}`")),
            json!(format!("no such id {SECRET}")),
            json!([SECRET]),
            json!({SECRET: SECRET}),
            json!({"missing field `zq-has-a-rash-zq`": 1}),
        ]),
    ) {
        let data = data_of(&command);
        let fields: Vec<String> = data.as_object().expect("is a map").keys().cloned().collect();
        for field in fields {
            let mut data = data.clone();
            data[&field] = wrong.clone();
            let mut pairs = vec![("type", json!(command.name())), ("data", data), ("id", json!(9))];
            if late {
                pairs.reverse();
            }
            for format in FORMATS {
                if let Err(fault) = decode_command(format, &frame(format, &pairs)) {
                    prop_assert!(!fault.error.message.contains("rash"), "{}", fault.error);
                    prop_assert_eq!(fault.id, Some(9));
                    prop_assert_eq!(fault.error.code, ErrorCode::InvalidArgument);
                }
            }
        }
    }
}

#[test]
fn what_serde_quotes_is_not_taken_for_a_field_of_ours() {
    // serde says: unknown variant `missing field `zq...``, expected one of ...
    let data = json!({"kind": format!("missing field `{SECRET}`")});
    for format in FORMATS {
        let pairs = [
            ("type", json!("conversation.create")),
            ("data", data.clone()),
        ];
        let fault = refused(format, &frame(format, &pairs));
        assert!(!fault.error.message.contains("rash"), "{}", fault.error);
    }
}

#[test]
fn type_and_data_may_be_there_once() {
    let kind = || ("type", json!("typing.set"));
    let data = || {
        (
            "data",
            json!({"conversation_id": CONVERSATION, "typing": true}),
        )
    };
    let other = || ("type", json!("presence.set"));
    for pairs in [
        vec![kind(), kind(), data()],
        vec![kind(), other(), data()],
        vec![kind(), data(), kind()],
        vec![data(), kind(), other()],
        vec![kind(), data(), data()],
        vec![data(), data(), kind()],
        vec![data(), kind(), data()],
    ] {
        let mut pairs = pairs;
        pairs.push(("id", json!(3)));
        for format in FORMATS {
            let fault = refused(format, &frame(format, &pairs));
            assert_eq!(fault.error.message, "the same field twice", "{format:?}");
            assert_eq!(fault.error.code, ErrorCode::InvalidArgument);
            assert_eq!(fault.id, Some(3), "{format:?}");
        }
    }
}

#[test]
fn what_is_missing_is_named() {
    let set = |data: Value| vec![("type", json!("typing.set")), ("data", data)];
    let cases = [
        (vec![("data", json!({}))], "type is missing"),
        (vec![], "type is missing"),
        (vec![("type", json!("sync.resume"))], "data is missing"),
        (set(json!({"typing": true})), "conversation_id is missing"),
        (
            set(json!({"conversation_id": CONVERSATION})),
            "typing is missing",
        ),
        (
            vec![("data", json!({})), ("type", json!("message.edit"))],
            "conversation_id is missing",
        ),
        (
            vec![("type", json!("session.hello")), ("data", json!({}))],
            "token is missing",
        ),
        (
            vec![("type", json!("call.invite")), ("data", json!({}))],
            "type is not a command of this version",
        ),
        (
            vec![("data", json!([1, {}])), ("type", json!("message.created"))],
            "type is not a command of this version",
        ),
    ];
    for (pairs, wanted) in cases {
        for at in 0..=pairs.len() {
            let mut pairs = pairs.clone();
            pairs.insert(at, ("id", json!(u64::MAX)));
            for format in FORMATS {
                let fault = refused(format, &frame(format, &pairs));
                assert_eq!(fault.error.message, wanted, "{format:?} {at}");
                assert_eq!(fault.error.code, ErrorCode::InvalidArgument);
                assert_eq!(fault.error.retry_after_ms, 0);
                assert_eq!(fault.id, Some(u64::MAX), "{format:?} {at}");
            }
        }
    }
}

#[test]
fn our_own_words_for_what_is_wrong_survive() {
    let cases = [
        (
            json!({"conversation_id": "c1", "up_to_seq": 1}),
            "receipt.read",
            "no such id",
        ),
        (
            json!({"conversation_id": CONVERSATION, "muted_until": "soon"}),
            "conversation.set",
            "not an RFC 3339 time",
        ),
        (
            json!({"user_ids": [""]}),
            "presence.watch",
            "a user id has 1 to 128 bytes and no control characters",
        ),
        (
            json!({"client_msg_id": "a\u{7}"}),
            "message.send",
            "a client_msg_id has 1 to 64 bytes and no control characters",
        ),
    ];
    for (data, kind, wanted) in cases {
        for format in FORMATS {
            for pairs in [
                [("type", json!(kind)), ("data", data.clone())],
                [("data", data.clone()), ("type", json!(kind))],
            ] {
                let fault = refused(format, &frame(format, &pairs));
                assert_eq!(fault.error.message, wanted, "{format:?}");
            }
        }
    }
}

#[test]
fn wrong_types_are_refused() {
    let id = json!(CONVERSATION);
    let cases = [
        (
            "typing.set",
            json!({"conversation_id": id, "typing": "yes"}),
        ),
        ("typing.set", json!({"conversation_id": id, "typing": 1})),
        ("typing.set", json!({"conversation_id": 5, "typing": true})),
        ("typing.set", json!(null)),
        ("typing.set", json!("x")),
        ("typing.set", json!(7)),
        (
            "receipt.read",
            json!({"conversation_id": id, "up_to_seq": -1}),
        ),
        (
            "receipt.read",
            json!({"conversation_id": id, "up_to_seq": 1.5}),
        ),
        (
            "receipt.read",
            json!({"conversation_id": id, "up_to_seq": "7"}),
        ),
        (
            "message.history",
            json!({"conversation_id": id, "limit": 4_294_967_296_u64}),
        ),
        ("presence.set", json!({"status": "Busy"})),
        ("presence.set", json!({"status": "gone"})),
        ("conversation.create", json!({"kind": "party"})),
        (
            "conversation.create",
            json!({"kind": "direct", "member_ids": "d1"}),
        ),
        ("message.send", json!({"type": "sticker"})),
        ("sync.resume", json!({"positions": []})),
        ("sync.resume", json!({"positions": {CONVERSATION: "9"}})),
        (
            "member.add",
            json!({"conversation_id": id, "user_id": "u", "member_role": "owner"}),
        ),
    ];
    for (kind, data) in cases {
        for format in FORMATS {
            let pairs = [
                ("type", json!(kind)),
                ("data", data.clone()),
                ("id", json!(4)),
            ];
            let fault = refused(format, &frame(format, &pairs));
            assert_eq!(
                fault.error.code,
                ErrorCode::InvalidArgument,
                "{kind} {data}"
            );
            assert_eq!(fault.id, Some(4), "{kind} {data}");
        }
    }
    for format in FORMATS {
        for wrong in [json!([]), json!(1), json!("text"), json!(null), json!(true)] {
            let fault = refused(format, &write(format, &wrong));
            assert_eq!(fault.error.code, ErrorCode::InvalidArgument, "{wrong}");
        }
        for wrong in [json!(-1), json!(1.5), json!("7"), json!([7])] {
            let pairs = [
                ("id", wrong),
                ("type", json!("sync.resume")),
                ("data", json!({})),
            ];
            assert_eq!(refused(format, &frame(format, &pairs)).id, None);
        }
    }
}

#[test]
fn a_null_id_is_no_id() {
    for format in FORMATS {
        let pairs = [
            ("id", json!(null)),
            ("type", json!("sync.resume")),
            ("data", json!({})),
        ];
        let frame = decode_command(format, &frame(format, &pairs)).expect("is a command");
        assert_eq!(frame.id, None);
    }
}

#[test]
fn nothing_may_stand_behind_a_frame() {
    let command = Command::SyncResume(Default::default());
    for format in FORMATS {
        for rest in [
            &b"1"[..],
            b"{}",
            b"\x80",
            b"\x91",
            b"\xdc\x00\x01",
            b"\xc1",
            b"\xa3a",
        ] {
            let mut bytes = encode_command(format, Some(1), &command);
            bytes.extend_from_slice(rest);
            assert_eq!(
                refused(format, &bytes).error.code,
                ErrorCode::InvalidArgument,
                "{format:?} {rest:?}"
            );
        }
    }
}

#[test]
fn a_durable_event_of_a_later_version_keeps_its_place() {
    for format in FORMATS {
        let pairs = [
            ("type", json!("call.ended")),
            ("conversation_id", json!(CONVERSATION)),
            ("seq", json!(42)),
            ("data", json!({"duration_s": 61, "by": ["d1"]})),
        ];
        let Ok(ServerFrame::Event(read)) = decode_server_frame(format, &frame(format, &pairs))
        else {
            panic!("is an event");
        };
        let wanted = EventFrame {
            conversation_id: CONVERSATION.parse().ok(),
            seq: Some(42),
            event: Event::Unknown,
        };
        assert_eq!(read, wanted);
    }
}

#[test]
fn msgpack_integers_may_be_wider_than_they_need_be() {
    // {"type":"receipt.read","data":{"conversation_id":CONVERSATION,"up_to_seq":7}} with 7 as
    // uint 64, as some encoders write every number.
    let mut bytes = vec![0x82, 0xa4];
    bytes.extend_from_slice(b"type\xacreceipt.read\xa4data\x82\xafconversation_id\xd9\x24");
    bytes.extend_from_slice(CONVERSATION.as_bytes());
    bytes.extend_from_slice(b"\xa9up_to_seq\xcf\x00\x00\x00\x00\x00\x00\x00\x07");
    let frame = decode_command(WireFormat::MsgPack, &bytes).expect("is a command");
    let Command::ReceiptRead(receipt) = frame.command else {
        panic!("is a receipt");
    };
    assert_eq!(receipt.up_to_seq, 7);
}

#[test]
fn msgpack_strings_are_strings_and_not_binary() {
    // The same receipt with the id as bin 8.
    let mut bytes = vec![0x82, 0xa4];
    bytes.extend_from_slice(b"type\xacreceipt.read\xa4data\x82\xafconversation_id\xc4\x24");
    bytes.extend_from_slice(CONVERSATION.as_bytes());
    bytes.extend_from_slice(b"\xa9up_to_seq\x07");
    let fault = refused(WireFormat::MsgPack, &bytes);
    assert_eq!(fault.error.code, ErrorCode::InvalidArgument);
}

/// A stack a quarter of what an arbiter's thread has.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(512 * 1024)
        .spawn(test)
        .expect("starts")
        .join()
        .expect("does not overflow");
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    on_a_small_stack(|| {
        for levels in [100, 127, 128, 1_000, 50_000] {
            let open = "[".repeat(levels);
            let shut = "]".repeat(levels);
            for text in [
                format!(r#"{{"id":5,"type":"sync.resume","data":{open}{shut}}}"#),
                format!(r#"{{"data":{open}{shut},"type":"sync.resume","id":5}}"#),
                format!(r#"{{"type":"no.such","data":{open}{shut},"id":5}}"#),
                format!(r#"{{"type":"sync.resume","data":{{"x":{open}{shut}}},"id":5}}"#),
                format!(r#"{{"x":{open}{shut},"type":"sync.resume","data":{{}},"id":5}}"#),
                format!(r#"{{"x":{open}"#),
                open.clone(),
            ] {
                let _ = decode_command(WireFormat::Json, text.as_bytes());
                let _ = decode_server_frame(WireFormat::Json, text.as_bytes());
            }
            for nested in [vec![0x91; levels], b"\x81\xa1a".repeat(levels)] {
                let mut nested = nested;
                nested.push(0xc0);
                for (head, tail) in [
                    (&b"\x82\xa4type\xabsync.resume\xa4data"[..], &b""[..]),
                    (b"\x82\xa4data", b"\xa4type\xabsync.resume"),
                    (b"\x82\xa4type\xa2no\xa4data", b""),
                    (b"\x83\xa1x", b"\xa4type\xabsync.resume\xa4data\x80"),
                    (b"", b""),
                ] {
                    let bytes = [head, &nested, tail].concat();
                    let _ = decode_command(WireFormat::MsgPack, &bytes);
                    let _ = decode_server_frame(WireFormat::MsgPack, &bytes);
                }
            }
        }
    });
}

#[test]
fn strange_fields_may_nest_a_hundred_deep_in_either_format() {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    for format in FORMATS {
        let pairs = [
            ("later", deep.clone()),
            ("type", json!("sync.resume")),
            ("data", json!({})),
        ];
        assert!(
            decode_command(format, &frame(format, &pairs)).is_ok(),
            "{format:?}"
        );
    }
}

/// Kilobytes of address space that the process has had at most.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmPeak:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[test]
fn a_declared_length_allocates_nothing() {
    let before = peak_kib();
    // Four thousand million entries, in a frame of a few bytes.
    for declared in [
        &b"\xdd\xff\xff\xff\xff"[..], // array 32
        b"\xdf\xff\xff\xff\xff",      // map 32
        b"\xdb\xff\xff\xff\xff",      // str 32
        b"\xc6\xff\xff\xff\xff",      // bin 32
        b"\xc9\xff\xff\xff\xff\x01",  // ext 32
    ] {
        for head in [
            &b""[..],
            b"\x82\xa4type\xabsync.resume\xa4data",
            b"\x82\xa4type\xabsync.resume\xa4data\x81\xa9positions",
            b"\x82\xa4type\xabsync.resume\xa4data\x81\xa6cursor",
            b"\x82\xa4type\xaepresence.watch\xa4data\x81\xa8user_ids",
            b"\x82\xa4type\xacmessage.send\xa4data\x81\xabattachments",
            b"\x82\xa4type\xaasync.batch\xa4data\x81\xa6events",
            b"\x82\xa4data",
            b"\x82\xa4type",
            b"\x82",
        ] {
            let bytes = [head, declared].concat();
            assert!(decode_command(WireFormat::MsgPack, &bytes).is_err());
            assert!(decode_server_frame(WireFormat::MsgPack, &bytes).is_err());
        }
    }
    // Other tests and their threads take their share, far below this.
    if let (Some(before), Some(after)) = (before, peak_kib()) {
        assert!(after - before < 1024 * 1024, "{before} {after}");
    }
}
