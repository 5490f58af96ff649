//! `/demo`: sign-in without a password, for trying the server out.

use super::openapi::{Routes, at, one, op};
use actix_web::{HttpRequest, HttpResponse};
use bedside_protocol::{CommandError, Person, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{input::Body, parts::Parts, problem::refuse};

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes
        .under("The server itself")
        .add(at("/demo").get(
            get,
            op("Whether there is a demo, and who is in it").ok(one::<Demo>),
        ))
        .add(
            at("/demo/login").post(
                login,
                op("Sign in to the demo")
                    .about("In demo mode only, from this machine only.")
                    .ok(one::<Token>)
                    .or(403)
                    .or(404),
            ),
        );
}

#[derive(Serialize, ToSchema)]
struct Demo {
    enabled: bool,
    users: Vec<Person>,
}

/// 200 `{enabled, users: [{user_id, name, roles}]}`; not enabled also for whoever may not use
/// it.
async fn get(parts: Parts, request: HttpRequest) -> HttpResponse {
    let demo = parts.demo.as_ref().filter(|demo| demo.allows(&request));
    HttpResponse::Ok().json(Demo {
        enabled: demo.is_some(),
        users: demo.map(|demo| demo.users()).unwrap_or_default(),
    })
}

#[derive(Deserialize, ToSchema)]
#[schema(as = DemoLogin)]
struct Login {
    user_id: UserId,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DemoToken)]
struct Token {
    token: String,
    token_expires_at: Timestamp,
    user: Person,
}

/// Body: `{user_id}`. 200 `{token, token_expires_at, user}`; 404 when the demo is off or has no
/// such user, 403 to a request from elsewhere.
async fn login(
    parts: Parts,
    request: HttpRequest,
    body: Body<Login>,
) -> Result<HttpResponse, actix_web::Error> {
    let refused = |error| refuse(&request, error);
    let demo = parts
        .demo
        .as_ref()
        .ok_or_else(|| refused(CommandError::not_found("the demo is off")))?;
    if !demo.allows(&request) {
        return Err(refused(CommandError::forbidden(
            "the demo answers only on the machine that it runs on",
        )));
    }
    let signed_in = demo
        .login(&body.0.user_id)
        .ok_or_else(|| refused(CommandError::not_found("the demo has no such user")))?;
    Ok(HttpResponse::Ok().json(Token {
        token: signed_in.token,
        token_expires_at: signed_in.token_expires_at,
        user: signed_in.user,
    }))
}
