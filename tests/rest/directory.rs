//! `/api/v1/users` and `/api/v1/users/{id}`: who may look, list and delete.

use bedside_actors::{
    ports::{identity::SessionIdentity, store::Store as _},
    testkit::client::{Client, identity},
};
use bedside_protocol::{CloseCode, RelationKind, Role, Roles};
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, NURSE, PATIENT, SERVICE, STRANGER, user};

const USERS: &str = "/api/v1/users";
const ADMIN: &str = "admin:a1";

fn of(id: &str) -> String {
    format!("{USERS}/{id}")
}

fn ids(list: &Value) -> Vec<&str> {
    let rows = list["data"].as_array().expect("a list");
    rows.iter()
        .map(|row| row["id"].as_str().expect("an id"))
        .collect()
}

#[actix_web::test]
async fn one_sees_oneself_and_staff_sees_everybody() {
    let api = Api::start().await;
    api.know(&[DOCTOR, PATIENT]).await;
    for (token, id) in [
        (PATIENT, "p1"),
        (DOCTOR, "p1"),
        (STRANGER, "p1"),
        (ADMIN, "p1"),
        (SERVICE, "p1"),
        (DOCTOR, "d1"),
    ] {
        assert_eq!(api.get(&of(id)).by(token).await.ok()["id"], id);
    }
    let own = api.get(&of("me")).by(PATIENT).await.ok();
    assert_eq!(api.get(&of("p1")).by(PATIENT).await.ok(), own);
    api.get(&of("nobody")).by(DOCTOR).await.refused("not_found");
    api.get(&of("d1")).await.refused("unauthorized");
    api.get(&of("d1"))
        .by("visitor:v1")
        .await
        .refused("forbidden");
}

#[actix_web::test]
async fn others_see_whom_they_have_to_do_with() {
    let api = Api::start().await;
    api.know(&[DOCTOR, PATIENT, NURSE, STRANGER, "patient:p2"])
        .await;
    let get = |id: &str| api.get(&of(id)).by(PATIENT);
    for id in ["d1", "n1", "d9", "p2", "nobody"] {
        get(id).await.refused("not_found");
    }
    // Whom they may write to.
    api.relate("p1", "d1", RelationKind::Clinician).await;
    assert_eq!(get("d1").await.ok()["name"], "Name of d1");
    // Whom they could once write to, and have.
    let direct = json!({"kind": "direct", "member_ids": ["p1"]});
    api.conversation(DOCTOR, direct).await;
    let over = "/api/v1/relations?patient_id=p1&user_id=d1";
    api.delete(over).by(SERVICE).await.ok();
    get("d1").await.ok();
    // Whom they share a group with.
    api.relate("p1", "n1", RelationKind::Clinician).await;
    api.relate("p1", "d1", RelationKind::Clinician).await;
    let team = json!({"kind": "care_team", "title": "x", "patient_id": "p1", "member_ids": ["d1"]});
    api.conversation(NURSE, team).await;
    get("n1").await.ok();
    // Who posts in their broadcasts, and not who else hears it.
    let news = json!({"kind": "broadcast", "title": "x", "member_ids": ["p1", "p2"]});
    api.conversation(STRANGER, news).await;
    get("d9").await.ok();
    get("p2").await.refused("not_found");
}

#[actix_web::test]
async fn an_admin_lists_people_by_page_and_role() {
    let api = Api::start().await;
    api.know(&[DOCTOR, PATIENT, NURSE, ADMIN, "nurse+admin:n2"])
        .await;
    let list = |token, query: &str| api.get(&format!("{USERS}{query}")).by(token);
    let all = list(ADMIN, "").await.ok();
    assert_eq!(ids(&all), ["a1", "d1", "n1", "n2", "p1"]);
    assert_eq!(
        all["pagination"],
        json!({"total": 5, "page": 1, "limit": 20, "totalPages": 1})
    );
    assert_eq!(all["data"][1], api.get(&of("d1")).by(ADMIN).await.ok());
    let second = list(SERVICE, "?limit=2&page=2").await.ok();
    assert_eq!(ids(&second), ["n1", "n2"]);
    assert_eq!(second["pagination"]["totalPages"], 3);
    assert_eq!(ids(&list(ADMIN, "?role=Nurse").await.ok()), ["n1", "n2"]);
    assert_eq!(ids(&list(ADMIN, "?role=admin").await.ok()), ["a1", "n2"]);
    assert_eq!(ids(&list(ADMIN, "?page=9").await.ok()), [""; 0]);
    list(ADMIN, "?role=king").await.refused("invalid_argument");
    list(ADMIN, "?page=0").await.refused("invalid_argument");
    for token in [DOCTOR, PATIENT] {
        list(token, "").await.refused("forbidden");
    }
}

#[actix_web::test]
async fn a_deleted_user_loses_roles_and_relations_and_keeps_their_history() {
    let api = Api::start().await;
    let direct = api.direct().await;
    api.know(&[NURSE, ADMIN, STRANGER]).await;
    api.relate("p1", "n1", RelationKind::Clinician).await;
    api.say(&direct, DOCTOR, "hello").await;
    // This one rests on what the two are, and on no relation.
    let staff = json!({"kind": "direct", "member_ids": ["d9"]});
    let staff = api.conversation(DOCTOR, staff).await;
    api.say(&staff, STRANGER, "hello").await;
    let named = SessionIdentity {
        name: "Name of d1".into(),
        ..identity("d1", Role::Doctor)
    };
    let mut device = Client::open_as(&api.node, named).await;
    let mut other = Client::open(&api.node, "n1", Role::Nurse).await;
    let done = api.delete(&of("d1")).by(ADMIN).await.ok();
    assert_eq!(done, json!({"message": "User deleted"}));
    assert_eq!(device.close_code().await, CloseCode::Revoked);
    other.glance().await;
    assert!(!other.outbox().is_closed());
    let row = api.get(&of("d1")).by(ADMIN).await.ok();
    assert_eq!(row["isActive"], false);
    assert_eq!(row["role"], Value::Null);
    assert_eq!(row["name"], "Name of d1");
    let stored = api.store.people(vec![user("d1")]).await.expect("reads");
    assert_eq!(stored[0].roles, Roles::NONE);
    let left = api.store.relations_of(user("p1")).await.expect("reads");
    let left: Vec<_> = left.iter().map(|one| one.user_id.as_str()).collect();
    assert_eq!(left, ["n1"]);
    assert!(!ids(&api.get(USERS).by(ADMIN).await.ok()).contains(&"d1"));
    // What rested on it is read-only, and still there.
    for (path, token) in [(&direct, PATIENT), (&staff, STRANGER)] {
        let send = api.post(&format!("{path}/messages")).by(token);
        send.json(json!({"text": "are you there?"}))
            .await
            .refused("forbidden");
    }
    let history = api
        .get(&format!("{direct}/messages"))
        .by(PATIENT)
        .await
        .ok();
    assert_eq!(history["events"][1]["data"]["text"], "hello");
    let audited = api.store.audit_log();
    let last = audited.iter().find(|entry| entry.action == "user.delete");
    let last = last.expect("is audited");
    assert_eq!(last.subject, "d1");
    assert_eq!(last.actor, Some(user("a1")));
    // Once more, by a system: there is nothing left to do.
    api.delete(&of("d1")).by(SERVICE).await.ok();
}

#[actix_web::test]
async fn it_takes_an_admin_to_delete_somebody() {
    let api = Api::start().await;
    api.know(&[DOCTOR, PATIENT]).await;
    for token in [DOCTOR, PATIENT] {
        api.delete(&of("p1")).by(token).await.refused("forbidden");
    }
    api.delete(&of("p1")).await.refused("unauthorized");
    api.delete(&of("nobody"))
        .by(ADMIN)
        .await
        .refused("not_found");
    let row = api.get(&of("p1")).by(PATIENT).await.ok();
    assert_eq!(row["isActive"], true);
}
