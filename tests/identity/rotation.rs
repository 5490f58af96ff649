//! A provider changes its keys.

use bedside_protocol::ErrorCode;
use futures_util::future::join_all;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

use crate::kit::*;
use bedside::auth::Pace;

#[actix_web::test]
async fn a_new_key_is_fetched_when_a_token_names_it_and_the_old_one_ends() {
    let (old, new) = (Signer::es("2026-10"), Signer::ed("2026-11"));
    let double = Double::publishing(&[&old]).await;
    let watched = watch(ISSUER, &double, EAGER);
    watched.fetched(1).await;
    let gate = watched.gate();
    let (before, after) = (old.token(&json!({})), new.token(&json!({})));
    assert!(show(&gate, &before).await.is_ok());
    assert_eq!(watched.fetches(), 1, "a known key asks nobody");
    double.be(|mood| mood.jwks = jwks(&[&new]));
    // Many at once are one question.
    let all = join_all((0..50).map(|_| show(&gate, &after))).await;
    assert!(all.into_iter().all(|verified| verified.is_ok()));
    assert_eq!(watched.fetches(), 2);
    assert_eq!(refused(&gate, &before).await, Some(ErrorCode::Unauthorized));
}

#[actix_web::test]
async fn keys_are_fetched_anew_by_themselves() {
    let (old, new) = (Signer::es("a"), Signer::es("b"));
    let double = Double::publishing(&[&old]).await;
    let pace = Pace {
        refresh: Duration::from_millis(20),
        retry: Duration::from_millis(20),
        floor: Duration::from_millis(10),
    };
    let watched = watch(ISSUER, &double, pace);
    watched.fetched(1).await;
    double.be(|mood| mood.jwks = jwks(&[&new]));
    // One may have been under way.
    watched.fetched(watched.fetches() + 2).await;
    assert_eq!(
        refused(&watched.gate(), &old.token(&json!({}))).await,
        Some(ErrorCode::Unauthorized)
    );
}

#[actix_web::test]
async fn made_up_names_are_no_load_on_the_provider() {
    let signer = Signer::ed("known");
    let double = Double::publishing(&[&signer]).await;
    let floor = Duration::from_millis(400);
    let watched = watch(ISSUER, &double, Pace { floor, ..STILL });
    watched.fetched(1).await;
    let (gate, start) = (watched.gate(), Instant::now());
    let forger = Signer::ed("forged");
    let mut shown = 0_u64;
    while start.elapsed() < Duration::from_millis(1_500) {
        for _ in 0..20 {
            let mut header = forger.header();
            header.kid = Some(format!("forged-{shown}"));
            let token = forger.sign(&header, &claims(&json!({})));
            let code = refused(&gate, &token).await;
            assert_eq!(code, Some(ErrorCode::Unauthorized));
            shown += 1;
        }
    }
    let floors = start.elapsed().as_millis() / floor.as_millis();
    let most = 2 + u64::try_from(floors).expect("a few");
    assert!(shown > 4 * most, "{shown}");
    assert!(
        (2..=most).contains(&watched.fetches()),
        "{} of {most}",
        watched.fetches()
    );
    assert_eq!(watched.fetches(), double.asked().len() as u64);
    assert!(show(&gate, &signer.token(&json!({}))).await.is_ok());
}

#[actix_web::test]
async fn within_the_floor_a_made_up_name_is_refused_at_once() {
    let signer = Signer::ed("known");
    let double = Double::publishing(&[&signer]).await;
    let watched = watch(ISSUER, &double, STILL);
    watched.fetched(1).await;
    for _ in 0..100 {
        let token = Signer::ed("forged").token(&json!({}));
        let code = refused(&watched.gate(), &token).await;
        assert_eq!(code, Some(ErrorCode::Unauthorized));
    }
    assert_eq!(watched.fetches(), 1);
}
