//! `/api/v1/relations`.

use bedside_protocol::Timestamp;
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, NOW_MS, SERVICE};

const PATH: &str = "/api/v1/relations";
const SCOPED_ADMIN: &str = "admin:a1#directory:write";

fn clinician() -> Value {
    json!({"patient_id": "p1", "clinician_id": "d1"})
}

#[actix_web::test]
async fn systems_and_admins_with_the_scope_make_relations() {
    let api = Api::start().await;
    for token in [SERVICE, SCOPED_ADMIN, "admin:a1#other directory:write"] {
        assert_eq!(
            api.put(PATH).by(token).json(clinician()).await.ok(),
            json!({"patient_id": "p1", "user_id": "d1", "kind": "clinician", "live": true})
        );
    }
    for token in [
        "admin:a1",
        "admin:a1#directory:read",
        DOCTOR,
        "patient:p1#directory:write",
    ] {
        api.put(PATH)
            .by(token)
            .json(clinician())
            .await
            .refused("forbidden");
        let query = format!("{PATH}?patient_id=p1&user_id=d1");
        api.delete(&query).by(token).await.refused("forbidden");
    }
    let actions: Vec<_> = api
        .store
        .audit_log()
        .into_iter()
        .map(|entry| entry.action)
        .collect();
    assert_eq!(actions, ["relation.put"; 3]);
}

#[actix_web::test]
async fn a_relation_is_one_per_pair_and_may_end_by_itself() {
    let api = Api::start().await;
    let until = json!(Timestamp::from_millis(NOW_MS + 1_000));
    let put = |body| api.put(PATH).by(SERVICE).json(body);
    let family = json!({"patient_id": "p1", "user_id": "f1", "kind": "family"});
    put(family).await.ok();
    let interpreter =
        json!({"patient_id": "p1", "user_id": "f1", "kind": "interpreter", "until": until});
    put(interpreter.clone()).await.ok();
    let list = || api.get(&format!("{PATH}?user_id=p1")).by(SERVICE);
    let mut wanted = interpreter;
    wanted["live"] = json!(true);
    assert_eq!(list().await.ok(), json!({"relations": [wanted]}));
    api.clock.advance_ms(1_000);
    wanted["live"] = json!(false);
    assert_eq!(list().await.ok(), json!({"relations": [wanted]}));
}

#[actix_web::test]
async fn half_a_relation_is_none() {
    let api = Api::start().await;
    let put = |body| api.put(PATH).by(SERVICE).json(body);
    for body in [
        json!({"patient_id": "p1"}),
        json!({"patient_id": "p1", "user_id": "d1"}),
        json!({"patient_id": "p1", "user_id": "d1", "kind": "friend"}),
        json!({"patient_id": "p1", "user_id": "d1", "clinician_id": "d1", "kind": "clinician"}),
        json!({"patient_id": "p1", "clinician_id": "d1", "kind": "family"}),
        json!({"patient_id": "p1", "clinician_id": "p1"}),
        json!({"clinician_id": "d1"}),
        json!({"patient_id": "p1", "clinician_id": "d1", "until": "soon"}),
    ] {
        put(body).await.refused("invalid_argument");
    }
    let ends = api.delete(&format!("{PATH}?patient_id=p1")).by(SERVICE);
    ends.await.refused("invalid_argument");
}

#[actix_web::test]
async fn a_relation_is_ended_by_query_or_by_body() {
    let api = Api::start().await;
    let query = format!("{PATH}?patient_id=p1&user_id=d1");
    let ended = |deleted| json!({"patient_id": "p1", "user_id": "d1", "deleted": deleted});
    api.put(PATH).by(SERVICE).json(clinician()).await.ok();
    assert_eq!(api.delete(&query).by(SERVICE).await.ok(), ended(true));
    assert_eq!(api.delete(&query).by(SERVICE).await.ok(), ended(false));
    for name in ["user_id", "clinician_id"] {
        api.put(PATH).by(SERVICE).json(clinician()).await.ok();
        let body = json!({"patient_id": "p1", name: "d1"});
        let delete = api.delete(PATH).by(SERVICE).json(body);
        assert_eq!(delete.await.ok(), ended(true));
    }
    let left = api
        .get(&format!("{PATH}?user_id=p1"))
        .by(SERVICE)
        .await
        .ok();
    assert_eq!(left, json!({"relations": []}));
}

#[actix_web::test]
async fn everybody_reads_their_own() {
    let api = Api::start().await;
    api.put(PATH).by(SERVICE).json(clinician()).await.ok();
    let wanted = json!({"relations": [
        {"patient_id": "p1", "user_id": "d1", "kind": "clinician", "live": true}
    ]});
    assert_eq!(api.get(PATH).by("patient:p1").await.ok(), wanted);
    assert_eq!(
        api.get(&format!("{PATH}?user_id=d1")).by(DOCTOR).await.ok(),
        wanted
    );
    let others = format!("{PATH}?user_id=p1");
    api.get(&others).by(DOCTOR).await.refused("forbidden");
    assert_eq!(api.get(&others).by(SCOPED_ADMIN).await.ok(), wanted);
}
