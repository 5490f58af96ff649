//! The directory and relations.

use bedside_actors::ports::store::{PersonRecord, Relation};
use bedside_protocol::{Roles, UserId};
use rusqlite::{Connection, Row, params};

use crate::adapters::sqlite::{
    fault::Fault,
    pen::find_user,
    values::{Named, int, optional_time, user_id},
};

const PERSON: &str = "SELECT user_id, name, email, roles, last_seen_at FROM users";

fn person(row: &Row<'_>) -> Result<PersonRecord, Fault> {
    Ok(PersonRecord {
        user_id: user_id(row, 0)?,
        name: row.get(1)?,
        email: row.get(2)?,
        roles: Roles::from_bits(row.get(3)?),
        last_seen_at: optional_time(row, 4)?,
    })
}

pub(crate) fn people(conn: &Connection, ids: &[UserId]) -> Result<Vec<PersonRecord>, Fault> {
    let sql = format!("{PERSON} WHERE user_id = ?1 AND roles IS NOT NULL");
    let mut find = conn.prepare_cached(&sql)?;
    let mut people = Vec::new();
    for id in ids {
        let mut rows = find.query([id.as_str()])?;
        if let Some(row) = rows.next()? {
            people.push(person(row)?);
        }
    }
    Ok(people)
}

pub(crate) fn with_roles(
    conn: &Connection,
    roles: Roles,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Vec<PersonRecord>, Fault> {
    let sql = format!("{PERSON} WHERE roles & ?1 <> 0 AND user_id > ?2 ORDER BY user_id LIMIT ?3");
    let mut find = conn.prepare_cached(&sql)?;
    let after = after.map_or("", UserId::as_str);
    let mut rows = find.query(params![roles.bits(), after, int(limit as u64)])?;
    let mut people = Vec::new();
    while let Some(row) = rows.next()? {
        people.push(person(row)?);
    }
    Ok(people)
}

pub(crate) fn relations_of(conn: &Connection, id: &UserId) -> Result<Vec<Relation>, Fault> {
    let Some(user) = find_user(conn, id)? else {
        return Ok(Vec::new());
    };
    let sql = "SELECT p.user_id, u.user_id, r.kind, r.until
        FROM relations r JOIN users p ON p.key = r.patient JOIN users u ON u.key = r.user
        WHERE r.patient = ?1 OR r.user = ?1 ORDER BY p.user_id, u.user_id";
    let mut find = conn.prepare_cached(sql)?;
    let mut rows = find.query([user])?;
    let mut relations = Vec::new();
    while let Some(row) = rows.next()? {
        relations.push(Relation {
            patient_id: user_id(row, 0)?,
            user_id: user_id(row, 1)?,
            kind: Named::read(row, 2)?,
            until: optional_time(row, 3)?,
        });
    }
    Ok(relations)
}

pub(crate) fn sharing_with(
    conn: &Connection,
    id: &UserId,
    others: Vec<UserId>,
) -> Result<Vec<UserId>, Fault> {
    let Some(user) = find_user(conn, id)? else {
        return Ok(Vec::new());
    };
    let sql = "SELECT EXISTS (
            SELECT 1 FROM conversation_members a
            JOIN conversation_members b ON b.conv = a.conv
            JOIN conversations c ON c.key = a.conv
            WHERE a.user = ?1 AND a.last_seq IS NULL AND c.kind NOT IN ('broadcast', 'direct')
                AND b.user = ?2 AND b.last_seq IS NULL)";
    let mut shares = conn.prepare_cached(sql)?;
    let mut sharing = Vec::new();
    for other in others {
        if let Some(key) = find_user(conn, &other)?
            && shares.query_one([user, key], |row| row.get(0))?
        {
            sharing.push(other);
        }
    }
    Ok(sharing)
}
