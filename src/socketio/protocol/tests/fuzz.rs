//! Whatever is sent, nothing panics, and what was taken stays within bounds.

use super::*;
use proptest::{collection::vec, prelude::*};

#[derive(Clone, Debug)]
enum Sent {
    Text(String),
    Bytes(Vec<u8>),
}

/// Text that is close to a packet.
fn nearly_a_packet() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[0-7]",
        "[0-9]{0,25}-?",
        "/[a-z\\P{Cc}]{0,6},?",
        Just(r#"["echo",{"_placeholder":true,"num":0}]"#.to_owned()),
        Just(r#"["raw",{"é\"":[1,2e9]},null]"#.to_owned()),
        Just("[".repeat(300)),
        Just(r#"{"a":1}"#.to_owned()),
        any::<String>(),
    ];
    vec(piece, 1..5).prop_map(|pieces| pieces.concat())
}

/// Bytes that are close to a packet in MessagePack.
fn nearly_messagepack() -> impl Strategy<Value = Vec<u8>> {
    let key = prop_oneof![
        Just("type"),
        Just("nsp"),
        Just("data"),
        Just("id"),
        Just("x")
    ];
    let value = prop_oneof![
        (0..8_u8).prop_map(|n| vec![n]),
        Just(vec![0xa1, b'/']),
        Just([&[0x92, 0xa4][..], b"echo", &[0xc0]].concat()),
        Just(vec![0xd4, 0, 0]),
        Just(vec![0x91; 200]),
        Just(vec![0xdd, 0xff, 0xff, 0xff, 0xff]),
        vec(any::<u8>(), 0..12),
    ];
    vec((key, value), 0..6).prop_map(|members| {
        let mut bytes = vec![0x80 | members.len() as u8];
        for (key, value) in members {
            bytes.push(0xa0 | key.len() as u8);
            bytes.extend_from_slice(key.as_bytes());
            bytes.extend(value);
        }
        bytes
    })
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        any::<String>().prop_map(Sent::Text),
        nearly_a_packet().prop_map(Sent::Text),
        nearly_a_packet().prop_map(Sent::Text),
        nearly_messagepack().prop_map(Sent::Bytes),
        vec(any::<u8>(), 0..64).prop_map(Sent::Bytes),
    ]
}

fn give(client: &mut Client, sent: &[Sent]) {
    for message in sent {
        let taken = match message {
            Sent::Text(text) => client.try_say(text),
            Sent::Bytes(bytes) => client.try_send(bytes),
        };
        if taken.is_err() {
            break;
        }
        assert!(client.connection.members.len() <= limits().namespaces_max);
        client.closed();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn strangers_may_send_anything(sent in vec(sent(), 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("starts").block_on(async { give(&mut Client::new(), &sent) });
    }

    #[test]
    fn clients_may_send_anything(is_json in any::<bool>(), sent in vec(sent(), 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("starts").block_on(async {
            let mut client = Client::new();
            if is_json {
                client.say("0");
            } else {
                let connect = json!({"type": 0, "nsp": "/"});
                client.send(&rmp_serde::to_vec_named(&connect).expect("is JSON"));
            }
            give(&mut client, &sent);
        });
    }
}
