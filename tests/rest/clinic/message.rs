//! `/api/v1/messages/{id}`.

use serde_json::{Value, json};

use super::{acquainted, care_team, column, id_of, make, path_of, say};
use crate::kit::{Api, DOCTOR, NURSE, PATIENT, STRANGER};

const MESSAGES: &str = "/api/v1/messages";

/// A care team's chat, and the path of a message of the doctor's.
async fn team() -> (Api, String, String) {
    let api = acquainted().await;
    let chat = make(&api, DOCTOR, care_team()).await;
    let message = path_of(MESSAGES, &say(&api, &chat, DOCTOR, "hello").await);
    (api, chat, message)
}

#[actix_web::test]
async fn it_is_found_by_its_members_only() {
    let (api, _, message) = team().await;
    assert_eq!(api.get(&message).by(PATIENT).await.ok()["content"], "hello");
    let unknown = format!("{MESSAGES}/01890000-0000-7000-8000-000000000000");
    let odd = format!("{MESSAGES}/7");
    // To others there is no such message, whether there is or not.
    for path in [&message, &unknown, &odd] {
        api.get(path).by(STRANGER).await.refused("not_found");
        let edit = api.put(path).by(STRANGER).json(json!({"content": "x"}));
        edit.await.refused("not_found");
        api.delete(path).by(STRANGER).await.refused("not_found");
        let read = api.post(&format!("{path}/read")).by(STRANGER);
        read.await.refused("not_found");
    }
}

#[actix_web::test]
async fn what_lies_outside_of_ones_window_is_not_there() {
    let (api, chat, before) = team().await;
    api.delete(&format!("{chat}/participants/n1"))
        .by(DOCTOR)
        .await
        .ok();
    let after = path_of(MESSAGES, &say(&api, &chat, DOCTOR, "after").await);
    assert_eq!(api.get(&before).by(NURSE).await.ok()["content"], "hello");
    api.get(&after).by(NURSE).await.refused("not_found");
}

#[actix_web::test]
async fn its_sender_edits_it_for_a_while() {
    let (api, _, message) = team().await;
    let edit = |token, body| api.put(&message).by(token).json(body);
    api.clock.advance_ms(1_000);
    let row = edit(DOCTOR, json!({"content": "hi"})).await.ok();
    assert_eq!(row["content"], "hi");
    assert_ne!(row["updatedAt"], row["createdAt"]);
    assert_eq!(api.get(&message).by(PATIENT).await.ok(), row);
    edit(PATIENT, json!({"content": "mine"}))
        .await
        .refused("forbidden");
    edit(DOCTOR, json!({"content": ""}))
        .await
        .refused("invalid_argument");
    edit(DOCTOR, json!({"content": null}))
        .await
        .refused("invalid_argument");
    edit(DOCTOR, json!({})).await.refused("invalid_argument");
    let long = "x".repeat(bedside_protocol::limits::TEXT_BYTES_MAX + 1);
    edit(DOCTOR, json!({"content": long}))
        .await
        .refused("too_large");
    api.clock.advance_ms(900_000);
    edit(DOCTOR, json!({"content": "late"}))
        .await
        .refused("forbidden");
    assert_eq!(api.get(&message).by(PATIENT).await.ok()["content"], "hi");
}

#[actix_web::test]
async fn a_deleted_one_is_an_empty_place() {
    let (api, chat, message) = team().await;
    api.delete(&message).by(PATIENT).await.refused("forbidden");
    let done = api.delete(&message).by(DOCTOR).await.ok();
    assert_eq!(done, json!({"message": "Message deleted"}));
    let row = api.get(&message).by(PATIENT).await.ok();
    assert_eq!(row["content"], Value::Null);
    assert!(row["deletedAt"].is_string());
    api.delete(&message).by(DOCTOR).await.refused("not_found");
    let edit = api.put(&message).by(DOCTOR).json(json!({"content": "x"}));
    edit.await.refused("not_found");
    let list = api.get(&format!("{chat}/messages")).by(PATIENT).await.ok();
    assert_eq!(list["data"], json!([row]));
    assert_eq!(list["pagination"]["total"], 1);
}

#[actix_web::test]
async fn reading_one_reads_what_is_before_it() {
    let (api, chat, _) = team().await;
    let second = say(&api, &chat, DOCTOR, "two").await;
    say(&api, &chat, DOCTOR, "three").await;
    let second = path_of(MESSAGES, &second);
    let row = api.post(&format!("{second}/read")).by(PATIENT).await.ok();
    assert_eq!(row["isRead"], true);
    assert_eq!(row["content"], "two");
    assert_eq!(format!("{MESSAGES}/{}", id_of(&row)), second);
    let list = api.get(&format!("{chat}/messages")).by(PATIENT).await.ok();
    assert_eq!(column(&list, "isRead"), [true, true, false]);
    assert_eq!(api.get(&chat).by(PATIENT).await.ok()["unreadCount"], 1);
    // To its sender it is unread while others have not read it.
    let own = api.post(&format!("{second}/read")).by(DOCTOR).await.ok();
    assert_eq!(own["isRead"], false);
    // Who is gone reads no more.
    api.delete(&format!("{chat}/participants/n1"))
        .by(DOCTOR)
        .await
        .ok();
    let gone = api.post(&format!("{second}/read")).by(NURSE).await;
    gone.refused("not_a_member");
}
