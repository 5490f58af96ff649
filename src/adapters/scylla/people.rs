//! The directory, relations, and who shares a group.

use bedside_actors::ports::store::{PersonRecord, Relation, StoreResult};
use bedside_protocol::{ConversationId, ConversationKind, Roles, Timestamp, UserId};
use scylla::value::CqlTimestamp;
use std::collections::{BTreeSet, HashMap, HashSet};
use uuid::Uuid;

use super::{
    conversation,
    cql::{Cql, Query, all},
    marks::window_end,
    values::{Named as _, Sparse, at, conversation_id, named, time, user_id as parse_user_id},
};

const PUT_HOLDER: Query = Query::write("INSERT INTO users_by_role (role, user_id) VALUES (?, ?)");
const PUT_PERSON: Query = Query::write(
    "INSERT INTO users (user_id, name, email, roles, last_seen_at) VALUES (?, ?, ?, ?, ?)",
);
const PUT_LAST_SEEN: Query =
    Query::write("INSERT INTO users (user_id, last_seen_at) VALUES (?, ?)");
const PERSON: Query =
    Query::read("SELECT name, email, roles, last_seen_at FROM users WHERE user_id = ?");
const HOLDERS: Query =
    Query::read("SELECT user_id FROM users_by_role WHERE role = ? AND user_id > ? LIMIT ?");
const PUT_RELATION: Query =
    Query::write("INSERT INTO relations (patient_id, user_id, kind, until) VALUES (?, ?, ?, ?)");
const PUT_RELATION_BY_USER: Query = Query::write(
    "INSERT INTO relations_by_user (patient_id, user_id, kind, until) VALUES (?, ?, ?, ?)",
);
const RELATION: Query =
    Query::read("SELECT kind FROM relations WHERE patient_id = ? AND user_id = ?");
const DELETE_RELATION: Query =
    Query::write("DELETE FROM relations WHERE patient_id = ? AND user_id = ?");
const DELETE_RELATION_BY_USER: Query =
    Query::write("DELETE FROM relations_by_user WHERE patient_id = ? AND user_id = ?");
const OF_PATIENT: Query =
    Query::read("SELECT patient_id, user_id, kind, until FROM relations WHERE patient_id = ?");
const OF_USER: Query =
    Query::read("SELECT patient_id, user_id, kind, until FROM relations_by_user WHERE user_id = ?");
const GROUPS: Query = Query::read(
    "SELECT conversation_id, kind, last_seq FROM conversations_by_user WHERE user_id = ?",
);
/// Holders of a role that are looked at in one go, at most.
const HOLDERS_MAX: usize = 200;

type PersonRow = (
    Option<String>,
    Option<String>,
    Option<i8>,
    Option<CqlTimestamp>,
);

/// First where it is found by role, then the person: who is not there yet is passed over.
pub(super) async fn put_person(cql: &Cql, person: &PersonRecord) -> StoreResult<()> {
    let id = person.user_id.as_str();
    let holds = person.roles.iter();
    let held = holds.map(|role| cql.write(PUT_HOLDER, (role.name(), id)));
    all(held.collect()).await?;
    let known = |text: &String| Sparse((!text.is_empty()).then(|| text.clone()));
    let values = (
        id,
        known(&person.name),
        known(&person.email),
        person.roles.bits().cast_signed(),
        Sparse(person.last_seen_at.map(at)),
    );
    cql.write(PUT_PERSON, values).await
}

pub(super) async fn put_last_seen(cql: &Cql, user_id: &UserId, when: Timestamp) -> StoreResult<()> {
    cql.write(PUT_LAST_SEEN, (user_id.as_str(), at(when))).await
}

/// These people in this order, unknown ones left out.
pub(super) async fn people(cql: &Cql, user_ids: &[UserId]) -> StoreResult<Vec<PersonRecord>> {
    let asked = user_ids.iter().map(|id| person(cql, id));
    let found = all(asked.collect()).await?;
    Ok(found.into_iter().flatten().collect())
}

/// None for one who was seen, but of whom nothing is known.
async fn person(cql: &Cql, id: &UserId) -> StoreResult<Option<PersonRecord>> {
    let found = cql.first::<PersonRow>(PERSON, (id.as_str(),)).await?;
    let Some((name, email, Some(roles), last_seen_at)) = found else {
        return Ok(None);
    };
    Ok(Some(PersonRecord {
        user_id: id.clone(),
        name: name.unwrap_or_default(),
        email: email.unwrap_or_default(),
        roles: Roles::from_bits(roles.cast_unsigned()),
        last_seen_at: last_seen_at.map(time),
    }))
}

pub(super) async fn people_with_roles(
    cql: &Cql,
    roles: Roles,
    after: Option<&UserId>,
    limit: usize,
) -> StoreResult<Vec<PersonRecord>> {
    let mut found: Vec<PersonRecord> = Vec::new();
    let mut after = after.map_or_else(String::new, ToString::to_string);
    while found.len() < limit {
        let (ids, has_more) = holders(cql, roles, &after, limit.min(HOLDERS_MAX)).await?;
        let people = people(cql, &ids).await?.into_iter();
        found.extend(people.filter(|person| person.roles.bits() & roles.bits() != 0));
        match ids.last() {
            Some(last) if has_more => after = last.to_string(),
            _ => break,
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// Who holds, or held, one of these roles: ascending and without a hole, and whether there are
/// more.
async fn holders(
    cql: &Cql,
    roles: Roles,
    after: &str,
    limit: usize,
) -> StoreResult<(Vec<UserId>, bool)> {
    let bound = i32::try_from(limit).unwrap_or(i32::MAX);
    let asked = roles
        .iter()
        .map(|role| cql.rows::<(String,)>(HOLDERS, (role.name(), after, bound)));
    let lists = all(asked.collect()).await?;
    // Behind the end of a full list there may be more of that role, before the end of another.
    let full = lists.iter().filter(|list| list.len() >= limit);
    let sure_to = full.filter_map(|list| list.last()).min().cloned();
    let ids: BTreeSet<(String,)> = lists.into_iter().flatten().collect();
    let sure = ids
        .into_iter()
        .filter(|id| sure_to.as_ref().is_none_or(|end| id <= end));
    let ids = sure.map(|(id,)| parse_user_id(&id));
    Ok((ids.collect::<StoreResult<_>>()?, sure_to.is_some()))
}

/// In both tables, or in none for long.
pub(super) async fn put_relation(cql: &Cql, relation: &Relation) -> StoreResult<()> {
    let row = (
        relation.patient_id.as_str(),
        relation.user_id.as_str(),
        relation.kind.name(),
        // A null where there is no end: it takes away the one that may have been there.
        relation.until.map(at),
    );
    let both = [PUT_RELATION, PUT_RELATION_BY_USER];
    cql.write_all(&both, (row, row)).await
}

/// Two who end it at once may both hear that they did.
pub(super) async fn delete_relation(
    cql: &Cql,
    patient_id: &UserId,
    user_id: &UserId,
) -> StoreResult<bool> {
    let key = (patient_id.as_str(), user_id.as_str());
    if cql.first::<(String,)>(RELATION, key).await?.is_none() {
        return Ok(false);
    }
    let both = [DELETE_RELATION, DELETE_RELATION_BY_USER];
    cql.write_all(&both, (key, key)).await?;
    Ok(true)
}

type RelationRow = (String, String, String, Option<CqlTimestamp>);

pub(super) async fn relations_of(cql: &Cql, user_id: &UserId) -> StoreResult<Vec<Relation>> {
    let id = (user_id.as_str(),);
    let (patient, other) = futures_util::try_join!(
        cql.rows::<RelationRow>(OF_PATIENT, id),
        cql.rows::<RelationRow>(OF_USER, id)
    )?;
    let mut pairs = HashSet::new();
    let mut relations = Vec::new();
    for (patient_id, user_id, kind, until) in patient.into_iter().chain(other) {
        // Who is related to themselves is in both.
        if !pairs.insert((patient_id.clone(), user_id.clone())) {
            continue;
        }
        relations.push(Relation {
            patient_id: parse_user_id(&patient_id)?,
            user_id: parse_user_id(&user_id)?,
            kind: named(&kind)?,
            until: until.map(time),
        });
    }
    Ok(relations)
}

/// Those of `others` who are present members of a group that the user is a present member of.
pub(super) async fn sharing_with(
    cql: &Cql,
    user_id: &UserId,
    others: Vec<UserId>,
) -> StoreResult<Vec<UserId>> {
    let own = groups(cql, user_id).await?;
    if own.is_empty() {
        return Ok(Vec::new());
    }
    // One of a conversation that was never finished counts for nothing.
    let mut is_real: HashMap<ConversationId, bool> = HashMap::new();
    let mut sharing = Vec::new();
    let theirs = others.iter().map(|other| groups(cql, other));
    let theirs = all(theirs.collect()).await?;
    for (other, groups) in others.into_iter().zip(theirs) {
        for group in own.intersection(&groups) {
            let real = match is_real.get(group) {
                Some(real) => *real,
                None => conversation::standing(cql, *group).await?.is_some(),
            };
            is_real.insert(*group, real);
            if real {
                sharing.push(other);
                break;
            }
        }
    }
    Ok(sharing)
}

type GroupRow = (Uuid, Option<String>, Option<i64>);

/// The groups that somebody is in. Broadcasts hide their members and direct conversations rest on
/// relations.
async fn groups(cql: &Cql, user_id: &UserId) -> StoreResult<HashSet<ConversationId>> {
    let rows: Vec<GroupRow> = cql.rows(GROUPS, (user_id.as_str(),)).await?;
    let mut groups = HashSet::new();
    for (id, kind, last_seq) in rows {
        let Some(kind) = kind else {
            continue;
        };
        let is_group = !matches!(
            named(&kind)?,
            ConversationKind::Broadcast | ConversationKind::Direct
        );
        if is_group && window_end(last_seq)?.is_none() {
            groups.insert(conversation_id(id));
        }
    }
    Ok(groups)
}
