//! `/api/v1/conversations/{id}/messages`.

use bedside_protocol::{RelationKind, Timestamp};
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, NOW_MS, NURSE, PATIENT, STRANGER};

/// The seqs of a page.
fn seqs(page: &Value) -> Vec<u64> {
    let events = page["events"].as_array().expect("a list");
    let seqs = events.iter().map(|event| event["seq"].as_u64());
    seqs.map(|seq| seq.expect("a seq")).collect()
}

#[actix_web::test]
async fn a_message_is_stored_and_read_as_it_stands() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let path = format!("{direct}/messages");
    let body = json!({"text": "hello", "client_msg_id": "m-1"});
    let answer = api.post(&path).by(DOCTOR).json(body).await;
    let location = answer.header("location").expect("is there").to_owned();
    let sent = answer.created();
    assert_eq!(sent["seq"], 2);
    assert_eq!(sent["duplicate"], false);
    assert!(direct.ends_with(sent["conversation_id"].as_str().expect("an id")));
    assert_eq!(location, format!("{path}/2"));
    let at = Timestamp::from_millis(NOW_MS);
    assert_eq!(
        api.get(&location).by(PATIENT).await.ok(),
        json!({
            "seq": 2,
            "message_id": sent["message_id"],
            "sender_id": "d1",
            "type": "text",
            "text": "hello",
            "client_msg_id": "m-1",
            "created_at": at,
        })
    );
    api.get(&location)
        .by(STRANGER)
        .await
        .refused("not_a_member");
}

#[actix_web::test]
async fn only_messages_are_found_by_seq() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let get = |seq: &str| api.get(&format!("{direct}/messages/{seq}")).by(DOCTOR);
    // The first entry of the log is the making of the conversation.
    for seq in ["0", "1", "2", "18446744073709551615"] {
        get(seq).await.refused("not_found");
    }
}

#[actix_web::test]
async fn a_retry_under_the_same_key_is_the_same_message() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let path = format!("{direct}/messages");
    let post = |key: &str, body: Value| {
        let request = api.post(&path).by(DOCTOR).json(body);
        request.header("idempotency-key", key)
    };
    let first = post("k1", json!({"text": "a"})).await.created();
    let again = post("k1", json!({"text": "a"})).await.ok();
    assert_eq!(again["duplicate"], true);
    assert_eq!(again["seq"], first["seq"]);
    assert_eq!(again["message_id"], first["message_id"]);
    // The quotes of a structured field are not part of the key.
    assert_eq!(
        post("\"k1\"", json!({"text": "a"})).await.ok()["seq"],
        first["seq"]
    );
    post("k1", json!({"text": "b"})).await.refused("conflict");
    // What the body says goes before the header.
    let own = json!({"text": "a", "client_msg_id": "k2"});
    assert_ne!(post("k1", own).await.created()["seq"], first["seq"]);
    post(&"k".repeat(65), json!({"text": "a"}))
        .await
        .refused("invalid_argument");
    // Another sender's key is another key.
    let request = api.post(&path).by(PATIENT).json(json!({"text": "b"}));
    request.header("idempotency-key", "k1").await.created();
}

#[actix_web::test]
async fn the_path_says_where_a_message_goes() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let path = format!("{direct}/messages");
    let post = |body: Value| api.post(&path).by(DOCTOR).json(body);
    let elsewhere = "01890a5d-ac96-774b-bcce-b302099a8057";
    post(json!({"text": "a", "conversation_id": elsewhere}))
        .await
        .refused("invalid_argument");
    post(json!({"text": "a", "to_user_id": "p1"}))
        .await
        .refused("invalid_argument");
    let here = direct.rsplit('/').next().expect("an id");
    post(json!({"text": "a", "conversation_id": here}))
        .await
        .created();
}

#[actix_web::test]
async fn what_may_not_be_sent_is_refused_and_not_stored() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let path = format!("{direct}/messages");
    let post = |body: Value| api.post(&path).by(DOCTOR).json(body);
    post(json!({})).await.refused("invalid_argument");
    post(json!({"text": "  "}))
        .await
        .refused("invalid_argument");
    post(json!({"type": "system", "text": "a"}))
        .await
        .refused("invalid_argument");
    post(json!({"type": "image"}))
        .await
        .refused("invalid_argument");
    let file = |url: &str| json!({"type": "file", "attachments": [{"url": url}]});
    post(file("https://evil.example/x"))
        .await
        .refused("invalid_argument");
    post(file("http://files.clinic.example/x"))
        .await
        .refused("invalid_argument");
    let many = vec![json!({"url": "https://files.clinic.example/x"}); 11];
    post(json!({"type": "file", "attachments": many}))
        .await
        .refused("too_large");
    let stranger = api.post(&path).by(STRANGER).json(json!({"text": "a"}));
    stranger.await.refused("not_a_member");
    let page = api.get(&path).by(DOCTOR).await.ok();
    assert_eq!(page["head_seq"], 1);
    post(file("https://files.clinic.example/x")).await.created();
}

#[actix_web::test]
async fn the_log_is_read_in_both_directions() {
    let api = Api::start().await;
    let direct = api.direct().await;
    for n in 0..5 {
        api.say(&direct, DOCTOR, &format!("text {n}")).await;
    }
    let path = format!("{direct}/messages");
    let get = |query: &str| api.get(&format!("{path}{query}")).by(PATIENT);
    let newest = get("").await.ok();
    assert_eq!(seqs(&newest), [1, 2, 3, 4, 5, 6]);
    assert_eq!(newest["head_seq"], 6);
    assert_eq!(newest["first_seq"], 1);
    assert_eq!(newest["log_start_seq"], 1);
    assert_eq!(newest["has_more"], false);
    assert_eq!(newest["events"][0]["type"], "conversation.changed");
    assert_eq!(newest["events"][1]["type"], "message.created");
    assert_eq!(newest["events"][1]["data"]["text"], "text 0");
    let page = get("?limit=2").await.ok();
    assert_eq!((seqs(&page), &page["has_more"]), (vec![5, 6], &json!(true)));
    let page = get("?before_seq=5&limit=2").await.ok();
    assert_eq!((seqs(&page), &page["has_more"]), (vec![3, 4], &json!(true)));
    let page = get("?after_seq=4&limit=2").await.ok();
    assert_eq!(
        (seqs(&page), &page["has_more"]),
        (vec![5, 6], &json!(false))
    );
    get("?after_seq=1&before_seq=5")
        .await
        .refused("invalid_argument");
    get("?limit=0").await.refused("invalid_argument");
    get("?limit=201").await.refused("too_large");
    get("?after_seq=-1").await.refused("invalid_argument");
    api.get(&path).by(STRANGER).await.refused("not_a_member");
}

#[actix_web::test]
async fn a_member_reads_their_window_and_nothing_else() {
    let api = Api::start().await;
    let team = api.care_team().await;
    let family = "family:f1";
    api.know(&[family]).await;
    api.relate("p1", "f1", RelationKind::Family).await;
    let before = api.say(&team, DOCTOR, "before").await;
    let members = format!("{team}/members");
    let add = api.post(&members).by(DOCTOR).json(json!({"user_id": "f1"}));
    let joined = add.await.created()["seq"].as_u64().expect("a seq");
    let during = api.say(&team, DOCTOR, "during").await;
    let gone = api.delete(&format!("{members}/f1")).by(DOCTOR).await.ok();
    let gone = gone["seq"].as_u64().expect("a seq");
    let after = api.say(&team, DOCTOR, "after").await;
    let path = format!("{team}/messages");
    for query in ["", "?after_seq=0", "?before_seq=1000"] {
        let page = api.get(&format!("{path}{query}")).by(family).await.ok();
        assert_eq!(seqs(&page), [joined, during, gone], "{query}");
        assert_eq!(page["head_seq"], gone);
        assert_eq!(page["first_seq"], joined);
    }
    let message = |seq: u64| api.get(&format!("{path}/{seq}")).by(family);
    message(before).await.refused("not_found");
    message(after).await.refused("not_found");
    assert_eq!(message(during).await.ok()["text"], "during");
    let send = api
        .post(&path)
        .by(family)
        .json(json!({"text": "still here?"}));
    send.await.refused("not_a_member");
}

#[actix_web::test]
async fn a_message_is_edited_by_its_sender_for_a_while() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let seq = api.say(&direct, DOCTOR, "helo").await;
    let path = format!("{direct}/messages/{seq}");
    let edit = |token, text: &str| api.patch(&path).by(token).json(json!({"text": text}));
    api.clock.advance_ms(5_000);
    let logged = edit(DOCTOR, "hello").await.ok();
    assert_eq!(logged["seq"], seq + 1);
    let message = api.get(&path).by(PATIENT).await.ok();
    assert_eq!(message["text"], "hello");
    assert_eq!(
        message["edited_at"],
        json!(Timestamp::from_millis(NOW_MS + 5_000))
    );
    edit(PATIENT, "mine").await.refused("forbidden");
    edit(STRANGER, "mine").await.refused("not_a_member");
    edit(DOCTOR, " ").await.refused("invalid_argument");
    edit(DOCTOR, &"x".repeat(16_385)).await.refused("too_large");
    api.patch(&path)
        .by(DOCTOR)
        .json(json!({}))
        .await
        .refused("invalid_argument");
    let nothing = api.patch(&format!("{direct}/messages/99")).by(DOCTOR);
    nothing
        .json(json!({"text": "a"}))
        .await
        .refused("not_found");
    api.clock.advance_ms(900_000);
    edit(DOCTOR, "too late").await.refused("forbidden");
    assert_eq!(api.get(&path).by(PATIENT).await.ok()["text"], "hello");
}

#[actix_web::test]
async fn a_deleted_message_is_never_readable_again() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let seq = api.say(&direct, DOCTOR, "wrong patient").await;
    let path = format!("{direct}/messages/{seq}");
    api.delete(&path).by(PATIENT).await.refused("forbidden");
    let logged = api.delete(&path).by(DOCTOR).await.ok();
    assert_eq!(logged["seq"], seq + 1);
    let message = api.get(&path).by(PATIENT).await.ok();
    assert_eq!(message["text"], "");
    assert!(message["deleted_at"].is_string());
    let page = api.get(&format!("{direct}/messages")).by(PATIENT).await;
    assert!(!page.text.contains("wrong patient"));
    api.delete(&path).by(DOCTOR).await.refused("not_found");
}

#[actix_web::test]
async fn when_the_relation_ends_one_can_read_and_not_write() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let seq = api.say(&direct, DOCTOR, "hello").await;
    let end = "/api/v1/relations?patient_id=p1&user_id=d1";
    api.delete(end).by("service:ehr").await.ok();
    let path = format!("{direct}/messages");
    for token in [DOCTOR, PATIENT] {
        let send = api.post(&path).by(token).json(json!({"text": "anyone?"}));
        send.await.refused("forbidden");
        let message = api.get(&format!("{path}/{seq}")).by(token).await.ok();
        assert_eq!(message["text"], "hello");
    }
}

#[actix_web::test]
async fn concurrent_retries_store_one_message() {
    let api = Api::start().await;
    let team = api.care_team().await;
    let path = format!("{team}/messages");
    let post = || {
        let body = json!({"text": "once", "client_msg_id": "c1"});
        api.post(&path).by(NURSE).json(body)
    };
    let answers = futures_util::future::join_all((0..8).map(|_| post().into_future())).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1);
    let seqs: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.body["seq"].clone())
        .collect();
    assert!(seqs.iter().all(|seq| *seq == seqs[0]), "{seqs:?}");
}
