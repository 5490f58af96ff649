//! Consultations for tests: patient `p` and doctor `d`, unless somebody else is named.

use bedside_actors::{
    caller::Caller,
    node::{ConsultationRequest, Node},
    testkit::client::Client,
};
use bedside_protocol::{
    Command, Consultation, ConsultationId, ConsultationType, Event, EventFrame, Role, Roles,
    consultation::{ConsultationEnd, ConsultationRef},
};
use std::{sync::Arc, time::Duration};

use super::{know, typing, user};

/// Somebody without a socket.
pub(crate) fn caller(id: &str, role: Role) -> Caller {
    Caller {
        user_id: user(id),
        name: id.into(),
        roles: Roles::from(role),
        origin: None,
    }
}

pub(crate) fn service() -> Caller {
    caller("calendar", Role::Service)
}

pub(crate) fn request(appointment: &str) -> ConsultationRequest {
    ConsultationRequest {
        appointment_id: appointment.to_owned(),
        consultation_type: ConsultationType::Video,
        patient_id: user("p"),
        doctor_id: Some(user("d")),
        scheduled_at: None,
    }
}

pub(crate) async fn book(node: &Arc<Node>, appointment: &str) -> Consultation {
    let service = service();
    let made = node.create_consultation(&service, request(appointment));
    made.await.expect("the consultation is made")
}

/// A patient and their doctor, and a consultation that both have heard of.
pub(crate) async fn clinic(node: &Arc<Node>) -> (Client, Client, Consultation) {
    know(node, &[("p", Role::Patient), ("d", Role::Doctor)]).await;
    let mut patient = Client::open(node, "p", Role::Patient).await;
    let mut doctor = Client::open(node, "d", Role::Doctor).await;
    let consultation = book(node, "a1").await;
    for client in [&mut patient, &mut doctor] {
        client.see(consultation.conversation_id, 1).await;
    }
    // The conversation has looked at the new relation when it answers.
    let looked = typing(consultation.conversation_id, false);
    doctor.ask(looked).await.expect("an answer");
    (patient, doctor, consultation)
}

fn to(consultation_id: ConsultationId) -> ConsultationRef {
    ConsultationRef { consultation_id }
}

pub(crate) fn join(id: ConsultationId) -> Command {
    Command::ConsultationJoin(to(id))
}

pub(crate) fn leave(id: ConsultationId) -> Command {
    Command::ConsultationLeave(to(id))
}

pub(crate) fn start(id: ConsultationId) -> Command {
    Command::ConsultationStart(to(id))
}

pub(crate) fn end(id: ConsultationId, notes: Option<&str>) -> Command {
    Command::ConsultationEnd(ConsultationEnd {
        consultation_id: id,
        notes: notes.map(str::to_owned),
    })
}

/// Whether somebody came into a room or left one.
pub(crate) fn is_moved(frame: &EventFrame) -> bool {
    matches!(
        frame.event,
        Event::ParticipantJoined(_) | Event::ParticipantLeft(_)
    )
}

/// `+d`, `-p`.
pub(crate) fn moved(frame: &EventFrame) -> String {
    match &frame.event {
        Event::ParticipantJoined(m) => format!("+{}", m.user_id),
        Event::ParticipantLeft(m) => format!("-{}", m.user_id),
        other => panic!("{other:?} is no coming or going"),
    }
}

/// Who came and who went, as far as this client was told.
pub(crate) fn moves(client: &Client) -> Vec<String> {
    let moves = client.events.iter().filter(|frame| is_moved(frame));
    moves.map(moved).collect()
}

pub(crate) async fn next_move(client: &mut Client) -> String {
    moved(&client.wait_for(is_moved).await)
}

/// Waits until it is so, and not for ever.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    let looks = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), looks).await;
    waited.expect("it is so within 20 s");
}
