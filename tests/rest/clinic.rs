//! Seed 003's paths, and what its clients and others see of each other's doings.

mod chats;
mod message;
mod messages;
mod pages;
mod participants;
mod preferences;

use bedside_protocol::{RelationKind, Timestamp};
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, NOW_MS, NURSE, PATIENT};

const CHATS: &str = "/api/v1/chats";

fn now() -> Timestamp {
    Timestamp::from_millis(NOW_MS)
}

/// A doctor, a nurse and their patient.
async fn acquainted() -> Api {
    let api = Api::start().await;
    api.know(&[DOCTOR, PATIENT, NURSE]).await;
    for clinician in ["d1", "n1"] {
        api.relate("p1", clinician, RelationKind::Clinician).await;
    }
    api
}

fn direct_with(id: &str) -> Value {
    json!({"type": "Direct", "participants": [id]})
}

fn care_team() -> Value {
    json!({"name": "Care", "type": "Care Team", "participants": ["n1"], "patientId": "p1"})
}

/// The path of an entity.
fn path_of(collection: &str, row: &Value) -> String {
    format!("{collection}/{}", id_of(row))
}

fn id_of(row: &Value) -> &str {
    row["id"].as_str().expect("has an id")
}

/// Makes a chat and gives its path.
async fn make(api: &Api, token: &str, body: Value) -> String {
    let made = api.post(CHATS).by(token).json(body).await;
    path_of(CHATS, &made.created())
}

/// Sends a text and gives the message.
async fn say(api: &Api, chat: &str, token: &str, text: &str) -> Value {
    let path = format!("{chat}/messages");
    let sent = api.post(&path).by(token).json(json!({"content": text}));
    sent.await.created()
}

/// The native path of a chat.
fn native(chat: &str) -> String {
    chat.replace("/chats/", "/conversations/")
}

/// One column of each row of a list.
fn column<'a>(list: &'a Value, name: &str) -> Vec<&'a Value> {
    let rows = list["data"].as_array().expect("a list");
    rows.iter().map(|row| &row[name]).collect()
}

fn pagination(total: u64, page: u64, limit: u64, total_pages: u64) -> Value {
    json!({"total": total, "page": page, "limit": limit, "totalPages": total_pages})
}
