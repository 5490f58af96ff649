//! The web client and the page of the HTTP interface, which the binary carries.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, EntityTag, Header as _, IfNoneMatch},
    },
    web::{self, ServiceConfig},
};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

/// Nothing but what this server serves: no inline scripts or styles, nobody else's files.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'";

struct File {
    path: &'static str,
    bytes: &'static [u8],
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(File {
            path: concat!("/", $name),
            bytes: include_bytes!(concat!("../web/", $name)),
        }),*]
    };
}

/// Every file of `web/` that pages are made of; a test compares.
static FILES: &[File] = &files![
    "index.html",
    "app.js",
    "bedside-client.js",
    "chat.js",
    "docs-schema.js",
    "docs.css",
    "docs.html",
    "docs.js",
    "dom.js",
    "i18n.js",
    "icon.svg",
    "list.js",
    "session.js",
    "style.css",
];

/// The files' tags, in the same order.
static TAGS: LazyLock<Vec<EntityTag>> = LazyLock::new(|| FILES.iter().map(tag).collect());

fn tag(file: &File) -> EntityTag {
    let hash = Sha256::digest(file.bytes);
    EntityTag::new_strong(
        hash[..12]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    )
}

/// Adds the files' routes.
pub fn configure(config: &mut ServiceConfig) {
    for (index, file) in FILES.iter().enumerate() {
        let paths = match file.path {
            "/index.html" => vec!["/", file.path],
            // It names its files from there.
            "/docs.html" => vec!["/api/docs"],
            path => vec![path],
        };
        let serve = move |request: HttpRequest| async move { serve(&request, index) };
        config.service(
            web::resource(paths)
                .route(web::get().to(serve))
                .route(web::head().to(serve)),
        );
    }
}

fn serve(request: &HttpRequest, index: usize) -> HttpResponse {
    let (file, tag) = (&FILES[index], &TAGS[index]);
    let is_known = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    };
    let mut response = HttpResponse::build(if is_known {
        StatusCode::NOT_MODIFIED
    } else {
        StatusCode::OK
    });
    response
        .insert_header(header::ETag(tag.clone()))
        // Kept, but asked for each time: the page and the server are of one version.
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    if is_known {
        return response.finish();
    }
    response
        .insert_header((header::CONTENT_TYPE, content_type(file.path)))
        .body(file.bytes)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::{App, test};
    use std::collections::BTreeSet;

    #[test]
    async fn every_file_is_listed() {
        let listed: BTreeSet<_> = FILES.iter().map(|file| file.path[1..].to_owned()).collect();
        let there: BTreeSet<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/web"))
            .expect("can be listed, because its files were compiled in")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| content_type(name) != content_type(""))
            .collect();
        assert_eq!(listed, there);
    }

    #[test]
    async fn pages_come_with_their_policy_and_once() {
        let app = test::init_service(App::new().configure(configure)).await;
        for (path, kind) in [
            ("/", "text/html; charset=utf-8"),
            ("/index.html", "text/html; charset=utf-8"),
            ("/api/docs", "text/html; charset=utf-8"),
            ("/docs.js", "text/javascript; charset=utf-8"),
            ("/app.js", "text/javascript; charset=utf-8"),
            ("/style.css", "text/css; charset=utf-8"),
            ("/icon.svg", "image/svg+xml"),
        ] {
            let request = test::TestRequest::get().uri(path).to_request();
            let response = test::call_service(&app, request).await;
            let header = |name| {
                response
                    .headers()
                    .get(name)
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default()
                    .to_owned()
            };
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(header(header::CONTENT_TYPE), kind, "{path}");
            assert!(header(header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'"));
            assert_eq!(header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
            assert_eq!(header(header::REFERRER_POLICY), "no-referrer");

            let tag = header(header::ETAG);
            for (known, status) in [(tag.as_str(), 304), ("*", 304), ("\"other\"", 200)] {
                let request = test::TestRequest::get()
                    .uri(path)
                    .insert_header((header::IF_NONE_MATCH, known))
                    .to_request();
                let response = test::call_service(&app, request).await;
                assert_eq!(response.status().as_u16(), status, "{path} {known}");
            }
        }
        let request = test::TestRequest::get().uri("/package.json").to_request();
        let response = test::call_service(&app, request).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
}
