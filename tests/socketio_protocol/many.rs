//! Many clients at once: each gets its own, all of it, in order.

use tokio::task::JoinSet;

use crate::support::{client::Client, engine::Transport};

const CLIENTS: usize = 200;
const TURNS: usize = 5;

async fn converse(number: usize) -> Vec<String> {
    let transport = match number % 3 {
        0 => Transport::WebSocket,
        1 => Transport::Polling,
        _ => Transport::Upgraded,
    };
    let mut client = Client::outside(transport).await;
    let ids = vec![client.join_main().await, client.join_custom().await];
    for turn in 0..TURNS {
        client.say(&format!(r#"2["message",{number},{turn}]"#));
        client.say(&format!(r#"2{turn}["message-with-ack",{number}]"#));
        client.say(r#"51-["message",{"_placeholder":true,"num":0}]"#);
        client.send(&number.to_be_bytes());
        client
            .expect(&format!(r#"2["message-back",{number},{turn}]"#))
            .await;
        client.expect(&format!("3{turn}[{number}]")).await;
        client
            .expect(r#"51-["message-back",{"_placeholder":true,"num":0}]"#)
            .await;
        assert_eq!(client.next_binary().await, number.to_be_bytes());
    }
    client.say("1/custom,");
    client.is_well().await;
    ids
}

#[tokio::test]
async fn two_hundred_clients_get_their_own() {
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(converse(number));
    }
    let mut ids = Vec::new();
    while let Some(done) = clients.join_next().await {
        ids.extend(done.expect("each client gets its own"));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2 * CLIENTS);
}
