//! Who and what is not let in: on the node that is told, on the others, and when the word of it
//! is lost on the way.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    cluster::Cluster,
    node::Node,
    ports::{
        clock::HurriedClock,
        identity::{Identities, SessionIdentity, TokenId, TokenStamp, Verification},
        store::{Denial, DenialRecord, DenialStore as _},
    },
    testkit::{
        client::{Client, config, identity},
        hub::Hub,
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{
    CloseCode, Command, ErrorCode, Role, Timestamp, UserId, command::SessionRefresh,
};
use common::*;
use futures_util::future::poll_immediate;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Takes `user iat_ms jti` for the token of a patient.
struct Stamped;

impl Identities for Stamped {
    fn verify(&self, token: &str, _: Timestamp) -> Verification {
        let parts: Vec<_> = token.split(' ').collect();
        Ok(stamped(parts[0], parts[1].parse().ok(), parts[2])).into()
    }
}

fn stamped(user: &str, issued_at: Option<i64>, id: &str) -> SessionIdentity {
    SessionIdentity {
        stamp: TokenStamp {
            issued_at: issued_at.map(Timestamp::from_millis),
            token_id: TokenId::new(id),
        },
        ..identity(user, Role::Patient)
    }
}

struct Bed {
    hub: Arc<Hub>,
    disk: Arc<Disk>,
    nodes: Vec<(Arc<Node>, Arc<Liar>)>,
}

impl Bed {
    async fn new(count: usize) -> Self {
        let mut bed = Self {
            hub: Hub::new(),
            disk: Disk::new(),
            nodes: Vec::new(),
        };
        for n in 1..=count {
            let started = bed.start(&format!("n{n}")).await;
            bed.nodes.push(started);
        }
        for (node, _) in &bed.nodes {
            until(async || node.cluster().unwrap().peers().len() == count - 1).await;
        }
        bed
    }

    /// Time is that of the wall: how long it takes is what is asked.
    async fn start(&self, name: &str) -> (Arc<Node>, Arc<Liar>) {
        let store = Liar::new(&self.disk);
        let cluster = Cluster::new(self.hub.bus(name));
        let node = Node::start_in(
            config(),
            store.clone(),
            Arc::new(HurriedClock(1)),
            Arc::new(Stamped),
            Some(cluster),
        );
        node.load_denials().await.unwrap();
        (node, store)
    }

    fn node(&self, n: usize) -> &Arc<Node> {
        &self.nodes[n].0
    }
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(30), async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("it became so within 30 s");
}

fn record(denial: Denial) -> DenialRecord {
    DenialRecord {
        denial,
        at: Timestamp::now(),
        by: user("a1"),
    }
}

fn issued(id: &str, before: i64) -> DenialRecord {
    record(Denial::Issued {
        user_id: user(id),
        before: Timestamp::from_millis(before),
    })
}

fn token(id: &str) -> DenialRecord {
    record(Denial::Token(TokenId::new(id).unwrap()))
}

fn block(id: &str) -> DenialRecord {
    record(Denial::Block {
        user_id: user(id),
        reason: "a reason".to_owned(),
    })
}

async fn open(node: &Arc<Node>, user: &str, issued_at: i64, id: &str) -> Client {
    Client::open_as(node, stamped(user, Some(issued_at), id)).await
}

/// The error of a sign-in, if it is refused.
fn signs_in(node: &Arc<Node>, token: &str) -> Result<UserId, ErrorCode> {
    let verified = node.identities().verify(token, node.clock().now());
    let Verification::Done(verified) = verified else {
        panic!("nobody has to be asked");
    };
    verified.map(|i| i.user_id).map_err(|error| error.code)
}

#[test]
fn sockets_on_all_nodes_close_within_a_second() {
    run(async {
        let bed = Bed::new(3).await;
        let mut old = Vec::new();
        for n in 0..3 {
            old.push(open(bed.node(n), "p1", 5_000, "a").await);
        }
        let mut newer = open(bed.node(1), "p1", 9_000, "b").await;
        let mut other = open(bed.node(2), "p2", 5_000, "c").await;
        for (_, store) in &bed.nodes[1..] {
            // So that it is the bridge that brings it, which takes milliseconds.
            store.moods(|call| call == "denials_version");
        }
        let begun = Instant::now();
        bed.node(0).deny(issued("p1", 9_000)).await.unwrap();
        for client in &mut old {
            assert_eq!(client.close_code().await, CloseCode::Revoked);
        }
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "{:?}",
            begun.elapsed()
        );
        for n in 0..3 {
            let node = bed.node(n);
            assert_eq!(signs_in(node, "p1 8999 z"), Err(ErrorCode::Unauthorized));
            assert_eq!(
                signs_in(node, "p1 - z"),
                Err(ErrorCode::Unauthorized),
                "without iat"
            );
            assert_eq!(signs_in(node, "p1 9000 z"), Ok(user("p1")), "issued later");
        }
        for client in [&mut newer, &mut other] {
            client.glance().await;
            assert!(!client.outbox().is_closed());
        }
    });
}

#[test]
fn a_single_token_is_revoked_by_its_id() {
    run(async {
        let bed = Bed::new(2).await;
        let mut this = open(bed.node(1), "p1", 5_000, "this").await;
        let mut that = open(bed.node(1), "p1", 5_000, "that").await;
        bed.node(0).deny(token("this")).await.unwrap();
        assert_eq!(this.close_code().await, CloseCode::Revoked);
        assert_eq!(
            signs_in(bed.node(1), "p1 7000 this"),
            Err(ErrorCode::Unauthorized)
        );
        that.glance().await;
        assert!(!that.outbox().is_closed());
    });
}

#[test]
fn a_block_lasts_until_it_is_lifted() {
    run(async {
        let bed = Bed::new(2).await;
        let mut there = open(bed.node(1), "p1", 5_000, "a").await;
        bed.node(0).deny(block("p1")).await.unwrap();
        assert_eq!(there.close_code().await, CloseCode::Blocked);
        let much_later = "p1 99999999 b";
        for n in 0..2 {
            assert_eq!(signs_in(bed.node(n), much_later), Err(ErrorCode::Forbidden));
        }
        assert_eq!(bed.node(1).unblock(user("p1")).await, Ok(true));
        until(async || signs_in(bed.node(0), much_later).is_ok()).await;
        assert_eq!(bed.node(1).unblock(user("p1")).await, Ok(false));
    });
}

#[test]
fn with_the_bridge_down_it_takes_five_seconds() {
    run(async {
        let bed = Bed::new(2).await;
        let mut old = open(bed.node(1), "p1", 5_000, "a").await;
        let mut blocked = open(bed.node(1), "p2", 5_000, "b").await;
        bed.hub.cut("n1");
        bed.hub.cut("n2");
        let begun = Instant::now();
        bed.node(0).deny(issued("p1", 9_000)).await.unwrap();
        bed.node(0).deny(block("p2")).await.unwrap();
        assert_eq!(old.close_code().await, CloseCode::Revoked);
        assert_eq!(blocked.close_code().await, CloseCode::Blocked);
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(
            signs_in(bed.node(1), "p1 5000 a"),
            Err(ErrorCode::Unauthorized)
        );
        bed.node(0).unblock(user("p2")).await.unwrap();
        until(async || signs_in(bed.node(1), "p2 5000 b").is_ok()).await;
    });
}

#[test]
fn what_the_bridge_loses_is_found_in_the_store() {
    run(async {
        let bed = Bed::new(2).await;
        let mut old = open(bed.node(1), "p1", 5_000, "a").await;
        bed.hub.lose(|_, _, _| false);
        let begun = Instant::now();
        bed.node(0).deny(issued("p1", 9_000)).await.unwrap();
        assert_eq!(old.close_code().await, CloseCode::Revoked);
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
    });
}

#[test]
fn it_outlives_all_nodes() {
    run(async {
        let bed = Bed::new(1).await;
        bed.node(0).deny(issued("p1", 9_000)).await.unwrap();
        bed.node(0).deny(token("t")).await.unwrap();
        bed.node(0).deny(block("p2")).await.unwrap();
        bed.nodes[0].1.kill();
        let (node, _) = bed.start("n1").await;
        assert_eq!(signs_in(&node, "p1 5000 a"), Err(ErrorCode::Unauthorized));
        assert_eq!(signs_in(&node, "p3 5000 t"), Err(ErrorCode::Unauthorized));
        assert_eq!(signs_in(&node, "p2 5000 b"), Err(ErrorCode::Forbidden));
        assert_eq!(signs_in(&node, "p3 5000 c"), Ok(user("p3")));
    });
}

#[test]
fn a_refresh_with_a_revoked_token_is_refused_and_a_new_one_is_kept() {
    run(async {
        let bed = Bed::new(1).await;
        let node = bed.node(0);
        let mut client = open(node, "p1", 10_000, "first").await;
        node.deny(token("second")).await.unwrap();
        let refresh = |token: &str| {
            Command::SessionRefresh(SessionRefresh {
                token: token.to_owned(),
            })
        };
        let refused = client.ask(refresh("p1 11000 second")).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Unauthorized);
        client.ask(refresh("p1 12000 third")).await.unwrap();
        // The socket goes by its new token from now on, not by the one that it came with.
        node.deny(token("first")).await.unwrap();
        node.deny(issued("p1", 12_000)).await.unwrap();
        client.glance().await;
        assert!(!client.outbox().is_closed());
        node.deny(token("third")).await.unwrap();
        assert_eq!(client.close_code().await, CloseCode::Revoked);
    });
}

/// As with a ticket, whose token was looked at when the ticket was made.
#[test]
fn who_was_revoked_before_the_socket_opened_is_not_welcomed() {
    run(async {
        let bed = Bed::new(1).await;
        let node = bed.node(0);
        let identity = stamped("p1", Some(5_000), "a");
        assert!(node.admit(&identity).is_ok());
        node.deny(issued("p1", 9_000)).await.unwrap();
        assert!(node.admit(&identity).is_err());
        let mut late = Client::knock(node, identity);
        assert_eq!(late.close_code().await, CloseCode::Revoked);
        assert!(late.events.is_empty(), "no welcome");
    });
}

#[test]
fn none_of_many_changes_is_let_in_again_by_a_look_at_the_store() {
    run(async {
        let bed = Bed::new(2).await;
        for n in 0..40 {
            bed.node(0)
                .deny(issued(&format!("p{n}"), 9_000))
                .await
                .unwrap();
            bed.node(0).load_denials().await.unwrap();
            let told = format!("p{n} 5000 a");
            assert_eq!(signs_in(bed.node(0), &told), Err(ErrorCode::Unauthorized));
            bed.node(1).load_denials().await.unwrap();
            assert_eq!(signs_in(bed.node(1), &told), Err(ErrorCode::Unauthorized));
        }
    });
}

#[test]
fn a_store_that_fails_denies_nothing_and_says_so() {
    run(async {
        let bed = Bed::new(1).await;
        let (node, store) = &bed.nodes[0];
        let mut client = open(node, "p1", 5_000, "a").await;
        store.moods(|call| call == "deny");
        let refused = node.deny(issued("p1", 9_000)).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Unavailable);
        client.glance().await;
        assert!(!client.outbox().is_closed());
        assert_eq!(store.denials().await.unwrap().records, []);
    });
}

/// A block that is stored but not answered yet, and is then lifted, is not heard of after that.
#[test]
fn what_is_stored_last_is_heard_last() {
    run(async {
        let bed = Bed::new(2).await;
        let (node, store) = &bed.nodes[0];
        store.stall_answer("deny");
        let mut blocking = Box::pin(node.deny(block("p1")));
        assert!(poll_immediate(&mut blocking).await.is_none());
        let mut lifting = Box::pin(node.unblock(user("p1")));
        assert!(poll_immediate(&mut lifting).await.is_none());
        store.unstall();
        let (blocked, lifted) = futures_util::join!(blocking, lifting);
        assert_eq!((blocked, lifted), (Ok(()), Ok(true)));
        assert_eq!(signs_in(node, "p1 5000 a"), Ok(user("p1")));
        // What comes after it on the same link has come after it.
        node.deny(block("p2")).await.unwrap();
        let other = bed.node(1);
        until(async || signs_in(other, "p2 5000 b").is_err()).await;
        assert_eq!(signs_in(other, "p1 5000 a"), Ok(user("p1")));
    });
}
