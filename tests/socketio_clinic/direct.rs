//! Seed 004: messages between two people, on `/`.

use bedside_protocol::ConversationKind;
use serde_json::{Value, json};

use crate::kit::{Client, NOW, Ward, person};

fn text(content: &str) -> Value {
    json!({"receiverId": "d1", "content": content, "messageType": "text"})
}

async fn two(ward: &Ward) -> (Client, Client) {
    (ward.root("patient:p1").await, ward.root("doctor:d1").await)
}

/// Says something and waits until it is there: what was said before it has come, or never does.
async fn settled(from: &mut Client, to: &mut Client) {
    let sent = from.ask("send_message", text("the last one")).await;
    assert_eq!(sent["ok"], true, "{sent}");
    while to.next("new_message").await["message"]["content"] != "the last one" {}
    from.next("message_sent").await;
}

#[actix_web::test]
async fn a_message_is_message_sent_to_all_of_the_senders_sockets_and_new_message_to_the_receivers()
{
    let ward = Ward::pair().await;
    let mut mine = [ward.root("patient:p1").await, ward.root("patient:p1").await];
    let mut theirs = [ward.root("doctor:d1").await, ward.root("doctor:d1").await];
    mine[0].emit("send_message", text("hello")).await;
    let mut seen = Vec::new();
    for client in &mut mine {
        seen.push(client.next("message_sent").await);
    }
    for client in &mut theirs {
        seen.push(client.next("new_message").await);
    }
    let id = seen[0]["message"]["_id"].clone();
    assert!(id.is_string());
    let wanted = json!({"message": {
        "_id": id, "sender": person("patient:p1"), "receiver": person("doctor:d1"),
        "content": "hello", "messageType": "text", "fileUrl": null, "fileName": null,
        "isRead": false, "createdAt": NOW,
    }});
    for message in seen {
        assert_eq!(message, wanted);
    }
    let [first, second] = &mut mine;
    settled(first, &mut theirs[0]).await;
    second.next("message_sent").await;
    first.heard_nothing_more();
    second.heard_nothing_more();
}

#[actix_web::test]
async fn an_answer_says_where_the_message_is() {
    let ward = Ward::pair().await;
    let (mut mine, mut theirs) = two(&ward).await;
    let first = mine.done("send_message", text("hello")).await;
    let shown = theirs.next("new_message").await;
    assert_eq!(first["messageId"], shown["message"]["_id"]);
    assert_eq!(first["createdAt"], NOW);
    assert_eq!(
        (&first["seq"], &first["duplicate"]),
        (&json!(2), &json!(false))
    );
    assert!(first["conversationId"].is_string());
    // Null is as absent, and ids may be numbers where they look like it.
    let bare =
        json!({"receiverId": "d1", "content": "again", "messageType": null, "fileUrl": null});
    assert_eq!(mine.done("send_message", bare).await["seq"], 3);
}

#[actix_web::test]
async fn a_retry_is_one_message_and_who_tried_is_told_again() {
    let ward = Ward::pair().await;
    let (mut mine, mut theirs) = two(&ward).await;
    let mut other = ward.root("patient:p1").await;
    let mut send = text("hello");
    send["clientMsgId"] = json!("tap-1");
    let first = mine.done("send_message", send.clone()).await;
    let shown = mine.next("message_sent").await;
    let again = mine.done("send_message", send.clone()).await;
    assert_eq!(again["messageId"], first["messageId"]);
    assert_eq!(again["duplicate"], true);
    assert_eq!(mine.next("message_sent").await, shown);
    send["content"] = json!("something else");
    assert_eq!(mine.refused("send_message", send).await, "conflict");
    settled(&mut mine, &mut theirs).await;
    theirs.heard_nothing_more();
    mine.heard_nothing_more();
    other.glance().await;
    assert_eq!(other.left("message_sent").len(), 2, "only on that socket");
}

#[actix_web::test]
async fn files_come_from_the_clinics_hosts_only_and_others_are_written_down() {
    let ward = Ward::pair().await;
    let (mut mine, mut theirs) = two(&ward).await;
    let file = |url: &str| json!({"receiverId": "d1", "content": "look", "messageType": "file", "fileUrl": url, "fileName": "x.pdf"});
    let good = "https://files.example/x.pdf";
    mine.done("send_message", file(good)).await;
    let shown = theirs.next("new_message").await;
    assert_eq!(shown["message"]["fileUrl"], good);
    assert_eq!(shown["message"]["fileName"], "x.pdf");
    assert_eq!(shown["message"]["messageType"], "file");
    for bad in [
        "https://evil.example/x",
        "http://files.example/x",
        "javascript:alert(1)",
    ] {
        let before = ward.audited("p1").len();
        assert_eq!(
            mine.refused("send_message", file(bad)).await,
            "invalid_argument"
        );
        let entries = ward.audited("p1").split_off(before);
        let detail = "socketio / send_message: invalid_argument".to_owned();
        assert_eq!(entries[0], ("access.refused", "user d1".to_owned(), detail));
    }
    settled(&mut mine, &mut theirs).await;
    theirs.heard_nothing_more();
}

#[actix_web::test]
async fn without_a_relation_nothing_gets_through() {
    let ward = Ward::pair().await;
    ward.know("doctor:d9").await;
    ward.know("patient:p9").await;
    let (mut mine, mut stranger) = (ward.root("patient:p1").await, ward.root("doctor:d9").await);
    let to = |id: &str| json!({"receiverId": id, "senderId": null});
    let mut send = text("hello");
    send["receiverId"] = json!("d9");
    assert_eq!(mine.refused("send_message", send).await, "forbidden");
    for event in ["typing_start", "typing_stop"] {
        assert_eq!(mine.refused(event, to("d9")).await, "forbidden");
        assert_eq!(mine.refused(event, to("p9")).await, "forbidden");
    }
    let read = json!({"senderId": "d9"});
    assert_eq!(mine.refused("mark_read", read).await, "forbidden");
    assert_eq!(
        mine.refused("typing_start", to("nobody")).await,
        "not_found"
    );
    let entries = ward.audited("p1");
    assert_eq!(entries.len(), 12, "{entries:?}");
    let detail = "socketio / mark_read: forbidden".to_owned();
    assert_eq!(
        entries[11],
        ("access.refused", "user d9".to_owned(), detail)
    );
    stranger.glance().await;
    stranger.heard_nothing_more();
}

#[actix_web::test]
async fn a_relation_that_ended_leaves_the_past_and_lets_nothing_new_through() {
    let ward = Ward::pair().await;
    let (mut mine, mut theirs) = two(&ward).await;
    settled(&mut mine, &mut theirs).await;
    ward.unrelate("doctor:d1", "patient:p1").await;
    let to = json!({"receiverId": "d1"});
    assert_eq!(
        mine.refused("send_message", text("more")).await,
        "forbidden"
    );
    assert_eq!(mine.refused("typing_start", to).await, "forbidden");
    theirs.glance().await;
    assert!(theirs.left("new_message").is_empty() && theirs.left("typing_start").is_empty());
}

#[actix_web::test]
async fn typing_goes_to_the_receiver_alone_and_ends() {
    let ward = Ward::pair().await;
    let (mut mine, mut theirs) = two(&ward).await;
    let mut other = ward.root("patient:p1").await;
    let to = json!({"receiverId": "d1"});
    // Before the first message, too.
    mine.emit("typing_start", to.clone()).await;
    assert_eq!(theirs.next("typing_start").await, json!({"userId": "p1"}));
    mine.emit("typing_stop", to.clone()).await;
    assert_eq!(theirs.next("typing_stopped").await, json!({"userId": "p1"}));
    mine.done("typing_start", to).await;
    theirs.next("typing_start").await;
    // By itself when the message comes.
    settled(&mut mine, &mut theirs).await;
    theirs.next("typing_stopped").await;
    other.glance().await;
    for client in [&mine, &other] {
        assert!(client.left("typing_start").is_empty() && client.left("typing_stopped").is_empty());
    }
}

#[actix_web::test]
async fn typing_ends_by_itself_after_five_seconds() {
    let ward = Ward::pair_in_a_hurry(20).await;
    let (mut mine, mut theirs) = two(&ward).await;
    mine.done("typing_start", json!({"receiverId": "d1"})).await;
    theirs.next("typing_start").await;
    theirs.next("typing_stopped").await;
}

#[actix_web::test]
async fn whoever_wrote_is_told_that_it_was_read_and_of_nothing_less() {
    let ward = Ward::pair().await;
    let (mut mine, mut theirs) = two(&ward).await;
    for _ in 0..3 {
        mine.done("send_message", text("one")).await;
        theirs.next("new_message").await;
        // That it was delivered is told to nobody here.
        theirs.done("set_status", json!({"status": "busy"})).await;
        until_delivered(&ward, &mut theirs).await;
        settled_on(&mut mine, &mut theirs).await;
        assert!(mine.left("messages_read").is_empty());
        let answer = theirs.done("mark_read", json!({"senderId": "p1"})).await;
        assert_eq!(answer, json!({"ok": true, "unreadCount": 0}));
        assert_eq!(mine.next("messages_read").await, json!({"userId": "d1"}));
        theirs.done("mark_read", json!({"senderId": "p1"})).await;
        settled_on(&mut mine, &mut theirs).await;
        assert!(mine.left("messages_read").is_empty(), "once each");
        assert!(theirs.left("messages_read").is_empty(), "not to the reader");
    }
}

/// Waits until all that the doctor was sent counts as delivered.
async fn until_delivered(ward: &Ward, theirs: &mut Client) {
    use bedside_actors::ports::store::Select;
    loop {
        let select = Select::Page {
            after: None,
            limit: 1,
            without: Vec::new(),
        };
        let rows = ward.store.conversations(crate::kit::user("d1"), select);
        let row = rows.await.expect("reads").rows.remove(0);
        if row.me.delivered_up_to_seq == row.head_seq {
            return;
        }
        theirs.glance().await;
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

/// What the conversation had to tell has come: typing is told in its turn.
async fn settled_on(mine: &mut Client, theirs: &mut Client) {
    theirs
        .done("typing_start", json!({"receiverId": "p1"}))
        .await;
    mine.next("typing_start").await;
    theirs
        .done("typing_stop", json!({"receiverId": "p1"}))
        .await;
    mine.next("typing_stopped").await;
}

#[actix_web::test]
async fn mark_read_marks_what_was_sent_to_this_user_and_nothing_beyond() {
    let ward = Ward::pair().await;
    let mut mine = ward.root("patient:p1").await;
    mine.done("send_message", text("before they came")).await;
    let mut theirs = ward.root("doctor:d1").await;
    let read = json!({"senderId": "p1"});
    assert_eq!(
        theirs.done("mark_read", read.clone()).await["unreadCount"],
        1
    );
    // What is on its way and not written yet was not sent.
    theirs.writes = false;
    mine.done("send_message", text("on its way")).await;
    theirs.next("new_message").await;
    assert_eq!(
        theirs.done("mark_read", read.clone()).await["unreadCount"],
        2
    );
    theirs.writes = true;
    theirs.connection_written();
    assert_eq!(theirs.done("mark_read", read).await["unreadCount"], 0);
    assert_eq!(mine.next("messages_read").await, json!({"userId": "d1"}));
}

#[actix_web::test]
async fn group_chats_are_nothing_to_these_clients() {
    let (ward, team) = Ward::team().await;
    let (mut mine, mut theirs) = two(&ward).await;
    let mut colleague = ward.root("doctor:d2").await;
    let send = json!({"chatId": team, "content": "to all"});
    mine.done("send-message", send).await;
    settled(&mut mine, &mut theirs).await;
    colleague.glance().await;
    for client in [&mine, &theirs, &colleague] {
        assert!(client.left("new_message").is_empty() && client.left("message_sent").is_empty());
        assert!(
            client.left("message-received").is_empty(),
            "nobody has joined"
        );
    }
}

#[actix_web::test]
async fn what_is_edited_or_deleted_later_is_no_event_here() {
    use bedside_protocol::{Command, command::MessageRef};
    let ward = Ward::pair().await;
    let (mut mine, mut theirs) = two(&ward).await;
    let sent = mine.done("send_message", text("oops")).await;
    theirs.next("new_message").await;
    mine.next("message_sent").await;
    let conversation_id = serde_json::from_value(sent["conversationId"].clone()).expect("an id");
    let message = MessageRef {
        conversation_id,
        seq: 2,
    };
    ward.run("patient:p1", Command::MessageDelete(message))
        .await;
    settled(&mut mine, &mut theirs).await;
    theirs.heard_nothing_more();
    mine.heard_nothing_more();
}

#[actix_web::test]
async fn faults_are_answered_and_nobody_else_is_disturbed() {
    let ward = Ward::pair().await;
    let (mut mine, mut theirs) = two(&ward).await;
    let broken = [
        json!(null),
        json!(7),
        json!("text"),
        json!([]),
        json!({}),
        json!({"receiverId": "d1"}),
        json!({"receiverId": "d1", "content": {"$gt": ""}}),
        json!({"receiverId": "d1", "content": "x", "messageType": "video"}),
        json!({"receiverId": ["d1"], "content": "x"}),
        json!({"receiverId": "", "content": "x"}),
        json!({"receiverId": "d1", "content": "x", "clientMsgId": ""}),
    ];
    for argument in broken {
        let code = mine.refused("send_message", argument.clone()).await;
        assert_eq!(code, "invalid_argument", "{argument}");
    }
    for (event, argument) in [
        ("typing_start", json!({})),
        ("mark_read", json!({"receiverId": "d1"})),
        ("set_status", json!({"status": "invisible"})),
        ("set_status", json!({"status": 7})),
        ("set_status", json!({})),
        ("no such event", json!({})),
        ("new_message", json!({"message": "x"})),
    ] {
        let code = mine.refused(event, argument).await;
        assert_eq!(code, "invalid_argument", "{event}");
    }
    assert!(ward.audited("p1").is_empty(), "clumsy is not hostile");
    settled(&mut mine, &mut theirs).await;
    theirs.heard_nothing_more();
}

#[actix_web::test]
async fn what_is_said_elsewhere_is_shown_as_what_is_said_here() {
    use bedside_protocol::{Command, MessageSend, Reply, command::Receipt};
    let ward = Ward::pair().await;
    let (mut mine, mut theirs) = two(&ward).await;
    let id = ward
        .chat("patient:p1", ConversationKind::Direct, &["doctor:d1"], None)
        .await;
    let send = MessageSend {
        conversation_id: Some(id),
        text: "from REST".to_owned(),
        ..MessageSend::default()
    };
    let Reply::MessageSent(sent) = ward.run("patient:p1", Command::MessageSend(send)).await else {
        panic!("a message was sent");
    };
    assert_eq!(
        mine.next("message_sent").await["message"]["content"],
        "from REST"
    );
    assert_eq!(
        theirs.next("new_message").await["message"]["content"],
        "from REST"
    );
    let read = Command::ReceiptRead(Receipt {
        conversation_id: id,
        up_to_seq: sent.seq,
    });
    ward.run("doctor:d1", read).await;
    assert_eq!(mine.next("messages_read").await, json!({"userId": "d1"}));
}
