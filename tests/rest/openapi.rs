//! The document says what the server does: no route is missing in it, and none is made up.

use actix_web::{
    App, HttpResponse,
    introspection::IntrospectionTree,
    middleware::from_fn,
    test::{self, TestRequest},
    web,
};
use bedside::http;
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};

use crate::kit::{Api, Options, parts};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

type Operations = BTreeSet<(String, String)>;

/// Method and path of all that is registered, as actix itself tells it.
async fn registered() -> Operations {
    let (parts, _) = parts(&Options::default());
    let report = |tree: web::Data<IntrospectionTree>| async move {
        HttpResponse::Ok().body(tree.report_as_json())
    };
    let app = App::new()
        .wrap(from_fn(http::edge))
        .configure(|cfg| http::configure(cfg, parts))
        .route("/report", web::get().to(report));
    let app = test::init_service(app).await;
    let request = TestRequest::get().uri("/report").to_request();
    let items: Vec<Value> = test::call_and_read_body_json(&app, request).await;
    let mut found = Operations::new();
    for item in items {
        let path = item["full_path"].as_str().expect("is a text").to_owned();
        for method in item["methods"].as_array().expect("is a list") {
            let method = method.as_str().expect("is a text").to_ascii_lowercase();
            found.insert((method, path.clone()));
        }
    }
    found.remove(&("get".to_owned(), "/report".to_owned()));
    found
}

fn document() -> Value {
    serde_json::from_str(http::openapi::document()).expect("is JSON")
}

/// Method, path and what is said of them.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("is an object") {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                found.push((method.to_owned(), path.clone(), operation));
            }
        }
    }
    found
}

#[actix_web::test]
async fn every_route_is_documented_and_every_documented_operation_is_a_route() {
    let document = document();
    let documented: Operations = operations(&document)
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    let registered = registered().await;
    assert!(registered.len() > 80, "{}", registered.len());
    let missing: Vec<_> = registered.difference(&documented).collect();
    assert!(missing.is_empty(), "not documented: {missing:?}");
    let made_up: Vec<_> = documented.difference(&registered).collect();
    assert!(made_up.is_empty(), "not registered: {made_up:?}");
}

#[actix_web::test]
async fn everything_that_the_document_refers_to_is_in_it() {
    fn check(document: &Value, at: &Value) {
        match at {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').expect("is of this document");
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                members.values().for_each(|value| check(document, value));
            }
            Value::Array(values) => values.iter().for_each(|value| check(document, value)),
            _ => {}
        }
    }
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    check(&document, &document);
}

#[actix_web::test]
async fn every_operation_says_what_it_does_and_how_it_ends() {
    let document = document();
    let mut ids = HashSet::new();
    for (method, path, operation) in operations(&document) {
        let name = format!("{method} {path}");
        for member in ["summary", "description", "operationId"] {
            let text = operation[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{name}: {member}");
        }
        assert!(ids.insert(operation["operationId"].clone()), "{name}: id");
        assert!(operation["tags"][0].as_str().is_some_and(|t| !t.is_empty()));
        let responses = operation["responses"].as_object().expect("is an object");
        let is_good = |status: &String| status.starts_with('2');
        assert!(responses.keys().any(is_good), "{name}: no good end");
        let needs_token = operation["security"][0].get("bearer").is_some();
        assert_eq!(responses.contains_key("401"), needs_token, "{name}: 401");
        let is_native = path.starts_with("/api/v1/");
        for (status, response) in responses {
            let is_plain = response["$ref"]
                .as_str()
                .is_some_and(|to| to.ends_with("Plain"));
            if response.get("$ref").is_some() {
                assert_eq!(is_plain, !is_native, "{name}: shape of {status}");
            }
        }
    }
}

#[actix_web::test]
async fn the_document_is_served_to_everybody() {
    let api = Api::start().await;
    let answer = api.get("/api/openapi.json").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_eq!(answer.body, document());
}
