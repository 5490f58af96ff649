//! A provider that cannot be reached, or says strange things.

use bedside::auth::Pace;
use bedside_protocol::ErrorCode;
use serde_json::json;
use std::time::Duration;

use crate::kit::*;

#[actix_web::test]
async fn keys_go_on_being_used_while_the_provider_is_away() {
    let (signer, next) = (Signer::es("a"), Signer::es("b"));
    let double = Double::publishing(&[&signer]).await;
    let watched = watch(ISSUER, &double, EAGER);
    watched.fetched(1).await;
    let (gate, token) = (watched.gate(), signer.token(&json!({})));
    let kinds: [fn(&mut Mood); 6] = [
        |mood| mood.down = true,
        |mood| mood.status = Some(500),
        |mood| mood.status = Some(302),
        |mood| mood.jwks = "<html>".to_owned(),
        |mood| mood.jwks = r#"{"keys":[]}"#.to_owned(),
        |mood| mood.jwks = format!(r#"{{"keys":[{}]}}"#, " ".repeat(300_000)),
    ];
    for kind in kinds {
        let good = Mood {
            jwks: jwks(&[&signer]),
            ..Mood::default()
        };
        double.be(|mood| *mood = good.clone());
        double.be(kind);
        // A new key cannot be told from a made-up one, so nobody is sent away for good.
        let code = refused(&gate, &next.token(&json!({}))).await;
        assert_eq!(code, Some(ErrorCode::Unavailable));
        assert!(show(&gate, &token).await.is_ok());
        double.be(|mood| *mood = good);
        let code = refused(&gate, &next.token(&json!({}))).await;
        assert_eq!(code, Some(ErrorCode::Unauthorized));
    }
    assert_eq!(watched.failures(), 6);
    assert!(
        double
            .asked()
            .iter()
            .all(|asked| asked.line.contains("/jwks"))
    );
    let age = watched.ring.age();
    double.be(|mood| mood.down = true);
    until("the keys grow old", || watched.ring.age() > age).await;
}

#[actix_web::test]
async fn a_provider_that_hangs_is_not_waited_for_long() {
    let signer = Signer::es("a");
    let double = Double::publishing(&[&signer]).await;
    double.be(|mood| mood.slow = Duration::from_secs(3_600));
    let watched = watch(ISSUER, &double, STILL);
    let code = refused(&watched.gate(), &signer.token(&json!({}))).await;
    assert_eq!(code, Some(ErrorCode::Unavailable));
}

#[actix_web::test]
async fn a_server_that_starts_before_its_provider_finds_it() {
    let signer = Signer::es("a");
    let double = Double::publishing(&[&signer]).await;
    double.be(|mood| mood.down = true);
    let retry = Duration::from_millis(20);
    let pace = Pace {
        retry,
        floor: retry,
        ..STILL
    };
    let watched = watch(ISSUER, &double, pace);
    let (gate, token) = (watched.gate(), signer.token(&json!({})));
    assert_eq!(refused(&gate, &token).await, Some(ErrorCode::Unavailable));
    double.be(|mood| mood.down = false);
    until("there are keys", || watched.fetches() > watched.failures()).await;
    assert!(show(&gate, &token).await.is_ok());
}
