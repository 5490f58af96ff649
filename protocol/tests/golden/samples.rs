//! The frames of the golden files: each with all its fields, and where some may be absent, also
//! without them.

use bedside_protocol::{
    Attachment, Availability, ClientMsgId, Command, CommandError, Consultation, ConsultationId,
    ConsultationStatus, ConsultationType, Conversation, ConversationId, ConversationKind,
    ConversationState, ErrorCode, Event, EventFrame, LastMessage, LoggedEvent, Member, MemberRole,
    Message, MessageId, MessageSend, MessageType, Mine, Notification, NotificationId,
    NotificationType, Person, Presence, Reaction, Reply, Role, Roles, SessionId, Timestamp, UserId,
    command::*,
    consultation::{
        ConsultationEnd, ConsultationEnded, ConsultationRef, ConsultationStarted, ParticipantMoved,
    },
    event::*,
    notification::{Json, NotificationRef},
    reply::*,
};

use super::Frame;

type Sample = (&'static str, Frame);

const TEXT: &str = "Good morning \u{2600}\n\"ألم في الصدر\" <b>\\";

fn conversation_id() -> ConversationId {
    id("0193a6f0-5b1e-7c00-8000-000000000001")
}

fn message_id() -> MessageId {
    id("0193a6f0-5b1e-7c00-8000-0000000000a1")
}

fn id<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("is an id")
}

fn user(text: &str) -> UserId {
    UserId::new(text).expect("is an id")
}

fn client_msg_id() -> ClientMsgId {
    ClientMsgId::new("b7c1-42").expect("is an id")
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("is a time")
}

fn at() -> Timestamp {
    time("2026-11-21T09:30:00.125Z")
}

fn attachment() -> Attachment {
    Attachment {
        url: "https://files.clinic.example/x/1.png".to_owned(),
        name: "rash.png".to_owned(),
        media_type: "image/png".to_owned(),
        size_bytes: Some(48_213),
    }
}

fn message() -> Message {
    Message {
        message_id: message_id(),
        sender_id: Some(user("p1")),
        message_type: MessageType::Image,
        text: TEXT.to_owned(),
        attachments: vec![attachment()],
        reply_to_seq: Some(7),
        client_msg_id: Some(client_msg_id()),
        composed_at: Some(time("2026-11-21T09:02:00.000Z")),
        created_at: at(),
        edited_at: Some(time("2026-11-21T09:31:00.000Z")),
        deleted_at: None,
        reactions: vec![Reaction {
            emoji: "👍🏽".to_owned(),
            user_ids: vec![user("d1"), user("n1")],
        }],
    }
}

fn plain_message() -> Message {
    Message {
        message_type: MessageType::Text,
        text: "Hello".to_owned(),
        attachments: Vec::new(),
        reply_to_seq: None,
        client_msg_id: None,
        composed_at: None,
        edited_at: None,
        reactions: Vec::new(),
        ..message()
    }
}

fn tombstone() -> Message {
    Message {
        text: String::new(),
        deleted_at: Some(time("2026-11-21T09:40:00.000Z")),
        ..plain_message()
    }
}

fn mine() -> Mine {
    Mine {
        member_role: MemberRole::Admin,
        first_seq: 1,
        last_seq: Some(40),
        delivered_up_to_seq: 42,
        read_up_to_seq: 41,
        unread_count: 1,
        pinned: true,
        muted_until: Some(time("2026-11-22T06:00:00.000Z")),
        archived: false,
    }
}

fn member() -> Member {
    Member {
        user_id: user("n1"),
        name: "Lina Mansour".to_owned(),
        roles: [Role::Nurse, Role::Admin].into_iter().collect(),
        member_role: MemberRole::Interpreter,
        first_seq: 12,
        last_seq: None,
        joined_at: at(),
        delivered_up_to_seq: 42,
        read_up_to_seq: 40,
    }
}

fn conversation() -> Conversation {
    Conversation {
        conversation_id: conversation_id(),
        kind: ConversationKind::CareTeam,
        title: "Knee".to_owned(),
        patient_id: Some(user("p1")),
        consultation_id: None,
        created_by: user("d1"),
        created_at: at(),
        state: ConversationState::Open,
        head_seq: 42,
        log_start_seq: 1,
        last_activity_at: at(),
        last_message: Some(LastMessage {
            seq: 42,
            message: message(),
        }),
        me: mine(),
        members: vec![member()],
    }
}

fn bare_conversation() -> Conversation {
    Conversation {
        kind: ConversationKind::Direct,
        title: String::new(),
        patient_id: None,
        state: ConversationState::ReadOnly,
        last_message: None,
        me: Mine::default(),
        members: Vec::new(),
        ..conversation()
    }
}

fn chat_of_a_consultation() -> Conversation {
    Conversation {
        kind: ConversationKind::Consultation,
        title: String::new(),
        consultation_id: Some(consultation_id()),
        ..conversation()
    }
}

fn consultation_id() -> ConsultationId {
    id("243989606129664")
}

fn consultation() -> Consultation {
    Consultation {
        consultation_id: consultation_id(),
        conversation_id: conversation_id(),
        appointment_id: "A-2026/118".to_owned(),
        consultation_type: ConsultationType::Video,
        status: ConsultationStatus::Completed,
        patient_id: user("p1"),
        doctor_id: user("d1"),
        scheduled_at: Some(time("2026-11-21T09:30:00.000Z")),
        started_at: Some(time("2026-11-21T09:31:00.000Z")),
        ended_at: Some(time("2026-11-21T09:52:30.000Z")),
        notes: Some(TEXT.to_owned()),
        created_at: time("2026-11-20T14:00:00.000Z"),
        updated_at: time("2026-11-21T09:52:30.000Z"),
    }
}

fn scheduled_consultation() -> Consultation {
    Consultation {
        consultation_type: ConsultationType::Chat,
        status: ConsultationStatus::Scheduled,
        scheduled_at: None,
        started_at: None,
        ended_at: None,
        notes: None,
        updated_at: time("2026-11-20T14:00:00.000Z"),
        ..consultation()
    }
}

fn moved() -> ParticipantMoved {
    ParticipantMoved {
        consultation_id: consultation_id(),
        user_id: user("p1"),
        at: at(),
    }
}

fn notification_id() -> NotificationId {
    id("0193a6f0-5b1e-7c00-8000-0000000000e1")
}

fn notification() -> Notification {
    // In the order of the alphabet, in which the server writes it.
    let data = r#"{"appointmentId":"A-2026/118","late":-1,"minutes":15,"places":[null,true,"\u00e9"],"ratio":0.5}"#;
    Notification {
        notification_id: notification_id(),
        user_id: user("p1"),
        notification_type: NotificationType::AppointmentReminder,
        title: "Soon".to_owned(),
        body: "Your appointment begins in 15 minutes".to_owned(),
        data: Some(data.parse::<Json>().expect("is JSON")),
        action: Some("/appointments/A-2026%2F118".to_owned()),
        created_at: at(),
    }
}

fn bare_notification() -> Notification {
    Notification {
        notification_type: NotificationType::SystemAlert,
        body: String::new(),
        data: None,
        action: None,
        ..notification()
    }
}

fn presence() -> Presence {
    Presence {
        user_id: user("d1"),
        online: false,
        status: Availability::Away,
        last_seen_at: Some(at()),
    }
}

fn here() -> Presence {
    Presence {
        online: true,
        status: Availability::Busy,
        last_seen_at: None,
        ..presence()
    }
}

fn welcome() -> SessionWelcome {
    SessionWelcome {
        session_id: id::<SessionId>("0193a6f0-5b1e-7c00-8000-0000000000f1"),
        user: Person {
            user_id: user("p1"),
            name: "Sara Haddad".to_owned(),
            roles: Roles::from(Role::Patient),
        },
        store_epoch: "9f86d081884c7d65".to_owned(),
        server_time: at(),
        token_expires_at: Some(time("2026-11-21T10:30:00.000Z")),
        ping_interval_ms: 25_000,
        limits: WelcomeLimits {
            text_bytes_max: 16_384,
            frame_bytes_max: 131_072,
            resume_positions_max: 1_000,
            history_page_max: 200,
            edit_window_ms: 900_000,
        },
    }
}

fn changed(change: Change) -> ConversationChanged {
    ConversationChanged::new(change, Some(user("d1")), at())
}

fn logged_events() -> Vec<LoggedEvent> {
    vec![
        LoggedEvent {
            seq: 41,
            event: Event::MessageCreated(plain_message()),
        },
        LoggedEvent {
            seq: 42,
            event: Event::MessageReacted(reacted()),
        },
    ]
}

fn reacted() -> MessageReacted {
    MessageReacted {
        target_seq: 41,
        message_id: message_id(),
        user_id: user("d1"),
        emoji: "👍🏽".to_owned(),
        on: true,
        at: at(),
    }
}

/// Every frame, with the name of its case.
pub(super) fn all() -> Vec<Sample> {
    [commands(), replies(), events(), errors()]
        .into_iter()
        .flatten()
        .collect()
}

fn commands() -> Vec<Sample> {
    let conversation_id = conversation_id();
    let reference = ConversationRef { conversation_id };
    let receipt = Receipt {
        conversation_id,
        up_to_seq: 42,
    };
    let consultation = ConsultationRef {
        consultation_id: consultation_id(),
    };
    let notification = NotificationRef {
        notification_id: notification_id(),
    };
    let all = vec![
        (
            "full",
            Command::SessionHello(SessionHello {
                token: "eyJhbGciOiJIUzI1NiJ9.e30.c2ln".to_owned(),
            }),
        ),
        (
            "full",
            Command::SessionRefresh(SessionRefresh {
                token: "eyJhbGciOiJIUzI1NiJ9.e30.c2ln".to_owned(),
            }),
        ),
        (
            "full",
            Command::SyncResume(SyncResume {
                positions: [(conversation_id, 37)].into(),
                store_epoch: Some("9f86d081884c7d65".to_owned()),
                cursor: Some("1795253400125.0193a6f0-5b1e-7c00-8000-000000000001".to_owned()),
            }),
        ),
        ("first", Command::SyncResume(SyncResume::default())),
        (
            "full",
            Command::ConversationCreate(ConversationCreate {
                kind: ConversationKind::CareTeam,
                member_ids: vec![user("d1"), user("n1")],
                title: "Knee".to_owned(),
                patient_id: Some(user("p1")),
            }),
        ),
        (
            "direct",
            Command::ConversationCreate(ConversationCreate {
                kind: ConversationKind::Direct,
                member_ids: vec![user("d1")],
                title: String::new(),
                patient_id: None,
            }),
        ),
        (
            "full",
            Command::ConversationUpdate(ConversationUpdate {
                conversation_id,
                title: "Knee and hip".to_owned(),
            }),
        ),
        (
            "full",
            Command::ConversationSet(ConversationSet {
                conversation_id,
                pinned: Some(true),
                muted_until: Some(Some(at())),
                archived: Some(false),
            }),
        ),
        (
            "unmute",
            Command::ConversationSet(ConversationSet {
                conversation_id,
                pinned: None,
                muted_until: Some(None),
                archived: None,
            }),
        ),
        (
            "nothing",
            Command::ConversationSet(ConversationSet {
                conversation_id,
                pinned: None,
                muted_until: None,
                archived: None,
            }),
        ),
        ("full", Command::ConversationSubscribe(reference)),
        ("full", Command::ConversationUnsubscribe(reference)),
        (
            "full",
            Command::MemberAdd(MemberAdd {
                conversation_id,
                user_id: user("i1"),
                member_role: MemberRole::Interpreter,
                share_history: true,
            }),
        ),
        (
            "plain",
            Command::MemberAdd(MemberAdd {
                conversation_id,
                user_id: user("n1"),
                member_role: MemberRole::Member,
                share_history: false,
            }),
        ),
        (
            "full",
            Command::MemberRemove(MemberRemove {
                conversation_id,
                user_id: user("i1"),
            }),
        ),
        ("full", Command::MemberLeave(reference)),
        (
            "full",
            Command::MessageSend(MessageSend {
                conversation_id: Some(conversation_id),
                to_user_id: None,
                consultation_id: None,
                client_msg_id: Some(client_msg_id()),
                message_type: MessageType::Image,
                text: TEXT.to_owned(),
                attachments: vec![attachment()],
                reply_to_seq: Some(7),
                composed_at: Some(at()),
            }),
        ),
        (
            "to_user",
            Command::MessageSend(MessageSend {
                to_user_id: Some(user("d1")),
                text: "Hello".to_owned(),
                ..MessageSend::default()
            }),
        ),
        (
            "to_consultation",
            Command::MessageSend(MessageSend {
                consultation_id: Some(consultation_id()),
                text: "Hello".to_owned(),
                ..MessageSend::default()
            }),
        ),
        (
            "full",
            Command::MessageEdit(MessageEdit {
                conversation_id,
                seq: 41,
                text: "Good afternoon".to_owned(),
            }),
        ),
        (
            "full",
            Command::MessageDelete(MessageRef {
                conversation_id,
                seq: 41,
            }),
        ),
        (
            "full",
            Command::MessageReact(MessageReact {
                conversation_id,
                seq: 41,
                emoji: "👍🏽".to_owned(),
                on: false,
            }),
        ),
        (
            "full",
            Command::MessageHistory(MessageHistory {
                conversation_id,
                after_seq: Some(0),
                before_seq: Some(41),
                limit: Some(200),
            }),
        ),
        (
            "newest",
            Command::MessageHistory(MessageHistory {
                conversation_id,
                after_seq: None,
                before_seq: None,
                limit: None,
            }),
        ),
        ("full", Command::ReceiptDeliver(receipt)),
        ("full", Command::ReceiptRead(receipt)),
        (
            "full",
            Command::TypingSet(TypingSet {
                conversation_id,
                typing: true,
            }),
        ),
        (
            "full",
            Command::PresenceSet(PresenceSet {
                status: Availability::Busy,
            }),
        ),
        (
            "full",
            Command::PresenceWatch(PresenceWatch {
                user_ids: vec![user("d1"), user("n1")],
            }),
        ),
        ("full", Command::ConsultationJoin(consultation)),
        ("full", Command::ConsultationLeave(consultation)),
        ("full", Command::ConsultationStart(consultation)),
        (
            "full",
            Command::ConsultationEnd(ConsultationEnd {
                consultation_id: consultation_id(),
                notes: Some(TEXT.to_owned()),
            }),
        ),
        (
            "no_notes",
            Command::ConsultationEnd(ConsultationEnd {
                consultation_id: consultation_id(),
                notes: None,
            }),
        ),
        ("full", Command::NotificationAck(notification)),
        ("full", Command::NotificationRead(notification)),
    ];
    let mut frames: Vec<Sample> = all
        .into_iter()
        .map(|(case, command)| (case, Frame::Command(Some(7), command)))
        .collect();
    // Without an id: no reply is wanted.
    let quiet = Command::TypingSet(TypingSet {
        conversation_id,
        typing: false,
    });
    frames.push(("no_id", Frame::Command(None, quiet)));
    frames
}

fn replies() -> Vec<Sample> {
    let conversation_id = conversation_id();
    let history = |events| History {
        events,
        head_seq: 42,
        first_seq: 1,
        log_start_seq: 1,
        has_more: true,
    };
    let all = vec![
        ("full", Reply::Empty(Empty {})),
        (
            "full",
            Reply::MessageSent(MessageSent {
                conversation_id,
                message_id: message_id(),
                seq: 42,
                created_at: at(),
                duplicate: false,
            }),
        ),
        (
            "full",
            Reply::Logged(Logged {
                conversation_id,
                seq: 42,
            }),
        ),
        (
            "full",
            Reply::Conversation(Box::new(ConversationReply {
                conversation: conversation(),
                created: true,
            })),
        ),
        (
            "bare",
            Reply::Conversation(Box::new(ConversationReply {
                conversation: bare_conversation(),
                created: false,
            })),
        ),
        (
            "consultation",
            Reply::Conversation(Box::new(ConversationReply {
                conversation: chat_of_a_consultation(),
                created: false,
            })),
        ),
        ("full", Reply::Mine(mine())),
        ("default", Reply::Mine(Mine::default())),
        (
            "full",
            Reply::Subscribed(Subscribed {
                typing: vec![user("d1")],
                presence: vec![presence(), here()],
            }),
        ),
        ("full", Reply::History(history(logged_events()))),
        ("empty", Reply::History(history(Vec::new()))),
        (
            "full",
            Reply::ReceiptTaken(ReceiptTaken {
                up_to_seq: 42,
                unread_count: 3,
            }),
        ),
        (
            "full",
            Reply::Presences(Presences {
                presence: vec![presence()],
            }),
        ),
        (
            "full",
            Reply::TokenRefreshed(TokenRefreshed {
                token_expires_at: at(),
            }),
        ),
        (
            "full",
            Reply::Resumed(Resumed {
                store_epoch: "9f86d081884c7d65".to_owned(),
                conversations: vec![conversation()],
                watermarks: vec![ResumedConversation {
                    conversation_id,
                    head_seq: 42,
                    me: mine(),
                    receipts: vec![MemberReceipt {
                        user_id: user("d1"),
                        delivered_up_to_seq: 42,
                        read_up_to_seq: 40,
                    }],
                }],
                gone: vec![id("0193a6f0-5b1e-7c00-8000-000000000002")],
                cursor: Some("1795253400125.0193a6f0-5b1e-7c00-8000-000000000001".to_owned()),
            }),
        ),
        (
            "nothing",
            Reply::Resumed(Resumed {
                store_epoch: "9f86d081884c7d65".to_owned(),
                conversations: Vec::new(),
                watermarks: Vec::new(),
                gone: Vec::new(),
                cursor: None,
            }),
        ),
        (
            "full",
            Reply::Joined(Box::new(Joined {
                consultation: scheduled_consultation(),
                participants: vec![user("d1"), user("p1")],
            })),
        ),
        (
            "full",
            Reply::Consultation(Box::new(ConsultationReply {
                consultation: consultation(),
                seq: Some(42),
            })),
        ),
        (
            "scheduled",
            Reply::Consultation(Box::new(ConsultationReply {
                consultation: scheduled_consultation(),
                seq: None,
            })),
        ),
        ("full", Reply::Welcome(Box::new(welcome()))),
    ];
    all.into_iter()
        .map(|(case, reply)| (case, Frame::Reply(7, reply)))
        .collect()
}

fn events() -> Vec<Sample> {
    let conversation_id = conversation_id();
    let plain = |event| Frame::Event(EventFrame::plain(event));
    let about = |event| Frame::Event(EventFrame::about(conversation_id, event));
    let logged = |event| Frame::Event(EventFrame::logged(conversation_id, 42, event));
    let mut all = vec![
        ("full", plain(Event::SessionWelcome(welcome()))),
        (
            "no_end",
            plain(Event::SessionWelcome(SessionWelcome {
                token_expires_at: None,
                ..welcome()
            })),
        ),
        (
            "full",
            plain(Event::SessionExpiring(SessionExpiring {
                token_expires_at: at(),
            })),
        ),
        (
            "full",
            plain(Event::SessionClosing(SessionClosing {
                code: 1001,
                reason: "going_away".to_owned(),
                reconnect_after_ms: Some(2_345),
            })),
        ),
        (
            "no_hurry",
            plain(Event::SessionClosing(SessionClosing {
                code: 4409,
                reason: "replaced".to_owned(),
                reconnect_after_ms: None,
            })),
        ),
        (
            "full",
            about(Event::SyncBatch(SyncBatch {
                events: logged_events(),
                head_seq: 42,
            })),
        ),
        (
            "full",
            about(Event::SyncReset(SyncReset {
                head_seq: 420,
                first_seq: 12,
                log_start_seq: 1,
            })),
        ),
        ("full", logged(Event::MessageCreated(message()))),
        ("plain", logged(Event::MessageCreated(plain_message()))),
        ("deleted", logged(Event::MessageCreated(tombstone()))),
        (
            "system",
            logged(Event::MessageCreated(Message {
                sender_id: None,
                message_type: MessageType::System,
                ..plain_message()
            })),
        ),
        (
            "full",
            logged(Event::MessageUpdated(MessageUpdated {
                target_seq: 41,
                message_id: message_id(),
                user_id: user("p1"),
                text: "Good afternoon".to_owned(),
                edited_at: at(),
            })),
        ),
        (
            "full",
            logged(Event::MessageDeleted(MessageDeleted {
                target_seq: 41,
                message_id: message_id(),
                user_id: user("p1"),
                deleted_at: at(),
            })),
        ),
        ("full", logged(Event::MessageReacted(reacted()))),
        (
            "full",
            about(Event::ReceiptChanged(ReceiptChanged {
                user_id: user("d1"),
                delivered_up_to_seq: 42,
                read_up_to_seq: 40,
                at: at(),
            })),
        ),
        (
            "full",
            about(Event::TypingChanged(TypingChanged {
                user_id: user("d1"),
                typing: true,
            })),
        ),
        ("offline", plain(Event::PresenceChanged(presence()))),
        ("online", plain(Event::PresenceChanged(here()))),
        ("full", about(Event::ParticipantJoined(moved()))),
        ("full", about(Event::ParticipantLeft(moved()))),
        (
            "full",
            logged(Event::ConsultationStarted(ConsultationStarted {
                consultation_id: consultation_id(),
                by_user_id: user("d1"),
                at: at(),
            })),
        ),
        (
            "full",
            logged(Event::ConsultationEnded(ConsultationEnded {
                consultation_id: consultation_id(),
                status: ConsultationStatus::Completed,
                by_user_id: Some(user("d1")),
                at: at(),
            })),
        ),
        (
            "cancelled",
            logged(Event::ConsultationEnded(ConsultationEnded {
                consultation_id: consultation_id(),
                status: ConsultationStatus::Cancelled,
                by_user_id: None,
                at: at(),
            })),
        ),
        ("full", plain(Event::NotificationCreated(notification()))),
        (
            "bare",
            plain(Event::NotificationCreated(bare_notification())),
        ),
    ];
    all.extend(changes().into_iter().map(|(case, change)| {
        let event = Event::ConversationChanged(change);
        (
            case,
            if case == "preferences" {
                about(event)
            } else {
                logged(event)
            },
        )
    }));
    all
}

fn changes() -> Vec<(&'static str, ConversationChanged)> {
    vec![
        (
            "created",
            ConversationChanged {
                kind: Some(ConversationKind::CareTeam),
                title: Some("Knee".to_owned()),
                patient_id: Some(user("p1")),
                member_ids: vec![user("d1"), user("p1")],
                ..changed(Change::Created)
            },
        ),
        (
            "updated",
            ConversationChanged {
                title: Some("Knee and hip".to_owned()),
                ..changed(Change::Updated)
            },
        ),
        (
            "member_added",
            ConversationChanged {
                user_id: Some(user("n1")),
                member_role: Some(MemberRole::Observer),
                first_seq: Some(42),
                ..changed(Change::MemberAdded)
            },
        ),
        (
            "member_removed",
            ConversationChanged {
                user_id: Some(user("n1")),
                by_user_id: None,
                ..changed(Change::MemberRemoved)
            },
        ),
        (
            "member_left",
            ConversationChanged {
                user_id: Some(user("d1")),
                ..changed(Change::MemberLeft)
            },
        ),
        (
            "state",
            ConversationChanged {
                by_user_id: None,
                state: Some(ConversationState::ReadOnly),
                ..changed(Change::State)
            },
        ),
        (
            "preferences",
            ConversationChanged {
                me: Some(mine()),
                ..changed(Change::Preferences)
            },
        ),
    ]
}

fn errors() -> Vec<Sample> {
    let error = |code: ErrorCode| CommandError {
        retry_after_ms: if code.retryable() { 250 } else { 0 },
        ..CommandError::new(code, "in a few words")
    };
    let mut all: Vec<Sample> = ErrorCode::ALL
        .iter()
        .map(|code| ("full", Frame::Error(Some(7), error(*code))))
        .collect();
    let nobody = error(ErrorCode::InvalidArgument);
    all.push(("no_id", Frame::Error(None, nobody)));
    all
}
