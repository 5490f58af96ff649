//! The load harness of Bedside.
//!
//! It knows the protocol and nothing of the server's inside: what it says of a server it has
//! from sockets, REST and, for a process on this machine, from `/proc`.
//!
//! | file | what |
//! |---|---|
//! | [`send`] | how many sends a second, how fast acknowledged, and whether all arrived |
//! | [`crash`] | `kill -9` at random moments: nothing acknowledged is lost, nothing is there twice |
//! | [`faults`] | kills, pauses and cuts in a cluster under load, and a judge of what is left |
//! | [`bed`] | the processes of `scripts/cluster`, to be killed and started again |
//! | [`balance`], [`proxy`] | a TCP balancer; a TCP proxy that can be told to misbehave |
//! | [`cost`] | what a message costs at Redis and at the CQL ring |
//! | [`slow`] | a reader that stops costs itself only |
//! | [`idle`] | memory per idle connection |
//! | [`socketio`] | Socket.IO: memory per idle client and deliveries per CPU-second, beside Node's |
//! | [`disk`] | what the disk can do: the floor below every durable send |
//! | [`ws`], [`peer`], [`http`] | a cheap WebSocket client, a convenient one, a REST client |
//! | [`server`], [`process`] | a server that the harness starts and kills; its memory and CPU |
//! | [`world`] | people, relations and conversations to load |
//! | [`report`] | results, for people and as JSON |

pub mod balance;
pub mod bed;
pub mod cost;
pub mod crash;
pub mod disk;
pub mod faults;
pub mod http;
pub mod idle;
pub mod peer;
pub mod process;
pub mod proxy;
pub mod report;
pub mod rng;
pub mod send;
pub mod server;
pub mod slow;
pub mod socketio;
pub mod token;
pub mod world;
pub mod ws;

/// What went wrong, for the person at the terminal.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Something that may go wrong.
pub type Outcome<T> = Result<T, Fault>;

/// An error with this text.
///
/// # Errors
/// Always.
pub fn fault<T>(text: impl Into<String>) -> Outcome<T> {
    Err(text.into().into())
}
