//! Another token for a session under way, while somebody is asked about it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    node::Node,
    ports::{
        clock::{Clock, ManualClock},
        identity::{Identities, Verification, Verified},
    },
    testkit::{
        client::{Client, config, identity},
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{
    CloseCode, Command, CommandError, ErrorCode, Role, Timestamp, command::SessionRefresh,
};
use common::*;
use futures_util::FutureExt as _;
use std::sync::Arc;
use tokio::sync::watch;

/// Answers about every token when it is told to: a nurse, or as the token says.
struct Slow {
    told: watch::Sender<bool>,
    until: Timestamp,
}

impl Slow {
    fn answer(&self, token: &str) -> Verified {
        let mut nurse = identity("n", Role::Nurse);
        nurse.expires_at = Some(self.until);
        match token {
            "bad" => Err(CommandError::new(ErrorCode::Unauthorized, "bad")),
            "other" => Ok(identity("other", Role::Nurse)),
            _ => Ok(nurse),
        }
    }
}

impl Identities for Slow {
    fn verify(&self, token: &str, _: Timestamp) -> Verification {
        let (mut told, verified) = (self.told.subscribe(), self.answer(token));
        let later = async move {
            told.wait_for(|told| *told).await.unwrap();
            verified
        };
        Verification::Waiting(later.boxed())
    }
}

fn refresh(token: &str) -> Command {
    let token = token.to_owned();
    Command::SessionRefresh(SessionRefresh { token })
}

/// A nurse whose token runs out in a minute and a half, and who answers about the next one.
async fn nurse() -> (Client, Arc<Slow>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp::now()));
    let slow = Arc::new(Slow {
        told: watch::Sender::new(false),
        until: clock.now().plus_millis(3_600_000),
    });
    let liar = Liar::new(&Disk::new());
    let node = Node::start(config(), liar, clock.clone(), slow.clone());
    let mut nurse = identity("n", Role::Nurse);
    nurse.expires_at = Some(clock.now().plus_millis(90_000));
    (Client::open_as(&node, nurse).await, slow, clock)
}

#[test]
fn other_commands_go_on_while_a_token_is_looked_at() {
    run(async {
        let (mut nurse, slow, clock) = nurse().await;
        let asked = nurse.post(refresh("good"));
        for _ in 0..3 {
            nurse.ask(resume(&[])).await.unwrap();
        }
        // One at a time.
        let busy = nurse.ask(refresh("good")).await.unwrap_err();
        assert_eq!(busy.code, ErrorCode::RateLimited);
        slow.told.send_replace(true);
        nurse.answer(asked).await.unwrap();
        clock.advance_ms(100_000);
        nurse.ask(resume(&[])).await.unwrap();
    });
}

#[test]
fn a_token_that_turns_out_bad_leaves_the_old_one() {
    run(async {
        let (mut nurse, slow, clock) = nurse().await;
        slow.told.send_replace(true);
        let error = nurse.ask(refresh("bad")).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unauthorized);
        let error = nurse.ask(refresh("other")).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Forbidden);
        nurse.ask(resume(&[])).await.unwrap();
        clock.advance_ms(90_000);
        let error = nurse.ask(resume(&[])).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::TokenExpired);
        assert_eq!(nurse.close_code().await, CloseCode::TokenExpired);
    });
}
