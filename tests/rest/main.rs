//! The REST facade, from outside: one file per resource.

mod kit;

mod chat;
mod chat_pages;
mod chat_search;
mod contacts;
mod conversations;
mod demo;
mod edge;
mod health;
mod identity;
mod limits;
mod members;
mod messages;
mod preferences;
mod presence;
mod reactions;
mod receipts;
mod relations;
mod tickets;
mod typing;
mod unread;
mod users;
mod wire;
