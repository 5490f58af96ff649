//! `/api/v1/tickets`: a single-use way into a WebSocket for pages that cannot send headers.

use super::openapi::{Routes, at, one, op};
use actix_web::HttpResponse;
use bedside_protocol::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{auth::SignedIn, parts::Parts, problem::Problem};

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.under("People").add(at("/tickets").post(
        issue,
        op("A ticket that opens one WebSocket")
            .about("Good once, for 30 s, as `/ws?ticket=`: for pages, which cannot send headers there.")
            .created(one::<Ticket>),
    ));
}

#[derive(Serialize, ToSchema)]
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
