//! Passwords, databases and TLS.

use bedside::config::{RedisAddress, Secret};

use crate::support::{Certificate, Node, Redis, Seen, Setup, next_name, peer, until};

/// Everything that an address has a meaning for.
const PASSWORD: &str = "p@ss/w:rd#1?%";

#[tokio::test]
async fn a_password_and_a_database_are_used() {
    let setup = Setup {
        password: Some(PASSWORD),
        ..Setup::default()
    };
    let Some(redis) = Redis::own(setup).await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;

    let url = format!(
        "redis://:p%40ss%2Fw%3Ard%231%3F%25@127.0.0.1:{}/3",
        redis.port
    );
    let mut options = Node::options(&redis, &name, peer("b", 2));
    options.redis.address = RedisAddress::Url(Secret::new(url));
    let b = Node::begin(&options);
    b.is_up(1).await;
    assert!(a.send(&b.me(), 1, "channels are of no database"));
    b.has(1).await;

    let mut options = Node::options(&redis, &name, peer("c", 3));
    options.redis.address = RedisAddress::Server {
        host: "127.0.0.1".to_owned(),
        port: redis.port,
        password: Some(Secret::new("wrong")),
        db: 0,
    };
    let c = Node::begin(&options);
    until("it tries", || c.stats().connect_failures >= 2).await;
    assert_eq!(c.count(&Seen::Up), 0);
}

#[tokio::test]
async fn tls_takes_a_certificate_of_its_own_authority_and_no_other() {
    let certificate = Certificate::new();
    let setup = Setup {
        tls: Some(certificate.0.clone()),
        ..Setup::default()
    };
    let Some(redis) = Redis::own(setup).await else {
        return;
    };
    let name = next_name();
    let a = Node::start(&redis, &name, peer("a", 1)).await;
    let url = RedisAddress::Url(Secret::new(format!("rediss://127.0.0.1:{}/", redis.port)));
    let mut options = Node::options(&redis, &name, peer("b", 2));
    options.redis.address = url;
    let b = Node::begin(&options);
    b.is_up(1).await;
    assert!(a.send(&b.me(), 1, "over TLS"));
    b.has(1).await;

    options.me = peer("c", 3);
    options.redis.tls_ca = None;
    let c = Node::begin(&options);
    until("it tries", || c.stats().connect_failures >= 2).await;
    assert_eq!(
        c.count(&Seen::Up),
        0,
        "no authority that browsers trust has signed it"
    );
}

#[test]
fn an_address_that_is_none_is_said_without_its_password() {
    use bedside::adapters::redis::{Options, RedisBus};
    use bedside::config::RedisConfig;
    let options = Options {
        redis: RedisConfig {
            address: RedisAddress::Url(Secret::new("redis://:hunter2@host:port/")),
            tls_ca: None,
        },
        name: "x".to_owned(),
        me: peer("a", 1),
        key: Secret::new(crate::support::KEY),
        key_old: None,
        user_key: None,
    };
    let error = RedisBus::open(&options).map(|_| ()).expect_err("no port");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert!(!format!("{error:?} {options:?}").contains("hunter2"));
}
