//! `GET /api/v1/admin/audit`.

use bedside_actors::audit::{AuditKey, Broken, verify};
use bedside_protocol::Timestamp;
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, NOW_MS, PATIENT, SERVICE};

const PATH: &str = "/api/v1/admin/audit";
const ADMIN: &str = "admin:a1";

async fn actions(api: &Api, query: &str) -> Vec<String> {
    let page = api.get(&format!("{PATH}?{query}")).by(ADMIN).await.ok();
    let rows = page["entries"].as_array().expect("rows").iter();
    rows.map(|row| row["action"].as_str().expect("an action").to_owned())
        .collect()
}

/// Routine records are written behind the request's back.
async fn written(api: &Api, count: usize) {
    while api.store.whole_audit_log().len() < count {
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn what_was_done_is_listed_newest_first_and_without_texts() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let seq = api.say(&direct, DOCTOR, "a secret text").await;
    let message = format!("{direct}/messages/{seq}");
    let edit = json!({"text": "another secret"});
    api.patch(&message).by(DOCTOR).json(edit).await.ok();
    for _ in 0..3 {
        api.get(&format!("{direct}/messages")).by(DOCTOR).await.ok();
    }
    api.get(&format!("{direct}/messages"))
        .by(PATIENT)
        .await
        .ok();
    let revoke = json!({"user_id": "p1"});
    api.post("/api/v1/admin/revocations")
        .by(SERVICE)
        .json(revoke)
        .await
        .ok();
    written(&api, 4).await;
    let all = actions(&api, "").await;
    let want = [
        "tokens.revoke",
        "history.read",
        "message.edit",
        "conversation.create",
    ];
    assert_eq!(
        all, want,
        "the reading of an hour is one record, and the patient's is none"
    );
    assert_eq!(
        actions(&api, "user=d1&action=message.edit").await,
        ["message.edit"]
    );
    assert_eq!(actions(&api, "user=p1").await, ["tokens.revoke"]);
    let later = json!(Timestamp::from_millis(NOW_MS + 1));
    let later = later.as_str().expect("a time");
    assert_eq!(actions(&api, &format!("from={later}")).await, [""; 0]);
    assert_eq!(actions(&api, &format!("to={later}")).await, want);
    let text = api.get(PATH).by(ADMIN).await.ok().to_string();
    assert!(!text.contains("secret"));
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    while seen.len() < 9 {
        let page = api
            .get(&format!("{PATH}?limit=1{cursor}"))
            .by(ADMIN)
            .await
            .ok();
        seen.extend(
            page["entries"]
                .as_array()
                .expect("rows")
                .iter()
                .map(|r| r["seq"].clone()),
        );
        let Some(next) = page["cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(Value::from(seen), json!([4, 3, 2, 1]));
}

#[actix_web::test]
async fn only_administrators_read_it() {
    let api = Api::start().await;
    for token in [DOCTOR, PATIENT, SERVICE, "nurse:n1"] {
        api.get(PATH).by(token).await.refused("forbidden");
    }
    for query in ["limit=0", "limit=201", "cursor=x", "from=yesterday"] {
        let path = format!("{PATH}?{query}");
        api.get(&path).by(ADMIN).await.refused("invalid_argument");
    }
}

#[actix_web::test]
async fn what_the_server_wrote_is_whole_until_somebody_changes_it() {
    let api = Api::start().await;
    for n in 0..4 {
        let revoke = json!({"user_id": format!("p{n}")});
        api.post("/api/v1/admin/revocations")
            .by(ADMIN)
            .json(revoke)
            .await
            .ok();
    }
    let key = AuditKey::derived_from(b"a test");
    let found = async || verify(&*api.store, &key, "alone", None).await;
    assert_eq!(found().await.expect("whole").head.seq, 4);
    api.store.tamper_with_audit(|entries| {
        let entry = entries.get_mut(&("alone".to_owned(), 2)).expect("there");
        entry.record.subject = "p9".to_owned();
    });
    assert_eq!(found().await, Err(Broken::Changed(2)));
    api.store.tamper_with_audit(|entries| {
        entries.remove(&("alone".to_owned(), 2));
    });
    assert_eq!(found().await, Err(Broken::Missing(2)));
    api.store
        .tamper_with_audit(|entries| entries.retain(|(_, seq), _| *seq < 2));
    assert_eq!(found().await, Err(Broken::Cut(1, 4)));
}
