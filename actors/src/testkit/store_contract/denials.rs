//! Who and what is not let in.

use super::fixture::{Fixture, user};
use crate::ports::{
    identity::TokenId,
    store::{Denial, DenialRecord, denials::place},
};

fn issued(fx: &Fixture, id: &str, before: i64) -> Denial {
    Denial::Issued {
        user_id: user(id),
        before: fx.at(before),
    }
}

fn token(id: &str) -> Denial {
    Denial::Token(TokenId::new(id).expect("a token's id"))
}

fn block(id: &str, reason: &str) -> Denial {
    Denial::Block {
        user_id: user(id),
        reason: reason.to_owned(),
    }
}

fn record(fx: &Fixture, denial: Denial, at: i64, by: &str) -> DenialRecord {
    DenialRecord {
        denial,
        at: fx.at(at),
        by: user(by),
    }
}

async fn all(fx: &Fixture) -> Vec<DenialRecord> {
    let mut records = fx.store.denials().await.expect("an answer").records;
    records.sort_by(|a, b| place(&a.denial).cmp(&place(&b.denial)));
    records
}

async fn deny(fx: &Fixture, record: &DenialRecord) {
    assert_eq!(fx.store.deny(record.clone()).await, Ok(()));
}

pub async fn nobody_is_kept_out_at_first(fx: Fixture) {
    let first = fx.store.denials().await.expect("an answer");
    assert_eq!(first.records, []);
    assert_eq!(fx.store.denials_version().await, Ok(first.version));
    assert_eq!(fx.store.unblock(user("p1")).await, Ok(false));
}

pub async fn what_is_denied_is_kept_as_it_was_said(fx: Fixture) {
    let said = [
        record(&fx, block("p1", "a reason"), 1, "a1"),
        record(&fx, issued(&fx, "p1", 2), 2, "a1"),
        record(&fx, issued(&fx, "p2", 3), 3, "a2"),
        record(&fx, token("p1"), 4, "a1"),
    ];
    for one in &said {
        deny(&fx, one).await;
    }
    assert_eq!(all(&fx).await, said);
}

pub async fn of_two_times_the_later_one_stands(fx: Fixture) {
    let later = record(&fx, issued(&fx, "p1", 9), 1, "a1");
    deny(&fx, &later).await;
    deny(&fx, &record(&fx, issued(&fx, "p1", 5), 2, "a2")).await;
    assert_eq!(all(&fx).await, [later]);
    let last = record(&fx, issued(&fx, "p1", 12), 3, "a2");
    deny(&fx, &last).await;
    assert_eq!(all(&fx).await, [last]);
}

pub async fn a_token_is_denied_once(fx: Fixture) {
    let first = record(&fx, token("t"), 1, "a1");
    deny(&fx, &first).await;
    deny(&fx, &record(&fx, token("t"), 2, "a2")).await;
    assert_eq!(all(&fx).await, [first]);
}

pub async fn a_block_is_made_anew_and_lifted(fx: Fixture) {
    let tokens = record(&fx, issued(&fx, "p1", 1), 1, "a1");
    deny(&fx, &tokens).await;
    deny(&fx, &record(&fx, block("p1", "one"), 1, "a1")).await;
    let anew = record(&fx, block("p1", "two"), 2, "a2");
    deny(&fx, &anew).await;
    assert_eq!(all(&fx).await, [anew.clone(), tokens.clone()]);
    assert_eq!(fx.store.unblock(user("p1")).await, Ok(true));
    assert_eq!(fx.store.unblock(user("p1")).await, Ok(false));
    assert_eq!(
        all(&fx).await,
        std::slice::from_ref(&tokens),
        "only the block is lifted"
    );
    deny(&fx, &anew).await;
    assert_eq!(all(&fx).await, [anew, tokens]);
}

pub async fn each_change_is_seen_in_the_version(fx: Fixture) {
    let version = async || fx.store.denials_version().await.expect("an answer");
    let mut versions = vec![version().await];
    let mut note = async |what: &str| {
        let now = version().await;
        assert!(!versions.contains(&now), "{what}");
        assert_eq!(fx.store.denials().await.expect("all").version, now);
        versions.push(now);
    };
    deny(&fx, &record(&fx, token("t"), 1, "a1")).await;
    note("a token").await;
    deny(&fx, &record(&fx, issued(&fx, "p1", 5), 1, "a1")).await;
    note("a user's tokens").await;
    deny(&fx, &record(&fx, block("p1", "r"), 1, "a1")).await;
    note("a block").await;
    fx.store.unblock(user("p1")).await.expect("lifted");
    note("a lifted block").await;
}

/// Several at once, as when an operator's script goes through a list.
pub async fn none_is_lost_among_many(fx: Fixture) {
    let ids: Vec<String> = (0..24).map(|n| format!("p{n:02}")).collect();
    let denying = ids.iter().map(|id| {
        let record = record(&fx, block(id, "r"), 1, "a1");
        fx.store.deny(record)
    });
    for denied in futures_util::future::join_all(denying).await {
        assert_eq!(denied, Ok(()));
    }
    let kept: Vec<String> = all(&fx)
        .await
        .iter()
        .map(|r| place(&r.denial).1.to_owned())
        .collect();
    assert_eq!(kept, ids);
}
