//! What the facade is wired to.

use actix_web::{HttpRequest, web};
use bedside_actors::{
    node::Node,
    ports::{fallback::FallbackProvider, identity::SessionIdentity},
};
use bedside_protocol::{
    CommandError, ConsultationId, Person, Timestamp, UserId, notification::Json,
};
use std::{sync::Arc, time::Duration};

use crate::{seeds::Shown, strangers::Strangers};

/// The facade's parts, as every handler gets them.
pub(crate) type Parts = web::Data<HttpParts>;

/// Makes a single-use ticket with which a WebSocket opens as this identity. Errors:
/// `rate_limited` when its user holds too many unused ones.
pub type IssueTicket = dyn Fn(&SessionIdentity) -> Result<IssuedTicket, CommandError> + Send + Sync;

/// Shows something to everybody in a consultation's room, as it is; who is not there misses it.
pub type NotifyRoom = dyn Fn(ConsultationId, Json) + Send + Sync;

/// Everything that the facade needs of the rest of the server.
#[derive(Clone)]
pub struct HttpParts {
    /// Who does the work.
    pub node: Arc<Node>,
    /// What the health page says is running.
    pub version: &'static str,
    /// Which pages of other origins may call.
    pub cors: Cors,
    /// What a token may do beyond its roles.
    pub scopes: Arc<dyn TokenScopes>,
    /// Makes tickets.
    pub tickets: Arc<IssueTicket>,
    /// The metrics in Prometheus text format.
    pub metrics_text: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether this request may read the metrics.
    pub metrics_allowed: Arc<dyn Fn(&HttpRequest) -> bool + Send + Sync>,
    /// Sign-in without a password, for trying the server out. None: off.
    pub demo: Option<Arc<dyn DemoLogin>>,
    /// How far everybody has been sent every conversation; the sockets of the seeds note it too.
    pub shown: Arc<Shown>,
    /// Where notifications for a consultation's room go.
    pub notify_room: Arc<NotifyRoom>,
    /// Who is told of bad tokens.
    pub strangers: Arc<Strangers>,
    /// Where calls go that this server cannot carry. None: nowhere.
    pub fallback: Option<Arc<dyn FallbackProvider>>,
    /// Who counts requests.
    pub http_metrics: Arc<dyn HttpMetrics>,
}

/// Which pages of other origins may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Exact origins, such as `https://clinic.example`. Nothing is matched by pattern.
    pub origins: Vec<String>,
    /// Whether browsers may send credentials along.
    pub credentials: bool,
}

/// A ticket and when it runs out.
#[derive(Clone)]
pub struct IssuedTicket {
    /// What goes behind `?ticket=`. Secret: never logged.
    pub ticket: String,
    /// [`bedside_protocol::limits::TICKET_TTL_MS`] after it was made.
    pub expires_at: Timestamp,
}

/// What tokens may do beyond their roles.
pub trait TokenScopes: Send + Sync {
    /// The scopes that a token grants. Called only with a token that was just verified.
    fn scopes(&self, token: &str) -> Vec<String>;
}

/// Tokens grant no scopes.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoScopes;

impl TokenScopes for NoScopes {
    fn scopes(&self, _token: &str) -> Vec<String> {
        Vec::new()
    }
}

/// Sign-in without a password, for trying the server out. Never wired in production.
pub trait DemoLogin: Send + Sync {
    /// Whether a request may use it: it comes from this machine and through no proxy, say.
    fn allows(&self, request: &HttpRequest) -> bool;

    /// Who can be signed in as.
    fn users(&self) -> Vec<Person>;

    /// A token for one of [`Self::users`]; none for anyone else.
    fn login(&self, user_id: &UserId) -> Option<DemoToken>;
}

/// What a demo sign-in gives.
#[derive(Clone)]
pub struct DemoToken {
    /// A JWT. Secret: never logged.
    pub token: String,
    /// When it runs out.
    pub token_expires_at: Timestamp,
    /// Whom it speaks for.
    pub user: Person,
}

/// Counts requests.
pub trait HttpMetrics: Send + Sync {
    /// One request was answered. `method` and `route` come from small closed sets, so that they
    /// can be labels: `route` is the pattern that matched, or `unmatched`.
    fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHttpMetrics;

impl HttpMetrics for NoHttpMetrics {
    fn answered(&self, _method: &'static str, _route: &str, _status: u16, _took: Duration) {}
}
