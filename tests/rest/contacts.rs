//! `/api/v1/contacts`.

use bedside_protocol::{RelationKind, Timestamp};
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, NOW_MS, NURSE, PATIENT, SERVICE};

const PATH: &str = "/api/v1/contacts";

fn ids(page: &Value) -> Vec<String> {
    let contacts = page["contacts"].as_array().expect("a list");
    let ids = contacts.iter().map(|contact| contact["user_id"].as_str());
    ids.map(|id| id.expect("an id").to_owned()).collect()
}

/// A clinic: doctor d1 and nurse n1 treat p1, d1 treats p2; f1 is family of p1 and p2, f2 of p2;
/// a1 assists p1, x1 dispenses for p1, i1 interprets for p1; p3 is nobody's.
async fn clinic() -> Api {
    let api = Api::start().await;
    api.know(&[
        DOCTOR,
        NURSE,
        PATIENT,
        "patient:p2",
        "patient:p3",
        "family:f1",
        "family:f2",
    ])
    .await;
    api.know(&["assistant:a1", "pharmacy:x1", "family:i1", "admin:z1"])
        .await;
    for (patient, other, kind) in [
        ("p1", "d1", RelationKind::Clinician),
        ("p1", "n1", RelationKind::Clinician),
        ("p2", "d1", RelationKind::Clinician),
        ("p1", "f1", RelationKind::Family),
        ("p2", "f1", RelationKind::Family),
        ("p2", "f2", RelationKind::Family),
        ("p1", "a1", RelationKind::Assistant),
        ("p1", "x1", RelationKind::Pharmacy),
        ("p1", "i1", RelationKind::Interpreter),
        ("p1", "unheard-of", RelationKind::Clinician),
    ] {
        api.relate(patient, other, kind).await;
    }
    api
}

#[actix_web::test]
async fn everybody_is_shown_whom_they_may_write_to() {
    let api = clinic().await;
    let rows: [(&str, &[&str]); 9] = [
        (DOCTOR, &["a1", "n1", "x1", "z1", "p1", "p2", "f1", "f2"]),
        (NURSE, &["a1", "d1", "x1", "z1", "p1", "f1"]),
        ("assistant:a1", &["d1", "n1", "x1", "z1", "p1"]),
        ("admin:z1", &["a1", "d1", "n1", "x1"]),
        (PATIENT, &["a1", "d1", "n1", "x1"]),
        ("patient:p2", &["d1"]),
        ("patient:p3", &[]),
        ("family:f1", &["d1", "n1"]),
        ("family:i1", &[]),
    ];
    for (token, wanted) in rows {
        let page = api.get(PATH).by(token).await.ok();
        assert_eq!(ids(&page), wanted, "{token}");
        assert_eq!(page.get("cursor"), None, "{token}");
    }
}

#[actix_web::test]
async fn each_contact_can_be_written_to_and_others_cannot() {
    let api = clinic().await;
    let everyone = [
        "d1", "n1", "a1", "x1", "z1", "p1", "p2", "p3", "f1", "f2", "i1",
    ];
    for token in [DOCTOR, NURSE, PATIENT, "family:f1", "assistant:a1"] {
        let me = token.rsplit(':').next().expect("an id");
        let contacts = ids(&api.get(PATH).by(token).await.ok());
        for other in everyone.into_iter().filter(|other| *other != me) {
            let body = json!({"kind": "direct", "member_ids": [other]});
            let answer = api.post("/api/v1/conversations").by(token).json(body).await;
            let may = answer.status.is_success();
            assert_eq!(
                may,
                contacts.iter().any(|id| id == other),
                "{token} to {other}"
            );
        }
    }
}

#[actix_web::test]
async fn a_cursor_goes_through_all_of_them_once() {
    let api = clinic().await;
    for token in [DOCTOR, NURSE, PATIENT, "family:f1"] {
        let all = ids(&api.get(PATH).by(token).await.ok());
        for limit in 1..=3 {
            let mut seen = Vec::new();
            let mut path = format!("{PATH}?limit={limit}");
            loop {
                let page = api.get(&path).by(token).await.ok();
                let ids = ids(&page);
                assert!(ids.len() <= limit);
                seen.extend(ids);
                assert!(seen.len() <= all.len(), "{seen:?}");
                let Some(cursor) = page["cursor"].as_str() else {
                    break;
                };
                path = format!("{PATH}?limit={limit}&cursor={cursor}");
            }
            assert_eq!(seen, all, "{token} by {limit}");
        }
    }
}

#[actix_web::test]
async fn who_is_no_longer_related_is_no_contact() {
    let api = clinic().await;
    let end = "/api/v1/relations?patient_id=p1&user_id=d1";
    api.delete(end).by(SERVICE).await.ok();
    assert!(!ids(&api.get(PATH).by(PATIENT).await.ok()).contains(&"d1".to_owned()));
    let doctors = ids(&api.get(PATH).by(DOCTOR).await.ok());
    assert!(!doctors.contains(&"p1".to_owned()));
    // Still family of p2.
    assert!(doctors.contains(&"f1".to_owned()));
}

#[actix_web::test]
async fn who_is_contact_in_several_ways_comes_once() {
    let api = clinic().await;
    // A patient of d1's who is family of another, and a nurse who is family too.
    api.know(&["patient+family:p4", "nurse+family:n4"]).await;
    api.relate("p4", "d1", RelationKind::Clinician).await;
    api.relate("p1", "p4", RelationKind::Family).await;
    api.relate("p1", "n4", RelationKind::Family).await;
    let page = api.get(PATH).by(DOCTOR).await.ok();
    let wanted = ["a1", "n1", "n4", "x1", "z1", "p1", "p2", "p4", "f1", "f2"];
    assert_eq!(ids(&page), wanted);
}

#[actix_web::test]
async fn family_is_found_under_a_patient_who_still_counts() {
    let api = clinic().await;
    let until = Timestamp::from_millis(NOW_MS);
    let ended = json!({"patient_id": "p1", "user_id": "f1", "kind": "family", "until": until});
    api.put("/api/v1/relations")
        .by(SERVICE)
        .json(ended)
        .await
        .ok();
    let page = api.get(PATH).by(DOCTOR).await.ok();
    assert!(ids(&page).contains(&"f1".to_owned()), "{page}");
    assert!(!ids(&api.get(PATH).by(NURSE).await.ok()).contains(&"f1".to_owned()));
}

#[actix_web::test]
async fn a_contact_comes_with_name_roles_and_presence() {
    let api = clinic().await;
    let page = api.get(PATH).by("patient:p2").await.ok();
    assert_eq!(
        page,
        json!({"contacts": [{
            "user_id": "d1",
            "name": "Name of d1",
            "roles": ["doctor"],
            "online": false,
            "status": "available",
        }]})
    );
}
