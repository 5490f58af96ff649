//! `/api/v1/conversations`.

use bedside_protocol::RelationKind;
use serde_json::{Value, json};

use crate::kit::{Api, DOCTOR, NURSE, PATIENT, STRANGER};

const LIST: &str = "/api/v1/conversations";
const UNKNOWN: &str = "/api/v1/conversations/01890a5d-ac96-774b-bcce-b302099a8057";

/// The ids of a list's rows.
fn ids(page: &Value) -> Vec<String> {
    let rows = page["conversations"].as_array().expect("a list");
    rows.iter()
        .map(|row| format!("{LIST}/{}", row["conversation_id"].as_str().expect("an id")))
        .collect()
}

/// Three staff rooms of `DOCTOR`'s, the oldest first.
async fn rooms(api: &Api) -> Vec<String> {
    let mut rooms = Vec::new();
    for title in ["one", "two", "three"] {
        let body = json!({"kind": "internal_staff", "title": title, "member_ids": ["n1"]});
        rooms.push(api.conversation(DOCTOR, body).await);
        api.clock.advance_ms(1_000);
    }
    rooms
}

#[actix_web::test]
async fn the_direct_conversation_of_a_pair_is_made_once() {
    let api = Api::start().await;
    api.know(&[DOCTOR, PATIENT]).await;
    api.relate("p1", "d1", RelationKind::Clinician).await;
    let ask = |token, other| {
        let body = json!({"kind": "direct", "member_ids": [other]});
        api.post(LIST).by(token).json(body)
    };
    let answer = ask(DOCTOR, "p1").await;
    let location = answer.header("location").expect("is there").to_owned();
    let made = answer.created();
    assert_eq!(made["created"], true);
    let id = made["conversation"]["conversation_id"]
        .as_str()
        .expect("an id");
    assert_eq!(location, format!("{LIST}/{id}"));
    let found = ask(PATIENT, "d1").await.ok();
    assert_eq!(found["created"], false);
    assert_eq!(found["conversation"]["conversation_id"], id);
}

#[actix_web::test]
async fn a_conversation_needs_the_right_to_it() {
    let api = Api::start().await;
    api.know(&[DOCTOR, PATIENT, "patient:p2"]).await;
    let ask = |token, body| api.post(LIST).by(token).json(body);
    let direct = |other| json!({"kind": "direct", "member_ids": [other]});
    ask(DOCTOR, direct("p1")).await.refused("forbidden");
    ask(PATIENT, direct("p2")).await.refused("forbidden");
    ask(DOCTOR, direct("nobody")).await.refused("not_found");
    ask(DOCTOR, json!({"kind": "direct"}))
        .await
        .refused("invalid_argument");
    let team = json!({"kind": "care_team", "title": "Care", "patient_id": "p1"});
    ask(DOCTOR, team).await.refused("forbidden");
    let untitled = json!({"kind": "internal_staff"});
    ask(DOCTOR, untitled).await.refused("invalid_argument");
    let staff = json!({"kind": "internal_staff", "title": "Staff"});
    ask(PATIENT, staff).await.refused("forbidden");
}

#[actix_web::test]
async fn the_list_goes_by_last_activity_and_shows_what_is_unread() {
    let api = Api::start().await;
    api.know(&[DOCTOR, NURSE]).await;
    let rooms = rooms(&api).await;
    assert_eq!(
        ids(&api.get(LIST).by(NURSE).await.ok()),
        [rooms[2].clone(), rooms[1].clone(), rooms[0].clone()]
    );
    let seq = api.say(&rooms[0], DOCTOR, "hello").await;
    let page = api.get(LIST).by(NURSE).await.ok();
    assert_eq!(ids(&page)[0], rooms[0]);
    let row = &page["conversations"][0];
    assert_eq!(row["me"]["unread_count"], 1);
    assert_eq!(row["last_message"]["seq"], seq);
    assert_eq!(row["last_message"]["text"], "hello");
    assert_eq!(page.get("cursor"), None);
    let own = api.get(LIST).by(DOCTOR).await.ok();
    assert_eq!(own["conversations"][0]["me"]["unread_count"], 0);
    assert_eq!(
        ids(&api.get(LIST).by(STRANGER).await.ok()),
        Vec::<String>::new()
    );
}

#[actix_web::test]
async fn a_cursor_goes_through_the_whole_list_once() {
    let api = Api::start().await;
    api.know(&[DOCTOR, NURSE]).await;
    let mut rooms = rooms(&api).await;
    rooms.reverse();
    let mut seen = Vec::new();
    let mut path = format!("{LIST}?limit=1");
    for _ in 0..rooms.len() {
        let page = api.get(&path).by(DOCTOR).await.ok();
        assert_eq!(ids(&page).len(), 1);
        seen.extend(ids(&page));
        let Some(cursor) = page["cursor"].as_str() else {
            break;
        };
        path = format!("{LIST}?limit=1&cursor={cursor}");
    }
    assert_eq!(seen, rooms);
}

#[actix_web::test]
async fn archived_ones_are_listed_only_when_asked_for() {
    let api = Api::start().await;
    api.know(&[DOCTOR, NURSE]).await;
    let rooms = rooms(&api).await;
    for room in &rooms[1..] {
        let path = format!("{room}/me");
        api.patch(&path)
            .by(DOCTOR)
            .json(json!({"archived": true}))
            .await
            .ok();
    }
    let list = |query: &str| api.get(&format!("{LIST}{query}")).by(DOCTOR);
    assert_eq!(ids(&list("").await.ok()), [rooms[0].clone()]);
    // The archived ones come first by activity: a full page is found behind them.
    assert_eq!(ids(&list("?limit=1").await.ok()), [rooms[0].clone()]);
    assert_eq!(
        ids(&list("?archived=true").await.ok()),
        [rooms[2].clone(), rooms[1].clone()]
    );
    assert_eq!(ids(&list("?archived=all").await.ok()).len(), 3);
}

#[actix_web::test]
async fn one_conversation_is_for_its_members() {
    let api = Api::start().await;
    let team = api.care_team().await;
    let seen = api.get(&team).by(PATIENT).await.ok();
    assert_eq!(seen["kind"], "care_team");
    assert_eq!(seen["title"], "Care");
    assert_eq!(seen["patient_id"], "p1");
    assert_eq!(seen["members"].as_array().map(Vec::len), Some(3));
    api.get(&team).by(STRANGER).await.refused("not_a_member");
    api.get(&team).by("admin:a1").await.refused("not_a_member");
    api.get(UNKNOWN).by(DOCTOR).await.refused("not_a_member");
}

#[actix_web::test]
async fn the_title_is_changed_by_those_who_may() {
    let api = Api::start().await;
    let team = api.care_team().await;
    let ask = |token, title| api.patch(&team).by(token).json(json!({"title": title}));
    let logged = ask(NURSE, "Better care").await.ok();
    assert!(team.ends_with(logged["conversation_id"].as_str().expect("an id")));
    assert_eq!(
        api.get(&team).by(PATIENT).await.ok()["title"],
        "Better care"
    );
    ask(PATIENT, "Mine").await.refused("forbidden");
    ask(STRANGER, "Mine").await.refused("not_a_member");
    ask(NURSE, "").await.refused("invalid_argument");
    api.patch(&team)
        .by(NURSE)
        .json(json!({}))
        .await
        .refused("invalid_argument");
    assert_eq!(
        api.get(&team).by(PATIENT).await.ok()["title"],
        "Better care"
    );
}

#[actix_web::test]
async fn a_past_member_keeps_their_window_and_sees_nobody() {
    let api = Api::start().await;
    let team = api.care_team().await;
    api.say(&team, DOCTOR, "before").await;
    let gone = api
        .delete(&format!("{team}/members/n1"))
        .by(DOCTOR)
        .await
        .ok();
    api.say(&team, DOCTOR, "after").await;
    let seen = api.get(&team).by(NURSE).await.ok();
    assert_eq!(seen["me"]["last_seq"], gone["seq"]);
    assert_eq!(seen["head_seq"], gone["seq"]);
    assert_eq!(seen["last_message"]["text"], "before");
    assert_eq!(seen["members"], json!([]));
    let row = &api.get(LIST).by(NURSE).await.ok()["conversations"][0];
    assert_eq!(row["last_message"]["text"], "before");
    assert_eq!(row["members"], json!([]));
}
