//! Secrets that the server makes for itself: each made once and kept beside the store, where
//! only its owner can read it.

use std::{
    fmt,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::{
    auth::{RANDOM_TEXT_LEN, random_text},
    config::Secret,
};

/// Why there is no such secret.
#[derive(Debug)]
pub enum KeyFileError {
    /// A file or directory could not be read or made.
    Io(PathBuf, io::Error),
    /// The file holds something else.
    Damaged(PathBuf),
    /// The system gives no randomness.
    NoRandomness,
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Damaged(path) => write!(
                f,
                "{} is damaged: delete it, and a new one is made (what was signed or hashed with it \
                 before is worth nothing then)",
                path.display()
            ),
            Self::NoRandomness => f.write_str("the system gives no randomness"),
        }
    }
}

impl std::error::Error for KeyFileError {}

/// Reads the secret in this file of the data directory, and makes it (and the directory) when
/// there is none yet. Only the owner can read either. Two processes that start at once get the
/// same one.
///
/// # Errors
/// When it can neither be read nor made.
pub fn key_file(data_dir: &Path, name: &str) -> Result<Secret, KeyFileError> {
    let path = data_dir.join(name);
    if let Some(secret) = read(&path)? {
        return Ok(secret);
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .map_err(|error| KeyFileError::Io(data_dir.to_owned(), error))?;
    make(&path)?;
    read(&path)?.ok_or(KeyFileError::Damaged(path))
}

fn read(path: &Path) -> Result<Option<Secret>, KeyFileError> {
    match fs::read_to_string(path) {
        Ok(text) if is_secret(text.trim_end()) => Ok(Some(Secret::new(text.trim_end()))),
        Ok(_) => Err(KeyFileError::Damaged(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(KeyFileError::Io(path.to_owned(), error)),
    }
}

fn is_secret(text: &str) -> bool {
    text.len() == RANDOM_TEXT_LEN
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Writes the file under another name and then links it into place: a link never replaces what
/// is there, and nobody ever sees half a file.
fn make(path: &Path) -> Result<(), KeyFileError> {
    let random = || random_text().map_err(|_| KeyFileError::NoRandomness);
    let secret = random()?;
    let draft = path.with_extension(format!("draft-{}", random()?));
    let linked = write(&draft, &secret).and_then(|()| fs::hard_link(&draft, path));
    // Best effort: a draft left behind is a secret that signs nothing.
    let _ = fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(KeyFileError::Io(path.to_owned(), error))
        }
        _ => Ok(()),
    }
}

fn write(path: &Path, secret: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}
