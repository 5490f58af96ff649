//! `/api/v1/conversations/{id}/system-messages`.

use bedside_protocol::limits::TEXT_BYTES_MAX;
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, PATIENT, SERVICE};

#[actix_web::test]
async fn a_system_writes_into_a_conversation_without_being_in_it() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let path = format!("{direct}/system-messages");
    let body = json!({"text": "The clinic closes at five."});
    let answer = api.post(&path).by(SERVICE).json(body).await;
    let location = answer.header("location").expect("is there").to_owned();
    let sent = answer.created();
    assert_eq!(location, format!("{direct}/messages/2"));
    assert_eq!(sent["seq"], 2);
    assert_eq!(sent["duplicate"], false);
    let shown = api.get(&location).by(PATIENT).await.ok();
    assert_eq!(shown["type"], "system");
    assert_eq!(shown["text"], "The clinic closes at five.");
    assert_eq!(shown["sender_id"], Value::Null);
    assert_eq!(shown["message_id"], sent["message_id"]);
    // It counts as nobody's unread message, and seed 004's clients cannot show it.
    let unread = api.get("/api/v1/unread").by(PATIENT).await.ok();
    assert_eq!(unread["unread_count"], 0);
    let page = api.get("/chat/conversations/d1").by(PATIENT).await;
    assert_eq!(page.data(200), json!([]));
}

#[actix_web::test]
async fn people_do_not_and_texts_have_their_bounds() {
    let api = Api::start().await;
    let direct = api.direct().await;
    let path = format!("{direct}/system-messages");
    for token in [DOCTOR, PATIENT, "admin:a1"] {
        let post = api.post(&path).by(token).json(json!({"text": "a"}));
        post.await.refused("forbidden");
    }
    let post = |body: Value| api.post(&path).by(SERVICE).json(body);
    post(json!({})).await.refused("invalid_argument");
    post(json!({"text": "  "}))
        .await
        .refused("invalid_argument");
    let fits = "x".repeat(TEXT_BYTES_MAX);
    post(json!({"text": fits})).await.created();
    post(json!({"text": format!("{fits}x")}))
        .await
        .refused("too_large");
    let nowhere = "/api/v1/conversations/01890a5d-ac96-774b-bcce-b302099a8057/system-messages";
    api.post(nowhere)
        .by(SERVICE)
        .json(json!({"text": "a"}))
        .await
        .refused("not_found");
}
