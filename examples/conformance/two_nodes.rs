//! Two nodes, wired to each other, and the balancer before them.
#![allow(dead_code, reason = "tests and the example use a part of it each")]

use bedside::{peer_calls::PeerCalls, server::Server, socketio::engine::EngineEdge};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
};

use super::{
    server::{Mode, Timings, build_with},
    wires::Wires,
};

/// Their names.
pub(crate) const NODES: [&str; 2] = ["one", "two"];

/// Starts two nodes. Whoever connects to this address comes to each of them in turn.
pub(crate) fn start(
    mode: Mode,
    timings: Timings,
    wires: &Arc<Wires>,
    port: u16,
) -> io::Result<SocketAddr> {
    balance(nodes(mode, timings, wires)?, port)
}

/// The same without a balancer.
pub(crate) fn nodes(
    mode: Mode,
    timings: Timings,
    wires: &Arc<Wires>,
) -> io::Result<[SocketAddr; 2]> {
    let [one, two] = NODES.map(|name| {
        let wires = Arc::clone(wires);
        run(move || build_with(mode, timings, 0, |edge| join(edge, &wires, name)))
    });
    Ok([one?, two?])
}

/// Makes an edge one node of several.
pub(crate) fn join(edge: &EngineEdge, wires: &Arc<Wires>, name: &str) {
    edge.join(wires.end(name));
    let calls = PeerCalls {
        engine: edge.clone(),
        redeem: Arc::new(|_| None),
        clinic: None,
    };
    wires.serve(name, Arc::new(calls));
}

/// Runs a server on a thread of its own for as long as the process lives.
pub(crate) fn run(
    build: impl FnOnce() -> io::Result<Server> + Send + 'static,
) -> io::Result<SocketAddr> {
    let (sender, address) = mpsc::channel();
    let serve = move || {
        actix_rt::System::new().block_on(async {
            let server = build();
            let address = match &server {
                Ok(server) => Ok(server.address()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            };
            // Whoever started it waits for this.
            let _ = sender.send(address);
            if let Ok(server) = server {
                server.run().await.expect("a server that runs");
            }
        });
    };
    thread::Builder::new()
        .name(super::SERVER_THREAD.to_owned())
        .spawn(serve)?;
    address
        .recv()
        .unwrap_or_else(|_| Err(io::Error::other("the server did not start")))
}

/// Waits for the signal that the nodes stop on as well.
pub(crate) fn until_told_to_stop() -> Result<(), Box<dyn std::error::Error>> {
    actix_rt::System::new().block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => {}
            interrupted = ctrl_c() => interrupted?,
        }
        Ok(())
    })
}

fn balance(nodes: [SocketAddr; 2], port: u16) -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).expect("it does not block");
            for node in nodes.iter().cycle() {
                if let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(carry(client, *node));
                }
            }
        });
    });
    Ok(address)
}

async fn carry(mut client: TcpStream, node: SocketAddr) {
    let Ok(mut server) = TcpStream::connect(node).await else {
        return;
    };
    // Each request is small, and its answer is waited for.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
