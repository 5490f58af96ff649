//! The only wiring: from a [`Config`] to a server that runs.

mod audit;
mod cluster;
mod demo;
mod gauges;
mod glue;
mod identity;
mod media;
mod peers;
mod socketio;
mod store;

use actix_rt::System;
use bedside_actors::{
    node::{Node, NodeConfig},
    ports::{clock::SystemClock, store::BodyHash},
};
use bedside_protocol::MessageSend;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::{
    error::Error, io::Write as _, process::ExitCode, sync::Arc, thread::available_parallelism,
    time::Duration,
};

use crate::{
    adapters::agora::Agora,
    auth::{Minter, Tickets},
    config::{Config, Secret},
    demo as demo_rules,
    http::{self, Cors, HttpParts},
    metrics::Metrics,
    seeds::Shown,
    server::{self, Certificate, Server, ServerParts},
    strangers::Strangers,
    telemetry,
    ws::admission::Admission,
};
pub(crate) use audit::{Noted, noted};

use glue::{HttpCounts, SocketCounts, Tokens};
use peers::TicketOffice;

/// Runs the server until it is told to stop.
pub fn serve(config: Config) -> ExitCode {
    if let Err(error) = telemetry::init(&config.log, bedside_actors::supervision::current_actor) {
        let _ = writeln!(std::io::stderr(), "bedside: {error}");
        return ExitCode::FAILURE;
    }
    for notice in config.notices() {
        tracing::warn!("{notice}");
    }
    let run = async {
        let server = build(&config).await?;
        say_hello(&config, &server);
        server.run().await?;
        Ok::<_, Box<dyn Error>>(())
    };
    match System::new().block_on(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            let _ = writeln!(std::io::stderr(), "bedside: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Gives the store another epoch: what has to be done after a restore from a back-up, before the
/// server is started on it.
///
/// # Errors
/// Whatever keeps the store from being opened or written, as a text for who started it.
pub fn rotate_epoch(config: &Config) -> Result<(), Box<dyn Error>> {
    System::new().block_on(store::rotate_epoch(config))
}

/// Looks whether the audit log is as it was written: what was found, as a text for who asked.
///
/// # Errors
/// Which chain is broken and where, or whatever keeps it from being read.
pub(crate) fn verify_audit(config: &Config, noted: &[Noted]) -> Result<String, Box<dyn Error>> {
    System::new().block_on(async {
        let store = store::open(config, &Metrics::new()).await?.store;
        audit::report(config, store, noted).await
    })
}

/// Brings the keyspace of a cluster to the tables of this version: what was done, as a text for
/// who asked for it.
///
/// # Errors
/// Whatever keeps it from being done, as a text too.
pub fn migrate(config: &Config) -> Result<String, Box<dyn Error>> {
    store::migrate(config)
}

/// Tells the person who started it where to look.
fn say_hello(config: &Config, server: &Server) {
    let address = server.address();
    let scheme = config.server.scheme();
    let text = if config.is_demo() {
        format!(
            "Bedside is running as a demo for this machine only.\n\
             Open {scheme}://{address}/ in two windows and sign in as two people.\n\
             Data is in {}; set JWT_SECRET for real use (see .env.example).\n",
            config.store.data_dir.display()
        )
    } else {
        format!("Bedside is listening on {scheme}://{address}/\n")
    };
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Opens the store, starts the node and binds. Call it inside a running actix `System`.
///
/// # Errors
/// Whatever keeps it from starting, as a text for the person who starts it.
pub async fn build(config: &Config) -> Result<Server, Box<dyn Error>> {
    let metrics = Arc::new(Metrics::new());
    gauges::register(&metrics);
    let store::Opened {
        store,
        body_hash_key,
    } = store::open(config, &metrics).await?;
    let secret = demo_rules::signing_secret(config)?;
    let gate = identity::gate(&config.auth, secret.as_ref(), &metrics)?;
    let tokens = Arc::new(Tokens(gate));
    let cores = available_parallelism().map_or(1, usize::from);
    let joined = cluster::join(config, &metrics)?;
    let media = media::open(config, &metrics);
    let bus = joined.as_ref().map(|joined| joined.bus.clone());
    let node = Node::start_in(
        NodeConfig {
            arbiters: cores,
            edit_window: Duration::from_millis(
                u64::try_from(config.limits.edit_window_ms).unwrap_or(0),
            ),
            passivate_after: config.limits.passivate_after,
            attachment_hosts: attachment_hosts(config),
            body_hash: body_hasher(&body_hash_key),
            audit_key: audit::key(config)?,
            on_command: None,
        },
        store,
        Arc::new(SystemClock),
        tokens.clone(),
        joined.map(|joined| joined.cluster),
    );
    // Before anybody can be let in.
    node.load_denials().await?;
    gauges::register_denials(&metrics, &node);
    let demo = if let (true, Some(secret)) = (config.is_demo(), &secret) {
        demo::seed(&node).await?;
        let minter = Minter::hs256(
            secret,
            config.auth.issuer.clone(),
            config.auth.audience.clone(),
        );
        Some(Arc::new(demo::Login::new(minter)) as Arc<dyn http::DemoLogin>)
    } else {
        None
    };

    let admission = Admission::new(config.limits.connections_max);
    gauges::register_strangers(&metrics, &admission);
    let strangers = Strangers::new(&node, &admission, config.server.proxies);
    let tickets = TicketOffice::new(Arc::new(Tickets::default()), node.cluster());
    let shown = Arc::new(Shown::default());
    let clinic = socketio::clinic(config, &node, &shown, &strangers);
    socketio::prune_notifications(node.clone(), config.notifications.retention);
    let engine = socketio::edge(config, clinic.clone(), &admission, &metrics);
    cluster::show_nodes(&node, &metrics);
    if let Some(cluster) = node.cluster() {
        peers::join(cluster, &engine, &clinic, &tickets);
    }
    let parts = HttpParts {
        shown,
        notify_room: Arc::new(move |id, what| clinic.notify_room(id, &what)),
        ..http_parts(config, &strangers, &node, tokens, &tickets, &metrics, demo)
    };
    if let Some(bind) = config.metrics.bind {
        let text = parts.metrics_text.clone();
        server::serve_metrics(bind, text)?;
    }
    let certificate = match &config.server.tls {
        Some(files) => Some(Certificate::open(&files.chain, &files.key)?),
        None => None,
    };
    if let Some(certificate) = &certificate {
        gauges::register_certificate(&metrics, certificate);
    }
    let server = server::build(ServerParts {
        bind: config.server.address(),
        certificate,
        workers: cores,
        proxies: config.server.proxies,
        allowed_origins: allowed_origins(config),
        admission,
        strangers,
        node,
        redeem_ticket: Arc::new(move |ticket| tickets.redeem(ticket)),
        edges: vec![Arc::new(engine.clone())],
        routes: Arc::new(move |routes| {
            engine.routes(routes);
            http::configure(routes, parts.clone());
        }),
        socket_metrics: Arc::new(SocketCounts(metrics)),
    })?;
    Ok(server.with_farewell(async move {
        if let Some(bus) = bus {
            bus.leave().await;
        }
        drop(media);
    }))
}

fn http_parts(
    config: &Config,
    strangers: &Arc<Strangers>,
    node: &Arc<Node>,
    tokens: Arc<Tokens>,
    tickets: &Arc<TicketOffice>,
    metrics: &Arc<Metrics>,
    demo: Option<Arc<dyn http::DemoLogin>>,
) -> HttpParts {
    let (text, readers) = (metrics.clone(), config.metrics.clone());
    HttpParts {
        node: node.clone(),
        version: env!("CARGO_PKG_VERSION"),
        cors: Cors {
            origins: allowed_origins(config),
            credentials: config.origins.credentials,
        },
        scopes: tokens,
        tickets: glue::issue_tickets(tickets.clone()),
        metrics_text: Arc::new(move || text.text()),
        metrics_allowed: Arc::new(move |request| glue::may_read_metrics(request, &readers)),
        demo,
        shown: Arc::new(Shown::default()),
        notify_room: Arc::new(|_, _| {}),
        strangers: strangers.clone(),
        fallback: config
            .agora
            .clone()
            .map(|keys| Arc::new(Agora::new(keys)) as _),
        http_metrics: Arc::new(HttpCounts(metrics.clone())),
    }
}

fn allowed_origins(config: &Config) -> Vec<String> {
    let origins = config.origins.frontend.iter().chain(&config.origins.cors);
    origins.map(|origin| origin.as_str().to_owned()).collect()
}

fn attachment_hosts(config: &Config) -> Vec<String> {
    let https = |origin: &crate::config::Origin| {
        origin.as_str().strip_prefix("https://").map(str::to_owned)
    };
    config.files.origins.iter().filter_map(https).collect()
}

/// HMAC-SHA-256, cut to 16 bytes, over what a message first says, each part with its length.
fn body_hasher(key: &Secret) -> Arc<dyn Fn(&MessageSend) -> BodyHash + Send + Sync> {
    let keyed = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes())
        .expect("keyed, because HMAC takes keys of any length");
    Arc::new(move |send| {
        let mut mac = keyed.clone();
        let mut add = |part: &[u8]| {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        };
        add(&[send.message_type as u8]);
        add(send.text.as_bytes());
        add(&send.reply_to_seq.unwrap_or(0).to_le_bytes());
        for attachment in &send.attachments {
            add(attachment.url.as_bytes());
            add(attachment.name.as_bytes());
            add(attachment.media_type.as_bytes());
            add(&attachment.size_bytes.unwrap_or(0).to_le_bytes());
        }
        let digest = mac.finalize().into_bytes();
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        hash
    })
}
