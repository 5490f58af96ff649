//! Wires the Socket.IO edge, and what is kept of notifications.

use bedside_actors::node::Node;
use std::{sync::Arc, time::Duration};

use super::{allowed_origins, glue::SessionCounts, glue::SocketCounts};
use crate::{
    config::Config,
    metrics::Metrics,
    seeds::Shown,
    socketio::{
        self,
        clinic::{Clinic, ClinicParts},
        engine::{self, EngineEdge},
        protocol::Limits,
    },
    strangers::Strangers,
    ws::admission::Admission,
};

/// How often old notifications are looked for.
const PRUNE_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// What is served to Socket.IO clients.
pub(super) fn clinic(
    config: &Config,
    node: &Arc<Node>,
    shown: &Arc<Shown>,
    strangers: &Arc<Strangers>,
) -> Arc<Clinic> {
    Arc::new(Clinic::new(ClinicParts {
        node: node.clone(),
        shown: shown.clone(),
        strangers: strangers.clone(),
        replay: config.socketio.replay,
        grace: config.socketio.grace,
    }))
}

/// The edge that serves it.
pub(super) fn edge(
    config: &Config,
    clinic: Arc<Clinic>,
    admission: &Arc<Admission>,
    metrics: &Arc<Metrics>,
) -> EngineEdge {
    socketio::edge(socketio::Parts {
        application: clinic,
        config: engine::Config::default(),
        limits: Limits::default(),
        admission: admission.clone(),
        allowed_origins: allowed_origins(config).into(),
        proxies: config.server.proxies,
        socket_metrics: Arc::new(SocketCounts(metrics.clone())),
        metrics: Arc::new(SessionCounts(metrics.clone())),
    })
}

/// Deletes notifications that have been kept for long enough, now and every hour.
pub(super) fn prune_notifications(node: Arc<Node>, retention: Duration) {
    actix_rt::spawn(async move {
        loop {
            match node.prune_notifications(retention).await {
                Ok(0) => {}
                Ok(pruned) => tracing::info!(pruned, "old notifications were deleted"),
                Err(error) => tracing::warn!(%error, "old notifications could not be deleted"),
            }
            tokio::time::sleep(PRUNE_INTERVAL).await;
        }
    });
}
