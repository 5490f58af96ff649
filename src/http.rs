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
//! (`demo`).

mod admin;
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
        .app_data(auth::path_config())
        .configure(health::routes)
        .configure(demo::routes)
        .configure(chat::routes)
        .configure(consultations::routes)
        .configure(notifications::seed_routes)
        .service(web::scope("/api/v1").configure(native))
        .default_service(web::to(nothing_here));
}

fn native(cfg: &mut web::ServiceConfig) {
    cfg.configure(conversations::routes)
        .configure(preferences::routes)
        .configure(members::routes)
        .configure(messages::routes)
        .configure(system_messages::routes)
        .configure(reactions::routes)
        .configure(receipts::routes)
        .configure(typing::routes)
        .configure(contacts::routes)
        .configure(presence::routes)
        .configure(unread::routes)
        .configure(tickets::routes)
        .configure(notifications::routes)
        .configure(relations::routes)
        .configure(clinic::routes)
        .configure(users::routes)
        .configure(admin::routes)
        .default_service(web::to(nothing_here));
}

async fn nothing_here(request: HttpRequest) -> HttpResponse {
    let error = CommandError::not_found("no such path");
    problem::Problem::at(request.path(), error).error_response()
}
