//! The driver alone: frames, order, deadlines and closing, with a dialect that does nothing but
//! what the test says, over a pipe in memory and on paused time.

mod ws_support;

use bedside::ws::{
    dialect::{Dialect, Incoming, Output, Step},
    driver::{Driver, Opening},
    frame::{Opcode, framed},
    metrics::{NoMetrics, SocketMetrics},
};
use bedside_protocol::CloseCode;
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    io::{AsyncWriteExt as _, DuplexStream, duplex},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use ws_support::{Client, masked};

/// What the test and the dialect share.
#[derive(Default)]
struct Script {
    received: Vec<String>,
    output: VecDeque<Bytes>,
    closed: Option<CloseCode>,
    busy: bool,
    deadline: Option<Instant>,
    dropped: bool,
    closed_with: Option<Option<u16>>,
    waker: Option<Waker>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Script>>);

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Script)) {
        let mut script = self.0.lock();
        change(&mut script);
        if let Some(waker) = script.waker.take() {
            waker.wake();
        }
    }

    fn send(&self, text: &str) {
        let frame = framed(Opcode::Text, text.as_bytes()).into();
        self.change(|script| script.output.push_back(frame));
    }

    fn received(&self) -> Vec<String> {
        self.0.lock().received.clone()
    }
}

struct Fake(Shared);

impl Drop for Fake {
    fn drop(&mut self) {
        self.0.0.lock().dropped = true;
    }
}

impl Dialect for Fake {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut script = self.0.0.lock();
        if script.busy {
            script.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn receive(&mut self, message: Incoming<'_>) -> Step {
        let mut script = self.0.0.lock();
        let text = match message {
            Incoming::Text(text) => text.to_owned(),
            Incoming::Binary(bytes) => format!("{bytes:?}"),
        };
        script.busy = text == "busy";
        script.received.push(text.clone());
        match text.as_str() {
            "close" => Step::Close(CloseCode::Normal),
            "refuse" => {
                Step::CloseAfter(framed(Opcode::Text, b"no").into(), CloseCode::Unauthorized)
            }
            _ => Step::Next,
        }
    }

    fn message_bytes_max(&self) -> usize {
        200_000
    }

    fn poll_output(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut VecDeque<Bytes>,
        frames_max: usize,
    ) -> Poll<Output> {
        let mut script = self.0.0.lock();
        if !script.output.is_empty() {
            let count = script.output.len().min(frames_max);
            into.extend(script.output.drain(..count));
            return Poll::Ready(Output::Frames);
        }
        if let Some(code) = script.closed {
            return Poll::Ready(Output::Closed(code));
        }
        script.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<CloseCode> {
        let mut script = self.0.0.lock();
        script.waker = Some(cx.waker().clone());
        script.closed.map_or(Poll::Pending, Poll::Ready)
    }

    fn farewell(&self, _: CloseCode) -> Option<Bytes> {
        Some(framed(Opcode::Text, b"farewell").into())
    }

    fn deadline(&self) -> Option<(Instant, CloseCode)> {
        let deadline = self.0.0.lock().deadline?;
        Some((deadline, CloseCode::Unauthorized))
    }
}

struct Metrics(Shared);

impl SocketMetrics for Metrics {
    fn closed(&self, code: Option<u16>) {
        self.0.0.lock().closed_with = Some(code);
    }
}

/// A socket with pipes of this size, which has read some bytes with its handshake.
fn open(
    pipe: usize,
    read_ahead: &[u8],
    script: Script,
) -> (Client<DuplexStream>, Shared, JoinHandle<()>) {
    let (near, far) = duplex(pipe);
    let shared = Shared(Arc::new(Mutex::new(script)));
    let opening = Opening {
        answer: Bytes::from_static(b"HTTP/1.1 101\r\n\r\n"),
        read_ahead: Bytes::copy_from_slice(read_ahead),
        metrics: Arc::new(Metrics(shared.clone())),
    };
    let driver = Driver::new(far, opening, Fake(shared.clone()), ());
    (Client::new(near), shared, tokio::spawn(driver))
}

async fn opened(pipe: usize) -> (Client<DuplexStream>, Shared, JoinHandle<()>) {
    let (mut client, shared, task) = open(pipe, &[], Script::default());
    client.response_head().await;
    (client, shared, task)
}

/// Waits until the driver has nothing left to do: paused time moves only then.
async fn settled() {
    sleep(Duration::from_millis(1)).await;
}

fn texts(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("message {n}")).collect()
}

#[tokio::test(start_paused = true)]
async fn frames_that_came_with_the_handshake_are_read_and_the_answer_comes_first() {
    let ahead = [masked(Opcode::Text, b"one"), masked(Opcode::Ping, b"two")].concat();
    let (mut client, shared, _task) = open(4096, &ahead, Script::default());
    assert_eq!(client.response_head().await, "HTTP/1.1 101\r\n\r\n");
    let pong = client.expect().await;
    assert_eq!((pong.first, pong.text()), (0x8a, "two"));
    assert_eq!(shared.received(), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn half_a_frame_with_the_handshake_waits_for_its_other_half() {
    let frame = masked(Opcode::Text, b"hello");
    let (mut client, shared, _task) = open(4096, &frame[..5], Script::default());
    client.send_raw(&frame[5..]).await;
    client.say("next").await;
    settled().await;
    assert_eq!(shared.received(), ["hello", "next"]);
}

#[tokio::test(start_paused = true)]
async fn frames_are_read_however_they_are_cut() {
    let long = "x".repeat(70_000);
    let mut input = Vec::new();
    for text in ["", "a", &"b".repeat(125), &"c".repeat(126), &long, "end"] {
        input.extend(masked(Opcode::Text, text.as_bytes()));
    }
    for cut in [1, 2, 3, 7, 1000, 65_536, input.len()] {
        let (mut client, shared, _task) = opened(1 << 20).await;
        for piece in input.chunks(cut) {
            client.send_raw(piece).await;
            tokio::task::yield_now().await;
        }
        settled().await;
        let lengths: Vec<_> = shared.received().iter().map(String::len).collect();
        assert_eq!(lengths, [0, 1, 125, 126, 70_000, 3], "cut at {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn frames_are_written_in_order_through_a_narrow_pipe() {
    let (mut client, shared, _task) = opened(7).await;
    let sent = texts(0..500);
    for text in &sent {
        shared.send(text);
    }
    for text in &sent {
        assert_eq!(client.expect().await.text(), text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_dialect_is_not_read_for_and_then_gets_the_rest_in_order() {
    let (mut client, shared, _task) = opened(1024).await;
    let burst: Vec<u8> = ["one", "busy", "two", "busy", "three"]
        .iter()
        .flat_map(|text| masked(Opcode::Text, text.as_bytes()))
        .collect();
    client.send_raw(&burst).await;
    settled().await;
    assert_eq!(shared.received(), ["one", "busy"]);

    // The pipe fills up, because nothing is read.
    let more = masked(Opcode::Text, &[b'x'; 4000]);
    let stuck = timeout(Duration::from_secs(1), client.stream.write_all(&more)).await;
    assert!(stuck.is_err(), "the socket was read");

    shared.change(|script| script.busy = false);
    settled().await;
    assert_eq!(shared.received(), ["one", "busy", "two", "busy"]);
    shared.change(|script| script.busy = false);
    settled().await;
    assert_eq!(shared.received(), ["one", "busy", "two", "busy", "three"]);
}

#[tokio::test(start_paused = true)]
async fn a_busy_socket_is_not_idle() {
    let (mut client, shared, _task) = opened(1024).await;
    client.say("busy").await;
    settled().await;
    for _ in 0..10 {
        assert_eq!(client.expect().await.first, 0x89);
    }
    shared.change(|script| script.busy = false);
    client.say("still here").await;
    settled().await;
    assert_eq!(shared.received(), ["busy", "still here"]);
}

#[tokio::test(start_paused = true)]
async fn each_of_many_pings_is_answered_in_order() {
    let (mut client, _shared, _task) = opened(4096).await;
    let pings: Vec<u8> = (0..20)
        .flat_map(|n: u8| masked(Opcode::Ping, &[n]))
        .collect();
    client.send_raw(&pings).await;
    for n in 0..20 {
        let pong = client.expect().await;
        assert_eq!((pong.first, pong.payload), (0x8a, vec![n]));
    }
}

#[tokio::test(start_paused = true)]
async fn who_pings_without_reading_gets_the_newest_pongs() {
    let (mut client, _shared, _task) = opened(64).await;
    for n in 0..200_u8 {
        client.send(Opcode::Ping, &[n; 100]).await;
    }
    settled().await;
    let mut answered = Vec::new();
    while let Ok(Some(pong)) = timeout(Duration::from_millis(5), client.frame()).await {
        assert_eq!(pong.payload, vec![pong.payload[0]; 100]);
        answered.push(pong.payload[0]);
    }
    // One was being written; the others waited.
    assert_eq!(answered, [0, 192, 193, 194, 195, 196, 197, 198, 199]);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_socket_is_pinged_and_then_closed() {
    let (mut client, shared, task) = opened(4096).await;
    let start = Instant::now();
    for s in [25, 50] {
        assert_eq!(client.expect().await.first, 0x89);
        assert_eq!(start.elapsed().as_secs(), s);
    }
    assert_eq!(client.expect().await.text(), "farewell");
    assert_eq!(client.expect().await.close_code(), Some(4502));
    assert_eq!(start.elapsed().as_secs(), 75);
    assert!(
        shared.0.lock().dropped,
        "the session goes when the socket starts to close"
    );
    assert_eq!(client.frame().await, None, "our side was shut down");
    // The client never answers.
    task.await.expect("ends");
    assert_eq!(start.elapsed().as_secs(), 80);
    assert_eq!(shared.0.lock().closed_with, Some(Some(4502)));
}

#[tokio::test(start_paused = true)]
async fn any_byte_keeps_a_socket_open() {
    let (mut client, _shared, _task) = opened(4096).await;
    let frame = masked(Opcode::Text, b"slowly");
    for byte in frame {
        sleep(Duration::from_secs(70)).await;
        client.send_raw(&[byte]).await;
    }
    settled().await;
    let mut pings = 0;
    while let Ok(Some(frame)) = timeout(Duration::from_millis(5), client.frame()).await {
        assert_eq!(frame.first, 0x89, "{frame:?}");
        pings += 1;
    }
    assert_eq!(pings, 12 * 70 / 25);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_talks_hears_pings() {
    let (mut client, _shared, _task) = opened(4096).await;
    for _ in 0..6 {
        sleep(Duration::from_secs(5)).await;
        client.say("hm").await;
    }
    let ping = timeout(Duration::from_millis(5), client.expect()).await;
    assert_eq!(ping.expect("it was pinged").first, 0x89);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_talks_both_ways_is_not_pinged() {
    let (mut client, shared, _task) = opened(4096).await;
    for _ in 0..20 {
        sleep(Duration::from_secs(10)).await;
        client.say("hm").await;
        shared.send("aha");
        assert_eq!(client.expect().await.text(), "aha");
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_takes_nothing_is_dropped() {
    let (mut client, shared, task) = opened(16).await;
    let start = Instant::now();
    shared.send(&"x".repeat(100));
    // It still talks, so it is not idle.
    for _ in 0..60 {
        if task.is_finished() {
            break;
        }
        let _ = client.stream.write_all(&masked(Opcode::Text, b"hm")).await;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(start.elapsed().as_secs(), 31);
    assert_eq!(shared.0.lock().closed_with, Some(None));
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_takes_a_little_is_kept() {
    let (mut client, shared, task) = opened(16).await;
    shared.send(&"x".repeat(200));
    let mut taken = 0;
    while taken < 204 {
        sleep(Duration::from_secs(20)).await;
        let mut some = [0; 16];
        taken += tokio::io::AsyncReadExt::read(&mut client.stream, &mut some)
            .await
            .expect("some");
        client.say("hm").await;
    }
    assert!(!task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_that_wakes_up_late_can_read_why_it_was_closed() {
    let (mut client, shared, task) = opened(64).await;
    shared.send(&"x".repeat(100));
    for text in texts(0..50) {
        shared.send(&text);
    }
    settled().await;
    shared.change(|script| {
        script.output.clear();
        script.closed = Some(CloseCode::SlowConsumer);
    });
    settled().await;
    assert!(shared.0.lock().dropped, "its memory is given back at once");
    sleep(Duration::from_secs(25)).await;
    // What was begun is finished, what waited behind it is gone, and no farewell is in the way.
    assert_eq!(client.expect().await.text().len(), 100);
    let close = client.expect().await;
    assert_eq!(
        (close.close_code(), close.close_reason()),
        (Some(4501), "slow_consumer")
    );
    assert_eq!(client.frame().await, None);
    drop(client);
    timeout(Duration::from_secs(1), task)
        .await
        .expect("ends with the client")
        .expect("well");
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_that_never_wakes_up_is_dropped() {
    let (_client, shared, task) = opened(64).await;
    let start = Instant::now();
    shared.send(&"x".repeat(100));
    settled().await;
    shared.change(|script| script.closed = Some(CloseCode::SlowConsumer));
    task.await.expect("ends");
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn what_waits_goes_out_before_any_other_close() {
    for stuck in [false, true] {
        let (mut client, shared, _task) = opened(if stuck { 32 } else { 1 << 16 }).await;
        let sent = texts(0..150);
        for text in &sent {
            shared.send(text);
        }
        shared.change(|script| script.closed = Some(CloseCode::GoingAway));
        if stuck {
            sleep(Duration::from_secs(1)).await;
            assert!(shared.0.lock().dropped, "a stuck socket hears of it");
        }
        for text in &sent {
            assert_eq!(client.expect().await.text(), text);
        }
        assert_eq!(client.expect().await.text(), "farewell");
        let close = client.expect().await;
        assert_eq!(
            (close.close_code(), close.close_reason()),
            (Some(1001), "going_away")
        );
        assert_eq!(client.frame().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_gets_its_code_back() {
    for (payload, code) in [
        (&[][..], None),
        (&[3, 232][..], Some(1000)),
        (&[3, 233, b'b', b'y', b'e'][..], Some(1001)),
        (&[0x0f, 0xa0][..], Some(4000)),
    ] {
        let (mut client, shared, task) = opened(4096).await;
        client.send(Opcode::Close, payload).await;
        // Nothing counts after a close frame.
        client.say("ignored").await;
        assert_eq!(client.expect().await.close_code(), code);
        assert_eq!(client.frame().await, None);
        drop(client);
        task.await.expect("ends");
        assert!(shared.received().is_empty());
        assert_eq!(shared.0.lock().closed_with, Some(code));
    }
}

#[tokio::test(start_paused = true)]
async fn who_breaks_the_protocol_is_told_how() {
    let mut oversize = vec![0x82, 0xff];
    oversize.extend(200_001_u64.to_be_bytes());
    for (input, code) in [
        (vec![0x81, 0x01, b'x'], 1002),
        (vec![0xc1, 0x80, 0, 0, 0, 0], 1002),
        (masked(Opcode::Close, &[3]), 1002),
        (masked(Opcode::Text, &[0xff]), 1007),
        (oversize, 1009),
    ] {
        let (mut client, shared, task) = opened(4096).await;
        client.say("good").await;
        client.send_raw(&input).await;
        client.say("never read").await;
        assert_eq!(client.expect().await.close_code(), Some(code));
        assert_eq!(client.frame().await, None);
        let start = Instant::now();
        task.await
            .expect("ends, though the client keeps the connection");
        assert_eq!(start.elapsed().as_secs(), 5);
        assert_eq!(shared.received(), ["good"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_dialect_can_end_it_with_a_last_word() {
    let (mut client, _shared, _task) = opened(4096).await;
    client.say("refuse").await;
    assert_eq!(client.expect().await.text(), "no");
    assert_eq!(client.expect().await.text(), "farewell");
    assert_eq!(client.expect().await.close_code(), Some(4401));
}

#[tokio::test(start_paused = true)]
async fn the_dialects_deadline_is_kept() {
    let start = Instant::now();
    let script = Script {
        deadline: Some(start + Duration::from_secs(3)),
        ..Script::default()
    };
    let (mut client, _shared, _task) = open(4096, &[], script);
    client.response_head().await;
    assert_eq!(client.expect().await.text(), "farewell");
    assert_eq!(client.expect().await.close_code(), Some(4401));
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_just_goes_ends_the_socket() {
    let (client, shared, task) = opened(4096).await;
    drop(client);
    task.await.expect("ends");
    assert_eq!(shared.0.lock().closed_with, Some(None));
    assert!(shared.0.lock().dropped);
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_its_own_connection_only() {
    struct Bomb;
    impl Dialect for Bomb {
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
        fn receive(&mut self, _: Incoming<'_>) -> Step {
            panic!("a bug")
        }
        fn message_bytes_max(&self) -> usize {
            100
        }
        fn poll_output(
            &mut self,
            _: &mut Context<'_>,
            _: &mut VecDeque<Bytes>,
            _: usize,
        ) -> Poll<Output> {
            Poll::Pending
        }
        fn poll_closed(&mut self, _: &mut Context<'_>) -> Poll<CloseCode> {
            Poll::Pending
        }
        fn farewell(&self, _: CloseCode) -> Option<Bytes> {
            None
        }
        fn deadline(&self) -> Option<(Instant, CloseCode)> {
            None
        }
    }
    let (near, far) = duplex(4096);
    let opening = Opening {
        answer: Bytes::new(),
        read_ahead: Bytes::new(),
        metrics: Arc::new(NoMetrics),
    };
    let task = tokio::spawn(Driver::new(far, opening, Bomb, ()));
    let mut client = Client::new(near);
    client.say("boom").await;
    assert!(client.rest().await.is_empty());
    assert!(task.await.expect_err("it panicked").is_panic());

    // On the same thread, with the same shared buffer.
    let (mut client, shared, _task) = opened(4096).await;
    client.say("fine").await;
    settled().await;
    assert_eq!(shared.received(), ["fine"]);
}

#[test]
fn a_socket_is_small() {
    let bytes = size_of::<
        Driver<tokio::net::TcpStream, bedside::ws::native::Native, bedside::ws::admission::Seat>,
    >();
    assert!(bytes <= 448, "{bytes}");
}
