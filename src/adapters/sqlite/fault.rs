//! What goes wrong inside, and what the port calls it.

use bedside_actors::ports::store::StoreError;
use rusqlite::ErrorCode;

/// Why one write or read was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// It contradicts what is stored; nothing of it was.
    Conflict,
    /// A stored value makes no sense. Names the column, never the value.
    Value(&'static str),
    /// A bug: it panicked.
    Panicked,
    Sql(rusqlite::Error),
}

impl Fault {
    /// Whether the transaction around it can go on without it.
    pub(super) fn spares_the_transaction(&self) -> bool {
        match self {
            Self::Conflict | Self::Value(_) => true,
            Self::Panicked => false,
            Self::Sql(error) => match error.sqlite_error_code() {
                Some(code) => {
                    matches!(code, ErrorCode::ConstraintViolation | ErrorCode::TooBig)
                }
                None => true,
            },
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<&Fault> for StoreError {
    fn from(fault: &Fault) -> Self {
        match fault {
            Fault::Conflict => Self::Conflict,
            Fault::Value(column) => Self::Unavailable(format!("a stored {column} is damaged")),
            Fault::Panicked => Self::Unavailable("a bug in the store".to_owned()),
            Fault::Sql(error) => match error.sqlite_error_code() {
                Some(ErrorCode::ConstraintViolation) => Self::Conflict,
                Some(ErrorCode::DiskFull) => Self::Full,
                _ => Self::Unavailable(describe(error)),
            },
        }
    }
}

/// SQLite's own words, and its extended code, which tells a failed sync from a failed read.
pub(super) fn describe(error: &rusqlite::Error) -> String {
    match error.sqlite_error() {
        Some(code) => format!("{error} (SQLite code {})", code.extended_code),
        None => error.to_string(),
    }
}

/// What is answered once the store is closed.
pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}
