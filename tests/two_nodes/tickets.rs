//! Tickets that one node makes and another redeems.

use async_trait::async_trait;
use bedside::{
    auth::{Identity, Tickets},
    peer_calls::{
        tickets::{RedeemHere, SharedTickets},
        wire::{Answer, Call, Refused},
    },
    ws::{NotAsked, Redeeming},
};
use bedside_actors::{cluster::Calls, ports::identity::SessionIdentity};
use bedside_protocol::{Role, Roles, Timestamp, UserId};
use bytes::Bytes;
use std::sync::{Arc, atomic::Ordering};

use crate::support::under_test::wires::Wires;

struct Redeems(Arc<RedeemHere>);

#[async_trait]
impl Calls for Redeems {
    async fn call(&self, body: Bytes) -> Bytes {
        let answer = match Call::decode(body) {
            Ok(Call::Redeem(ticket)) => {
                Answer::Redeemed((self.0)(&ticket).map(|who| Box::new(who.into())))
            }
            _ => Answer::Refused(Refused::Unknown),
        };
        answer.encode().expect("it is small")
    }
}

struct Node {
    own: Arc<Tickets>,
    shared: SharedTickets,
}

impl Node {
    fn new(wires: &Arc<Wires>, name: &str) -> Self {
        let own = Arc::new(Tickets::default());
        let tickets = Arc::clone(&own);
        let redeem: Arc<RedeemHere> = Arc::new(move |ticket| {
            let redeemed = tickets.redeem(ticket, Timestamp::now());
            redeemed.map(Into::into)
        });
        wires.serve(name, Arc::new(Redeems(Arc::clone(&redeem))));
        Self {
            own,
            shared: SharedTickets::new(wires.end(name), redeem),
        }
    }

    fn issue(&self) -> String {
        let identity = Identity {
            user_id: UserId::new("amal").expect("an id"),
            roles: Roles::NONE.with(Role::Doctor),
            name: "Amal".into(),
            email: "".into(),
            scopes: [].into(),
            expires_at: Timestamp::now().plus_millis(60_000),
            stamp: Default::default(),
        };
        let ticket = self.own.issue(identity, Timestamp::now());
        self.shared.name(&ticket.expect("there is randomness"))
    }

    async fn redeem(&self, ticket: &str) -> Result<Option<SessionIdentity>, NotAsked> {
        match self.shared.redeem(ticket) {
            Redeeming::Here(redeemed) => Ok(redeemed),
            Redeeming::Elsewhere(redeeming) => redeeming.await,
        }
    }
}

fn nodes() -> (Arc<Wires>, Node, Node) {
    let wires = Arc::default();
    let (one, two) = (Node::new(&wires, "one"), Node::new(&wires, "two"));
    (wires, one, two)
}

fn user(redeemed: Result<Option<SessionIdentity>, NotAsked>) -> Option<String> {
    let identity = redeemed.expect("the other node was asked")?;
    Some(identity.user_id.as_str().to_owned())
}

#[tokio::test]
async fn a_ticket_is_good_once_on_any_node() {
    let (_wires, one, two) = nodes();
    for (first, second) in [(&one, &two), (&two, &one)] {
        let ticket = one.issue();
        assert_eq!(user(first.redeem(&ticket).await).as_deref(), Some("amal"));
        assert_eq!(user(second.redeem(&ticket).await), None);
        assert_eq!(user(first.redeem(&ticket).await), None);
    }
}

#[tokio::test]
async fn two_nodes_at_once_redeem_it_once() {
    let (_wires, one, two) = nodes();
    for _ in 0..50 {
        let ticket = one.issue();
        let (here, there) = tokio::join!(one.redeem(&ticket), two.redeem(&ticket));
        let good = [here, there].into_iter().filter_map(user).count();
        assert_eq!(good, 1);
    }
}

#[tokio::test]
async fn what_is_no_ticket_is_refused_without_asking() {
    let (wires, one, two) = nodes();
    let ticket = one.issue();
    let (bare, _) = ticket.split_once('.').expect("it names its node");
    for none in [
        bare,
        "",
        ".",
        "a.one",
        &format!("{bare}."),
        &format!("{bare}.ONE"),
    ] {
        assert_eq!(user(two.redeem(none).await), None, "{none}");
    }
    assert_eq!(user(two.redeem(&format!("{bare}.three")).await), None);
    assert_eq!(wires.calls.load(Ordering::Relaxed), 0);
    assert!(user(two.redeem(&ticket).await).is_some());
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_is_no_refusal() {
    let (wires, one, two) = nodes();
    let ticket = one.issue();
    wires.is_cut.store(true, Ordering::Relaxed);
    assert_eq!(two.redeem(&ticket).await, Err(NotAsked));
    wires.is_cut.store(false, Ordering::Relaxed);
    assert!(user(two.redeem(&ticket).await).is_some());
}
