//! One client in one namespace, as the transport sees it.

use bedside_actors::outbox::{Ambient, Drained, Item, SharedEvent, Unwatched};
use bedside_protocol::{CloseCode, CommandError, Event, Reply, UserId};
use futures_util::future::FutureExt as _;
use std::{
    any::Any,
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    asked::{Asked, What},
    client::{Client, Found, Missing, Note, Step},
    input::Input,
    out::Out,
    refresh,
    rooms::RoomEvent,
};
use crate::socketio::application::{ClientEvent, End, Packets, Peer, PeerOutput};

/// Items taken out of the outbox at once, so that most of what waits does so within its bounds.
const ITEMS_AT_ONCE: usize = 64;

/// Room for them that a client keeps.
const ITEMS_KEPT: usize = 8;

/// Fields that name who does something.
pub(super) const WHO: &[&str] = &["senderId", "userId", "initiatedBy"];

/// What is spoken in one namespace.
pub(super) trait Dialect: Send + 'static {
    /// Which.
    const NAMESPACE: &'static str;
    /// What its clients hear without asking.
    const AMBIENT: Ambient;
    /// What its clients may emit.
    const EVENTS: &'static [&'static str];

    /// Further members of the answer to CONNECT.
    fn greeting(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Fields that must name the caller where they are there.
    fn who(_event: &str) -> &'static [&'static str] {
        WHO
    }

    /// Nothing passes the client by from here on.
    fn opened(&mut self, _core: &mut Client) {}

    /// The client emitted this. Errors: what it is refused with.
    fn event(&mut self, client: &mut Client, input: Input) -> Result<(), CommandError>;

    /// Something was found out that is no command, answer or refusal.
    fn step(&mut self, _core: &mut Client, _step: Step) {}

    /// Something has to be found out before the client is told that it is in.
    fn is_opening(&self) -> bool {
        false
    }

    /// Nothing is to be shown yet.
    fn is_holding(&self) -> bool {
        false
    }

    /// What waited when it was asked for is through.
    fn marked(&mut self) {}

    /// Somebody's presence is not watched any more, though it may be again. Errors: as for
    /// [`Self::show`].
    fn unwatched(&mut self, _client: &mut Client, _user_id: &UserId) -> Result<(), Missing> {
        Ok(())
    }

    /// Shows an event. Errors: what has to be found out first; then it is called again.
    fn show(
        &mut self,
        client: &mut Client,
        event: &Arc<SharedEvent>,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing>;

    /// Answers a command that went well. Errors: as for [`Self::show`].
    fn answer(
        &mut self,
        client: &mut Client,
        asked: &Asked,
        reply: &Reply,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing>;

    /// Shows what goes to a room, if the client is in it.
    fn show_room(&mut self, _event: &RoomEvent, _out: &mut Out<'_, '_>) {}

    /// The client is gone.
    fn closed(&mut self, _core: &Client) {}
}

/// See the module's text.
pub(super) struct ClinicPeer<D: Dialect> {
    client: Client,
    dialect: D,
    is_open: bool,
    /// Taken out of the outbox and not shown yet.
    items: VecDeque<Item>,
    /// What the first of them waits for.
    missing: Option<Missing>,
    ended: Option<CloseCode>,
}

impl<D: Dialect> ClinicPeer<D> {
    pub(super) fn new(client: Client, dialect: D) -> Self {
        Self {
            client,
            dialect,
            is_open: false,
            items: VecDeque::new(),
            missing: None,
            ended: None,
        }
    }

    fn take_steps(&mut self, cx: &mut Context<'_>) {
        while let Some(step) = self.client.poll_step(cx) {
            match step {
                Step::Command(command, asked) => self.client.command(command, asked),
                Step::Done(asked, answer) => self.client.done(asked.ack, &answer),
                Step::Refused(asked, error) => self.client.refuse(&asked, error),
                other => self.dialect.step(&mut self.client, other),
            }
        }
    }

    /// Takes items out of the outbox; none when it is closed.
    fn poll_items(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        if self.ended.is_some() {
            return Poll::Ready(None);
        }
        loop {
            let outbox = &self.client.outbox;
            match std::task::ready!(outbox.poll_items(cx, &mut self.items, ITEMS_AT_ONCE)) {
                Drained::Frames => return Poll::Ready(Some(())),
                Drained::Holes(holes) => self.client.fill_holes(holes),
                Drained::Closed(code) => {
                    self.ended = Some(code);
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// Shows what was taken out; pending when something has to be found out first.
    fn poll_show(&mut self, cx: &mut Context<'_>, out: &mut Out<'_, '_>) -> Poll<()> {
        loop {
            if let Some(missing) = &mut self.missing {
                self.client.found = Some(std::task::ready!(missing.poll_unpin(cx)));
                self.missing = None;
            }
            let Some(item) = self.items.pop_front() else {
                if self.items.capacity() > ITEMS_KEPT {
                    // An idle client keeps no room for a burst long past.
                    self.items = VecDeque::new();
                }
                return Poll::Ready(());
            };
            match self.show(&item, out) {
                Ok(()) => self.client.found = None,
                Err(missing) => {
                    self.missing = Some(missing);
                    self.items.push_front(item);
                }
            }
        }
    }

    fn show(&mut self, item: &Item, out: &mut Out<'_, '_>) -> Result<(), Missing> {
        match item {
            Item::Event(event) => self.show_event(event, out),
            Item::Reply(number, reply) => {
                let Some(asked) = self.client.asked.get(*number).cloned() else {
                    return Ok(());
                };
                match asked.what {
                    What::Refreshed => refresh::answer(&mut self.client, &asked, reply, out),
                    _ => self.dialect.answer(&mut self.client, &asked, reply, out)?,
                }
                self.settle(*number);
                Ok(())
            }
            Item::Error(number, error) => {
                let number = number.unwrap_or_default();
                let Some(asked) = self.client.asked.get(number).cloned() else {
                    return Ok(());
                };
                if !matches!(self.client.found, Some(Found::Audited))
                    && let Some(entry) = self.client.entry_of(&asked, error)
                {
                    return Err(self.client.audit(entry));
                }
                if !asked.is_quiet() {
                    out.refuse(asked.ack, error);
                }
                self.settle(number);
                Ok(())
            }
            Item::Note(note) => self.show_note(&**note, out),
            // A raw outbox holds none.
            Item::Frame(_) => Ok(()),
        }
    }

    fn settle(&mut self, number: u64) {
        self.client.asked.take(number);
        self.client.wake_reader();
    }

    fn show_event(
        &mut self,
        event: &Arc<SharedEvent>,
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        if let Event::SessionExpiring(_) = event.frame().event {
            refresh::remind(out);
            return Ok(());
        }
        self.dialect.show(&mut self.client, event, out)
    }

    fn open(&mut self) {
        if !self.is_open {
            self.is_open = true;
            self.dialect.opened(&mut self.client);
        }
    }

    fn show_note(
        &mut self,
        note: &(dyn Any + Send + Sync),
        out: &mut Out<'_, '_>,
    ) -> Result<(), Missing> {
        if let Some(event) = note.downcast_ref::<RoomEvent>() {
            self.dialect.show_room(event, out);
            return Ok(());
        }
        if let Some(Unwatched(user_id)) = note.downcast_ref() {
            return self.dialect.unwatched(&mut self.client, user_id);
        }
        match note.downcast_ref::<Note>() {
            Some(Note::Answer(ack, answer)) => out.answer(Some(*ack), answer),
            Some(Note::Emit(event, argument)) => out.emit(event, argument),
            Some(Note::Mark) => self.dialect.marked(),
            Some(Note::Refused(ack, error, entry)) => {
                if !matches!(self.client.found, Some(Found::Audited))
                    && let Some(entry) = entry.clone()
                {
                    return Err(self.client.audit(entry));
                }
                out.refuse(*ack, error);
            }
            None => debug_assert!(false, "a note that nobody here wrote"),
        }
        Ok(())
    }
}

impl<D: Dialect> Peer for ClinicPeer<D> {
    fn greeting(&self) -> Vec<(&'static str, String)> {
        self.dialect.greeting()
    }

    fn poll_admitted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.is_open {
            if std::task::ready!(self.poll_items(cx)).is_none() {
                break;
            }
            // Before it comes no more than that the token is about to run out.
            if let Some(at) = self.items.iter().position(is_welcome) {
                self.items.remove(at);
                self.open();
            }
        }
        self.take_steps(cx);
        if self.is_open && self.dialect.is_opening() {
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.take_steps(cx);
        self.client.poll_commands(cx);
        self.client.poll_ready(cx)
    }

    fn event(&mut self, event: ClientEvent, ack: Option<i64>) {
        let known = match event.name() {
            refresh::EVENT => &[refresh::EVENT],
            _ => D::EVENTS,
        };
        let input = match Input::read(known, event, ack) {
            Ok(input) => input,
            Err(error) => return self.client.reject(ack, error),
        };
        if let Err(impostor) = input.check_identity(self.client.me(), D::who(input.event)) {
            return self.client.refuse_impostor(&input, &impostor);
        }
        let taken = match input.event {
            refresh::EVENT => refresh::ask(&mut self.client, &input),
            _ => self.dialect.event(&mut self.client, input),
        };
        if let Err(error) = taken {
            self.client.reject(ack, error);
        }
    }

    fn poll_output(&mut self, cx: &mut Context<'_>, into: &mut Packets<'_>) -> Poll<PeerOutput> {
        let mut out = Out::new(into, D::NAMESPACE);
        loop {
            self.take_steps(cx);
            self.client.poll_commands(cx);
            let shown = if self.dialect.is_holding() {
                Poll::Pending
            } else {
                self.poll_show(cx, &mut out)
            };
            if out.added() {
                return Poll::Ready(PeerOutput::Packets);
            }
            if shown.is_pending() {
                return match self.ended {
                    None => Poll::Pending,
                    // What it waits for may be what has ended it.
                    Some(code) => Poll::Ready(PeerOutput::End(end(code))),
                };
            }
            if std::task::ready!(self.poll_items(cx)).is_none() {
                let code = self.ended.unwrap_or(CloseCode::InternalError);
                return Poll::Ready(PeerOutput::End(end(code)));
            }
        }
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        match self.ended {
            Some(code) => Poll::Ready(end(code)),
            None => self.client.outbox.poll_closed(cx).map(end),
        }
    }

    fn written(&mut self) {
        let Client {
            hall,
            caller,
            delivery,
            ..
        } = &mut self.client;
        delivery.written(|(id, seq)| hall.shown.note(&caller.user_id, id, seq));
    }

    fn heard(&mut self) {
        self.client.delivery.heard();
    }
}

impl<D: Dialect> Drop for ClinicPeer<D> {
    fn drop(&mut self) {
        self.dialect.closed(&self.client);
    }
}

fn is_welcome(item: &Item) -> bool {
    matches!(item, Item::Event(event) if matches!(event.frame().event, Event::SessionWelcome(_)))
}

/// How a client is told of the end of its session: who comes back must need no new token.
fn end(code: CloseCode) -> End {
    match code {
        CloseCode::SlowConsumer
        | CloseCode::GoingAway
        | CloseCode::InternalError
        | CloseCode::IdleTimeout
        | CloseCode::Overloaded => End::Close(code),
        _ => End::Disconnect,
    }
}
