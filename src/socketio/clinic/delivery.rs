//! How far a client has received what: these clients have no command that says so.
//!
//! A message counts as delivered once it was written to the connection and something came from
//! the client after that.

use bedside_protocol::ConversationId;
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};

/// How often receipts are sent, at most.
const EVERY: Duration = Duration::from_secs(1);
/// Room that an idle client keeps.
const KEPT_MAX: usize = 4;
/// Receipts that are sent at once; the rest waits for the next time.
const AT_ONCE: usize = 16;

type Place = (ConversationId, u64);

/// A message on its way out.
struct Taken {
    place: Place,
    is_direct: bool,
}

/// What one client was sent of messages of others.
#[derive(Default)]
pub(super) struct Delivery {
    /// Taken out, and perhaps not written yet.
    taken: Vec<Taken>,
    /// Written.
    written: Vec<Place>,
    /// Received.
    due: Vec<Place>,
    last: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Delivery {
    /// This message is on its way out.
    pub(super) fn taken(&mut self, place: Place, is_direct: bool) {
        match self.taken.last_mut() {
            Some(last) if last.place.0 == place.0 => last.place.1 = place.1.max(last.place.1),
            _ => self.taken.push(Taken { place, is_direct }),
        }
    }

    /// All that was taken is written; `note` is told what that was of direct conversations.
    pub(super) fn written(&mut self, mut note: impl FnMut(Place)) {
        for Taken { place, is_direct } in self.taken.drain(..) {
            if is_direct {
                note(place);
            }
            raise(&mut self.written, place);
        }
        self.taken.shrink_to(KEPT_MAX);
    }

    /// Something came from the client.
    pub(super) fn heard(&mut self) {
        for place in std::mem::take(&mut self.written) {
            raise(&mut self.due, place);
        }
    }

    /// The receipts to be sent now, if any. Otherwise the task is woken when there are.
    pub(super) fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Place>> {
        if self.due.is_empty() {
            return Poll::Pending;
        }
        let now = Instant::now();
        if let Some(last) = self.last
            && now < last + EVERY
        {
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(last + EVERY)));
            std::task::ready!(timer.as_mut().poll(cx));
        }
        self.timer = None;
        self.last = Some(now);
        let rest = self.due.split_off(self.due.len().min(AT_ONCE));
        Poll::Ready(std::mem::replace(&mut self.due, rest))
    }
}

fn raise(places: &mut Vec<Place>, (id, seq): Place) {
    // The newest one is likely the same conversation.
    match places.iter_mut().rev().find(|place| place.0 == id) {
        Some(place) => place.1 = seq.max(place.1),
        None => places.push((id, seq)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt as _, future::poll_fn};

    fn due(delivery: &mut Delivery) -> Option<Vec<Place>> {
        poll_fn(|cx| delivery.poll_due(cx)).now_or_never()
    }

    fn send(delivery: &mut Delivery, place: Place) {
        delivery.taken(place, true);
        delivery.written(|_| {});
        delivery.heard();
    }

    #[tokio::test(start_paused = true)]
    async fn it_counts_when_it_was_written_and_something_came_after() {
        let (mut delivery, id) = (Delivery::default(), ConversationId::new());
        let group = ConversationId::new();
        delivery.taken((id, 1), true);
        delivery.heard();
        assert_eq!(due(&mut delivery), None, "not written");
        let mut noted = Vec::new();
        delivery.taken((id, 2), true);
        delivery.taken((group, 7), false);
        delivery.written(|place| noted.push(place));
        assert_eq!(noted, [(id, 2)], "groups are not");
        assert_eq!(due(&mut delivery), None, "nothing heard since");
        delivery.taken((id, 3), true);
        delivery.heard();
        assert_eq!(due(&mut delivery), Some(vec![(id, 2), (group, 7)]));
        assert_eq!(due(&mut delivery), None);
    }

    #[tokio::test(start_paused = true)]
    async fn receipts_go_at_most_once_a_second() {
        let (mut delivery, id) = (Delivery::default(), ConversationId::new());
        send(&mut delivery, (id, 1));
        assert_eq!(due(&mut delivery), Some(vec![(id, 1)]), "the first at once");
        send(&mut delivery, (id, 2));
        assert_eq!(due(&mut delivery), None);
        send(&mut delivery, (id, 3));
        // By itself, without another word from the client.
        let before = Instant::now();
        assert_eq!(poll_fn(|cx| delivery.poll_due(cx)).await, [(id, 3)]);
        assert_eq!(before.elapsed(), EVERY);
    }

    #[tokio::test(start_paused = true)]
    async fn many_go_in_turns() {
        let mut delivery = Delivery::default();
        for _ in 0..AT_ONCE + 1 {
            send(&mut delivery, (ConversationId::new(), 1));
        }
        assert_eq!(due(&mut delivery).map(|due| due.len()), Some(AT_ONCE));
        assert_eq!(poll_fn(|cx| delivery.poll_due(cx)).await.len(), 1);
    }
}
