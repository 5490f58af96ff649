//! Calls without a clinic: the SFU behind the smallest signalling there is, for tests in browsers
//! and with other stacks. Whoever reaches it can do anything, so it listens on loopback only.
//!
//! `POST /join` gives a participant, `GET /events/{id}?after=N` what was told since, `POST
//! /answer/{id}/{offer}` takes an answer, `POST /do/{id}/{what}` the rest. `GET /` is a page.

use actix_web::{App, HttpResponse, HttpServer, Responder, web};
use bedside::adapters::webrtc::{Options, TurnServers, WebRtc};
use bedside::config::Secret;
use bedside_actors::ports::media::{
    Carries, Joining, Media as _, MediaError, MediaEvent, MediaSink, Offer, OfferId, Source,
};
use bedside_protocol::{CallId, ParticipantId, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{io::Write as _, net::IpAddr, sync::Arc, time::Duration};

struct Calls {
    sfu: Arc<WebRtc>,
    call: CallId,
    told: Arc<Told>,
}

#[derive(Default)]
struct Told(Mutex<Vec<MediaEvent>>);

impl MediaSink for Told {
    fn happened(&self, event: MediaEvent) {
        self.0.lock().push(event);
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn options() -> Options {
    let ip = |text: String| text.parse::<IpAddr>().expect("CALLS_IP is an address");
    Options {
        port: variable("CALLS_PORT").map_or(0, |port| port.parse().expect("CALLS_PORT is a port")),
        advertised: vec![variable("CALLS_IP").map_or([127, 0, 0, 1].into(), ip)],
        threads: 1,
        peers_max: 1_000,
        turn: variable("TURN_URLS").map(|urls| TurnServers {
            urls: urls.split(',').map(str::to_owned).collect(),
            secret: Secret::new(variable("TURN_SECRET").unwrap_or_default()),
            ttl: Duration::from_secs(600),
        }),
        simulcast: variable("CALLS_SIMULCAST").is_some(),
    }
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let sfu = WebRtc::start(options())?;
    let (call, told) = (CallId::new(), Arc::<Told>::default());
    sfu.open(call, told.clone())
        .expect("opened, because it is the first call");
    let calls = web::Data::new(Calls { sfu, call, told });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(calls.clone())
            .app_data(web::PayloadConfig::new(256 * 1024))
            .route("/", web::get().to(page))
            .route("/join", web::post().to(join))
            .route("/stats", web::get().to(stats))
            .route("/events/{id}", web::get().to(events))
            .route("/answer/{id}/{offer}", web::post().to(answer))
            .route("/do/{id}/{what}", web::post().to(act))
    })
    .workers(1)
    .bind(("127.0.0.1", 0))?;
    writeln!(std::io::stdout(), "http://{}", server.addrs()[0])?;
    server.run().await
}

async fn page() -> impl Responder {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(include_str!("page.html"))
}

/// `?id=` comes again, `?voice` without a picture, `?watch` without both.
async fn join(calls: web::Data<Calls>, query: web::Query<Vec<(String, String)>>) -> impl Responder {
    let has = |name: &str| query.iter().any(|(key, _)| key == name);
    let again = query.iter().find(|(key, _)| key == "id");
    let id = match again.map(|(_, id)| id.parse()) {
        None => ParticipantId::new(),
        Some(Ok(id)) => id,
        Some(Err(_)) => return HttpResponse::BadRequest().finish(),
    };
    let joining = Joining {
        microphone: !has("watch"),
        camera: !has("watch") && !has("voice"),
    };
    let next = calls.told.0.lock().len();
    if let Err(error) = calls.sfu.add(calls.call, id, joining) {
        return refusal(&error);
    }
    let servers = calls.sfu.ice_servers(id, Timestamp::now());
    let servers = servers.iter().map(|server| {
        let login = server.login.as_ref();
        json!({
            "urls": server.urls,
            "username": login.map(|login| &login.username),
            "credential": login.map(|login| &login.credential),
        })
    });
    HttpResponse::Ok().json(json!({
        "id": id.to_string(),
        "next": next,
        "ice_servers": servers.collect::<Vec<_>>(),
    }))
}

fn refusal(error: &MediaError) -> HttpResponse {
    HttpResponse::Conflict().json(json!({"error": format!("{error:?}")}))
}

async fn stats(calls: web::Data<Calls>) -> impl Responder {
    let stats = calls.sfu.stats();
    HttpResponse::Ok().json(json!({
        "calls": stats.calls(), "peers": stats.peers(), "forwarded": stats.forwarded_packets(),
        "dropped": stats.dropped_packets(), "key_frames": stats.key_frames_asked(),
        "unknown": stats.unknown_datagrams(), "overflowed": stats.overflowed_datagrams(),
        "unsent": stats.unsent_datagrams(), "panics": stats.panics(),
    }))
}

async fn events(
    calls: web::Data<Calls>,
    id: web::Path<String>,
    query: web::Query<Vec<(String, usize)>>,
) -> impl Responder {
    let after = query.first().map_or(0, |(_, after)| *after);
    let Ok(me) = id.parse::<ParticipantId>() else {
        return HttpResponse::BadRequest().finish();
    };
    let told = calls.told.0.lock();
    let new: Vec<Value> = told
        .iter()
        .skip(after)
        .map(|event| shown(event, me))
        .collect();
    HttpResponse::Ok().json(json!({"events": new, "next": told.len()}))
}

async fn answer(
    calls: web::Data<Calls>,
    path: web::Path<(String, u32)>,
    sdp: String,
) -> impl Responder {
    let (id, offer) = path.into_inner();
    let Ok(id) = id.parse() else {
        return HttpResponse::BadRequest().finish();
    };
    done(calls.sfu.answer(calls.call, id, OfferId(offer), &sdp))
}

async fn act(calls: web::Data<Calls>, path: web::Path<(String, String)>) -> impl Responder {
    let (id, what) = path.into_inner();
    let Ok(id) = id.parse() else {
        return HttpResponse::BadRequest().finish();
    };
    let (sfu, call) = (&calls.sfu, calls.call);
    done(match what.as_str() {
        "restart" => sfu.restart(call, id),
        "leave" => sfu.remove(call, id),
        "share" => sfu.publish(call, id, Source::Screen, true),
        "unshare" => sfu.publish(call, id, Source::Screen, false),
        "mute" => sfu.mute(call, id, Source::Microphone, true),
        "unmute" => sfu.mute(call, id, Source::Microphone, false),
        "hide" => sfu.mute(call, id, Source::Camera, true),
        "show" => sfu.mute(call, id, Source::Camera, false),
        _ => return HttpResponse::NotFound().finish(),
    })
}

fn done(result: Result<(), MediaError>) -> HttpResponse {
    match result {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(error) => refusal(&error),
    }
}

const fn name(source: Source) -> &'static str {
    match source {
        Source::Microphone => "microphone",
        Source::Camera => "camera",
        Source::Screen => "screen",
    }
}

fn shown(event: &MediaEvent, me: ParticipantId) -> Value {
    use MediaEvent as E;
    match event {
        E::Offer(who, offer) if *who == me => shown_offer(offer),
        E::Offer(..) => Value::Null,
        E::Connected(who) => json!({"type": "connected", "who": who.to_string()}),
        E::Interrupted(who) => json!({"type": "interrupted", "who": who.to_string()}),
        E::Failed(who, why) => {
            json!({"type": "failed", "who": who.to_string(), "why": format!("{why:?}")})
        }
        E::Published(who, source) => {
            json!({"type": "published", "who": who.to_string(), "source": name(*source)})
        }
        E::Unpublished(who, source) => {
            json!({"type": "unpublished", "who": who.to_string(), "source": name(*source)})
        }
        E::Speaking(who) => {
            json!({"type": "speaking", "who": who.map(|who| who.to_string())})
        }
        E::Quality(who, quality) => json!({
            "type": "quality", "who": who.to_string(), "loss_up": quality.loss_up,
            "loss_down": quality.loss_down, "round_trip_ms": quality.round_trip_ms,
            "kbps_up": quality.kbps_up, "kbps_down": quality.kbps_down,
        }),
        E::Lost => json!({"type": "lost"}),
    }
}

fn shown_offer(offer: &Offer) -> Value {
    let sections = offer.sections.iter().map(|section| match section.carries {
        Carries::Yours(source) => json!({"mid": section.mid, "yours": name(source)}),
        Carries::Theirs(who, source) => {
            json!({"mid": section.mid, "who": who.to_string(), "theirs": name(source)})
        }
        Carries::Nothing => json!({"mid": section.mid}),
    });
    json!({
        "type": "offer", "id": offer.id.0, "sdp": offer.sdp, "restart": offer.restart,
        "sections": sections.collect::<Vec<_>>(),
    })
}
