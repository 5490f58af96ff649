//! A guest: connects, sends one message, waits for one, and tells what it heard, a line of JSON
//! each. The environment says where and who: ORIGIN, TOKEN, OTHER (whom to write to), TEXT,
//! TRANSPORT (`websocket`, `polling`, or anything else for both).

use rust_socketio::{ClientBuilder, Event, Payload, TransportType};
use serde_json::{Value, json};
use std::{env, process::exit, sync::mpsc, time::Duration};

const PATIENCE: Duration = Duration::from_secs(15);

/// Something that was heard.
type Heard = (String, Value);

fn main() {
    let var = |name: &str| env::var(name).unwrap_or_default();
    let (told, hears) = mpsc::channel();
    let on = |event: &'static str| {
        let told = told.clone();
        move |payload: Payload, _| {
            told.send((event.to_owned(), first(payload))).ok();
        }
    };
    let client = ClientBuilder::new(var("ORIGIN"))
        .auth(json!({"token": var("TOKEN")}))
        .transport_type(match var("TRANSPORT").as_str() {
            "websocket" => TransportType::Websocket,
            "polling" => TransportType::Polling,
            _ => TransportType::Any,
        })
        .reconnect(false)
        .on(Event::Connect, on("connect"))
        .on(Event::Error, on("refused"))
        .on("message_sent", on("message_sent"))
        .on("new_message", on("new_message"))
        .connect()
        .expect("a connection");

    wait(&hears, "connect");
    let send = json!({"receiverId": var("OTHER"), "content": var("TEXT"), "messageType": "text"});
    client
        .emit_with_ack("send_message", send, PATIENCE, on("ack"))
        .expect("a connection to send on");
    let mut missing = vec!["ack", "message_sent", "new_message"];
    while !missing.is_empty() {
        let event = wait(&hears, "");
        missing.retain(|wanted| *wanted != event);
    }
    client.disconnect().ok();
}

/// Waits for something, this event when it has a name; says it.
fn wait(hears: &mpsc::Receiver<Heard>, wanted: &str) -> String {
    loop {
        let Ok((event, data)) = hears.recv_timeout(PATIENCE) else {
            println!("{}", json!({"event": "silence", "data": null}));
            exit(1);
        };
        println!("{}", json!({"event": event, "data": data}));
        if event == "refused" {
            exit(2);
        }
        if wanted.is_empty() || event == wanted {
            return event;
        }
    }
}

fn first(payload: Payload) -> Value {
    match payload {
        Payload::Text(values) => match values.into_iter().next() {
            // What is acknowledged comes as the array of the ack's arguments.
            Some(Value::Array(arguments)) => arguments.into_iter().next().unwrap_or_default(),
            value => value.unwrap_or_default(),
        },
        Payload::Binary(bytes) => json!(bytes.len()),
        #[expect(deprecated, reason = "the library still gives its errors so")]
        Payload::String(text) => json!(text),
    }
}
