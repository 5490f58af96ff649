//! When a socket is pinged, and when it is given up on.

use bedside_protocol::{CloseCode, limits};
use std::{future::Future as _, task::Context, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{Driver, Gone, Phase};
use crate::ws::{
    dialect::Dialect,
    frame::{Opcode, framed},
};

const PING_INTERVAL: Duration = Duration::from_millis(limits::PING_INTERVAL_MS);
const IDLE_TIMEOUT: Duration = Duration::from_millis(limits::IDLE_TIMEOUT_MS);
/// How long a socket may take no byte while there are some for it.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// For what never comes.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

impl<S, D, G> Driver<S, D, G>
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: Dialect,
{
    pub(super) fn keep_time(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Gone> {
        self.hurry();
        while self.timer.as_mut().poll(cx).is_ready() {
            self.on_deadline(cx, now)?;
            // Never in the past, or this would go round for ever.
            let next = self.next_deadline().max(now + Duration::from_millis(1));
            self.timer.as_mut().reset(next);
            // What became due is written now, and not with the next event.
            self.write(cx, now)?;
        }
        Ok(())
    }

    /// A dialect may come to have less patience than it had when the timer was set.
    fn hurry(&mut self) {
        if let Phase::Open(dialect) = &self.phase
            && let Some((at, _)) = dialect.deadline()
            && at < self.timer.deadline()
        {
            self.timer.as_mut().reset(at);
        }
    }

    fn on_deadline(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Gone> {
        let dialect = match &mut self.phase {
            Phase::Closing { until, .. } if *until <= now => return Err(Gone),
            Phase::Closing { .. } => return Ok(()),
            Phase::Open(dialect) => dialect,
        };
        if self
            .stalled
            .is_some_and(|since| since + STALL_TIMEOUT <= now)
        {
            return Err(Gone);
        }
        if self.paused {
            // Not being read, it has no way to be heard.
            self.heard = now;
        }
        if dialect.deadline().is_some_and(|(at, _)| at <= now) {
            let step = dialect.on_deadline(now);
            self.take(step, cx, now);
        } else if dialect.has_heartbeat() {
            // Then silence is its business.
        } else if self.heard + IDLE_TIMEOUT <= now {
            self.close(CloseCode::IdleTimeout, cx, now);
        } else if self.ping_at() <= now {
            self.pinged = now;
            if self.stalled.is_none() {
                self.outgoing.push_control(framed(Opcode::Ping, &[]).into());
            }
        }
        Ok(())
    }

    /// A socket is quiet when one of its directions is: a client wants to hear as well.
    fn ping_at(&self) -> Instant {
        self.heard.min(self.wrote).max(self.pinged) + PING_INTERVAL
    }

    /// When something has to be done about a socket that is silent.
    fn silence_ends(&self, dialect: &D) -> Instant {
        if dialect.has_heartbeat() {
            // Nothing has to be; but every timer needs some end.
            self.heard + FAR
        } else {
            self.ping_at().min(self.heard + IDLE_TIMEOUT)
        }
    }

    fn next_deadline(&self) -> Instant {
        match &self.phase {
            Phase::Closing { until, .. } => *until,
            Phase::Open(dialect) => [
                dialect.deadline().map(|(at, _)| at),
                self.stalled.map(|since| since + STALL_TIMEOUT),
            ]
            .into_iter()
            .flatten()
            .fold(self.silence_ends(dialect), Instant::min),
        }
    }
}

/// The first deadline of a new socket.
pub(super) fn first_deadline<D: Dialect>(dialect: &D, now: Instant) -> Instant {
    let ping = now + PING_INTERVAL;
    dialect.deadline().map_or(ping, |(at, _)| at.min(ping))
}
