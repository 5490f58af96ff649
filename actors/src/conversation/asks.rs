//! From a command to what the conversation does about it.

use actix::{AsyncContext, Context, WrapFuture};
use bedside_protocol::{
    Command, CommandError, Event, EventFrame, Message, MessageSend, Reply,
    command::{ConversationSet, MemberAdd, MemberRemove},
    event::{Change, ConversationChanged},
    limits,
    node::{Audience, Subscription},
    reply::{Empty, Subscribed},
};
use std::sync::Arc;

use super::{
    Act, Ask, ConversationActor, Stage,
    consultation::Step,
    decide,
    queue::{Kept, Pass, Waiting},
    receipts::Which,
    state::{Known, Planned, State, check_pending},
};
use crate::{
    caller::Caller,
    cluster::Spread,
    counters::COUNTERS,
    outbox::SharedEvent,
    ports::store::{AuditRecord, LogRange, Preferences, Select, StoreError, page::toggle_reaction},
    rights::{self, Party, Verb},
};

pub(super) fn storage_error(fault: &StoreError) -> CommandError {
    tracing::error!(error = %fault, "storage failed");
    CommandError::unavailable("storage is unavailable", 200)
}

impl ConversationActor {
    /// Does what is asked; the state is there.
    pub(super) fn ask(&mut self, waiting: Waiting, ctx: &mut Context<Self>) {
        let Ask {
            caller,
            act,
            responder,
            since,
        } = waiting.ask;
        let pass = Pass {
            responder,
            origin: caller.origin.clone(),
            since,
            turn: waiting.turn,
            kept: Kept::of(&caller, &act),
        };
        match act {
            Act::Command(command) => self.command(caller, command, pass, ctx),
            Act::CancelConsultation => self.consult(&caller, Step::Cancel, pass),
            Act::SystemMessage(text) => self.system_message(&caller, text, pass, ctx),
            Act::Notice(text) => self.notice(text, pass),
        }
        self.push_fanout(ctx);
    }

    fn command(&mut self, caller: Caller, command: Command, pass: Pass, ctx: &mut Context<Self>) {
        if let Some(hook) = &self.shared.config.on_command {
            hook(&self.id, &command);
        }
        let appends = matches!(
            command,
            Command::ConversationUpdate(_)
                | Command::MemberAdd(_)
                | Command::MemberRemove(_)
                | Command::MemberLeave(_)
        );
        if appends && let Err(error) = check_pending(self.pending.len()) {
            return pass.responder.err(error);
        }
        if !pass.turn.has_looked && self.is_beyond(&command) {
            return self.look_beyond(caller, command, pass, ctx);
        }
        match command {
            Command::MessageSend(send) => self.send(caller, send, pass, ctx),
            Command::MessageEdit(edit) => {
                let seq = edit.seq;
                self.with_target(
                    seq,
                    caller,
                    pass,
                    ctx,
                    move |actor, state, caller, target| {
                        let window = actor.edit_window();
                        decide::edit(state, caller, edit, target, window, actor.now()).map(Ok)
                    },
                );
            }
            Command::MessageDelete(delete) => {
                self.with_target(
                    delete.seq,
                    caller,
                    pass,
                    ctx,
                    move |actor, state, caller, target| {
                        decide::delete(state, caller, delete.seq, target, actor.now()).map(Ok)
                    },
                );
            }
            Command::MessageReact(react) => {
                let seq = react.seq;
                self.with_target(
                    seq,
                    caller,
                    pass,
                    ctx,
                    move |actor, state, caller, target| {
                        decide::react(state, caller, react, target, actor.now())
                    },
                );
            }
            Command::ConversationUpdate(update) => {
                let now = self.shared.clock.now();
                let planned = self
                    .state_mut()
                    .map(|state| decide::rename(state, &caller, update.title, now));
                self.carry_out(planned, pass);
            }
            Command::MemberAdd(add) => self.add_member(caller, add, pass, ctx),
            Command::MemberRemove(remove) => self.remove_member(&caller, &remove, pass),
            Command::MemberLeave(_) => {
                let now = self.shared.clock.now();
                let planned = self.state_mut().map(|state| {
                    state.check(Verb::Leave, &caller, now)?;
                    if decide::is_last_admin(state, &caller.user_id) && state.present().count() > 1
                    {
                        return Err(CommandError::new(
                            bedside_protocol::ErrorCode::Conflict,
                            "make somebody else an admin before you leave",
                        ));
                    }
                    decide::end_member(state, Some(&caller.user_id), &caller.user_id, now)
                });
                self.carry_out(planned, pass);
            }
            Command::ReceiptDeliver(r) => {
                self.receipt(&caller, Which::Delivered, r.up_to_seq, pass.responder, ctx);
            }
            Command::ReceiptRead(r) => {
                self.receipt(&caller, Which::Read, r.up_to_seq, pass.responder, ctx);
            }
            Command::TypingSet(typing) => {
                let result = self.set_typing(&caller, typing, ctx);
                pass.responder.answer(result);
            }
            Command::ConversationSet(set) => self.set_preferences(&caller, &set, pass, ctx),
            Command::ConversationSubscribe(_) => self.subscribe(&caller, pass, ctx),
            Command::ConversationUnsubscribe(_) => {
                self.unsubscribe(&caller);
                pass.responder.ok(Reply::Empty(Empty {}));
            }
            Command::ConsultationStart(_) => self.consult(&caller, Step::Start, pass),
            Command::ConsultationEnd(end) => {
                self.consult(&caller, Step::End { notes: end.notes }, pass);
            }
            Command::ConsultationJoin(_) => self.join_room(&caller, pass),
            Command::ConsultationLeave(r) => {
                if let Some(origin) = &pass.origin {
                    let rooms = &self.shared.rooms;
                    rooms.leave(r.consultation_id, origin.session_id());
                }
                pass.responder.ok(Reply::Empty(Empty {}));
            }
            other => pass.responder.err(CommandError::invalid(format!(
                "{} does not go to a conversation",
                other.name()
            ))),
        }
    }

    pub(super) fn state_mut(&mut self) -> Option<&mut State> {
        match &mut self.stage {
            Stage::Ready(state) => Some(state),
            _ => None,
        }
    }

    /// Sends a decision on its way, or answers with its refusal.
    pub(super) fn carry_out(&mut self, planned: Option<Result<Planned, CommandError>>, pass: Pass) {
        match planned {
            Some(Ok(planned)) => self.append(planned, pass),
            Some(Err(error)) => pass.responder.err(error),
            // The state was lost meanwhile: dropping the responder answers `unavailable`.
            None => {}
        }
    }

    fn send(&mut self, caller: Caller, send: MessageSend, pass: Pass, ctx: &mut Context<Self>) {
        let now = self.shared.clock.now();
        let hosts = &self.shared.config.attachment_hosts;
        let pending = self.pending.len();
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        let checked = state
            .check(Verb::Post, &caller, now)
            .and_then(|()| send.validate_body())
            .and_then(|()| check_attachments(&send, hosts))
            .and_then(|()| decide::check_reply_to(state, &caller, send.reply_to_seq))
            .and_then(|()| check_pending(pending));
        if let Err(error) = checked {
            return pass.responder.err(error);
        }
        let hash = (self.shared.config.body_hash)(&send);
        let known = send.client_msg_id.as_ref().map_or(Known::New, |name| {
            state.recent.look_up(&caller.user_id, name)
        });
        match known {
            Known::New => self.send_new(&caller, send, hash, pass),
            Known::Sent(sent) => {
                let repeated = decide::repeated(state, &sent, hash);
                COUNTERS.messages_duplicate.add(1);
                match self.pending.iter_mut().find(|p| p.seq == sent.seq) {
                    // The first try is still on its way: this one is answered with it.
                    Some(first) if repeated.is_ok() => first.waiters.push(pass),
                    _ => pass.responder.answer(repeated),
                }
            }
            Known::AskStore => self.send_after_look(caller, send, hash, pass, ctx),
        }
    }

    fn send_new(
        &mut self,
        caller: &Caller,
        send: MessageSend,
        hash: crate::ports::store::BodyHash,
        pass: Pass,
    ) {
        let now = self.shared.clock.now();
        self.stop_typing(&caller.user_id);
        let planned = self
            .state_mut()
            .map(|state| Ok(decide::send(state, caller, send, hash, now)));
        self.carry_out(planned, pass);
    }

    /// Looks into the store for an older send under the same `client_msg_id`. Nothing overtakes
    /// it: the mailbox waits.
    fn send_after_look(
        &mut self,
        caller: Caller,
        send: MessageSend,
        hash: crate::ports::store::BodyHash,
        pass: Pass,
        ctx: &mut Context<Self>,
    ) {
        let Some(client_msg_id) = send.client_msg_id.clone() else {
            return self.send_new(&caller, send, hash, pass);
        };
        let (shared, id, sender) = (self.shared.clone(), self.id, caller.user_id.clone());
        let look = async move { shared.store.find_sent(id, sender, client_msg_id).await };
        self.hold(ctx, look, move |found, actor, ctx| {
            match found {
                Ok(None) => actor.send_new(&caller, send, hash, pass),
                Ok(Some(record)) => {
                    COUNTERS.messages_duplicate.add(1);
                    let answer = actor.state_mut().map(|state| {
                        let sent = super::state::Sent {
                            seq: record.seq,
                            message_id: record.message_id,
                            created_at: record.created_at,
                            body_hash: record.body_hash,
                        };
                        decide::repeated(state, &sent, hash)
                    });
                    if let Some(answer) = answer {
                        pass.responder.answer(answer);
                    }
                }
                Err(fault) => pass.responder.err(storage_error(&fault)),
            }
            actor.push_fanout(ctx);
        });
    }

    /// Reads a message as it stands and decides on it.
    fn with_target(
        &mut self,
        seq: u64,
        caller: Caller,
        pass: Pass,
        ctx: &mut Context<Self>,
        decide: impl FnOnce(
            &ActorView<'_>,
            &mut State,
            &Caller,
            Option<&Message>,
        ) -> Result<Result<Planned, Reply>, CommandError>
        + 'static,
    ) {
        if let Err(error) = check_pending(self.pending.len()) {
            return pass.responder.err(error);
        }
        let (shared, id) = (self.shared.clone(), self.id);
        let read = async move { shared.store.read_log(id, LogRange::one(seq)).await };
        self.hold(ctx, read, move |page, actor, ctx| {
            let page = match page {
                Ok(page) => page,
                Err(fault) => return pass.responder.err(storage_error(&fault)),
            };
            let first = page.events.into_iter().next();
            let mut target = first.and_then(|logged| match logged.event {
                Event::MessageCreated(message) => Some(message),
                _ => None,
            });
            if let Some(message) = &mut target {
                // Those on their way are as good as there: who takes an emoji off again counts
                // on it, and so does the bound.
                for pending in &actor.pending {
                    if let Event::MessageReacted(r) = &pending.event
                        && r.target_seq == seq
                    {
                        toggle_reaction(&mut message.reactions, &r.emoji, &r.user_id, r.on);
                    }
                }
            }
            let view = ActorView {
                shared: &actor.shared.clone(),
            };
            let Stage::Ready(state) = &mut actor.stage else {
                return;
            };
            match decide(&view, state, &caller, target.as_ref()) {
                Ok(Ok(planned)) => actor.append(planned, pass),
                Ok(Err(reply)) => pass.responder.ok(reply),
                Err(error) => pass.responder.err(error),
            }
            actor.push_fanout(ctx);
        });
    }

    fn add_member(&mut self, caller: Caller, add: MemberAdd, pass: Pass, ctx: &mut Context<Self>) {
        let now = self.shared.clock.now();
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        if let Err(error) = state.check(Verb::Manage, &caller, now) {
            return pass.responder.err(error);
        }
        if add.share_history && !caller.roles.is_clinician() {
            return pass.responder.err(CommandError::forbidden(
                "share_history: only a clinician may share what came before",
            ));
        }
        let (shared, kind, patient_id) =
            (self.shared.clone(), state.kind, state.patient_id.clone());
        let (user_id, share, id) = (add.user_id.clone(), add.share_history, self.id);
        let actor_id = caller.user_id.clone();
        let is_again = pass.turn.is_again();
        let read = async move {
            let person = shared.store.people(vec![user_id]).await?.pop();
            let relations = match &patient_id {
                Some(patient_id) => shared.store.relations_of(patient_id.clone()).await?,
                None => Vec::new(),
            };
            if share
                && !is_again
                && let Some(person) = &person
            {
                shared
                    .trail
                    .write(AuditRecord {
                        at: now,
                        actor: Some(actor_id),
                        action: "member.share_history".into(),
                        subject: id.to_string(),
                        detail: format!("user {}", person.user_id),
                    })
                    .await?;
            }
            Ok::<_, StoreError>((person, relations, patient_id))
        };
        self.hold(ctx, read, move |found, actor, ctx| {
            let (person, relations, patient_id) = match found {
                Ok((Some(person), relations, patient_id)) => (person, relations, patient_id),
                Ok((None, ..)) => {
                    return pass.responder.err(CommandError::not_found(
                        "user_id: nobody of that id is known",
                    ));
                }
                Err(fault) => return pass.responder.err(storage_error(&fault)),
            };
            let party = Party {
                user_id: person.user_id.clone(),
                roles: person.roles,
            };
            let until = match rights::may_join(kind, patient_id.as_ref(), &party, &relations, now) {
                Ok(until) => until,
                Err(error) => return pass.responder.err(error),
            };
            let from_start = patient_id
                .as_ref()
                .is_some_and(|patient| rights::is_clinician_of(&party, patient, &relations, now));
            let slot = actor.shared.sessions.slot(&person.user_id);
            let newcomer = decide::newcomer(person, slot, Some(until), from_start, now);
            let planned = actor
                .state_mut()
                .map(|state| decide::add_member(state, &caller, &add, newcomer, from_start, now));
            actor.carry_out(planned, pass);
            actor.push_fanout(ctx);
        });
    }

    fn remove_member(&mut self, caller: &Caller, remove: &MemberRemove, pass: Pass) {
        let now = self.shared.clock.now();
        let planned = self.state_mut().map(|state| {
            state.check(Verb::Manage, caller, now)?;
            decide::check_admin_stays(state, &remove.user_id)?;
            decide::end_member(state, Some(&caller.user_id), &remove.user_id, now)
        });
        self.carry_out(planned, pass);
    }

    fn set_preferences(
        &mut self,
        caller: &Caller,
        set: &ConversationSet,
        pass: Pass,
        ctx: &mut Context<Self>,
    ) {
        let now = self.shared.clock.now();
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        if let Err(error) = state.check(Verb::Set, caller, now) {
            return pass.responder.err(error);
        }
        let Some(member) = state.member(&caller.user_id) else {
            return;
        };
        let before = member.record.preferences;
        let to = Preferences {
            pinned: set.pinned.unwrap_or(before.pinned),
            muted_until: set.muted_until.unwrap_or(before.muted_until),
            archived: set.archived.unwrap_or(before.archived),
        };
        let (shared, key, user_id) = (self.shared.clone(), state.key, caller.user_id.clone());
        let (who, id, is_past) = (user_id.clone(), self.id, !member.is_present());
        let write = async move {
            let store = &shared.store;
            store.put_preferences(key, who.clone(), to).await?;
            if !is_past {
                return Ok(None);
            }
            // What came after their window is nothing to them; the state only knows the head.
            let mut found = store.conversations(who, Select::Ids(vec![id])).await?;
            Ok(found.rows.pop().map(|row| row.me))
        };
        // Two settings of one member must not overtake each other.
        self.hold(ctx, write, move |result, actor, _| {
            let past = match result {
                Ok(past) => past,
                Err(fault) => return pass.responder.err(storage_error(&fault)),
            };
            let id = actor.id;
            let Some(state) = actor.state_mut() else {
                return;
            };
            let Some(member) = state.member_mut(&user_id) else {
                return;
            };
            member.record.preferences = to;
            let Some(member) = state.member(&user_id) else {
                return;
            };
            let mine = past.unwrap_or_else(|| state.mine(member));
            let mut changed = ConversationChanged::new(Change::Preferences, Some(user_id), now);
            changed.me = Some(mine.clone());
            let event =
                SharedEvent::new(EventFrame::about(id, Event::ConversationChanged(changed)));
            let origin = pass.origin.map(|origin| origin.session_id());
            member.slot.event(&event, origin, |_| true);
            let slot = member.slot.clone();
            let mut spread = Spread::new(actor.shared.cluster.as_deref());
            spread.add(&slot);
            spread.send(&event, Audience::All, origin);
            pass.responder.ok(Reply::Mine(mine));
        });
    }

    fn subscribe(&mut self, caller: &Caller, pass: Pass, ctx: &mut Context<Self>) {
        let now = self.shared.clock.now();
        let Stage::Ready(state) = &self.stage else {
            return;
        };
        if let Err(error) = state.check(Verb::Read, caller, now) {
            return pass.responder.err(error);
        }
        let standing = state.standing(&caller.user_id, caller.roles, now);
        let hidden = state
            .member(&caller.user_id)
            .is_none_or(|m| state.is_hidden_from(m));
        // A read-only chat can be on screen, but nothing ephemeral comes from it.
        if rights::may(Verb::Subscribe, &standing).is_err() || hidden {
            if let Some(responder) = pass.responder.let_subscribe(|| None) {
                responder.ok(Reply::Subscribed(Subscribed::default()));
            }
            return;
        }
        let typing: Vec<_> = self
            .typing
            .keys()
            .filter(|user_id| **user_id != caller.user_id)
            .cloned()
            .collect();
        let own = state.member(&caller.user_id).and_then(|m| m.related);
        let others: Vec<_> = state
            .present()
            .filter(|m| m.record.user_id != caller.user_id)
            .take(limits::PRESENCE_WATCH_MAX)
            .map(|m| {
                let ends = [own, m.related].into_iter().flatten();
                let until = ends.filter_map(rights::Until::at).min();
                (m.record.user_id.clone(), until)
            })
            .collect();
        let subscription = || {
            Some(Subscription {
                typing: typing.clone(),
                watch: others.clone(),
            })
        };
        let Some(responder) = pass.responder.let_subscribe(subscription) else {
            return;
        };
        let shared = self.shared.clone();
        // Before anything else is handled: it may be the end of this subscription.
        if let Some(origin) = caller.outbox() {
            let who = &caller.user_id;
            shared.subscriptions.add(self.id, who.clone(), origin);
            shared
                .presence
                .watch_conversation(origin, who, self.id, &others);
        }
        let others = others.into_iter().map(|(user_id, _)| user_id).collect();
        ctx.spawn(
            async move {
                let presence = shared.presence.of(&shared, others).await;
                match presence {
                    Ok(presence) => {
                        responder.ok(Reply::Subscribed(Subscribed { typing, presence }));
                    }
                    Err(fault) => responder.err(storage_error(&fault)),
                }
            }
            .into_actor(self),
        );
    }

    fn unsubscribe(&self, caller: &Caller) {
        if let Some(origin) = &caller.origin {
            let session_id = origin.session_id();
            self.shared.subscriptions.remove(self.id, session_id);
            self.shared
                .presence
                .unwatch_conversation(session_id, self.id);
        }
    }
}

/// What a decision may ask of its surroundings.
struct ActorView<'a> {
    shared: &'a Arc<crate::node::Shared>,
}

impl ActorView<'_> {
    fn now(&self) -> bedside_protocol::Timestamp {
        self.shared.clock.now()
    }

    fn edit_window(&self) -> std::time::Duration {
        self.shared.config.edit_window
    }
}

/// Attachment URLs: https, and only hosts that the clinic allowed. The server never fetches
/// them, but its clients do.
fn check_attachments(send: &MessageSend, hosts: &[String]) -> Result<(), CommandError> {
    for attachment in &send.attachments {
        let host = attachment
            .url
            .strip_prefix("https://")
            .map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
        let is_allowed = host.is_some_and(|host| {
            !host.contains(['@', '\\'])
                && hosts
                    .iter()
                    .any(|allowed| allowed.eq_ignore_ascii_case(host))
        });
        if !is_allowed
            || attachment
                .url
                .chars()
                .any(|c| c.is_control() || c.is_whitespace())
        {
            return Err(CommandError::invalid(
                "attachments: url must be https on one of the allowed hosts",
            ));
        }
    }
    Ok(())
}
