//! The REST facade: thin translations to the commands that sockets send too, and reads.
//!
//! Native resources, snake_case; all need `Authorization: Bearer`. Errors: `problem`.
//!
//! | path under `/api/v1` | methods | file |
//! |---|---|---|
//! | `/conversations` | GET list, POST make | `conversations` |
//! | `/conversations/{id}` | GET, PATCH title | `conversations` |
//! | `/conversations/{id}/me` | GET, PUT, PATCH pin, mute, archive | `preferences` |
//! | `/conversations/{id}/members` | GET, POST add | `members` |
//! | `/conversations/{id}/members/{user_id}` | DELETE remove, or leave | `members` |
//! | `/conversations/{id}/messages` | GET page of the log, POST send | `messages` |
//! | `/conversations/{id}/messages/{seq}` | GET, PATCH text, DELETE | `messages` |
//! | `/conversations/{id}/messages/{seq}/reactions/{emoji}` | PUT, DELETE | `reactions` |
//! | `/conversations/{id}/messages/{seq}/receipts` | GET who has it | `receipts` |
//! | `/conversations/{id}/receipts` | GET watermarks | `receipts` |
//! | `/conversations/{id}/receipts/read`, `.../delivered` | PUT | `receipts` |
//! | `/conversations/{id}/system-messages` | POST, for systems | `system_messages` |
//! | `/conversations/{id}/typing` | POST | `typing` |
//! | `/contacts` | GET whom I may write to | `contacts` |
//! | `/presence` | GET, PUT own status | `presence` |
//! | `/unread` | GET counts | `unread` |
//! | `/tickets` | POST a WebSocket ticket | `tickets` |
//! | `/notifications` | GET, POST for systems | `notifications` |
//! | `/notifications/{id}/read` | PUT | `notifications` |
//! | `/relations` | GET, PUT, DELETE | `relations` |
//! | `/users/me` | GET, PUT | `users` |
//! | `/users` | GET list | `users/directory` |
//! | `/users/{id}` | GET, PUT, DELETE | `users/one`, `users`, `users/directory` |
//! | `/admin/revocations` | GET list, POST | `admin/revocations` |
//! | `/admin/users/{id}/block` | PUT, DELETE | `admin/blocks` |
//! | `/admin/blocks` | GET list | `admin/blocks` |
//! | `/admin/audit` | GET list | `admin/audit` |
//! | `/admin/conversations/{id}/break-glass` | POST | `admin/glass` |
//! | `/admin/conversations/{id}/messages` | GET page | `admin/glass` |
//! | `/chats...`, `/messages...`, `/users/me/preferences` | seed 003's | `clinic` |
//!
//! The seeds' own paths, outside `/api/v1`; errors there are `{success: false, message}`:
//!
//! | path | methods | file |
//! |---|---|---|
//! | `/chat/conversations` | GET list | `chat` |
//! | `/chat/conversations/{user_id}` | GET page | `chat` |
//! | `/chat/conversations/{user_id}/read` | PUT | `chat` |
//! | `/chat/unread-count` | GET | `chat` |
//! | `/chat/online-status` | POST | `chat` |
//! | `/chat/search` | GET | `chat` |
//! | `/users/send-message` | POST, for patients | `chat` |
//! | `/users/conversations...`, `/users/unread-count` | as `/chat`, for patients | `chat` |
//! | `/doctors/patients/{user_id}/messages` | GET page, POST, for doctors | `chat` |
//! | `/agora/token`, `/agora/channel`, `/agora/recording` | POST | `agora` |
//! | `/consultations` | POST | `consultations` |
//! | `/consultations/{id}` | GET | `consultations` |
//! | `/consultations/{id}/start`, `/end`, `/cancel` | POST | `consultations` |
//! | `/consultations/{id}/messages` | GET page, POST | `consultations/chat` |
//! | `/consultations/{id}/notifications` | POST, for systems | `consultations/notify` |
//! | `/consultations/history` | GET list | `consultations` |
//! | `/messages` | POST | `consultations/chat` |
//! | `/messages/consultation/{id}` | GET page | `consultations/chat` |
//! | `/messages/unread` | GET | `consultations/unread` |
//! | `/messages/{id}/read` | PUT | `consultations/chat` |
//! | `/notifications`, `/notifications/unread/count` | GET | `notifications/inbox` |
//! | `/notifications/{id}/read` | PUT | `notifications/inbox` |
//! | `/notifications/send` | POST, for systems | `notifications/send` |
//!
//! Besides: `/health`, `/api/health`, `/ready`, `/metrics` (`health`), `/demo`, `/demo/login`
//! (`demo`), `/api/openapi.json`, `/api/docs` (`openapi`).
//!
//! Each is registered with what the OpenAPI document says of it: see [`openapi`].

mod admin;
mod agora;
mod answer;
mod auth;
mod chat;
mod clinic;
mod consultations;
mod contacts;
mod conversations;
mod cors;
mod demo;
mod edge;
mod health;
mod history;
mod input;
mod members;
mod messages;
mod notifications;
pub mod openapi;
mod page;
mod parts;
mod preferences;
mod presence;
mod problem;
mod reactions;
mod receipts;
mod relations;
mod system_messages;
mod tickets;
mod typing;
mod unread;
mod users;
mod view;

pub use edge::edge;
pub use parts::{
    Cors, DemoLogin, DemoToken, HttpMetrics, HttpParts, IssueTicket, IssuedTicket, NoHttpMetrics,
    NoScopes, NotifyRoom, TokenScopes,
};

use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use bedside_protocol::CommandError;
use openapi::Routes;

/// Adds the routes and what they need. Wrap the `App` in [`edge()`] too: it adds the headers, the
/// count and the body of 405.
///
/// ```no_run
/// # fn app(parts: bedside::http::HttpParts) {
/// use actix_web::{App, middleware::from_fn};
/// use bedside::http;
///
/// let app = App::new()
///     .wrap(from_fn(http::edge))
///     .configure(|cfg| http::configure(cfg, parts));
/// # drop(app);
/// # }
/// ```
pub fn configure(cfg: &mut web::ServiceConfig, parts: HttpParts) {
    cfg.app_data(web::Data::new(parts))
        .app_data(auth::path_config());
    plain(&mut Routes::serve(cfg));
    cfg.service(web::scope("/api/v1").configure(|cfg| {
        native(&mut Routes::serve(cfg));
        cfg.default_service(web::to(nothing_here));
    }))
    .default_service(web::to(nothing_here));
}

/// What is not under `/api/v1`.
fn plain(routes: &mut Routes<'_>) {
    routes
        .with(chat::routes)
        .with(consultations::routes)
        .with(agora::routes)
        .with(notifications::seed_routes)
        .with(health::routes)
        .with(demo::routes)
        .with(openapi::routes);
}

/// What is under `/api/v1`.
fn native(routes: &mut Routes<'_>) {
    routes
        .with(conversations::routes)
        .with(preferences::routes)
        .with(members::routes)
        .with(messages::routes)
        .with(system_messages::routes)
        .with(reactions::routes)
        .with(receipts::routes)
        .with(typing::routes)
        .with(contacts::routes)
        .with(presence::routes)
        .with(unread::routes)
        .with(tickets::routes)
        .with(notifications::routes)
        .with(relations::routes)
        .with(clinic::routes)
        .with(users::routes)
        .with(admin::routes);
}

async fn nothing_here(request: HttpRequest) -> HttpResponse {
    let error = CommandError::not_found("no such path");
    problem::Problem::at(request.path(), error).error_response()
}
