//! Settings of a cluster: its Redis, its keys, and who this node is.

use bedside_protocol::NodeId;
use std::{fs, path::PathBuf};

use super::{
    Secret, parse,
    source::Reader,
    variable::{self as v, Variable},
};

/// One server among several.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Where the bridge between them is.
    pub redis: RedisConfig,
    /// `BEDSIDE_CLUSTER_NAME`, default `bedside`: clusters on one Redis have different ones.
    pub name: String,
    /// `BEDSIDE_NODE_ID`, else the host's name: differs for each node.
    pub node: NodeId,
    /// `BEDSIDE_CLUSTER_KEY`, at least 32 bytes: seals and opens what nodes send to each other.
    pub key: Secret,
    /// `BEDSIDE_CLUSTER_KEY_OLD`: opens too, while one key takes over from another.
    pub key_old: Option<Secret>,
    /// `BEDSIDE_CLUSTER_USER_KEY`, else the cluster key: keys what stands for people in Redis.
    pub user_key: Option<Secret>,
}

/// Where Redis is.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// Its address.
    pub address: RedisAddress,
    /// `REDIS_TLS_CA`: a PEM file with the authorities that sign its certificate; none for those
    /// that browsers trust.
    pub tls_ca: Option<PathBuf>,
}

/// The address of a Redis.
#[derive(Clone, Debug)]
pub enum RedisAddress {
    /// `REDIS_URL`, with user, password and database in it; TLS with `rediss`.
    Url(Secret),
    /// Without a URL. TLS with `REDIS_TLS_CA`.
    Server {
        /// `REDIS_HOST`.
        host: String,
        /// `REDIS_PORT`, 1..=65535, default 6379.
        port: u16,
        /// `REDIS_PASSWORD`.
        password: Option<Secret>,
        /// `REDIS_DB`, 0..=65535, default 0.
        db: u16,
    },
}

/// The cluster, when `REDIS_URL` or `REDIS_HOST` names its bridge. Its settings are checked in any
/// case.
pub(super) fn read(r: &mut Reader<'_>) -> Option<ClusterConfig> {
    // A faulty address is a fault already; the rest is asked for once there is one.
    let redis = read_redis(r);
    let name = r.required(v::BEDSIDE_CLUSTER_NAME, parse::cluster_name);
    let node = r.optional(v::BEDSIDE_NODE_ID, parse::node_id);
    let key = r.optional(v::BEDSIDE_CLUSTER_KEY, parse::cluster_key);
    let key_old = r.optional(v::BEDSIDE_CLUSTER_KEY_OLD, parse::cluster_key);
    let user_key = r.optional(v::BEDSIDE_CLUSTER_USER_KEY, parse::cluster_key);
    let redis = redis?;
    let why = "because with a Redis this server is one of a cluster";
    let needed: [(&Variable, &str); 3] = [
        (v::JWT_SECRET, "the clinic's secret"),
        (v::SCYLLA_NODES, "the CQL servers of its store"),
        (
            v::BEDSIDE_CLUSTER_KEY,
            "a secret of at least 32 bytes that all nodes share",
        ),
    ];
    for (variable, what) in needed {
        let is_there = match variable == v::JWT_SECRET {
            // Other keys do, too; and without any SCYLLA_NODES asks for one itself.
            true => super::has_keys(r) || r.is_set(v::SCYLLA_NODES),
            false => r.is_set(variable),
        };
        if !is_there {
            r.fault(variable, "nothing", &format!("{what}, {why}"));
        }
    }
    let node = if r.is_set(v::BEDSIDE_NODE_ID) {
        node
    } else {
        named_after_host(r)
    };
    Some(ClusterConfig {
        redis,
        name,
        node: node?,
        key: key?,
        key_old,
        user_key,
    })
}

fn read_redis(r: &mut Reader<'_>) -> Option<RedisConfig> {
    let url = r.optional(v::REDIS_URL, parse::redis_url);
    let host = r.optional(v::REDIS_HOST, parse::host_name);
    let port = r.required(v::REDIS_PORT, parse::port_of_server);
    let password = r.optional(v::REDIS_PASSWORD, parse::password);
    let db = r.required(v::REDIS_DB, parse::redis_db);
    let tls_ca = r.optional(v::REDIS_TLS_CA, parse::file);
    let address = match (url, host) {
        (Some(url), _) => RedisAddress::Url(url),
        (None, host) => RedisAddress::Server {
            host: host?,
            port,
            password,
            db,
        },
    };
    Some(RedisConfig { address, tls_ca })
}

/// The host's name as a node's, since that is what differs between machines and containers.
fn named_after_host(r: &mut Reader<'_>) -> Option<NodeId> {
    let host = ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok());
    let node = node_name(host.as_deref().unwrap_or_default());
    match &node {
        Some(node) => r.derived(v::BEDSIDE_NODE_ID, node.to_string()),
        None => r.fault(
            v::BEDSIDE_NODE_ID,
            "nothing",
            "a name for this node, because the host has none",
        ),
    }
    node
}

/// The name nearest to this text that a node may have.
fn node_name(text: &str) -> Option<NodeId> {
    let near = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9') => c,
        _ => '-',
    };
    let name: String = text
        .trim()
        .chars()
        .take(NodeId::BYTES_MAX)
        .map(near)
        .collect();
    NodeId::new(name.trim_matches('-')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_lends_its_name() {
        let long = "x".repeat(70);
        for (host, node) in [
            ("clinic-1\n", Some("clinic-1")),
            ("Bedside-7F.example.com", Some("bedside-7f-example-com")),
            ("praxis_süd", Some("praxis-s-d")),
            ("-a-", Some("a")),
            (&long, Some(&long[..63])),
            ("...", None),
            ("", None),
        ] {
            let found = node_name(host);
            assert_eq!(found.as_ref().map(NodeId::as_str), node, "{host}");
        }
    }
}
