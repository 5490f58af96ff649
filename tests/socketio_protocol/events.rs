//! Events there and back.

use crate::support::{client::Client, engine::Transport, on_each_transport};

on_each_transport!(
    an_event_may_have_any_arguments,
    an_event_may_be_large,
    events_come_in_order,
    unknown_events_are_passed_over,
    names_of_the_library_are_reserved,
    an_event_has_a_name,
);

async fn an_event_may_have_any_arguments(transport: Transport) {
    let mut client = Client::new(transport).await;
    for arguments in [
        "",
        ",1",
        r#","1""#,
        ",null",
        ",[],{}",
        r#",1,"2",{"3":[true]},null,false,-4"#,
        r#",{"deep":[[[{"er":{"list":[]}}]]]}"#,
        r#","€ 👩🏽‍⚕️ \" \\ \n \u0000","é""#,
        r#",{"_placeholder":false,"num":0}"#,
    ] {
        client.say(&format!(r#"2["message"{arguments}]"#));
        let back = format!(r#"2["message-back"{arguments}]"#);
        client.expect(&back).await;
    }
    client.stays_quiet().await;
}

async fn an_event_may_be_large(transport: Transport) {
    let mut client = Client::new(transport).await;
    for length in [20_000, 400_000] {
        let text = "t".repeat(length);
        client.say(&format!(r#"2["message","{text}"]"#));
        let back = format!(r#"2["message-back","{text}"]"#);
        assert!(client.next_text().await == back, "{length} bytes");
    }
}

async fn events_come_in_order(transport: Transport) {
    let mut client = Client::new(transport).await;
    for number in 0..200 {
        client.say(&format!(r#"2["message",{number}]"#));
    }
    for number in 0..200 {
        client
            .expect(&format!(r#"2["message-back",{number}]"#))
            .await;
    }
}

async fn unknown_events_are_passed_over(transport: Transport) {
    let mut client = Client::new(transport).await;
    for event in [
        r#"2["other",1]"#,
        r#"2["",1]"#,
        r#"2[7,1]"#,
        r#"21["other"]"#,
        r#"2["message-with-ack","but no id"]"#,
        r#"2["Connect"]"#,
    ] {
        client.say(event);
    }
    client.is_well().await;
    client.stays_quiet().await;
}

async fn names_of_the_library_are_reserved(transport: Transport) {
    for name in [
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
        r"\u0063onnect",
    ] {
        let mut client = Client::new(transport).await;
        client.say(&format!(r#"2["{name}"]"#));
        client.closes().await;
    }
}

async fn an_event_has_a_name(transport: Transport) {
    for event in [
        "[]",
        "{}",
        "[null]",
        "[true]",
        "[{}]",
        "[[\"message\"]]",
        "\"message\"",
    ] {
        let mut client = Client::new(transport).await;
        client.say(&format!("2{event}"));
        client.closes().await;
    }
}
