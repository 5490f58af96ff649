//! `/api/v1/chats`.

use bedside_protocol::{Event, RelationKind, Role};
use serde_json::{Value, json};

use super::{
    CHATS, acquainted, care_team, column, direct_with, id_of, make, native, now, pagination,
    path_of, say,
};
use crate::kit::{Api, DOCTOR, NURSE, PATIENT, STRANGER};

const UNKNOWN: &str = "/api/v1/chats/01890000-0000-7000-8000-000000000000";

fn participant(chat: &str, user: &str, is_admin: bool) -> Value {
    json!({
        "id": format!("{chat}:{user}"), "chatId": chat, "userId": user, "joinedAt": now(),
        "isAdmin": is_admin, "muted": false, "archived": false,
    })
}

#[actix_web::test]
async fn a_direct_chat_is_the_direct_conversation_of_its_pair() {
    let api = acquainted().await;
    let answer = api.post(CHATS).by(DOCTOR).json(direct_with("p1")).await;
    let location = answer.header("location").expect("is there").to_owned();
    let made = answer.created();
    let id = id_of(&made);
    assert_eq!(location, format!("{CHATS}/{id}"));
    assert_eq!(
        made,
        json!({
            "id": id,
            "name": "Name of p1",
            "type": "Direct",
            "patientId": null,
            "avatarUrl": null,
            "isPinned": false,
            "phoneNumber": null,
            "createdAt": now(),
            "updatedAt": now(),
            "createdBy": "d1",
            "lastMessageId": null,
            "lastMessageTime": null,
            "participants": [participant(id, "d1", false), participant(id, "p1", false)],
            "unreadCount": 0,
            "lastMessage": null,
        })
    );
    // The other one makes it again, naming both and a name that nobody keeps.
    let again = json!({"name": "Ours", "type": "Direct", "participants": ["p1", "d1", "d1"]});
    let found = api.post(CHATS).by(PATIENT).json(again).await.ok();
    assert_eq!(id_of(&found), id);
    assert_eq!(found["name"], "Name of d1");
    let conversation = api
        .post("/api/v1/conversations")
        .by(PATIENT)
        .json(json!({"kind": "direct", "member_ids": ["d1"]}))
        .await
        .ok();
    assert_eq!(conversation["conversation"]["conversation_id"], id);
}

#[actix_web::test]
async fn a_group_has_its_name_its_patient_and_its_maker_as_admin() {
    let api = acquainted().await;
    let made = api.post(CHATS).by(DOCTOR).json(care_team()).await;
    let made = made.created();
    let id = id_of(&made);
    assert_eq!(made["name"], "Care");
    assert_eq!(made["type"], "Care Team");
    assert_eq!(made["patientId"], "p1");
    assert_eq!(
        made["participants"],
        json!([
            participant(id, "d1", true),
            participant(id, "n1", false),
            participant(id, "p1", false),
        ])
    );
    let seen = api.get(&native(&path_of(CHATS, &made))).by(PATIENT).await;
    assert_eq!(seen.ok()["title"], "Care");
    for chat_type in ["Family Update", "Internal Staff", "Broadcast"] {
        let patient_id = (chat_type == "Family Update").then_some("p1");
        let body = json!({
            "name": "x", "type": chat_type, "participants": [], "patientId": patient_id,
        });
        let made = api.post(CHATS).by(DOCTOR).json(body).await.created();
        assert_eq!(made["type"], chat_type);
    }
}

#[actix_web::test]
async fn a_chat_that_cannot_be_is_refused() {
    let api = acquainted().await;
    let ask = |token, body| api.post(CHATS).by(token).json(body);
    let direct = |participants: Value| json!({"type": "Direct", "participants": participants});
    for participants in [json!([]), json!(["d1"]), json!(["p1", "n1"])] {
        ask(DOCTOR, direct(participants))
            .await
            .refused("invalid_argument");
    }
    for (body, code) in [
        (
            json!({"name": "x", "participants": ["p1"]}),
            "invalid_argument",
        ),
        (
            json!({"type": "Group", "participants": ["p1"]}),
            "invalid_argument",
        ),
        (
            json!({"type": "direct", "participants": ["p1"]}),
            "invalid_argument",
        ),
        (direct(json!([7])), "invalid_argument"),
        (direct(json!(["nobody"])), "not_found"),
        (
            json!({"type": "Care Team", "patientId": "p1"}),
            "invalid_argument",
        ),
        (
            json!({"type": "Care Team", "name": "x"}),
            "invalid_argument",
        ),
        (
            json!({"type": "Internal Staff", "name": "x".repeat(201)}),
            "too_large",
        ),
    ] {
        ask(DOCTOR, body).await.refused(code);
    }
    let sms = json!({"name": "x", "type": "SMS", "participants": ["p1"]});
    let problem = ask(DOCTOR, sms).await.refused("invalid_argument");
    assert_eq!(problem["message"], "type: SMS is not offered yet");
    let crowd: Vec<_> = (0..1_001).map(|n| format!("u{n}")).collect();
    let crowd = json!({"name": "x", "type": "Broadcast", "participants": crowd});
    ask(DOCTOR, crowd).await.refused("too_large");
    assert_eq!(
        api.get(CHATS).by(DOCTOR).await.ok()["pagination"]["total"],
        0
    );
}

#[actix_web::test]
async fn rights_are_those_of_the_conversations() {
    let api = acquainted().await;
    api.know(&["patient:p2", "family:f1", STRANGER]).await;
    api.relate("p1", "f1", RelationKind::Family).await;
    let ask = |token, body| api.post(CHATS).by(token).json(body);
    // A patient with a patient, and a doctor with a patient of others.
    ask(PATIENT, direct_with("p2")).await.refused("forbidden");
    ask(STRANGER, direct_with("p1")).await.refused("forbidden");
    ask(STRANGER, care_team()).await.refused("forbidden");
    let with =
        |member: &str| json!({"name": "x", "type": "Internal Staff", "participants": [member]});
    ask(PATIENT, with("d1")).await.refused("forbidden");
    for outsider in ["p1", "f1"] {
        ask(DOCTOR, with(outsider)).await.refused("forbidden");
    }
    ask("service:ehr", with("d1")).await.refused("forbidden");
    let staff = make(&api, DOCTOR, with("n1")).await;
    for outsider in ["p1", "f1"] {
        let add = json!({"userId": outsider});
        let path = format!("{staff}/participants");
        api.post(&path)
            .by(DOCTOR)
            .json(add)
            .await
            .refused("forbidden");
    }
}

#[actix_web::test]
async fn in_a_broadcast_only_admins_post_and_members_are_hidden() {
    let api = acquainted().await;
    let body = json!({"name": "News", "type": "Broadcast", "participants": ["p1", "n1"]});
    let chat = make(&api, DOCTOR, body).await;
    say(&api, &chat, DOCTOR, "flu shots").await;
    let post = api.post(&format!("{chat}/messages")).by(PATIENT);
    post.json(json!({"content": "thanks"}))
        .await
        .refused("forbidden");
    let seen = api.get(&chat).by(PATIENT).await.ok();
    let seen = json!({"data": seen["participants"]});
    assert_eq!(column(&seen, "userId"), ["d1", "p1"]);
    let seen = api.get(&chat).by(DOCTOR).await.ok();
    assert_eq!(seen["participants"].as_array().map(Vec::len), Some(3));
}

#[actix_web::test]
async fn the_list_has_what_one_is_in_with_pages_and_pins() {
    let api = acquainted().await;
    let mut paths = Vec::new();
    for name in ["one", "two", "three", "four"] {
        let body = json!({"name": name, "type": "Internal Staff", "participants": ["n1"]});
        paths.push(make(&api, DOCTOR, body).await);
        api.clock.advance_ms(1_000);
    }
    let names = |query: &str, token| {
        let list = api.get(&format!("{CHATS}{query}")).by(token);
        async move {
            let list = list.await.ok();
            (json!(column(&list, "name")), list["pagination"].clone())
        }
    };
    let all = json!(["four", "three", "two", "one"]);
    assert_eq!(names("", DOCTOR).await, (all, pagination(4, 1, 20, 1)));
    say(&api, &paths[0], NURSE, "hello").await;
    api.post(&format!("{}/pin", paths[1])).by(DOCTOR).await.ok();
    // The pinned one, then by activity; a pin is one's own.
    assert_eq!(
        names("?limit=3", DOCTOR).await,
        (json!(["two", "one", "four"]), pagination(4, 1, 3, 2))
    );
    assert_eq!(
        names("?limit=3&page=2", DOCTOR).await,
        (json!(["three"]), pagination(4, 2, 3, 2))
    );
    assert_eq!(
        names("?limit=3&page=3", DOCTOR).await,
        (json!([]), pagination(4, 3, 3, 2))
    );
    assert_eq!(
        names("", NURSE).await.0,
        json!(["one", "four", "three", "two"])
    );
    assert_eq!(
        names("", STRANGER).await,
        (json!([]), pagination(0, 1, 20, 0))
    );
    assert_eq!(
        names("?limit=1000", DOCTOR).await.1,
        pagination(4, 1, 100, 1)
    );
    for query in ["?page=0", "?limit=0", "?page=x", "?limit=-1", "?archived=7"] {
        let list = api.get(&format!("{CHATS}{query}")).by(DOCTOR);
        list.await.refused("invalid_argument");
    }
    let list = api.get(CHATS).by(DOCTOR).await.ok();
    let row = &list["data"][1];
    assert_eq!(row["unreadCount"], 1);
    assert_eq!(row["lastMessage"]["content"], "hello");
    assert_eq!(row["lastMessageId"], row["lastMessage"]["id"]);
    assert_eq!(row["lastMessageTime"], row["lastMessage"]["createdAt"]);
    assert_eq!(*row, api.get(&paths[0]).by(DOCTOR).await.ok());
}

#[actix_web::test]
async fn a_large_chat_lists_the_caller_alone() {
    let api = acquainted().await;
    let crowd: Vec<_> = (0..64).map(|n| format!("nurse:crowd{n}")).collect();
    let tokens: Vec<_> = crowd.iter().map(String::as_str).collect();
    api.know(&tokens).await;
    let ids: Vec<_> = (0..64).map(|n| format!("crowd{n}")).collect();
    let all_but_one = json!({"name": "x", "type": "Internal Staff", "participants": ids[1..]});
    let chat = make(&api, DOCTOR, all_but_one).await;
    let listed = || async {
        let list = api.get(CHATS).by(DOCTOR).await.ok();
        list["data"][0]["participants"].as_array().map(Vec::len)
    };
    assert_eq!(listed().await, Some(64));
    let add = api.post(&format!("{chat}/participants")).by(DOCTOR);
    add.json(json!({"userId": "crowd0"})).await.created();
    assert_eq!(listed().await, Some(1));
    let whole = api.get(&chat).by(DOCTOR).await.ok();
    assert_eq!(whole["participants"].as_array().map(Vec::len), Some(65));
}

#[actix_web::test]
async fn a_deleted_chat_is_gone_from_ones_own_list_only() {
    let api = acquainted().await;
    let chat = make(&api, DOCTOR, direct_with("p1")).await;
    say(&api, &chat, DOCTOR, "hello").await;
    let list = |query: &str, token| api.get(&format!("{CHATS}{query}")).by(token);
    let count = |list: Value| list["data"].as_array().map(Vec::len);
    let done = api.delete(&chat).by(DOCTOR).await.ok();
    assert_eq!(done, json!({"message": "Chat removed from your list"}));
    assert_eq!(count(list("", DOCTOR).await.ok()), Some(0));
    assert_eq!(count(list("?archived=true", DOCTOR).await.ok()), Some(1));
    assert_eq!(count(list("?archived=all", DOCTOR).await.ok()), Some(1));
    assert_eq!(count(list("", PATIENT).await.ok()), Some(1));
    let messages = api.get(&format!("{chat}/messages")).by(DOCTOR).await.ok();
    assert_eq!(column(&messages, "content"), ["hello"]);
    // Others do not learn of it.
    let rows = |token| {
        let seen = api.get(&chat).by(token);
        async move {
            let seen = seen.await.ok();
            json!(column(&json!({"data": seen["participants"]}), "archived"))
        }
    };
    assert_eq!(rows(DOCTOR).await, json!([true, false]));
    assert_eq!(rows(PATIENT).await, json!([false, false]));
    // Making it again brings it back.
    let again = api
        .post(CHATS)
        .by(DOCTOR)
        .json(direct_with("p1"))
        .await
        .ok();
    assert_eq!(path_of(CHATS, &again), chat);
    assert_eq!(again["participants"][0]["archived"], false);
    assert_eq!(count(list("", DOCTOR).await.ok()), Some(1));
}

#[actix_web::test]
async fn the_name_is_everybodys_and_the_marks_are_ones_own() {
    let api = acquainted().await;
    let chat = make(&api, DOCTOR, care_team()).await;
    let put = |token, body| api.put(&chat).by(token).json(body);
    let row = put(
        NURSE,
        json!({"name": "Better", "isPinned": true, "muted": true, "archived": true}),
    )
    .await
    .ok();
    assert_eq!(row["name"], "Better");
    assert_eq!(row["isPinned"], true);
    let own = &row["participants"][1];
    assert_eq!(
        (&own["muted"], &own["archived"]),
        (&json!(true), &json!(true))
    );
    let others = api.get(&chat).by(DOCTOR).await.ok();
    assert_eq!(
        (&others["name"], &others["isPinned"]),
        (&json!("Better"), &json!(false))
    );
    assert_eq!(others["participants"][1]["muted"], false);
    let head = |token| {
        let seen = api.get(&native(&chat)).by(token);
        async move { seen.await.ok()["head_seq"].clone() }
    };
    let before = head(DOCTOR).await;
    // The whole row put back is no renaming.
    let row = put(NURSE, row).await.ok();
    assert_eq!(head(DOCTOR).await, before);
    let row = put(NURSE, json!({"muted": false, "isPinned": row["isPinned"]}))
        .await
        .ok();
    assert_eq!(row["participants"][1]["muted"], false);
    assert_eq!(row["isPinned"], true);
    assert_eq!(put(NURSE, json!({})).await.ok(), row);
    put(PATIENT, json!({"name": "Mine"}))
        .await
        .refused("forbidden");
    put(NURSE, json!({"name": ""}))
        .await
        .refused("invalid_argument");
    put(NURSE, json!({"isPinned": "yes"}))
        .await
        .refused("invalid_argument");
    put(STRANGER, json!({"isPinned": true}))
        .await
        .refused("not_a_member");
    let direct = make(&api, DOCTOR, direct_with("p1")).await;
    let rename = api.put(&direct).by(DOCTOR).json(json!({"name": "Mine"}));
    rename.await.refused("forbidden");
}

#[actix_web::test]
async fn a_mute_with_an_end_is_a_mute() {
    let api = acquainted().await;
    let chat = make(&api, DOCTOR, care_team()).await;
    let until = now().plus_millis(60_000);
    let me = format!("{}/me", native(&chat));
    let set = api.put(&me).by(DOCTOR).json(json!({"muted_until": until}));
    set.await.ok();
    let muted = || async {
        let row = api.get(&chat).by(DOCTOR).await.ok();
        row["participants"][0]["muted"].clone()
    };
    assert_eq!(muted().await, true);
    // Muted already: the end stays.
    let put = |body| api.put(&chat).by(DOCTOR).json(body);
    put(json!({"muted": true})).await.ok();
    assert_eq!(
        api.get(&me).by(DOCTOR).await.ok()["muted_until"],
        json!(until)
    );
    api.clock.advance_ms(60_000);
    assert_eq!(muted().await, false);
    put(json!({"muted": true})).await.ok();
    api.clock.advance_ms(i64::from(u32::MAX));
    assert_eq!(muted().await, true);
}

#[actix_web::test]
async fn a_pin_is_put_on_and_taken_off() {
    let api = acquainted().await;
    let chat = make(&api, DOCTOR, care_team()).await;
    let path = format!("{chat}/pin");
    let pin = || api.post(&path).by(DOCTOR);
    assert_eq!(pin().await.ok()["isPinned"], true);
    assert_eq!(pin().await.ok()["isPinned"], false);
    for (body, pinned) in [
        (json!({"isPinned": true}), true),
        (json!({"isPinned": true}), true),
        (json!({}), false),
        (json!({"isPinned": false}), false),
    ] {
        assert_eq!(pin().json(body).await.ok()["isPinned"], pinned);
    }
    pin()
        .json(json!({"isPinned": 1}))
        .await
        .refused("invalid_argument");
    api.post(&path).by(STRANGER).await.refused("not_a_member");
}

#[actix_web::test]
async fn chats_of_others_and_consultations_are_none() {
    let api = acquainted().await;
    let chat = make(&api, DOCTOR, care_team()).await;
    for path in [chat.as_str(), UNKNOWN] {
        api.get(path).by(STRANGER).await.refused("not_a_member");
        api.delete(path).by(STRANGER).await.refused("not_a_member");
        let messages = api.get(&format!("{path}/messages")).by(STRANGER);
        messages.await.refused("not_a_member");
    }
    api.get(&format!("{CHATS}/7"))
        .by(DOCTOR)
        .await
        .refused("not_found");
    api.get(CHATS).await.refused("unauthorized");
    api.get(CHATS).by("service:ehr").await.refused("forbidden");
}

#[actix_web::test]
async fn who_has_left_keeps_the_chat_but_not_in_the_list() {
    let api = acquainted().await;
    let chat = make(&api, DOCTOR, care_team()).await;
    say(&api, &chat, DOCTOR, "before").await;
    let leave = format!("{chat}/participants/n1");
    api.delete(&leave).by(NURSE).await.ok();
    say(&api, &chat, DOCTOR, "after").await;
    let list = api.get(CHATS).by(NURSE).await.ok();
    assert_eq!(list["pagination"]["total"], 0);
    let seen = api.get(&chat).by(NURSE).await.ok();
    assert_eq!(seen["participants"], json!([]));
    assert_eq!(seen["lastMessage"]["content"], "before");
    let messages = api.get(&format!("{chat}/messages")).by(NURSE).await.ok();
    assert_eq!(column(&messages, "content"), ["before"]);
    assert_eq!(messages["pagination"]["total"], 1);
}

#[actix_web::test]
async fn a_native_device_sees_what_is_done_here() {
    let api = acquainted().await;
    let mut device =
        bedside_actors::testkit::client::Client::open(&api.node, "n1", Role::Nurse).await;
    let chat = make(&api, DOCTOR, care_team()).await;
    let id = chat
        .rsplit('/')
        .next()
        .expect("an id")
        .parse()
        .expect("an id");
    let sent = say(&api, &chat, DOCTOR, "hello").await;
    let put = api.put(&chat).by(DOCTOR).json(json!({"name": "Better"}));
    put.await.ok();
    let events: Vec<_> = device.see(id, 3).await;
    assert_eq!(
        events.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let Event::MessageCreated(message) = &events[1].1 else {
        panic!("a message, not {}", events[1].1.name());
    };
    assert_eq!(message.text, "hello");
    assert_eq!(message.message_id.to_string(), id_of(&sent));
    // And back: what the device says is in the chat, once.
    device.say(id, "hi").await.expect("is stored");
    let list = api.get(&format!("{chat}/messages")).by(DOCTOR).await.ok();
    assert_eq!(column(&list, "content"), ["hello", "hi"]);
    assert_eq!(column(&list, "senderId"), ["d1", "n1"]);
}

#[actix_web::test]
async fn a_closed_store_is_told() {
    use bedside_actors::ports::store::Store as _;
    let api: Api = acquainted().await;
    let chat = make(&api, DOCTOR, care_team()).await;
    api.store.close().await;
    let put = api.put(&chat).by(DOCTOR).json(json!({"isPinned": true}));
    put.await.refused("unavailable");
}
