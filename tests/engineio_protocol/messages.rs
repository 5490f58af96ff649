//! Messages there and back, on every transport.

use crate::support::{
    engine::{Engine, Event, Transport},
    on_each_transport,
    under_test::{MAX_PAYLOAD, engine_io},
};

on_each_transport!(
    text_comes_back,
    text_of_any_script_comes_back,
    binary_comes_back,
    nothing_comes_back_as_nothing,
    the_order_is_kept,
    large_messages_come_back,
    the_largest_message_comes_back,
    long_conversations_outlast_many_pings,
);

async fn text_comes_back(transport: Transport) {
    let mut engine = Engine::open(engine_io(), transport).await;
    engine.say("hello");
    assert_eq!(engine.next_text().await, "hello");
    engine.stays_quiet().await;
}

async fn text_of_any_script_comes_back(transport: Transport) {
    let mut engine = Engine::open(engine_io(), transport).await;
    for text in [
        "€",
        "مرحبا",
        "こんにちは",
        "👩🏽‍⚕️",
        "e\u{301}",
        "\u{0}",
        "\r\n",
        "\"\\\"",
        "4",
        "b",
        "bAQID",
        "2probe",
        "\u{feff}bom",
        "\u{ffff}",
    ] {
        engine.say(text);
        assert_eq!(engine.next_text().await, text);
    }
}

async fn binary_comes_back(transport: Transport) {
    let mut engine = Engine::open(engine_io(), transport).await;
    let all: Vec<u8> = (0..=255).collect();
    for bytes in [&[1, 2, 3, 4][..], &[0], &[0xff, 0xfe], b"text", &all] {
        engine.send(bytes);
        assert_eq!(engine.next_binary().await, bytes);
    }
}

async fn nothing_comes_back_as_nothing(transport: Transport) {
    let mut engine = Engine::open(engine_io(), transport).await;
    engine.say("");
    assert_eq!(engine.next_text().await, "");
    engine.send(b"");
    assert_eq!(engine.next_binary().await, b"");
}

async fn the_order_is_kept(transport: Transport) {
    let mut engine = Engine::open(engine_io(), transport).await;
    for number in 0..300_u32 {
        match number % 3 {
            0 => engine.send(&number.to_be_bytes()),
            _ => engine.say(&number.to_string()),
        }
    }
    for number in 0..300_u32 {
        let expected = match number % 3 {
            0 => Event::Binary(number.to_be_bytes().to_vec()),
            _ => Event::text(number.to_string()),
        };
        assert_eq!(engine.next().await, expected);
    }
}

async fn large_messages_come_back(transport: Transport) {
    let mut engine = Engine::open(engine_io(), transport).await;
    for length in [125, 126, 127, 65_535, 65_536, 300_000] {
        let text = "t".repeat(length);
        engine.say(&text);
        assert!(engine.next_text().await == text, "{length} bytes of text");
        let bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
        engine.send(&bytes);
        assert!(engine.next_binary().await == bytes, "{length} bytes");
    }
}

async fn the_largest_message_comes_back(transport: Transport) {
    let mut engine = Engine::open(engine_io(), transport).await;
    // With the type of the packet it is as long as a payload may be.
    let text = "t".repeat(MAX_PAYLOAD - 1);
    engine.say(&text);
    assert!(engine.next_text().await == text);
    // In long polling it is written in base64.
    let bytes = match transport {
        Transport::Polling => vec![7; (MAX_PAYLOAD - 1) / 4 * 3],
        _ => vec![7; MAX_PAYLOAD],
    };
    engine.send(&bytes);
    assert!(engine.next_binary().await == bytes);
}

async fn long_conversations_outlast_many_pings(transport: Transport) {
    let mut engine = Engine::open(engine_io(), transport).await;
    for turn in 0..4 {
        engine.stays_quiet().await;
        engine.say(&turn.to_string());
        assert_eq!(engine.next_text().await, turn.to_string());
    }
}
