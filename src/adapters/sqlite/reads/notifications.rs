//! Notifications and settings.

use bedside_actors::ports::store::NotificationRecord;
use bedside_protocol::{Notification, NotificationId, UserId};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::adapters::sqlite::{
    fault::Fault,
    pen::find_user,
    values::{Named, count, int, notification_id, optional_json, optional_time, time},
};

pub(crate) fn list(
    conn: &Connection,
    user_id: &UserId,
    before: Option<NotificationId>,
    limit: usize,
) -> Result<Vec<NotificationRecord>, Fault> {
    let Some(user) = find_user(conn, user_id)? else {
        return Ok(Vec::new());
    };
    // Above every id: those begin with the time.
    let before = before.map_or([0xff; 16], NotificationId::to_bytes);
    let sql = "SELECT notification_id, type, title, body, data, action, created_at, read_at,
            acked_at
        FROM notifications WHERE user = ?1 AND notification_id < ?2
        ORDER BY notification_id DESC LIMIT ?3";
    let mut read = conn.prepare_cached(sql)?;
    let mut rows = read.query(params![user, before, int(limit as u64)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(record(row, user_id)?);
    }
    Ok(found)
}

fn record(row: &Row<'_>, user_id: &UserId) -> Result<NotificationRecord, Fault> {
    Ok(NotificationRecord {
        notification: Notification {
            notification_id: notification_id(row, 0)?,
            user_id: user_id.clone(),
            notification_type: Named::read(row, 1)?,
            title: row.get(2)?,
            body: row.get(3)?,
            data: optional_json(row, 4)?,
            action: row.get(5)?,
            created_at: time(row, 6)?,
        },
        read_at: optional_time(row, 7)?,
        acked_at: optional_time(row, 8)?,
    })
}

pub(crate) fn unread(conn: &Connection, user_id: &UserId) -> Result<u64, Fault> {
    let Some(user) = find_user(conn, user_id)? else {
        return Ok(0);
    };
    let sql = "SELECT COUNT(*) FROM notifications WHERE user = ?1 AND read_at IS NULL";
    let mut read = conn.prepare_cached(sql)?;
    let mut rows = read.query([user])?;
    rows.next()?.map_or(Ok(0), |row| count(row, 0))
}

pub(crate) fn settings(conn: &Connection, user_id: &UserId) -> Result<Option<String>, Fault> {
    let sql = "SELECT settings FROM settings
        WHERE user = (SELECT key FROM users WHERE user_id = ?1)";
    let mut find = conn.prepare_cached(sql)?;
    let found = find.query_row([user_id.as_str()], |row| row.get(0));
    Ok(found.optional()?)
}
