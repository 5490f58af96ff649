//! The bridge between nodes on Redis (6 or later): pub/sub for messages, keys that expire for
//! leases and presence.
//!
//! Redis is trusted with nothing but delivery: messages and presence are sealed, people stand
//! under keyed hashes of their ids, and whatever Redis loses the cluster reads from its store. It
//! can hold back, repeat or reorder; the last two are refused, the first is noticed by those who
//! count.
//!
//! `link` keeps the connections, `ears` hears, `outbound` holds what is to be said, `seal` and
//! `keys` are the cryptography, `shared` is leases and presence.

mod core;
mod ears;
mod keys;
mod link;
mod names;
mod outbound;
mod seal;
mod shared;
mod stats;

use async_trait::async_trait;
use bedside_actors::ports::bus::{Bus, BusError, Inbox, Peer, To, UserKey};
use bedside_protocol::UserId;
use bytes::Bytes;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion, RedisError,
    RedisResult, TlsCertificates, io::tcp::TcpSettings,
};
use std::{fmt, fs, io, path::PathBuf, sync::Arc, thread, time::Duration};

pub use seal::Refusal;
pub use stats::{BridgeStats, Kind};

use self::core::Core;
use crate::config::{RedisAddress, RedisConfig, Secret};
use keys::Keys;
use names::Names;
use outbound::NotTaken;
use stats::add;

/// What a bridge is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where Redis is.
    pub redis: RedisConfig,
    /// The cluster's name: those on one Redis have different ones.
    pub name: String,
    /// This life of this node.
    pub me: Peer,
    /// The key that seals and opens.
    pub key: Secret,
    /// One more that opens, while one takes over from the other.
    pub key_old: Option<Secret>,
    /// Keys what stands for people; [`key`](Self::key) by default. It stays while that rotates.
    pub user_key: Option<Secret>,
}

/// Why there is no bridge.
#[derive(Debug)]
pub enum OpenError {
    /// The address is none.
    Address(RedisError),
    /// The file of authorities cannot be read.
    Authorities(PathBuf, io::Error),
    /// There is no thread for it.
    Thread(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(why) => write!(f, "the address of Redis is wrong: {why}"),
            Self::Authorities(file, error) => write!(f, "{}: {error}", file.display()),
            Self::Thread(error) => write!(f, "no thread for the bridge: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// The bridge.
pub struct RedisBus(Arc<Core>);

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisBus({})", self.0.me.node)
    }
}

impl Drop for RedisBus {
    fn drop(&mut self) {
        self.0.closed.notify_one();
    }
}

impl RedisBus {
    /// Makes the bridge and its thread. Connects when it is [started](Bus::start): a Redis that is
    /// not there keeps no node from starting.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(options: &Options) -> Result<Arc<Self>, OpenError> {
        let client = client(&options.redis)?;
        let old = options.key_old.as_ref();
        let keys = Keys::new(&options.key, old, options.user_key.as_ref());
        let names = Names::new(&options.name);
        let core = Arc::new(Core::new(options.me.clone(), names, keys, client));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(OpenError::Thread)?;
        let links = link::run(core.clone());
        thread::Builder::new()
            .name("bridge".to_owned())
            .spawn(move || runtime.block_on(links))
            .map_err(OpenError::Thread)?;
        Ok(Arc::new(Self(core)))
    }

    /// What it counted.
    #[must_use]
    pub fn stats(&self) -> BridgeStats {
        self.0.counters.snapshot(self.0.outbound.waiting())
    }
}

/// Messages come as pushes of RESP3, which Redis speaks since version 6.
fn client(config: &RedisConfig) -> Result<Client, OpenError> {
    let root_cert = match &config.tls_ca {
        None => None,
        Some(file) => {
            let read = fs::read(file).map_err(|e| OpenError::Authorities(file.clone(), e));
            Some(read?)
        }
    };
    let info = connection_info(&config.address, root_cert.is_some()).map_err(OpenError::Address)?;
    let opened = match root_cert {
        None => Client::open(info),
        Some(_) => Client::build_with_tls(
            info,
            TlsCertificates {
                client_tls: None,
                root_cert,
            },
        ),
    };
    opened.map_err(OpenError::Address)
}

fn connection_info(address: &RedisAddress, tls: bool) -> RedisResult<ConnectionInfo> {
    let info = match address {
        RedisAddress::Url(url) => url.expose().into_connection_info()?,
        RedisAddress::Server {
            host,
            port,
            password,
            db,
        } => {
            let (host, port) = (host.clone(), *port);
            let address = if tls {
                ConnectionAddr::TcpTls {
                    host,
                    port,
                    insecure: false,
                    tls_params: None,
                }
            } else {
                ConnectionAddr::Tcp(host, port)
            };
            let info = address.into_connection_info()?;
            let mut settings = info.redis_settings().clone().set_db(i64::from(*db));
            if let Some(password) = password {
                settings = settings.set_password(password.expose());
            }
            info.set_redis_settings(settings)
        }
    };
    let settings = info.redis_settings().clone();
    Ok(info
        .set_redis_settings(settings.set_protocol(ProtocolVersion::RESP3))
        .set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

#[async_trait]
impl Bus for RedisBus {
    fn me(&self) -> &Peer {
        &self.0.me
    }

    fn start(&self, inbox: Arc<dyn Inbox>) {
        if self.0.inbox.set(inbox).is_err() {
            tracing::error!("the bridge was started twice");
        }
        self.0.started.notify_one();
    }

    fn publish(&self, to: &To, link_seq: u64, body: Bytes) -> bool {
        let counters = &self.0.counters;
        let why = match self.0.outbound.push(to, link_seq, &body) {
            Ok(()) => return true,
            Err(why) => why,
        };
        match why {
            NotTaken::Down => add(&counters.refused_down, 1),
            NotTaken::Full => add(&counters.refused_full, 1),
            NotTaken::OutOfOrder | NotTaken::TooLong => {
                add(&counters.refused_misuse, 1);
                if self.0.complaints.lock().may_speak() {
                    let bytes = body.len();
                    tracing::error!(?why, link_seq, bytes, "a message was not published");
                }
            }
        }
        false
    }

    fn user_key(&self, user_id: &UserId) -> UserKey {
        self.0.keys.of_user(user_id)
    }

    async fn renew(&self, lease: Duration) -> Result<(), BusError> {
        shared::renew(&self.0, lease).await
    }

    async fn peers(&self) -> Result<Vec<Peer>, BusError> {
        shared::peers(&self.0).await
    }

    async fn put_presence(&self, changes: Vec<(UserKey, Option<Bytes>)>) -> Result<(), BusError> {
        shared::put_presence(&self.0, changes).await
    }

    async fn replace_presence(&self, all: Vec<(UserKey, Bytes)>) -> Result<(), BusError> {
        shared::replace_presence(&self.0, all).await
    }

    async fn presence_of(&self, peer: &Peer) -> Result<Vec<(UserKey, Bytes)>, BusError> {
        shared::presence_of(&self.0, peer).await
    }

    async fn leave(&self) {
        shared::leave(&self.0).await;
    }
}
