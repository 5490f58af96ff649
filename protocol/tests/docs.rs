//! `docs/PROTOCOL.md` says what the code does: its tables, its names and its examples.

use bedside_protocol::{
    CloseCode, Command, ErrorCode, Event, ServerFrame, WireFormat, close, codec, limits,
};
use std::collections::BTreeSet;

const DOCUMENT: &str = include_str!("../../docs/PROTOCOL.md");
const LIMITS_SOURCE: &str = include_str!("../src/limits.rs");

/// What stands between a heading of the second level and the next one.
fn section(title: &str) -> &'static str {
    let start = format!("\n## {title}\n");
    let (_, rest) = DOCUMENT.split_once(&start).expect("the section is there");
    rest.split_once("\n## ")
        .map_or(rest, |(section, _)| section)
}

/// The rows of the only table of a section, without its head.
fn rows(title: &str) -> Vec<&'static str> {
    let rows = section(title).lines().filter(|line| line.starts_with('|'));
    rows.skip(2).collect()
}

/// The names in headings of the third level.
fn headings(title: &str) -> Vec<&'static str> {
    section(title)
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
        .collect()
}

/// Frames that stand in code blocks.
fn examples() -> impl Iterator<Item = &'static str> {
    DOCUMENT.lines().filter(|line| line.starts_with("{\""))
}

#[test]
fn the_error_table_is_the_codes() {
    let wanted: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|code| {
            let kind = if code.retryable() { "retry" } else { "final" };
            let (number, status) = (code.number(), code.http_status());
            format!(
                "| {number} | `{code}` | {status} | {kind} | {} |",
                code.advice()
            )
        })
        .collect();
    assert_eq!(rows("Errors"), wanted);
}

#[test]
fn the_close_table_is_the_codes() {
    let rows = rows("Close codes");
    assert_eq!(rows.len(), CloseCode::ALL.len());
    for (row, code) in rows.iter().zip(CloseCode::ALL) {
        let again = if close::reconnects(code.number()) {
            "yes"
        } else {
            "no"
        };
        let start = format!("| {} | `{}` | {again} | ", code.number(), code.name());
        assert!(row.starts_with(&start), "{row} should start with {start}");
    }
}

macro_rules! limits {
    ($($name:ident)*) => { vec![$((stringify!($name), limits::$name.to_string())),*] };
}

fn all_limits() -> Vec<(&'static str, String)> {
    limits! {
        TEXT_BYTES_MAX ATTACHMENTS_MAX ATTACHMENT_FIELD_BYTES_MAX USER_ID_BYTES_MAX
        CLIENT_MSG_ID_BYTES_MAX EMOJI_BYTES_MAX REACTIONS_PER_MESSAGE_MAX TITLE_BYTES_MAX
        NAME_BYTES_MAX MEMBERS_MAX MESSAGE_FRAME_BYTES_MAX HELLO_FRAME_BYTES_MAX HELLO_TIMEOUT_MS
        UNAUTHENTICATED_PER_ADDRESS_MAX UNAUTHENTICATED_IN_DOUBT_MAX FAILURES_PER_ADDRESS_A_MINUTE TOKEN_BYTES_MAX RESUME_POSITIONS_MAX
        RESUME_EVENTS_PER_CONVERSATION_MAX RESUME_EVENTS_MAX CONVERSATIONS_PAGE_MAX
        HISTORY_PAGE_MAX HISTORY_PAGE_DEFAULT PAGE_BYTES_MAX PRESENCE_WATCH_MAX SUBSCRIPTIONS_MAX
        TYPING_TTL_MS EDIT_WINDOW_MS CLIENT_MSG_ID_TTL_MS COMPOSED_AT_LAG_MS OUTBOX_FRAMES_MAX
        OUTBOX_BYTES_MAX SESSION_MAILBOX_MAX CONVERSATION_MAILBOX_MAX CONVERSATION_PENDING_MAX
        COMMANDS_PER_SECOND COMMANDS_BURST USER_COMMANDS_PER_SECOND USER_COMMANDS_BURST
        SESSIONS_PER_USER_MAX IDLE_TIMEOUT_MS PING_INTERVAL_MS
        TICKET_TTL_MS TICKETS_PER_USER_MAX REST_BODY_BYTES_MAX APPOINTMENT_ID_BYTES_MAX
        NOTES_BYTES_MAX ROOM_NOTIFICATION_BYTES_MAX ROOM_SOCKETS_MAX ROOMS_PER_SOCKET_MAX NOTIFICATION_USERS_MAX
        NOTIFICATION_TITLE_BYTES_MAX NOTIFICATION_BODY_BYTES_MAX NOTIFICATION_DATA_BYTES_MAX
        NOTIFICATION_ACTION_BYTES_MAX DEDUPE_KEY_BYTES_MAX NOTIFICATIONS_PAGE_MAX
        CONSULTATIONS_PAGE_MAX SOCKETIO_PAYLOAD_BYTES_MAX SOCKETIO_PING_INTERVAL_MS
        SOCKETIO_PING_TIMEOUT_MS SOCKETIO_CONNECT_TIMEOUT_MS SOCKETIO_UPGRADE_TIMEOUT_MS
        SOCKETIO_POLLING_SESSIONS_MAX SOCKETIO_NAMESPACES_MAX SOCKETIO_REFUSALS_MAX
        SOCKETIO_ATTACHMENTS_MAX SOCKETIO_CONNECT_BYTES_MAX SEARCH_MESSAGES_MAX
        SEARCH_QUERY_BYTES_MAX CALL_PARTICIPANTS_MAX CALL_SCREENS_MAX SDP_BYTES_MAX
        CANDIDATE_BYTES_MAX CANDIDATES_MAX ANSWER_TIMEOUT_MS
    }
}

#[test]
fn the_list_of_limits_is_whole() {
    let declared: BTreeSet<_> = LIMITS_SOURCE
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split(':').next())
        .collect();
    let listed: BTreeSet<_> = all_limits().into_iter().map(|(name, _)| name).collect();
    assert_eq!(listed, declared);
}

#[test]
fn the_limits_table_has_the_values() {
    let rows = rows("Limits");
    let limits = all_limits();
    assert_eq!(rows.len(), limits.len());
    for (row, (name, value)) in rows.iter().zip(&limits) {
        let start = format!("| `{name}` | {value} | ");
        assert!(row.starts_with(&start), "{row} should start with {start}");
    }
}

#[test]
fn every_command_and_event_has_its_heading_in_order() {
    assert_eq!(headings("Commands"), Command::NAMES);
    assert_eq!(headings("Events"), Event::NAMES);
}

#[test]
fn every_example_is_a_frame() {
    let mut commands = BTreeSet::new();
    let mut events = BTreeSet::new();
    for example in examples() {
        let bytes = example.as_bytes();
        if let Ok(frame) = codec::decode_command(WireFormat::Json, bytes) {
            let again = codec::encode_command(WireFormat::Json, frame.id, &frame.command);
            let again: serde_json::Value = serde_json::from_slice(&again).expect("is JSON");
            let mut read: serde_json::Value = serde_json::from_str(example).expect("is JSON");
            if frame.command.name() == "message.send" || frame.command.name() == "member.add" {
                // A default may be left out by a client and is written by the server's codec.
                let data = again["data"].as_object().expect("is a map").clone();
                for (key, value) in data {
                    read["data"]
                        .as_object_mut()
                        .expect("is a map")
                        .entry(key)
                        .or_insert(value);
                }
            }
            assert_eq!(
                read, again,
                "{example} has fields that the code does not know"
            );
            commands.insert(frame.command.name());
            continue;
        }
        match codec::decode_server_frame(WireFormat::Json, bytes) {
            Ok(ServerFrame::Event(frame)) => {
                let again = codec::encode_event(WireFormat::Json, &frame);
                assert_eq!(
                    example,
                    String::from_utf8_lossy(&again),
                    "not as the server writes it"
                );
                events.insert(frame.event.name());
            }
            Ok(_) => {}
            Err(fault) => panic!("{example} is no frame: {fault}"),
        }
    }
    assert_eq!(commands, Command::NAMES.iter().copied().collect());
    assert_eq!(events, Event::NAMES.iter().copied().collect());
}

#[test]
fn links_within_the_document_lead_somewhere() {
    let anchors: BTreeSet<String> = DOCUMENT
        .lines()
        .filter_map(|line| {
            line.strip_prefix("## ")
                .or_else(|| line.strip_prefix("### "))
        })
        .map(|title| {
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        })
        .collect();
    for link in DOCUMENT.split("](#").skip(1) {
        let anchor = link.split(')').next().expect("has an end");
        assert!(anchors.contains(anchor), "#{anchor} leads nowhere");
    }
}
