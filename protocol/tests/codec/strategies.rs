//! Any command and any event, as proptest makes them.

use bedside_protocol::{
    Attachment, Availability, ClientMsgId, Command, CommandError, Consultation, ConsultationId,
    ConsultationStatus, ConsultationType, Conversation, ConversationId, ConversationKind,
    ConversationState, ErrorCode, Event, EventFrame, LastMessage, LoggedEvent, Member, MemberRole,
    Message, MessageId, MessageSend, MessageType, Mine, Notification, NotificationId,
    NotificationType, Person, Presence, Reaction, Role, Roles, SessionId, Timestamp, UserId,
    command::*,
    consultation::{
        ConsultationEnd, ConsultationEnded, ConsultationRef, ConsultationStarted, ParticipantMoved,
    },
    event::*,
    limits,
    notification::{Json, NotificationRef},
    reply::Joined,
};
use proptest::{collection::vec, option, prelude::*};

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        any::<String>(),
        Just(String::new()),
        Just("\u{0}\u{1f}\"\\ \u{2028} 👩🏽‍⚕️ سلام".to_owned()),
    ]
    .boxed()
}

fn bounded(max: usize) -> BoxedStrategy<String> {
    vec(prop::char::range('\u{20}', '\u{7e}'), 1..=max)
        .prop_map(String::from_iter)
        .boxed()
}

fn user_id() -> BoxedStrategy<UserId> {
    prop_oneof![
        bounded(limits::USER_ID_BYTES_MAX),
        Just("مريض-7".to_owned()),
    ]
    .prop_map(|text| UserId::new(&text).expect("is in bounds"))
    .boxed()
}

fn client_msg_id() -> BoxedStrategy<ClientMsgId> {
    bounded(limits::CLIENT_MSG_ID_BYTES_MAX)
        .prop_map(|text| ClientMsgId::new(&text).expect("is in bounds"))
        .boxed()
}

fn conversation_id() -> BoxedStrategy<ConversationId> {
    any::<[u8; 16]>()
        .prop_map(ConversationId::from_bytes)
        .boxed()
}

fn message_id() -> BoxedStrategy<MessageId> {
    any::<[u8; 16]>().prop_map(MessageId::from_bytes).boxed()
}

fn consultation_id() -> BoxedStrategy<ConsultationId> {
    prop_oneof![0..=ConsultationId::MAX, Just(0), Just(ConsultationId::MAX)]
        .prop_map(|number| ConsultationId::from_number(number).expect("is in bounds"))
        .boxed()
}

fn notification_id() -> BoxedStrategy<NotificationId> {
    any::<[u8; 16]>()
        .prop_map(NotificationId::from_bytes)
        .boxed()
}

fn time() -> BoxedStrategy<Timestamp> {
    prop_oneof![
        (0..253_402_300_800_000_i64),
        Just(0),
        Just(i64::MAX),
        Just(1_795_253_400_000)
    ]
    .prop_map(Timestamp::from_millis)
    .boxed()
}

fn seq() -> BoxedStrategy<u64> {
    prop_oneof![0..300_u64, any::<u64>(), Just(u64::MAX)].boxed()
}

fn member_role() -> BoxedStrategy<MemberRole> {
    prop_oneof![
        Just(MemberRole::Member),
        Just(MemberRole::Admin),
        Just(MemberRole::Observer),
        Just(MemberRole::Interpreter),
    ]
    .boxed()
}

fn kind() -> BoxedStrategy<ConversationKind> {
    prop::sample::select(ConversationKind::ALL).boxed()
}

fn state() -> BoxedStrategy<ConversationState> {
    prop_oneof![
        Just(ConversationState::Open),
        Just(ConversationState::ReadOnly)
    ]
    .boxed()
}

fn message_type() -> BoxedStrategy<MessageType> {
    prop_oneof![
        Just(MessageType::Text),
        Just(MessageType::Image),
        Just(MessageType::File),
        Just(MessageType::Voice),
        Just(MessageType::System),
        Just(MessageType::CallLog),
    ]
    .boxed()
}

fn roles() -> BoxedStrategy<Roles> {
    vec(prop::sample::select(Role::ALL), 0..4)
        .prop_map(Roles::from_iter)
        .boxed()
}

fn availability() -> BoxedStrategy<Availability> {
    prop_oneof![
        Just(Availability::Available),
        Just(Availability::Busy),
        Just(Availability::Away)
    ]
    .boxed()
}

fn attachment() -> BoxedStrategy<Attachment> {
    (text(), text(), text(), option::of(any::<u64>()))
        .prop_map(|(url, name, media_type, size_bytes)| Attachment {
            url,
            name,
            media_type,
            size_bytes,
        })
        .boxed()
}

fn reaction() -> BoxedStrategy<Reaction> {
    (text(), vec(user_id(), 0..3))
        .prop_map(|(emoji, user_ids)| Reaction { emoji, user_ids })
        .boxed()
}

fn message() -> BoxedStrategy<Message> {
    let who = (message_id(), option::of(user_id()), message_type());
    let what = (text(), vec(attachment(), 0..3), option::of(seq()));
    let when = (
        option::of(time()),
        time(),
        option::of(time()),
        option::of(time()),
    );
    (
        who,
        what,
        option::of(client_msg_id()),
        when,
        vec(reaction(), 0..3),
    )
        .prop_map(|(who, what, client_msg_id, when, reactions)| Message {
            message_id: who.0,
            sender_id: who.1,
            message_type: who.2,
            text: what.0,
            attachments: what.1,
            reply_to_seq: what.2,
            client_msg_id,
            composed_at: when.0,
            created_at: when.1,
            edited_at: when.2,
            deleted_at: when.3,
            reactions,
        })
        .boxed()
}

fn mine() -> BoxedStrategy<Mine> {
    let window = (member_role(), seq(), option::of(seq()));
    let marks = (any::<bool>(), option::of(time()), any::<bool>());
    (window, (seq(), seq(), seq()), marks)
        .prop_map(|(window, receipts, marks)| Mine {
            member_role: window.0,
            first_seq: window.1,
            last_seq: window.2,
            delivered_up_to_seq: receipts.0,
            read_up_to_seq: receipts.1,
            unread_count: receipts.2,
            pinned: marks.0,
            muted_until: marks.1,
            archived: marks.2,
        })
        .boxed()
}

fn message_send() -> BoxedStrategy<MessageSend> {
    let to = (
        option::of(conversation_id()),
        option::of(user_id()),
        option::of(consultation_id()),
    );
    let what = (message_type(), text(), vec(attachment(), 0..3));
    let more = (
        option::of(client_msg_id()),
        option::of(seq()),
        option::of(time()),
    );
    (to, what, more)
        .prop_map(|(to, what, more)| MessageSend {
            conversation_id: to.0,
            to_user_id: to.1,
            consultation_id: to.2,
            client_msg_id: more.0,
            message_type: what.0,
            text: what.1,
            attachments: what.2,
            reply_to_seq: more.1,
            composed_at: more.2,
        })
        .boxed()
}

fn conversation_set() -> BoxedStrategy<ConversationSet> {
    let muted = option::of(option::of(time()));
    let flags = (option::of(any::<bool>()), option::of(any::<bool>()));
    (conversation_id(), muted, flags)
        .prop_map(|(conversation_id, muted_until, flags)| ConversationSet {
            conversation_id,
            pinned: flags.0,
            muted_until,
            archived: flags.1,
        })
        .boxed()
}

fn conversation_create() -> BoxedStrategy<ConversationCreate> {
    (kind(), vec(user_id(), 0..4), text(), option::of(user_id()))
        .prop_map(|(kind, member_ids, title, patient_id)| ConversationCreate {
            kind,
            member_ids,
            title,
            patient_id,
        })
        .boxed()
}

fn consultation_ref() -> BoxedStrategy<ConsultationRef> {
    consultation_id()
        .prop_map(|consultation_id| ConsultationRef { consultation_id })
        .boxed()
}

fn notification_ref() -> BoxedStrategy<NotificationRef> {
    notification_id()
        .prop_map(|notification_id| NotificationRef { notification_id })
        .boxed()
}

fn history() -> BoxedStrategy<MessageHistory> {
    let range = (
        option::of(seq()),
        option::of(seq()),
        option::of(any::<u32>()),
    );
    (conversation_id(), range)
        .prop_map(|(conversation_id, range)| MessageHistory {
            conversation_id,
            after_seq: range.0,
            before_seq: range.1,
            limit: range.2,
        })
        .boxed()
}

fn reference() -> BoxedStrategy<ConversationRef> {
    conversation_id()
        .prop_map(|conversation_id| ConversationRef { conversation_id })
        .boxed()
}

fn receipt() -> BoxedStrategy<Receipt> {
    (conversation_id(), seq())
        .prop_map(|(conversation_id, up_to_seq)| Receipt {
            conversation_id,
            up_to_seq,
        })
        .boxed()
}

/// Any command; every kind as often as any other.
pub(crate) fn command() -> BoxedStrategy<Command> {
    let all: Vec<BoxedStrategy<Command>> = vec![
        text()
            .prop_map(|token| Command::SessionHello(SessionHello { token }))
            .boxed(),
        text()
            .prop_map(|token| Command::SessionRefresh(SessionRefresh { token }))
            .boxed(),
        (
            prop::collection::hash_map(conversation_id(), seq(), 0..5),
            option::of(text()),
            option::of(text()),
        )
            .prop_map(|(positions, store_epoch, cursor)| {
                Command::SyncResume(SyncResume {
                    positions,
                    store_epoch,
                    cursor,
                })
            })
            .boxed(),
        conversation_create()
            .prop_map(Command::ConversationCreate)
            .boxed(),
        (conversation_id(), text())
            .prop_map(|(conversation_id, title)| {
                Command::ConversationUpdate(ConversationUpdate {
                    conversation_id,
                    title,
                })
            })
            .boxed(),
        conversation_set()
            .prop_map(Command::ConversationSet)
            .boxed(),
        reference().prop_map(Command::ConversationSubscribe).boxed(),
        reference()
            .prop_map(Command::ConversationUnsubscribe)
            .boxed(),
        (conversation_id(), user_id(), member_role(), any::<bool>())
            .prop_map(|(conversation_id, user_id, member_role, share_history)| {
                Command::MemberAdd(MemberAdd {
                    conversation_id,
                    user_id,
                    member_role,
                    share_history,
                })
            })
            .boxed(),
        (conversation_id(), user_id())
            .prop_map(|(conversation_id, user_id)| {
                Command::MemberRemove(MemberRemove {
                    conversation_id,
                    user_id,
                })
            })
            .boxed(),
        reference().prop_map(Command::MemberLeave).boxed(),
        message_send().prop_map(Command::MessageSend).boxed(),
        (conversation_id(), seq(), text())
            .prop_map(|(conversation_id, seq, text)| {
                Command::MessageEdit(MessageEdit {
                    conversation_id,
                    seq,
                    text,
                })
            })
            .boxed(),
        (conversation_id(), seq())
            .prop_map(|(conversation_id, seq)| {
                Command::MessageDelete(MessageRef {
                    conversation_id,
                    seq,
                })
            })
            .boxed(),
        (conversation_id(), seq(), text(), any::<bool>())
            .prop_map(|(conversation_id, seq, emoji, on)| {
                Command::MessageReact(MessageReact {
                    conversation_id,
                    seq,
                    emoji,
                    on,
                })
            })
            .boxed(),
        history().prop_map(Command::MessageHistory).boxed(),
        receipt().prop_map(Command::ReceiptDeliver).boxed(),
        receipt().prop_map(Command::ReceiptRead).boxed(),
        (conversation_id(), any::<bool>())
            .prop_map(|(conversation_id, typing)| {
                Command::TypingSet(TypingSet {
                    conversation_id,
                    typing,
                })
            })
            .boxed(),
        availability()
            .prop_map(|status| Command::PresenceSet(PresenceSet { status }))
            .boxed(),
        vec(user_id(), 0..4)
            .prop_map(|user_ids| Command::PresenceWatch(PresenceWatch { user_ids }))
            .boxed(),
        consultation_ref()
            .prop_map(Command::ConsultationJoin)
            .boxed(),
        consultation_ref()
            .prop_map(Command::ConsultationLeave)
            .boxed(),
        consultation_ref()
            .prop_map(Command::ConsultationStart)
            .boxed(),
        (consultation_id(), option::of(text()))
            .prop_map(|(consultation_id, notes)| {
                Command::ConsultationEnd(ConsultationEnd {
                    consultation_id,
                    notes,
                })
            })
            .boxed(),
        notification_ref()
            .prop_map(Command::NotificationAck)
            .boxed(),
        notification_ref()
            .prop_map(Command::NotificationRead)
            .boxed(),
    ];
    assert_eq!(all.len(), Command::NAMES.len(), "a command has no strategy");
    prop::strategy::Union::new(all).boxed()
}

fn changed() -> BoxedStrategy<ConversationChanged> {
    let change = prop_oneof![
        Just(Change::Created),
        Just(Change::Updated),
        Just(Change::MemberAdded),
        Just(Change::MemberRemoved),
        Just(Change::MemberLeft),
        Just(Change::State),
        Just(Change::Preferences),
    ];
    let about = (
        option::of(kind()),
        option::of(text()),
        option::of(user_id()),
    );
    let who = (
        vec(user_id(), 0..3),
        option::of(user_id()),
        option::of(member_role()),
    );
    let rest = (option::of(seq()), option::of(state()), option::of(mine()));
    (change, option::of(user_id()), time(), about, who, rest)
        .prop_map(
            |(change, by_user_id, at, about, who, rest)| ConversationChanged {
                change,
                by_user_id,
                at,
                kind: about.0,
                title: about.1,
                patient_id: about.2,
                member_ids: who.0,
                user_id: who.1,
                member_role: who.2,
                first_seq: rest.0,
                state: rest.1,
                me: rest.2,
            },
        )
        .boxed()
}

fn consultation_status() -> BoxedStrategy<ConsultationStatus> {
    prop::sample::select(ConsultationStatus::ALL).boxed()
}

fn started() -> BoxedStrategy<ConsultationStarted> {
    (consultation_id(), user_id(), time())
        .prop_map(|(consultation_id, by_user_id, at)| ConsultationStarted {
            consultation_id,
            by_user_id,
            at,
        })
        .boxed()
}

fn ended() -> BoxedStrategy<ConsultationEnded> {
    (
        consultation_id(),
        consultation_status(),
        option::of(user_id()),
        time(),
    )
        .prop_map(
            |(consultation_id, status, by_user_id, at)| ConsultationEnded {
                consultation_id,
                status,
                by_user_id,
                at,
            },
        )
        .boxed()
}

fn moved() -> BoxedStrategy<ParticipantMoved> {
    (consultation_id(), user_id(), time())
        .prop_map(|(consultation_id, user_id, at)| ParticipantMoved {
            consultation_id,
            user_id,
            at,
        })
        .boxed()
}

/// Any JSON but a bare null, which is nothing at all to an optional field. Fractions are halves:
/// reading a float is exact to the last bit only for those that JSON writes in full.
fn json() -> BoxedStrategy<Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<i32>().prop_map(|n| Json::from(f64::from(n) / 2.0)),
        text().prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::from),
            vec((text(), inner), 0..4).prop_map(Json::from_iter),
        ]
    })
    .prop_filter("is nothing", |json| !json.is_null())
    .boxed()
}

fn notification() -> BoxedStrategy<Notification> {
    let what = (prop::sample::select(NotificationType::ALL), text(), text());
    let more = (option::of(json()), option::of(text()));
    (notification_id(), user_id(), what, more, time())
        .prop_map(
            |(notification_id, user_id, what, more, created_at)| Notification {
                notification_id,
                user_id,
                notification_type: what.0,
                title: what.1,
                body: what.2,
                data: more.0,
                action: more.1,
                created_at,
            },
        )
        .boxed()
}

fn presence() -> BoxedStrategy<Presence> {
    (user_id(), any::<bool>(), availability(), option::of(time()))
        .prop_map(|(user_id, online, status, last_seen_at)| Presence {
            user_id,
            online,
            status,
            last_seen_at,
        })
        .boxed()
}

fn welcome() -> BoxedStrategy<SessionWelcome> {
    let who = (user_id(), text(), roles());
    let limits = (seq(), seq(), seq(), seq(), seq());
    let rest = (any::<[u8; 16]>(), text(), time(), option::of(time()), seq());
    (who, limits, rest)
        .prop_map(|(who, limits, rest)| SessionWelcome {
            session_id: SessionId::from_bytes(rest.0),
            user: Person {
                user_id: who.0,
                name: who.1,
                roles: who.2,
            },
            store_epoch: rest.1,
            server_time: rest.2,
            token_expires_at: rest.3,
            ping_interval_ms: rest.4,
            limits: WelcomeLimits {
                text_bytes_max: limits.0,
                frame_bytes_max: limits.1,
                resume_positions_max: limits.2,
                history_page_max: limits.3,
                edit_window_ms: limits.4,
            },
        })
        .boxed()
}

/// Events that stand in the log.
fn logged() -> BoxedStrategy<Event> {
    let target = || (seq(), message_id(), user_id(), time());
    prop_oneof![
        changed().prop_map(Event::ConversationChanged),
        message().prop_map(Event::MessageCreated),
        (target(), text()).prop_map(|((target_seq, message_id, user_id, edited_at), text)| {
            Event::MessageUpdated(MessageUpdated {
                target_seq,
                message_id,
                user_id,
                text,
                edited_at,
            })
        }),
        target().prop_map(|(target_seq, message_id, user_id, deleted_at)| {
            Event::MessageDeleted(MessageDeleted {
                target_seq,
                message_id,
                user_id,
                deleted_at,
            })
        }),
        (target(), text(), any::<bool>()).prop_map(
            |((target_seq, message_id, user_id, at), emoji, on)| {
                Event::MessageReacted(MessageReacted {
                    target_seq,
                    message_id,
                    user_id,
                    emoji,
                    on,
                    at,
                })
            }
        ),
        started().prop_map(Event::ConsultationStarted),
        ended().prop_map(Event::ConsultationEnded),
        Just(Event::Unknown),
    ]
    .boxed()
}

fn event() -> BoxedStrategy<Event> {
    let log = vec((seq(), logged()), 0..4);
    prop_oneof![
        logged(),
        welcome().prop_map(Event::SessionWelcome),
        time().prop_map(|token_expires_at| {
            Event::SessionExpiring(SessionExpiring { token_expires_at })
        }),
        (any::<u16>(), text(), any::<Option<u64>>()).prop_map(
            |(code, reason, reconnect_after_ms)| {
                Event::SessionClosing(SessionClosing {
                    code,
                    reason,
                    reconnect_after_ms,
                })
            }
        ),
        (log, seq()).prop_map(|(events, head_seq)| {
            let events = events
                .into_iter()
                .map(|(seq, event)| LoggedEvent { seq, event })
                .collect();
            Event::SyncBatch(SyncBatch { events, head_seq })
        }),
        (seq(), seq(), seq()).prop_map(|(head_seq, first_seq, log_start_seq)| {
            Event::SyncReset(SyncReset {
                head_seq,
                first_seq,
                log_start_seq,
            })
        }),
        (user_id(), seq(), seq(), time()).prop_map(
            |(user_id, delivered_up_to_seq, read_up_to_seq, at)| {
                Event::ReceiptChanged(ReceiptChanged {
                    user_id,
                    delivered_up_to_seq,
                    read_up_to_seq,
                    at,
                })
            }
        ),
        (user_id(), any::<bool>()).prop_map(|(user_id, typing)| {
            Event::TypingChanged(TypingChanged { user_id, typing })
        }),
        presence().prop_map(Event::PresenceChanged),
        moved().prop_map(Event::ParticipantJoined),
        moved().prop_map(Event::ParticipantLeft),
        notification().prop_map(Event::NotificationCreated),
    ]
    .boxed()
}

/// Any event as it goes out.
pub(crate) fn event_frame() -> BoxedStrategy<EventFrame> {
    (option::of(conversation_id()), option::of(seq()), event())
        .prop_map(|(conversation_id, seq, event)| EventFrame {
            conversation_id,
            seq,
            event,
        })
        .boxed()
}

/// Any refusal.
pub(crate) fn error() -> BoxedStrategy<CommandError> {
    (prop::sample::select(ErrorCode::ALL), text(), any::<u64>())
        .prop_map(|(code, message, retry_after_ms)| CommandError {
            retry_after_ms,
            ..CommandError::new(code, message)
        })
        .boxed()
}

/// Any conversation, for the replies that hold one.
pub(crate) fn conversation() -> BoxedStrategy<Conversation> {
    let what = (
        conversation_id(),
        kind(),
        text(),
        option::of(user_id()),
        option::of(consultation_id()),
    );
    let made = (user_id(), time(), state(), time());
    let last = option::of((seq(), message()));
    let members = vec(
        (user_id(), text(), roles(), member_role(), mine(), time()),
        0..3,
    );
    (what, made, (seq(), seq()), last, mine(), members)
        .prop_map(|(what, made, seqs, last, me, members)| Conversation {
            conversation_id: what.0,
            kind: what.1,
            title: what.2,
            patient_id: what.3,
            consultation_id: what.4,
            created_by: made.0,
            created_at: made.1,
            state: made.2,
            head_seq: seqs.0,
            log_start_seq: seqs.1,
            last_activity_at: made.3,
            last_message: last.map(|(seq, message)| LastMessage { seq, message }),
            me,
            members: members
                .into_iter()
                .map(
                    |(user_id, name, roles, member_role, of, joined_at)| Member {
                        user_id,
                        name,
                        roles,
                        member_role,
                        first_seq: of.first_seq,
                        last_seq: of.last_seq,
                        joined_at,
                        delivered_up_to_seq: of.delivered_up_to_seq,
                        read_up_to_seq: of.read_up_to_seq,
                    },
                )
                .collect(),
        })
        .boxed()
}

/// Any room, for the reply that holds a consultation.
pub(crate) fn joined() -> BoxedStrategy<Joined> {
    let what = (consultation_id(), conversation_id(), text());
    let how = (
        prop::sample::select(ConsultationType::ALL),
        consultation_status(),
        option::of(text()),
    );
    let times = (option::of(time()), option::of(time()), option::of(time()));
    let made = (user_id(), user_id(), time(), time());
    (what, how, times, made, vec(user_id(), 0..3))
        .prop_map(|(what, how, times, made, participants)| Joined {
            consultation: Consultation {
                consultation_id: what.0,
                conversation_id: what.1,
                appointment_id: what.2,
                consultation_type: how.0,
                status: how.1,
                patient_id: made.0,
                doctor_id: made.1,
                scheduled_at: times.0,
                started_at: times.1,
                ended_at: times.2,
                notes: how.2,
                created_at: made.2,
                updated_at: made.3,
            },
            participants,
        })
        .boxed()
}
