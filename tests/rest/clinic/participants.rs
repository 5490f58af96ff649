//! `/api/v1/chats/{id}/participants`.

use bedside_protocol::RelationKind;
use serde_json::{Value, json};

use super::{acquainted, care_team, column, direct_with, make, native, now, pagination};
use crate::kit::{Api, DOCTOR, NURSE, PATIENT, STRANGER};

async fn team() -> (Api, String) {
    let api = acquainted().await;
    api.know(&["family:f1", "nurse:n2"]).await;
    api.relate("p1", "f1", RelationKind::Family).await;
    api.relate("p1", "n2", RelationKind::Clinician).await;
    let chat = make(&api, DOCTOR, care_team()).await;
    (api, chat)
}

async fn head(api: &Api, chat: &str) -> Value {
    api.get(&native(chat)).by(DOCTOR).await.ok()["head_seq"].clone()
}

#[actix_web::test]
async fn somebody_is_brought_in() {
    let (api, chat) = team().await;
    let id = chat.rsplit('/').next().expect("an id");
    let path = format!("{chat}/participants");
    let add = |body| api.post(&path).by(NURSE).json(body);
    let row = add(json!({"userId": "f1"})).await.created();
    assert_eq!(
        row,
        json!({
            "id": format!("{id}:f1"), "chatId": id, "userId": "f1", "joinedAt": now(),
            "isAdmin": false, "muted": false, "archived": false,
        })
    );
    let before = head(&api, &chat).await;
    assert_eq!(add(json!({"userId": "f1"})).await.ok(), row);
    assert_eq!(head(&api, &chat).await, before, "nothing was logged");
    let row = add(json!({"userId": "f1", "isAdmin": true}))
        .await
        .created();
    assert_eq!(row["isAdmin"], true);
    // Not named as an admin they stay one; named as none they are none.
    assert_eq!(add(json!({"userId": "f1"})).await.ok()["isAdmin"], true);
    let row = add(json!({"userId": "f1", "isAdmin": false}))
        .await
        .created();
    assert_eq!(row["isAdmin"], false);
}

#[actix_web::test]
async fn several_are_brought_in_at_once() {
    let (api, chat) = team().await;
    let path = format!("{chat}/participants");
    let add = |body| api.post(&path).by(NURSE).json(body);
    let list = add(json!({"userIds": ["n2", "f1", "n2", "p1"]}))
        .await
        .created();
    assert_eq!(column(&list, "userId"), ["f1", "n2", "p1"]);
    assert_eq!(list["pagination"], pagination(3, 1, 100, 1));
    add(json!({"userIds": ["n2", "f1"]})).await.ok();
    let seen = api.get(&chat).by(DOCTOR).await.ok();
    assert_eq!(seen["participants"].as_array().map(Vec::len), Some(5));
    add(json!({})).await.refused("invalid_argument");
    add(json!({"userIds": []}))
        .await
        .refused("invalid_argument");
    add(json!({"userId": "f1", "userIds": ["f1"]}))
        .await
        .refused("invalid_argument");
    let crowd: Vec<_> = (0..101).map(|n| format!("u{n}")).collect();
    add(json!({"userIds": crowd})).await.refused("too_large");
    add(json!({"userIds": crowd[1..]}))
        .await
        .refused("not_found");
}

#[actix_web::test]
async fn it_takes_the_right_to_bring_somebody_in() {
    let (api, chat) = team().await;
    let path = format!("{chat}/participants");
    let add = |token, id: &str| api.post(&path).by(token).json(json!({"userId": id}));
    add(PATIENT, "f1").await.refused("forbidden");
    add(STRANGER, "f1").await.refused("not_a_member");
    api.know(&[STRANGER]).await;
    add(DOCTOR, "d9").await.refused("forbidden");
    add(DOCTOR, "nobody").await.refused("not_found");
    let direct = make(&api, DOCTOR, direct_with("p1")).await;
    let third = api.post(&format!("{direct}/participants")).by(DOCTOR);
    third
        .json(json!({"userId": "n1"}))
        .await
        .refused("forbidden");
}

#[actix_web::test]
async fn somebody_is_taken_out_or_goes() {
    let (api, chat) = team().await;
    let remove = |token, id: &str| api.delete(&format!("{chat}/participants/{id}")).by(token);
    remove(PATIENT, "n1").await.refused("forbidden");
    let done = remove(DOCTOR, "n1").await.ok();
    assert_eq!(done, json!({"message": "Participant removed"}));
    remove(DOCTOR, "n1").await.refused("not_found");
    remove(NURSE, "n1").await.refused("not_a_member");
    remove(PATIENT, "p1").await.ok();
    let seen = api.get(&chat).by(DOCTOR).await.ok();
    let left = json!({"data": seen["participants"]});
    assert_eq!(column(&left, "userId"), ["d1"]);
}
