//! Events with attachments: one packet of text, and bytes behind it.

use crate::support::{client::Client, engine::Transport, on_each_transport};

on_each_transport!(
    one_attachment_comes_back,
    two_attachments_come_back,
    attachments_may_be_anywhere,
    attachments_may_be_empty_or_large,
    attachments_may_be_out_of_order,
    other_events_keep_their_place,
    an_event_waits_for_its_attachments,
    text_instead_of_an_attachment_closes,
    bytes_that_nobody_announced_close,
    one_attachment_too_many_closes,
    a_placeholder_stands_for_an_attachment,
    the_number_of_attachments_is_a_number,
);

const FIRST: &str = r#"{"_placeholder":true,"num":0}"#;
const SECOND: &str = r#"{"_placeholder":true,"num":1}"#;

async fn one_attachment_comes_back(transport: Transport) {
    let mut client = Client::new(transport).await;
    client.say(&format!(r#"51-["message",{FIRST}]"#));
    client.send(&[1, 2, 3]);
    client
        .expect(&format!(r#"51-["message-back",{FIRST}]"#))
        .await;
    assert_eq!(client.next_binary().await, [1, 2, 3]);
    client.is_well().await;
}

async fn two_attachments_come_back(transport: Transport) {
    let mut client = Client::new(transport).await;
    client.say(&format!(r#"52-["message",{FIRST},"between",{SECOND}]"#));
    client.send(&[1, 2, 3]);
    client.send(&[4, 5, 6]);
    let back = format!(r#"52-["message-back",{FIRST},"between",{SECOND}]"#);
    client.expect(&back).await;
    assert_eq!(client.next_binary().await, [1, 2, 3]);
    assert_eq!(client.next_binary().await, [4, 5, 6]);
    client.is_well().await;
}

async fn attachments_may_be_anywhere(transport: Transport) {
    let mut client = Client::new(transport).await;
    client.say(&format!(
        r#"52-["message",{{"a":[{FIRST}],"b":{{"c":{SECOND}}}}}]"#
    ));
    client.send(b"one");
    client.send(b"two");
    let back = format!(r#"52-["message-back",{{"a":[{FIRST}],"b":{{"c":{SECOND}}}}}]"#);
    client.expect(&back).await;
    assert_eq!(client.next_binary().await, b"one");
    assert_eq!(client.next_binary().await, b"two");
}

async fn attachments_may_be_empty_or_large(transport: Transport) {
    let mut client = Client::new(transport).await;
    for length in [0, 70_000, 300_000] {
        let bytes = vec![9; length];
        client.say(&format!(r#"51-["message",{FIRST}]"#));
        client.send(&bytes);
        client
            .expect(&format!(r#"51-["message-back",{FIRST}]"#))
            .await;
        assert!(client.next_binary().await == bytes, "{length} bytes");
    }
}

/// The first argument is the second attachment. Back, they may come in either order.
async fn attachments_may_be_out_of_order(transport: Transport) {
    let mut client = Client::new(transport).await;
    client.say(&format!(r#"52-["message",{SECOND},{FIRST}]"#));
    client.send(b"one");
    client.send(b"two");
    let packet = client.next_text().await;
    let attachments = [client.next_binary().await, client.next_binary().await];
    let expected = match packet.as_str() {
        r#"52-["message-back",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"# => {
            [b"one", b"two"]
        }
        r#"52-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"# => {
            [b"two", b"one"]
        }
        other => panic!("{other}"),
    };
    assert_eq!(attachments, expected);
}

async fn other_events_keep_their_place(transport: Transport) {
    let mut client = Client::new(transport).await;
    for number in 0..30_u8 {
        client.say(&format!(r#"2["message",{number}]"#));
        client.say(&format!(r#"51-["message",{FIRST}]"#));
        client.send(&[number]);
    }
    for number in 0..30_u8 {
        client
            .expect(&format!(r#"2["message-back",{number}]"#))
            .await;
        client
            .expect(&format!(r#"51-["message-back",{FIRST}]"#))
            .await;
        assert_eq!(client.next_binary().await, [number]);
    }
}

async fn an_event_waits_for_its_attachments(transport: Transport) {
    let mut client = Client::new(transport).await;
    client.say(&format!(r#"52-["message",{FIRST},{SECOND}]"#));
    client.stays_quiet().await;
    client.send(b"one");
    client.stays_quiet().await;
    client.send(b"two");
    client
        .expect(&format!(r#"52-["message-back",{FIRST},{SECOND}]"#))
        .await;
    assert_eq!(client.next_binary().await, b"one");
    assert_eq!(client.next_binary().await, b"two");
}

async fn text_instead_of_an_attachment_closes(transport: Transport) {
    for packet in [r#"2["message"]"#, "1", "0/custom,", r#"51-["message"]"#] {
        let mut client = Client::new(transport).await;
        client.say(&format!(r#"52-["message",{FIRST},{SECOND}]"#));
        client.send(b"one");
        client.say(packet);
        client.closes().await;
    }
}

async fn bytes_that_nobody_announced_close(transport: Transport) {
    let mut client = Client::new(transport).await;
    client.send(&[1, 2, 3]);
    client.closes().await;
}

async fn one_attachment_too_many_closes(transport: Transport) {
    let mut client = Client::new(transport).await;
    client.say(&format!(r#"51-["message",{FIRST}]"#));
    client.send(b"one");
    client
        .expect(&format!(r#"51-["message-back",{FIRST}]"#))
        .await;
    assert_eq!(client.next_binary().await, b"one");
    client.send(b"two");
    client.closes().await;
}

async fn a_placeholder_stands_for_an_attachment(transport: Transport) {
    for number in ["1", "-1", "\"0\"", "null", "4294967296"] {
        let mut client = Client::new(transport).await;
        let placeholder = format!(r#"{{"_placeholder":true,"num":{number}}}"#);
        client.say(&format!(r#"51-["message",{placeholder}]"#));
        client.send(b"one");
        client.closes().await;
    }
}

async fn the_number_of_attachments_is_a_number(transport: Transport) {
    for head in [
        "5",
        "5-",
        "51",
        "5a-",
        "5-1-",
        "51.5-",
        "599999999999999999999-",
        "5100000-",
    ] {
        let mut client = Client::new(transport).await;
        client.say(&format!(r#"{head}["message",{FIRST}]"#));
        client.closes().await;
    }
}
