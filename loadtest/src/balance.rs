//! A TCP balancer in front of several nodes: round robin, past those that do not accept.
//!
//! It knows nothing of what it carries, and keeps no client with the node that it had before:
//! any node has to do.

use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use crate::Outcome;

/// How long a node may take to accept before the next one is asked.
const ACCEPT_WITHIN: Duration = Duration::from_millis(500);

/// Carries what comes to `listen` to the nodes in turn, for ever.
///
/// # Errors
/// When it cannot listen.
pub async fn run(listen: SocketAddr, nodes: Vec<SocketAddr>) -> Outcome<()> {
    let listener = TcpListener::bind(listen).await?;
    let mut turn = 0;
    loop {
        // An accept that fails concerns one caller, who is gone.
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        turn = (turn + 1) % nodes.len().max(1);
        tokio::spawn(carry(client, in_turn(&nodes, turn)));
    }
}

/// All nodes, from this one on.
fn in_turn(nodes: &[SocketAddr], from: usize) -> Vec<SocketAddr> {
    let (before, after) = nodes.split_at(from.min(nodes.len()));
    [after, before].concat()
}

async fn carry(mut client: TcpStream, nodes: Vec<SocketAddr>) {
    for node in nodes {
        let connecting = tokio::time::timeout(ACCEPT_WITHIN, TcpStream::connect(node));
        let Ok(Ok(mut server)) = connecting.await else {
            continue;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        // Whoever ends first, the other is told by the end of its connection.
        let _ = copy_bidirectional(&mut client, &mut server).await;
        return;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn echo_with(mark: u8) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(&[mark]).await;
            }
        });
        address
    }

    async fn first_byte(address: SocketAddr) -> u8 {
        let mut stream = loop {
            if let Ok(stream) = TcpStream::connect(address).await {
                break stream;
            }
            tokio::task::yield_now().await;
        };
        stream.read_u8().await.expect("a byte")
    }

    #[tokio::test]
    async fn callers_go_to_the_nodes_in_turn_and_past_a_dead_one() {
        let dead = {
            let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            gone.local_addr().expect("an address")
        };
        let nodes = vec![echo_with(1).await, dead, echo_with(3).await];
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let listen = free.local_addr().expect("an address");
        drop(free);
        tokio::spawn(run(listen, nodes));
        let mut came = Vec::new();
        for _ in 0..6 {
            came.push(first_byte(listen).await);
        }
        assert!(came.iter().all(|mark| [1, 3].contains(mark)), "{came:?}");
        assert!(came.contains(&1) && came.contains(&3), "{came:?}");
    }
}
