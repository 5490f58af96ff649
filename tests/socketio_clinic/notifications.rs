//! Seed 003: `/notifications`.

use bedside_actors::node::Publication;
use bedside_protocol::{Notification, NotificationId, NotificationType};
use serde_json::{Value, json};

use crate::kit::{NOW, Ward, user};

async fn publish(
    ward: &Ward,
    ids: &[&str],
    kind: NotificationType,
    data: Option<Value>,
) -> Vec<Notification> {
    let publication = Publication {
        notification_type: kind,
        user_ids: ids.iter().map(|id| user(id)).collect(),
        title: "Soon".to_owned(),
        body: "In five minutes".to_owned(),
        action: data.as_ref().map(|_| "/appointments/17".to_owned()),
        data,
        dedupe_key: None,
    };
    ward.node.publish(publication).await.expect("is published")
}

#[actix_web::test]
async fn whoever_connects_is_told_so() {
    let ward = Ward::open();
    let mut client = ward.connect("/notifications", "patient:p1").await;
    let wanted = json!({"message": "Connected to notifications"});
    assert_eq!(client.next("connected").await, wanted);
}

#[actix_web::test]
async fn a_notification_goes_to_all_sockets_of_its_owner_and_to_nobody_else() {
    let ward = Ward::open();
    let mut mine = [
        ward.connect("/notifications", "patient:12").await,
        ward.connect("/notifications", "patient:12").await,
    ];
    let mut theirs = ward.connect("/notifications", "patient:p2").await;
    for kind in NotificationType::ALL {
        publish(&ward, &["12"], *kind, None).await;
        let wanted = json!({"type": kind, "userId": "12", "title": "Soon", "body": "In five minutes", "timestamp": NOW});
        for client in &mut mine {
            assert_eq!(client.next("notification").await, wanted);
        }
    }
    let data = json!({"appointment": 17, "nested": [true, null, {"_placeholder": true, "num": 0}]});
    publish(
        &ward,
        &["12"],
        NotificationType::SystemAlert,
        Some(data.clone()),
    )
    .await;
    let shown = mine[0].next("notification").await;
    assert_eq!(shown["data"], data);
    assert_eq!(shown["action"], "/appointments/17");
    theirs.next("connected").await;
    theirs.glance().await;
    theirs.heard_nothing_more();
}

#[actix_web::test]
async fn only_its_owner_acknowledges_a_notification() {
    let ward = Ward::open();
    let mut mine = ward.connect("/notifications", "patient:p1").await;
    let mut thief = ward.connect("/notifications", "patient:p2").await;
    let published = publish(&ward, &["p1"], NotificationType::LabResults, None).await;
    let id = published[0].notification_id;
    let acked = || async {
        let rows = ward.store.notifications(user("p1"), None, 10).await;
        rows.expect("reads")[0].acked_at.is_some()
    };
    let ack = |id: NotificationId| json!({"notificationId": id});
    assert_eq!(
        thief.refused("notification:acknowledge", ack(id)).await,
        "not_found"
    );
    assert!(!acked().await);
    let detail = "socketio /notifications notification:acknowledge: not_found".to_owned();
    let entry = ("access.refused", format!("notification {id}"), detail);
    assert_eq!(ward.audited("p2"), [entry.clone(), entry]);
    let none = ack(NotificationId::new());
    assert_eq!(
        mine.refused("notification:acknowledge", none).await,
        "not_found"
    );
    for odd in [json!({}), json!({"notificationId": "x"}), json!(null)] {
        let code = mine.refused("notification:acknowledge", odd).await;
        assert_eq!(code, "invalid_argument");
    }
    mine.done("notification:acknowledge", ack(id)).await;
    assert!(acked().await);
}
