//! The faults, one at a time: how each begins and ends.

use serde::Serialize;
use std::{fmt, str::FromStr, time::Duration};

use crate::{
    Outcome,
    bed::{Bed, Kind, Service},
    fault, proxy,
    rng::Rng,
};

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $name:literal on $kind:ident for $hold_ms:literal;)*) => {
        /// What is done to the cluster.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Nemesis { $($(#[$doc])* $variant,)* }

        impl Nemesis {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it is done to.
            const fn on(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }

            /// From its beginning to its end.
            const fn hold(self) -> Duration {
                Duration::from_millis(match self { $(Self::$variant => $hold_ms,)* })
            }
        }
    };
}

faults! {
    /// A node is killed with -9 and started again.
    NodeKill = "node-kill" on Node for 1_000;
    /// The nodes are stopped as for an upgrade and started again, one after the other.
    Rolling = "rolling" on Node for 0;
    /// A node stands still for so long that others take over what it owns, and wakes up.
    NodePause = "node-pause" on Node for 5_000;
    /// Redis is killed with -9 and started again, empty.
    RedisKill = "redis-kill" on Redis for 2_000;
    /// Redis stands still.
    RedisPause = "redis-pause" on Redis for 5_000;
    /// Redis answers 200 ms late, and the other way.
    RedisDelay = "redis-delay" on Redis for 5_000;
    /// The connections of all nodes to Redis end, once.
    RedisCut = "redis-cut" on Redis for 0;
    /// One node alone cannot reach Redis.
    RedisPart = "redis-part" on Node for 5_000;
    /// One of the CQL servers is killed with -9 and started again.
    CqlKill = "cql-kill" on Cql for 3_000;
    /// One of the CQL servers stands still.
    CqlPause = "cql-pause" on Cql for 5_000;
    /// One of the CQL servers answers 100 ms late, and the other way.
    CqlDelay = "cql-delay" on Cql for 5_000;
    /// The connections to one of the CQL servers end, and it is out of reach.
    CqlCut = "cql-cut" on Cql for 5_000;
}

impl fmt::Display for Nemesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Nemesis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|fault| fault.name() == text);
        found.copied().ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(|fault| fault.name()).collect();
            format!("the faults are {}", all.join(", "))
        })
    }
}

impl Nemesis {
    /// Whether the bed has what it takes.
    #[must_use]
    pub fn fits(self, bed: &Bed) -> bool {
        let needs_proxy = self.order("x").is_some();
        let has_redis = self != Self::RedisPart || bed.all(Kind::Redis).next().is_some();
        let has_proxy = !needs_proxy || bed.all(Kind::Proxy).next().is_some();
        bed.all(self.on()).next().is_some() && has_redis && has_proxy
    }

    /// One of those that it can be done to.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn choose(self, bed: &Bed, rng: &mut Rng) -> Outcome<Service> {
        let all: Vec<_> = bed.all(self.on()).collect();
        if all.is_empty() {
            return fault(format!("there is nothing to do {self} to"));
        }
        Ok(all[rng.below(all.len())].clone())
    }

    /// What the proxy is told about the links to a service, when it is the proxy that does it.
    /// The links to Redis are named after the nodes.
    fn order(self, service: &str) -> Option<String> {
        Some(match self {
            Self::RedisDelay => "redis delay 200".to_owned(),
            Self::RedisCut => "redis cut".to_owned(),
            Self::RedisPart => format!("redis-{service} refuse"),
            Self::CqlDelay => format!("{service} delay 100"),
            Self::CqlCut => format!("{service} refuse"),
            _ => return None,
        })
    }

    /// Begins, holds, ends. What was killed may still be on its way up: see
    /// [`Service::ready`].
    ///
    /// # Errors
    /// When it cannot be done.
    pub(super) async fn strike(self, bed: &Bed, victim: &Service) -> Outcome<()> {
        if let Some(order) = self.order(&victim.name) {
            for line in each_link(bed, &order) {
                tell(bed, &line).await?;
            }
            tokio::time::sleep(self.hold()).await;
            return tell(bed, "all pass").await;
        }
        match self {
            Self::NodePause | Self::RedisPause | Self::CqlPause => {
                victim.signal("STOP").await?;
                tokio::time::sleep(self.hold()).await;
                victim.signal("CONT").await
            }
            Self::Rolling => {
                for node in bed.all(Kind::Node) {
                    node.stop().await?;
                    node.start().await?;
                    node.ready().await?;
                }
                Ok(())
            }
            _ => {
                victim.kill().await?;
                tokio::time::sleep(self.hold()).await;
                victim.start().await
            }
        }
    }
}

/// An order to `redis` is one to the link of each node.
fn each_link(bed: &Bed, order: &str) -> Vec<String> {
    match order.strip_prefix("redis ") {
        None => vec![order.to_owned()],
        Some(rest) => {
            let nodes = bed.all(Kind::Node);
            nodes
                .map(|node| format!("redis-{} {rest}", node.name))
                .collect()
        }
    }
}

async fn tell(bed: &Bed, line: &str) -> Outcome<()> {
    let Some(proxy) = bed.all(Kind::Proxy).next() else {
        return fault("there is no proxy");
    };
    proxy::order(proxy.address, line).await
}
