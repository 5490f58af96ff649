//! How clients enter namespaces, and what becomes of those that do not.

use std::{collections::HashSet, time::Duration};
use tokio::time::Instant;

use crate::support::{
    client::Client, engine::Transport, on_each_transport, under_test::strict_socket_io,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Timers may count in whole milliseconds.
const TICK: Duration = Duration::from_millis(5);

on_each_transport!(
    the_main_namespace_lets_in,
    what_a_client_says_about_itself_is_heard,
    another_namespace_lets_in,
    what_a_client_says_about_itself_is_heard_in_another_namespace,
    the_comma_behind_a_namespace_may_be_missing,
    an_unknown_namespace_does_not_let_in,
    who_is_refused_may_try_elsewhere,
    ids_are_never_the_same,
    who_enters_nothing_is_closed,
    who_is_only_refused_is_closed,
    who_has_entered_may_stay,
    nobody_enters_twice,
    nothing_comes_before_connect,
    what_a_client_says_about_itself_is_an_object,
);

async fn the_main_namespace_lets_in(transport: Transport) {
    let mut client = Client::outside(transport).await;
    client.say("0");
    client.welcome("").await;
    client.expect(r#"2["auth",{}]"#).await;
    client.is_well().await;
}

async fn what_a_client_says_about_itself_is_heard(transport: Transport) {
    for auth in [
        r#"{"token":"123"}"#,
        "{}",
        r#"{"token":"ключ \"x\" €","deep":{"list":[1,null,true,{"a":"b"}]}}"#,
    ] {
        let mut client = Client::outside(transport).await;
        client.say(&format!("0{auth}"));
        client.welcome("").await;
        client.expect(&format!(r#"2["auth",{auth}]"#)).await;
    }
}

async fn another_namespace_lets_in(transport: Transport) {
    let mut client = Client::outside(transport).await;
    client.say("0/custom,");
    client.welcome("/custom,").await;
    client.expect(r#"2/custom,["auth",{}]"#).await;
    client.stays_quiet().await;
}

async fn what_a_client_says_about_itself_is_heard_in_another_namespace(transport: Transport) {
    let mut client = Client::outside(transport).await;
    client.say(r#"0/custom,{"token":"abc"}"#);
    client.welcome("/custom,").await;
    client.expect(r#"2/custom,["auth",{"token":"abc"}]"#).await;
}

async fn the_comma_behind_a_namespace_may_be_missing(transport: Transport) {
    let mut client = Client::outside(transport).await;
    client.say("0/custom");
    client.welcome("/custom,").await;
    client.expect(r#"2/custom,["auth",{}]"#).await;
}

async fn an_unknown_namespace_does_not_let_in(transport: Transport) {
    for namespace in ["/random", "/custom/", "/Custom", "/custom/more", "//"] {
        let mut client = Client::outside(transport).await;
        client.say(&format!("0{namespace},"));
        let refusal = format!(r#"4{namespace},{{"message":"Invalid namespace"}}"#);
        client.expect(&refusal).await;
    }
}

async fn who_is_refused_may_try_elsewhere(transport: Transport) {
    let mut client = Client::outside(transport).await;
    client.say(r#"0/random,{"token":"123"}"#);
    client
        .expect(r#"4/random,{"message":"Invalid namespace"}"#)
        .await;
    client.join_main().await;
    client.say("0/random,");
    client
        .expect(r#"4/random,{"message":"Invalid namespace"}"#)
        .await;
    client.is_well().await;
}

async fn ids_are_never_the_same(transport: Transport) {
    let mut ids = HashSet::new();
    for _ in 0..5 {
        let mut client = Client::outside(transport).await;
        // The session's is a secret, which these are not.
        let session = client.opening["sid"].as_str().expect("an id").to_owned();
        for id in [
            session,
            client.join_main().await,
            client.join_custom().await,
        ] {
            assert!(id.len() >= 20, "{id}");
            assert!(ids.insert(id));
        }
    }
}

async fn who_enters_nothing_is_closed(transport: Transport) {
    let start = Instant::now();
    let mut client = Client::of(strict_socket_io(), transport).await;
    client.closes().await;
    assert!(start.elapsed() + TICK >= CONNECT_TIMEOUT);
}

async fn who_is_only_refused_is_closed(transport: Transport) {
    let start = Instant::now();
    let mut client = Client::of(strict_socket_io(), transport).await;
    client.say("0/random,");
    client
        .expect(r#"4/random,{"message":"Invalid namespace"}"#)
        .await;
    client.closes().await;
    assert!(start.elapsed() + TICK >= CONNECT_TIMEOUT);
}

async fn who_has_entered_may_stay(transport: Transport) {
    let start = Instant::now();
    let mut client = Client::of(strict_socket_io(), transport).await;
    client.join_main().await;
    while start.elapsed() < CONNECT_TIMEOUT * 2 {
        client.stays_quiet().await;
    }
    client.is_well().await;
}

async fn nobody_enters_twice(transport: Transport) {
    let mut client = Client::new(transport).await;
    client.say("0");
    client.closes().await;
    let mut client = Client::new(transport).await;
    client.join_custom().await;
    client.say(r#"0/custom,{"token":"other"}"#);
    client.closes().await;
}

async fn nothing_comes_before_connect(transport: Transport) {
    for packet in [
        r#"2["message","too early"]"#,
        r#"20["message-with-ack"]"#,
        r#"2/custom,["message"]"#,
        "30[]",
        "1",
        "1/custom,",
    ] {
        let mut client = Client::outside(transport).await;
        client.say(packet);
        client.closes().await;
    }
}

async fn what_a_client_says_about_itself_is_an_object(transport: Transport) {
    for auth in [r#""abc""#, "[1]", "true", "null", "{", r#"{"a":1}}"#, "abc"] {
        let mut client = Client::outside(transport).await;
        client.say(&format!("0{auth}"));
        client.closes().await;
    }
}
