use bedside_protocol::{Attachment, ConversationState, Roles};
use serde_json::{Value, json};

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn user(id: &str) -> UserId {
    UserId::new(id).expect("is an id")
}

fn member(id: &str, first_seq: u64, read_up_to_seq: u64) -> Member {
    Member {
        user_id: user(id),
        name: format!("Name of {id}"),
        roles: Roles::NONE,
        member_role: MemberRole::Member,
        first_seq,
        last_seq: None,
        joined_at: at(1_000),
        delivered_up_to_seq: read_up_to_seq,
        read_up_to_seq,
    }
}

fn message(sender: Option<&str>) -> Message {
    Message {
        message_id: MessageId::new(),
        sender_id: sender.map(user),
        message_type: MessageType::Text,
        text: "hello".to_owned(),
        attachments: Vec::new(),
        reply_to_seq: None,
        client_msg_id: None,
        composed_at: None,
        created_at: at(2_000),
        edited_at: None,
        deleted_at: None,
        reactions: Vec::new(),
    }
}

fn conversation(kind: ConversationKind, members: Vec<Member>) -> Conversation {
    Conversation {
        conversation_id: ConversationId::new(),
        kind,
        title: "Care".to_owned(),
        patient_id: None,
        consultation_id: None,
        created_by: user("d1"),
        created_at: at(1_000),
        state: ConversationState::Open,
        head_seq: 5,
        log_start_seq: 1,
        last_activity_at: at(2_000),
        last_message: None,
        me: Mine {
            first_seq: 1,
            read_up_to_seq: 3,
            ..Mine::default()
        },
        members,
    }
}

fn json_of<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("encodes")
}

#[test]
fn a_message_has_every_column_of_the_seed() {
    let chat_id = ConversationId::new();
    let mut sent = message(Some("d1"));
    sent.message_type = MessageType::Image;
    sent.attachments = vec![Attachment {
        url: "https://files.clinic.example/a.png".to_owned(),
        name: "a.png".to_owned(),
        media_type: "image/png".to_owned(),
        size_bytes: Some(7),
    }];
    let id = sent.message_id;
    assert_eq!(
        json_of(&ChatMessage::new(chat_id, sent, true)),
        json!({
            "id": id,
            "chatId": chat_id,
            "senderId": "d1",
            "content": "hello",
            "messageType": "image",
            "fileUrl": "https://files.clinic.example/a.png",
            "fileName": "a.png",
            "fileSize": 7,
            "mimeType": "image/png",
            "isRead": true,
            "voiceDuration": null,
            "isTranscribing": false,
            "transcription": null,
            "transcriptionSummary": null,
            "callId": null,
            "callType": null,
            "createdAt": at(2_000),
            "updatedAt": at(2_000),
            "deletedAt": null,
        })
    );
}

#[test]
fn a_deleted_message_has_no_content_and_says_when() {
    let mut deleted = message(None);
    deleted.text.clear();
    deleted.edited_at = Some(at(3_000));
    deleted.deleted_at = Some(at(4_000));
    let row = json_of(&ChatMessage::new(ConversationId::new(), deleted, false));
    assert_eq!(row["content"], Value::Null);
    assert_eq!(row["senderId"], Value::Null);
    assert_eq!(row["deletedAt"], json!(at(4_000)));
    assert_eq!(row["updatedAt"], json!(at(4_000)));
}

#[test]
fn a_message_of_somebody_else_is_read_by_the_viewers_own_watermark() {
    let chat = conversation(ConversationKind::CareTeam, Vec::new());
    let (me, other) = (user("p1"), user("d1"));
    assert!(is_read(&chat, &me, 3, Some(&other)));
    assert!(!is_read(&chat, &me, 4, Some(&other)));
    assert!(is_read(&chat, &me, 3, None), "what the server wrote");
}

#[test]
fn an_own_message_is_read_once_all_have_read_it_who_may() {
    let me = user("d1");
    let own = |members| conversation(ConversationKind::CareTeam, members);
    let is_read = |chat: &Conversation, seq| is_read(chat, &me, seq, Some(&me));
    let chat = own(vec![
        member("d1", 1, 0),
        member("n1", 1, 4),
        member("p1", 1, 3),
    ]);
    assert!(is_read(&chat, 3));
    assert!(!is_read(&chat, 4), "one has not");
    // Whose window starts above it does not count, alone or not.
    let chat = own(vec![
        member("d1", 1, 0),
        member("n1", 1, 4),
        member("p1", 5, 4),
    ]);
    assert!(is_read(&chat, 4));
    let chat = own(vec![member("d1", 1, 0), member("p1", 5, 4)]);
    assert!(!is_read(&chat, 4), "nobody else could");
    assert!(!is_read(&own(vec![member("d1", 1, 9)]), 4), "nobody else");
}

#[test]
fn in_large_chats_and_without_sight_of_receipts_an_own_message_stays_unread() {
    let me = user("d1");
    let others = |count: usize| {
        let mut members = vec![member("d1", 1, 0)];
        members.extend((1..count).map(|n| member(&format!("n{n}"), 1, 9)));
        members
    };
    let mut chat = conversation(
        ConversationKind::InternalStaff,
        others(READ_BY_ALL_MEMBERS_MAX),
    );
    assert!(is_read(&chat, &me, 4, Some(&me)));
    chat.members.push(member("n99", 1, 9));
    assert!(!is_read(&chat, &me, 4, Some(&me)), "65 members");
    let mut chat = conversation(ConversationKind::Broadcast, others(2));
    assert!(!is_read(&chat, &me, 4, Some(&me)), "no admin any more");
    chat.me.member_role = MemberRole::Admin;
    assert!(is_read(&chat, &me, 4, Some(&me)));
    chat.me.last_seq = Some(5);
    assert!(!is_read(&chat, &me, 4, Some(&me)), "gone");
}

#[test]
fn a_direct_chat_is_called_by_the_other_person() {
    let pair = vec![member("d1", 1, 0), member("p1", 1, 0)];
    let name = |members: Vec<Member>, viewer: &str| {
        let direct = conversation(ConversationKind::Direct, members);
        let chat = Chat::new(direct, &user(viewer), at(0));
        chat.expect("is a chat").name
    };
    assert_eq!(name(pair.clone(), "d1"), "Name of p1");
    assert_eq!(name(pair.clone(), "p1"), "Name of d1");
    let mut nameless = pair;
    nameless[1].name.clear();
    assert_eq!(name(nameless, "d1"), "p1");
}

#[test]
fn a_consultation_is_no_chat() {
    let consultation = conversation(ConversationKind::Consultation, Vec::new());
    assert!(Chat::new(consultation, &user("d1"), at(0)).is_none());
    for kind in ConversationKind::ALL {
        let back = ChatType::of(*kind).and_then(ChatType::kind);
        let is_consultation = *kind == ConversationKind::Consultation;
        assert_eq!(back, (!is_consultation).then_some(*kind));
    }
    assert_eq!(ChatType::Sms.kind(), None);
}

#[test]
fn marks_of_others_are_private_and_a_mute_ends_by_itself() {
    let mut team = conversation(
        ConversationKind::CareTeam,
        vec![member("d1", 1, 0), member("n1", 1, 0)],
    );
    team.me.archived = true;
    team.me.muted_until = Some(at(10));
    let id = team.conversation_id;
    let rows = |now| {
        let chat = Chat::new(team.clone(), &user("d1"), at(now));
        json_of(&chat.expect("is a chat").participants)
    };
    assert_eq!(
        rows(9),
        json!([
            {"id": format!("{id}:d1"), "chatId": id, "userId": "d1", "joinedAt": at(1_000),
             "isAdmin": false, "muted": true, "archived": true},
            {"id": format!("{id}:n1"), "chatId": id, "userId": "n1", "joinedAt": at(1_000),
             "isAdmin": false, "muted": false, "archived": false},
        ])
    );
    assert_eq!(rows(10)[0]["muted"], false);
}

#[test]
fn no_text_shows_when_printed() {
    let mut team = conversation(ConversationKind::CareTeam, Vec::new());
    team.last_message = Some(LastMessage {
        seq: 4,
        message: message(Some("d1")),
    });
    let chat = Chat::new(team, &user("d1"), at(0)).expect("is a chat");
    let printed = format!("{chat:?} {:?}", chat.last_message);
    assert!(
        !printed.contains("Care\"") && !printed.contains("hello"),
        "{printed}"
    );
}
