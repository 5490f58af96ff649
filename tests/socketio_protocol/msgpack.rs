//! Clients with the MessagePack parser: every packet is a binary message.

use crate::support::{
    client::Client, engine::Transport, on_each_transport, pack::Pack, under_test::msgpack,
};

on_each_transport!(
    a_client_is_let_in,
    a_client_is_heard,
    an_unknown_namespace_does_not_let_in,
    arguments_come_back,
    bytes_need_no_attachments,
    events_are_acknowledged,
    two_namespaces_share_a_connection,
    what_is_undefined_is_as_if_it_was_not_there,
    members_that_nobody_knows_are_passed_over,
    what_is_no_packet_closes,
    text_closes,
    reserved_names_close,
    nothing_comes_before_connect,
);

const CONNECT: i64 = 0;
const DISCONNECT: i64 = 1;
const EVENT: i64 = 2;
const ACK: i64 = 3;
const CONNECT_ERROR: i64 = 4;

fn packet(kind: i64, namespace: &str, data: Pack) -> Pack {
    Pack::map([
        ("type", kind.into()),
        ("data", data),
        ("nsp", namespace.into()),
    ])
}

fn event(data: Pack) -> Pack {
    packet(EVENT, "/", data)
}

fn with_id(packet: Pack, id: i64) -> Pack {
    let Pack::Map(mut members) = packet else {
        panic!("a packet is a map");
    };
    members.push(("id".to_owned(), id.into()));
    Pack::Map(members)
}

async fn next(client: &mut Client) -> Pack {
    Pack::decode(&client.next_binary().await)
}

async fn expect(client: &mut Client, kind: i64, namespace: &str, data: Pack) -> Pack {
    let packet = next(client).await;
    assert_eq!(*packet.get("type"), kind.into(), "{packet:?}");
    assert_eq!(*packet.get("nsp"), namespace.into(), "{packet:?}");
    assert_eq!(*packet.get("data"), data, "{packet:?}");
    packet
}

async fn outside(transport: Transport) -> Client {
    Client::of(msgpack(), transport).await
}

/// Enters a namespace.
async fn join(client: &mut Client, namespace: &str, auth: Option<Pack>) {
    let request = match auth.clone() {
        Some(auth) => packet(CONNECT, namespace, auth),
        None => Pack::map([("type", CONNECT.into()), ("nsp", namespace.into())]),
    };
    client.send(&request.encode());
    let welcome = next(client).await;
    assert_eq!(*welcome.get("type"), CONNECT.into(), "{welcome:?}");
    assert_eq!(*welcome.get("nsp"), namespace.into(), "{welcome:?}");
    let Pack::Map(members) = welcome.get("data") else {
        panic!("no id: {welcome:?}");
    };
    let [(name, Pack::Text(sid))] = &members[..] else {
        panic!("an id alone: {members:?}");
    };
    assert_eq!(name, "sid");
    assert!(sid.len() >= 20, "{sid}");
    let heard = Pack::list(["auth".into(), auth.unwrap_or(Pack::map([]))]);
    expect(client, EVENT, namespace, heard).await;
}

async fn inside(transport: Transport) -> Client {
    let mut client = outside(transport).await;
    join(&mut client, "/", None).await;
    client
}

async fn is_well(client: &mut Client) {
    client.send(&event(Pack::list(["message".into(), "well".into()])).encode());
    let back = Pack::list(["message-back".into(), "well".into()]);
    expect(client, EVENT, "/", back).await;
}

async fn a_client_is_let_in(transport: Transport) {
    let mut client = inside(transport).await;
    is_well(&mut client).await;
    client.stays_quiet().await;
}

async fn a_client_is_heard(transport: Transport) {
    let mut client = outside(transport).await;
    let auth = Pack::map([("token", "123".into()), ("deep", Pack::list([1.into()]))]);
    join(&mut client, "/", Some(auth.clone())).await;
    join(&mut client, "/custom", Some(auth)).await;
}

async fn an_unknown_namespace_does_not_let_in(transport: Transport) {
    let mut client = outside(transport).await;
    client.send(&packet(CONNECT, "/random", Pack::map([])).encode());
    let refusal = Pack::map([("message", "Invalid namespace".into())]);
    expect(&mut client, CONNECT_ERROR, "/random", refusal).await;
    join(&mut client, "/", None).await;
}

async fn arguments_come_back(transport: Transport) {
    let mut client = inside(transport).await;
    let arguments = [
        Pack::Nil,
        Pack::Undefined,
        Pack::Bool(true),
        Pack::Int(0),
        Pack::Int(-1),
        Pack::Int(70_000),
        Pack::Float(1.5),
        Pack::from("€ 👩🏽‍⚕️"),
        Pack::from(&*"t".repeat(70_000)),
        Pack::map([("a", Pack::list([Pack::map([])]))]),
    ];
    for argument in &arguments {
        client.send(&event(Pack::list(["message".into(), argument.clone()])).encode());
        let back = Pack::list(["message-back".into(), argument.clone()]);
        expect(&mut client, EVENT, "/", back).await;
    }
    let list = |name: &str| {
        let name = std::iter::once(Pack::from(name));
        Pack::List(name.chain(arguments.iter().cloned()).collect())
    };
    client.send(&event(list("message")).encode());
    expect(&mut client, EVENT, "/", list("message-back")).await;
    client.send(&event(Pack::list(["message".into()])).encode());
    let back = Pack::list(["message-back".into()]);
    expect(&mut client, EVENT, "/", back).await;
}

async fn bytes_need_no_attachments(transport: Transport) {
    let mut client = inside(transport).await;
    let bytes = Pack::from(&[0, 1, 254, 255][..]);
    let arguments = [bytes.clone(), Pack::map([("deep", bytes)])];
    let list = |name: &str| {
        let [first, second] = arguments.clone();
        Pack::list([name.into(), first, second])
    };
    client.send(&event(list("message")).encode());
    expect(&mut client, EVENT, "/", list("message-back")).await;
    is_well(&mut client).await;
}

async fn events_are_acknowledged(transport: Transport) {
    let mut client = inside(transport).await;
    for id in [0, 1, 127, 128, 70_000] {
        let request = event(Pack::list([
            "message-with-ack".into(),
            id.into(),
            "2".into(),
        ]));
        client.send(&with_id(request, id).encode());
        let answer = Pack::list([id.into(), "2".into()]);
        let packet = expect(&mut client, ACK, "/", answer).await;
        assert_eq!(*packet.get("id"), id.into());
    }
    let request = event(Pack::list(["message-with-ack".into()]));
    client.send(&with_id(request, 5).encode());
    expect(&mut client, ACK, "/", Pack::list([])).await;
    // And one that nobody waits for.
    client.send(&with_id(packet(ACK, "/", Pack::list([])), 9).encode());
    is_well(&mut client).await;
}

async fn two_namespaces_share_a_connection(transport: Transport) {
    let mut client = inside(transport).await;
    join(&mut client, "/custom", None).await;
    let leave = Pack::map([("type", DISCONNECT.into()), ("nsp", "/custom".into())]);
    client.send(&leave.encode());
    is_well(&mut client).await;
    join(&mut client, "/custom", None).await;
    client.stays_quiet().await;
}

/// The JavaScript parser writes what is not there.
async fn what_is_undefined_is_as_if_it_was_not_there(transport: Transport) {
    let mut client = outside(transport).await;
    let request = Pack::map([
        ("type", CONNECT.into()),
        ("data", Pack::Undefined),
        ("options", Pack::Undefined),
        ("nsp", "/".into()),
    ]);
    client.send(&request.encode());
    assert_eq!(*next(&mut client).await.get("type"), CONNECT.into());
    let heard = Pack::list(["auth".into(), Pack::map([])]);
    expect(&mut client, EVENT, "/", heard).await;
    is_well(&mut client).await;
}

/// The JavaScript parser sends its own options along.
async fn members_that_nobody_knows_are_passed_over(transport: Transport) {
    let mut client = inside(transport).await;
    let request = Pack::map([
        ("type", EVENT.into()),
        ("data", Pack::list(["message".into(), 1.into()])),
        ("options", Pack::map([("compress", Pack::Bool(true))])),
        ("nsp", "/".into()),
    ]);
    client.send(&request.encode());
    let back = Pack::list(["message-back".into(), 1.into()]);
    expect(&mut client, EVENT, "/", back).await;
}

async fn what_is_no_packet_closes(transport: Transport) {
    for bytes in [
        vec![0xc1],
        Pack::Nil.encode(),
        Pack::list([2.into()]).encode(),
        Pack::map([]).encode(),
        packet(9, "/", Pack::list(["message".into()])).encode(),
        packet(-1, "/", Pack::list(["message".into()])).encode(),
        event(Pack::list([])).encode(),
        event(Pack::from("message")).encode(),
        event(Pack::map([("0", "message".into())])).encode(),
        packet(CONNECT, "/custom", "abc".into()).encode(),
        Pack::map([("type", EVENT.into()), ("nsp", 7.into())]).encode(),
        Pack::map([("type", "2".into()), ("nsp", "/".into())]).encode(),
    ] {
        let mut client = inside(transport).await;
        client.send(&bytes);
        client.closes().await;
    }
}

async fn text_closes(transport: Transport) {
    let mut client = inside(transport).await;
    client.say(r#"2["message"]"#);
    client.closes().await;
}

async fn reserved_names_close(transport: Transport) {
    for name in ["connect", "disconnect", "newListener"] {
        let mut client = inside(transport).await;
        client.send(&event(Pack::list([name.into()])).encode());
        client.closes().await;
    }
}

async fn nothing_comes_before_connect(transport: Transport) {
    let mut client = outside(transport).await;
    client.send(&event(Pack::list(["message".into()])).encode());
    client.closes().await;
}
