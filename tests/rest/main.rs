//! The REST facade, from outside: one file per resource.

mod kit;

mod admin;
mod admin_audit;
mod agora;
mod chat;
mod chat_pages;
mod chat_search;
mod clinic;
mod consultation_chat;
mod consultations;
mod contacts;
mod conversations;
mod demo;
mod directory;
mod edge;
mod health;
mod identity;
mod limits;
mod members;
mod messages;
mod notifications;
mod notifications_sent;
mod openapi;
mod preferences;
mod presence;
mod reactions;
mod receipts;
mod relations;
mod system_messages;
mod tickets;
mod typing;
mod unread;
mod users;
mod wire;
