//! `/api/v1/users/me/preferences`.

use bedside_actors::ports::store::NotificationStore as _;
use serde_json::{Value, json};

use super::now;
use crate::kit::{Api, DOCTOR, PATIENT, SERVICE, user};

const PATH: &str = "/api/v1/users/me/preferences";

fn defaults(id: &str) -> Value {
    json!({
        "userId": id,
        "defaultTemplate": null,
        "favoriteTemplates": [],
        "autoScribe": true,
        "notificationsEnabled": true,
        "emailNotifications": true,
        "smsNotifications": false,
        "darkMode": false,
        "language": "en",
        "timezone": null,
        "updatedAt": null,
    })
}

#[actix_web::test]
async fn who_set_nothing_has_the_defaults() {
    let api = Api::start().await;
    assert_eq!(api.get(PATH).by(DOCTOR).await.ok(), defaults("d1"));
    api.get(PATH).await.refused("unauthorized");
    api.get(PATH).by(SERVICE).await.refused("forbidden");
}

#[actix_web::test]
async fn what_is_given_is_merged_into_what_is_there() {
    let api = Api::start().await;
    let put = |body| api.put(PATH).by(DOCTOR).json(body);
    let mut expected = defaults("d1");
    expected["darkMode"] = json!(true);
    expected["timezone"] = json!("Europe/Berlin");
    expected["updatedAt"] = json!(now());
    let body = json!({"darkMode": true, "timezone": "Europe/Berlin"});
    assert_eq!(put(body).await.ok(), expected);
    expected["defaultTemplate"] = json!("SOAP");
    expected["favoriteTemplates"] = json!(["SOAP", "Physio"]);
    expected["language"] = json!("pt-BR");
    let body = json!({
        "defaultTemplate": "SOAP", "favoriteTemplates": ["SOAP", "Physio"], "language": "pt-BR",
    });
    assert_eq!(put(body).await.ok(), expected);
    assert_eq!(api.get(PATH).by(DOCTOR).await.ok(), expected);
    // The row as it was read may be sent back, and null takes away.
    assert_eq!(put(expected.clone()).await.ok(), expected);
    expected["timezone"] = Value::Null;
    assert_eq!(
        put(json!({"timezone": null, "darkMode": null})).await.ok(),
        expected
    );
    assert_eq!(api.get(PATH).by(PATIENT).await.ok(), defaults("p1"));
}

#[actix_web::test]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let api = Api::start().await;
    for (body, code) in [
        (json!({"darkMode": "yes"}), "invalid_argument"),
        (json!({"language": 7}), "invalid_argument"),
        (json!({"language": ""}), "invalid_argument"),
        (json!({"language": "e n"}), "invalid_argument"),
        (json!({"language": "x".repeat(11)}), "too_large"),
        (json!({"timezone": "Mars?"}), "invalid_argument"),
        (json!({"timezone": "x".repeat(51)}), "too_large"),
        (json!({"defaultTemplate": ""}), "invalid_argument"),
        (json!({"defaultTemplate": "x".repeat(51)}), "too_large"),
        (json!({"favoriteTemplates": "SOAP"}), "invalid_argument"),
        (json!({"favoriteTemplates": ["\n"]}), "invalid_argument"),
        (json!({"favoriteTemplates": ["x".repeat(51)]}), "too_large"),
        (
            json!({"favoriteTemplates": vec!["a"; 51], "darkMode": true}),
            "too_large",
        ),
    ] {
        api.put(PATH).by(DOCTOR).json(body).await.refused(code);
    }
    assert_eq!(api.get(PATH).by(DOCTOR).await.ok(), defaults("d1"));
    let most = json!({"favoriteTemplates": vec!["x".repeat(50); 50], "language": "x".repeat(10)});
    api.put(PATH).by(DOCTOR).json(most).await.ok();
}

#[actix_web::test]
async fn other_settings_of_the_person_stay() {
    let api = Api::start().await;
    let text = r#"{"other":{"a":1}}"#.to_owned();
    let put = api.store.put_settings(user("d1"), text, now());
    put.await.expect("is stored");
    assert_eq!(api.get(PATH).by(DOCTOR).await.ok(), defaults("d1"));
    let put = api.put(PATH).by(DOCTOR).json(json!({"darkMode": true}));
    put.await.ok();
    let stored = api.store.settings(user("d1")).await.expect("reads");
    let stored: Value = serde_json::from_str(&stored.expect("is there")).expect("is JSON");
    assert_eq!(stored["other"], json!({"a": 1}));
    assert_eq!(stored["preferences"]["darkMode"], true);
}
