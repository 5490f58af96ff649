//! Seed 000: `/consultation`.

use bedside_actors::node::Publication;
use bedside_protocol::{
    Command, ConsultationStatus, NotificationType,
    command::MemberRemove,
    consultation::{ConsultationEnd, ConsultationRef},
};
use serde_json::{Value, json};

use crate::kit::{Client, NOW, Ward, user};

async fn enter(ward: &Ward, token: &str, room: &Value) -> Client {
    let mut client = ward.connect("/consultation", token).await;
    client.done("join-consultation", room.clone()).await;
    client
}

#[actix_web::test]
async fn the_others_are_told_who_comes_and_goes() {
    let (ward, consultation) = Ward::consulting().await;
    let id = consultation.consultation_id.number();
    let room = json!({"consultationId": id});
    let mut doctor = enter(&ward, "doctor:5", &room).await;
    let mut patient = ward.connect("/consultation", "patient:12").await;
    let join = json!({"consultationId": id, "userId": 12});
    let answer = patient.done("join-consultation", join.clone()).await;
    assert_eq!(answer["participants"], json!([5, 12]));
    assert_eq!(answer["consultation"]["id"], json!(id));
    assert_eq!(answer["consultation"]["status"], "SCHEDULED");
    let moved = json!({"userId": 12, "timestamp": NOW});
    assert_eq!(doctor.next("user-joined").await, moved);
    assert_eq!(
        patient.done("leave-consultation", join.clone()).await,
        json!({"ok": true})
    );
    assert_eq!(doctor.next("user-left").await, moved);
    // Ids may also be texts. And whose connection is just gone has left, too.
    let join = json!({"consultationId": id.to_string(), "userId": "12"});
    patient.done("join-consultation", join).await;
    doctor.next("user-joined").await;
    patient.glance().await;
    patient.heard_nothing_more();
    drop(patient);
    assert_eq!(doctor.next("user-left").await, moved);
    doctor.heard_nothing_more();
}

#[actix_web::test]
async fn only_participants_enter() {
    let (ward, consultation) = Ward::consulting().await;
    let id = consultation.consultation_id;
    let room = json!({"consultationId": id.number()});
    let mut doctor = enter(&ward, "doctor:5", &room).await;
    let mut stranger = ward.connect("/consultation", "doctor:9").await;
    for event in [
        "join-consultation",
        "start-consultation",
        "end-consultation",
    ] {
        let before = ward.audited("9").len();
        assert_eq!(stranger.refused(event, room.clone()).await, "not_a_member");
        let entries = ward.audited("9").split_off(before);
        let detail = format!("socketio /consultation {event}: not_a_member");
        assert_eq!(entries.len(), 2);
        assert_eq!(
            entries[0],
            ("access.refused", format!("consultation {id}"), detail)
        );
    }
    let none = json!({"consultationId": 1});
    assert_eq!(
        stranger.refused("join-consultation", none).await,
        "not_found"
    );
    for odd in [
        json!({}),
        json!({"consultationId": "x"}),
        json!({"consultationId": -1}),
    ] {
        let code = stranger.refused("join-consultation", odd).await;
        assert_eq!(code, "invalid_argument");
    }
    ward.clinic.notify_room(id, &json!("a note"));
    assert_eq!(doctor.next("consultation-notification").await, "a note");
    doctor.heard_nothing_more();
    stranger.glance().await;
    stranger.heard_nothing_more();
}

#[actix_web::test]
async fn the_whole_room_is_told_of_beginning_and_end_and_they_are_kept() {
    let (ward, consultation) = Ward::consulting().await;
    let id = consultation.consultation_id;
    let room = json!({"consultationId": id.number()});
    let mut doctor = enter(&ward, "doctor:5", &room).await;
    let mut patient = enter(&ward, "patient:12", &room).await;
    let mut outside = ward.connect("/consultation", "patient:12").await;
    let status = || async {
        let found = ward.store.consultation(id).await.expect("reads");
        found.expect("is there").status
    };
    // Only who holds it.
    for event in ["start-consultation", "end-consultation"] {
        assert_eq!(patient.refused(event, room.clone()).await, "forbidden");
    }
    assert_eq!(ward.audited("12").len(), 4);
    assert_eq!(status().await, ConsultationStatus::Scheduled);
    let turned = json!({"consultationId": id.number(), "timestamp": NOW});
    let answer = doctor.done("start-consultation", room.clone()).await;
    assert_eq!(answer["consultation"]["status"], "IN_PROGRESS");
    for client in [&mut doctor, &mut patient] {
        assert_eq!(client.next("consultation-started").await, turned);
    }
    assert_eq!(status().await, ConsultationStatus::InProgress);
    let end = json!({"consultationId": id.number(), "notes": "rest"});
    doctor.emit("end-consultation", end).await;
    for client in [&mut doctor, &mut patient] {
        assert_eq!(client.next("consultation-ended").await, turned);
    }
    assert_eq!(status().await, ConsultationStatus::Completed);
    assert_eq!(doctor.refused("end-consultation", room).await, "conflict");
    outside.glance().await;
    outside.heard_nothing_more();
}

#[actix_web::test]
async fn what_is_begun_and_ended_elsewhere_the_room_is_told_too() {
    let (ward, consultation) = Ward::consulting().await;
    let consultation_id = consultation.consultation_id;
    let room = json!({"consultationId": consultation_id.number()});
    let mut patient = enter(&ward, "patient:12", &room).await;
    let start = Command::ConsultationStart(ConsultationRef { consultation_id });
    ward.run("doctor:5", start).await;
    patient.next("consultation-started").await;
    let end = ConsultationEnd {
        consultation_id,
        notes: None,
    };
    ward.run("doctor:5", Command::ConsultationEnd(end)).await;
    patient.next("consultation-ended").await;
}

#[actix_web::test]
async fn notifications_go_to_their_owner_and_room_notes_to_the_room() {
    let (ward, consultation) = Ward::consulting().await;
    let id = consultation.consultation_id;
    let room = json!({"consultationId": id.number()});
    let mut doctor = enter(&ward, "doctor:5", &room).await;
    let mut patient = ward.connect("/consultation", "patient:12").await;
    let publication = Publication {
        notification_type: NotificationType::AppointmentReminder,
        user_ids: vec![user("12")],
        title: "Soon".to_owned(),
        body: "In five minutes".to_owned(),
        data: None,
        action: None,
        dedupe_key: None,
    };
    ward.node.publish(publication).await.expect("is published");
    let wanted = json!({"type": "appointment_reminder", "userId": 12, "title": "Soon", "body": "In five minutes", "timestamp": NOW});
    assert_eq!(patient.next("notification").await, wanted);
    // As it is, whatever it is.
    let notes = [
        json!({"a": [1, null, {"b": "ü"}]}),
        json!([1, 2]),
        json!(null),
        json!(7),
    ];
    for what in &notes {
        ward.clinic.notify_room(id, what);
        assert_eq!(doctor.next("consultation-notification").await, *what);
    }
    patient.glance().await;
    patient.heard_nothing_more();
    patient.done("join-consultation", room.clone()).await;
    doctor.next("user-joined").await;
    ward.clinic.notify_room(id, &notes[0]);
    assert_eq!(patient.next("consultation-notification").await, notes[0]);
    doctor.next("consultation-notification").await;
    patient.done("leave-consultation", room).await;
    ward.clinic.notify_room(id, &notes[0]);
    doctor.next("consultation-notification").await;
    doctor.next("user-left").await;
    doctor.heard_nothing_more();
    patient.glance().await;
    patient.heard_nothing_more();
}

#[actix_web::test]
async fn whoever_is_taken_out_of_the_consultation_is_out_of_the_room() {
    let (ward, consultation) = Ward::consulting().await;
    let id = consultation.consultation_id;
    let room = json!({"consultationId": id.number()});
    let mut doctor = enter(&ward, "doctor:5", &room).await;
    let mut patient = enter(&ward, "patient:12", &room).await;
    doctor.next("user-joined").await;
    let remove = MemberRemove {
        conversation_id: consultation.conversation_id,
        user_id: user("12"),
    };
    ward.run("doctor:5", Command::MemberRemove(remove)).await;
    doctor.next("user-left").await;
    ward.clinic.notify_room(id, &json!("a note"));
    doctor.next("consultation-notification").await;
    doctor.done("start-consultation", room.clone()).await;
    doctor.next("consultation-started").await;
    assert_eq!(
        patient.refused("join-consultation", room).await,
        "not_a_member"
    );
    patient.heard_nothing_more();
}
