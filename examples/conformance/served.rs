//! What the suites of Socket.IO expect to be served.

use bedside::socketio::application::{
    Application, Arguments, ClientEvent, ConnectRefused, ConnectRequest, Connected, Connecting,
    End, Packets, Peer, PeerOutput,
};
use serde_json::{Value as Json, json};
use std::{
    collections::VecDeque,
    task::{Context, Poll},
};

/// Answers that wait. While there are so many the client is not read.
const WAITING_MAX: usize = 64;

/// Gives clients back what they send.
pub(crate) struct Echo;

impl Application for Echo {
    fn connect(&self, request: ConnectRequest<'_>) -> Connecting {
        self.admit(&request).into()
    }
}

impl Echo {
    fn admit(&self, request: &ConnectRequest<'_>) -> Connected {
        let answers = match request.namespace {
            "/" => true,
            "/custom" => false,
            _ => {
                return Err(ConnectRefused {
                    message: "Invalid namespace".to_owned(),
                    data: None,
                });
            }
        };
        let auth = match request.auth {
            Json::Null => json!({}),
            auth => auth.clone(),
        };
        Ok(Box::new(Client {
            answers,
            waiting: VecDeque::from([Answer::Auth(auth)]),
            choked: false,
        }))
    }
}

struct Client {
    answers: bool,
    waiting: VecDeque<Answer>,
    choked: bool,
}

enum Answer {
    Auth(Json),
    Message(Arguments),
    Ack(i64, Arguments),
}

impl Peer for Client {
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        self.choked = self.waiting.len() >= WAITING_MAX;
        if self.choked {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    fn event(&mut self, event: ClientEvent, ack: Option<i64>) {
        match (event.name(), ack) {
            _ if !self.answers => {}
            ("message", _) => {
                let answer = Answer::Message(event.into_arguments());
                self.waiting.push_back(answer);
            }
            ("message-with-ack", Some(ack)) => {
                let answer = Answer::Ack(ack, event.into_arguments());
                self.waiting.push_back(answer);
            }
            _ => {}
        }
    }

    fn poll_output(&mut self, cx: &mut Context<'_>, into: &mut Packets<'_>) -> Poll<PeerOutput> {
        if self.waiting.is_empty() {
            // Events come on the task that asks here, which therefore needs no waking.
            return Poll::Pending;
        }
        for answer in self.waiting.drain(..) {
            match answer {
                Answer::Auth(auth) => into.emit("auth", &auth),
                Answer::Message(arguments) => into.emit_back("message-back", &arguments),
                Answer::Ack(id, arguments) => into.ack_back(id, &arguments),
            }
        }
        if std::mem::take(&mut self.choked) {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(PeerOutput::Packets)
    }

    fn poll_closed(&mut self, _: &mut Context<'_>) -> Poll<End> {
        Poll::Pending
    }
}
