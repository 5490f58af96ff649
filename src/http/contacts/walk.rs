//! Finds contacts page by page, with a bounded number of reads for each.

use bedside_actors::{
    ports::store::{PersonRecord, Relation},
    rights::{Party, direct_between},
};
use bedside_protocol::{RelationKind, Role, Roles, Timestamp, UserId};
use std::{
    collections::BTreeSet,
    ops::Bound::{Excluded, Unbounded},
};

use super::{
    HttpParts, Me, Problem,
    place::{Place, Stage},
};

/// Steps of one page. A clinician's patients without family take a step each and give no row.
const STEPS_MAX: usize = 64;
/// Patients whose clinicians are looked up for a family member.
const FAMILY_PATIENTS_MAX: usize = 50;

/// A walk over everyone whom the caller may write to.
pub(super) struct Walk<'a> {
    parts: &'a HttpParts,
    me: Party,
    now: Timestamp,
    limit: usize,
    /// The caller's, and for a family member those of their patients.
    relations: Vec<Relation>,
    /// Who stands on the other side of one of them.
    related: BTreeSet<UserId>,
    found: Vec<PersonRecord>,
}

impl<'a> Walk<'a> {
    /// Reads the caller's relations.
    pub(super) async fn start(
        parts: &'a HttpParts,
        me: &Me,
        limit: usize,
    ) -> Result<Self, Problem> {
        let mut walk = Self {
            parts,
            me: Party {
                user_id: me.id().clone(),
                roles: me.0.roles,
            },
            now: parts.node.clock().now(),
            limit,
            relations: Vec::new(),
            related: BTreeSet::new(),
            found: Vec::new(),
        };
        walk.relations = walk.live_relations_of(me.id()).await?;
        if me.0.roles.has(Role::Family) {
            for patient in walk
                .patients(RelationKind::Family)
                .into_iter()
                .take(FAMILY_PATIENTS_MAX)
            {
                let of_patient = walk.live_relations_of(&patient).await?;
                walk.relations.extend(of_patient);
            }
        }
        let ids = walk.relations.iter();
        walk.related = ids
            .flat_map(|relation| [&relation.patient_id, &relation.user_id])
            .filter(|id| **id != walk.me.user_id)
            .cloned()
            .collect();
        Ok(walk)
    }

    /// A page from `place`, or from the start, and where the list goes on.
    pub(super) async fn go_on(
        mut self,
        place: Option<Place>,
    ) -> Result<(Vec<PersonRecord>, Option<Place>), Problem> {
        let mut next = Some(place.unwrap_or_else(|| Place::start_of(Stage::Staff)));
        for _ in 0..STEPS_MAX {
            let Some(place) = next.take_if(|_| self.found.len() < self.limit) else {
                break;
            };
            next = match place.stage {
                Stage::Staff => self.staff(place).await?,
                Stage::Related => self.related(place).await?,
                Stage::Families => self.families(place).await?,
            };
        }
        Ok((self.found, next))
    }

    async fn staff(&mut self, place: Place) -> Result<Option<Place>, Problem> {
        if !self.me.roles.is_staff() {
            return Ok(Some(Place::start_of(Stage::Related)));
        }
        let room = self.room();
        let store = self.parts.node.store();
        let mut people = store
            .people_with_roles(staff_roles(), place.after, room + 1)
            .await?;
        let more = people.len() > room;
        people.truncate(room);
        let last = people.last().map(|person| person.user_id.clone());
        people.retain(|person| person.user_id != self.me.user_id);
        self.found.extend(people);
        Ok(Some(if more {
            Place {
                after: last,
                ..Place::start_of(Stage::Staff)
            }
        } else {
            Place::start_of(Stage::Related)
        }))
    }

    async fn related(&mut self, place: Place) -> Result<Option<Place>, Problem> {
        let ids = behind(&self.related, place.after.as_ref(), self.room());
        let last = ids.last().cloned();
        for person in self.people(ids).await? {
            if !self.is_in_staff_stage(&person) && self.may_write_to(&person, &self.relations) {
                self.found.push(person);
            }
        }
        let more = last.as_ref().is_some_and(|last| {
            let rest = (Excluded(last), Unbounded);
            self.related.range::<UserId, _>(rest).next().is_some()
        });
        Ok(if more {
            Some(Place {
                after: last,
                ..Place::start_of(Stage::Related)
            })
        } else {
            let is_clinician = self.me.roles.is_clinician();
            is_clinician.then(|| Place::start_of(Stage::Families))
        })
    }

    /// One patient's family.
    async fn families(&mut self, place: Place) -> Result<Option<Place>, Problem> {
        let patients = self.patients(RelationKind::Clinician);
        let here = match &place.patient {
            Some(patient) => patients.range(patient..).next(),
            None => patients.first(),
        };
        let Some(patient) = here else {
            return Ok(None);
        };
        let relations = self.live_relations_of(patient).await?;
        let family: BTreeSet<UserId> = relations
            .iter()
            .filter(|relation| relation.kind == RelationKind::Family)
            .map(|relation| relation.user_id.clone())
            .collect();
        let ids = behind(&family, place.after.as_ref(), self.room());
        let last = ids.last().cloned();
        for person in self.people(ids).await? {
            let came_before = self.is_in_staff_stage(&person)
                || self.related.contains(&person.user_id)
                || self
                    .first_patient_of(&person.user_id, &patients)
                    .await?
                    .as_ref()
                    != Some(patient);
            if !came_before && self.may_write_to(&person, &relations) {
                self.found.push(person);
            }
        }
        let more = last.as_ref().filter(|last| {
            let rest = (Excluded(*last), Unbounded);
            family.range::<UserId, _>(rest).next().is_some()
        });
        if let Some(last) = more {
            return Ok(Some(Place {
                stage: Stage::Families,
                patient: Some(patient.clone()),
                after: Some(last.clone()),
            }));
        }
        let next = patients
            .range::<UserId, _>((Excluded(patient), Unbounded))
            .next();
        Ok(next.map(|patient| Place {
            patient: Some(patient.clone()),
            ..Place::start_of(Stage::Families)
        }))
    }

    /// The first of the caller's patients whose family this person is: under that one they are
    /// listed.
    async fn first_patient_of(
        &self,
        user_id: &UserId,
        patients: &BTreeSet<UserId>,
    ) -> Result<Option<UserId>, Problem> {
        let relations = self.live_relations_of(user_id).await?;
        let family = relations
            .into_iter()
            .filter(|r| r.kind == RelationKind::Family && r.user_id == *user_id);
        Ok(family
            .map(|relation| relation.patient_id)
            .filter(|patient| patients.contains(patient))
            .min())
    }

    /// Patients to whom the caller stands in this relation.
    fn patients(&self, kind: RelationKind) -> BTreeSet<UserId> {
        self.relations
            .iter()
            .filter(|relation| relation.kind == kind && relation.user_id == self.me.user_id)
            .map(|relation| relation.patient_id.clone())
            .collect()
    }

    fn may_write_to(&self, person: &PersonRecord, relations: &[Relation]) -> bool {
        let party = Party {
            user_id: person.user_id.clone(),
            roles: person.roles,
        };
        direct_between(&self.me, &party, relations, self.now).is_some()
    }

    const fn is_in_staff_stage(&self, person: &PersonRecord) -> bool {
        self.me.roles.is_staff() && person.roles.is_staff()
    }

    const fn room(&self) -> usize {
        self.limit - self.found.len()
    }

    async fn live_relations_of(&self, user_id: &UserId) -> Result<Vec<Relation>, Problem> {
        let store = self.parts.node.store();
        let mut relations = store.relations_of(user_id.clone()).await?;
        relations.retain(|relation| relation.is_live(self.now));
        Ok(relations)
    }

    async fn people(&self, user_ids: Vec<UserId>) -> Result<Vec<PersonRecord>, Problem> {
        let mut people = self.parts.node.store().people(user_ids).await?;
        people.sort_by(|a, b| a.user_id.cmp(&b.user_id));
        Ok(people)
    }
}

/// The first `count` ids behind `after`.
fn behind(ids: &BTreeSet<UserId>, after: Option<&UserId>, count: usize) -> Vec<UserId> {
    let start = after.map_or(Unbounded, Excluded);
    let ids = ids.range::<UserId, _>((start, Unbounded));
    ids.take(count).cloned().collect()
}

/// Who holds one of these is staff.
fn staff_roles() -> Roles {
    let all = Role::ALL.iter().copied();
    all.filter(|role| Roles::from(*role).is_staff()).collect()
}
