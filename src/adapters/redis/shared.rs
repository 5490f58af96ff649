//! What nodes share through Redis: leases, and who is on which node.

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead as _, Payload},
};
use bedside_actors::ports::bus::{BusError, Peer, UserKey};
use bedside_protocol::NodeId;
use bytes::Bytes;
use redis::Pipeline;
use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed, time::Duration};

use super::{
    core::Core,
    keys::KeyId,
    names::life,
    stats::{Kind, add},
};

/// Nodes that are looked at.
const NODES_MAX: usize = 1_024;
/// How long the name of a node is remembered without its lease, seconds.
const NODES_KEPT_S: u64 = 3_600;
/// People in one command.
const STEP: usize = 512;
/// People on one node.
const PEOPLE_MAX: usize = 1_000_000;
/// Bytes of one person's value.
const VALUE_BYTES_MAX: usize = 64 * 1024;
const LEAVE_TIMEOUT: Duration = Duration::from_millis(900);

const NONCE_BYTES: usize = 12;

/// Renews, unless a later life of the same node holds the lease. Answers 2 for that, 1 for a
/// lease that ran on and 0 for a new one.
const RENEW: &str = "\
local held = redis.call('GET', KEYS[1])
if held and held > ARGV[1] then return 2 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local now = redis.call('TIME')[1]
redis.call('ZADD', KEYS[2], now, ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
if held == ARGV[1] then return 1 end
return 0";

/// Takes back the lease if it is this life's, and what it shared in any case.
const LEAVE: &str = "\
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[2])
end
redis.call('DEL', KEYS[3], KEYS[4])
return 1";

pub(super) async fn renew(core: &Core, lease: Duration) -> Result<(), BusError> {
    core.check_here()?;
    let lease_ms = u64::try_from(lease.as_millis())
        .unwrap_or(u64::MAX)
        .clamp(1, 3_600_000);
    core.lease_ms.store(lease_ms, Relaxed);
    let mut commands = Pipeline::with_capacity(1);
    let (names, me) = (&core.names, &core.me);
    commands
        .cmd("EVAL")
        .arg(RENEW)
        .arg(3)
        .arg(names.lease(&me.node))
        .arg(names.nodes())
        .arg(names.presence(me))
        .arg(life(me))
        .arg(lease_ms)
        .arg(me.node.as_str())
        .arg(NODES_KEPT_S);
    let (answer,): (u8,) = core.ask(Kind::Lease, &commands).await?;
    let held_before = core.lease_held.swap(answer != 2, Relaxed);
    match answer {
        2 => {
            let why = format!("another process calls itself {} and started later", me.node);
            if core.complaints.lock().may_speak() {
                tracing::error!("{why}: give each node an id of its own");
            }
            Err(BusError(why))
        }
        // This process was stopped for longer than its lease, or Redis lost it. Either way what
        // it shared is gone, and has to be shared anew, as after any loss.
        0 if held_before => {
            core.broken.notify_one();
            Err(BusError("the lease had run out".to_owned()))
        }
        _ => Ok(()),
    }
}

pub(super) async fn peers(core: &Core) -> Result<Vec<Peer>, BusError> {
    let mut commands = Pipeline::with_capacity(1);
    commands
        .cmd("ZREVRANGE")
        .arg(core.names.nodes())
        .arg(0)
        .arg(NODES_MAX - 1);
    let (nodes,): (Vec<Vec<u8>>,) = core.ask(Kind::Lease, &commands).await?;
    let name = |name: &Vec<u8>| NodeId::new(std::str::from_utf8(name).ok()?).ok();
    let nodes: Vec<NodeId> = nodes.iter().filter_map(name).collect();
    if nodes.is_empty() {
        return Ok(Vec::new());
    }
    let mut commands = Pipeline::with_capacity(1);
    let leases: Vec<String> = nodes.iter().map(|node| core.names.lease(node)).collect();
    commands.cmd("MGET").arg(leases);
    let (lives,): (Vec<Option<Vec<u8>>>,) = core.ask(Kind::Lease, &commands).await?;
    let peer = |(node, life): (NodeId, Option<Vec<u8>>)| {
        let incarnation = std::str::from_utf8(&life?).ok()?.parse().ok()?;
        Some(Peer { node, incarnation })
    };
    Ok(nodes.into_iter().zip(lives).filter_map(peer).collect())
}

pub(super) async fn put_presence(
    core: &Core,
    changes: Vec<(UserKey, Option<Bytes>)>,
) -> Result<(), BusError> {
    core.check_here()?;
    // Of two changes for one person the later counts.
    let changes: BTreeMap<_, _> = changes.into_iter().collect();
    let (mut there, mut gone) = (Vec::new(), Vec::new());
    for (user, value) in changes {
        match value {
            Some(value) => there.push((user, value)),
            None => gone.push(user.0),
        }
    }
    let key = core.names.presence(&core.me);
    let _one_at_a_time = core.sharing.lock().await;
    put_all(core, &key, &there).await?;
    for users in gone.chunks(STEP) {
        let mut commands = Pipeline::with_capacity(1);
        let command = commands.cmd("HDEL").arg(&key);
        for user in users {
            command.arg(&user[..]);
        }
        core.ask::<()>(Kind::Presence, &commands).await?;
    }
    Ok(())
}

pub(super) async fn replace_presence(
    core: &Core,
    all: Vec<(UserKey, Bytes)>,
) -> Result<(), BusError> {
    core.check_here()?;
    let all: Vec<_> = all
        .into_iter()
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .collect();
    let key = core.names.presence(&core.me);
    let draft = core.names.presence_draft(&core.me);
    let _one_at_a_time = core.sharing.lock().await;
    let mut commands = Pipeline::with_capacity(1);
    commands
        .cmd("DEL")
        .arg(if all.is_empty() { &key } else { &draft });
    core.ask::<()>(Kind::Presence, &commands).await?;
    if all.is_empty() {
        return Ok(());
    }
    put_all(core, &draft, &all).await?;
    let mut commands = Pipeline::with_capacity(1);
    commands.cmd("RENAME").arg(&draft).arg(&key);
    core.ask::<()>(Kind::Presence, &commands).await
}

/// Puts people into a hash in steps, and bounds its life by the lease.
async fn put_all(core: &Core, key: &str, people: &[(UserKey, Bytes)]) -> Result<(), BusError> {
    for people in people.chunks(STEP) {
        let mut commands = Pipeline::with_capacity(2);
        commands.atomic();
        let command = commands.cmd("HSET").arg(key);
        for (user, value) in people {
            command.arg(&user.0[..]).arg(seal(core, user, value)?);
        }
        commands
            .cmd("PEXPIRE")
            .arg(key)
            .arg(core.lease_ms.load(Relaxed));
        core.ask::<()>(Kind::Presence, &commands).await?;
    }
    Ok(())
}

pub(super) async fn presence_of(
    core: &Core,
    peer: &Peer,
) -> Result<Vec<(UserKey, Bytes)>, BusError> {
    let key = core.names.presence(peer);
    let mut opener = PresenceOpener {
        core,
        peer,
        cipher: None,
    };
    let mut people = BTreeMap::new();
    let mut cursor: u64 = 0;
    loop {
        let mut commands = Pipeline::with_capacity(1);
        commands
            .cmd("HSCAN")
            .arg(&key)
            .arg(cursor)
            .arg("COUNT")
            .arg(STEP);
        type Step = (u64, Vec<(Vec<u8>, Vec<u8>)>);
        let ((next, step),): (Step,) = core.ask(Kind::Presence, &commands).await?;
        for (user, sealed) in step {
            match opener.open(&user, &sealed) {
                // A scan may tell of somebody twice.
                Some((user, value)) => drop(people.insert(user, value)),
                None => add(&core.counters.presence_unreadable, 1),
            }
        }
        if people.len() > PEOPLE_MAX {
            return Err(BusError(format!("{} has too many people", peer.node)));
        }
        if next == 0 {
            return Ok(people.into_iter().collect());
        }
        cursor = next;
    }
}

pub(super) async fn leave(core: &Core) {
    core.left.store(true, Relaxed);
    let (names, me) = (&core.names, &core.me);
    let mut commands = Pipeline::with_capacity(1);
    commands
        .cmd("EVAL")
        .arg(LEAVE)
        .arg(4)
        .arg(names.lease(&me.node))
        .arg(names.nodes())
        .arg(names.presence(me))
        .arg(names.presence_draft(me))
        .arg(life(me))
        .arg(me.node.as_str());
    let leave = async {
        let _one_at_a_time = core.sharing.lock().await;
        core.ask::<()>(Kind::Lease, &commands).await
    };
    match tokio::time::timeout(LEAVE_TIMEOUT, leave).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the lease is left to run out"),
        Err(_) => tracing::warn!("the lease is left to run out"),
    }
}

impl Core {
    fn check_here(&self) -> Result<(), BusError> {
        if self.left.load(Relaxed) {
            return Err(BusError("this node has left".to_owned()));
        }
        Ok(())
    }
}

/// The key's id, a random nonce and the sealed value, which opens for this life of this node and
/// this person alone.
fn seal(core: &Core, user: &UserKey, value: &[u8]) -> Result<Vec<u8>, BusError> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(BusError("a value of presence is too long".to_owned()));
    }
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| BusError("no randomness".to_owned()))?;
    let value = Payload {
        msg: value,
        aad: &user.0,
    };
    let sealed = core.presence_cipher.encrypt(&Nonce::from(nonce), value);
    let sealed = sealed.expect("seals, because values are far below 64 GiB");
    Ok([&core.keys.sealing()[..], &nonce, &sealed].concat())
}

/// Opens what one life of a node says of people.
struct PresenceOpener<'a> {
    core: &'a Core,
    peer: &'a Peer,
    /// What opened the last value; the next is sealed with the same key.
    cipher: Option<(KeyId, Aes256Gcm)>,
}

impl PresenceOpener<'_> {
    fn open(&mut self, user: &[u8], sealed: &[u8]) -> Option<(UserKey, Bytes)> {
        let user = UserKey(user.try_into().ok()?);
        let (id, rest) = sealed.split_first_chunk::<{ size_of::<KeyId>() }>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let sealed = Payload {
            msg: sealed,
            aad: &user.0,
        };
        let cipher = self.cipher(*id)?;
        let value = cipher.decrypt(&Nonce::from(*nonce), sealed).ok()?;
        Some((user, value.into()))
    }

    fn cipher(&mut self, id: KeyId) -> Option<&Aes256Gcm> {
        if self.cipher.as_ref().is_none_or(|(cached, _)| *cached != id) {
            let (keys, peer) = (&self.core.keys, self.peer);
            let cipher = keys.of_presence(id, &peer.node, peer.incarnation)?;
            self.cipher = Some((id, cipher));
        }
        self.cipher.as_ref().map(|(_, cipher)| cipher)
    }
}
