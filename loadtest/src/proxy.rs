//! A TCP proxy that can be told to misbehave: between the nodes and Redis, or the nodes and the
//! CQL servers.
//!
//! It has several links, each with a name. A control port takes one order a line and answers
//! each with `ok` or what is wrong:
//!
//! ```text
//! LINK pass        carries all, and takes new connections (so it begins)
//! LINK delay MS    what comes is passed on so much later, each way
//! LINK stall       connections stay, nothing is passed on; later it is, none of it lost
//! LINK cut         ends the connections that there are; new ones are taken
//! LINK refuse      ends them, and new ones at once
//! ```
//!
//! LINK may be `all`.

use std::{net::SocketAddr, str::FromStr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

use crate::Outcome;

/// Pieces on their way while there is a delay; beyond, the sender is not read.
const PIECES_MAX: usize = 1024;

/// One way to somewhere: `NAME=LISTEN>TO`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What orders call it.
    pub name: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it leads.
    pub to: SocketAddr,
}

impl FromStr for Link {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(name, ways)| {
            let (listen, to) = ways.split_once('>')?;
            Some((name, listen.parse().ok()?, to.parse().ok()?))
        });
        let (name, listen, to) = parts.ok_or("a link is NAME=ADDRESS:PORT>ADDRESS:PORT")?;
        Ok(Self {
            name: name.to_owned(),
            listen,
            to,
        })
    }
}

/// How a link behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mood {
    delay: Duration,
    stalls: bool,
    refuses: bool,
    /// Counts the cuts: a connection of an earlier count ends.
    cuts: u64,
}

impl Mood {
    /// The mood after an order; none when it is no order.
    fn after(self, order: &[&str]) -> Option<Self> {
        let calm = Self {
            cuts: self.cuts,
            ..Self::default()
        };
        let cut = Self {
            cuts: self.cuts + 1,
            ..calm
        };
        Some(match order {
            ["pass"] => calm,
            ["delay", ms] => Self {
                delay: Duration::from_millis(ms.parse().ok()?),
                ..calm
            },
            ["stall"] => Self {
                stalls: true,
                ..calm
            },
            ["cut"] => cut,
            ["refuse"] => Self {
                refuses: true,
                ..cut
            },
            _ => return None,
        })
    }
}

type Moods = Arc<Vec<(String, watch::Sender<Mood>)>>;

/// Carries until one of its ports fails.
///
/// # Errors
/// When it cannot listen.
pub async fn run(links: Vec<Link>, control: SocketAddr) -> Outcome<()> {
    let mut tasks = JoinSet::new();
    let mut moods = Vec::new();
    for link in links {
        let (mood, watched) = watch::channel(Mood::default());
        moods.push((link.name.clone(), mood));
        let listener = TcpListener::bind(link.listen).await?;
        tasks.spawn(accept(listener, link.to, watched));
    }
    let control = TcpListener::bind(control).await?;
    tasks.spawn(take_orders(control, Arc::new(moods)));
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    Ok(())
}

async fn accept(listener: TcpListener, to: SocketAddr, mood: watch::Receiver<Mood>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        if !mood.borrow().refuses {
            tokio::spawn(connection(client, to, mood.clone()));
        }
    }
}

/// One connection, until either side ends it or the link is cut.
async fn connection(client: TcpStream, to: SocketAddr, mut mood: watch::Receiver<Mood>) {
    let cuts = mood.borrow().cuts;
    let Ok(server) = TcpStream::connect(to).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut ways = JoinSet::new();
    ways.spawn(way(from_client, to_server, mood.clone()));
    ways.spawn(way(from_server, to_client, mood.clone()));
    // What is dropped at the end takes both ways, and with them both sockets, along.
    tokio::select! {
        _ = ways.join_next() => {}
        _ = mood.wait_for(|mood| mood.cuts != cuts) => {}
    }
}

/// One way of a connection: read at once, written when it is due.
async fn way(from: OwnedReadHalf, to: OwnedWriteHalf, mood: watch::Receiver<Mood>) {
    let (pieces, queue) = mpsc::channel(PIECES_MAX);
    tokio::join!(
        take_in(from, pieces, mood.clone()),
        give_out(to, queue, mood)
    );
}

async fn take_in(
    mut from: OwnedReadHalf,
    pieces: mpsc::Sender<(Instant, Vec<u8>)>,
    mood: watch::Receiver<Mood>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let due = Instant::now() + mood.borrow().delay;
        if pieces.send((due, buffer[..read].to_vec())).await.is_err() {
            return;
        }
    }
}

async fn give_out(
    mut to: OwnedWriteHalf,
    mut pieces: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut mood: watch::Receiver<Mood>,
) {
    while let Some((due, piece)) = pieces.recv().await {
        tokio::time::sleep_until(due).await;
        if mood.wait_for(|mood| !mood.stalls).await.is_err() {
            return;
        }
        if to.write_all(&piece).await.is_err() {
            return;
        }
    }
}

async fn take_orders(control: TcpListener, moods: Moods) {
    loop {
        let Ok((stream, _)) = control.accept().await else {
            continue;
        };
        let moods = Arc::clone(&moods);
        tokio::spawn(async move {
            let (reading, mut writing) = stream.into_split();
            let mut lines = BufReader::new(reading).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let answer = obey(&moods, &line);
                if writing.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

fn obey(moods: &Moods, line: &str) -> &'static str {
    let words: Vec<_> = line.split_whitespace().collect();
    let Some((name, order)) = words.split_first() else {
        return "an order is LINK and what it shall do\n";
    };
    let mut meant = moods.iter().filter(|(n, _)| n == name || *name == "all");
    let Some(first) = meant.next() else {
        return "there is no such link\n";
    };
    for (_, mood) in std::iter::once(first).chain(meant) {
        let Some(next) = mood.borrow().after(order) else {
            return "orders are pass, delay MS, stall, cut, refuse\n";
        };
        mood.send_replace(next);
    }
    "ok\n"
}

/// Gives one order to a proxy that runs.
///
/// # Errors
/// When it does not answer, or not with `ok`.
pub async fn order(control: SocketAddr, line: &str) -> Outcome<()> {
    let mut stream = TcpStream::connect(control).await?;
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    match answer.trim_end() {
        "ok" => Ok(()),
        wrong => Err(format!("the proxy says of {line:?}: {wrong}").into()),
    }
}

#[cfg(test)]
mod tests;
