//! `/chat/search`.

use bedside_protocol::limits::{SEARCH_MESSAGES_MAX, SEARCH_QUERY_BYTES_MAX};
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, NURSE, PATIENT, STRANGER};

/// The people in whose conversations it was found.
async fn found(api: &Api, token: &str, query: &str) -> Vec<String> {
    let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let path = format!("/chat/search?query={query}");
    let rows = api.get(&path).by(token).await.data(200);
    let rows = rows.as_array().expect("a list").iter();
    rows.map(|row| row["otherUser"]["_id"].as_str().expect("an id").to_owned())
        .collect()
}

#[actix_web::test]
async fn people_and_texts_are_found_in_any_script_and_case() {
    let api = Api::start().await;
    let direct = api.direct().await;
    api.say(&direct, DOCTOR, "هل أخذت الدواء اليوم؟").await;
    api.say(&direct, PATIENT, "Nach dem FRÜHSTÜCK").await;
    for query in ["الدواء", "دواء", "frühstück", "name OF D1", "nach dem"] {
        assert_eq!(found(&api, PATIENT, query).await, ["d1"], "{query}");
    }
    for query in ["الموعد", "abendessen", "name of p1"] {
        assert!(found(&api, PATIENT, query).await.is_empty(), "{query}");
    }
    // The other one finds the patient by name.
    assert_eq!(found(&api, DOCTOR, "name of p1").await, ["p1"]);
    // The rows are those of the list, with the newest message and not the one that matched.
    let list = api.get("/chat/conversations").by(PATIENT).await.data(200);
    let rows = api.get("/chat/search?query=nach").by(PATIENT).await;
    assert_eq!(rows.data(200), list);
}

#[actix_web::test]
async fn only_ones_own_direct_conversations_are_searched() {
    let api = Api::start().await;
    let team = api.care_team().await;
    api.say(&team, DOCTOR, "in the team").await;
    let direct = json!({"kind": "direct", "member_ids": ["p1"]});
    let direct = api.conversation(DOCTOR, direct).await;
    api.say(&direct, DOCTOR, "between us").await;
    assert_eq!(found(&api, PATIENT, "between").await, ["d1"]);
    assert!(found(&api, PATIENT, "team").await.is_empty());
    assert!(found(&api, NURSE, "between").await.is_empty());
    assert!(found(&api, STRANGER, "between").await.is_empty());
}

#[actix_web::test]
async fn what_was_edited_or_deleted_is_not_found_by_its_old_text() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let edited = api.say(&direct, DOCTOR, "before").await;
    let deleted = api.say(&direct, DOCTOR, "taken back").await;
    let path = format!("{direct}/messages/{edited}");
    let edit = api.patch(&path).by(DOCTOR).json(json!({"text": "after"}));
    edit.await.ok();
    api.delete(&format!("{direct}/messages/{deleted}"))
        .by(DOCTOR)
        .await
        .ok();
    assert!(found(&api, PATIENT, "before").await.is_empty());
    assert!(found(&api, PATIENT, "taken").await.is_empty());
    assert_eq!(found(&api, PATIENT, "after").await, ["d1"]);
}

#[actix_web::test]
async fn the_newest_messages_are_searched_and_no_more() {
    let api = Api::start().await;
    let direct = api.direct().await;
    api.say(&direct, DOCTOR, "out of reach").await;
    api.say(&direct, DOCTOR, "just in reach").await;
    for _ in 1..SEARCH_MESSAGES_MAX {
        api.say(&direct, DOCTOR, "x").await;
    }
    assert_eq!(found(&api, PATIENT, "just in").await, ["d1"]);
    assert!(found(&api, PATIENT, "out of").await.is_empty());
}

#[actix_web::test]
async fn queries_have_their_bounds() {
    let api = Api::start().await;
    api.direct().await;
    let ask = |query: String| {
        let path = format!("/chat/search{query}");
        api.get(&path).by(PATIENT)
    };
    ask(String::new()).await.plainly(400);
    ask("?query=".to_owned()).await.plainly(400);
    ask("?query=%20%20".to_owned()).await.plainly(400);
    let fits = "x".repeat(SEARCH_QUERY_BYTES_MAX);
    assert_eq!(
        ask(format!("?query={fits}")).await.data(200),
        Value::Array(Vec::new())
    );
    ask(format!("?query={fits}x")).await.plainly(413);
}
