//! Several namespaces on one connection.

use crate::support::{client::Client, engine::Transport, on_each_transport};

on_each_transport!(
    two_share_a_connection,
    events_stay_in_their_namespace,
    who_leaves_one_stays_in_the_other,
    who_leaves_the_main_one_stays_in_the_other,
    who_has_left_may_come_back,
    who_has_left_may_come_back_at_once,
    who_has_left_all_may_come_back,
    who_has_left_is_not_heard,
    an_event_for_a_namespace_that_was_not_entered_closes,
    only_servers_refuse,
);

async fn two(transport: Transport) -> Client {
    let mut client = Client::new(transport).await;
    client.join_custom().await;
    client
}

async fn two_share_a_connection(transport: Transport) {
    let mut client = Client::outside(transport).await;
    let main = client.join_main().await;
    let custom = client.join_custom().await;
    assert_ne!(main, custom);
    client.is_well().await;
}

async fn events_stay_in_their_namespace(transport: Transport) {
    let mut client = two(transport).await;
    // There nobody answers.
    client.say(r#"2/custom,["message","other"]"#);
    client.say(r#"2/custom,7["message-with-ack","other"]"#);
    client.is_well().await;
    client.stays_quiet().await;
}

async fn who_leaves_one_stays_in_the_other(transport: Transport) {
    let mut client = two(transport).await;
    client.say("1/custom,");
    client.stays_quiet().await;
    client.is_well().await;
}

async fn who_leaves_the_main_one_stays_in_the_other(transport: Transport) {
    let mut client = two(transport).await;
    client.say("1");
    client.stays_quiet().await;
    client.say(r#"2/custom,["message"]"#);
    client.stays_quiet().await;
    client.join_main().await;
    client.is_well().await;
}

async fn who_has_left_may_come_back(transport: Transport) {
    let mut client = Client::new(transport).await;
    let before = client.join_custom().await;
    client.say("1/custom,");
    client.stays_quiet().await;
    assert_ne!(client.join_custom().await, before);
    client.is_well().await;
}

async fn who_has_left_may_come_back_at_once(transport: Transport) {
    let mut client = Client::new(transport).await;
    let before = client.join_custom().await;
    for _ in 0..10 {
        client.say("1/custom,");
        assert_ne!(client.join_custom().await, before);
    }
    client.is_well().await;
}

async fn who_has_left_all_may_come_back(transport: Transport) {
    let mut client = two(transport).await;
    client.say("1/custom,");
    client.say("1");
    client.stays_quiet().await;
    client.join_main().await;
    client.is_well().await;
}

async fn who_has_left_is_not_heard(transport: Transport) {
    let mut client = two(transport).await;
    client.say("1");
    client.stays_quiet().await;
    client.say(r#"2["message","too late"]"#);
    client.closes().await;
}

async fn an_event_for_a_namespace_that_was_not_entered_closes(transport: Transport) {
    for namespace in ["/custom,", "/random,", "/custom/more,"] {
        let mut client = Client::new(transport).await;
        client.say(&format!(r#"2{namespace}["message"]"#));
        client.closes().await;
    }
}

async fn only_servers_refuse(transport: Transport) {
    let mut client = Client::new(transport).await;
    client.say(r#"4{"message":"no"}"#);
    client.closes().await;
}
