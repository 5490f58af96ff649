//! Who may ask at all.

use actix_web::http::Method;
use bedside_actors::ports::store::Store as _;
use bedside_protocol::{Role, limits::TOKEN_BYTES_MAX};
use serde_json::json;

use crate::kit::{Api, DOCTOR, SERVICE, user};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Every native route, with whether a system may take it.
fn routes() -> Vec<(Method, String, bool)> {
    let c = format!("/api/v1/conversations/{ID}");
    let people = [
        (Method::GET, "/api/v1/conversations".to_owned()),
        (Method::POST, "/api/v1/conversations".to_owned()),
        (Method::GET, c.clone()),
        (Method::PATCH, c.clone()),
        (Method::GET, format!("{c}/me")),
        (Method::PUT, format!("{c}/me")),
        (Method::PATCH, format!("{c}/me")),
        (Method::GET, format!("{c}/members")),
        (Method::POST, format!("{c}/members")),
        (Method::DELETE, format!("{c}/members/u1")),
        (Method::GET, format!("{c}/messages")),
        (Method::POST, format!("{c}/messages")),
        (Method::GET, format!("{c}/messages/1")),
        (Method::PATCH, format!("{c}/messages/1")),
        (Method::DELETE, format!("{c}/messages/1")),
        (Method::PUT, format!("{c}/messages/1/reactions/x")),
        (Method::DELETE, format!("{c}/messages/1/reactions/x")),
        (Method::GET, format!("{c}/messages/1/receipts")),
        (Method::GET, format!("{c}/receipts")),
        (Method::PUT, format!("{c}/receipts/read")),
        (Method::PUT, format!("{c}/receipts/delivered")),
        (Method::POST, format!("{c}/typing")),
        (Method::GET, "/api/v1/contacts".to_owned()),
        (Method::GET, "/api/v1/presence".to_owned()),
        (Method::PUT, "/api/v1/presence".to_owned()),
        (Method::GET, "/api/v1/unread".to_owned()),
        (Method::GET, "/api/v1/notifications".to_owned()),
        (Method::PUT, format!("/api/v1/notifications/{ID}/read")),
        (Method::POST, "/api/v1/tickets".to_owned()),
        (Method::GET, "/api/v1/users/me".to_owned()),
        (Method::PUT, "/api/v1/users/me".to_owned()),
    ];
    let systems = [
        (Method::GET, "/api/v1/relations".to_owned()),
        (Method::PUT, "/api/v1/relations".to_owned()),
        (Method::DELETE, "/api/v1/relations".to_owned()),
        (Method::PUT, "/api/v1/users/u1".to_owned()),
        (Method::POST, "/api/v1/notifications".to_owned()),
        (Method::POST, format!("{c}/system-messages")),
    ];
    let people = people.map(|(method, path)| (method, path, false));
    let systems = systems.map(|(method, path)| (method, path, true));
    people.into_iter().chain(systems).collect()
}

#[actix_web::test]
async fn every_route_wants_a_token() {
    let api = Api::start().await;
    for (method, path, _) in routes() {
        let answer = api.request(method, &path).json(json!({})).await;
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{path}");
        answer.refused("unauthorized");
    }
}

#[actix_web::test]
async fn a_system_never_acts_as_a_person() {
    let api = Api::start().await;
    for (method, path, for_systems) in routes() {
        let answer = api.request(method, &path).by(SERVICE).json(json!({})).await;
        if for_systems {
            assert_ne!(answer.status, 403, "{path}: {}", answer.text);
        } else {
            answer.refused("forbidden");
        }
    }
    // Rows are written one after the other: by now a system's would be there.
    api.know(&[DOCTOR]).await;
    let systems = api.store.people(vec![user("ehr")]).await.expect("reads");
    assert!(systems.is_empty(), "a system is no one to write to");
}

#[actix_web::test]
async fn a_token_without_roles_gives_no_rights() {
    let api = Api::start().await;
    api.get("/api/v1/conversations")
        .by("janitor:j1")
        .await
        .refused("forbidden");
}

#[actix_web::test]
async fn bad_tokens_are_told_apart() {
    let api = Api::start().await;
    let ask = |value: &str| api.get("/api/v1/unread").header("authorization", value);
    ask("Basic ZG9jdG9yOmQx").await.refused("unauthorized");
    ask("Bearer").await.refused("unauthorized");
    ask("Bearer ").await.refused("unauthorized");
    ask("Bearer nonsense").await.refused("unauthorized");
    ask("Bearer old").await.refused("token_expired");
    let long = format!("Bearer doctor:{}", "x".repeat(TOKEN_BYTES_MAX));
    ask(&long).await.refused("unauthorized");
    ask("bearer doctor:d1").await.ok();
}

#[actix_web::test]
async fn a_token_in_the_query_is_no_token() {
    let api = Api::start().await;
    api.get("/api/v1/unread?token=doctor:d1")
        .await
        .refused("unauthorized");
}

#[actix_web::test]
async fn who_comes_is_entered_into_the_directory() {
    let api = Api::start().await;
    api.know(&["nurse:n7"]).await;
    let found = api.store.people(vec![user("n7")]).await.expect("reads");
    assert_eq!(found[0].name, "Name of n7");
    assert_eq!(found[0].roles, Role::Nurse.into());
}
