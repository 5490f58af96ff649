//! Long polling: requests of the web `App`, brought to the task that owns their session, or to the
//! node that has it.

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    Engine,
    far::Failed,
    fault::Fault,
    metrics::Transport,
    payload::Packets,
    polling::{Answer, Handover, Polling, Posted, REQUESTS_MAX, Request},
    query::{Asked, Query},
    registry::{Found, Requests},
    session::Session,
};
use crate::{
    socketio::application::Handshake,
    ws::{Refusal, handshake::check_origin},
};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers one request.
pub(super) async fn answer(
    engine: Arc<Engine>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    if check_origin(request.headers(), &engine.allowed_origins).is_err() {
        return Fault::Forbidden.response();
    }
    let query = Query::of(request.query_string());
    match query.polling(request.method(), engine.config.polling) {
        Err(fault) => fault.response(),
        Ok(Asked::Open) => open(&engine, &request),
        Ok(Asked::Poll(sid)) => match engine.there(&sid) {
            Some(there) => match there.poll(&sid, &engine.admission).await {
                Ok(body) => text(body),
                Err(failed) => failed.response(),
            },
            None => match poll_here(&engine, &sid).await {
                Ok(body) => text(body),
                Err(fault) => fault.response(),
            },
        },
        Ok(Asked::Post(sid)) => post(&engine, &sid, &request, body)
            .await
            .unwrap_or_else(|refused| refused),
    }
}

async fn poll_here(engine: &Engine, sid: &str) -> Answer {
    poll(&find(engine, sid)?).await
}

fn find(engine: &Engine, sid: &str) -> Result<Requests, Fault> {
    match engine.registry.find(sid) {
        Found::Polling(requests) => Ok(requests),
        Found::Upgraded => Err(Fault::BadRequest),
        Found::Nowhere => Err(Fault::UnknownSession),
    }
}

/// Starts a session that polls. The first poll is this request.
fn open(engine: &Arc<Engine>, request: &HttpRequest) -> HttpResponse {
    let headers = request.headers();
    let address = engine.address_of(headers, request.peer_addr());
    match start(engine, Handshake::new(headers, address)) {
        Ok(packet) => text(packet.into()),
        Err(refusal) => {
            engine.socket_metrics.refused(refusal.status);
            busy(&refusal)
        }
    }
}

fn start(engine: &Arc<Engine>, handshake: Handshake) -> Result<String, Refusal> {
    let (seat, speaker) = engine.admit(handshake)?;
    let sid = engine.new_sid()?;
    let (sender, requests) = mpsc::channel(REQUESTS_MAX);
    let registered = engine
        .registry
        .add(sid.as_str().into(), sender)
        .ok_or_else(|| {
            Refusal::new(503, "the server has as many clients that poll as it may")
                .with("Retry-After: 5")
        })?;
    let session = Session::new(Arc::clone(engine), speaker, Transport::Polling);
    let packet = session.open_packet(&sid);
    let held = Handover {
        session,
        registered,
        seat,
    };
    actix_web::rt::spawn(Polling::new(held, requests));
    Ok(packet)
}

/// Polls a session that is here.
pub(super) async fn poll(requests: &Requests) -> Answer {
    let (reply, answer) = oneshot::channel();
    // The session may end between any two of these.
    if requests.send(Request::Poll(reply)).await.is_err() {
        return Err(Fault::UnknownSession);
    }
    answer.await.unwrap_or(Err(Fault::UnknownSession))
}

async fn post(
    engine: &Engine,
    sid: &str,
    request: &HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, HttpResponse> {
    let there = engine.there(sid);
    let here = match &there {
        None => Some(find(engine, sid).map_err(Fault::response)?),
        Some(_) => None,
    };
    if request.content_type() == "application/octet-stream" {
        // Bytes without base64 belong to version 3.
        return Err(Fault::BadRequest.response());
    }
    let body = read(request, body, engine.config.payload_bytes_max).await?;
    match (there, here) {
        (Some(there), _) => there.post(sid, body).await.map_err(Failed::response)?,
        (None, Some(requests)) => take(&requests, body).await.map_err(Fault::response)?,
        (None, None) => return Err(Fault::UnknownSession.response()),
    }
    Ok(HttpResponse::Ok()
        .content_type("text/html")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body("ok"))
}

/// Has a session that is here take a payload.
pub(super) async fn take(requests: &Requests, body: Bytes) -> Posted {
    let text = String::from_utf8(body.into()).map_err(|_| Fault::BadRequest)?;
    let (reply, posted) = oneshot::channel();
    let request = Request::Post(Packets::of(text), reply);
    let unknown = |_| Fault::UnknownSession;
    requests.send(request).await.map_err(unknown)?;
    posted.await.unwrap_or(Err(Fault::UnknownSession))
}

async fn read(
    request: &HttpRequest,
    body: web::Payload,
    bytes_max: usize,
) -> Result<Bytes, HttpResponse> {
    let too_large = || HttpResponse::new(StatusCode::PAYLOAD_TOO_LARGE);
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large());
    }
    match timeout(BODY_TIMEOUT, body.to_bytes_limited(bytes_max)).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_))) => Err(Fault::BadRequest.response()),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(HttpResponse::new(StatusCode::REQUEST_TIMEOUT)),
    }
}

fn text(body: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=UTF-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body)
}

impl Failed {
    fn response(self) -> HttpResponse {
        match self {
            Self::Fault(fault) => fault.response(),
            // Whatever it is, a client of Engine.IO gives the session up and comes back; but a
            // balancer that tries another node instead may find the right one.
            Self::Unreachable => busy(&Refusal::new(
                503,
                "the node that has this session cannot be reached",
            )),
        }
    }
}

/// There is no room for one more session.
fn busy(refusal: &Refusal) -> HttpResponse {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    HttpResponse::build(status)
        .insert_header((header::RETRY_AFTER, "5"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({"code": Fault::Forbidden as u8, "message": refusal.message}))
}
