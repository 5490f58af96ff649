//! Small adapters between what one module offers and another asks for.

use actix_web::{HttpRequest, http::header};
use bedside_actors::ports::identity::{Identities, Verification};
use bedside_protocol::{Timestamp, limits};
use std::{sync::Arc, time::Duration};

use super::peers::TicketOffice;
use crate::{
    auth::{Gate, Identity},
    config::MetricsConfig,
    demo::{is_local_host, is_proxy_header},
    http::{HttpMetrics, IssueTicket, IssuedTicket, TokenScopes},
    metrics::{self, Metrics},
    socketio::engine::metrics::{SessionMetrics, Transport},
    ws::metrics::SocketMetrics,
};

/// Verifies tokens for sockets and REST.
pub(super) struct Tokens(pub(super) Gate);

impl Identities for Tokens {
    fn verify(&self, token: &str, now: Timestamp) -> Verification {
        self.0.verify(token, now)
    }
}

impl TokenScopes for Tokens {
    fn scopes(&self, token: &str) -> Vec<String> {
        self.0.scopes(token, Timestamp::now())
    }
}

/// Makes tickets for whoever a request's token speaks for.
pub(super) fn issue_tickets(tickets: Arc<TicketOffice>) -> Arc<IssueTicket> {
    Arc::new(move |session| {
        let now = Timestamp::now();
        let identity = Identity {
            user_id: session.user_id.clone(),
            roles: session.roles,
            name: session.name.clone(),
            email: session.email.clone(),
            scopes: Arc::from([]),
            expires_at: session
                .expires_at
                .unwrap_or(Timestamp::from_millis(i64::MAX)),
            stamp: session.stamp.clone(),
        };
        let ttl_ms = i64::try_from(limits::TICKET_TTL_MS).unwrap_or(0);
        Ok(IssuedTicket {
            ticket: tickets.name(tickets.own().issue(identity, now)?),
            expires_at: now.plus_millis(ttl_ms),
        })
    })
}

/// Whether a request on the main listener may read the metrics.
pub(super) fn may_read_metrics(request: &HttpRequest, config: &MetricsConfig) -> bool {
    // A page may reach this machine by a name of its own that leads here, which it leaves in `Host`.
    let host = request.headers().get(header::HOST);
    let is_own_name = |host: &header::HeaderValue| host.to_str().is_ok_and(is_local_host);
    let is_proxied = !host.is_none_or(is_own_name)
        || request
            .headers()
            .keys()
            .any(|name| is_proxy_header(name.as_str()));
    let bearer = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    metrics::allowed(request.peer_addr(), is_proxied, bearer, config)
}

/// Counts requests.
pub(super) struct HttpCounts(pub(super) Arc<Metrics>);

impl HttpMetrics for HttpCounts {
    fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        self.0.http.answered(method, Some(route), status, took);
    }
}

/// Counts what happens in sessions of Socket.IO.
pub(super) struct SessionCounts(pub(super) Arc<Metrics>);

impl SessionMetrics for SessionCounts {
    fn opened(&self, on: Transport) {
        self.0.sessions.opened(on.name());
    }
    fn upgraded(&self) {
        self.0.sessions.upgraded();
    }
    fn closed(&self, on: Transport) {
        self.0.sessions.closed(on.name());
    }
    fn received(&self) {
        self.0.sessions.messages_in.inc();
    }
    fn sent(&self, messages: usize) {
        self.0.sessions.messages_out.inc_by(messages as u64);
    }
    fn malformed(&self) {
        self.0.sessions.malformed.inc();
    }
}

/// Counts what happens on sockets.
pub(super) struct SocketCounts(pub(super) Arc<Metrics>);

impl SocketMetrics for SocketCounts {
    fn opened(&self) {
        self.0.sockets.opened();
    }
    fn refused(&self, status: u16) {
        self.0.sockets.refused(match status {
            400 => "malformed",
            401 => "unauthorized",
            403 => "origin",
            404 => "path",
            426 => "version",
            429 => "too_many_unauthenticated",
            503 => "overloaded",
            _ => "other",
        });
    }
    fn closed(&self, code: Option<u16>) {
        self.0.sockets.closed(code.unwrap_or(1006));
    }
    fn read(&self, bytes: usize) {
        self.0.sockets.bytes_in.inc_by(bytes as u64);
    }
    fn received(&self, frames: usize) {
        self.0.sockets.frames_in.inc_by(frames as u64);
    }
    fn written(&self, frames: usize, bytes: usize) {
        self.0.sockets.frames_out.inc_by(frames as u64);
        self.0.sockets.bytes_out.inc_by(bytes as u64);
    }
}
