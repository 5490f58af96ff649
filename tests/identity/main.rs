//! Whose tokens are believed: real signatures, a provider that answers over real HTTP and behaves
//! as badly as the test says, and the whole server with real sockets.

#[path = "../ws_support/mod.rs"]
mod ws_support;

mod forged;
mod home;
mod kit;
mod live;
mod outage;
mod rotation;
