//! Tokens that run out while a client is connected.

use serde_json::json;

use crate::kit::Ward;

const NAMESPACES: [&str; 4] = ["/", "/notifications", "/consultation", "/messages"];

#[actix_web::test]
async fn in_every_namespace_a_client_is_told_and_goes_on_with_another_token() {
    let ward = Ward::pair().await;
    let mut clients = Vec::new();
    for namespace in NAMESPACES {
        let mut client = ward.connect(namespace, "patient:p1@59000").await;
        let told = client.next("error").await;
        assert_eq!(told, json!({"message": "token expiring"}), "{namespace}");
        let token = json!({"token": "patient:p1@3600000"});
        let answer = client.done("refresh-token", token).await;
        assert_eq!(answer["expiresAt"], "2026-11-18T12:06:40.000Z");
        // Told once, and not again for the new one.
        assert!(client.left("error").is_empty(), "{namespace}");
        clients.push(client);
    }
    // With the old one it would be over by now.
    ward.clock.advance_ms(60_000);
    for client in &mut clients {
        let token = json!({"token": "patient:p1@3600000"});
        client.done("refresh-token", token).await;
    }
}

#[actix_web::test]
async fn a_bad_token_is_refused_and_the_old_one_goes_on() {
    let ward = Ward::pair().await;
    let mut client = ward.connect("/notifications", "patient:p1@3600000").await;
    for (payload, code) in [
        (json!({"token": "x"}), "unauthorized"),
        (json!({"token": "old"}), "token_expired"),
        (json!({"token": "patient:p2"}), "forbidden"),
        (json!({"token": 7}), "invalid_argument"),
        (json!({}), "invalid_argument"),
        (json!({"token": "patient:p1", "userId": "p2"}), "forbidden"),
    ] {
        let refused = client.refused("refresh-token", payload.clone()).await;
        assert_eq!(refused, code, "{payload}");
    }
    client
        .done("refresh-token", json!({"token": "patient:p1"}))
        .await;
    ward.until("what looks like an attempt is written down", || {
        let log = ward.audited("p1");
        let actions: Vec<_> = log.iter().map(|(action, ..)| *action).collect();
        actions.contains(&"access.refused") && actions.contains(&"identity.mismatch")
    })
    .await;
}

#[actix_web::test]
async fn with_another_token_come_its_rights() {
    let ward = Ward::pair().await;
    let mut client = ward.root("doctor:d1").await;
    client
        .done("typing_start", json!({"receiverId": "p1"}))
        .await;
    // The person has no role any more.
    client
        .done("refresh-token", json!({"token": "chef:d1"}))
        .await;
    let send = json!({"receiverId": "p1", "content": "hello"});
    assert_eq!(client.refused("send_message", send).await, "forbidden");
}
