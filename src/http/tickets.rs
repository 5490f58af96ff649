//! `/api/v1/tickets`: a single-use way into a WebSocket for pages that cannot send headers.

use actix_web::{HttpResponse, web};
use bedside_protocol::Timestamp;
use serde::Serialize;

use super::{auth::SignedIn, parts::Parts, problem::Problem};

pub(super) fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(web::resource("/tickets").route(web::post().to(issue)));
}

#[derive(Serialize)]
struct Ticket {
    ticket: String,
    expires_at: Timestamp,
}

/// No body. 201 `{ticket, expires_at}`: good once, for 30 s, as `/ws?ticket=`.
async fn issue(parts: Parts, signed_in: SignedIn) -> Result<HttpResponse, Problem> {
    let issued = (parts.tickets)(&signed_in.0)?;
    Ok(HttpResponse::Created().json(Ticket {
        ticket: issued.ticket,
        expires_at: issued.expires_at,
    }))
}
