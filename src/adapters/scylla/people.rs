//! The directory, relations, who shares a group, and the audit log.

use bedside_actors::ports::store::{AuditRecord, PersonRecord, Relation, StoreResult};
use bedside_protocol::{Roles, Timestamp, UserId};

use super::{cql::Cql, not_there_yet};

pub(super) async fn put_person(_cql: &Cql, _person: &PersonRecord) -> StoreResult<()> {
    not_there_yet()
}

pub(super) async fn put_last_seen(
    _cql: &Cql,
    _user_id: &UserId,
    _at: Timestamp,
) -> StoreResult<()> {
    not_there_yet()
}

/// These people in any order, unknown ones left out.
pub(super) async fn people(_cql: &Cql, _user_ids: &[UserId]) -> StoreResult<Vec<PersonRecord>> {
    // Loads ask for the names of members.
    Ok(Vec::new())
}

pub(super) async fn people_with_roles(
    _cql: &Cql,
    _roles: Roles,
    _after: Option<&UserId>,
    _limit: usize,
) -> StoreResult<Vec<PersonRecord>> {
    not_there_yet()
}

pub(super) async fn put_relation(_cql: &Cql, _relation: &Relation) -> StoreResult<()> {
    not_there_yet()
}

pub(super) async fn delete_relation(
    _cql: &Cql,
    _patient_id: &UserId,
    _user_id: &UserId,
) -> StoreResult<bool> {
    not_there_yet()
}

pub(super) async fn relations_of(_cql: &Cql, _user_id: &UserId) -> StoreResult<Vec<Relation>> {
    not_there_yet()
}

pub(super) async fn sharing_with(
    _cql: &Cql,
    _user_id: &UserId,
    _others: Vec<UserId>,
) -> StoreResult<Vec<UserId>> {
    not_there_yet()
}

pub(super) async fn audit(_cql: &Cql, _record: &AuditRecord) -> StoreResult<()> {
    not_there_yet()
}
