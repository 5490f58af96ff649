//! What the server says of its own HTTP interface: `/api/openapi.json`, an OpenAPI 3.1 document.
//! The page that shows it, `/api/docs`, is one of those of [`crate::page`].
//!
//! The document is made of the routes as they are registered: `at` takes a handler and an
//! `op`. Who may call, path, query and body are read off the handler's arguments
//! (`signature`), so they cannot be told otherwise than they are; the rest is said in the
//! `op`.

pub(super) mod bounds;
mod document;
mod operation;
mod routes;
mod shapes;
mod signature;

pub(super) use operation::{Operation, op};
pub(super) use routes::{Routes, at};
pub(super) use shapes::{array, data, data_array, either, empty, one, paged};
pub(super) use signature::{Extracts, Signature};

use actix_web::{HttpResponse, web};
use document::Document;
use std::sync::LazyLock;

/// The document, written once.
static WRITTEN: LazyLock<String> = LazyLock::new(|| {
    let mut document = Document::new();
    // In the order in which the page has its headings.
    super::native(&mut Routes::describe(&mut document, "/api/v1"));
    super::plain(&mut Routes::describe(&mut document, ""));
    let written = document.finish().to_json();
    written.expect("is JSON, because its keys are texts")
});

/// The document as JSON.
pub fn document() -> &'static str {
    &WRITTEN
}

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes
        .under("The server itself")
        .add(at("/api/openapi.json").get(get, op("This document").ok(shapes::object)));
}

async fn get() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        // Kept, but asked for each time: it is that of this version.
        .insert_header((actix_web::http::header::CACHE_CONTROL, "no-cache"))
        .body(web::Bytes::from_static(WRITTEN.as_bytes()))
}
