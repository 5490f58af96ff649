//! What is no packet of Socket.IO closes the connection that it came on, and no other.

use crate::support::{client::Client, engine::Transport, on_each_transport};

const MALFORMED: [&str; 14] = [
    "7",
    "8[]",
    "9",
    "a",
    "abc",
    "€",
    "-1",
    "2abc",
    "2[",
    r#"2["message",]"#,
    r#"2["message"]]"#,
    r#"2["message"#,
    r#"2/custom["message"]"#,
    r#"21.5["message"]"#,
];

on_each_transport!(
    what_is_no_packet_closes,
    what_is_no_packet_closes_before_connect,
    what_is_no_packet_disturbs_no_other,
    deep_nesting_is_survived,
);

async fn what_is_no_packet_closes(transport: Transport) {
    for packet in MALFORMED {
        let mut client = Client::new(transport).await;
        client.say(packet);
        client.closes().await;
    }
}

async fn what_is_no_packet_closes_before_connect(transport: Transport) {
    for packet in MALFORMED {
        let mut client = Client::outside(transport).await;
        client.say(packet);
        client.closes().await;
    }
}

async fn what_is_no_packet_disturbs_no_other(transport: Transport) {
    let mut neighbour = Client::new(transport).await;
    for packet in MALFORMED {
        let mut client = Client::new(transport).await;
        client.say(packet);
        client.closes().await;
        neighbour.is_well().await;
    }
    neighbour.stays_quiet().await;
}

/// Whether it is understood or not.
async fn deep_nesting_is_survived(transport: Transport) {
    let mut neighbour = Client::new(transport).await;
    for depth in [100, 10_000, 200_000] {
        let deep = "[".repeat(depth) + &"]".repeat(depth);
        let client = Client::new(transport).await;
        client.say(&format!(r#"2["message",{deep}]"#));
        let client = Client::outside(transport).await;
        client.say(&format!(r#"0{{"token":{deep}}}"#));
        neighbour.is_well().await;
        neighbour.stays_quiet().await;
    }
}
