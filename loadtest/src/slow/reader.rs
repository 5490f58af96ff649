//! Those who read.

use bedside_protocol::{
    Command, Event, EventFrame, command::SyncResume, event::LoggedEvent, limits::TEXT_BYTES_MAX,
    reply::Resumed,
};
use std::sync::Arc;

use super::{PATIENCE, SLOW_CONSUMER, team::Team};
use crate::{
    Fault, Outcome, fault,
    peer::{self, Got, Peer},
    ws::Dial,
};

/// A conversation as one reader got it, seq 1 first: the number of each message, none for
/// other entries.
pub(super) type Log = Vec<Option<u64>>;

/// Somebody who reads all the time.
pub(super) struct Follower(tokio::task::JoinHandle<Outcome<(Log, usize)>>);

impl Follower {
    /// Has the fast one read until the log has so many messages.
    pub(super) async fn start(dial: &Dial, team: &Arc<Team>, messages: usize) -> Outcome<Self> {
        let (dial, team) = (dial.clone(), Arc::clone(team));
        let mut peer = Peer::open(&dial, &team.fast.token).await?;
        let (mut log, mut cuts) = (Log::new(), 0);
        resume(&mut peer, &team, &mut log).await?;
        Ok(Self(tokio::spawn(async move {
            // The first entry is the making of the team.
            while log.len() < messages + 1 {
                match tokio::time::timeout(PATIENCE, peer.read()).await?? {
                    Got::Event(frame) => take(&mut log, &team, *frame)?,
                    Got::Answer(_) => {}
                    Got::Closed(SLOW_CONSUMER) => {
                        cuts += 1;
                        peer = Peer::open(&dial, &team.fast.token).await?;
                        resume(&mut peer, &team, &mut log).await?;
                    }
                    Got::Closed(code) => {
                        return fault(format!("the fast one was closed with {code}"));
                    }
                }
            }
            Ok::<_, Fault>((log, cuts))
        })))
    }

    /// Its log, and how often it was cut off.
    pub(super) async fn followed(self) -> Outcome<(Log, usize)> {
        self.0.await?
    }
}

/// Catches up from where the log ends: by replay, or page by page when told to.
pub(super) async fn resume(peer: &mut Peer, team: &Team, log: &mut Log) -> Outcome<()> {
    let _: Resumed = peer
        .ask(&Command::SyncResume(SyncResume {
            positions: [(team.id, log.len() as u64)].into(),
            store_epoch: Some(peer.welcome.store_epoch.clone()),
            cursor: None,
        }))
        .await?;
    let mut is_reset = false;
    let frames = std::mem::take(&mut peer.events);
    let first = frames.iter().position(|(_, frame)| is_replay(frame, team));
    for (at, (_, frame)) in frames.into_iter().enumerate() {
        // What comes live before the server has read where this reader is may lie ahead; the
        // replay holds it as well.
        let is_before = first.is_some_and(|first| at < first);
        if is_before && frame.seq.is_some_and(|seq| seq > log.len() as u64 + 1) {
            continue;
        }
        is_reset |= matches!(frame.event, Event::SyncReset(_));
        take(log, team, frame)?;
    }
    while is_reset {
        let page = peer.page(team.id, log.len() as u64).await?;
        for logged in page.events {
            place(log, logged)?;
        }
        is_reset = page.has_more;
        if !is_reset {
            for (_, frame) in std::mem::take(&mut peer.events) {
                take(log, team, frame)?;
            }
        }
    }
    Ok(())
}

fn is_replay(frame: &EventFrame, team: &Team) -> bool {
    frame.conversation_id == Some(team.id)
        && matches!(frame.event, Event::SyncReset(_) | Event::SyncBatch(_))
}

/// Takes in what a frame says about the team's conversation.
pub(super) fn take(log: &mut Log, team: &Team, frame: EventFrame) -> Outcome<()> {
    if frame.conversation_id != Some(team.id) {
        return Ok(());
    }
    match (frame.seq, frame.event) {
        (_, Event::SyncBatch(batch)) => {
            for logged in batch.events {
                place(log, logged)?;
            }
            Ok(())
        }
        (Some(seq), event) => place(log, LoggedEvent { seq, event }),
        _ => Ok(()),
    }
}

/// Every entry comes in its turn, with the text that belongs to it. What is there already may
/// come again: a replay begins where it was asked to, whatever came live just before.
fn place(log: &mut Log, LoggedEvent { seq, event }: LoggedEvent) -> Outcome<()> {
    if seq <= log.len() as u64 {
        return Ok(());
    }
    if seq != log.len() as u64 + 1 {
        return fault(format!("seq {seq} came after {}", log.len()));
    }
    let Event::MessageCreated(message) = event else {
        log.push(None);
        return Ok(());
    };
    let number = message.client_msg_id.as_ref();
    let number = number.and_then(|name| peer::number_of(name.as_str()));
    let text = number.map(|number| peer::text_of(number, TEXT_BYTES_MAX));
    if text.as_ref() != Some(&message.text) {
        return fault(format!("seq {seq} came with another text"));
    }
    log.push(number);
    Ok(())
}
