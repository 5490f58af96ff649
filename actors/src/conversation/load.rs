//! Building the state from the store, and checking what memberships rest on.

use actix::{AsyncContext, Context};
use bedside_protocol::{
    CommandError, ConversationId, ConversationKind, ConversationState, RelationKind, Timestamp,
    UserId,
};
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;

use super::{ConversationActor, RELOAD_AFTER, Stage, decide, state::State};
use crate::{
    node::Shared,
    ports::store::{Loaded, Relation, Store, StoreResult},
    rights::{self, Party, Until},
};

/// The longest timer, so that a clock that was set is noticed.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A conversation and until when each member's membership holds.
struct Fresh {
    loaded: Loaded,
    related: HashMap<UserId, Standing>,
}

/// What a membership rests on.
#[derive(Clone, Copy, Default)]
struct Standing {
    /// Until when it holds; none when it has ended.
    until: Option<Until>,
    /// Whether they treat the patient.
    treats: bool,
}

impl ConversationActor {
    /// Reads everything from the store, after whatever this conversation still has on its way
    /// there. Nothing else is handled meanwhile.
    pub(super) fn load(&mut self, ctx: &mut Context<Self>) {
        let (shared, id) = (self.shared.clone(), self.id);
        let back_off = self.back_off();
        self.is_stale = false;
        self.looked_at = Instant::now();
        // A fresh actor has nothing on its way, but a predecessor that was given up on may.
        let read = async move {
            if !back_off.is_zero() {
                tokio::time::sleep(back_off).await;
            }
            let now = shared.clock.now();
            fresh(&shared, id, now).await
        };
        self.hold(ctx, read, |result, actor, ctx| actor.loaded(result, ctx));
    }

    fn loaded(&mut self, result: StoreResult<Option<Fresh>>, ctx: &mut Context<Self>) {
        match result {
            Ok(Some(fresh)) => {
                let attempts = fresh.loaded.attempts.clone();
                let sessions = &self.shared.sessions;
                let state = State::new(
                    self.id,
                    fresh.loaded,
                    |user_id| sessions.slot(user_id),
                    |record| {
                        let standing = fresh.related.get(&record.user_id);
                        standing.map_or((None, false), |s| (s.until, s.treats))
                    },
                );
                let head = state.head.seq;
                self.stage = Stage::Ready(Box::new(state));
                self.failed_loads = 0;
                self.settle(head, attempts.as_deref(), ctx);
                self.expel_strangers();
                self.catch_up(head);
                self.announce(head);
                self.push_fanout(ctx);
                if !self.settling {
                    self.settle_relations(ctx);
                }
            }
            Ok(None) => {
                self.stage = Stage::Absent;
                // Nothing is kept for an id that somebody made up.
                self.shared.directory.retire(self.id, self.generation);
                ctx.notify(super::Retired);
            }
            Err(fault) => {
                tracing::error!(conversation_id = %self.id, error = %fault, "load failed");
                self.stage = Stage::Failed(Instant::now() + self.shared.clock.wait(RELOAD_AFTER));
                self.load_later(ctx);
                self.settling = false;
                let error = CommandError::unavailable(
                    "it is unknown whether it was stored; try again with the same client_msg_id",
                    200,
                );
                self.refuse_pending(0, &error);
            }
        }
    }

    /// Tries again by itself when there may be something that is stored and not yet shown.
    fn load_later(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.load_timer.take() {
            ctx.cancel_future(timer);
        }
        if self.fanout.pushed_seq().is_some() {
            let wait = self.shared.clock.wait(RELOAD_AFTER) * (1 << self.failed_loads.min(5));
            self.failed_loads += 1;
            self.load_timer = Some(ctx.run_later(wait, |actor, ctx| {
                actor.load_timer = None;
                if matches!(actor.stage, Stage::Failed(_)) {
                    actor.load(ctx);
                }
            }));
        }
    }

    /// Looks again at what memberships rest on.
    pub(super) fn recheck(&mut self, ctx: &mut Context<Self>) {
        if !matches!(self.stage, Stage::Ready(_)) {
            // A load on its way reads the relations anyway.
            return;
        }
        let (shared, id) = (self.shared.clone(), self.id);
        let now = shared.clock.now();
        let read = async move { fresh(&shared, id, now).await };
        self.hold(ctx, read, |result, actor, ctx| {
            if result.is_err() {
                // A relation may have ended: nothing more is allowed before it is known.
                return actor.load(ctx);
            }
            let has_pending = !actor.pending.is_empty();
            let Stage::Ready(state) = &mut actor.stage else {
                return;
            };
            if let Ok(Some(fresh)) = &result
                && fresh.loaded.attempts.is_some()
                && (has_pending || fresh.loaded.head != state.stored)
            {
                // Another server may have written: the state is no base for a decision.
                return actor.loaded(result, ctx);
            }
            if let Ok(Some(fresh)) = result {
                for (user_id, standing) in fresh.related {
                    if let Some(member) = state.member_mut(&user_id) {
                        member.related = standing.until;
                        member.treats = standing.treats;
                    }
                }
                for record in fresh.loaded.members {
                    if let Some(member) = state.member_mut(&record.user_id) {
                        member.record.roles = record.roles;
                        member.record.name = record.name;
                    }
                }
                actor.settle_relations(ctx);
                actor.push_fanout(ctx);
            }
        });
    }

    /// Brings the stored state in line with the relations: a direct conversation turns read-only
    /// or open, and who is no longer related to a patient leaves the patient's groups.
    pub(super) fn settle_relations(&mut self, ctx: &mut Context<Self>) {
        let now = self.shared.clock.now();
        let Stage::Ready(state) = &mut self.stage else {
            return;
        };
        let holds = |related: Option<Until>| related.is_some_and(|until| until.holds(now));
        let ends = state.present().filter_map(|m| match m.related {
            Some(Until::At(at)) if now < at => Some(at),
            _ => None,
        });
        let next = ends.min();
        if let Some(timer) = self.relations_timer.take() {
            ctx.cancel_future(timer);
        }
        let quiet = self.quiet_until.saturating_duration_since(Instant::now());
        if !quiet.is_zero() {
            let timer = ctx.run_later(quiet, |actor, ctx| actor.recheck(ctx));
            self.relations_timer = Some(timer);
            return;
        }
        if let Some(next) = next {
            // Commands are refused from then on anyway; this tells the members.
            let left_ms = u64::try_from(next.millis_since(now)).unwrap_or(0);
            let left = Duration::from_millis(left_ms.min(DAY_MS));
            let timer = ctx.run_later(left, |actor, ctx| actor.recheck(ctx));
            self.relations_timer = Some(timer);
        }
        let mut planned = Vec::new();
        match state.kind {
            ConversationKind::Direct => {
                let to = if state.members.iter().all(|m| holds(m.related)) {
                    ConversationState::Open
                } else {
                    ConversationState::ReadOnly
                };
                if state.state != to {
                    planned.push(decide::set_state(state, to, now));
                }
            }
            ConversationKind::CareTeam | ConversationKind::FamilyUpdate => {
                let gone: Vec<_> = state
                    .present()
                    .filter(|m| !holds(m.related))
                    .map(|m| m.record.user_id.clone())
                    .collect();
                for user_id in gone {
                    planned.extend(decide::end_member(state, None, &user_id, now));
                }
            }
            _ => {}
        }
        for planned in planned {
            self.append_own(planned);
        }
    }
}

async fn fresh(shared: &Shared, id: ConversationId, now: Timestamp) -> StoreResult<Option<Fresh>> {
    let store = &*shared.store;
    let Some(loaded) = store.load(id, true).await? else {
        return Ok(None);
    };
    let related = related(store, &loaded, now).await?;
    Ok(Some(Fresh { loaded, related }))
}

/// Until when each member's membership holds.
async fn related(
    store: &dyn Store,
    loaded: &Loaded,
    now: Timestamp,
) -> StoreResult<HashMap<UserId, Standing>> {
    let party = |m: &crate::ports::store::MemberRecord| Party {
        user_id: m.user_id.clone(),
        roles: m.roles,
    };
    let mut related = HashMap::new();
    match (loaded.kind, loaded.members.as_slice()) {
        (ConversationKind::Direct, [a, b]) => {
            let until = direct_until(store, &party(a), &party(b), now).await?;
            for member in [a, b] {
                let standing = Standing {
                    until,
                    treats: false,
                };
                related.insert(member.user_id.clone(), standing);
            }
        }
        (ConversationKind::CareTeam | ConversationKind::FamilyUpdate, members) => {
            let relations = match &loaded.patient_id {
                Some(patient_id) => store.relations_of(patient_id.clone()).await?,
                None => Vec::new(),
            };
            for member in members {
                let (party, patient) = (party(member), loaded.patient_id.as_ref());
                let until = rights::may_join(loaded.kind, patient, &party, &relations, now);
                let standing = Standing {
                    until: until.ok(),
                    treats: patient.is_some_and(|patient| {
                        rights::is_clinician_of(&party, patient, &relations, now)
                    }),
                };
                related.insert(member.user_id.clone(), standing);
            }
        }
        (_, members) => {
            for member in members {
                let standing = Standing {
                    until: Some(Until::Ever),
                    treats: false,
                };
                related.insert(member.user_id.clone(), standing);
            }
        }
    }
    Ok(related)
}

/// Until when two people may write to each other directly.
pub(crate) async fn direct_until(
    store: &dyn Store,
    a: &Party,
    b: &Party,
    now: Timestamp,
) -> StoreResult<Option<Until>> {
    if a.roles.is_staff() && b.roles.is_staff() {
        return Ok(rights::direct_between(a, b, &[], now));
    }
    // Those of a clinician may be thousands; the other side's are few and say the same.
    let mut relations: Vec<Relation> = Vec::new();
    for party in [a, b] {
        if party.roles.is_staff() {
            continue;
        }
        let own = store.relations_of(party.user_id.clone()).await?;
        // Family and clinician share no relation with each other, only a patient.
        for family in own
            .iter()
            .filter(|r| r.user_id == party.user_id && r.kind == RelationKind::Family)
        {
            relations.extend(store.relations_of(family.patient_id.clone()).await?);
        }
        relations.extend(own);
    }
    Ok(rights::direct_between(a, b, &relations, now))
}
