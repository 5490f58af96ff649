//! Two nodes, wired to each other, and the balancer before them.

use bedside::{
    peer_calls::{PeerCalls, Peers as _},
    socketio::engine::EngineEdge,
};
use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock, mpsc},
    thread,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use crate::{
    peers_support::Wires,
    support::under_test::{
        CALM,
        server::{Mode, Timings},
        start_with,
    },
};

const NODES: [&str; 2] = ["one", "two"];

/// What the nodes of calm Engine.IO are wired to. The others have wires of their own.
pub(crate) fn wires() -> &'static Arc<Wires> {
    static WIRES: OnceLock<Arc<Wires>> = OnceLock::new();
    WIRES.get_or_init(Arc::default)
}

/// Starts two nodes. Whoever connects to this address comes to each of them in turn.
pub(crate) fn start(mode: Mode, timings: Timings) -> SocketAddr {
    let wires = match mode {
        Mode::EngineOnly if timings == CALM => Arc::clone(wires()),
        _ => Arc::default(),
    };
    let nodes = NODES.map(|name| {
        let wires = Arc::clone(&wires);
        start_with(mode, timings, move |edge| join(edge, &wires, name))
    });
    balance(nodes)
}

/// Makes an edge one node of several.
pub(crate) fn join(edge: &EngineEdge, wires: &Arc<Wires>, name: &str) {
    let end = wires.end(name);
    assert_eq!(end.me().as_str(), name);
    edge.join(end);
    let calls = PeerCalls {
        engine: edge.clone(),
        redeem: Arc::new(|_| None),
    };
    wires.serve(name, Arc::new(calls));
}

fn balance(nodes: [SocketAddr; 2]) -> SocketAddr {
    let (sender, address) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().expect("a runtime");
    let serve = async move {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("a bound socket");
        sender.send(address).expect("a test that waits");
        for node in nodes.iter().cycle() {
            if let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, *node));
            }
        }
    };
    thread::spawn(move || runtime.block_on(serve));
    address.recv().expect("a balancer that starts")
}

async fn carry(mut client: TcpStream, node: SocketAddr) {
    let Ok(mut server) = TcpStream::connect(node).await else {
        return;
    };
    // Each request is small, and its answer is waited for.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
