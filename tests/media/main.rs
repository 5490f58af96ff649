//! The SFU with real connections over the loopback: clients of the same stack in this process.

mod client;
mod room;

mod hostile;
mod lifecycle;
mod passing_on;
