//! Pages of messages, in a log that holds more than messages.

use bedside_actors::ports::store::{AppendBody, ChangeEffect, Store as _};
use bedside_protocol::{
    ConversationId, Message, MessageId, MessageType,
    event::{Change, ConversationChanged},
};
use serde_json::{Value, json};
use std::sync::Arc;

use super::{acquainted, care_team, column, direct_with, make, native, now, pagination, say};
use crate::kit::{Api, DOCTOR, NURSE, PATIENT, user};

async fn page(api: &Api, chat: &str, token: &str, query: &str) -> Value {
    let path = format!("{chat}/messages{query}");
    api.get(&path).by(token).await.ok()
}

/// `1` to `count`, with entries that are no messages before, between and after.
async fn numbered(api: &Api, chat: &str, count: usize) {
    for n in 1..=count {
        let sent = say(api, chat, DOCTOR, &n.to_string()).await;
        let react = format!("{}/messages/{}/reactions/%E2%9C%93", native(chat), n * 2);
        assert!(sent["id"].is_string());
        api.put(&react).by(DOCTOR).await.ok();
    }
}

#[actix_web::test]
async fn the_newest_page_comes_first_and_ascends() {
    let api = acquainted().await;
    let chat = make(&api, DOCTOR, direct_with("p1")).await;
    numbered(&api, &chat, 45).await;
    let numbers = |from: usize, to: usize| (from..=to).map(|n| n.to_string()).collect::<Vec<_>>();
    for (query, from, to, pages) in [
        ("", 26, 45, pagination(45, 1, 20, 3)),
        ("?page=2", 6, 25, pagination(45, 2, 20, 3)),
        ("?page=3", 1, 5, pagination(45, 3, 20, 3)),
        ("?limit=45", 1, 45, pagination(45, 1, 45, 1)),
        ("?limit=44&page=2", 1, 1, pagination(45, 2, 44, 2)),
        ("?limit=1", 45, 45, pagination(45, 1, 1, 45)),
        ("?limit=1&page=45", 1, 1, pagination(45, 45, 1, 45)),
        ("?limit=1000", 1, 45, pagination(45, 1, 100, 1)),
    ] {
        let list = page(&api, &chat, PATIENT, query).await;
        assert_eq!(
            json!(column(&list, "content")),
            json!(numbers(from, to)),
            "{query}"
        );
        assert_eq!(list["pagination"], pages, "{query}");
    }
    for query in ["?page=4", "?page=18446744073709551615"] {
        let list = page(&api, &chat, PATIENT, query).await;
        assert_eq!(list["data"], json!([]));
        assert_eq!(list["pagination"]["total"], 45);
    }
    for query in ["?page=0", "?limit=0", "?page=-1", "?limit=many"] {
        let list = api.get(&format!("{chat}/messages{query}")).by(DOCTOR);
        list.await.refused("invalid_argument");
    }
}

#[actix_web::test]
async fn a_chat_without_messages_has_no_pages() {
    let api = acquainted().await;
    let chat = make(&api, DOCTOR, direct_with("p1")).await;
    let list = page(&api, &chat, DOCTOR, "").await;
    assert_eq!(
        list,
        json!({"data": [], "pagination": pagination(0, 1, 20, 0)})
    );
}

#[actix_web::test]
async fn a_newcomers_pages_begin_with_their_window() {
    let api = acquainted().await;
    let body = json!({"name": "x", "type": "Internal Staff", "participants": []});
    let chat = make(&api, DOCTOR, body).await;
    for text in ["one", "two"] {
        say(&api, &chat, DOCTOR, text).await;
    }
    api.know(&["pharmacy:f1"]).await;
    let add = api.post(&format!("{chat}/participants")).by(DOCTOR);
    add.json(json!({"userId": "f1"})).await.created();
    say(&api, &chat, DOCTOR, "three").await;
    let list = page(&api, &chat, "pharmacy:f1", "").await;
    assert_eq!(column(&list, "content"), ["three"]);
    assert_eq!(list["pagination"], pagination(1, 1, 20, 1));
    let list = page(&api, &chat, DOCTOR, "").await;
    assert_eq!(list["pagination"]["total"], 3);
}

#[actix_web::test]
async fn long_texts_do_not_shorten_a_page() {
    let api = acquainted().await;
    let chat = make(&api, DOCTOR, direct_with("p1")).await;
    // Ten times what one read of the log returns.
    let long = "x".repeat(16 * 1024);
    for _ in 0..80 {
        say(&api, &chat, DOCTOR, &long).await;
    }
    let list = page(&api, &chat, PATIENT, "?limit=100").await;
    assert_eq!(list["data"].as_array().map(Vec::len), Some(80));
}

/// Appends to the log of a chat as its actor would, which is not running.
struct Pen<'a> {
    api: &'a Api,
    append: bedside_actors::ports::store::Append,
}

impl<'a> Pen<'a> {
    async fn of(api: &'a Api, id: ConversationId) -> Self {
        let loaded = api.store.load(id, true).await.expect("a load");
        let loaded = loaded.expect("is there");
        let append = bedside_actors::ports::store::Append {
            attempt: bedside_actors::ports::store::Attempt::next(),
            conversation_id: id,
            key: loaded.key,
            seq: loaded.head.seq,
            at: now(),
            by: None,
            ord: loaded.head.ord,
            sender_ord: 0,
            body: title(),
        };
        Self { api, append }
    }

    fn put(&mut self, body: AppendBody, is_counted: bool) {
        self.append.seq += 1;
        self.append.ord += u64::from(is_counted);
        self.append.body = body;
        self.api.store.append(0, self.append.clone());
    }
}

fn title() -> AppendBody {
    let event = ConversationChanged::new(Change::Updated, None, now());
    AppendBody::Change {
        event: Box::new(event),
        effect: ChangeEffect::Title("Care".to_owned()),
    }
}

fn written(message_type: MessageType, text: &str) -> AppendBody {
    let is_system = message_type == MessageType::System;
    AppendBody::Message {
        message: Arc::new(Message {
            message_id: MessageId::new(),
            sender_id: (!is_system).then(|| user("n1")),
            message_type,
            text: text.to_owned(),
            attachments: Vec::new(),
            reply_to_seq: None,
            client_msg_id: None,
            composed_at: None,
            created_at: now(),
            edited_at: None,
            deleted_at: None,
            reactions: Vec::new(),
        }),
        body_hash: [0; 16],
    }
}

/// A care team's chat of which no actor runs, its path and its pen.
async fn quiet_chat(api: &Api) -> (String, Pen<'_>) {
    let chat = make(api, DOCTOR, care_team()).await;
    let id = chat
        .rsplit('/')
        .next()
        .expect("an id")
        .parse()
        .expect("an id");
    let pen = Pen::of(api, id).await;
    (chat, pen)
}

#[actix_web::test]
async fn messages_of_the_system_stand_beside_the_page() {
    let api = acquainted().await;
    let (chat, mut pen) = quiet_chat(&api).await;
    let list = page(&api, &chat, PATIENT, "?limit=2").await;
    assert_eq!(list["data"], json!([]));
    pen.put(written(MessageType::System, "s0"), false);
    // Nothing is counted, and yet it is shown.
    let list = page(&api, &chat, PATIENT, "?limit=2").await;
    assert_eq!(column(&list, "content"), ["s0"]);
    assert_eq!(list["pagination"], pagination(0, 1, 2, 0));
    for text in ["one", "two", "three"] {
        pen.put(written(MessageType::Text, text), true);
    }
    for text in ["s1", "s2", "s3"] {
        pen.put(written(MessageType::System, text), false);
    }
    // At most as many again as the page has room for, the newest of them.
    let list = page(&api, &chat, PATIENT, "?limit=2").await;
    assert_eq!(column(&list, "content"), ["two", "three", "s2", "s3"]);
    assert_eq!(list["data"][3]["senderId"], Value::Null);
    assert_eq!(list["data"][3]["messageType"], "system");
    assert_eq!(list["pagination"], pagination(3, 1, 2, 2));
    let list = page(&api, &chat, PATIENT, "?limit=2&page=2").await;
    assert_eq!(column(&list, "content"), ["s0", "one"]);
}

#[actix_web::test]
async fn messages_far_apart_are_found_without_reading_all_between() {
    let api = acquainted().await;
    let (chat, mut pen) = quiet_chat(&api).await;
    for text in ["one", "two", "three"] {
        pen.put(written(MessageType::Text, text), true);
        for _ in 0..2_001 {
            pen.put(title(), false);
        }
    }
    let list = page(&api, &chat, NURSE, "").await;
    assert_eq!(column(&list, "content"), ["one", "two", "three"]);
    assert_eq!(list["pagination"], pagination(3, 1, 20, 1));
    let list = page(&api, &chat, NURSE, "?limit=1&page=2").await;
    assert_eq!(column(&list, "content"), ["two"]);
    let list = page(&api, &chat, NURSE, "?limit=2&page=2").await;
    assert_eq!(column(&list, "content"), ["one"]);
}
