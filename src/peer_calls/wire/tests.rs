use super::*;
use bedside_protocol::Role;
use proptest::{collection::vec, prelude::*};
use std::net::Ipv4Addr;

fn attempt() -> Attempt {
    Attempt {
        sid: "secret.node-1".to_owned(),
        id: u64::MAX,
        hold_ms: 10_000,
    }
}

fn calls() -> Vec<Call> {
    let push = Push {
        stream: StreamId::MAX,
        offset: 7,
        is_end: true,
        hold_ms: 1,
    };
    let pull = Pull {
        stream: 0,
        offset: u64::MAX,
        hold_ms: 20_000,
    };
    let open = Open {
        stream: 1 << 100,
        sid: "secret.node-1".to_owned(),
        target: "/socket.io/?EIO=4".to_owned(),
        headers: vec![("host".to_owned(), "example.org".to_owned())],
        address: Ipv4Addr::LOCALHOST.into(),
    };
    vec![
        Call::Poll(attempt()),
        Call::Post(attempt(), Bytes::from_static(b"4secret")),
        Call::Abandon(attempt()),
        Call::Open(open),
        Call::Push(push, Bytes::from_static(b"\x00\xffsecret")),
        Call::Pull(pull),
        Call::Redeem("secret".to_owned()),
        Call::Release("secret".to_owned()),
        Call::Close(StreamId::MAX),
        Call::Tell(
            Told {
                room: Room::Consultation(ConsultationId::new(Timestamp::from_millis(1_000))),
                event: "secret".to_owned(),
                is_ephemeral: true,
            },
            Bytes::from_static(b"{\"secret\":1}"),
        ),
        Call::Sitters(Room::Chat(ConversationId::new())),
        Call::Shown(UserId::new("secret").expect("an id"), ConversationId::new()),
    ]
}

fn answers() -> Vec<Answer> {
    let redeemed = Redeemed {
        user_id: UserId::new("u1").expect("an id"),
        name: "secret".to_owned(),
        email: "secret".to_owned(),
        roles: Roles::NONE.with(Role::Doctor),
        expires_at: Some(Timestamp::from_millis(7)),
        issued_at: Some(Timestamp::from_millis(5)),
        token_id: Some("secret".to_owned()),
    };
    vec![
        Answer::Refused(Refused::Busy),
        Answer::Polled(Bytes::from_static(b"4secret")),
        Answer::Done,
        Answer::Fault(3),
        Answer::Later,
        Answer::Taken(u64::MAX),
        Answer::Pulled(Bytes::from_static(b"\xffsecret")),
        Answer::Ended,
        Answer::Redeemed(Some(Box::new(redeemed))),
        Answer::Redeemed(None),
        Answer::Sitters(vec![Seated {
            user_id: UserId::new("secret").expect("an id"),
            session_id: SessionId::new(),
        }]),
        Answer::Shown(7),
    ]
}

#[test]
fn what_is_written_is_read() {
    for call in calls() {
        let bytes = call.encode().expect("it is small");
        assert_eq!(Call::decode(bytes), Ok(call));
    }
    for answer in answers() {
        let bytes = answer.encode().expect("it is small");
        assert_eq!(Answer::decode(bytes), Ok(answer));
    }
}

#[test]
fn who_redeems_is_who_the_ticket_was_made_for() {
    let identity = SessionIdentity {
        user_id: UserId::new("u1").expect("an id"),
        name: "n".into(),
        email: "e".into(),
        roles: Roles::NONE.with(Role::Patient),
        expires_at: None,
        stamp: TokenStamp {
            issued_at: Some(Timestamp::from_millis(5)),
            token_id: TokenId::new("t"),
        },
    };
    let there = Redeemed::from(identity.clone());
    assert_eq!(SessionIdentity::from(there), identity);
}

#[test]
fn nothing_that_is_secret_is_shown() {
    let shown = format!("{:?} {:?}", calls(), answers());
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn a_kind_that_nobody_knows_is_said_to_be_unknown() {
    for kind in [0, 13, 255] {
        let bytes = Bytes::copy_from_slice(&[kind, 0, 0]);
        assert_eq!(Call::decode(bytes), Err(Refused::Unknown), "{kind}");
    }
    let bytes = Bytes::from_static(&[11, 0, 0]);
    assert_eq!(Answer::decode(bytes), Err(Refused::Unknown));
}

#[test]
fn too_much_is_too_much_either_way() {
    let body = Bytes::from(vec![b'4'; CALL_BYTES_MAX]);
    let call = Call::Post(attempt(), body.clone());
    assert_eq!(call.encode(), Err(Refused::TooLarge));
    assert_eq!(Answer::Polled(body).encode(), Err(Refused::TooLarge));
    let long = Bytes::from(vec![POST; CALL_BYTES_MAX + 1]);
    assert_eq!(Call::decode(long), Err(Refused::TooLarge));
    let head = Call::Redeem("t".repeat(HEAD_BYTES_MAX));
    assert_eq!(head.encode(), Err(Refused::TooLarge));
    let body = Bytes::from(vec![b'4'; limits::SOCKETIO_PAYLOAD_BYTES_MAX]);
    assert!(Call::Post(attempt(), body).encode().is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Call::decode(bytes.clone().into());
        let _ = Answer::decode(bytes.into());
    }

    #[test]
    fn what_was_cut_or_changed_is_read_or_refused(
        which in 0..12_usize,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = calls()[which].encode().expect("it is small").to_vec();
        let at = at.index(bytes.len());
        if is_cut {
            bytes.truncate(at);
        } else {
            bytes[at] = byte;
        }
        let _ = Call::decode(bytes.into());
    }
}
