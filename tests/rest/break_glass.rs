//! `/api/v1/admin/conversations/{id}/break-glass`, and reading behind it.

use bedside_actors::node::GLASS_MS;
use bedside_protocol::Timestamp;
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, NOW_MS, PATIENT, SERVICE};

const ADMIN: &str = "admin:a1";
const REASON: &str = "The patient cannot be reached";

/// Where it is broken and where it is read, of a conversation's own path.
fn paths(conversation: &str) -> (String, String) {
    let id = conversation.rsplit('/').next().expect("an id");
    let path = format!("/api/v1/admin/conversations/{id}");
    (format!("{path}/break-glass"), format!("{path}/messages"))
}

async fn break_it(api: &Api, path: &str) -> Value {
    let post = api.post(path).by(ADMIN).header("user-agent", "a browser");
    post.json(json!({"reason": format!(" {REASON} ")}))
        .await
        .created()
}

#[actix_web::test]
async fn an_administrator_reads_for_an_hour_and_the_members_are_told() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let seq = api.say(&direct, DOCTOR, "a secret text").await;
    let (glass, messages) = paths(&direct);
    // The role alone opens nothing.
    api.get(&messages).by(ADMIN).await.refused("forbidden");
    api.get(&format!("{direct}/messages"))
        .by(ADMIN)
        .await
        .refused("not_a_member");

    let broken = break_it(&api, &glass).await;
    let until = json!(Timestamp::from_millis(NOW_MS + GLASS_MS));
    assert_eq!(broken["user_id"], "a1");
    assert_eq!(broken["expires_at"], until);
    assert_eq!(broken["seq"], seq + 1);
    for member in [DOCTOR, PATIENT] {
        let shown = api.get(&format!("{direct}/messages/{}", seq + 1));
        let shown = shown.by(member).await.ok();
        assert_eq!(shown["type"], "system");
        let text = shown["text"].as_str().expect("a text");
        for part in ["Name of a1", REASON, until.as_str().expect("a time")] {
            assert!(text.contains(part), "{text}");
        }
    }
    let page = api.get(&messages).by(ADMIN).await.ok();
    let events = page["events"].as_array().expect("events");
    assert_eq!(events.len() as u64, seq + 1);
    assert!(page.to_string().contains("a secret text"));
    let one = api.get(&format!("{messages}?limit=1&before_seq={}", seq + 1));
    let one = one.by(ADMIN).await.ok();
    assert_eq!(one["events"][0]["seq"], seq);
    assert_eq!(one["has_more"], true);
    // It is for reading, for this conversation and for this administrator.
    let post = api.post(&format!("{direct}/messages")).by(ADMIN);
    let post = post.json(json!({"text": "a"})).await;
    post.refused("not_a_member");
    api.get(&messages).by("admin:a2").await.refused("forbidden");
    let team = api.care_team().await;
    api.get(&paths(&team).1)
        .by(ADMIN)
        .await
        .refused("forbidden");

    api.clock.advance_ms(GLASS_MS - 1);
    api.get(&messages).by(ADMIN).await.ok();
    api.clock.advance_ms(1);
    api.get(&messages).by(ADMIN).await.refused("forbidden");
}

#[actix_web::test]
async fn every_step_is_in_the_audit_log_and_no_text_is() {
    let api = Api::start().await;
    let direct = api.direct().await;
    api.say(&direct, DOCTOR, "a secret text").await;
    let (glass, messages) = paths(&direct);
    break_it(&api, &glass).await;
    api.get(&messages).by(ADMIN).await.ok();
    api.get(&format!("{messages}?limit=1")).by(ADMIN).await.ok();
    let log = api.get("/api/v1/admin/audit?user=a1").by(ADMIN).await.ok();
    let rows = log["entries"].as_array().expect("rows");
    let of = |row: &Value| (row["action"].clone(), row["detail"].clone());
    let until = Timestamp::from_millis(NOW_MS + GLASS_MS);
    let want = [
        ("glass.read", "seq=3..3".to_owned()),
        ("glass.read", "seq=1..3".to_owned()),
        ("glass.break", format!("until={until} reason={REASON}")),
    ];
    let want = want.map(|(action, detail)| (json!(action), json!(detail)));
    assert_eq!(rows.iter().map(of).collect::<Vec<_>>(), want);
    assert_eq!(rows[2]["agent"], "a browser");
    assert!(!log.to_string().contains("secret"));
}

#[actix_web::test]
async fn nobody_else_does_and_a_reason_is_needed() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let (glass, messages) = paths(&direct);
    for token in [DOCTOR, PATIENT, SERVICE, "nurse:n1"] {
        let post = api.post(&glass).by(token).json(json!({"reason": REASON}));
        post.await.refused("forbidden");
        api.get(&messages).by(token).await.refused("forbidden");
    }
    let post = |path: &str, body: Value| api.post(path).by(ADMIN).json(body);
    for bad in [
        json!({}),
        json!({"reason": "  "}),
        json!({"reason": "a\nb"}),
        json!({"reason": 7}),
    ] {
        post(&glass, bad).await.refused("invalid_argument");
    }
    let long = json!({"reason": "x".repeat(501)});
    post(&glass, long).await.refused("too_large");
    let nowhere = "/api/v1/conversations/01890a5d-ac96-774b-bcce-b302099a8057";
    let reason = json!({"reason": REASON});
    post(&paths(nowhere).0, reason).await.refused("not_found");
    // None of these told anybody anything.
    let page = api.get(&format!("{direct}/messages")).by(DOCTOR).await.ok();
    assert_eq!(page["head_seq"], 1);
}

#[actix_web::test]
async fn it_works_where_a_relation_has_ended_too() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let ended = "/api/v1/relations?patient_id=p1&user_id=d1";
    api.delete(ended).by(SERVICE).await.ok();
    let post = api.post(&format!("{direct}/messages")).by(DOCTOR);
    let post = post.json(json!({"text": "a"})).await;
    post.refused("forbidden");
    let (glass, messages) = paths(&direct);
    let broken = break_it(&api, &glass).await;
    let page = api.get(&messages).by(ADMIN).await.ok();
    assert_eq!(page["head_seq"], broken["seq"]);
}
