//! `{"success":true,"data":...}`: what seeds 004, 000 and 001 answer with.

use actix_web::{HttpResponse, HttpResponseBuilder};
use serde::Serialize;

#[derive(Serialize)]
struct Answer<T> {
    success: bool,
    data: T,
}

/// 200 with data.
pub(super) fn ok<T: Serialize>(data: T) -> HttpResponse {
    with(HttpResponse::Ok(), data)
}

/// 201 with what was made.
pub(super) fn created<T: Serialize>(data: T) -> HttpResponse {
    with(HttpResponse::Created(), data)
}

fn with<T: Serialize>(mut status: HttpResponseBuilder, data: T) -> HttpResponse {
    status.json(Answer {
        success: true,
        data,
    })
}
