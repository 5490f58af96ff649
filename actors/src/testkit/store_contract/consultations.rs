//! Consultations: made with their conversations, and changed by the logs of these.

use bedside_protocol::{
    Consultation, ConsultationId, ConsultationStatus, ConsultationType, Conversation,
    ConversationId, ConversationKind, Event, UserId,
    consultation::{ConsultationEnded, ConsultationStarted},
    event::Change,
};
use std::sync::Arc;

use super::fixture::{EVERYTHING, Fixture, Room, change, user};
use crate::ports::store::{
    AppendBody, ChangeEffect, ConsultationSelect, Loaded, NewConsultation, Select, StoreError,
};

fn id(number: u64) -> ConsultationId {
    ConsultationId::from_number(number).expect("a small number, because the case wrote it")
}

const NONE: [u64; 0] = [];

/// A consultation to be made; its appointment is named after its number.
#[must_use]
pub fn new(fx: &Fixture, number: u64, patient: &str, doctor: &str) -> NewConsultation {
    let mut conversation = fx.new_conversation(ConversationKind::Consultation, &[doctor, patient]);
    conversation.patient_id = Some(user(patient));
    let consultation = Consultation {
        consultation_id: id(number),
        conversation_id: conversation.conversation_id,
        appointment_id: format!("appointment {number}"),
        consultation_type: ConsultationType::Video,
        status: ConsultationStatus::Scheduled,
        patient_id: user(patient),
        doctor_id: user(doctor),
        scheduled_at: Some(fx.at(600)),
        started_at: None,
        ended_at: None,
        notes: None,
        created_at: fx.at(0),
        updated_at: fx.at(0),
    };
    NewConsultation {
        consultation,
        conversation,
    }
}

async fn make(fx: &Fixture, new: &NewConsultation) -> Room {
    let made = fx.store.create_consultation(new.clone()).await;
    assert_eq!(made, Ok(()));
    let id = new.conversation.conversation_id;
    let loaded = load(fx, id).await.expect("it was just made");
    Room::of(fx.clone(), id, &loaded)
}

async fn load(fx: &Fixture, id: ConversationId) -> Option<Loaded> {
    fx.store.load(id, true).await.expect("a load")
}

async fn get(fx: &Fixture, number: u64) -> Option<Consultation> {
    fx.store.consultation(id(number)).await.expect("a look-up")
}

async fn list(fx: &Fixture, select: ConsultationSelect) -> Vec<u64> {
    let listed = fx.store.consultations(select).await.expect("a listing");
    let numbers = listed.iter().map(|one| one.consultation_id.number());
    numbers.collect()
}

async fn rows(fx: &Fixture, user_id: &str) -> Vec<Conversation> {
    let select = Select::Page {
        after: None,
        limit: 10,
        without: Vec::new(),
    };
    let listed = fx.store.conversations(user(user_id), select).await;
    listed.expect("a listing").rows
}

/// Everything about a consultation, wherever it shows.
async fn assert_is(fx: &Fixture, expected: &Consultation) {
    let number = expected.consultation_id.number();
    assert_eq!(get(fx, number).await.as_ref(), Some(expected));
    let loaded = load(fx, expected.conversation_id).await.expect("known");
    assert_eq!(loaded.consultation.as_ref(), Some(expected));
    let select = ConsultationSelect {
        before: Some(id(number + 1)),
        limit: 1,
        ..ConsultationSelect::default()
    };
    let listed = fx.store.consultations(select).await;
    assert_eq!(listed, Ok(vec![expected.clone()]));
}

/// The entry that starts a room's consultation.
#[must_use]
pub fn start(room: &Room, number: u64, by: &str, fx: &Fixture) -> AppendBody {
    AppendBody::Consultation {
        event: Box::new(Event::ConsultationStarted(ConsultationStarted {
            consultation_id: id(number),
            by_user_id: user(by),
            at: fx.at(room.seq as i64 + 1),
        })),
        status: ConsultationStatus::InProgress,
        notes: None,
    }
}

/// The entry that ends a room's consultation.
#[must_use]
pub fn end(
    room: &Room,
    number: u64,
    by: Option<&str>,
    (status, notes): (ConsultationStatus, Option<&str>),
    fx: &Fixture,
) -> AppendBody {
    AppendBody::Consultation {
        event: Box::new(Event::ConsultationEnded(ConsultationEnded {
            consultation_id: id(number),
            status,
            by_user_id: by.map(user),
            at: fx.at(room.seq as i64 + 1),
        })),
        status,
        notes: notes.map(Arc::from),
    }
}

pub async fn one_is_made_with_its_conversation(fx: Fixture) {
    let mut wanted = new(&fx, 7, "p1", "d1");
    // The least and the most that a row can hold.
    wanted.consultation.scheduled_at = None;
    let room = make(&fx, &wanted).await;
    assert_is(&fx, &wanted.consultation).await;
    let mut full = new(&fx, ConsultationId::MAX, "p2", "d1");
    full.consultation.consultation_type = ConsultationType::Chat;
    full.consultation.status = ConsultationStatus::Completed;
    full.consultation.started_at = Some(fx.at(700));
    full.consultation.ended_at = Some(fx.at(800));
    full.consultation.notes = Some("took it well".to_owned());
    full.consultation.updated_at = fx.at(900);
    make(&fx, &full).await;
    let stored = get(&fx, ConsultationId::MAX).await;
    assert_eq!(stored, Some(full.consultation));

    let loaded = load(&fx, room.id).await.expect("known");
    assert_eq!(loaded.kind, ConversationKind::Consultation);
    assert_eq!(loaded.patient_id, Some(user("p1")));
    assert_eq!(loaded.head.seq, 1);
    let mut members: Vec<UserId> = loaded.members.into_iter().map(|m| m.user_id).collect();
    members.sort();
    assert_eq!(members, [user("d1"), user("p1")]);
    assert_eq!(room.read(EVERYTHING).await.events.len(), 1);
    let row = &rows(&fx, "p1").await[0];
    assert_eq!(
        (row.conversation_id, row.consultation_id),
        (room.id, Some(id(7)))
    );
    assert_eq!(get(&fx, 6).await, None);
}

/// Nothing is left of `refused`, and all of `kept` is there.
async fn assert_nothing_half_made(fx: &Fixture, kept: &NewConsultation, refused: &NewConsultation) {
    assert_is(fx, &kept.consultation).await;
    let conversation_id = refused.conversation.conversation_id;
    if conversation_id != kept.conversation.conversation_id {
        assert!(load(fx, conversation_id).await.is_none());
    }
    let refused_id = refused.consultation.consultation_id;
    if refused_id != kept.consultation.consultation_id {
        assert_eq!(get(fx, refused_id.number()).await, None);
    }
    let select = ConsultationSelect {
        limit: 10,
        ..ConsultationSelect::default()
    };
    assert_eq!(list(fx, select.clone()).await.len(), 1);
    assert_eq!(rows(fx, "p2").await, []);
    let of_member = ConsultationSelect {
        member_id: Some(user("p2")),
        ..select
    };
    assert_eq!(list(fx, of_member).await, NONE);
    assert_eq!(rows(fx, "d1").await.len(), 1);
}

pub async fn an_appointment_has_one(fx: Fixture) {
    let first = new(&fx, 1, "p1", "d1");
    make(&fx, &first).await;
    let mut second = new(&fx, 2, "p2", "d1");
    second.consultation.appointment_id = first.consultation.appointment_id.clone();
    let refused = fx.store.create_consultation(second.clone()).await;
    assert_eq!(refused, Err(StoreError::Conflict));
    assert_nothing_half_made(&fx, &first, &second).await;
    // Its ids are free, because nothing was made.
    second.consultation.appointment_id = "another".to_owned();
    make(&fx, &second).await;
    assert_is(&fx, &second.consultation).await;
}

pub async fn ids_are_taken_once(fx: Fixture) {
    let first = new(&fx, 1, "p1", "d1");
    make(&fx, &first).await;
    let mut same_number = new(&fx, 1, "p2", "d1");
    same_number.consultation.appointment_id = "another".to_owned();
    let mut same_room = new(&fx, 2, "p2", "d1");
    same_room.consultation.appointment_id = "another".to_owned();
    same_room.conversation.conversation_id = first.conversation.conversation_id;
    same_room.consultation.conversation_id = first.conversation.conversation_id;
    for second in [same_number, same_room] {
        let refused = fx.store.create_consultation(second.clone()).await;
        assert_eq!(refused, Err(StoreError::Conflict));
        assert_nothing_half_made(&fx, &first, &second).await;
    }
    let mut third = new(&fx, 2, "p2", "d1");
    third.consultation.appointment_id = "another".to_owned();
    make(&fx, &third).await;
}

pub async fn only_a_conversation_of_its_kind_will_do(fx: Fixture) {
    let first = new(&fx, 1, "p1", "d1");
    make(&fx, &first).await;
    fx.room_of(ConversationKind::Direct, &["d3", "p3"]).await;
    let mut direct = new(&fx, 2, "p3", "d3");
    direct.conversation.kind = ConversationKind::Direct;
    let mut team = new(&fx, 2, "p2", "d2");
    team.conversation.kind = ConversationKind::CareTeam;
    let mut other = new(&fx, 2, "p2", "d2");
    other.consultation.conversation_id = ConversationId::new();
    for odd in [direct, team, other] {
        let refused = fx.store.create_consultation(odd.clone()).await;
        assert_eq!(refused, Err(StoreError::Conflict));
        assert_nothing_half_made(&fx, &first, &odd).await;
    }
}

pub async fn one_starts_and_ends_by_its_log(fx: Fixture) {
    let wanted = new(&fx, 7, "p1", "d1");
    let mut room = make(&fx, &wanted).await;
    room.say("p1", "good morning").await;
    room.put_body(Some("d1"), start(&room, 7, "d1", &fx)).await;
    let begun = Consultation {
        status: ConsultationStatus::InProgress,
        started_at: Some(fx.at(3)),
        updated_at: fx.at(3),
        ..wanted.consultation
    };
    assert_is(&fx, &begun).await;
    room.say("d1", "how are you?").await;
    let over = (ConsultationStatus::Completed, Some("took it well"));
    room.put_body(Some("d1"), end(&room, 7, Some("d1"), over, &fx))
        .await;
    let ended = Consultation {
        status: ConsultationStatus::Completed,
        ended_at: Some(fx.at(5)),
        updated_at: fx.at(5),
        notes: Some("took it well".to_owned()),
        ..begun
    };
    assert_is(&fx, &ended).await;

    let started = ConsultationStarted {
        consultation_id: id(7),
        by_user_id: user("d1"),
        at: fx.at(3),
    };
    assert_eq!(room.event(3).await, Event::ConsultationStarted(started));
    let event = ConsultationEnded {
        consultation_id: id(7),
        status: ConsultationStatus::Completed,
        by_user_id: Some(user("d1")),
        at: fx.at(5),
    };
    assert_eq!(room.event(5).await, Event::ConsultationEnded(event));
    let loaded = load(&fx, room.id).await.expect("known");
    assert_eq!((loaded.head.seq, loaded.head.ord), (5, 2));
    // The log goes on behind it, and what ends again without notes keeps those that are there.
    room.say("p1", "thank you").await;
    let over = (ConsultationStatus::Completed, None);
    room.put_body(None, end(&room, 7, None, over, &fx)).await;
    let stored = get(&fx, 7).await.expect("known");
    assert_eq!(stored.notes.as_deref(), Some("took it well"));
}

pub async fn one_is_cancelled_without_a_start(fx: Fixture) {
    let wanted = new(&fx, 7, "p1", "d1");
    let mut room = make(&fx, &wanted).await;
    let over = (ConsultationStatus::Cancelled, None);
    room.put_body(None, end(&room, 7, None, over, &fx)).await;
    let cancelled = Consultation {
        status: ConsultationStatus::Cancelled,
        ended_at: Some(fx.at(2)),
        updated_at: fx.at(2),
        ..wanted.consultation
    };
    assert_is(&fx, &cancelled).await;
    let event = ConsultationEnded {
        consultation_id: id(7),
        status: ConsultationStatus::Cancelled,
        by_user_id: None,
        at: fx.at(2),
    };
    assert_eq!(room.event(2).await, Event::ConsultationEnded(event));
}

pub async fn what_the_log_refuses_changes_nothing(fx: Fixture) {
    let wanted = new(&fx, 7, "p1", "d1");
    let mut room = make(&fx, &wanted).await;
    let mut late = room.entry(Some("d1"), start(&room, 7, "d1", &fx));
    late.seq += 1;
    assert_eq!(fx.append(0, late).await, Err(StoreError::Conflict));
    let odd = room.entry(
        None,
        change(Change::State, ChangeEffect::Title(String::new())),
    );
    let AppendBody::Change { event, .. } = odd.body else {
        panic!("a change");
    };
    let odd = AppendBody::Consultation {
        event: Box::new(Event::ConversationChanged(*event)),
        status: ConsultationStatus::InProgress,
        notes: Some(Arc::from("never")),
    };
    assert_eq!(
        room.try_body(Some("d1"), odd).await,
        Err(StoreError::Conflict)
    );
    assert_is(&fx, &wanted.consultation).await;
    assert_eq!(room.read(EVERYTHING).await.events.len(), 1);
    room.put_body(Some("d1"), start(&room, 7, "d1", &fx)).await;
}

pub async fn other_conversations_have_none(fx: Fixture) {
    make(&fx, &new(&fx, 7, "p1", "d1")).await;
    let mut team = fx.room(&["d1", "p2"]).await;
    let loaded = load(&fx, team.id).await.expect("known");
    assert_eq!(loaded.consultation, None);
    assert_eq!(rows(&fx, "p2").await[0].consultation_id, None);
    let refused = team.try_body(Some("d1"), start(&team, 7, "d1", &fx)).await;
    assert_eq!(refused, Err(StoreError::Conflict));
    let stored = get(&fx, 7).await.expect("known");
    assert_eq!(stored.status, ConsultationStatus::Scheduled);
    team.say("d1", "and on it goes").await;
}

pub async fn the_newest_are_listed_first(fx: Fixture) {
    for number in [30, 10, 50, 20, 40] {
        make(&fx, &new(&fx, number, "p1", "d1")).await;
    }
    for (member_id, patient_id, doctor_id) in [
        (None, None, None),
        (Some(user("p1")), None, None),
        (None, Some(user("p1")), None),
        (None, None, Some(user("d1"))),
        (Some(user("d1")), Some(user("p1")), Some(user("d1"))),
    ] {
        let mut select = ConsultationSelect {
            member_id,
            patient_id,
            doctor_id,
            before: None,
            limit: 2,
        };
        let mut pages = Vec::new();
        for _ in 0..4 {
            let page = list(&fx, select.clone()).await;
            select.before = page.last().map(|last| id(*last)).or(select.before);
            pages.push(page);
        }
        assert_eq!(pages, [vec![50, 40], vec![30, 20], vec![10], vec![]]);
        select.limit = 0;
        assert_eq!(list(&fx, select).await, NONE);
    }
}

pub async fn lists_keep_to_what_was_asked_for(fx: Fixture) {
    for (number, patient, doctor) in [
        (1, "p1", "d1"),
        (2, "p2", "d1"),
        (3, "p1", "d2"),
        (4, "p2", "d2"),
        (5, "p1", "d1"),
    ] {
        make(&fx, &new(&fx, number, patient, doctor)).await;
    }
    let select = |member: Option<&str>, patient: Option<&str>, doctor: Option<&str>| {
        let select = ConsultationSelect {
            member_id: member.map(user),
            patient_id: patient.map(user),
            doctor_id: doctor.map(user),
            before: None,
            limit: 10,
        };
        list(&fx, select)
    };
    assert_eq!(select(None, None, None).await, [5, 4, 3, 2, 1]);
    assert_eq!(select(None, Some("p1"), None).await, [5, 3, 1]);
    assert_eq!(select(None, None, Some("d2")).await, [4, 3]);
    assert_eq!(select(None, Some("p1"), Some("d1")).await, [5, 1]);
    assert_eq!(select(Some("d1"), None, None).await, [5, 2, 1]);
    assert_eq!(select(Some("d1"), Some("p2"), None).await, [2]);
    assert_eq!(select(Some("p2"), None, Some("d2")).await, [4]);
    assert_eq!(select(Some("d1"), Some("p1"), Some("d2")).await, NONE);
    // A doctor of theirs is not a patient of theirs, and strangers have none.
    assert_eq!(select(None, Some("d1"), None).await, NONE);
    assert_eq!(select(None, None, Some("p1")).await, NONE);
    for nobody in ["n1", "never seen"] {
        assert_eq!(select(Some(nobody), None, None).await, NONE);
        assert_eq!(select(None, Some(nobody), None).await, NONE);
        assert_eq!(select(None, None, Some(nobody)).await, NONE);
        assert_eq!(select(Some("d1"), Some(nobody), None).await, NONE);
    }
}

pub async fn members_find_theirs(fx: Fixture) {
    let mut room = make(&fx, &new(&fx, 1, "p1", "d1")).await;
    make(&fx, &new(&fx, 2, "p2", "d1")).await;
    let of = |id: &str| {
        let select = ConsultationSelect {
            member_id: Some(user(id)),
            limit: 10,
            ..ConsultationSelect::default()
        };
        list(&fx, select)
    };
    // The patient's and the doctor's place in it do not come from the consultation's row.
    assert_eq!(of("n1").await, NONE);
    let comes = ChangeEffect::PutMember(fx.member("n1", 2));
    room.put_body(Some("d1"), change(Change::MemberAdded, comes))
        .await;
    assert_eq!(of("n1").await, [1]);
    let goes = ChangeEffect::EndMember(user("n1"));
    room.put_body(Some("d1"), change(Change::MemberRemoved, goes))
        .await;
    assert_eq!(of("n1").await, [1]);
    let back = ChangeEffect::PutMember(fx.member("n1", 4));
    room.put_body(Some("d1"), change(Change::MemberAdded, back))
        .await;
    assert_eq!(of("n1").await, [1]);
    assert_eq!(of("d1").await, [2, 1]);
}
