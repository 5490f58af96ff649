//! Something between a server and its ring that loses what it is told to lose.

use bedside::adapters::scylla::CqlStore;
use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::ring::Keyspace;

/// Of a frame of protocol v4: version, flags, two of the stream, opcode, four of the length.
const HEADER_BYTES: usize = 9;
const BATCH: u8 = 0x0d;

/// How many batches lose something from now on.
#[derive(Default)]
pub(crate) struct Losses {
    /// The batch arrives and its answer is lost, and the connection with it.
    pub(crate) answers: AtomicUsize,
    /// The batch itself is lost, and the connection with it.
    pub(crate) requests: AtomicUsize,
    /// While it is set, answers stay where they are.
    pub(crate) hold: AtomicBool,
    /// Answers that stay.
    pub(crate) held: AtomicUsize,
}

/// One for every node.
pub(crate) struct Proxies {
    pub(crate) losses: Arc<Losses>,
    /// From where a node says to be, to where it is reached.
    pub(crate) translated: HashMap<IpAddr, SocketAddr>,
}

impl Proxies {
    pub(crate) fn before(nodes: &[String]) -> Self {
        let losses = Arc::new(Losses::default());
        let mut translated = HashMap::new();
        for node in nodes {
            let node: SocketAddr = node.parse().expect("an address and a port");
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            translated.insert(node.ip(), listener.local_addr().expect("its address"));
            let losses = losses.clone();
            std::thread::spawn(move || {
                for client in listener.incoming().flatten() {
                    let losses = losses.clone();
                    std::thread::spawn(move || drop(between(&client, node, &losses)));
                }
            });
        }
        Self { losses, translated }
    }
}

fn take(losses: &AtomicUsize) -> bool {
    let less = |n: usize| n.checked_sub(1);
    losses
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
        .is_ok()
}

fn frame(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; HEADER_BYTES];
    from.read_exact(&mut frame)?;
    let length = u32::from_be_bytes(frame[5..].try_into().expect("four bytes"));
    frame.resize(HEADER_BYTES + length as usize, 0);
    from.read_exact(&mut frame[HEADER_BYTES..])?;
    Ok(frame)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a thread of a proxy's own that rests stalls nothing else"
)]
fn rest() {
    std::thread::sleep(Duration::from_millis(2));
}

fn between(client: &TcpStream, node: SocketAddr, losses: &Arc<Losses>) -> io::Result<()> {
    let server = TcpStream::connect(node)?;
    // The stream whose answer is to be lost.
    let lost: Arc<Mutex<Option<[u8; 2]>>> = Arc::default();
    let (mut answers, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let (watched, losses_seen) = (lost.clone(), losses.clone());
    std::thread::spawn(move || {
        while let Ok(answer) = frame(&mut answers) {
            if losses_seen.hold.load(Ordering::SeqCst) {
                losses_seen.held.fetch_add(1, Ordering::SeqCst);
                while losses_seen.hold.load(Ordering::SeqCst) {
                    rest();
                }
            }
            let is_lost = *watched.lock().expect("no panic") == Some([answer[2], answer[3]]);
            if is_lost || to_client.write_all(&answer).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = answers.shutdown(Shutdown::Both);
    });
    let (mut requests, mut to_server) = (client.try_clone()?, server);
    while let Ok(request) = frame(&mut requests) {
        if request[4] == BATCH && take(&losses.requests) {
            break;
        }
        if request[4] == BATCH && take(&losses.answers) {
            *lost.lock().expect("no panic") = Some([request[2], request[3]]);
        }
        if to_server.write_all(&request).is_err() {
            break;
        }
    }
    let _ = requests.shutdown(Shutdown::Both);
    to_server.shutdown(Shutdown::Both)
}

/// A server whose connections lose things.
pub(crate) fn behind_proxies(keyspace: &Keyspace) -> (Proxies, Arc<CqlStore>) {
    let proxies = Proxies::before(&keyspace.nodes);
    let mut options = keyspace.options();
    options.nodes = proxies
        .translated
        .values()
        .map(ToString::to_string)
        .collect();
    options.translated = proxies.translated.clone();
    let store = CqlStore::open(&options).expect("a store behind proxies");
    (proxies, store)
}
