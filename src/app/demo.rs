//! The demo's people, and signing in as one of them.

use actix_web::HttpRequest;
use bedside_actors::{
    node::Node,
    ports::store::{PersonRecord, Relation, StoreError},
};
use bedside_protocol::{Person, RelationKind, Role, Roles, Timestamp, UserId};
use std::time::Duration;

use crate::{
    auth::{Grant, Minter},
    demo::{DemoPerson, PEOPLE, login_allowed, person},
    http::{DemoLogin, DemoToken},
};

/// Long enough for a day of trying things.
const TOKEN_TTL: Duration = Duration::from_secs(12 * 60 * 60);

/// Puts the demo's people into the directory, with the patient in the care of the others.
pub(super) async fn seed(node: &Node) -> Result<(), StoreError> {
    for demo in &PEOPLE {
        node.store()
            .put_person(PersonRecord {
                user_id: id(demo),
                name: demo.name.to_owned(),
                email: String::new(),
                roles: Roles::from(demo.role),
                last_seen_at: None,
            })
            .await?;
    }
    let patients = PEOPLE.iter().filter(|p| p.role == Role::Patient);
    for patient in patients {
        for clinician in PEOPLE.iter().filter(|p| p.role != Role::Patient) {
            let relation = Relation {
                patient_id: id(patient),
                user_id: id(clinician),
                kind: RelationKind::Clinician,
                until: None,
            };
            node.put_relation(relation).await?;
        }
    }
    Ok(())
}

fn id(demo: &DemoPerson) -> UserId {
    UserId::new(demo.user_id).expect("a user id, because it is written in this crate")
}

fn view(demo: &DemoPerson) -> Person {
    Person {
        user_id: id(demo),
        name: demo.name.to_owned(),
        roles: Roles::from(demo.role),
    }
}

/// Signs in without a password.
pub(super) struct Login(Minter);

impl Login {
    pub(super) fn new(minter: Minter) -> Self {
        Self(minter)
    }
}

impl DemoLogin for Login {
    fn allows(&self, request: &HttpRequest) -> bool {
        let headers = request.headers().iter();
        login_allowed(headers.map(|(name, value)| (name.as_str(), value.as_bytes())))
    }

    fn users(&self) -> Vec<Person> {
        PEOPLE.iter().map(view).collect()
    }

    fn login(&self, user_id: &UserId) -> Option<DemoToken> {
        let demo = person(user_id.as_str())?;
        let now = Timestamp::now();
        let token = self.0.mint(
            &Grant {
                user_id,
                roles: &[demo.role.name()],
                name: Some(demo.name),
                scopes: &[],
                ttl: TOKEN_TTL,
            },
            now,
        );
        let ttl_ms = i64::try_from(TOKEN_TTL.as_millis()).unwrap_or(i64::MAX);
        Some(DemoToken {
            token,
            token_expires_at: now.plus_millis(ttl_ms),
            user: view(demo),
        })
    }
}
