//! Consultations are made by those who may, one per appointment, with all that belongs to them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bedside_actors::{
    node::{ConsultationFilter, Node},
    ports::{
        clock::{Clock, ManualClock},
        store::Relation,
    },
    testkit::{
        client::{Client, PlainIdentities, config, node},
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{
    Command, CommandError, ConsultationStatus, ConversationKind, ErrorCode, Event, MemberRole,
    RelationKind, Role, Timestamp, event::Change,
};
use common::{clinic::*, *};
use std::{collections::HashSet, sync::Arc};

fn code<T: std::fmt::Debug>(result: Result<T, CommandError>) -> ErrorCode {
    result.expect_err("it is refused").code
}

async fn relations(node: &Node, of: &str) -> Vec<Relation> {
    node.store().relations_of(user(of)).await.unwrap()
}

/// All that there are, as the clinic's calendar sees them.
async fn count(node: &Arc<Node>) -> usize {
    let filter = ConsultationFilter {
        limit: usize::MAX,
        ..ConsultationFilter::default()
    };
    let all = node.consultations(&service(), filter).await;
    all.unwrap().len()
}

#[test]
fn it_comes_with_a_conversation_and_a_relation() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        let (mut patient, mut doctor, made) = clinic(&node).await;
        assert_eq!(made.status, ConsultationStatus::Scheduled);
        let id = made.conversation_id;
        for client in [&patient, &doctor] {
            let [(1, Event::ConversationChanged(created))] = &client.seen(id)[..] else {
                panic!("one entry");
            };
            assert_eq!(created.change, Change::Created);
            assert_eq!(created.by_user_id, Some(user("calendar")));
            assert_eq!(created.patient_id, Some(user("p")));
            assert_eq!(created.member_ids, [user("p"), user("d")]);
        }
        let view = node.conversation(&caller("p", Role::Patient), id).await;
        let view = view.unwrap();
        assert_eq!(view.kind, ConversationKind::Consultation);
        assert_eq!(view.consultation_id, Some(made.consultation_id));
        let roles = view
            .members
            .iter()
            .map(|m| (m.user_id.as_str(), m.member_role));
        let expected = HashSet::from([("d", MemberRole::Admin), ("p", MemberRole::Member)]);
        assert_eq!(roles.collect::<HashSet<_>>(), expected);
        // Both write in it, and now also to each other.
        patient.say(id, "good morning").await.unwrap();
        doctor.see(id, 2).await;
        make(&mut patient, direct("d")).await;
        make(&mut doctor, direct("p")).await;
    });
}

#[test]
fn doctors_admins_and_the_clinics_systems_make_them() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        know(&node, &[("p", Role::Patient), ("d", Role::Doctor)]).await;
        for role in Role::ALL {
            let made = node
                .create_consultation(&caller("x", *role), request(role.name()))
                .await;
            match role {
                Role::Doctor | Role::Admin | Role::Service => {
                    let made = made.unwrap();
                    assert_eq!(made.doctor_id, user("d"));
                    let log = node.store().load(made.conversation_id, true).await.unwrap();
                    assert_eq!(log.unwrap().created_by, user("x"));
                }
                _ => assert_eq!(code(made), ErrorCode::Forbidden),
            }
        }
        assert_eq!(count(&node).await, 3);
    });
}

#[test]
fn a_doctor_who_names_none_holds_it_also_before_the_directory_knows_them() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        know(&node, &[("p", Role::Patient)]).await;
        let mut own = request("a1");
        own.doctor_id = None;
        let made = node
            .create_consultation(&caller("new", Role::Doctor), own.clone())
            .await;
        assert_eq!(made.unwrap().doctor_id, user("new"));
        own.appointment_id = "a2".to_owned();
        let made = node
            .create_consultation(&caller("x", Role::Admin), own)
            .await;
        assert_eq!(code(made), ErrorCode::InvalidArgument);
    });
}

#[test]
fn the_two_must_be_known_and_be_what_they_are_to_be() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        let people = [
            ("p", Role::Patient),
            ("d", Role::Doctor),
            ("n", Role::Nurse),
            ("a", Role::Assistant),
        ];
        know(&node, &people).await;
        for (patient, doctor, refused) in [
            ("ghost", "d", ErrorCode::NotFound),
            ("p", "ghost", ErrorCode::NotFound),
            ("n", "d", ErrorCode::InvalidArgument),
            ("p", "a", ErrorCode::InvalidArgument),
            ("p", "p", ErrorCode::InvalidArgument),
        ] {
            let mut request = request("a1");
            request.patient_id = user(patient);
            request.doctor_id = Some(user(doctor));
            let refusal = node.create_consultation(&service(), request).await;
            assert_eq!(code(refusal), refused, "{patient} {doctor}");
        }
        assert_eq!(count(&node).await, 0);
        assert!(relations(&node, "p").await.is_empty());
        let mut held_by_nurse = request("a1");
        held_by_nurse.doctor_id = Some(user("n"));
        node.create_consultation(&service(), held_by_nurse)
            .await
            .unwrap();
    });
}

#[test]
fn an_appointment_has_one() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        let people = [
            ("p", Role::Patient),
            ("d", Role::Doctor),
            ("e", Role::Doctor),
        ];
        know(&node, &people).await;
        let service = service();
        let both = futures_util::future::join(
            node.create_consultation(&service, request("a1")),
            node.create_consultation(&service, request("a1")),
        );
        let both: [_; 2] = both.await.into();
        assert_eq!(both.iter().filter(|made| made.is_ok()).count(), 1);
        let mut of_others = request("a1");
        of_others.doctor_id = Some(user("e"));
        let again = node.create_consultation(&service, of_others).await;
        assert_eq!(code(again), ErrorCode::Conflict);
        assert_eq!(count(&node).await, 1);
        // What was refused relates nobody.
        let relations = relations(&node, "e").await;
        assert!(relations.is_empty(), "{relations:?}");
    });
}

#[test]
fn an_id_that_is_taken_gives_way_to_another() {
    run(async {
        // All in one millisecond, which has 4,096 ids.
        let clock = Arc::new(ManualClock::new(Timestamp::now()));
        let liar = Liar::new(&Disk::new());
        let node = Node::start(config(), liar, clock, Arc::new(PlainIdentities));
        know(&node, &[("p", Role::Patient), ("d", Role::Doctor)]).await;
        let mut ids = HashSet::new();
        for i in 0..400 {
            let made = book(&node, &format!("a{i}")).await;
            ids.insert(made.consultation_id);
        }
        assert_eq!(ids.len(), 400);
    });
}

#[test]
fn a_live_relation_stays_as_it_is_and_an_ended_one_comes_back() {
    run(async {
        let clock = Arc::new(ManualClock::new(Timestamp::now()));
        let liar = Liar::new(&Disk::new());
        let node = Node::start(config(), liar, clock.clone(), Arc::new(PlainIdentities));
        know(&node, &[("p", Role::Patient), ("d", Role::Doctor)]).await;
        let until = Some(clock.now().plus_millis(60_000));
        let given = Relation {
            until,
            ..relation("p", "d", RelationKind::Clinician)
        };
        node.put_relation(given.clone()).await.unwrap();
        book(&node, "a1").await;
        assert_eq!(relations(&node, "p").await, [given]);
        clock.advance_ms(60_000);
        book(&node, "a2").await;
        let for_good = relation("p", "d", RelationKind::Clinician);
        assert_eq!(relations(&node, "p").await, [for_good]);
    });
}

#[test]
fn a_store_that_fails_on_the_way_is_told_and_mended() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        know(&node, &[("p", Role::Patient), ("d", Role::Doctor)]).await;
        let mut doctor = Client::open(&node, "d", Role::Doctor).await;
        let service = service();
        let make = || node.create_consultation(&service, request("a1"));
        for step in ["people", "create_consultation"] {
            liar.moods(move |name| name == step);
            assert_eq!(code(make().await), ErrorCode::Unavailable, "{step}");
            liar.be_honest();
            assert_eq!(count(&node).await, 0);
        }
        liar.moods(|name| name == "put_relation");
        assert_eq!(code(make().await), ErrorCode::Unavailable);
        liar.be_honest();
        // It is there, and its people have heard of it.
        let mine = node
            .consultations(
                &caller("d", Role::Doctor),
                ConsultationFilter {
                    limit: 9,
                    ..ConsultationFilter::default()
                },
            )
            .await
            .unwrap();
        doctor.see(mine[0].conversation_id, 1).await;
        assert!(relations(&node, "p").await.is_empty());
        assert_eq!(code(make().await), ErrorCode::Conflict);
        assert_eq!(relations(&node, "p").await.len(), 1);
    });
}

#[test]
fn people_see_their_own_and_the_calendar_sees_all() {
    run(async {
        let node = node(config(), Liar::new(&Disk::new()));
        let (_patient, mut doctor, first) = clinic(&node).await;
        know(&node, &[("q", Role::Patient), ("n", Role::Nurse)]).await;
        let mut other = request("a2");
        other.patient_id = user("q");
        let second = node.create_consultation(&service(), other).await.unwrap();
        let third = book(&node, "a3").await;
        let list = async |who: &_, filter: ConsultationFilter| {
            let found = node.consultations(who, filter).await.unwrap();
            found.iter().map(|c| c.consultation_id).collect::<Vec<_>>()
        };
        let all = || ConsultationFilter {
            limit: 9,
            ..ConsultationFilter::default()
        };
        let [a, b, c] = [&first, &second, &third].map(|made| made.consultation_id);
        let newest_first = |mut ids: Vec<_>| {
            ids.sort();
            ids.reverse();
            ids
        };
        let admin = caller("x", Role::Admin);
        for who in [&service(), &admin, &caller("d", Role::Doctor)] {
            assert_eq!(list(who, all()).await, newest_first(vec![a, b, c]));
            node.consultation(who, b).await.unwrap();
        }
        let patient = caller("p", Role::Patient);
        assert_eq!(list(&patient, all()).await, newest_first(vec![a, c]));
        assert_eq!(
            code(node.consultation(&patient, b).await),
            ErrorCode::NotFound
        );
        let stranger = caller("n", Role::Nurse);
        assert!(list(&stranger, all()).await.is_empty());
        assert_eq!(
            code(node.consultation(&stranger, a).await),
            ErrorCode::NotFound
        );
        let mut nobody = caller("p", Role::Patient);
        nobody.roles = bedside_protocol::Roles::NONE;
        assert!(list(&nobody, all()).await.is_empty());
        // By patient, by doctor, and page by page.
        let of = |patient: Option<&str>, doctor: Option<&str>| ConsultationFilter {
            patient_id: patient.map(user),
            doctor_id: doctor.map(user),
            ..all()
        };
        assert_eq!(list(&admin, of(Some("q"), None)).await, [b]);
        assert_eq!(list(&admin, of(Some("q"), Some("n"))).await, []);
        let mut page = all();
        page.limit = 1;
        let mut pages = Vec::new();
        while let [id] = list(&admin, page.clone()).await[..] {
            pages.push(id);
            page.before = Some(id);
        }
        assert_eq!(pages, newest_first(vec![a, b, c]));
        // Who has left sees that it was, and nothing that was noted since.
        doctor
            .ask(Command::MemberAdd(add(first.conversation_id, "n")))
            .await
            .unwrap();
        doctor
            .ask(remove(first.conversation_id, "n"))
            .await
            .unwrap();
        doctor.ask(start(a)).await.unwrap();
        doctor.ask(end(a, Some("noted"))).await.unwrap();
        let seen = node.consultation(&stranger, a).await.unwrap();
        assert_eq!(seen.notes, None);
        assert_eq!(list(&stranger, all()).await, [a]);
        let seen = node.consultation(&patient, a).await.unwrap();
        assert_eq!(seen.notes.as_deref(), Some("noted"));
    });
}

#[test]
fn it_is_shown_to_nobody_when_the_store_cannot_tell_whose_it_is() {
    run(async {
        let liar = Liar::new(&Disk::new());
        let node = node(config(), liar.clone());
        let (_patient, _doctor, made) = clinic(&node).await;
        let stranger = caller("z", Role::Nurse);
        for step in ["conversations", "consultation"] {
            liar.moods(move |name| name == step);
            let seen = node.consultation(&stranger, made.consultation_id).await;
            assert_eq!(code(seen), ErrorCode::Unavailable);
        }
    });
}
