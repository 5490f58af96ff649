//! The directory, relations, the audit log and readiness.

use bedside_protocol::{ConversationKind, RelationKind, Role, Roles, event::Change};

use super::fixture::{Fixture, change, user};
use crate::ports::store::{ChangeEffect, PersonRecord, Relation};

fn person(id: &str, roles: Roles) -> PersonRecord {
    PersonRecord {
        user_id: user(id),
        name: format!("Name of {id}"),
        email: format!("{id}@clinic.example"),
        roles,
        last_seen_at: None,
    }
}

pub async fn people_are_remembered(fx: Fixture) {
    // A member whom the directory does not know is no person of it.
    fx.room(&["d1", "p1"]).await;
    let wanted = || vec![user("d1"), user("p1"), user("nobody")];
    assert_eq!(fx.store.people(wanted()).await, Ok(Vec::new()));
    let mut doctor = person("d1", Roles::from(Role::Doctor).with(Role::Admin));
    assert_eq!(fx.store.put_person(doctor.clone()).await, Ok(()));
    assert_eq!(fx.store.people(wanted()).await, Ok(vec![doctor.clone()]));
    doctor.name = "Dr. Ada".to_owned();
    doctor.roles = Roles::from(Role::Nurse);
    doctor.last_seen_at = Some(fx.at(3));
    assert_eq!(fx.store.put_person(doctor.clone()).await, Ok(()));
    assert_eq!(fx.store.people(wanted()).await, Ok(vec![doctor.clone()]));
    // A token without a name takes nobody's name away.
    let nameless = PersonRecord {
        name: String::new(),
        email: String::new(),
        last_seen_at: None,
        ..doctor.clone()
    };
    assert_eq!(fx.store.put_person(nameless).await, Ok(()));
    assert_eq!(fx.store.people(wanted()).await, Ok(vec![doctor]));
}

pub async fn last_seen_outlives_a_profile_update(fx: Fixture) {
    let seen = |at| PersonRecord {
        last_seen_at: Some(fx.at(at)),
        ..person("d1", Roles::from(Role::Doctor))
    };
    let unseen = person("d1", Roles::from(Role::Doctor));
    let people = || fx.store.people(vec![user("d1")]);
    assert_eq!(fx.store.put_last_seen(user("d1"), fx.at(1)).await, Ok(()));
    assert_eq!(people().await, Ok(Vec::new()));
    assert_eq!(fx.store.put_person(unseen.clone()).await, Ok(()));
    assert_eq!(people().await, Ok(vec![seen(1)]));
    assert_eq!(fx.store.put_last_seen(user("d1"), fx.at(2)).await, Ok(()));
    assert_eq!(fx.store.put_person(unseen).await, Ok(()));
    assert_eq!(people().await, Ok(vec![seen(2)]));
}

pub async fn people_are_paged_by_role(fx: Fixture) {
    for (id, role) in [
        ("e", Role::Doctor),
        ("a", Role::Nurse),
        ("c", Role::Patient),
        ("d", Role::Doctor),
        ("b", Role::Doctor),
    ] {
        let put = fx.store.put_person(person(id, Roles::from(role))).await;
        assert_eq!(put, Ok(()));
    }
    let clinicians = Roles::from(Role::Doctor).with(Role::Nurse);
    let page = |roles, after: Option<&str>| {
        let after = after.map(user);
        let store = fx.store.clone();
        async move {
            let found = store.people_with_roles(roles, after, 2).await;
            let found = found.expect("a page").into_iter();
            found.map(|p| p.user_id.to_string()).collect::<Vec<_>>()
        }
    };
    assert_eq!(page(clinicians, None).await, ["a", "b"]);
    assert_eq!(page(clinicians, Some("b")).await, ["d", "e"]);
    assert!(page(clinicians, Some("e")).await.is_empty());
    assert_eq!(page(Roles::from(Role::Patient), None).await, ["c"]);
    assert!(page(Roles::NONE, None).await.is_empty());
}

pub async fn relations_are_one_per_pair(fx: Fixture) {
    let relation = |patient: &str, other: &str, kind, until| Relation {
        patient_id: user(patient),
        user_id: user(other),
        kind,
        until,
    };
    let treats = relation("p1", "d1", RelationKind::Clinician, None);
    let mother = relation("p1", "f1", RelationKind::Family, Some(fx.at(10)));
    let other = relation("p2", "d1", RelationKind::Clinician, None);
    for new in [&treats, &mother, &other] {
        assert_eq!(fx.store.put_relation(new.clone()).await, Ok(()));
    }
    let of = |id: &str| {
        let (store, id) = (fx.store.clone(), user(id));
        async move {
            let mut all = store.relations_of(id).await.expect("relations");
            all.sort_by(|a, b| (&a.patient_id, &a.user_id).cmp(&(&b.patient_id, &b.user_id)));
            all
        }
    };
    assert_eq!(of("p1").await, [treats.clone(), mother.clone()]);
    assert_eq!(of("d1").await, [treats.clone(), other.clone()]);
    assert!(of("nobody").await.is_empty());

    let until = relation("p1", "d1", RelationKind::Assistant, Some(fx.at(99)));
    assert_eq!(fx.store.put_relation(until.clone()).await, Ok(()));
    assert_eq!(of("d1").await, [until, other.clone()]);
    let store = &fx.store;
    assert_eq!(
        store.delete_relation(user("p1"), user("d1")).await,
        Ok(true)
    );
    assert_eq!(
        store.delete_relation(user("p1"), user("d1")).await,
        Ok(false)
    );
    assert_eq!(store.delete_relation(user("x"), user("y")).await, Ok(false));
    assert_eq!(of("d1").await, [other]);
    assert_eq!(of("p1").await, [mother]);
}

pub async fn who_shares_a_group(fx: Fixture) {
    fx.room(&["d1", "p1"]).await;
    fx.room_of(ConversationKind::Broadcast, &["d1", "p2"]).await;
    let mut left = fx.room(&["d1", "p3"]).await;
    let gone = ChangeEffect::EndMember(user("p3"));
    left.put_body(None, change(Change::MemberLeft, gone)).await;
    fx.room(&["d2", "p4"]).await;
    fx.room_of(ConversationKind::Direct, &["p5", "d1"]).await;
    let others = || ["p1", "p2", "p3", "p4", "p5", "x"].map(user).to_vec();
    let shares = fx.store.sharing_with(user("d1"), others()).await;
    let mut shares = shares.expect("an answer");
    shares.sort();
    assert_eq!(shares, [user("p1")]);
    let none = fx.store.sharing_with(user("p3"), others()).await;
    assert_eq!(none, Ok(Vec::new()));
    let unknown = fx.store.sharing_with(user("x"), others()).await;
    assert_eq!(unknown, Ok(Vec::new()));
}

pub async fn an_open_store_is_ready(fx: Fixture) {
    assert_eq!(fx.store.ready().await, Ok(()));
    assert!(!fx.store.epoch().is_empty());
}
