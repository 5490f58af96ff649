//! What cannot be opened, and what the operator is told.

use bedside::adapters::sqlite::{OpenError, Options, SqliteStore};
use std::{fs, io::Write as _, path::Path};

use crate::{raw, scratch::Scratch};

fn refused(dir: &Path) -> OpenError {
    match SqliteStore::open(dir, &Options::default()) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

async fn filled() -> Scratch {
    let dir = Scratch::new();
    let (store, fx) = crate::listen(dir.path(), &Options::default());
    let mut room = fx.room(&["d1"]).await;
    for n in 0..40 {
        room.say("d1", &format!("{n:0>2000}")).await;
    }
    bedside_actors::ports::store::Store::close(&*store).await;
    dir
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let dir = Scratch::new();
    let (store, _) = crate::listen(dir.path(), &Options::default());
    let error = refused(dir.path());
    assert!(matches!(error, OpenError::Locked(_)), "{error}");
    assert!(error.to_string().contains("in use by another process"));
    bedside_actors::ports::store::Store::close(&*store).await;
    assert!(SqliteStore::open(dir.path(), &Options::default()).is_ok());
}

#[tokio::test]
async fn a_damaged_header_is_told() {
    let dir = filled().await;
    let path = dir.path().join("bedside.db");
    let mut file = fs::File::options()
        .write(true)
        .open(path)
        .expect("the file");
    file.write_all(&[0xa5; 8_192]).expect("written");
    let error = refused(dir.path());
    assert!(matches!(error, OpenError::Damaged(..)), "{error}");
    assert!(error.to_string().contains("restore a back-up"), "{error}");
}

#[tokio::test]
async fn a_damaged_table_of_contents_is_told() {
    let dir = filled().await;
    let path = dir.path().join("bedside.db");
    let mut bytes = fs::read(&path).expect("the file");
    bytes[100..8_192].fill(0xa5);
    fs::write(&path, bytes).expect("written");
    let error = refused(dir.path());
    assert!(matches!(error, OpenError::Damaged(..)), "{error}");
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_told() {
    let dir = filled().await;
    let path = dir.path().join("bedside.db");
    let file = fs::File::options()
        .write(true)
        .open(path)
        .expect("the file");
    let length = file.metadata().expect("its length").len();
    file.set_len(length / 2).expect("cut");
    let error = refused(dir.path());
    assert!(matches!(error, OpenError::Damaged(..)), "{error}");
}

#[test]
fn a_foreign_database_is_left_alone() {
    let dir = Scratch::new();
    raw(dir.path())
        .execute_batch("CREATE TABLE theirs (x)")
        .expect("made");
    let error = refused(dir.path());
    assert!(matches!(error, OpenError::Foreign(_)), "{error}");
    let tables = "SELECT COUNT(*) FROM sqlite_schema";
    let tables = raw(dir.path()).query_one(tables, [], |row| row.get::<_, i64>(0));
    assert_eq!(tables, Ok(1));
}

#[tokio::test]
async fn a_newer_file_is_left_alone() {
    let dir = filled().await;
    let newer = "PRAGMA user_version = 99";
    raw(dir.path()).execute_batch(newer).expect("set");
    let error = refused(dir.path());
    assert!(
        matches!(error, OpenError::Newer { found: 99, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("newer version"), "{error}");
}

#[test]
fn a_place_that_is_no_directory_is_told() {
    let dir = Scratch::new();
    let file = dir.path().join("file");
    fs::write(&file, "").expect("written");
    let error = refused(&file.join("data"));
    assert!(matches!(error, OpenError::NotWritable(..)), "{error}");
    let error = refused(&file);
    assert!(matches!(error, OpenError::NotWritable(..)), "{error}");
}
