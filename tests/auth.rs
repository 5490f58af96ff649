//! Hostile and honest tokens, and tickets.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use bedside::{
    auth::{Grant, Identity, Minter, Tickets, Verifier},
    config::Secret,
};
use bedside_protocol::{ErrorCode, Role, Roles, Timestamp, UserId};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::{Sha256, Sha512};
use std::time::Duration;

const SECRET: &str = "a test secret of more than thirty-two bytes";
const NOW_S: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_millis(NOW_S * 1_000)
}

fn at(s: i64) -> Timestamp {
    Timestamp::from_millis(s * 1_000)
}

fn verifier() -> Verifier {
    Verifier::hs256(&Secret::new(SECRET), None, None)
}

fn hs256(secret: &str, signed: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key will do");
    mac.update(signed.as_bytes());
    B64.encode(mac.finalize().into_bytes())
}

/// A token of these exact texts, well signed.
fn token_of(header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", B64.encode(header), B64.encode(payload));
    let signature = hs256(SECRET, &signed);
    format!("{signed}.{signature}")
}

fn token(claims: &Value) -> String {
    token_of(r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string())
}

/// Good claims with these changed; a null takes one out.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({"sub": "u1", "exp": NOW_S + 600, "role": "doctor"});
    for (key, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => claims.as_object_mut().expect("an object").remove(key),
            value => claims
                .as_object_mut()
                .expect("an object")
                .insert(key.clone(), value.clone()),
        };
    }
    claims
}

fn verify(claims: &Value) -> Result<Identity, ErrorCode> {
    verifier().verify(&token(claims), now()).map_err(|e| e.code)
}

#[test]
fn a_good_token_says_who_it_is() {
    let identity = verify(&claims(&json!({
        "roles": ["NURSE", "astronaut"], "name": "Sara", "email": "s@clinic.example",
        "scope": "directory:write audit:read",
    })))
    .expect("a good token");
    assert_eq!(identity.user_id.as_str(), "u1");
    let roles: Roles = [Role::Doctor, Role::Nurse].into_iter().collect();
    assert_eq!(identity.roles, roles);
    assert_eq!(
        (&*identity.name, &*identity.email),
        ("Sara", "s@clinic.example")
    );
    assert!(identity.has_scope("directory:write") && identity.has_scope("audit:read"));
    assert!(!identity.has_scope("directory"));
    assert_eq!(identity.expires_at, at(NOW_S + 600));
}

#[test]
fn claims_are_judged_one_by_one() {
    use ErrorCode::{TokenExpired, Unauthorized};
    let long = |n| "x".repeat(n);
    for (changes, want) in [
        (json!({"exp": null}), Err(Unauthorized)),
        (json!({"exp": (NOW_S + 600).to_string()}), Err(Unauthorized)),
        (json!({"exp": (NOW_S + 600) * 1_000}), Err(Unauthorized)),
        (json!({"exp": 1e300}), Err(Unauthorized)),
        (json!({"exp": true}), Err(Unauthorized)),
        (json!({"exp": [NOW_S + 600]}), Err(Unauthorized)),
        (json!({"exp": -1}), Err(TokenExpired)),
        (json!({"exp": 0}), Err(TokenExpired)),
        (json!({"exp": NOW_S - 30}), Err(TokenExpired)),
        (json!({"exp": NOW_S - 29}), Ok("u1")),
        (json!({"exp": NOW_S as f64 + 0.5}), Ok("u1")),
        (json!({"nbf": NOW_S + 30}), Ok("u1")),
        (json!({"nbf": NOW_S + 31}), Err(Unauthorized)),
        (json!({"nbf": "soon"}), Err(Unauthorized)),
        // Not yet valid and run out: not one that a younger token of its kind would mend.
        (
            json!({"nbf": NOW_S + 31, "exp": NOW_S - 60}),
            Err(Unauthorized),
        ),
        (json!({"sub": null}), Err(Unauthorized)),
        (json!({"sub": ""}), Err(Unauthorized)),
        (json!({"sub": long(128)}), Ok(long(128).as_str())),
        (json!({"sub": long(129)}), Err(Unauthorized)),
        (json!({"sub": "a\nb"}), Err(Unauthorized)),
        (json!({"sub": 42}), Ok("42")),
        (json!({"sub": u64::MAX}), Ok("18446744073709551615")),
        (json!({"sub": -42}), Err(Unauthorized)),
        (json!({"sub": 4.5}), Err(Unauthorized)),
        (json!({"sub": true}), Err(Unauthorized)),
        (json!({"sub": ["u1"]}), Err(Unauthorized)),
        (json!({"sub": "", "exp": 0}), Err(Unauthorized)),
    ] {
        let got = verify(&claims(&changes));
        let got = got.as_ref().map(|i| i.user_id.as_str()).map_err(|e| *e);
        assert_eq!(got, want, "{changes}");
    }
}

#[test]
fn roles_are_read_without_regard_to_case_and_unknown_ones_give_nothing() {
    for (changes, want) in [
        (json!({"role": "Patient"}), vec![Role::Patient]),
        (json!({"role": "ADMIN "}), vec![Role::Admin]),
        (json!({"role": "superuser"}), vec![]),
        (json!({"role": "doctor,admin"}), vec![]),
        (
            json!({"role": ["doctor", "nurse"]}),
            vec![Role::Doctor, Role::Nurse],
        ),
        (
            json!({"role": null, "roles": "service"}),
            vec![Role::Service],
        ),
        (
            json!({"role": null, "roles": [{"name": "admin"}, 7, null]}),
            vec![],
        ),
        (json!({"role": 1}), vec![]),
        (json!({"role": {"admin": true}}), vec![]),
        (json!({"role": null}), vec![]),
    ] {
        let identity = verify(&claims(&changes)).expect("roles never spoil a token");
        assert_eq!(identity.roles.iter().collect::<Vec<_>>(), want, "{changes}");
    }
}

#[test]
fn optional_claims_are_bounded_and_never_spoil_a_token() {
    for (changes, name, email) in [
        (json!({"fullname": "Omar"}), "Omar".to_owned(), ""),
        (
            json!({"name": "", "fullname": "Omar"}),
            "Omar".to_owned(),
            "",
        ),
        (
            json!({"name": 7, "email": 7, "scope": 7}),
            String::new(),
            "",
        ),
        (json!({"name": "a\u{0}b\nc"}), "abc".to_owned(), ""),
        // 1 + 2 x 100 bytes, cut where a letter ends.
        (
            json!({"name": format!("x{}", "é".repeat(100))}),
            format!("x{}", "é".repeat(99)),
            "",
        ),
        (
            json!({"email": format!("{}@x", "a".repeat(320))}),
            String::new(),
            "",
        ),
        (json!({"email": " a@x "}), String::new(), "a@x"),
    ] {
        let identity = verify(&claims(&changes)).expect("a good token");
        assert_eq!(
            (&*identity.name, &*identity.email),
            (name.as_str(), email),
            "{changes}"
        );
    }
    // Issuers write nulls for what they do not know.
    let nulls = r#"{"sub":"u1","exp":9999999999,"name":null,"email":null,"roles":null,"nbf":null}"#;
    let token = token_of(r#"{"alg":"HS256"}"#, nulls);
    assert!(verifier().verify(&token, now()).is_ok());
}

#[test]
fn only_hs256_with_our_secret_is_believed() {
    let payload = claims(&json!({})).to_string();
    let good = token(&claims(&json!({})));
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let (header, body) = signed.split_once('.').expect("three parts");
    assert!(
        verifier().verify(&good, now()).is_ok(),
        "or nothing below means anything"
    );

    let with_alg = |alg: &str| token_of(&format!(r#"{{"alg":"{alg}"}}"#), &payload);
    let none = |alg: &str| {
        let header = B64.encode(format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#));
        format!("{header}.{body}.")
    };
    let admin = claims(&json!({"role": "admin"})).to_string();
    let hs512 = {
        let signed = format!("{}.{body}", B64.encode(r#"{"alg":"HS512"}"#));
        let mut mac = Hmac::<Sha512>::new_from_slice(SECRET.as_bytes()).expect("any key");
        mac.update(signed.as_bytes());
        format!("{signed}.{}", B64.encode(mac.finalize().into_bytes()))
    };
    let own_key = {
        let key = "the attacker's own key, also long enough";
        let jwk = json!({"alg": "HS256", "jwk": {"kty": "oct", "k": B64.encode(key)}});
        let signed = format!("{}.{body}", B64.encode(jwk.to_string()));
        format!("{signed}.{}", hs256(key, &signed))
    };
    let hostile = [
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
        ("not base64", "%%.%%.%%".to_owned()),
        ("alg none", none("none")),
        ("alg None", none("None")),
        ("alg none, signed", with_alg("none")),
        ("alg RS256", with_alg("RS256")),
        ("alg hs256", with_alg("hs256")),
        ("alg HS384", with_alg("HS384")),
        ("alg HS512, well signed", hs512),
        ("no alg", token_of(r#"{"typ":"JWT"}"#, &payload)),
        (
            "alg twice",
            token_of(r#"{"alg":"none","alg":"HS256"}"#, &payload),
        ),
        (
            "a critical header",
            token_of(r#"{"alg":"HS256","crit":["x"],"x":1}"#, &payload),
        ),
        ("the key in the header", own_key),
        (
            "another payload",
            format!("{header}.{}.{signature}", B64.encode(admin)),
        ),
        (
            "another secret",
            format!("{signed}.{}", hs256("another", signed)),
        ),
        ("no signature", signed.to_owned()),
        ("an empty signature", format!("{signed}.")),
        ("half a signature", format!("{signed}.{}", &signature[..20])),
        ("a fourth part", format!("{good}.x")),
        ("a newline after it", format!("{good}\n")),
        ("padding", format!("{good}=")),
        ("Bearer before it", format!("Bearer {good}")),
        (
            "a payload that is a list",
            token_of(r#"{"alg":"HS256"}"#, "[1]"),
        ),
        (
            "a payload that is no JSON",
            token_of(r#"{"alg":"HS256"}"#, "sub=u1"),
        ),
        (
            "sub twice",
            token_of(
                r#"{"alg":"HS256"}"#,
                r#"{"sub":"u1","sub":"u2","exp":9999999999}"#,
            ),
        ),
    ];
    for (what, token) in hostile {
        let code = verifier().verify(&token, now()).map_err(|e| e.code);
        assert_eq!(code.err(), Some(ErrorCode::Unauthorized), "{what}");
    }
}

#[test]
fn a_token_over_8_kib_is_too_large() {
    let filled = |n| token(&claims(&json!({"x": "x".repeat(n)})));
    // Base64 makes four characters of three bytes.
    let long = |n: usize| filled((n - filled(0).len()) * 3 / 4 - 4);
    let fits = long(8_192);
    assert!(fits.len() <= 8_192 && fits.len() > 8_000);
    assert!(verifier().verify(&fits, now()).is_ok());
    let code = verifier().verify(&long(8_300), now()).map_err(|e| e.code);
    assert_eq!(code.err(), Some(ErrorCode::TooLarge));
    let junk = "x".repeat(1_000_000);
    let code = verifier().verify(&junk, now()).map_err(|e| e.code);
    assert_eq!(code.err(), Some(ErrorCode::TooLarge));
}

#[test]
fn issuer_and_audience_must_match_when_they_are_asked_for() {
    let verifier = Verifier::hs256(
        &Secret::new(SECRET),
        Some("https://clinic.example".to_owned()),
        Some("bedside".to_owned()),
    );
    for (changes, good) in [
        (
            json!({"iss": "https://clinic.example", "aud": "bedside"}),
            true,
        ),
        (
            json!({"iss": "https://clinic.example", "aud": ["x", "bedside"]}),
            true,
        ),
        (
            json!({"iss": "https://clinic.example/", "aud": "bedside"}),
            false,
        ),
        (
            json!({"iss": "https://evil.example", "aud": "bedside"}),
            false,
        ),
        (
            json!({"iss": ["https://clinic.example"], "aud": "bedside"}),
            false,
        ),
        (json!({"aud": "bedside"}), false),
        (json!({"iss": "https://clinic.example"}), false),
        (
            json!({"iss": "https://clinic.example", "aud": "billing"}),
            false,
        ),
        (json!({"iss": "https://clinic.example", "aud": []}), false),
    ] {
        let result = verifier.verify(&token(&claims(&changes)), now());
        assert_eq!(result.is_ok(), good, "{changes}");
        if let Err(error) = result {
            assert_eq!(error.code, ErrorCode::Unauthorized, "{changes}");
        }
    }
    let expired_elsewhere = claims(&json!({"iss": "https://evil.example", "exp": 1}));
    let error = verifier.verify(&token(&expired_elsewhere), now());
    assert_eq!(
        error.map_err(|e| e.code).err(),
        Some(ErrorCode::Unauthorized)
    );
}

#[test]
fn nothing_of_a_token_or_a_person_is_repeated() {
    let marked =
        claims(&json!({"sub": "", "name": "Zaphod", "email": "Zaphod@x", "iss": "Zaphod"}));
    for token in [token(&marked), "Zaphod.Zaphod.Zaphod".to_owned()] {
        let error = verifier().verify(&token, now()).expect_err("a bad token");
        assert!(!error.to_string().contains("Zaphod"), "{error}");
    }
    let marked = claims(&json!({"name": "Zaphod", "email": "Zaphod@x"}));
    let identity = verify(&marked).expect("a good token");
    let shown = format!("{identity:?} {:?}", verifier());
    assert!(shown.contains("u1") && !shown.contains("Zaphod"), "{shown}");
    assert!(!shown.contains(SECRET));
}

#[test]
fn what_the_minter_makes_the_verifier_of_the_same_settings_accepts() {
    let secret = Secret::new(SECRET);
    let (issuer, audience) = (Some("i".to_owned()), Some("a".to_owned()));
    let user_id = UserId::new("u7").expect("an id");
    let grant = Grant {
        user_id: &user_id,
        roles: &["nurse"],
        name: Some("Lina / لينا"),
        scopes: &["directory:write".to_owned()],
        ttl: Duration::from_secs(60),
    };
    let token = Minter::hs256(&secret, issuer.clone(), audience.clone()).mint(&grant, now());
    let verifier = Verifier::hs256(&secret, issuer, audience);
    let identity = verifier.verify(&token, now()).expect("our own token");
    assert_eq!(identity.user_id, user_id);
    assert_eq!(identity.roles, Roles::from(Role::Nurse));
    assert_eq!(&*identity.name, "Lina / لينا");
    assert!(identity.has_scope("directory:write"));
    assert_eq!(identity.expires_at, at(NOW_S + 60));
    let late = verifier.verify(&token, at(NOW_S + 90)).map_err(|e| e.code);
    assert_eq!(late.err(), Some(ErrorCode::TokenExpired));

    let plain = Minter::hs256(&secret, None, None).mint(&grant, now());
    assert!(
        verifier.verify(&plain, now()).is_err(),
        "it names no issuer"
    );
}

fn someone(id: &str, expires_s: i64) -> Identity {
    verify(&claims(&json!({"sub": id, "exp": expires_s}))).expect("a good token")
}

#[test]
fn a_ticket_is_good_once_and_for_30_seconds() {
    let tickets = Tickets::default();
    let later = |ms| now().plus_millis(ms);
    let issue = || {
        tickets
            .issue(someone("u1", NOW_S + 600), now())
            .expect("a ticket")
    };

    let first = issue();
    assert_eq!(first.len(), 43, "32 bytes");
    assert_ne!(first, issue());
    let redeemed = tickets.redeem(&first, later(29_999));
    assert_eq!(
        redeemed.map(|i| i.user_id.to_string()),
        Some("u1".to_owned())
    );
    assert_eq!(tickets.redeem(&first, later(29_999)), None, "used");
    assert_eq!(tickets.redeem(&issue(), later(30_000)), None, "run out");
    for unknown in ["", "x", &"x".repeat(43), &"x".repeat(1_000_000)] {
        assert_eq!(tickets.redeem(unknown, now()), None);
    }

    // A token that runs out before its ticket takes the ticket along.
    let short = tickets
        .issue(someone("u1", NOW_S - 20), now())
        .expect("a ticket");
    assert_eq!(tickets.redeem(&short, later(10_000)), None);
}

#[test]
fn a_user_holds_16_tickets_and_the_oldest_goes_first() {
    let tickets = Tickets::default();
    let issue = |id: &str| {
        tickets
            .issue(someone(id, NOW_S + 600), now())
            .expect("a ticket")
    };
    let other = issue("u2");
    let texts: Vec<String> = (0..17).map(|_| issue("u1")).collect();
    assert_eq!(tickets.len(), 17);
    assert_eq!(tickets.redeem(&texts[0], now()), None, "dropped");
    assert!(tickets.redeem(&texts[1], now()).is_some());
    assert!(
        tickets.redeem(&other, now()).is_some(),
        "others keep theirs"
    );
    let again = issue("u1");
    assert!(
        tickets.redeem(&texts[2], now()).is_some(),
        "a used one made room"
    );
    assert!(tickets.redeem(&again, now()).is_some());
}

#[test]
fn tickets_that_ran_out_do_not_pile_up() {
    let tickets = Tickets::default();
    for n in 0..100 {
        let who = someone(&format!("u{n}"), NOW_S + 600);
        tickets.issue(who, now()).expect("a ticket");
    }
    tickets
        .issue(someone("u1", NOW_S + 600), at(NOW_S + 60))
        .expect("a ticket");
    assert_eq!(tickets.len(), 1);
}

#[test]
fn the_store_of_tickets_shows_none() {
    let tickets = Tickets::default();
    let text = tickets
        .issue(someone("u1", NOW_S + 600), now())
        .expect("a ticket");
    assert!(!format!("{tickets:?}").contains(&text));
}

#[test]
fn a_token_says_by_what_it_can_be_revoked() {
    let stamp = |changes| verify(&claims(&changes)).expect("a good token").stamp;
    let full = stamp(json!({"iat": NOW_S - 60, "jti": "t-1"}));
    assert_eq!(full.issued_at, Some(at(NOW_S - 60)));
    assert_eq!(full.token_id.as_ref().map(|id| id.as_str()), Some("t-1"));
    assert_eq!(stamp(json!({})), Default::default());
    // With a time to come, or in milliseconds, it would escape every revocation: it has none.
    assert_eq!(
        stamp(json!({"iat": NOW_S + 30})).issued_at,
        Some(at(NOW_S + 30))
    );
    for iat in [
        json!(NOW_S + 31),
        json!(NOW_S * 1_000),
        json!("x"),
        json!(true),
    ] {
        assert_eq!(stamp(json!({"iat": iat})).issued_at, None);
    }
    for jti in [json!(7), json!(""), json!("a\nb"), json!("j".repeat(257))] {
        assert_eq!(stamp(json!({"jti": jti})).token_id, None);
    }
}

#[test]
fn a_minted_token_says_when() {
    let user_id = UserId::new("u1").expect("an id");
    let secret = Secret::new(SECRET);
    let token = Minter::hs256(&secret, None, None).mint(
        &Grant {
            user_id: &user_id,
            roles: &["doctor"],
            name: None,
            scopes: &[],
            ttl: Duration::from_secs(60),
        },
        now(),
    );
    let identity = verifier().verify(&token, now()).expect("a good token");
    assert_eq!(identity.stamp.issued_at, Some(now()));
}
