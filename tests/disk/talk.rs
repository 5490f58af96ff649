//! Two people who talk while their server's disk fails.

use bedside_loadtest::{
    http::{Answer, Rest},
    peer::{Peer, name_of, number_of, say, text_of},
    server::SECRET,
    world::{Pair, User, World},
    ws::Dial,
};
use bedside_protocol::{CommandError, ErrorCode, Event};
use std::{net::SocketAddr, time::Duration};

/// Longer than anything takes that goes well.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a text.
const TEXT_BYTES: usize = 2_000;

/// What one of them says, and what became of it.
pub(crate) struct Talk {
    address: SocketAddr,
    users: Vec<User>,
    pair: Pair,
    peer: Peer,
    next: u64,
    /// What was acknowledged, in order.
    pub(crate) acknowledged: Vec<u64>,
    /// What was refused and not sent again.
    pub(crate) refused: Vec<u64>,
}

impl Talk {
    pub(crate) async fn begin(address: SocketAddr) -> Self {
        let world = World::make(address, SECRET, "disk", 2, 1).await;
        let world = world.expect("people who may talk");
        let dial = Dial::new(address);
        let peer = Peer::open(&dial, &world.users[0].token).await;
        Self {
            address,
            pair: world.pairs[0],
            users: world.users,
            peer: peer.expect("a socket"),
            next: 0,
            acknowledged: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Goes on with a server that was started again.
    pub(crate) async fn go_on(&mut self, address: SocketAddr) {
        self.address = address;
        let peer = Peer::open(&Dial::new(address), &self.users[0].token).await;
        self.peer = peer.expect("a socket");
    }

    fn post(&mut self, number: u64) -> u64 {
        let text = text_of(number, TEXT_BYTES);
        self.peer.post(&say(self.pair.id, number, text))
    }

    async fn outcome(&mut self, number: u64, id: u64) -> Result<(), CommandError> {
        let answer = self.peer.answer(id).await.expect("it is answered");
        match answer {
            Ok(_) => self.acknowledged.push(number),
            Err(error) => {
                assert_eq!(error.code, ErrorCode::Unavailable, "{error}");
                assert!(error.retry_after_ms > 0, "{error}");
                self.refused.push(number);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn say_one(&mut self) -> Result<(), CommandError> {
        self.next += 1;
        let (number, id) = (self.next, self.post(self.next));
        self.outcome(number, id).await
    }

    /// Says so many things, all of which are stored.
    pub(crate) async fn say(&mut self, count: usize) {
        for _ in 0..count {
            self.say_one().await.expect("it is stored");
        }
    }

    /// Talks until three are refused; the last refusal.
    pub(crate) async fn say_until_refused(&mut self) -> CommandError {
        let until = self.refused.len() + 3;
        for _ in 0..2_000 {
            if let Err(error) = self.say_one().await
                && self.refused.len() >= until
            {
                return error;
            }
        }
        panic!("2000 texts fit where there was no room");
    }

    /// Says so many things at once; how many are refused.
    pub(crate) async fn say_at_once(&mut self, count: u64) -> usize {
        let before = self.refused.len();
        let numbers = self.next + 1..=self.next + count;
        self.next += count;
        let posted: Vec<_> = numbers.map(|number| (number, self.post(number))).collect();
        for (number, id) in posted {
            let _ = self.outcome(number, id).await;
        }
        self.refused.len() - before
    }

    /// Sends again what was refused until it is stored, as clients do.
    pub(crate) async fn say_again(&mut self) {
        let until = tokio::time::Instant::now() + PATIENCE;
        while let Some(number) = self.refused.pop() {
            let id = self.post(number);
            if let Err(error) = self.outcome(number, id).await {
                assert!(
                    tokio::time::Instant::now() < until,
                    "still refused: {error}"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// What the other one finds, who signs in for it: no text twice, none with another body.
    pub(crate) async fn found(&self) -> Vec<u64> {
        let dial = Dial::new(self.address);
        let peer = Peer::open(&dial, &self.users[1].token).await;
        let mut peer = peer.expect("signing in goes on");
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let page = peer.page(self.pair.id, after).await.expect("a page");
            for logged in &page.events {
                after = logged.seq;
                if let Event::MessageCreated(message) = &logged.event {
                    let name = message.client_msg_id.as_ref().map(|id| id.as_str());
                    let number = name.and_then(number_of).expect("one of ours");
                    assert_eq!(message.text, text_of(number, TEXT_BYTES));
                    assert_eq!(name, Some(name_of(number).as_str()));
                    found.push(number);
                }
            }
            if !page.has_more {
                peer.close();
                return found;
            }
        }
    }

    /// What is stored is what was acknowledged, each once; of what was refused nothing.
    pub(crate) async fn is_whole(&self) {
        let mut found = self.found().await;
        let mut acknowledged = self.acknowledged.clone();
        found.sort_unstable();
        acknowledged.sort_unstable();
        assert_eq!(found, acknowledged);
    }

    /// Everything that was acknowledged is there. What was refused may be, too, where nobody
    /// could know.
    pub(crate) async fn lost_nothing(&self) {
        let found = self.found().await;
        let lost = |number: &&u64| !found.contains(number);
        let lost: Vec<_> = self.acknowledged.iter().filter(lost).collect();
        assert_eq!(lost, Vec::<&u64>::new());
        let mut once = found.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), found.len(), "nothing twice");
    }

    async fn get(&self, path: &str) -> Answer {
        let mut rest = Rest::connect(self.address).await.expect("it listens");
        let answer = rest.ask("GET", path, &self.users[1].token, None).await;
        answer.expect("an answer")
    }

    /// It says of itself that it is there, and that it should get no traffic.
    pub(crate) async fn is_degraded(&self) {
        let health = self.get("/health").await;
        assert_eq!(health.status, 200);
        assert_eq!(health.body["status"], "degraded");
        assert_eq!(self.get("/ready").await.status, 503);
    }

    pub(crate) async fn until_ready(&self) {
        let until = tokio::time::Instant::now() + PATIENCE;
        while self.get("/ready").await.status != 200 {
            assert!(tokio::time::Instant::now() < until, "it is not ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
