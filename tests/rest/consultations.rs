//! Seed 000: `/consultations`.

use bedside_protocol::{
    Timestamp,
    limits::{
        APPOINTMENT_ID_BYTES_MAX, CONSULTATIONS_PAGE_MAX, NOTES_BYTES_MAX,
        ROOM_NOTIFICATION_BYTES_MAX,
    },
};
use serde_json::{Value, json};

use crate::kit::{Answer, Api, NOW_MS, SERVICE};

pub(crate) const DOCTOR: &str = "doctor:5";
pub(crate) const PATIENT: &str = "patient:12";
pub(crate) const OTHER_DOCTOR: &str = "doctor:6";
pub(crate) const OTHER_PATIENT: &str = "patient:13";

/// Everybody is known.
pub(crate) async fn clinic() -> Api {
    let api = Api::start().await;
    api.know(&[DOCTOR, PATIENT, OTHER_DOCTOR, OTHER_PATIENT])
        .await;
    api
}

async fn create(api: &Api, token: &str, body: Value) -> Answer {
    api.post("/consultations").by(token).json(body).await
}

/// Makes one of doctor 5 and patient 12 and gives its path.
pub(crate) async fn scheduled(api: &Api, appointment: u64) -> String {
    let body = json!({"appointmentId": appointment, "type": "CHAT", "patientId": 12});
    let made = create(api, DOCTOR, body).await.data(201);
    format!("/consultations/{}", made["id"].as_u64().expect("a number"))
}

#[actix_web::test]
async fn a_doctor_makes_one_and_holds_it() {
    let api = clinic().await;
    let body = json!({"appointmentId": 31, "type": "VIDEO", "patientId": 12});
    let made = create(&api, DOCTOR, body).await.data(201);
    let at = Timestamp::from_millis(NOW_MS);
    let mut wanted = json!({
        "id": made["id"], "appointmentId": 31, "type": "VIDEO", "status": "SCHEDULED",
        "startTime": null, "endTime": null, "duration": null, "notes": null,
        "patientId": 12, "doctorId": 5, "createdAt": at, "updatedAt": at,
    });
    assert_eq!(made, wanted);
    let path = format!("/consultations/{}", made["id"].as_u64().expect("a number"));
    for token in [DOCTOR, PATIENT, SERVICE, "admin:a1"] {
        assert_eq!(api.get(&path).by(token).await.data(200), wanted);
    }
    api.clock.advance_ms(60_000);
    let started = Timestamp::from_millis(NOW_MS + 60_000);
    let answer = api.post(&format!("{path}/start")).by(DOCTOR).await;
    wanted["status"] = json!("IN_PROGRESS");
    wanted["startTime"] = json!(started);
    wanted["updatedAt"] = json!(started);
    assert_eq!(answer.data(200), wanted);
    // Once more changes nothing.
    let again = api.post(&format!("{path}/start")).by(DOCTOR).await;
    assert_eq!(again.data(200), wanted);
    api.clock.advance_ms(12 * 60_000 + 59_000);
    let ended = Timestamp::from_millis(NOW_MS + 13 * 60_000 + 59_000);
    let end = api.post(&format!("{path}/end")).by(DOCTOR);
    let answer = end.json(json!({"notes": "rest and tea"})).await;
    wanted["status"] = json!("COMPLETED");
    wanted["endTime"] = json!(ended);
    wanted["updatedAt"] = json!(ended);
    wanted["duration"] = json!(12);
    wanted["notes"] = json!("rest and tea");
    assert_eq!(answer.data(200), wanted);
    assert_eq!(api.get(&path).by(PATIENT).await.data(200), wanted);
    api.post(&format!("{path}/end"))
        .by(DOCTOR)
        .await
        .plainly(409);
    api.post(&format!("{path}/start"))
        .by(DOCTOR)
        .await
        .plainly(409);
    api.post(&format!("{path}/cancel"))
        .by(DOCTOR)
        .await
        .plainly(409);
}

#[actix_web::test]
async fn ids_are_numbers_where_they_look_like_one_and_read_as_either() {
    let api = clinic().await;
    api.know(&["patient:p-1"]).await;
    let body = json!({
        "appointmentId": "A-7", "type": "chat", "patientId": "p-1", "doctorId": "5",
        "scheduledAt": "2026-11-25T09:00:00+01:00",
    });
    let made = create(&api, SERVICE, body).await.data(201);
    assert_eq!(made["appointmentId"], "A-7");
    assert_eq!(made["patientId"], "p-1");
    assert_eq!(made["doctorId"], 5);
    assert_eq!(made["type"], "CHAT");
    assert!(made["id"].is_u64());
    // Number and text are the same appointment.
    let body = json!({"appointmentId": 9, "type": "CHAT", "patientId": 12});
    create(&api, DOCTOR, body).await.data(201);
    let body = json!({"appointmentId": "9", "type": "CHAT", "patientId": "12"});
    create(&api, DOCTOR, body).await.plainly(409);
}

#[actix_web::test]
async fn who_may_make_them() {
    let api = clinic().await;
    let body = json!({"appointmentId": 1, "type": "CHAT", "patientId": 12, "doctorId": 5});
    for token in [
        PATIENT,
        OTHER_PATIENT,
        "nurse:n1",
        "pharmacy:x",
        "family:f1",
    ] {
        create(&api, token, body.clone()).await.plainly(403);
    }
    api.post("/consultations")
        .json(body.clone())
        .await
        .plainly(401);
    create(&api, "admin:a1", body).await.data(201);
    // One's own without a name; not so for those who are no doctors.
    let body = json!({"appointmentId": 2, "type": "CHAT", "patientId": 12});
    create(&api, SERVICE, body.clone()).await.plainly(400);
    create(&api, DOCTOR, body).await.data(201);
}

#[actix_web::test]
async fn what_cannot_be_made_is_refused() {
    let api = clinic().await;
    for (status, body) in [
        (400, json!({})),
        (400, json!({"appointmentId": 1, "type": "CHAT"})),
        (400, json!({"appointmentId": 1, "patientId": 12})),
        (
            400,
            json!({"appointmentId": 1, "type": "PHONE", "patientId": 12}),
        ),
        (
            400,
            json!({"appointmentId": -1, "type": "CHAT", "patientId": 12}),
        ),
        (
            400,
            json!({"appointmentId": 1.5, "type": "CHAT", "patientId": 12}),
        ),
        (
            400,
            json!({"appointmentId": "", "type": "CHAT", "patientId": 12}),
        ),
        (
            400,
            json!({"appointmentId": 1, "type": "CHAT", "patientId": ""}),
        ),
        (
            400,
            json!({"appointmentId": 1, "type": "CHAT", "patientId": 6}),
        ),
        (
            400,
            json!({"appointmentId": 1, "type": "CHAT", "patientId": 12, "doctorId": 13}),
        ),
        (
            400,
            json!({"appointmentId": 1, "type": "CHAT", "patientId": 12, "scheduledAt": "soon"}),
        ),
        (
            404,
            json!({"appointmentId": 1, "type": "CHAT", "patientId": 99}),
        ),
        (
            404,
            json!({"appointmentId": 1, "type": "CHAT", "patientId": 12, "doctorId": 99}),
        ),
    ] {
        create(&api, DOCTOR, body).await.plainly(status);
    }
    let longest = "x".repeat(APPOINTMENT_ID_BYTES_MAX);
    let body = |id: &str| json!({"appointmentId": id, "type": "CHAT", "patientId": 12});
    create(&api, DOCTOR, body(&format!("{longest}x")))
        .await
        .plainly(400);
    create(&api, DOCTOR, body(&longest)).await.data(201);
}

#[actix_web::test]
async fn others_do_not_see_it_or_touch_it() {
    let api = clinic().await;
    let path = scheduled(&api, 1).await;
    for token in [OTHER_DOCTOR, OTHER_PATIENT] {
        api.get(&path).by(token).await.plainly(404);
        for act in ["start", "end", "cancel"] {
            let path = format!("{path}/{act}");
            let refused = api.post(&path).by(token).await;
            assert!(matches!(refused.status.as_u16(), 403 | 404), "{act}");
            assert_eq!(refused.body["success"], false);
        }
    }
    for act in ["start", "end", "cancel"] {
        let path = format!("{path}/{act}");
        api.post(&path).await.plainly(401);
        // It is the doctor's to hold.
        api.post(&path).by(PATIENT).await.plainly(403);
    }
    for act in ["start", "end"] {
        let path = format!("{path}/{act}");
        api.post(&path).by(SERVICE).await.plainly(403);
        api.post(&path).by("admin:a1").await.plainly(403);
    }
    api.post(&format!("{path}/end"))
        .by(DOCTOR)
        .await
        .plainly(409);
    assert_eq!(
        api.get(&path).by(PATIENT).await.data(200)["status"],
        "SCHEDULED"
    );
    for nothing in ["/consultations/1", "/consultations/x", "/consultations/007"] {
        api.get(nothing).by(DOCTOR).await.plainly(404);
        api.post(&format!("{nothing}/start"))
            .by(DOCTOR)
            .await
            .plainly(404);
        api.post(&format!("{nothing}/cancel"))
            .by(SERVICE)
            .await
            .plainly(404);
    }
}

#[actix_web::test]
async fn it_is_cancelled_by_its_clinician_an_admin_or_a_system() {
    let api = clinic().await;
    for (n, token) in [DOCTOR, "admin:a1", SERVICE].into_iter().enumerate() {
        let path = scheduled(&api, n as u64).await;
        let cancelled = api.post(&format!("{path}/cancel")).by(token).await;
        assert_eq!(cancelled.data(200)["status"], "CANCELLED");
        api.post(&format!("{path}/start"))
            .by(DOCTOR)
            .await
            .plainly(409);
    }
}

#[actix_web::test]
async fn notes_have_their_bounds() {
    let api = clinic().await;
    let path = scheduled(&api, 1).await;
    api.post(&format!("{path}/start"))
        .by(DOCTOR)
        .await
        .data(200);
    let end = |notes: Value| {
        let body = json!({"notes": notes});
        api.post(&format!("{path}/end")).by(DOCTOR).json(body)
    };
    let fits = "x".repeat(NOTES_BYTES_MAX);
    end(json!(format!("{fits}x"))).await.plainly(413);
    end(json!(7)).await.plainly(400);
    assert_eq!(end(json!(fits)).await.data(200)["notes"], json!(fits));
}

#[actix_web::test]
async fn history_is_ones_own_and_the_newest_first() {
    let api = clinic().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        let path = scheduled(&api, n).await;
        ids.insert(0, path.rsplit('/').next().expect("an id").to_owned());
        api.clock.advance_ms(1_000);
    }
    let body = json!({"appointmentId": 9, "type": "CHAT", "patientId": 13});
    let other = create(&api, OTHER_DOCTOR, body).await.data(201);
    let other = other["id"].to_string();
    let list = async |token: &str, query: &str| {
        let path = format!("/consultations/history{query}");
        let rows = api.get(&path).by(token).await.data(200);
        let rows = rows.as_array().expect("a list").iter();
        rows.map(|row| row["id"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(PATIENT, "?patientId=12").await, ids);
    assert_eq!(list(DOCTOR, "?patientId=12&doctorId=5").await, ids);
    assert_eq!(list(DOCTOR, "").await, ids);
    assert!(list(DOCTOR, "?patientId=13").await.is_empty());
    assert!(list(OTHER_PATIENT, "?patientId=12").await.is_empty());
    assert_eq!(list(SERVICE, "?patientId=13").await, [other.as_str()]);
    assert_eq!(list("admin:a1", "").await.len(), 4);
    assert_eq!(list(PATIENT, "?limit=2").await, ids[..2]);
    let next = format!("?limit=2&before={}", ids[1]);
    assert_eq!(list(PATIENT, &next).await, ids[2..]);
    let refused = async |query: &str, status: u16| {
        let path = format!("/consultations/history?{query}");
        api.get(&path).by(PATIENT).await.plainly(status);
    };
    refused(&format!("limit={}", CONSULTATIONS_PAGE_MAX + 1), 413).await;
    for query in ["limit=0", "before=x", "patientId="] {
        refused(query, 400).await;
    }
    api.get("/consultations/history").await.plainly(401);
}

#[actix_web::test]
async fn a_system_tells_the_room_and_the_participants() {
    let api = clinic().await;
    let path = scheduled(&api, 1).await;
    let id: u64 = path
        .rsplit('/')
        .next()
        .and_then(|id| id.parse().ok())
        .expect("a number");
    let tell = |token: &str, body: Value| {
        let path = format!("{path}/notifications");
        api.post(&path).by(token).json(body)
    };
    let shown =
        json!({"type": "appointment_reminder", "title": "Soon", "message": "In 5 min", "n": 1});
    let rows = tell(SERVICE, shown.clone()).await.data(201);
    assert_eq!(api.rooms.take(), [(id, shown.clone())]);
    assert_eq!(rows.as_array().map(Vec::len), Some(2));
    for token in [DOCTOR, PATIENT] {
        let own = api.get("/notifications").by(token).await.ok();
        assert_eq!(own[0]["type"], "appointment_reminder");
        assert_eq!(own[0]["title"], "Soon");
        assert_eq!(own[0]["body"], "In 5 min");
        assert_eq!(own[0]["data"], shown);
    }
    let own = api.get("/notifications").by(OTHER_PATIENT).await.ok();
    assert_eq!(own, json!([]));
    // Anything goes, as long as it is an object within the bound.
    let rows = tell(SERVICE, json!({})).await.data(201);
    assert_eq!(rows[0]["type"], "system_alert");
    assert_eq!(rows[0]["title"], "Consultation");
    let frame = json!({"x": ""}).to_string().len();
    let fits = json!({"x": "x".repeat(ROOM_NOTIFICATION_BYTES_MAX - frame)});
    let rows = tell(SERVICE, fits.clone()).await.data(201);
    assert_eq!(rows[0]["data"], Value::Null);
    assert_eq!(api.rooms.take()[1], (id, fits));
    let over = json!({"x": "x".repeat(ROOM_NOTIFICATION_BYTES_MAX - frame + 1)});
    tell(SERVICE, over).await.plainly(413);
    tell(SERVICE, json!(["a"])).await.plainly(400);
    tell(SERVICE, json!("a")).await.plainly(400);
    for token in [DOCTOR, PATIENT, "admin:a1"] {
        tell(token, json!({})).await.plainly(403);
    }
    let nowhere = api.post("/consultations/1/notifications").by(SERVICE);
    nowhere.json(json!({})).await.plainly(404);
    assert_eq!(api.rooms.take(), []);
}
