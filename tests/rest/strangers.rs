//! Bad tokens, and good ones from the same address.

use bedside_protocol::limits::FAILURES_PER_ADDRESS_A_MINUTE as FREE;

use crate::kit::{Answer, Api, DOCTOR, Options};

const PATH: &str = "/api/v1/unread";
const FORWARDED: &str = "x-forwarded-for";

async fn ask(api: &Api, token: &str, from: &str) -> Answer {
    let request = api.get(PATH).by(token).header(FORWARDED, from);
    request.header("user-agent", "a test\tof strangers").await
}

/// Shows bad tokens until there are too many; so many were refused as such before. More than are
/// free come back with time.
async fn spend(api: &Api, from: &str) -> (u32, Answer) {
    for n in 0..10 * FREE {
        let refused = ask(api, "forged", from).await;
        if refused.body["code"] != "unauthorized" {
            return (n, refused);
        }
    }
    panic!("there was no end to it");
}

async fn behind_one_proxy() -> Api {
    let options = Options {
        proxies: 1,
        ..Options::default()
    };
    Api::with(options).await
}

#[actix_web::test]
async fn bad_tokens_of_one_address_are_told_to_wait_and_good_ones_are_not() {
    let api = behind_one_proxy().await;
    for n in 0..FREE {
        let from = format!("198.51.100.{}, 192.0.2.1", n % 200);
        ask(&api, "forged", &from).await.refused("unauthorized");
    }
    for _ in 0..20 {
        let (_, refused) = spend(&api, "192.0.2.1").await;
        assert_eq!(refused.header("retry-after"), Some("1"));
        let problem = refused.problem(429, "rate_limited");
        let wait = problem["retry_after_ms"].as_u64().expect("a wait");
        assert!((1..=500).contains(&wait), "{problem}");
        ask(&api, DOCTOR, "192.0.2.1").await.ok();
        // Signed by whom we trust, and not there at all: neither is a guess.
        ask(&api, "old", "192.0.2.1").await.refused("token_expired");
        let none = api.get(PATH).header(FORWARDED, "192.0.2.1").await;
        none.refused("unauthorized");
    }
    // Others are none of theirs.
    ask(&api, "forged", "192.0.2.2")
        .await
        .refused("unauthorized");
    // Outside of /api/v1 it is the same in the shape that is theirs.
    let plain = loop {
        let plain = api.get("/chat/unread-count").by("forged");
        let plain = plain.header(FORWARDED, "192.0.2.1").await;
        if plain.status == 429 {
            break plain;
        }
    };
    assert_eq!(plain.header("retry-after"), Some("1"));
    assert_eq!(plain.plainly(429), "too many bad tokens from this address");
}

#[actix_web::test]
async fn an_address_is_a_network_and_nobody_writes_their_own() {
    let api = behind_one_proxy().await;
    for n in 0..FREE {
        let from = format!("2001:db8:0:1:{n:x}::1");
        ask(&api, "forged", &from).await.refused("unauthorized");
    }
    // Half of what is free at most came back meanwhile, or the test is too slow to tell.
    let (more, again) = spend(&api, "2001:db8:0:1::ffff").await;
    assert!(more < FREE, "{more}");
    again.refused("rate_limited");
    let beside = ask(&api, "forged", "2001:db8:0:2::1").await;
    beside.refused("unauthorized");
    let alone = Api::start().await;
    for n in 0..FREE {
        let from = format!("192.0.2.{}", n % 200);
        ask(&alone, "forged", &from).await.refused("unauthorized");
    }
    // Without a proxy that is trusted all of these were one.
    let (more, again) = spend(&alone, "203.0.113.9").await;
    assert!(more < FREE, "{more}");
    again.refused("rate_limited");
}

#[actix_web::test]
async fn an_auditor_is_told_of_some_and_of_where_they_came_from() {
    let api = behind_one_proxy().await;
    for n in 0..200 {
        ask(&api, "forged", &format!("192.0.2.{}", n % 2)).await;
        ask(&api, DOCTOR, "192.0.2.1").await.ok();
    }
    let path = "/api/v1/admin/audit?action=request.refused";
    let entries = async || {
        let page = api.get(path).by("admin:a1").await.ok();
        page["entries"].as_array().expect("rows").clone()
    };
    // Ten a minute of each address.
    while entries().await.len() < 20 {
        tokio::task::yield_now().await;
    }
    let entries = entries().await;
    assert_eq!(entries.len(), 20);
    let (last, first) = (&entries[0], &entries[19]);
    assert_eq!(first["subject"], "rest");
    assert_eq!(first["detail"], "no such token");
    assert_eq!(first["ip"], "192.0.2.0");
    assert_eq!(first["agent"], "a testof strangers");
    assert_eq!(
        last["detail"],
        "no such token; more for now are not written"
    );
}
