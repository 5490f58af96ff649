//! Seed 004: who is here, on `/`.

use serde_json::json;

use crate::kit::{Ward, user};

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

/// Waits until a colleague, who may see the doctor, sees this.
async fn until_seen(ward: &Ward, status: &str) {
    let colleague = ward.caller("doctor:d2");
    loop {
        let seen = ward.node.presence(&colleague, vec![user("d1")]).await;
        if json!(seen.expect("reads")[0].status) == status {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn a_relation_that_ended_hides_each_from_the_other_and_one_that_is_back_does_not() {
    let ward = Ward::pair().await;
    ward.know("doctor:d2").await;
    let (mut doctor, mut patient) = (ward.root("doctor:d1").await, ward.root("patient:p1").await);
    let send = |content: &str| json!({"receiverId": "d1", "content": content});
    patient.done("send_message", send("one")).await;
    doctor.next("new_message").await;
    patient.next("message_sent").await;
    ward.unrelate("doctor:d1", "patient:p1").await;
    patient.glance().await;
    patient.heard.clear();
    doctor.done("set_status", json!({"status": "busy"})).await;
    until_seen(&ward, "busy").await;
    patient.glance().await;
    assert!(patient.left("user_status_change").is_empty());
    while patient.ask("send_message", send("refused")).await["error"]["code"] != "forbidden" {}
    ward.relate("doctor:d1", "patient:p1").await;
    while patient.ask("send_message", send("two")).await["ok"] != true {}
    patient.next("message_sent").await;
    doctor.done("set_status", json!({"status": "away"})).await;
    while patient.next("user_status_change").await["status"] != "away" {}
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
