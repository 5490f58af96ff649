//! The dialects of the clinics' front ends, row by row of the table of events: what an honest
//! client gets, and that a hostile one does not get through.

#[path = "../../examples/conformance/wires.rs"]
mod wires;

mod admission;
mod chats;
mod consultation;
mod delivered;
mod direct;
mod formats;
mod identity;
mod kit;
mod limits;
mod messages;
mod notifications;
mod presence;
mod refresh;
mod replay;
mod store;
mod two_nodes;
