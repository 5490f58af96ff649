//! Reading the log for a session: resume, history, and the filling of holes.

use bedside_protocol::{
    CommandError, Conversation, ConversationId, ConversationKind, ErrorCode, Event, EventFrame,
    LoggedEvent, Reply, Timestamp,
    command::{MessageHistory, SyncResume},
    event::{SyncBatch, SyncReset},
    limits,
    reply::{History, MemberReceipt, Resumed, ResumedConversation},
};
use std::sync::Arc;
use tokio::sync::Semaphore;

use crate::{
    caller::Caller,
    cluster,
    conversation::{hides_members, redact, redact_event},
    counters::COUNTERS,
    node::Shared,
    outbox::{Outbox, SharedEvent},
    ports::store::{Access, LogPage, LogRange, Select, StoreError, StoreResult},
};

pub(crate) fn storage_error(fault: &StoreError) -> CommandError {
    tracing::error!(error = %fault, "storage failed");
    CommandError::unavailable("storage is unavailable", 200)
}

/// A caller's window on one conversation's log.
struct Window {
    first: u64,
    last: u64,
    /// The caller is not in it any more.
    is_over: bool,
    hides_members: bool,
}

impl Window {
    fn of(conversation: &Conversation) -> Self {
        let me = &conversation.me;
        Self::from(Access {
            kind: conversation.kind,
            member_role: me.member_role,
            first_seq: me.first_seq,
            last_seq: me.last_seq,
            head_seq: conversation.head_seq,
            log_start_seq: conversation.log_start_seq,
        })
    }

    fn show(&self, caller: &Caller, events: Vec<LoggedEvent>) -> Vec<LoggedEvent> {
        if !self.hides_members {
            return events;
        }
        events
            .into_iter()
            .map(|e| LoggedEvent {
                seq: e.seq,
                event: redact_event(&e.event, Some(&caller.user_id)),
            })
            .collect()
    }
}

impl From<Access> for Window {
    fn from(access: Access) -> Self {
        Self {
            first: access.first_seq.max(access.log_start_seq),
            last: access.head_seq,
            is_over: access.last_seq.is_some(),
            hides_members: hides_members(access.kind, access.member_role),
        }
    }
}

/// Whether the roles of the present token keep the caller out, though a member.
pub(crate) fn is_closed_to(kind: ConversationKind, caller: &Caller) -> bool {
    kind == ConversationKind::InternalStaff && !caller.roles.is_staff()
}

fn not_a_member() -> CommandError {
    CommandError::new(
        ErrorCode::NotAMember,
        "you are not a member of this conversation",
    )
}

fn check_open(kind: ConversationKind, caller: &Caller) -> Result<(), CommandError> {
    if is_closed_to(kind, caller) {
        return Err(CommandError::forbidden(
            "only staff may take part in this conversation",
        ));
    }
    Ok(())
}

/// What the caller may read of a conversation's log.
async fn access(
    shared: &Shared,
    caller: &Caller,
    id: ConversationId,
) -> Result<Access, CommandError> {
    let found = shared.store.access(caller.user_id.clone(), id).await;
    let access = found.map_err(|fault| storage_error(&fault))?;
    let access = access.ok_or_else(not_a_member)?;
    check_open(access.kind, caller)?;
    Ok(access)
}

/// The conversation as the caller sees it.
pub(crate) async fn view(
    shared: &Shared,
    caller: &Caller,
    id: ConversationId,
) -> Result<Conversation, CommandError> {
    let found = shared
        .store
        .conversations(caller.user_id.clone(), Select::Ids(vec![id]))
        .await
        .map_err(|fault| storage_error(&fault))?;
    let mut conversation = found.rows.into_iter().next().ok_or_else(not_a_member)?;
    check_open(conversation.kind, caller)?;
    redact(&mut conversation, &caller.user_id);
    Ok(conversation)
}

/// `message.history`.
pub(crate) async fn history(
    shared: &Shared,
    caller: &Caller,
    command: MessageHistory,
) -> Result<Reply, CommandError> {
    let limit = check_range(&command)?;
    let access = access(shared, caller, command.conversation_id).await?;
    if caller.roles.is_staff() {
        let now = shared.clock.now();
        let id = command.conversation_id;
        shared.trail.read(now, &caller.user_id, id);
    }
    let window = Window::from(access);
    let mut page = page(shared, &window, access.log_start_seq, command, limit).await?;
    page.events = window.show(caller, page.events);
    Ok(Reply::History(page))
}

/// The same of the whole log, whoever asks.
pub(crate) async fn whole_history(
    shared: &Shared,
    command: MessageHistory,
) -> Result<History, CommandError> {
    let limit = check_range(&command)?;
    let found = shared.store.load(command.conversation_id, false).await;
    let found = found.map_err(|fault| storage_error(&fault))?;
    let loaded = found.ok_or_else(|| CommandError::not_found("no such conversation"))?;
    let window = Window {
        first: loaded.log_start_seq,
        last: loaded.head.seq,
        is_over: false,
        hides_members: false,
    };
    page(shared, &window, loaded.log_start_seq, command, limit).await
}

/// How many events are asked for.
fn check_range(command: &MessageHistory) -> Result<usize, CommandError> {
    if command.after_seq.is_some() && command.before_seq.is_some() {
        return Err(CommandError::invalid(
            "message.history takes after_seq or before_seq, not both",
        ));
    }
    match command.limit {
        None => Ok(limits::HISTORY_PAGE_DEFAULT),
        Some(0) => Err(CommandError::invalid("limit: 1 to 200")),
        Some(limit) if limit as usize > limits::HISTORY_PAGE_MAX => {
            Err(CommandError::too_large("limit: at most 200"))
        }
        Some(limit) => Ok(limit as usize),
    }
}

async fn page(
    shared: &Shared,
    window: &Window,
    log_start_seq: u64,
    command: MessageHistory,
    limit: usize,
) -> Result<History, CommandError> {
    let from_seq = command.after_seq.map_or(window.first, |after| {
        after.saturating_add(1).max(window.first)
    });
    let to_seq = command.before_seq.map_or(window.last, |before| {
        before.saturating_sub(1).min(window.last)
    });
    let page = read(
        shared,
        command.conversation_id,
        LogRange {
            from_seq,
            to_seq,
            newest_first: command.after_seq.is_none(),
            limit,
            bytes_max: limits::PAGE_BYTES_MAX,
        },
    )
    .await
    .map_err(|fault| storage_error(&fault))?;
    Ok(History {
        events: page.events,
        head_seq: window.last,
        first_seq: window.first,
        log_start_seq,
        has_more: page.has_more,
    })
}

async fn read(shared: &Shared, id: ConversationId, range: LogRange) -> StoreResult<LogPage> {
    if range.from_seq > range.to_seq {
        return Ok(LogPage::default());
    }
    shared.store.read_log(id, range).await
}

/// `sync.resume`: subscribe first (what comes meanwhile is held back), then read, then go on
/// by seq.
pub(crate) async fn resume(
    shared: &Shared,
    caller: &Caller,
    outbox: &Arc<Outbox>,
    command: SyncResume,
) -> Result<Reply, CommandError> {
    if command.positions.len() > limits::RESUME_POSITIONS_MAX {
        return Err(CommandError::too_large(
            "positions: at most 1000 a call; send several",
        ));
    }
    let after = match &command.cursor {
        None => None,
        Some(cursor) => Some(parse_cursor(cursor)?),
    };
    let epoch = shared.store.epoch();
    let is_other_epoch = command.store_epoch.as_deref().is_some_and(|e| e != epoch);
    let ids: Vec<_> = command.positions.keys().copied().collect();
    for (id, position) in &command.positions {
        outbox.begin_fill(*id, Some(*position));
    }
    let result = replay(shared, caller, outbox, &command, is_other_epoch).await;
    let (watermarks, gone) = match result {
        Ok(replayed) => replayed,
        Err(error) => {
            // Whatever was held back must not stay so.
            for id in ids {
                outbox.fill_again(id);
            }
            return Err(error);
        }
    };
    let listed = shared
        .store
        .conversations(
            caller.user_id.clone(),
            Select::Page {
                after,
                limit: limits::CONVERSATIONS_PAGE_MAX,
                without: ids,
            },
        )
        .await
        .map_err(|fault| storage_error(&fault))?;
    let (conversations, cursor) = page_of(listed.rows, listed.has_more, caller);
    for c in &conversations {
        if c.me.last_seq.is_none() {
            outbox.announce(c.conversation_id, c.head_seq, c.head_seq);
        }
    }
    Ok(Reply::Resumed(Resumed {
        store_epoch: epoch.to_owned(),
        conversations,
        watermarks,
        gone,
        cursor,
    }))
}

/// Cuts a list of conversations to what one frame may hold.
pub(crate) fn page_of(
    rows: Vec<Conversation>,
    has_more: bool,
    caller: &Caller,
) -> (Vec<Conversation>, Option<String>) {
    let mut bytes = 0;
    let total = rows.len();
    let mut page = Vec::new();
    let mut last = None;
    let mut taken = 0;
    for mut row in rows {
        redact(&mut row, &caller.user_id);
        let text = row
            .last_message
            .as_ref()
            .map_or(0, |m| m.message.text.len());
        let size = 600 + text + row.members.len() * 250;
        if taken > 0 && bytes + size > limits::PAGE_BYTES_MAX {
            break;
        }
        bytes += size;
        taken += 1;
        last = Some((row.last_activity_at, row.conversation_id));
        if !is_closed_to(row.kind, caller) {
            page.push(row);
        }
    }
    let cursor = last
        .filter(|_| has_more || taken < total)
        .map(|(at, id)| format!("{}.{id}", at.as_millis()));
    (page, cursor)
}

/// Reads a cursor that [`page_of`] made.
pub(crate) fn parse_cursor(text: &str) -> Result<(Timestamp, ConversationId), CommandError> {
    text.split_once('.')
        .and_then(|(ms, id)| Some((Timestamp::from_millis(ms.parse().ok()?), id.parse().ok()?)))
        .ok_or_else(|| CommandError::invalid("cursor: not one that this server gave"))
}

type Replayed = (Vec<ResumedConversation>, Vec<ConversationId>);

async fn replay(
    shared: &Shared,
    caller: &Caller,
    outbox: &Arc<Outbox>,
    command: &SyncResume,
    is_other_epoch: bool,
) -> Result<Replayed, CommandError> {
    let ids: Vec<_> = command.positions.keys().copied().collect();
    let mut rows = Vec::new();
    if !ids.is_empty() {
        rows = shared
            .store
            .conversations(caller.user_id.clone(), Select::Ids(ids.clone()))
            .await
            .map_err(|fault| storage_error(&fault))?
            .rows;
        rows.retain(|row| !is_closed_to(row.kind, caller));
    }
    // What is busiest is shown first.
    rows.sort_by_key(|row| std::cmp::Reverse(row.last_activity_at));
    let gone: Vec<_> = ids
        .into_iter()
        .filter(|id| !rows.iter().any(|row| row.conversation_id == *id))
        .collect();
    for id in &gone {
        outbox.forget(*id);
    }
    let mut budget = limits::RESUME_EVENTS_MAX;
    let mut watermarks = Vec::with_capacity(rows.len());
    for mut row in rows {
        let id = row.conversation_id;
        let window = Window::of(&row);
        let position = command.positions.get(&id).copied().unwrap_or(0);
        let behind = window
            .last
            .saturating_sub(position.max(window.first.saturating_sub(1)));
        let is_reset = is_other_epoch
            || position > window.last
            || behind > limits::RESUME_EVENTS_PER_CONVERSATION_MAX
            || behind > budget;
        if is_reset {
            let reset = SyncReset {
                head_seq: window.last,
                first_seq: window.first,
                log_start_seq: row.log_start_seq,
            };
            if outbox.room().await.is_err() {
                return Err(CommandError::unavailable("the socket was closed", 0));
            }
            outbox.fill(
                id,
                window.last,
                &SharedEvent::new(EventFrame::about(id, Event::SyncReset(reset))),
            );
        } else {
            budget -= behind;
            send_batches(shared, caller, outbox, id, &window, position).await?;
        }
        if !outbox.end_fill(id, window.last) {
            // More came while it was read.
            outbox.fill_again(id);
        }
        redact(&mut row, &caller.user_id);
        watermarks.push(ResumedConversation {
            conversation_id: id,
            head_seq: window.last,
            receipts: row
                .members
                .iter()
                .map(|m| MemberReceipt {
                    user_id: m.user_id.clone(),
                    delivered_up_to_seq: m.delivered_up_to_seq,
                    read_up_to_seq: m.read_up_to_seq,
                })
                .collect(),
            me: row.me,
        });
    }
    Ok((watermarks, gone))
}

async fn send_batches(
    shared: &Shared,
    caller: &Caller,
    outbox: &Arc<Outbox>,
    id: ConversationId,
    window: &Window,
    position: u64,
) -> Result<(), CommandError> {
    let mut next = (position + 1).max(window.first);
    while next <= window.last {
        let page = read(
            shared,
            id,
            LogRange {
                from_seq: next,
                to_seq: window.last,
                newest_first: false,
                limit: limits::HISTORY_PAGE_MAX,
                bytes_max: limits::PAGE_BYTES_MAX,
            },
        )
        .await
        .map_err(|fault| storage_error(&fault))?;
        let Some(last) = page.events.last().map(|e| e.seq) else {
            return Err(CommandError::unavailable("the log could not be read", 200));
        };
        if outbox.room().await.is_err() {
            return Err(CommandError::unavailable("the socket was closed", 0));
        }
        let batch = SyncBatch {
            events: window.show(caller, page.events),
            head_seq: window.last,
        };
        outbox.fill(
            id,
            last,
            &SharedEvent::new(EventFrame::about(id, Event::SyncBatch(batch))),
        );
        next = last + 1;
    }
    Ok(())
}

/// Reads what an outbox lacks of one conversation and pushes it, as the events that they are,
/// until it has caught up.
pub(crate) async fn fill_hole(
    shared: &Shared,
    caller: &Caller,
    outbox: &Arc<Outbox>,
    reads: &Semaphore,
    id: ConversationId,
) {
    let mut failures = 0_u32;
    loop {
        // Given back before each wait: other reads of the session must not queue behind it.
        let Ok(turn) = reads.acquire().await else {
            return;
        };
        let Some(shown) = outbox.begin_fill(id, None) else {
            return;
        };
        let filled = match access(shared, caller, id).await {
            Ok(access) => {
                let window = Window::from(access);
                fill_up(shared, caller, outbox, id, &window, shown).await
            }
            Err(error) if !error.code.retryable() => {
                outbox.forget(id);
                return;
            }
            Err(error) => Err(error),
        };
        match filled {
            Ok(true) => {
                COUNTERS.holes_filled.add(1);
                return;
            }
            // More came meanwhile.
            Ok(false) if outbox.begin_fill(id, None).is_some_and(|now| now > shown) => {
                failures = 0;
            }
            _ if outbox.is_closed() => return,
            _ => {
                // The store may be back soon; until then nothing newer is shown either.
                drop(turn);
                failures += 1;
                let wait = std::time::Duration::from_millis(50 << failures.min(6));
                tokio::time::sleep(shared.clock.wait(wait)).await;
            }
        }
    }
}

async fn fill_up(
    shared: &Shared,
    caller: &Caller,
    outbox: &Arc<Outbox>,
    id: ConversationId,
    window: &Window,
    shown: u64,
) -> Result<bool, CommandError> {
    let mut shown = shown.max(window.first.saturating_sub(1));
    while shown < window.last {
        let page = read(
            shared,
            id,
            LogRange {
                from_seq: shown + 1,
                to_seq: window.last,
                newest_first: false,
                // One frame each, so a page of them must fit into the outbox.
                limit: 64,
                bytes_max: limits::PAGE_BYTES_MAX / 2,
            },
        )
        .await
        .map_err(|fault| storage_error(&fault))?;
        if page.events.is_empty() {
            return Err(CommandError::unavailable("the log could not be read", 200));
        }
        if outbox.room().await.is_err() {
            return Err(CommandError::unavailable("the socket was closed", 0));
        }
        for logged in window.show(caller, page.events) {
            shown = logged.seq;
            if shared.cluster.is_some() {
                // No other node's word of it may have come.
                cluster::forget_whom_it_ends(shared, id, &logged.event);
            }
            let frame = EventFrame::logged(id, logged.seq, logged.event);
            outbox.fill(id, shown, &SharedEvent::new(frame));
        }
    }
    if window.is_over {
        // What came after their window is nothing to them, whatever was announced.
        outbox.end_fill_for_good(id, shown);
        return Ok(true);
    }
    Ok(outbox.end_fill(id, shown))
}
