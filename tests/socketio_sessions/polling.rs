//! Sessions that poll.

use actix_web::{http::header, test::TestRequest};
use bedside_protocol::CloseCode;
use futures_util::future::{FutureExt as _, join, join3};
use tokio::time::Instant;

use crate::kit::{Answer, Server, assert_about, ms, settled};

#[actix_web::test]
async fn the_beats_come_on_time() {
    let server = Server::new();
    let start = Instant::now();
    let (sid, _) = server.open().await;
    for beat in 1..=3 {
        assert_eq!(server.poll(&sid).await, Answer::ok("2"));
        assert_about(start, 300 * beat);
        ms(120).await;
        assert_eq!(server.post(&sid, "3").await, Answer::ok("ok"));
    }
}

#[actix_web::test]
async fn a_client_that_answers_no_ping_is_forgotten_on_time() {
    let server = Server::new();
    let start = Instant::now();
    let (sid, speaker) = server.open().await;
    assert_eq!(server.poll(&sid).await, Answer::ok("2"));
    assert_eq!(server.poll(&sid).await, Answer::ok("1"));
    assert_about(start, 500);
    assert_eq!(server.poll(&sid).await, Answer::unknown());
    assert!(speaker.is_dropped());
    // One that never polls at all goes as well.
    let (sid, speaker) = server.open().await;
    ms(500).await;
    assert_eq!(server.poll(&sid).await, Answer::unknown());
    settled().await;
    assert!(speaker.is_dropped());
    assert_eq!(server.counts.0.lock().0, 0);
    assert_eq!(server.admission.open(), 0);
}

#[actix_web::test]
async fn what_waits_is_polled_in_order_and_in_bounds() {
    let server = Server::new();
    let (sid, speaker) = server.open().await;
    let texts: Vec<_> = (0..5).map(|n| n.to_string().repeat(400)).collect();
    for text in &texts {
        speaker.send(text);
    }
    let two = |a: usize, b: usize| Answer::ok(&format!("4{}\u{1e}4{}", texts[a], texts[b]));
    assert_eq!(server.poll(&sid).await, two(0, 1));
    settled().await;
    assert_eq!(
        speaker.0.lock().written,
        0,
        "not all that was taken is written"
    );
    assert_eq!(server.poll(&sid).await, two(2, 3));
    assert_eq!(
        server.poll(&sid).await,
        Answer::ok(&format!("4{}", texts[4]))
    );
    settled().await;
    assert_eq!(speaker.0.lock().written, 1);
    // Each poll shows that the answer before it came through.
    assert_eq!(speaker.0.lock().heard, 3);
    // A poll waits for the next one, however long that one is.
    let long = "x".repeat(2_000);
    let send = async {
        ms(50).await;
        speaker.send(&long);
    };
    let (polled, ()) = join(server.poll(&sid), send).await;
    assert_eq!(polled, Answer::ok(&format!("4{long}")));
}

#[actix_web::test]
async fn posts_are_taken_in_order_and_only_when_there_is_room() {
    let server = Server::new();
    let (sid, speaker) = server.open().await;
    let release = async {
        ms(50).await;
        assert_eq!(speaker.received(), ["1", "busy"]);
        speaker.change(|script| script.busy = false);
    };
    let first = server.post(&sid, "41\u{1e}4busy\u{1e}42\u{1e}bAQI=");
    let second = async {
        settled().await;
        server.post(&sid, "43").await
    };
    let (first, second, ()) = join3(first, second, release).await;
    assert_eq!((first, second), (Answer::ok("ok"), Answer::ok("ok")));
    assert_eq!(
        speaker.received(),
        ["1", "busy", "2", r#"b"\x01\x02""#, "3"]
    );
    // A post tells nothing about what was polled.
    assert_eq!(speaker.0.lock().heard, 0);
}

#[actix_web::test]
async fn posts_that_wait_are_bounded() {
    let server = Server::new();
    let (sid, speaker) = server.open().await;
    server.post(&sid, "4busy").await;
    let posts = (0..5).map(|_| server.post(&sid, "4more"));
    let answers = futures_util::future::join_all(posts).await;
    let refused = |answer: &&Answer| answer.status == 400;
    assert_eq!(answers.iter().filter(refused).count(), 5, "{answers:?}");
    assert!(speaker.is_dropped());
}

#[actix_web::test]
async fn a_second_poll_ends_the_session() {
    let server = Server::new();
    let (sid, speaker) = server.open().await;
    let second = async {
        settled().await;
        server.poll(&sid).await
    };
    let (first, second) = join(server.poll(&sid), second).await;
    assert_eq!(first, Answer::ok("1"));
    assert_eq!(second, Answer::fault(3, "Bad request"));
    assert_eq!(server.poll(&sid).await, Answer::unknown());
    assert!(speaker.is_dropped());
}

#[actix_web::test]
async fn a_client_that_hangs_up_on_its_poll_is_gone() {
    let server = Server::new();
    let (sid, speaker) = server.open().await;
    {
        let mut poll = Box::pin(server.poll(&sid));
        assert!(poll.as_mut().now_or_never().is_none());
        settled().await;
        assert!(!speaker.is_dropped());
    }
    settled().await;
    assert!(speaker.is_dropped());
    assert_eq!(server.poll(&sid).await, Answer::unknown());
}

#[actix_web::test]
async fn a_client_that_closes_has_its_poll_ended() {
    let server = Server::new();
    let (sid, _) = server.open().await;
    let (poll, post) = join(server.poll(&sid), server.post(&sid, "1")).await;
    assert_eq!((poll, post), (Answer::ok("6"), Answer::ok("ok")));
    assert_eq!(server.poll(&sid).await, Answer::unknown());
    // Or the next one, when none waits; but not for ever.
    let (sid, speaker) = server.open().await;
    assert_eq!(server.post(&sid, "1\u{1e}4more").await, Answer::ok("ok"));
    assert!(speaker.is_dropped());
    assert_eq!(speaker.received(), Vec::<String>::new());
    assert_eq!(server.post(&sid, "4more").await, Answer::unknown());
    assert_eq!(server.poll(&sid).await, Answer::ok("6"));
    assert_eq!(server.poll(&sid).await, Answer::unknown());
    let (sid, _) = server.open().await;
    server.post(&sid, "1").await;
    ms(2_000).await;
    assert_eq!(server.poll(&sid).await, Answer::unknown());
}

#[actix_web::test]
async fn a_server_that_closes_says_what_is_left_first() {
    let server = Server::new();
    let (sid, speaker) = server.open().await;
    let end = async {
        settled().await;
        speaker.change(|script| script.ended = Some(CloseCode::GoingAway));
    };
    let (polled, ()) = join(server.poll(&sid), end).await;
    assert_eq!(polled, Answer::ok("1"));
    assert_eq!(server.poll(&sid).await, Answer::unknown());
    // With nobody polling, the next one is told.
    for slow in [false, true] {
        let (sid, speaker) = server.open().await;
        speaker.change(|script| {
            script.slow = slow;
            script.ended = (!slow).then_some(CloseCode::GoingAway);
        });
        settled().await;
        assert!(speaker.is_dropped());
        assert_eq!(server.poll(&sid).await, Answer::ok("1"));
        assert_eq!(server.poll(&sid).await, Answer::unknown());
    }
}

#[actix_web::test]
async fn what_is_posted_has_to_make_sense() {
    let server = Server::new();
    for body in ["", "abc", "4a\u{1e}", "2", "b#"] {
        let (sid, speaker) = server.open().await;
        let (poll, post) = join(server.poll(&sid), server.post(&sid, body)).await;
        let refused = post == Answer::fault(3, "Bad request") || body == "2";
        assert!(refused, "{body:?}: {post:?}");
        assert_eq!(poll, Answer::ok("1"));
        assert_eq!(server.poll(&sid).await, Answer::unknown());
        assert!(speaker.is_dropped());
    }
    assert_eq!(server.counts.0.lock().3, 5);
    // What the speaker does not like ends it in order.
    let (sid, _) = server.open().await;
    assert_eq!(server.post(&sid, "4bad").await, Answer::ok("ok"));
    assert_eq!(server.poll(&sid).await, Answer::ok("1"));
}

#[actix_web::test]
async fn bodies_have_a_size_and_a_kind() {
    let server = Server::new();
    let (sid, speaker) = server.open().await;
    assert_eq!(
        server.post(&sid, &"4".repeat(1_000)).await,
        Answer::ok("ok")
    );
    assert_eq!(server.post(&sid, &"4".repeat(1_001)).await.status, 413);
    let uri = format!("/socket.io?transport=polling&sid={sid}");
    let post = |kind| {
        TestRequest::post()
            .uri(&uri)
            .insert_header(("Content-Type", kind))
    };
    let bytes = post("application/octet-stream").set_payload("4a");
    assert_eq!(server.respond(bytes).await.status(), 400);
    let latin = post("text/plain").set_payload(&b"4\xe9"[..]);
    assert_eq!(server.respond(latin).await.status(), 400);
    assert_eq!(speaker.received().len(), 1);
    assert!(!speaker.is_dropped());
    // And so has each message in them.
    speaker.change(|script| script.strict = true);
    assert_eq!(server.post(&sid, "40123456789").await, Answer::ok("ok"));
    assert!(!speaker.is_dropped());
    assert_eq!(server.post(&sid, "401234567890").await, Answer::ok("ok"));
    assert!(speaker.is_dropped());
    assert_eq!(server.poll(&sid).await, Answer::ok("1"));
}

#[actix_web::test]
async fn answers_are_of_the_kind_that_clients_expect_and_never_kept() {
    let server = Server::new();
    let (sid, speaker) = server.open().await;
    speaker.send("x");
    let uri = format!("/socket.io/?transport=polling&sid={sid}");
    for (request, kind) in [
        (TestRequest::get().uri(&uri), "text/plain; charset=UTF-8"),
        (TestRequest::post().uri(&uri).set_payload("4a"), "text/html"),
        (TestRequest::get().uri("/socket.io/"), "application/json"),
    ] {
        let response = server.respond(request).await;
        assert_eq!(
            response
                .headers()
                .get(header::CONTENT_TYPE)
                .expect("is there"),
            kind
        );
        assert_eq!(
            response
                .headers()
                .get(header::CACHE_CONTROL)
                .expect("is there"),
            "no-store"
        );
    }
}
