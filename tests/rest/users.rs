//! `/api/v1/users`.

use bedside_actors::ports::store::Store as _;
use bedside_protocol::{Role, Roles};
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, SERVICE, user};

const ME: &str = "/api/v1/users/me";

fn full_row() -> Value {
    json!({
        "id": "d1",
        "name": "Name of d1",
        "email": "d1@clinic.example",
        "phoneNumber": null,
        "role": "doctor",
        "roles": ["doctor"],
        "title": null,
        "avatarUrl": null,
        "isActive": true,
        "createdAt": null,
        "updatedAt": null,
        "lastLogin": null,
        "mfaEnabled": null,
        "lastSeenAt": null,
    })
}

#[actix_web::test]
async fn a_system_writes_the_directory() {
    let api = Api::start().await;
    let put = |body| api.put("/api/v1/users/d1").by(SERVICE).json(body);
    let body = json!({
        "id": "d1", "fullName": " Name of d1 ", "email": "d1@clinic.example", "role": "Doctor",
        "phoneNumber": "555", "isActive": true,
    });
    assert_eq!(put(body.clone()).await.created(), full_row());
    assert_eq!(put(body).await.ok(), full_row());
    let row = put(json!({"name": "Dr One", "roles": ["NURSE", "admin"]}))
        .await
        .ok();
    assert_eq!(row["name"], "Dr One");
    assert_eq!(row["email"], "d1@clinic.example");
    assert_eq!(row["roles"], json!(["nurse", "admin"]));
    let stored = api.store.people(vec![user("d1")]).await.expect("reads");
    assert_eq!(stored[0].roles, Roles::from(Role::Nurse).with(Role::Admin));
    let audited = api.store.audit_log();
    assert_eq!(audited.len(), 3);
    assert!(audited.iter().all(|entry| entry.subject == "d1"));
}

#[actix_web::test]
async fn a_row_that_cannot_be_is_refused() {
    let api = Api::start().await;
    let put = |body| api.put("/api/v1/users/d1").by(SERVICE).json(body);
    let good = || json!({"name": "One", "role": "doctor"});
    let with = |field: &str, value: Value| {
        let mut body = good();
        body[field] = value;
        body
    };
    put(json!({"name": "One"}))
        .await
        .refused("invalid_argument");
    put(json!({"role": "doctor"}))
        .await
        .refused("invalid_argument");
    put(with("id", json!("d2")))
        .await
        .refused("invalid_argument");
    put(with("role", json!("king")))
        .await
        .refused("invalid_argument");
    put(with("role", json!("service")))
        .await
        .refused("invalid_argument");
    put(with("name", json!(" ")))
        .await
        .refused("invalid_argument");
    put(with("name", json!("x".repeat(201))))
        .await
        .refused("too_large");
    put(with("email", json!("nowhere")))
        .await
        .refused("invalid_argument");
    put(with("email", json!(format!("a@{}", "x".repeat(260)))))
        .await
        .refused("too_large");
    let stored = api.store.people(vec![user("d1")]).await.expect("reads");
    assert!(stored.is_empty());
    let token = "admin:a1";
    api.put("/api/v1/users/d1")
        .by(token)
        .json(good())
        .await
        .refused("forbidden");
    api.put("/api/v1/users/d1")
        .by(DOCTOR)
        .json(good())
        .await
        .refused("forbidden");
    let scoped = "admin:a1#directory:write";
    api.put("/api/v1/users/d1")
        .by(scoped)
        .json(good())
        .await
        .created();
}

#[actix_web::test]
async fn everybody_has_a_row_of_their_own() {
    let api = Api::start().await;
    assert_eq!(api.get(ME).by(DOCTOR).await.ok(), full_row());
    // Once more, now that the row is surely stored.
    api.know(&[DOCTOR]).await;
    assert_eq!(api.get(ME).by(DOCTOR).await.ok(), full_row());
}

#[actix_web::test]
async fn one_changes_ones_name_and_not_what_one_is() {
    let api = Api::start().await;
    api.know(&[DOCTOR]).await;
    let put = |body| api.put(ME).by(DOCTOR).json(body);
    for body in [
        json!({"role": "admin"}),
        json!({"roles": ["doctor", "admin"]}),
        json!({"id": "d2"}),
        json!({"email": "other@clinic.example"}),
    ] {
        put(body).await.refused("forbidden");
    }
    // The row as it was read may be sent back.
    let mut row = full_row();
    row["name"] = json!("Dr One");
    assert_eq!(put(row.clone()).await.ok(), row);
    assert_eq!(api.get(ME).by(DOCTOR).await.ok(), row);
    put(json!({"name": ""})).await.refused("invalid_argument");
}
