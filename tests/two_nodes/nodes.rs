//! That there really are two, and that one of them cannot always be reached.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock, atomic::Ordering},
};

use crate::support::{
    polling::Session,
    under_test::{
        CALM, engine_io,
        server::{Mode, Timings},
        two_nodes,
        wires::Wires,
    },
};

/// What the nodes of calm Engine.IO are wired to. The others have wires of their own.
fn wires() -> &'static Arc<Wires> {
    static WIRES: OnceLock<Arc<Wires>> = OnceLock::new();
    WIRES.get_or_init(Arc::default)
}

/// Starts two nodes.
pub(crate) fn start(mode: Mode, timings: Timings) -> SocketAddr {
    let wires = match mode {
        Mode::EngineOnly if timings == CALM => Arc::clone(wires()),
        _ => Arc::default(),
    };
    two_nodes::start(mode, timings, &wires, 0).expect("free ports")
}

#[tokio::test]
async fn requests_of_one_session_come_to_both() {
    let session = Session::open(engine_io()).await;
    let (_, node) = session.sid.rsplit_once('.').expect("an id names its node");
    assert!(two_nodes::NODES.contains(&node), "{node}");
    let before = wires().calls.load(Ordering::Relaxed);
    for number in 0..10 {
        let message = format!("4{number}");
        session.post(&message).await;
        assert_eq!(session.next().await, [message]);
    }
    assert!(wires().calls.load(Ordering::Relaxed) >= before + 5);
}
