//! `BEDSIDE_SOCKETIO_REPLAY=on`: what was missed on `/` comes by itself.

use bedside_protocol::ConversationKind;
use serde_json::{Value, json};

use crate::kit::{Client, Ward};

async fn ward() -> Ward {
    let ward = Ward::with(true, 1);
    ward.relate("doctor:d1", "patient:p1").await;
    ward
}

async fn say(from: &mut Client, to: &str, texts: &[&str]) {
    for content in texts {
        let send = json!({"receiverId": to, "content": content});
        from.done("send_message", send).await;
    }
}

/// The texts that came, in order.
fn texts(client: &Client) -> Vec<&str> {
    let messages = client.left("new_message").into_iter();
    messages
        .map(|args| args[0]["message"]["content"].as_str().expect("a text"))
        .collect()
}

/// Waits until this text came; the offset that came with it.
async fn until(client: &mut Client, text: &str) -> Value {
    loop {
        let found = client.left("new_message").into_iter();
        let found = found
            .rev()
            .find(|args| args[0]["message"]["content"] == text);
        if let Some(args) = found {
            return args[1].clone();
        }
        client.pump().await;
    }
}

/// What the JavaScript client says when it comes back.
fn back(client: &Client, token: &str, offset: Option<&Value>) -> Value {
    let mut auth = json!({"token": token, "pid": client.greeting["pid"]});
    if let Some(offset) = offset {
        auth["offset"] = offset.clone();
    }
    auth
}

#[actix_web::test]
async fn what_was_never_delivered_comes_by_itself_oldest_first() {
    let ward = ward().await;
    let mut doctor = ward.root("doctor:d1").await;
    say(&mut doctor, "p1", &["one", "two", "three"]).await;
    let mut patient = ward.root("patient:p1").await;
    until(&mut patient, "three").await;
    assert_eq!(texts(&patient), ["one", "two", "three"]);
    // And then what is new.
    say(&mut doctor, "p1", &["four"]).await;
    until(&mut patient, "four").await;
    assert_eq!(texts(&patient), ["one", "two", "three", "four"]);
    // What was delivered does not come again.
    patient.done("set_status", json!({"status": "busy"})).await;
    patient.done("mark_read", json!({"senderId": "d1"})).await;
    drop(patient);
    let mut patient = ward.root("patient:p1").await;
    say(&mut doctor, "p1", &["five"]).await;
    until(&mut patient, "five").await;
    assert_eq!(texts(&patient), ["five"]);
}

#[actix_web::test]
async fn a_client_that_says_how_far_it_is_gets_what_comes_after_each_once() {
    let ward = ward().await;
    let mut doctor = ward.root("doctor:d1").await;
    let mut patient = ward.root("patient:p1").await;
    assert!(patient.greeting["pid"].is_string());
    say(&mut doctor, "p1", &["one", "two", "three"]).await;
    let second = until(&mut patient, "two").await;
    until(&mut patient, "three").await;
    // The third was written and counts as delivered, but never arrived.
    patient.done("set_status", json!({"status": "busy"})).await;
    patient.glance().await;
    let auth = back(&patient, "patient:p1", Some(&second));
    say(&mut doctor, "p1", &["four"]).await;
    let mut again = ward.dial("/", auth).await.expect("is let in");
    assert_ne!(again.greeting["pid"], patient.greeting["pid"]);
    say(&mut doctor, "p1", &["five"]).await;
    let last = until(&mut again, "five").await;
    assert_eq!(texts(&again), ["three", "four", "five"]);
    // It has all now, and nothing comes again.
    let auth = back(&again, "patient:p1", Some(&last));
    drop(again);
    let mut third = ward.dial("/", auth).await.expect("is let in");
    say(&mut doctor, "p1", &["six"]).await;
    until(&mut third, "six").await;
    assert_eq!(texts(&third), ["six"]);
}

#[actix_web::test]
async fn who_received_nothing_yet_says_no_offset() {
    let ward = ward().await;
    let mut doctor = ward.root("doctor:d1").await;
    let mut patient = ward.root("patient:p1").await;
    say(&mut doctor, "p1", &["one"]).await;
    until(&mut patient, "one").await;
    patient.done("set_status", json!({"status": "busy"})).await;
    patient.glance().await;
    // It was written into a dead connection.
    let auth = back(&patient, "patient:p1", None);
    let mut again = ward.dial("/", auth).await.expect("is let in");
    until(&mut again, "one").await;
    assert_eq!(texts(&again), ["one"]);
}

#[actix_web::test]
async fn another_device_of_the_same_person_changes_nothing_for_a_client_that_says_how_far_it_is() {
    let ward = ward().await;
    let mut doctor = ward.root("doctor:d1").await;
    let mut patient = ward.root("patient:p1").await;
    say(&mut doctor, "p1", &["one"]).await;
    let offset = until(&mut patient, "one").await;
    let auth = back(&patient, "patient:p1", Some(&offset));
    drop(patient);
    let mut there = ward.root("patient:p1").await;
    say(&mut doctor, "p1", &["two"]).await;
    until(&mut there, "two").await;
    there.done("mark_read", json!({"senderId": "d1"})).await;
    let mut again = ward.dial("/", auth).await.expect("is let in");
    until(&mut again, "two").await;
    assert_eq!(texts(&again), ["two"]);
    let shown = again.left("new_message")[0][0]["message"]["isRead"].clone();
    assert_eq!(shown, true, "it was read there");
}

#[actix_web::test]
async fn somebody_elses_pid_is_of_no_use() {
    let ward = ward().await;
    let mut doctor = ward.root("doctor:d1").await;
    let mut patient = ward.root("patient:p1").await;
    say(&mut doctor, "p1", &["one"]).await;
    let offset = until(&mut patient, "one").await;
    ward.relate("doctor:d1", "patient:p2").await;
    let auth = back(&patient, "patient:p2", Some(&offset));
    let mut thief = ward.dial("/", auth).await.expect("is let in");
    say(&mut doctor, "p2", &["for p2"]).await;
    until(&mut thief, "for p2").await;
    assert_eq!(texts(&thief), ["for p2"]);
    // And its owner can still use it.
    let auth = back(&patient, "patient:p1", Some(&offset));
    let mut again = ward.dial("/", auth).await.expect("is let in");
    say(&mut doctor, "p1", &["two"]).await;
    until(&mut again, "two").await;
    assert_eq!(texts(&again), ["two"]);
}

#[actix_web::test]
async fn several_conversations_come_each_in_its_order_and_groups_stay_out_of_it() {
    let ward = ward().await;
    ward.relate("doctor:d2", "patient:p1").await;
    let (mut one, mut two) = (ward.root("doctor:d1").await, ward.root("doctor:d2").await);
    let others = ["patient:p1"];
    let kind = ConversationKind::CareTeam;
    let team = ward
        .chat("doctor:d1", kind, &others, Some("patient:p1"))
        .await;
    say(&mut one, "p1", &["a1"]).await;
    say(&mut two, "p1", &["b1", "b2"]).await;
    say(&mut one, "p1", &["a2", "a3"]).await;
    one.done("send-message", json!({"chatId": team, "content": "group"}))
        .await;
    let mut patient = ward.root("patient:p1").await;
    until(&mut patient, "a3").await;
    until(&mut patient, "b2").await;
    patient.glance().await;
    let seen = texts(&patient);
    let of = |letter: char| {
        seen.iter()
            .filter(|text| text.starts_with(letter))
            .copied()
            .collect::<Vec<_>>()
    };
    assert_eq!(of('a'), ["a1", "a2", "a3"]);
    assert_eq!(of('b'), ["b1", "b2"]);
    assert_eq!(seen.len(), 5);
    assert!(patient.left("message_sent").is_empty() && patient.left("message-received").is_empty());
}

#[actix_web::test]
async fn at_most_the_newest_200_entries_of_a_conversation_come() {
    let ward = ward().await;
    let mut doctor = ward.root("doctor:d1").await;
    for n in 0..205 {
        say(&mut doctor, "p1", &[format!("{n}").as_str()]).await;
        doctor.glance().await;
    }
    let mut patient = ward.root("patient:p1").await;
    until(&mut patient, "204").await;
    let seen = texts(&patient);
    assert_eq!(seen.len(), 200);
    assert_eq!(seen[0], "5");
}

#[actix_web::test]
async fn and_at_most_1000_in_all() {
    let ward = ward().await;
    for n in 2..=6 {
        ward.relate(&format!("doctor:d{n}"), "patient:p1").await;
    }
    for n in 1..=6 {
        ward.clock.advance_ms(1);
        let mut doctor = ward.root(&format!("doctor:d{n}")).await;
        for m in 0..200 {
            say(&mut doctor, "p1", &[format!("d{n} {m}").as_str()]).await;
            doctor.glance().await;
        }
    }
    let mut patient = ward.root("patient:p1").await;
    // The busiest last ones are all there.
    until(&mut patient, "d6 199").await;
    until(&mut patient, "d2 199").await;
    say(&mut patient, "d1", &["hi"]).await;
    patient.next_all("message_sent").await;
    assert_eq!(texts(&patient).len(), 1_000);
}

#[actix_web::test]
async fn what_is_said_while_a_client_comes_in_is_shown_once() {
    let ward = ward().await;
    let mut doctor = ward.root("doctor:d1").await;
    say(&mut doctor, "p1", &["0"]).await;
    let mut said = 1;
    for _ in 0..20 {
        let start = said - 1;
        let dialing = ward.dial("/", json!({"token": "patient:p1"}));
        let talking = async {
            for n in said..said + 3 {
                say(&mut doctor, "p1", &[n.to_string().as_str()]).await;
            }
        };
        let (patient, ()) = futures_util::join!(dialing, talking);
        said += 3;
        let mut patient = patient.expect("is let in");
        until(&mut patient, &(said - 1).to_string()).await;
        patient.glance().await;
        let seen = texts(&patient);
        let wanted: Vec<_> = (start..said).map(|n| n.to_string()).collect();
        assert!(
            seen.iter()
                .all(|text| seen.iter().filter(|other| *other == text).count() == 1),
            "{seen:?}"
        );
        assert!(
            wanted.ends_with(
                &seen
                    .iter()
                    .map(|text| (*text).to_owned())
                    .collect::<Vec<_>>()
            ),
            "{seen:?} of {wanted:?}"
        );
        // All but the last are delivered when the next one comes.
        patient.done("mark_read", json!({"senderId": "d1"})).await;
    }
}

#[actix_web::test]
async fn off_there_is_no_pid_and_no_offset() {
    let ward = Ward::pair().await;
    let mut doctor = ward.root("doctor:d1").await;
    say(&mut doctor, "p1", &["one"]).await;
    let auth = json!({"token": "patient:p1", "pid": "x", "offset": "y"});
    let mut patient = ward.dial("/", auth).await.expect("is let in");
    say(&mut doctor, "p1", &["two"]).await;
    assert_eq!(
        patient.next("new_message").await["message"]["content"],
        "two"
    );
    patient.heard_nothing_more();
    assert!(patient.greeting.get("pid").is_none());
}
