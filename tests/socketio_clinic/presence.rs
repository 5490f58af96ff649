//! Seed 004: who is here, on `/`.

use serde_json::json;

use crate::kit::Ward;

#[actix_web::test]
async fn those_who_share_a_conversation_are_told_and_nobody_else() {
    let ward = Ward::pair().await;
    ward.relate("doctor:d2", "patient:p2").await;
    let (mut doctor, mut patient) = (ward.root("doctor:d1").await, ward.root("patient:p1").await);
    let mut elsewhere = ward.root("patient:p2").await;
    let hello = json!({"receiverId": "d1", "content": "hello"});
    patient.done("send_message", hello).await;
    doctor.next("new_message").await;
    patient.next("message_sent").await;
    for status in ["busy", "away", "available"] {
        doctor.done("set_status", json!({"status": status})).await;
        let wanted = json!({"userId": "d1", "isOnline": true, "status": status});
        loop {
            // The first may tell that they are here at all.
            let change = patient.next("user_status_change").await;
            if change["status"] == status {
                assert_eq!(change, wanted);
                break;
            }
        }
    }
    elsewhere.glance().await;
    elsewhere.heard_nothing_more();
    assert!(
        doctor
            .left("user_status_change")
            .iter()
            .all(|args| args[0]["userId"] == "p1")
    );
}

#[actix_web::test]
async fn whoever_knows_somebody_already_is_told_when_they_come_and_go() {
    let ward = Ward::pair_in_a_hurry(50).await;
    let mut patient = ward.root("patient:p1").await;
    let hello = json!({"receiverId": "d1", "content": "hello"});
    patient.done("send_message", hello).await;
    drop(patient);
    // Known from an earlier day.
    let mut patient = ward.root("patient:p1").await;
    let doctor = ward.root("doctor:d1").await;
    let online = json!({"userId": "d1", "isOnline": true, "status": "available"});
    assert_eq!(patient.next("user_status_change").await, online);
    drop(doctor);
    let offline = json!({"userId": "d1", "isOnline": false, "status": "available"});
    assert_eq!(patient.next("user_status_change").await, offline);
}

#[actix_web::test]
async fn a_first_message_also_tells_who_is_here() {
    let ward = Ward::pair().await;
    let (mut doctor, mut patient) = (ward.root("doctor:d1").await, ward.root("patient:p1").await);
    let hello = json!({"receiverId": "d1", "content": "hello"});
    patient.emit("send_message", hello).await;
    let online = |id: &str| json!({"userId": id, "isOnline": true, "status": "available"});
    assert_eq!(patient.next("user_status_change").await, online("d1"));
    assert_eq!(doctor.next("user_status_change").await, online("p1"));
    doctor.next("new_message").await;
    doctor.heard_nothing_more();
}

#[actix_web::test]
async fn a_relation_that_ended_hides_each_from_the_other_and_one_that_is_back_does_not() {
    let ward = Ward::pair().await;
    let (mut doctor, mut patient) = (ward.root("doctor:d1").await, ward.root("patient:p1").await);
    let send = |content: &str| json!({"receiverId": "d1", "content": content});
    patient.done("send_message", send("one")).await;
    doctor.next("new_message").await;
    patient.next("message_sent").await;
    patient.glance().await;
    patient.heard.clear();
    ward.unrelate("doctor:d1", "patient:p1").await;
    doctor.done("set_status", json!({"status": "busy"})).await;
    ward.relate("doctor:d1", "patient:p1").await;
    patient.done("send_message", send("two")).await;
    patient.next("message_sent").await;
    doctor.next("new_message").await;
    doctor.done("set_status", json!({"status": "away"})).await;
    let mut seen = Vec::new();
    while seen.last() != Some(&json!("away")) {
        seen.push(patient.next("user_status_change").await["status"].clone());
    }
    // What they are when the relation is back may be told, but not when it happened.
    assert!(seen.len() <= 2, "{seen:?}");
}

#[actix_web::test]
async fn a_relation_that_is_written_again_ends_nothing() {
    let ward = Ward::pair().await;
    let (mut doctor, mut patient) = (ward.root("doctor:d1").await, ward.root("patient:p1").await);
    let hello = json!({"receiverId": "d1", "content": "hello"});
    patient.done("send_message", hello).await;
    patient.next("message_sent").await;
    ward.relate("doctor:d1", "patient:p1").await;
    patient.glance().await;
    patient.heard.clear();
    doctor.done("set_status", json!({"status": "busy"})).await;
    assert_eq!(patient.next("user_status_change").await["status"], "busy");
}
