//! The tables, and how a file of an older version becomes one of this version.

use rusqlite::Connection;

/// "Bdsd": how a file is known to be ours.
pub(super) const APPLICATION_ID: i32 = 0x4264_7364;

/// One step per version, oldest first. A step that was released is never changed.
const STEPS: &[&str] = &[
    include_str!("migrations/0001_log.sql"),
    include_str!("migrations/0002_fold.sql"),
    include_str!("migrations/0003_consultations.sql"),
    include_str!("migrations/0004_denials.sql"),
    include_str!("migrations/0005_audit_chain.sql"),
    include_str!("migrations/0006_glass.sql"),
];

/// The version that this binary writes.
pub(super) const VERSION: i32 = STEPS.len() as i32;

/// Brings a file from the version it has to `to`, each step in a transaction of its own.
pub(super) fn migrate(conn: &Connection, to: i32) -> rusqlite::Result<()> {
    let from: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for version in from..to {
        let Some(step) = usize::try_from(version).ok().and_then(|n| STEPS.get(n)) else {
            break;
        };
        let next = version + 1;
        conn.execute_batch(&format!(
            "BEGIN IMMEDIATE; {step}; PRAGMA application_id = {APPLICATION_ID}; \
             PRAGMA user_version = {next}; COMMIT;"
        ))
        .inspect_err(|_| drop(conn.execute_batch("ROLLBACK")))?;
    }
    Ok(())
}
