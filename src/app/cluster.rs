//! This server's part in a cluster, when it has one.

use bedside_actors::{cluster::Cluster, node::Node, ports::bus::Bus};
use std::{error::Error, sync::Arc};

use crate::{config::Config, metrics::Metrics};

/// What a server needs of its cluster.
pub(super) struct Joined {
    pub(super) cluster: Arc<Cluster>,
    /// Told when the server stops.
    pub(super) bus: Arc<dyn Bus>,
}

/// Builds the bridge to the other nodes. It connects when the node starts it, and goes on trying.
#[cfg(feature = "cluster")]
pub(super) fn join(config: &Config, metrics: &Metrics) -> Result<Option<Joined>, Box<dyn Error>> {
    use crate::adapters::redis::{Options, RedisBus};
    use bedside_actors::ports::bus::Peer;
    use std::time::{SystemTime, UNIX_EPOCH};

    let Some(cluster) = &config.cluster else {
        return Ok(None);
    };
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let bus = RedisBus::open(&Options {
        redis: cluster.redis.clone(),
        name: cluster.name.clone(),
        me: Peer {
            node: cluster.node.clone(),
            incarnation: u64::try_from(since_1970.as_micros())?,
        },
        key: cluster.key.clone(),
        key_old: cluster.key_old.clone(),
        user_key: cluster.user_key.clone(),
    })?;
    super::gauges::register_bridge(metrics, &bus);
    tracing::info!(node = %cluster.node, cluster = cluster.name, "part of a cluster");
    Ok(Some(Joined {
        cluster: Cluster::new(bus.clone()),
        bus,
    }))
}

/// Shows how many nodes this one knows to be there, itself included.
pub(super) fn show_nodes(node: &Node, metrics: &Metrics) {
    if let Some(cluster) = node.cluster().cloned() {
        metrics.register_gauge_fn(
            "bedside_cluster_nodes",
            "Nodes that are there as far as this one knows, itself included.",
            move || (cluster.peers().len() + 1) as f64,
        );
    }
}

/// Without the drivers there is no cluster.
#[cfg(not(feature = "cluster"))]
pub(super) fn join(config: &Config, _: &Metrics) -> Result<Option<Joined>, Box<dyn Error>> {
    match config.cluster {
        None => Ok(None),
        Some(_) => Err(
            "REDIS_URL or REDIS_HOST is set, but this binary was built without the \
                        feature `cluster`"
                .into(),
        ),
    }
}
