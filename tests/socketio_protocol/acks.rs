//! Acknowledgements.

use crate::support::{client::Client, engine::Transport, on_each_transport};

on_each_transport!(
    an_event_is_acknowledged_with_its_id,
    many_may_wait_for_their_acknowledgements,
    bytes_are_acknowledged_with_bytes,
    an_acknowledgement_that_nobody_waits_for_is_passed_over,
);

async fn an_event_is_acknowledged_with_its_id(transport: Transport) {
    let mut client = Client::new(transport).await;
    for (id, arguments) in [
        (0, ""),
        (1, "1"),
        (12, r#"1,"2",{"3":[false]},null"#),
        (456, r#"["789"]"#),
        (9_007_199_254_740_991_i64, r#""large""#),
    ] {
        let comma = if arguments.is_empty() { "" } else { "," };
        client.say(&format!(r#"2{id}["message-with-ack"{comma}{arguments}]"#));
        client.expect(&format!("3{id}[{arguments}]")).await;
    }
    client.stays_quiet().await;
}

async fn many_may_wait_for_their_acknowledgements(transport: Transport) {
    let mut client = Client::new(transport).await;
    for id in (0..100).rev() {
        client.say(&format!(r#"2{id}["message-with-ack",{id}]"#));
        client.say(&format!(r#"2["message",{id}]"#));
    }
    for id in (0..100).rev() {
        client.expect(&format!("3{id}[{id}]")).await;
        client.expect(&format!(r#"2["message-back",{id}]"#)).await;
    }
}

async fn bytes_are_acknowledged_with_bytes(transport: Transport) {
    let mut client = Client::new(transport).await;
    client.say(r#"51-789["message-with-ack",{"_placeholder":true,"num":0},"text"]"#);
    client.send(&[1, 2, 3]);
    client
        .expect(r#"61-789[{"_placeholder":true,"num":0},"text"]"#)
        .await;
    assert_eq!(client.next_binary().await, [1, 2, 3]);
    client.is_well().await;
}

async fn an_acknowledgement_that_nobody_waits_for_is_passed_over(transport: Transport) {
    let mut client = Client::new(transport).await;
    client.join_custom().await;
    client.say(r#"37["nobody asked"]"#);
    client.say("3/custom,7[]");
    client.say(r#"61-8[{"_placeholder":true,"num":0}]"#);
    client.send(&[1]);
    client.is_well().await;
    client.stays_quiet().await;
}
