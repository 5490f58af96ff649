//! WebSocket alone, without Engine.IO on it: the server that protocol fuzzers are pointed at.

use crate::support::{
    under_test::ws_echo,
    websocket::{Incoming, WebSocket},
};

#[tokio::test]
async fn messages_come_back() {
    let mut socket = WebSocket::open(ws_echo(), "/").await;
    for length in [0, 1, 125, 126, 65_535, 65_536, 1_000_000] {
        let text = "t".repeat(length);
        socket.say(&text).await;
        assert!(socket.next().await == Incoming::Text(text), "{length}");
        let bytes = vec![7; length];
        socket.send(&bytes).await;
        assert!(socket.next().await == Incoming::Binary(bytes), "{length}");
    }
}

#[tokio::test]
async fn messages_may_have_sixteen_mebibytes_and_no_more() {
    const LARGEST: usize = 16 * 1024 * 1024;
    let mut socket = WebSocket::open(ws_echo(), "/").await;
    let bytes = vec![7; LARGEST];
    socket.send(&bytes).await;
    assert!(socket.next().await == Incoming::Binary(bytes));
    let mut socket = WebSocket::open(ws_echo(), "/").await;
    socket.send(&vec![7; LARGEST + 1]).await;
    let (before, code) = socket.until_closed().await;
    assert_eq!((before, code), (vec![], Some(1009)));
}
