//! Seed 004's pages, and what "all up to now" is.

use bedside_protocol::{RelationKind, limits::HISTORY_PAGE_MAX};
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, PATIENT};

/// A doctor, a patient and the native path of their conversation.
async fn talking() -> (Api, String) {
    let api = Api::start().await;
    let direct = api.direct().await;
    (api, direct)
}

async fn page(api: &Api, token: &str, path: &str) -> Vec<String> {
    let page = api.get(path).by(token).await.data(200);
    let rows = page.as_array().expect("a list").iter();
    rows.map(|row| row["content"].as_str().expect("a text").to_owned())
        .collect()
}

async fn unread(api: &Api, token: &str) -> Value {
    let count = api.get("/chat/unread-count").by(token).await;
    count.data(200)["unreadCount"].clone()
}

async fn read(api: &Api, token: &str, other: &str) -> Value {
    let path = format!("/chat/conversations/{other}/read");
    api.put(&path).by(token).await.data(200)["unreadCount"].clone()
}

#[actix_web::test]
async fn pages_go_back_by_skip_and_are_ascending_inside() {
    let (api, direct) = talking().await;
    for n in 0..7 {
        api.say(&direct, DOCTOR, &format!("m{n}")).await;
    }
    let at = |query: &str| format!("/chat/conversations/d1{query}");
    let all = page(&api, PATIENT, &at("")).await;
    assert_eq!(all, ["m0", "m1", "m2", "m3", "m4", "m5", "m6"]);
    assert_eq!(
        page(&api, PATIENT, &at("?limit=3")).await,
        ["m4", "m5", "m6"]
    );
    assert_eq!(
        page(&api, PATIENT, &at("?limit=3&skip=3")).await,
        ["m1", "m2", "m3"]
    );
    assert_eq!(page(&api, PATIENT, &at("?limit=3&skip=6")).await, ["m0"]);
    assert!(page(&api, PATIENT, &at("?skip=7")).await.is_empty());
    // The same on the other two paths.
    let users = page(&api, PATIENT, "/users/conversations/d1?limit=2&skip=1").await;
    assert_eq!(users, ["m4", "m5"]);
    let path = "/doctors/patients/p1/messages?limit=2&skip=1";
    assert_eq!(page(&api, DOCTOR, path).await, ["m4", "m5"]);
}

#[actix_web::test]
async fn a_page_is_full_though_other_entries_and_long_texts_lie_between() {
    let (api, direct) = talking().await;
    let long = "x".repeat(16 * 1024);
    for n in 0..30 {
        let seq = api
            .say(&direct, DOCTOR, &format!("{n}{}", &long[2..]))
            .await;
        let path = format!("{direct}/messages/{seq}/reactions/%F0%9F%91%8D");
        api.put(&path).by(PATIENT).await.ok();
        let gone = api.say(&direct, DOCTOR, "oops").await;
        let path = format!("{direct}/messages/{gone}");
        api.delete(&path).by(DOCTOR).await.ok();
    }
    let got = page(&api, PATIENT, "/chat/conversations/d1?limit=20&skip=5").await;
    let numbers: Vec<_> = got.iter().map(|text| text.trim_end_matches('x')).collect();
    let wanted: Vec<_> = (5..25).map(|n| n.to_string()).collect();
    assert_eq!(numbers, wanted);
}

#[actix_web::test]
async fn texts_are_shown_as_they_stand_and_deleted_ones_not_at_all() {
    let (api, direct) = talking().await;
    let edited = api.say(&direct, DOCTOR, "teh").await;
    let deleted = api.say(&direct, DOCTOR, "secret").await;
    let path = format!("{direct}/messages/{edited}");
    let edit = api.patch(&path).by(DOCTOR).json(json!({"text": "the"}));
    edit.await.ok();
    let path = format!("{direct}/messages/{deleted}");
    api.delete(&path).by(DOCTOR).await.ok();
    assert_eq!(page(&api, PATIENT, "/chat/conversations/d1").await, ["the"]);
    // The list looks back for the newest that can be shown.
    let list = api.get("/chat/conversations").by(PATIENT).await.data(200);
    assert_eq!(list[0]["lastMessage"]["content"], "the");
    let path = format!("{direct}/messages/{edited}");
    api.delete(&path).by(DOCTOR).await.ok();
    let list = api.get("/chat/conversations").by(PATIENT).await;
    assert_eq!(list.data(200), json!([]));
}

#[actix_web::test]
async fn a_retry_of_what_was_deleted_since_says_so() {
    let (api, direct) = talking().await;
    let path = "/doctors/patients/p1/messages";
    let body = json!({"message": "oops", "clientMsgId": "m1"});
    api.post(path).by(DOCTOR).json(body.clone()).await.data(201);
    api.delete(&format!("{direct}/messages/2"))
        .by(DOCTOR)
        .await
        .ok();
    let again = api.post(path).by(DOCTOR).json(body).await;
    assert!(again.plainly(404).contains("deleted"));
}

#[actix_web::test]
async fn limits_and_skips_have_their_bounds() {
    let (api, direct) = talking().await;
    api.say(&direct, DOCTOR, "a").await;
    let get = |query: &str| {
        let path = format!("/chat/conversations/d1?{query}");
        api.get(&path).by(PATIENT)
    };
    get(&format!("limit={HISTORY_PAGE_MAX}")).await.data(200);
    get(&format!("limit={}", HISTORY_PAGE_MAX + 1))
        .await
        .plainly(413);
    get("skip=10000").await.data(200);
    get("skip=10001").await.plainly(413);
    get("skip=18446744073709551615").await.plainly(413);
    for query in ["limit=0", "limit=-1", "limit=many", "skip=-1", "skip=x"] {
        get(query).await.plainly(400);
    }
}

#[actix_web::test]
async fn all_up_to_now_is_what_was_returned_and_nothing_since() {
    let (api, direct) = talking().await;
    api.say(&direct, DOCTOR, "one").await;
    // Nothing was sent to the patient yet, so nothing can have been read.
    assert_eq!(read(&api, PATIENT, "d1").await, 1);
    let list = api.get("/chat/conversations").by(PATIENT).await.data(200);
    assert_eq!(list[0]["unreadCount"], 1);
    page(&api, PATIENT, "/chat/conversations/d1").await;
    api.say(&direct, DOCTOR, "two").await;
    assert_eq!(read(&api, PATIENT, "d1").await, 1);
    assert_eq!(unread(&api, PATIENT).await, 1);
    let shown = api.get("/doctors/patients/p1/messages").by(DOCTOR).await;
    let shown = shown.data(200);
    assert_eq!(shown[0]["isRead"], true);
    assert_eq!(shown[1]["isRead"], false);
    page(&api, PATIENT, "/users/conversations/d1").await;
    let path = "/users/conversations/d1/read";
    let left = api.put(path).by(PATIENT).await.data(200);
    assert_eq!(left, json!({"unreadCount": 0}));
    assert_eq!(unread(&api, PATIENT).await, 0);
}

#[actix_web::test]
async fn an_old_page_does_not_make_newer_messages_read() {
    let (api, direct) = talking().await;
    for n in 0..4 {
        api.say(&direct, DOCTOR, &format!("m{n}")).await;
    }
    let old = page(&api, PATIENT, "/chat/conversations/d1?limit=1&skip=2").await;
    assert_eq!(old, ["m1"]);
    assert_eq!(read(&api, PATIENT, "d1").await, 2);
}

#[actix_web::test]
async fn what_a_device_says_it_got_counts_too() {
    let (api, direct) = talking().await;
    for n in 0..3 {
        api.say(&direct, DOCTOR, &format!("m{n}")).await;
    }
    let body = json!({"up_to_seq": 3});
    let path = format!("{direct}/receipts/delivered");
    api.put(&path).by(PATIENT).json(body).await.ok();
    assert_eq!(read(&api, PATIENT, "d1").await, 1);
}

#[actix_web::test]
async fn a_deleted_newest_message_does_not_stay_unread() {
    let (api, direct) = talking().await;
    api.say(&direct, DOCTOR, "one").await;
    let gone = api.say(&direct, DOCTOR, "two").await;
    let path = format!("{direct}/messages/{gone}");
    api.delete(&path).by(DOCTOR).await.ok();
    assert_eq!(unread(&api, PATIENT).await, 2);
    page(&api, PATIENT, "/chat/conversations/d1").await;
    assert_eq!(read(&api, PATIENT, "d1").await, 0);
}

#[actix_web::test]
async fn ones_own_sending_marks_nothing_as_read() {
    let (api, direct) = talking().await;
    api.say(&direct, DOCTOR, "one").await;
    let body = json!({"doctorId": "d1", "content": "mine"});
    let send = api.post("/users/send-message").by(PATIENT).json(body);
    send.await.data(201);
    assert_eq!(read(&api, PATIENT, "d1").await, 1);
    let relation = RelationKind::Clinician;
    // Writing to a second doctor says nothing about the first.
    api.know(&["doctor:d2"]).await;
    api.relate("p1", "d2", relation).await;
    page(&api, PATIENT, "/chat/conversations/d2").await;
    assert_eq!(read(&api, PATIENT, "d2").await, 0);
    assert_eq!(unread(&api, PATIENT).await, 1);
}
