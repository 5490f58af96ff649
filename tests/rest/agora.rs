//! Seed 000: `/agora`.

use serde_json::{Value, json};

use crate::{
    consultations::{DOCTOR, OTHER_DOCTOR, OTHER_PATIENT, PATIENT, clinic, scheduled},
    kit::{AGORA_APP_ID, Answer, Api, Options, SERVICE},
};

/// A consultation of doctor 5 and patient 12; its id and its channel.
async fn call(api: &Api) -> (u64, String) {
    let path = scheduled(api, 31).await;
    let id = path.rsplit('/').next().and_then(|id| id.parse().ok());
    let id: u64 = id.expect("an id");
    (id, format!("consultation_{id}"))
}

async fn token(api: &Api, who: &str, body: Value) -> Answer {
    api.post("/agora/token").by(who).json(body).await
}

#[actix_web::test]
async fn everybody_in_it_gets_a_token_of_their_own() {
    let api = clinic().await;
    let (id, channel) = call(&api).await;
    let named = api.post("/agora/channel").by(PATIENT);
    let named = named.json(json!({"consultationId": id})).await;
    assert_eq!(named.ok(), json!({"channelName": channel}));
    for (who, uid) in [(DOCTOR, 5), (PATIENT, 12)] {
        // As the seed's clients ask, as careful ones do, and with Agora's "anybody".
        for asked in [json!(uid), Value::Null, json!(0)] {
            for role in [json!("publisher"), json!("subscriber"), Value::Null] {
                let body = json!({"channelName": channel, "uid": asked, "role": role});
                let given = token(&api, who, body).await.ok();
                assert_eq!(given["appId"], AGORA_APP_ID);
                assert_eq!(given["channel"], channel.as_str());
                assert_eq!(given["uid"], uid);
                let text = given["token"].as_str().expect("a text");
                assert!(text.starts_with("007") && text.len() > 100, "{text}");
            }
        }
    }
}

#[actix_web::test]
async fn nobody_gets_what_is_not_their_own() {
    let api = clinic().await;
    let (id, channel) = call(&api).await;
    let ask = |uid: Value, role: Value| json!({"channelName": channel, "uid": uid, "role": role});
    for uid in [json!(5), json!(13), json!(4_294_967_295_u32)] {
        token(&api, PATIENT, ask(uid, Value::Null))
            .await
            .plainly(403);
    }
    for uid in [json!(-1), json!("12"), json!(4_294_967_296_u64)] {
        token(&api, PATIENT, ask(uid, Value::Null))
            .await
            .plainly(400);
    }
    for role in [json!("admin"), json!(1)] {
        token(&api, PATIENT, ask(Value::Null, role))
            .await
            .plainly(400);
    }
    for stranger in [OTHER_DOCTOR, OTHER_PATIENT, "admin:a1"] {
        token(&api, stranger, ask(Value::Null, Value::Null))
            .await
            .plainly(404);
        for (path, body) in [
            ("/agora/channel", json!({"consultationId": id})),
            ("/agora/recording", json!({"channelName": channel})),
        ] {
            api.post(path).by(stranger).json(body).await.plainly(404);
        }
    }
    token(&api, SERVICE, ask(Value::Null, Value::Null))
        .await
        .plainly(403);
    for other in [
        "",
        "lobby",
        "consultation_",
        "consultation_1",
        "consultation_01",
    ] {
        token(&api, DOCTOR, json!({"channelName": other}))
            .await
            .plainly(404);
    }
    for other in [json!("0000"), json!("x"), json!(1)] {
        let body = json!({"consultationId": other});
        api.post("/agora/channel")
            .by(DOCTOR)
            .json(body)
            .await
            .plainly(404);
    }
    let padded = format!("{channel}/../consultation_1");
    token(&api, DOCTOR, json!({"channelName": padded}))
        .await
        .plainly(404);
}

#[actix_web::test]
async fn an_observer_only_subscribes() {
    let api = clinic().await;
    let (_, channel) = call(&api).await;
    api.know(&["nurse:8"]).await;
    let found = api.get("/api/v1/conversations").by(DOCTOR).await.ok();
    let chat = found["conversations"][0]["conversation_id"].clone();
    let members = format!(
        "/api/v1/conversations/{}/members",
        chat.as_str().expect("an id")
    );
    let added = api.post(&members).by(DOCTOR);
    let added = added
        .json(json!({"user_id": "8", "member_role": "observer"}))
        .await;
    added.created();
    let body = |role: Value| json!({"channelName": channel, "role": role});
    token(&api, "nurse:8", body(json!("publisher")))
        .await
        .plainly(403);
    let subscribes = token(&api, "nurse:8", body(Value::Null)).await.ok();
    let publishes = token(&api, DOCTOR, body(Value::Null)).await.ok();
    let length = |given: &Value| given["token"].as_str().expect("a text").len();
    // Four privileges take more room than one.
    assert!(length(&subscribes) < length(&publishes));
    let record = json!({"channelName": channel});
    api.post("/agora/recording")
        .by("nurse:8")
        .json(record)
        .await
        .plainly(403);
}

#[actix_web::test]
async fn only_who_holds_it_has_it_recorded() {
    let api = clinic().await;
    let (_, channel) = call(&api).await;
    let body = json!({"channelName": channel});
    api.post("/agora/recording")
        .by(PATIENT)
        .json(body.clone())
        .await
        .plainly(403);
    let given = api.post("/agora/recording").by(DOCTOR).json(body).await;
    let config = json!({
        "maxIdleTime": 30, "streamTypes": 2, "audioProfile": 1, "videoStreamType": 0,
        "channelType": 0, "subscribeVideoUids": [], "subscribeAudioUids": [],
        "subscribeUidGroup": 0,
    });
    assert_eq!(
        given.ok(),
        json!({"channel": channel, "recordingConfig": config})
    );
}

#[actix_web::test]
async fn one_that_is_over_has_no_call() {
    let api = clinic().await;
    let (id, channel) = call(&api).await;
    api.post(&format!("/consultations/{id}/cancel"))
        .by(DOCTOR)
        .await
        .data(200);
    for (path, body) in [
        ("/agora/token", json!({"channelName": channel})),
        ("/agora/channel", json!({"consultationId": id})),
        ("/agora/recording", json!({"channelName": channel})),
    ] {
        api.post(path).by(DOCTOR).json(body).await.plainly(409);
    }
}

#[actix_web::test]
async fn without_keys_it_is_off_and_says_so() {
    let api = Api::with(Options {
        agora: false,
        ..Options::default()
    });
    let api = api.await;
    let refused = token(&api, DOCTOR, json!({"channelName": "consultation_1"})).await;
    let text = refused.plainly(503);
    assert!(text.contains("AGORA_APP_ID"), "{text}");
}
