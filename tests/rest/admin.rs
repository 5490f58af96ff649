//! `/api/v1/admin`: revocations and blocks.

use bedside_actors::{ports::store::DenialStore as _, testkit::client::Client};
use bedside_protocol::{CloseCode, Timestamp};
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, NOW_MS, PATIENT, SERVICE};

const REVOCATIONS: &str = "/api/v1/admin/revocations";
const BLOCKS: &str = "/api/v1/admin/blocks";
const ADMIN: &str = "admin:a1#iat=1794999000000";
const MINE: &str = "/api/v1/unread";

fn block_of(id: &str) -> String {
    format!("/api/v1/admin/users/{id}/block")
}

fn at(ms: i64) -> Value {
    json!(Timestamp::from_millis(ms))
}

#[actix_web::test]
async fn tokens_from_before_are_refused_and_later_ones_are_good() {
    let api = Api::start().await;
    let before = format!("{PATIENT}#iat={}", NOW_MS - 5_000);
    let after = format!("{PATIENT}#iat={NOW_MS}");
    api.get(MINE).by(&before).await.ok();
    let done = api
        .post(REVOCATIONS)
        .by(ADMIN)
        .json(json!({"user_id": "p1"}));
    let want = json!({"user_id": "p1", "issued_before": at(NOW_MS), "revoked_at": at(NOW_MS), "revoked_by": "a1"});
    assert_eq!(done.await.ok(), want);
    api.get(MINE).by(&before).await.refused("unauthorized");
    api.get(MINE).by(PATIENT).await.refused("unauthorized");
    api.get(MINE).by(&after).await.ok();
    api.get(MINE).by(DOCTOR).await.ok();
    let listed = api.get(REVOCATIONS).by(SERVICE).await.ok();
    assert_eq!(listed, json!({"revocations": [want]}));
}

#[actix_web::test]
async fn one_token_is_refused_by_its_id() {
    let api = Api::start().await;
    let (this, that) = ("patient:p1#jti=this", "patient:p1#jti=that");
    api.get(MINE).by(this).await.ok();
    for _ in 0..2 {
        let done = api
            .post(REVOCATIONS)
            .by(SERVICE)
            .json(json!({"token_id": "this"}));
        assert_eq!(done.await.ok()["token_id"], "this");
    }
    api.get(MINE).by(this).await.refused("unauthorized");
    api.get(MINE).by(that).await.ok();
}

#[actix_web::test]
async fn a_block_lasts_until_it_is_lifted() {
    let api = Api::start().await;
    let mut device = Client::open(&api.node, "p1", bedside_protocol::Role::Patient).await;
    let reason = json!({"reason": " lost their phone "});
    let done = api.put(&block_of("p1")).by(ADMIN).json(reason).await.ok();
    let want = json!({"user_id": "p1", "reason": "lost their phone", "blocked_at": at(NOW_MS), "blocked_by": "a1"});
    assert_eq!(done, want);
    assert_eq!(device.close_code().await, CloseCode::Blocked);
    let newest = format!("{PATIENT}#iat={NOW_MS}");
    api.get(MINE).by(&newest).await.refused("forbidden");
    assert_eq!(
        api.get(BLOCKS).by(ADMIN).await.ok(),
        json!({"blocks": [want]})
    );
    assert_eq!(
        api.get(REVOCATIONS).by(ADMIN).await.ok(),
        json!({"revocations": []})
    );
    for lifted in [true, false] {
        let done = api.delete(&block_of("p1")).by(ADMIN).await.ok();
        assert_eq!(done, json!({"user_id": "p1", "lifted": lifted}));
    }
    api.get(MINE).by(&newest).await.ok();
    assert_eq!(api.get(BLOCKS).by(ADMIN).await.ok(), json!({"blocks": []}));
    let log = api.store.audit_log();
    let log: Vec<_> = log
        .iter()
        .map(|e| (&*e.action, e.subject.as_str()))
        .filter(|(action, _)| *action != "request.refused")
        .collect();
    let unblock = ("user.unblock", "p1");
    assert_eq!(log, [("user.block", "p1"), unblock, unblock]);
    assert!(!format!("{:?}", api.store.audit_log()).contains("phone"));
}

#[actix_web::test]
async fn only_administrators_do_so() {
    let api = Api::start().await;
    for token in [DOCTOR, PATIENT, "nurse:n1#admin", "family:f1"] {
        let user = json!({"user_id": "p1"});
        api.post(REVOCATIONS)
            .by(token)
            .json(user)
            .await
            .refused("forbidden");
        api.get(REVOCATIONS).by(token).await.refused("forbidden");
        api.get(BLOCKS).by(token).await.refused("forbidden");
        api.delete(&block_of("p1"))
            .by(token)
            .await
            .refused("forbidden");
        let reason = json!({"reason": "r"});
        api.put(&block_of("p1"))
            .by(token)
            .json(reason)
            .await
            .refused("forbidden");
    }
    assert_eq!(api.store.denials().await.expect("reads").records, []);
    assert!(api.store.audit_log().is_empty());
}

#[actix_web::test]
async fn what_is_no_revocation_is_refused() {
    let api = Api::start().await;
    for body in [
        json!({}),
        json!({"issued_before": at(NOW_MS)}),
        json!({"user_id": "p1", "token_id": "t"}),
        json!({"token_id": "t", "issued_before": at(NOW_MS)}),
        json!({"token_id": ""}),
        json!({"token_id": "t\n"}),
        json!({"token_id": "t".repeat(257)}),
        json!({"user_id": "p1", "issued_before": at(NOW_MS + 30_001)}),
        json!({"user_id": "p1", "issued_before": 7}),
        json!({"user_id": ""}),
    ] {
        let refused = api.post(REVOCATIONS).by(ADMIN).json(body.clone());
        refused.await.refused("invalid_argument");
    }
    for body in [
        json!({}),
        json!({"reason": " "}),
        json!({"reason": "a\u{7}"}),
    ] {
        let refused = api.put(&block_of("p1")).by(ADMIN).json(body);
        refused.await.refused("invalid_argument");
    }
    let long = json!({"reason": "r".repeat(501)});
    api.put(&block_of("p1"))
        .by(ADMIN)
        .json(long)
        .await
        .refused("too_large");
    let own = api
        .put(&block_of("a1"))
        .by(ADMIN)
        .json(json!({"reason": "r"}));
    own.await.refused("invalid_argument");
    assert_eq!(api.store.denials().await.expect("reads").records, []);
}

#[actix_web::test]
async fn lists_come_page_by_page() {
    let api = Api::start().await;
    for n in 0..5 {
        let user = json!({"user_id": format!("p{n}")});
        api.post(REVOCATIONS).by(ADMIN).json(user).await.ok();
        let token = json!({"token_id": format!("é{n} & more")});
        api.post(REVOCATIONS).by(ADMIN).json(token).await.ok();
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{REVOCATIONS}?limit=3{cursor}");
        let page = api.get(&path).by(ADMIN).await.ok();
        for row in page["revocations"].as_array().expect("rows") {
            let name = row.get("user_id").or(row.get("token_id"));
            names.push(name.and_then(Value::as_str).expect("a name").to_owned());
        }
        let Some(next) = page["cursor"].as_str() else {
            break;
        };
        let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        cursor = format!("&cursor={next}");
    }
    let users = (0..5).map(|n| format!("p{n}"));
    let tokens = (0..5).map(|n| format!("é{n} & more"));
    assert_eq!(names, users.chain(tokens).collect::<Vec<_>>());
    for limit in ["0", "201", "-1", "x"] {
        let path = format!("{BLOCKS}?limit={limit}");
        api.get(&path).by(ADMIN).await.refused("invalid_argument");
    }
}

#[actix_web::test]
async fn who_is_deleted_loses_the_tokens_that_they_hold() {
    let api = Api::start().await;
    let held = format!("{PATIENT}#iat={NOW_MS}");
    api.know(&[PATIENT]).await;
    api.get(MINE).by(&held).await.ok();
    api.delete("/api/v1/users/p1").by(ADMIN).await.ok();
    api.get(MINE).by(&held).await.refused("unauthorized");
    // Their sign-in is told, and gives them a token all the same: they are back.
    let anew = format!("{PATIENT}#iat={}", NOW_MS + 30_000);
    api.get(MINE).by(&anew).await.ok();
}
