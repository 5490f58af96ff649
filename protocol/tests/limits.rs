//! Every bound that the protocol itself enforces, met exactly and passed by one; and what the
//! bounds promise about each other.

use bedside_protocol::{
    Attachment, ClientMsgId, Command, ConsultationId, ConversationId, ErrorCode, Event, EventFrame,
    MessageSend, MessageType, Notification, NotificationId, NotificationType, Timestamp, UserId,
    WireFormat,
    codec::{decode_command, encode_command, encode_event},
    command::{MessageEdit, PresenceWatch, SessionHello, SyncResume},
    consultation::ConsultationEnd,
    limits,
    message::{validate_emoji, validate_text},
    notification::Json,
};

/// Texts of exactly `bytes` bytes, of characters of one to four bytes.
fn texts(bytes: usize) -> Vec<String> {
    ['a', 'é', '☀', '😀']
        .iter()
        .map(|c| {
            let mut text = c.to_string().repeat(bytes / c.len_utf8());
            text.push_str(&"b".repeat(bytes - text.len()));
            text
        })
        .collect()
}

fn text_message(text: &str) -> MessageSend {
    MessageSend {
        conversation_id: Some(ConversationId::from_bytes([1; 16])),
        text: text.to_owned(),
        ..MessageSend::default()
    }
}

fn file_message(attachments: Vec<Attachment>) -> MessageSend {
    MessageSend {
        message_type: MessageType::File,
        attachments,
        ..text_message("")
    }
}

fn attachment() -> Attachment {
    Attachment {
        url: "https://files.clinic.example/1".to_owned(),
        name: String::new(),
        media_type: String::new(),
        size_bytes: None,
    }
}

fn code_of(send: &MessageSend) -> Option<ErrorCode> {
    send.validate().err().map(|error| error.code)
}

#[test]
fn user_ids() {
    for text in texts(limits::USER_ID_BYTES_MAX) {
        assert!(UserId::new(&text).is_ok());
    }
    for text in texts(limits::USER_ID_BYTES_MAX + 1) {
        assert!(UserId::new(&text).is_err());
    }
    assert!(UserId::new("").is_err());
    assert!(UserId::new("a").is_ok());
    for control in ["\0", "a\n", "\u{7f}", "\u{85}"] {
        assert!(UserId::new(control).is_err(), "{control:?}");
    }
}

#[test]
fn client_msg_ids() {
    for text in texts(limits::CLIENT_MSG_ID_BYTES_MAX) {
        assert!(ClientMsgId::new(&text).is_ok());
    }
    for text in texts(limits::CLIENT_MSG_ID_BYTES_MAX + 1) {
        assert!(ClientMsgId::new(&text).is_err());
    }
    assert!(ClientMsgId::new("").is_err());
    assert!(ClientMsgId::new("a\t").is_err());
}

#[test]
fn ids_have_the_same_bounds_on_the_wire() {
    let watch = |text: &str| {
        format!(r#"{{"type":"presence.watch","data":{{"user_ids":["{text}"]}}}}"#).into_bytes()
    };
    let longest = "a".repeat(limits::USER_ID_BYTES_MAX);
    assert!(decode_command(WireFormat::Json, &watch(&longest)).is_ok());
    assert!(decode_command(WireFormat::Json, &watch(&format!("{longest}a"))).is_err());
    assert!(decode_command(WireFormat::Json, &watch("")).is_err());
    assert!(decode_command(WireFormat::Json, &watch("\\u0000")).is_err());
}

#[test]
fn text() {
    for text in texts(limits::TEXT_BYTES_MAX) {
        assert_eq!(validate_text(&text), Ok(()));
        assert_eq!(code_of(&text_message(&text)), None);
    }
    for text in texts(limits::TEXT_BYTES_MAX + 1) {
        let error = validate_text(&text).expect_err("is too long");
        assert_eq!(error.code, ErrorCode::TooLarge);
        assert!(error.message.starts_with("text:"), "{error}");
        assert!(error.message.contains(&limits::TEXT_BYTES_MAX.to_string()));
        assert_eq!(code_of(&text_message(&text)), Some(ErrorCode::TooLarge));
    }
    for blank in ["", " ", "\n\t \u{2003}"] {
        assert_eq!(
            code_of(&text_message(blank)),
            Some(ErrorCode::InvalidArgument)
        );
    }
}

#[test]
fn emojis() {
    for emoji in texts(limits::EMOJI_BYTES_MAX) {
        assert_eq!(validate_emoji(&emoji), Ok(()));
    }
    for emoji in texts(limits::EMOJI_BYTES_MAX + 1) {
        let error = validate_emoji(&emoji).expect_err("is too long");
        assert_eq!(error.code, ErrorCode::TooLarge);
        assert!(error.message.contains(&limits::EMOJI_BYTES_MAX.to_string()));
    }
    // A family with skin tones, joined: among the longest there are.
    assert_eq!(validate_emoji("👩🏽‍❤️‍💋‍👨🏿"), Ok(()));
    for wrong in ["", " ", "👍 ", "a\nb", "\u{0}"] {
        let error = validate_emoji(wrong).expect_err("is no emoji");
        assert_eq!(error.code, ErrorCode::InvalidArgument, "{wrong:?}");
    }
}

#[test]
fn attachments() {
    let many = |count| file_message(vec![attachment(); count]);
    assert_eq!(code_of(&many(0)), Some(ErrorCode::InvalidArgument));
    assert_eq!(code_of(&many(1)), None);
    assert_eq!(code_of(&many(limits::ATTACHMENTS_MAX)), None);
    let too_many = many(limits::ATTACHMENTS_MAX + 1);
    assert_eq!(code_of(&too_many), Some(ErrorCode::TooLarge));

    let fields: [fn(&mut Attachment) -> &mut String; 3] =
        [|a| &mut a.url, |a| &mut a.name, |a| &mut a.media_type];
    for field in fields {
        let with = |bytes: usize| {
            let mut last = attachment();
            *field(&mut last) = "x".repeat(bytes);
            file_message(vec![attachment(), last])
        };
        assert_eq!(code_of(&with(limits::ATTACHMENT_FIELD_BYTES_MAX)), None);
        let too_long = with(limits::ATTACHMENT_FIELD_BYTES_MAX + 1);
        assert_eq!(code_of(&too_long), Some(ErrorCode::TooLarge));
    }
    let nowhere = file_message(vec![Attachment {
        url: String::new(),
        ..attachment()
    }]);
    assert_eq!(code_of(&nowhere), Some(ErrorCode::InvalidArgument));
}

#[test]
fn messages_have_one_destination_and_a_type_that_people_send() {
    let nowhere = MessageSend {
        conversation_id: None,
        ..text_message("a")
    };
    assert_eq!(code_of(&nowhere), Some(ErrorCode::InvalidArgument));
    let to_user_id = || UserId::new("d1").ok();
    let consultation_id = || ConsultationId::from_number(7);
    for alone in [
        MessageSend {
            to_user_id: to_user_id(),
            ..nowhere.clone()
        },
        MessageSend {
            consultation_id: consultation_id(),
            ..nowhere
        },
    ] {
        assert_eq!(code_of(&alone), None);
        let twice = MessageSend {
            conversation_id: Some(ConversationId::from_bytes([1; 16])),
            ..alone
        };
        assert_eq!(code_of(&twice), Some(ErrorCode::InvalidArgument));
        let thrice = MessageSend {
            to_user_id: to_user_id(),
            consultation_id: consultation_id(),
            ..twice
        };
        assert_eq!(code_of(&thrice), Some(ErrorCode::InvalidArgument));
    }
    for (message_type, wanted) in [
        (MessageType::Text, None),
        (MessageType::Image, None),
        (MessageType::File, None),
        (MessageType::Voice, None),
        (MessageType::System, Some(ErrorCode::InvalidArgument)),
        (MessageType::CallLog, Some(ErrorCode::InvalidArgument)),
    ] {
        let send = MessageSend {
            message_type,
            attachments: vec![attachment()],
            ..text_message("a")
        };
        assert_eq!(code_of(&send), wanted, "{message_type:?}");
    }
}

#[test]
fn times() {
    for (text, wanted) in [
        ("1970-01-01T00:00:00.000Z", Some(0)),
        ("1970-01-01T01:00:00+01:00", Some(0)),
        ("1969-12-31T23:59:59.999Z", None),
        ("1969-12-31T23:59:59.9999Z", None),
        ("9999-12-31T23:59:59.999Z", Some(253_402_300_799_999)),
        ("9999-12-31T23:59:59.999-00:01", None),
        ("10000-01-01T00:00:00Z", None),
        ("2026-11-21T09:30:00.1239Z", Some(1_795_253_400_123)),
        ("2026-11-21 09:30", None),
        ("1795253400", None),
        ("", None),
    ] {
        let read = Timestamp::parse(text).map(Timestamp::as_millis);
        assert_eq!(read, wanted, "{text}");
    }
    assert_eq!(Timestamp::from_millis(-1), Timestamp::from_millis(0));
    let last = Timestamp::from_millis(i64::MAX);
    assert_eq!(last.to_string(), "9999-12-31T23:59:59.999Z");
    assert_eq!(Timestamp::parse(&last.to_string()), Some(last));
}

/// What a client may send by all other bounds fits into a frame.
#[test]
fn the_largest_commands_fit_into_a_frame() {
    let conversation_id = ConversationId::from_bytes([255; 16]);
    // JSON writes each of these as six bytes.
    let escaped = "\u{1}".repeat(limits::TEXT_BYTES_MAX);
    let send = Command::MessageSend(MessageSend {
        client_msg_id: ClientMsgId::new(&"\"".repeat(limits::CLIENT_MSG_ID_BYTES_MAX)).ok(),
        reply_to_seq: Some(u64::MAX),
        composed_at: Some(Timestamp::from_millis(i64::MAX)),
        ..text_message(&escaped)
    });
    let edit = Command::MessageEdit(MessageEdit {
        conversation_id,
        seq: u64::MAX,
        text: escaped,
    });
    let longest = "x".repeat(limits::ATTACHMENT_FIELD_BYTES_MAX);
    let full = Attachment {
        url: longest.clone(),
        name: longest.clone(),
        media_type: longest,
        size_bytes: Some(u64::MAX),
    };
    let files = Command::MessageSend(MessageSend {
        text: "x".repeat(limits::TEXT_BYTES_MAX),
        ..file_message(vec![full; limits::ATTACHMENTS_MAX])
    });
    let resume = Command::SyncResume(SyncResume {
        positions: (0..limits::RESUME_POSITIONS_MAX as u128)
            .map(|n| (ConversationId::from_bytes(n.to_be_bytes()), u64::MAX))
            .collect(),
        store_epoch: Some("f".repeat(32)),
        cursor: Some("c".repeat(100)),
    });
    let id = "i".repeat(limits::USER_ID_BYTES_MAX);
    let watch = Command::PresenceWatch(PresenceWatch {
        user_ids: vec![UserId::new(&id).expect("is in bounds"); limits::PRESENCE_WATCH_MAX],
    });
    let end = Command::ConsultationEnd(ConsultationEnd {
        consultation_id: ConsultationId::from_number(ConsultationId::MAX).expect("is in bounds"),
        notes: Some("\u{1}".repeat(limits::NOTES_BYTES_MAX)),
    });
    for command in [send, edit, files, resume, watch, end] {
        for format in WireFormat::ALL {
            let bytes = encode_command(format, Some(u64::MAX), &command).len();
            assert!(
                bytes <= limits::MESSAGE_FRAME_BYTES_MAX,
                "{} {format:?}: {bytes}",
                command.name()
            );
        }
    }
}

/// A notification with everything fits into what publishes it, and into a socket's outbox.
#[test]
fn the_largest_notification_fits() {
    let data = Json::from("x".repeat(limits::NOTIFICATION_DATA_BYTES_MAX - 2));
    assert_eq!(data.to_string().len(), limits::NOTIFICATION_DATA_BYTES_MAX);
    let notification = Notification {
        notification_id: NotificationId::new(),
        user_id: UserId::new(&"\"".repeat(limits::USER_ID_BYTES_MAX)).expect("is in bounds"),
        notification_type: NotificationType::AppointmentReminder,
        title: "\u{1}".repeat(limits::NOTIFICATION_TITLE_BYTES_MAX),
        body: "\u{1}".repeat(limits::NOTIFICATION_BODY_BYTES_MAX),
        data: Some(data),
        action: Some("\u{1}".repeat(limits::NOTIFICATION_ACTION_BYTES_MAX)),
        created_at: Timestamp::from_millis(i64::MAX),
    };
    let size = serde_json::to_vec(&notification).expect("writes").len();
    let ids = limits::NOTIFICATION_USERS_MAX * (limits::USER_ID_BYTES_MAX + "\"\",".len());
    let publication = size + ids + limits::DEDUPE_KEY_BYTES_MAX;
    assert!(publication < limits::REST_BODY_BYTES_MAX, "{publication}");
    for format in WireFormat::ALL {
        let event = EventFrame::plain(Event::NotificationCreated(notification.clone()));
        let bytes = encode_event(format, &event).len();
        assert!(bytes < limits::OUTBOX_BYTES_MAX / 8, "{format:?}: {bytes}");
        assert!(bytes < limits::SOCKETIO_PAYLOAD_BYTES_MAX);
    }
}

/// A hello frame holds any token up to 8,000 bytes, though not quite one of the bound.
#[test]
fn a_long_token_fits_into_hello() {
    for format in WireFormat::ALL {
        let hello = |bytes| {
            let token = "t".repeat(bytes);
            encode_command(
                format,
                Some(1),
                &Command::SessionHello(SessionHello { token }),
            )
            .len()
        };
        assert!(hello(8_000) <= limits::HELLO_FRAME_BYTES_MAX);
        assert!(hello(limits::TOKEN_BYTES_MAX) > limits::HELLO_FRAME_BYTES_MAX);
    }
}

#[test]
fn bounds_that_rest_on_each_other() {
    const {
        assert!(limits::HELLO_FRAME_BYTES_MAX < limits::MESSAGE_FRAME_BYTES_MAX);
        assert!(limits::PING_INTERVAL_MS * 3 <= limits::IDLE_TIMEOUT_MS);
        assert!(limits::PAGE_BYTES_MAX >= limits::TEXT_BYTES_MAX);
        assert!(limits::PAGE_BYTES_MAX < limits::OUTBOX_BYTES_MAX);
        assert!(limits::HISTORY_PAGE_DEFAULT <= limits::HISTORY_PAGE_MAX);
        assert!(limits::RESUME_EVENTS_PER_CONVERSATION_MAX <= limits::RESUME_EVENTS_MAX);
        assert!(limits::MESSAGE_FRAME_BYTES_MAX <= limits::REST_BODY_BYTES_MAX);
        assert!(limits::NOTES_BYTES_MAX <= limits::TEXT_BYTES_MAX);
        assert!(limits::ROOMS_PER_SOCKET_MAX <= limits::ROOM_SOCKETS_MAX);
        // Whatever a native client may send fits into a packet, and waits for no longer.
        assert!(limits::MESSAGE_FRAME_BYTES_MAX <= limits::SOCKETIO_PAYLOAD_BYTES_MAX);
        assert!(limits::SOCKETIO_PAYLOAD_BYTES_MAX <= limits::OUTBOX_BYTES_MAX);
        let silence = limits::SOCKETIO_PING_INTERVAL_MS + limits::SOCKETIO_PING_TIMEOUT_MS;
        assert!(silence <= limits::IDLE_TIMEOUT_MS);
        assert!(limits::CLIENT_MSG_ID_TTL_MS >= 7 * 24 * 60 * 60 * 1_000);
    }
}
