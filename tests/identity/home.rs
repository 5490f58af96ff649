//! The clinic's own sign-in, asked about tokens and people by the whole server.

use serde_json::json;

use crate::{
    kit::*,
    live::{Running, SECRET, minted},
};

const KEY: &str = "the-api-key-of-the-clinic";

async fn serve(double: &Double, more: &[(&str, &str)]) -> Running {
    let url = format!("http://{}", double.address);
    let mut settings = vec![("JWT_SECRET", SECRET), ("LARAVEL_URL", url.as_str())];
    settings.extend_from_slice(more);
    Running::start(&settings).await
}

fn token(double: &Double, id: &str) -> String {
    let iss = format!("http://{}", double.address);
    minted(&json!({"sub": id, "iss": iss, "name": null}))
}

#[actix_web::test]
async fn by_its_url_alone_nobody_is_asked() {
    let double = Double::publishing(&[]).await;
    let server = serve(&double, &[("LARAVEL_API_KEY", KEY)]).await;
    let token = token(&double, "d1");
    assert_eq!(server.get("/api/v1/conversations", &token).await.0, 200);
    assert!(server.socket(&token).await.is_ok());
    assert!(double.asked().is_empty());
    server.stop().await;
}

#[actix_web::test]
async fn a_token_that_the_sign_in_does_not_know_any_more_is_refused() {
    let double = Double::publishing(&[]).await;
    let settings = [
        ("LARAVEL_API_KEY", KEY),
        ("LARAVEL_VERIFY_TOKEN_ENDPOINT", "/api/verify-token"),
    ];
    let server = serve(&double, &settings).await;
    let (good, gone) = (token(&double, "d1"), token(&double, "d2"));
    double.be(|mood| mood.revoked = vec![gone.clone()]);
    for _ in 0..3 {
        assert_eq!(server.get("/api/v1/conversations", &good).await.0, 200);
        assert_eq!(server.get("/api/v1/conversations", &gone).await.0, 401);
    }
    assert!(server.socket(&good).await.is_ok());
    assert_eq!(server.socket(&gone).await.err(), Some(401));
    // Each was asked about once, by who may.
    let asked = double.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[0].line, "POST /api/verify-token HTTP/1.1");
    assert_eq!(asked[0].authorization, format!("Bearer {KEY}"));
    assert_eq!(asked[0].body, json!({"token": good}).to_string());
    // What is forged is nobody's business.
    let forged = format!("{}x", token(&double, "d3"));
    assert_eq!(server.get("/api/v1/conversations", &forged).await.0, 401);
    assert_eq!(double.asked().len(), 2);
    // Who was known goes on, and who is new has to come back.
    double.be(|mood| mood.down = true);
    let new = token(&double, "d4");
    assert_eq!(server.get("/api/v1/conversations", &new).await.0, 503);
    assert_eq!(server.socket(&new).await.err(), Some(503));
    assert_eq!(server.get("/api/v1/conversations", &good).await.0, 200);
    let metrics = server.get("/metrics", "").await.1;
    assert!(
        metrics.contains("bedside_introspections_total 3"),
        "{metrics}"
    );
    assert!(metrics.contains("bedside_introspection_failures_total 1"));
    server.stop().await;
}

#[actix_web::test]
async fn people_are_called_what_the_sign_in_calls_them() {
    let double = Double::publishing(&[]).await;
    let settings = [
        ("LARAVEL_API_KEY", KEY),
        ("LARAVEL_GET_USER_ENDPOINT", "/api/users"),
    ];
    let server = serve(&double, &settings).await;
    for _ in 0..2 {
        let mut socket = server
            .socket(&token(&double, "d1"))
            .await
            .expect("is let in");
        let welcome = socket.expect().await.json();
        assert_eq!(welcome["data"]["user"]["name"], "Profile of d1");
        // The rights are the token's.
        assert_eq!(welcome["data"]["user"]["roles"], json!(["doctor"]));
    }
    let asked = double.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "GET /api/users/d1 HTTP/1.1");
    assert_eq!(asked[0].authorization, format!("Bearer {KEY}"));
    // Without it people are let in all the same.
    double.be(|mood| mood.down = true);
    let mut socket = server
        .socket(&token(&double, "d2"))
        .await
        .expect("is let in");
    assert_eq!(socket.expect().await.json()["data"]["user"]["name"], "");
    server.stop().await;
}
