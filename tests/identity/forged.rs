//! Tokens that are not what they say.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use bedside::{
    auth::{Gate, Key, KeyError, Keys, Provider, pem_keys},
    config::Secret,
};
use bedside_protocol::ErrorCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::kit::*;

const OTHER: &str = "https://other.example";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A clinic with a secret and two providers: one that signs with all kinds of keys, and another
/// one whose keys are of ES256 only.
struct Clinic {
    rs: Signer,
    es: Signer,
    ed: Signer,
    other: Signer,
    stray: Signer,
    first: Double,
    gate: Gate,
}

impl Clinic {
    async fn open() -> Self {
        let (rs, es, ed) = (Signer::rs("r1"), Signer::es("e1"), Signer::ed("d1"));
        let (other, stray) = (Signer::es("o1"), Signer::ed("o2"));
        let first = Double::publishing(&[&rs, &es, &ed]).await;
        let second = Double::publishing(&[&other, &stray]).await;
        let one = watch(ISSUER, &first, STILL);
        let two = watch_for(OTHER, &second, STILL, &[Algorithm::ES256]);
        one.fetched(1).await;
        two.fetched(1).await;
        let own = Provider {
            issuer: None,
            audience: None,
            keys: Keys::Fixed([Key::secret(&Secret::new(SECRET))].into()),
            is_home: true,
        };
        let gate = gate(vec![own, one.provider.clone(), two.provider.clone()]);
        Self {
            rs,
            es,
            ed,
            other,
            stray,
            first,
            gate,
        }
    }
}

fn hs256(secret: &[u8], kid: Option<&str>, claims: &Value) -> String {
    let header = Header {
        kid: kid.map(str::to_owned),
        ..Header::new(Algorithm::HS256)
    };
    encode(&header, claims, &EncodingKey::from_secret(secret)).expect("signs")
}

#[actix_web::test]
async fn honest_tokens_of_every_kind_are_believed() {
    let clinic = Clinic::open().await;
    for signer in [&clinic.rs, &clinic.es, &clinic.ed] {
        let who = show(&clinic.gate, &signer.token(&json!({}))).await;
        assert_eq!(who.expect("is good").user_id.as_str(), "d1");
        // Only one key is of this kind, so its name may be left out.
        let bare = signer.sign(&Header::new(signer.algorithm), &claims(&json!({})));
        assert!(show(&clinic.gate, &bare).await.is_ok());
    }
    let other = clinic.other.token(&json!({"iss": OTHER}));
    assert!(show(&clinic.gate, &other).await.is_ok());
    let own = hs256(SECRET.as_bytes(), None, &claims(&json!({"iss": "anybody"})));
    assert!(show(&clinic.gate, &own).await.is_ok());
}

#[actix_web::test]
async fn a_public_key_is_no_secret() {
    let clinic = Clinic::open().await;
    for signer in [&clinic.rs, &clinic.es, &clinic.ed] {
        let jwk = signer.jwk();
        let part = |name: &str| jwk[name].as_str().unwrap_or_default().to_owned();
        let pem = signer.public_pem.clone();
        let forms = [
            pem.clone().into_bytes(),
            pem.trim_end().as_bytes().to_vec(),
            jwk.to_string().into_bytes(),
            part("n").into_bytes(),
            part("x").into_bytes(),
            B64.decode(part("n")).expect("base64"),
            B64.decode(part("x")).expect("base64"),
        ];
        for form in forms {
            for kid in [None, Some(signer.kid)] {
                let token = hs256(&form, kid, &claims(&json!({})));
                let code = refused(&clinic.gate, &token).await;
                assert_eq!(
                    code,
                    Some(ErrorCode::Unauthorized),
                    "{:?}",
                    signer.algorithm
                );
            }
        }
    }
}

#[actix_web::test]
async fn everything_that_is_forged_is_unauthorized() {
    let clinic = Clinic::open().await;
    let evil = Double::publishing(&[&clinic.stray]).await;
    let with = |signer: &Signer, change: &dyn Fn(&mut Header)| {
        let mut header = signer.header();
        change(&mut header);
        signer.sign(&header, &claims(&json!({})))
    };
    let unsigned = |alg: &str| {
        let head = B64.encode(json!({"alg": alg, "kid": "r1"}).to_string());
        format!("{head}.{}.", B64.encode(claims(&json!({})).to_string()))
    };
    let good = clinic.es.token(&json!({}));
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let (head, _) = signed.split_once('.').expect("three parts");
    let admin = B64.encode(claims(&json!({"role": "admin"})).to_string());
    let renamed = |header: Value| {
        // The signature is over another header, as it has to be.
        let (_, rest) = good.split_once('.').expect("three parts");
        format!("{}.{rest}", B64.encode(header.to_string()))
    };
    let rs = |claims_: Value| clinic.rs.token(&claims_);
    let hostile = [
        ("alg none", unsigned("none")),
        ("alg NONE", unsigned("NONE")),
        ("no alg", unsigned("")),
        (
            "our secret in another's name",
            hs256(SECRET.as_bytes(), None, &claims(&json!({}))),
        ),
        ("a kid of another issuer", clinic.other.token(&json!({}))),
        (
            "another issuer, and one's own kid",
            clinic.es.token(&json!({"iss": OTHER})),
        ),
        (
            "an algorithm that the issuer does not use",
            clinic.stray.token(&json!({"iss": OTHER})),
        ),
        (
            "a key nobody knows under a known name",
            Signer::es("e1").token(&json!({})),
        ),
        ("a key nobody knows", Signer::ed("d2").token(&json!({}))),
        (
            "no name, and a key nobody knows",
            Signer::es("").sign(&Header::new(Algorithm::ES256), &claims(&json!({}))),
        ),
        (
            "the name of a key of another kind",
            with(&clinic.es, &|h| h.kid = Some("r1".into())),
        ),
        ("RS384", with(&clinic.rs, &|h| h.alg = Algorithm::RS384)),
        ("PS256", with(&clinic.rs, &|h| h.alg = Algorithm::PS256)),
        (
            "another alg over the same signature",
            renamed(json!({"alg": "EdDSA", "kid": "d1"})),
        ),
        (
            "a critical header",
            with(&clinic.es, &|h| h.crit = Some(vec!["x".into()])),
        ),
        ("its own key in it", {
            let own = Signer::es("own");
            let jwk = serde_json::from_value(own.jwk()).expect("a JWK");
            own.sign(
                &Header {
                    jwk: Some(jwk),
                    ..own.header()
                },
                &claims(&json!({})),
            )
        }),
        (
            "where to find its key",
            with(&clinic.stray, &|h| h.jku = Some(evil.url("/jwks"))),
        ),
        (
            "where to find its certificate",
            with(&clinic.stray, &|h| h.x5u = Some(evil.url("/x"))),
        ),
        ("another payload", format!("{head}.{admin}.{signature}")),
        ("no signature", format!("{signed}.")),
        (
            "a made-up issuer",
            rs(json!({"iss": "https://evil.example"})),
        ),
        (
            "an issuer with a slash more",
            rs(json!({"iss": format!("{ISSUER}/")})),
        ),
        ("no issuer", rs(json!({"iss": null}))),
        ("two issuers", rs(json!({"iss": [ISSUER, OTHER]}))),
        ("another audience", rs(json!({"aud": "billing"}))),
        ("no audience", rs(json!({"aud": null}))),
        ("not yet", rs(json!({"nbf": now_s() + 600}))),
        ("no end", rs(json!({"exp": null}))),
        ("nobody", rs(json!({"sub": null}))),
    ];
    for (what, token) in hostile {
        let code = refused(&clinic.gate, &token).await;
        assert_eq!(code, Some(ErrorCode::Unauthorized), "{what}");
    }
    assert!(
        show(&clinic.gate, &good).await.is_ok(),
        "or nothing above means anything"
    );
    let old = rs(json!({"exp": now_s() - 31}));
    assert_eq!(
        refused(&clinic.gate, &old).await,
        Some(ErrorCode::TokenExpired)
    );
    assert!(evil.asked().is_empty(), "nobody goes where a token says");
    assert_eq!(clinic.first.asked().len(), 1);
}

#[actix_web::test]
async fn two_keys_of_a_kind_need_a_name() {
    let (old, new) = (Signer::ed("a"), Signer::ed("b"));
    let double = Double::publishing(&[&old, &new]).await;
    let watched = watch(ISSUER, &double, STILL);
    watched.fetched(1).await;
    let gate = watched.gate();
    assert!(show(&gate, &new.token(&json!({}))).await.is_ok());
    let bare = new.sign(&Header::new(Algorithm::EdDSA), &claims(&json!({})));
    assert_eq!(refused(&gate, &bare).await, Some(ErrorCode::Unauthorized));
}

#[actix_web::test]
async fn keys_for_other_ends_are_not_taken() {
    let signer = Signer::es("e1");
    let marked = |name: &str, value: Value| {
        let mut jwk = signer.jwk();
        jwk[name] = value;
        jwk
    };
    for jwk in [
        marked("use", json!("enc")),
        marked("key_ops", json!(["sign"])),
        marked("alg", json!("ES384")),
        marked("crv", json!("P-384")),
        marked("x", json!("AAAA")),
        json!({"kty": "oct", "kid": "e1", "alg": "HS256", "k": B64.encode(SECRET)}),
        json!({"kty": "RSA", "kid": "e1", "n": B64.encode([0xff; 128]), "e": "AQAB"}),
        json!({"kty": "??", "kid": "e1"}),
        json!("e1"),
    ] {
        let spare = Signer::ed("spare");
        let document = json!({"keys": [jwk, spare.jwk()]});
        let double = Double::publishing(&[]).await;
        double.be(|mood| mood.jwks = document.to_string());
        let watched = watch(ISSUER, &double, STILL);
        watched.fetched(1).await;
        assert_eq!(watched.failures(), 0);
        // The odd one spoils nothing.
        assert!(
            show(&watched.gate(), &spare.token(&json!({})))
                .await
                .is_ok()
        );
        let code = refused(&watched.gate(), &signer.token(&json!({}))).await;
        assert_eq!(code, Some(ErrorCode::Unauthorized), "{document}");
        let token = hs256(SECRET.as_bytes(), Some("e1"), &claims(&json!({})));
        let code = refused(&watched.gate(), &token).await;
        assert_eq!(code, Some(ErrorCode::Unauthorized), "{document}");
    }
}

#[actix_web::test]
async fn keys_from_pem_are_good_for_their_own_algorithm() {
    let signers = [
        Signer::rs("r"),
        Signer::es("e"),
        Signer::ed("d"),
        Signer::ed("d2"),
    ];
    let pem: String = signers.iter().map(|s| s.public_pem.as_str()).collect();
    let one_line = pem.replace('\n', "\\n");
    for text in [pem.clone(), one_line] {
        let provider = Provider {
            issuer: Some(ISSUER.to_owned()),
            audience: Some(AUDIENCE.to_owned()),
            keys: Keys::Fixed(pem_keys(&text).expect("four keys").into()),
            is_home: true,
        };
        let gate = gate(vec![provider]);
        for signer in &signers {
            assert!(show(&gate, &signer.token(&json!({}))).await.is_ok());
            let wrong = signer.token(&json!({"aud": "billing"}));
            assert_eq!(refused(&gate, &wrong).await, Some(ErrorCode::Unauthorized));
            let secret = hs256(signer.public_pem.as_bytes(), None, &claims(&json!({})));
            assert_eq!(refused(&gate, &secret).await, Some(ErrorCode::Unauthorized));
        }
        let unknown = Signer::ed("d").token(&json!({}));
        assert_eq!(
            refused(&gate, &unknown).await,
            Some(ErrorCode::Unauthorized)
        );
    }
    let refused = |text: &str| pem_keys(text).map(|_| ()).expect_err("no keys");
    assert_eq!(refused(""), KeyError::NotPem);
    assert_eq!(refused("secret"), KeyError::NotPem);
    assert_eq!(refused(&format!("{pem}x")), KeyError::NotPem);
    assert_eq!(
        refused(&pem.replace("PUBLIC", "PRIVATE")),
        KeyError::Private
    );
    let half = signers[1].public_pem.replacen('M', "N", 1);
    assert_eq!(refused(&half), KeyError::Unfit);
}
