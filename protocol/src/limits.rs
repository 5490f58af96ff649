//! Every bound that a client can meet, in one table. Each has a test that hits it.

/// Text of one message, bytes of UTF-8. More is `too_large`.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Attachments of one message.
pub const ATTACHMENTS_MAX: usize = 10;
/// Any one text of an attachment (url, name, media type), bytes.
pub const ATTACHMENT_FIELD_BYTES_MAX: usize = 2048;
/// A user id, bytes.
pub const USER_ID_BYTES_MAX: usize = 128;
/// A `client_msg_id`, bytes.
pub const CLIENT_MSG_ID_BYTES_MAX: usize = 64;
/// An emoji of a reaction, bytes: room for the longest joined sequences.
pub const EMOJI_BYTES_MAX: usize = 64;
/// Different emojis on one message. One more is `too_large`.
pub const REACTIONS_PER_MESSAGE_MAX: usize = 32;
/// Title of a conversation, bytes.
pub const TITLE_BYTES_MAX: usize = 200;
/// A person's display name, bytes.
pub const NAME_BYTES_MAX: usize = 200;
/// Members of one conversation.
pub const MEMBERS_MAX: usize = 1000;
/// One inbound WebSocket message after hello, bytes. More closes with 1009. It holds a text of
/// [`TEXT_BYTES_MAX`] in which JSON escapes every byte, with room for the rest.
pub const MESSAGE_FRAME_BYTES_MAX: usize = 128 * 1024;
/// The first frame of a socket that has not said who it is, bytes. More closes with 1009.
pub const HELLO_FRAME_BYTES_MAX: usize = 8 * 1024;
/// How long a socket may take to say hello, milliseconds. Then it is closed with 4401.
pub const HELLO_TIMEOUT_MS: u64 = 5_000;
/// Sockets from one address (an IPv6 /64) that have not yet said hello, and never more than half
/// of what the server has room for. So many that a clinic behind one address can come back at once.
pub const UNAUTHENTICATED_PER_ADDRESS_MAX: usize = 10_000;
/// The same for an address that has failed too often of late, see the next one.
pub const UNAUTHENTICATED_IN_DOUBT_MAX: usize = 1_000;
/// Failures that one address (an IPv6 /64) has free, at once and again in each minute: tokens that
/// cannot be trusted, and sockets that never said hello. Past it bad tokens get `rate_limited`.
/// Good ones, and ones that have only run out, are never counted or held up.
pub const FAILURES_PER_ADDRESS_A_MINUTE: u32 = 120;
/// A token, bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Positions in one `sync.resume`.
pub const RESUME_POSITIONS_MAX: usize = 1_000;
/// Events of one conversation that a `sync.resume` replays; what is further behind is reset.
pub const RESUME_EVENTS_PER_CONVERSATION_MAX: u64 = 200;
/// Events in all that a `sync.resume` replays.
pub const RESUME_EVENTS_MAX: u64 = 1_000;
/// Conversations that a `sync.resume` or a listing returns at a time.
pub const CONVERSATIONS_PAGE_MAX: usize = 200;
/// Events of one `message.history` page.
pub const HISTORY_PAGE_MAX: usize = 200;
/// Events of a `message.history` page when the caller names no limit.
pub const HISTORY_PAGE_DEFAULT: usize = 50;
/// Bytes of events in one page or `sync.batch` frame, before encoding. A page ends early, with
/// `has_more`, rather than pass this; one event always fits.
pub const PAGE_BYTES_MAX: usize = 128 * 1024;
/// People that one socket may watch with `presence.watch`.
pub const PRESENCE_WATCH_MAX: usize = 200;
/// Conversations that one socket may subscribe to (typing and presence of participants).
pub const SUBSCRIPTIONS_MAX: usize = 32;
/// How long a typing mark lives without being renewed, milliseconds.
pub const TYPING_TTL_MS: u64 = 5_000;
/// How long after sending a message may be edited, milliseconds (default; configurable).
pub const EDIT_WINDOW_MS: i64 = 15 * 60 * 1_000;
/// How long a `client_msg_id` is remembered, milliseconds: 7 days and one of grace.
pub const CLIENT_MSG_ID_TTL_MS: i64 = 8 * 24 * 60 * 60 * 1_000;
/// `composed_at` is kept only when it is more than this before `created_at`, milliseconds.
pub const COMPOSED_AT_LAG_MS: i64 = 2 * 60 * 1_000;
/// Frames waiting to be written to one socket. More closes it with the slow-consumer code.
pub const OUTBOX_FRAMES_MAX: usize = 512;
/// Bytes waiting to be written to one socket. More closes it with the slow-consumer code.
pub const OUTBOX_BYTES_MAX: usize = 1024 * 1024;
/// Commands that wait in one session's mailbox; when it is full its socket is not read.
pub const SESSION_MAILBOX_MAX: usize = 32;
/// Commands that wait in one conversation's mailbox; more get `unavailable`, to be tried again.
pub const CONVERSATION_MAILBOX_MAX: usize = 2_048;
/// Log entries of one conversation that wait for their commit; more get `unavailable`.
pub const CONVERSATION_PENDING_MAX: usize = 4_096;
/// Commands a second that one session may send, averaged. More get `rate_limited`. Far above
/// what a person does, so that a system that sends for many can use one socket.
pub const COMMANDS_PER_SECOND: u32 = 2_000;
/// Commands that one session may send at once on top of the average.
pub const COMMANDS_BURST: u32 = 4_000;
/// Commands and requests a second of one user, averaged over all their sockets and REST, on all
/// nodes together. More get `rate_limited`.
pub const USER_COMMANDS_PER_SECOND: u32 = 4_000;
/// Commands and requests of one user at once on top of the average.
pub const USER_COMMANDS_BURST: u32 = 8_000;
/// Sockets that one user may have open at once; the oldest is closed for one more.
pub const SESSIONS_PER_USER_MAX: usize = 32;
/// How long the server waits for any byte from a client before it closes, milliseconds.
pub const IDLE_TIMEOUT_MS: u64 = 75_000;
/// How often the server pings a quiet socket, milliseconds.
pub const PING_INTERVAL_MS: u64 = 25_000;
/// A ticket of `POST /api/v1/tickets` lives this long, milliseconds.
pub const TICKET_TTL_MS: u64 = 30_000;
/// Unused tickets that one user may hold.
pub const TICKETS_PER_USER_MAX: usize = 16;
/// One REST request body, bytes.
pub const REST_BODY_BYTES_MAX: usize = 256 * 1024;
/// A clinic's own name of an appointment, bytes.
pub const APPOINTMENT_ID_BYTES_MAX: usize = 128;
/// What a doctor notes at a consultation's end, bytes. More is `too_large`.
pub const NOTES_BYTES_MAX: usize = 16 * 1024;
/// What one of the clinic's systems shows to a consultation's room, bytes of JSON.
pub const ROOM_NOTIFICATION_BYTES_MAX: usize = 16 * 1024;
/// Sockets in one consultation's room.
pub const ROOM_SOCKETS_MAX: usize = 256;
/// Rooms that one socket may be in at once.
pub const ROOMS_PER_SOCKET_MAX: usize = 32;
/// People whom one publishing of a notification may name.
pub const NOTIFICATION_USERS_MAX: usize = 1_000;
/// Title of a notification, bytes.
pub const NOTIFICATION_TITLE_BYTES_MAX: usize = 200;
/// Body of a notification, bytes.
pub const NOTIFICATION_BODY_BYTES_MAX: usize = 2 * 1024;
/// `data` of a notification as JSON, bytes.
pub const NOTIFICATION_DATA_BYTES_MAX: usize = 8 * 1024;
/// `action` of a notification, bytes.
pub const NOTIFICATION_ACTION_BYTES_MAX: usize = 2 * 1024;
/// `dedupe_key` of a notification, bytes.
pub const DEDUPE_KEY_BYTES_MAX: usize = 128;
/// Notifications of one page.
pub const NOTIFICATIONS_PAGE_MAX: usize = 200;
/// Consultations of one page.
pub const CONSULTATIONS_PAGE_MAX: usize = 200;
/// One Socket.IO message, bytes: `maxPayload` of its handshake. More closes the transport.
pub const SOCKETIO_PAYLOAD_BYTES_MAX: usize = 1_000_000;
/// How often a Socket.IO client is pinged, milliseconds.
pub const SOCKETIO_PING_INTERVAL_MS: u64 = 25_000;
/// How long it may take to answer, milliseconds.
pub const SOCKETIO_PING_TIMEOUT_MS: u64 = 20_000;
/// How long an Engine.IO session may be without a namespace, milliseconds.
pub const SOCKETIO_CONNECT_TIMEOUT_MS: u64 = 10_000;
/// How long a WebSocket may take to carry on a Socket.IO session that polls, milliseconds.
pub const SOCKETIO_UPGRADE_TIMEOUT_MS: u64 = 10_000;
/// Socket.IO sessions that poll at once. More are refused with HTTP 503.
pub const SOCKETIO_POLLING_SESSIONS_MAX: usize = 2_048;
/// Namespaces that one Socket.IO client may be in. One more closes the transport.
pub const SOCKETIO_NAMESPACES_MAX: usize = 16;
/// Refused requests for a namespace after which a Socket.IO client is closed.
pub const SOCKETIO_REFUSALS_MAX: u8 = 32;
/// Binary attachments of one Socket.IO packet. One more closes the transport.
pub const SOCKETIO_ATTACHMENTS_MAX: usize = 10;
/// A message of a Socket.IO client that is in no namespace yet, bytes: room for a token. More
/// closes the transport.
pub const SOCKETIO_CONNECT_BYTES_MAX: usize = 16 * 1024;
/// Newest messages of a conversation that a search looks through.
pub const SEARCH_MESSAGES_MAX: u64 = 2_000;
/// Bytes of a search query.
pub const SEARCH_QUERY_BYTES_MAX: usize = 200;
/// People in one call at once.
pub const CALL_PARTICIPANTS_MAX: usize = 16;
/// Screens shared in one call at once.
pub const CALL_SCREENS_MAX: usize = 2;
/// One offer or answer of a call, bytes. More is `too_large`.
pub const SDP_BYTES_MAX: usize = 64 * 1024;
/// One ICE candidate of a client, bytes.
pub const CANDIDATE_BYTES_MAX: usize = 512;
/// ICE candidates of one client to one offer.
pub const CANDIDATES_MAX: usize = 64;
/// How long a client may take to answer an offer, milliseconds.
pub const ANSWER_TIMEOUT_MS: u64 = 15_000;
