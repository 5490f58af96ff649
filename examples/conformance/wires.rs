//! Nodes that are wired to each other in one process: a bridge without a bridge. It can be cut,
//! and lose answers.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use async_trait::async_trait;
use bedside::peer_calls::Peers;
use bedside_actors::cluster::{CallError, Calls};
use bedside_protocol::NodeId;
use bytes::Bytes;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::{runtime::Handle, time::timeout};

/// What nodes are wired to.
#[derive(Default)]
pub(crate) struct Wires {
    nodes: Mutex<HashMap<NodeId, Arc<dyn Calls>>>,
    /// Nothing gets through.
    pub(crate) is_cut: AtomicBool,
    /// What gets through is not answered in time.
    pub(crate) is_deaf: AtomicBool,
    /// Calls that got through.
    pub(crate) calls: AtomicUsize,
    /// One in so many answers gets lost; 0 for none.
    pub(crate) loses_one_in: AtomicUsize,
    /// Calls are answered on the thread that makes them, whose time may be paused.
    pub(crate) is_here: AtomicBool,
}

/// One node's end.
pub(crate) struct Wired {
    me: NodeId,
    wires: Arc<Wires>,
}

pub(crate) fn name(text: &str) -> NodeId {
    NodeId::new(text).expect("a good name, because the test says so")
}

impl Wires {
    /// The end of the node of this name.
    pub(crate) fn end(self: &Arc<Self>, me: &str) -> Arc<dyn Peers> {
        Arc::new(Wired {
            me: name(me),
            wires: Arc::clone(self),
        })
    }

    /// From now on this node answers.
    pub(crate) fn serve(&self, node: &str, calls: Arc<dyn Calls>) {
        let mut nodes = self.nodes.lock().expect("no panic");
        nodes.insert(name(node), calls);
    }

    /// This node is gone, and that is known.
    pub(crate) fn forget(&self, node: &str) {
        self.nodes.lock().expect("no panic").remove(&name(node));
    }

    fn find(&self, node: &NodeId) -> Option<Arc<dyn Calls>> {
        self.nodes.lock().expect("no panic").get(node).cloned()
    }

    fn loses(&self, number: usize) -> bool {
        let one_in = self.loses_one_in.load(Ordering::Relaxed);
        one_in > 0 && number.is_multiple_of(one_in)
    }
}

/// Calls are answered on a thread that belongs to no server, as a bridge's are, and go on though
/// nobody waits for them any more.
fn bridge() -> Handle {
    static BRIDGE: OnceLock<Handle> = OnceLock::new();
    let bridge = BRIDGE.get_or_init(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        let handle = runtime.handle().clone();
        thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        handle
    });
    bridge.clone()
}

#[async_trait]
impl Peers for Wired {
    fn me(&self) -> &NodeId {
        &self.me
    }

    fn others(&self) -> Vec<NodeId> {
        let nodes = self.wires.nodes.lock().expect("no panic");
        nodes
            .keys()
            .filter(|node| **node != self.me)
            .cloned()
            .collect()
    }

    fn is_gone(&self, node: &NodeId) -> bool {
        self.wires.find(node).is_none()
    }

    async fn call(
        &self,
        node: &NodeId,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, CallError> {
        let is = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        let is_cut = || is(&self.wires.is_cut);
        let Some(calls) = self.wires.find(node).filter(|_| !is_cut()) else {
            return Err(CallError::Unreachable);
        };
        let number = self.wires.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let thread = match is(&self.wires.is_here) {
            true => Handle::current(),
            false => bridge(),
        };
        let answering = thread.spawn(async move { calls.call(body).await });
        match timeout(deadline, answering).await {
            // Said at once, where a bridge would let the time pass.
            Ok(_) if self.wires.loses(number) || is_cut() || is(&self.wires.is_deaf) => {
                Err(CallError::TimedOut)
            }
            Ok(answer) => Ok(answer.expect("answering a call must not panic")),
            Err(_) => Err(CallError::TimedOut),
        }
    }
}
