//! Opening the files: who may, what is found, and how connections are set up.

use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::{
    fmt,
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::{fault, schema};

/// Bytes of a page of the database.
pub(super) const PAGE_BYTES: u64 = 8_192;
/// Prepared statements that a connection keeps; more than there are.
const STATEMENTS: usize = 128;

/// Why a store could not be opened. The texts tell an operator what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    Locked(PathBuf),
    /// The directory or a file in it cannot be written.
    NotWritable(PathBuf, std::io::Error),
    /// The disk is full.
    Full(PathBuf),
    /// The file is damaged; SQLite's own words say how.
    Damaged(PathBuf, String),
    /// The file is a database of something else.
    Foreign(PathBuf),
    /// A newer version wrote it.
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i32,
        /// The highest that this binary knows.
        known: i32,
    },
    /// Something else.
    Failed(PathBuf, String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked(path) => write!(
                f,
                "{} is in use by another process: stop that one, or name another data directory",
                path.display()
            ),
            Self::NotWritable(path, why) => write!(
                f,
                "{} cannot be written ({why}): give this user the right to write there, or name \
                 another data directory",
                path.display()
            ),
            Self::Full(path) => {
                write!(f, "the disk of {} is full: free some space", path.display())
            }
            Self::Damaged(path, why) => write!(
                f,
                "{} is damaged ({why}): restore a back-up, or try the sqlite3 tool's .recover \
                 on a copy",
                path.display()
            ),
            Self::Foreign(path) => write!(
                f,
                "{} is a database of another program: name another data directory",
                path.display()
            ),
            Self::Newer { path, found, known } => write!(
                f,
                "{} was written by a newer version (schema {found}, this one knows {known}): \
                 run that version",
                path.display()
            ),
            Self::Failed(path, why) => write!(f, "{} cannot be opened: {why}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}

impl OpenError {
    pub(super) fn sql(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(path),
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::Damaged(path, fault::describe(error))
            }
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::NotWritable(path, std::io::Error::other(fault::describe(error)))
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(path),
            Some(_) => Self::Failed(path, fault::describe(error)),
            // SQLite did as it was asked, and what it read makes no sense.
            None => Self::Damaged(path, fault::describe(error)),
        }
    }

    pub(super) fn io(path: &Path, error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull => Self::Full(path.to_owned()),
            _ => Self::NotWritable(path.to_owned(), error),
        }
    }
}

/// Makes the directory and takes it for this process, until the file is dropped. What is made
/// here is for its owner alone.
pub(super) fn lock(dir: &Path) -> Result<File, OpenError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| OpenError::io(dir, error))?;
    let path = dir.join("bedside.lock");
    let file = private(&path).map_err(|error| OpenError::io(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(OpenError::io(&path, error)),
    }
}

/// A file that only its owner may read, made when it is not there.
fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
}

/// The writer's connection, on a file that is ours and of this version.
pub(super) fn writer(path: &Path, version: i32) -> Result<Connection, OpenError> {
    let sql = |error| OpenError::sql(path, &error);
    // SQLite would let everybody read it. Its other files get the mode of this one.
    drop(private(path).map_err(|error| OpenError::io(path, error))?);
    let conn = Connection::open(path).map_err(sql)?;
    set_up_writer(&conn).map_err(sql)?;
    let number = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let id = number("application_id").map_err(sql)?;
    let found = number("user_version").map_err(sql)?;
    let tables = "SELECT COUNT(*) FROM sqlite_schema";
    let tables: i64 = conn.query_one(tables, [], |row| row.get(0)).map_err(sql)?;
    if id != schema::APPLICATION_ID && (id != 0 || tables > 0) {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    if found > version {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: version,
        });
    }
    schema::migrate(&conn, version).map_err(sql)?;
    Ok(conn)
}

fn set_up_writer(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    // The page size counts only before the first table; an older file keeps its own. The cache
    // is small: appends gain nothing from a larger one, the operating system keeps the file
    // anyway, and what 80 MB of messages may cost the process is measured.
    conn.execute_batch(&format!(
        "PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -4096; PRAGMA mmap_size = 0;
         PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"
    ))
}

/// A second connection that may write: the checkpoint thread's.
pub(super) fn checkpointer(path: &Path) -> Result<Connection, OpenError> {
    let sql = |error| OpenError::sql(path, &error);
    let conn = Connection::open(path).map_err(sql)?;
    let set_up = "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; \
                  PRAGMA cache_size = -512;";
    conn.execute_batch(set_up).map_err(sql)?;
    Ok(conn)
}

/// A connection that cannot write.
pub(super) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let sql = |error| OpenError::sql(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(sql)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    let set_up = "PRAGMA query_only = ON; PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY; \
                  PRAGMA trusted_schema = OFF;";
    conn.execute_batch(set_up).map_err(sql)?;
    Ok(conn)
}
