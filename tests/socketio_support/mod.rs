//! What the tests of Engine.IO and Socket.IO share: clients written by hand from the public protocol
//! documents, so that they share no mistake with the server.
//!
//! ```text
//! http        HTTP/1.1 requests, byte by byte
//! websocket   a client of RFC 6455
//! polling     a session of long polling, request by request
//! engine      a session on any transport, which answers pings by itself
//! client      a client of Socket.IO
//! pack        MessagePack
//! under_test  the server
//! ```
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod client;
pub(crate) mod engine;
pub(crate) mod http;
pub(crate) mod pack;
pub(crate) mod polling;
pub(crate) mod under_test;
pub(crate) mod websocket;

use std::{future::Future, time::Duration};

/// How long anything may take that has to happen. Far more than it does, even on a machine that is
/// busy with other things: only a test that fails waits for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What has to happen.
pub(crate) async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, happens).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("waited in vain: {what}"),
    }
}

/// Each of these tests, on every transport.
macro_rules! on_each_transport {
    ($($test:ident),+ $(,)?) => {
        mod websocket {
            use $crate::support::engine::Transport;
            $(#[tokio::test]
            async fn $test() {
                super::$test(Transport::WebSocket).await;
            })+
        }
        mod polling {
            use $crate::support::engine::Transport;
            $(#[tokio::test]
            async fn $test() {
                super::$test(Transport::Polling).await;
            })+
        }
        mod upgraded {
            use $crate::support::engine::Transport;
            $(#[tokio::test]
            async fn $test() {
                super::$test(Transport::Upgraded).await;
            })+
        }
    };
}
pub(crate) use on_each_transport;
