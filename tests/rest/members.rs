//! `/api/v1/conversations/{id}/members`.

use bedside_protocol::RelationKind;
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, NURSE, PATIENT, STRANGER};

fn ids(members: &Value) -> Vec<&str> {
    let members = members["members"].as_array().expect("a list");
    let ids = members.iter().map(|member| member["user_id"].as_str());
    let mut ids: Vec<_> = ids.map(|id| id.expect("an id")).collect();
    ids.sort_unstable();
    ids
}

#[actix_web::test]
async fn members_see_each_other() {
    let api = Api::start().await;
    let team = api.care_team().await;
    let path = format!("{team}/members");
    let members = api.get(&path).by(PATIENT).await.ok();
    assert_eq!(ids(&members), ["d1", "n1", "p1"]);
    let rows = members["members"].as_array().expect("a list");
    let nurse = rows.iter().find(|member| member["user_id"] == "n1");
    let nurse = nurse.expect("is there");
    assert_eq!(nurse["name"], "Name of n1");
    assert_eq!(nurse["roles"], json!(["nurse"]));
    assert_eq!(nurse["member_role"], "member");
    api.get(&path).by(STRANGER).await.refused("not_a_member");
}

#[actix_web::test]
async fn a_member_of_a_broadcast_sees_its_admins_and_nobodys_receipts() {
    let api = Api::start().await;
    api.know(&[DOCTOR, NURSE, PATIENT]).await;
    let body = json!({"kind": "broadcast", "title": "News", "member_ids": ["n1", "p1"]});
    let news = api.conversation(DOCTOR, body).await;
    let seq = api.say(&news, DOCTOR, "flu shots").await;
    for token in [DOCTOR, NURSE, PATIENT] {
        let path = format!("{news}/receipts/read");
        api.put(&path)
            .by(token)
            .json(json!({"up_to_seq": seq}))
            .await
            .ok();
    }
    let members = api.get(&format!("{news}/members")).by(PATIENT).await.ok();
    assert_eq!(ids(&members), ["d1", "p1"]);
    for member in members["members"].as_array().expect("a list") {
        let hidden = member["user_id"] != "p1";
        assert_eq!(member["read_up_to_seq"] == 0, hidden, "{member}");
    }
    let receipts = api.get(&format!("{news}/receipts")).by(PATIENT).await.ok();
    assert_eq!(
        receipts,
        json!({"receipts": [
            {"user_id": "p1", "delivered_up_to_seq": seq, "read_up_to_seq": seq}
        ]})
    );
    let path = format!("{news}/messages/{seq}/receipts");
    let of_message = api.get(&path).by(PATIENT).await.ok();
    assert_eq!(of_message["read_by"], json!([{"user_id": "p1"}]));
    let of_message = api.get(&path).by(DOCTOR).await.ok();
    assert_eq!(of_message["read_by"].as_array().map(Vec::len), Some(2));
    let all = api.get(&format!("{news}/members")).by(DOCTOR).await.ok();
    assert_eq!(ids(&all), ["d1", "n1", "p1"]);
}

#[actix_web::test]
async fn a_clinician_adds_people_related_to_the_patient() {
    let api = Api::start().await;
    let team = api.care_team().await;
    api.know(&["nurse:n2", "family:f1", STRANGER]).await;
    api.relate("p1", "n2", RelationKind::Clinician).await;
    api.relate("p1", "f1", RelationKind::Family).await;
    api.say(&team, DOCTOR, "before them").await;
    let path = format!("{team}/members");
    let add = |token, body| api.post(&path).by(token).json(body);
    let logged = add(DOCTOR, json!({"user_id": "n2"})).await.created();
    assert!(team.ends_with(logged["conversation_id"].as_str().expect("an id")));
    let observer = json!({"user_id": "f1", "member_role": "observer"});
    let joined = add(DOCTOR, observer).await.created()["seq"].clone();
    let seen = api.get(&team).by("family:f1").await.ok();
    assert_eq!(seen["me"]["member_role"], "observer");
    assert_eq!(seen["me"]["first_seq"], joined);
    assert_eq!(
        api.get(&team).by("nurse:n2").await.ok()["me"]["first_seq"],
        1
    );
    add(DOCTOR, json!({"user_id": "d9"}))
        .await
        .refused("forbidden");
    add(DOCTOR, json!({"user_id": "nobody"}))
        .await
        .refused("not_found");
    add(PATIENT, json!({"user_id": "n2"}))
        .await
        .refused("forbidden");
    add(STRANGER, json!({"user_id": "n2"}))
        .await
        .refused("not_a_member");
    add(DOCTOR, json!({"user_id": ""}))
        .await
        .refused("invalid_argument");
    add(DOCTOR, json!({"user_id": "n2", "member_role": "king"}))
        .await
        .refused("invalid_argument");
}

#[actix_web::test]
async fn what_came_before_is_shared_only_when_a_clinician_says_so() {
    let api = Api::start().await;
    let team = api.care_team().await;
    api.know(&["family:f1"]).await;
    api.relate("p1", "f1", RelationKind::Family).await;
    let seq = api.say(&team, DOCTOR, "before them").await;
    let body = json!({"user_id": "f1", "share_history": true});
    api.post(&format!("{team}/members"))
        .by(DOCTOR)
        .json(body)
        .await
        .created();
    let path = format!("{team}/messages/{seq}");
    assert_eq!(
        api.get(&path).by("family:f1").await.ok()["text"],
        "before them"
    );
}

#[actix_web::test]
async fn removing_oneself_is_leaving() {
    let api = Api::start().await;
    let team = api.care_team().await;
    let member = |id: &str| format!("{team}/members/{id}");
    api.delete(&member("n1"))
        .by(PATIENT)
        .await
        .refused("forbidden");
    api.delete(&member("n1"))
        .by(STRANGER)
        .await
        .refused("not_a_member");
    api.delete(&member("d9"))
        .by(DOCTOR)
        .await
        .refused("not_found");
    // Nobody needs the right to remove others for it.
    let left = api.delete(&member("p1")).by(PATIENT).await.ok();
    assert!(left["seq"].is_u64());
    let path = format!("{team}/members");
    assert_eq!(ids(&api.get(&path).by(DOCTOR).await.ok()), ["d1", "n1"]);
    api.get(&path).by(PATIENT).await.refused("not_a_member");
}

#[actix_web::test]
async fn ids_with_reserved_characters_come_through_the_path() {
    let api = Api::start().await;
    let odd = "nurse:a/b c%2F";
    api.know(&[DOCTOR, odd]).await;
    let body = json!({"kind": "internal_staff", "title": "Staff", "member_ids": ["a/b c%2F"]});
    let room = api.conversation(DOCTOR, body).await;
    api.delete(&format!("{room}/members/a%2Fb%20c%252F"))
        .by(DOCTOR)
        .await
        .ok();
    let members = api.get(&format!("{room}/members")).by(DOCTOR).await.ok();
    assert_eq!(ids(&members), ["d1"]);
}
