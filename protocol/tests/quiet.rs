//! What people write never shows in debug output, and so in no log line or panic message.

use bedside_protocol::{Consultation, Reply, WireFormat, codec, reply::ConsultationReply};

const PRIVATE: &str = "a diagnosis";

#[test]
fn commands_hide_what_people_wrote() {
    let id = bedside_protocol::ConversationId::new();
    for data in [
        format!(
            r#""message.send","data":{{"conversation_id":"{id}","text":"{PRIVATE}","attachments":[{{"url":"https://x/{PRIVATE}","name":"{PRIVATE}"}}]}}"#
        ),
        format!(r#""message.edit","data":{{"conversation_id":"{id}","seq":1,"text":"{PRIVATE}"}}"#),
        format!(r#""conversation.update","data":{{"conversation_id":"{id}","title":"{PRIVATE}"}}"#),
        format!(r#""conversation.create","data":{{"kind":"care_team","title":"{PRIVATE}"}}"#),
        format!(r#""consultation.end","data":{{"consultation_id":"7","notes":"{PRIVATE}"}}"#),
        format!(r#""session.hello","data":{{"token":"{PRIVATE}"}}"#),
    ] {
        let text = format!(r#"{{"id":1,"type":{data}}}"#);
        let frame = codec::decode_command(WireFormat::Json, text.as_bytes()).expect("a command");
        let shown = format!("{frame:?}");
        assert!(!shown.contains(PRIVATE), "{shown}");
    }
}

#[test]
fn events_hide_what_people_wrote() {
    let at = "2026-11-21T09:00:00.000Z";
    let id = bedside_protocol::MessageId::new();
    for text in [
        format!(
            r#"{{"type":"message.created","seq":1,"data":{{"message_id":"{id}","type":"text","text":"{PRIVATE}","created_at":"{at}"}}}}"#
        ),
        format!(
            r#"{{"type":"message.updated","seq":2,"data":{{"target_seq":1,"message_id":"{id}","user_id":"u","text":"{PRIVATE}","edited_at":"{at}"}}}}"#
        ),
        format!(
            r#"{{"type":"conversation.changed","seq":3,"data":{{"change":"updated","at":"{at}","title":"{PRIVATE}"}}}}"#
        ),
        format!(
            r#"{{"type":"notification.created","data":{{"notification_id":"{id}","user_id":"u","type":"lab_results","title":"{PRIVATE}","body":"{PRIVATE}","data":{{"x":"{PRIVATE}"}},"action":"{PRIVATE}","created_at":"{at}"}}}}"#
        ),
    ] {
        let frame = codec::decode_server_frame(WireFormat::Json, text.as_bytes());
        let shown = format!("{:?}", frame.expect("an event"));
        assert!(!shown.contains(PRIVATE), "{shown}");
    }
}

#[test]
fn replies_hide_what_people_wrote() {
    let at = "2026-11-21T09:00:00.000Z";
    let id = bedside_protocol::ConversationId::new();
    let consultation: Consultation = serde_json::from_str(&format!(
        r#"{{"consultation_id":"7","conversation_id":"{id}","appointment_id":"{PRIVATE}","type":"chat","status":"completed","patient_id":"p","doctor_id":"d","notes":"{PRIVATE}","created_at":"{at}","updated_at":"{at}"}}"#
    ))
    .expect("a consultation");
    let shown = format!(
        "{:?}",
        Reply::Consultation(Box::new(ConsultationReply {
            consultation,
            seq: None
        }))
    );
    assert!(!shown.contains(PRIVATE), "{shown}");
}
