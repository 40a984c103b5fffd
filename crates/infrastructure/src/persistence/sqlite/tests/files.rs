use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

use activelog_application::activity::ports::Queries;
use activelog_domain::{
    activity::{Activity, Tags},
    user::UserId,
};
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

use super::support::{Scratch, activity, begin, new_id};
use crate::{
    clock::SystemClock,
    persistence::{
        DatabaseError,
        sqlite::{SqliteDatabase, SqliteOptions, options::writing},
    },
};

async fn open(path: impl Into<std::path::PathBuf>) -> Result<SqliteDatabase, DatabaseError> {
    SqliteDatabase::open(SqliteOptions::new(path), Arc::new(SystemClock)).await
}

/// A connection beside the program's own.
async fn beside(path: &std::path::Path) -> SqliteConnection {
    SqliteConnection::connect_with(&writing(path, std::time::Duration::from_secs(1))).await.expect("connects")
}

#[tokio::test]
async fn folder_and_files_are_for_their_owner_alone() {
    let scratch = Scratch::new().await;
    let folder = scratch.folder.path().join("data");
    let mode = |path: &std::path::Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in fs::read_dir(&folder).expect("a folder") {
        let file = file.expect("a file").path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_used_is_told_with_what_to_do() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "text that is no database, and long enough to be taken for a header ".repeat(20)).expect("writes");
    for (path, expected) in [
        (file.join("below/activelog.db"), "is a file, not a folder"),
        (folder.path().to_owned(), "it is a folder, not a file"),
        (file.clone(), "the file is not a SQLite database"),
        ("/proc/activelog/activelog.db".into(), "cannot be opened"),
    ] {
        let error = open(path.clone()).await.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected) && error.contains(&path.display().to_string()), "{path:?}: {error}");
    }
}

#[tokio::test]
async fn a_folder_that_is_not_writable_is_told() {
    let folder = TempDir::new().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).expect("permissions");
    let path = folder.path().join("activelog.db");
    if fs::File::create(folder.path().join("probe")).is_ok() {
        // The superuser may write anywhere.
        return;
    }
    let error = open(path).await.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("the folder is not writable"), "{error}");
}

#[tokio::test]
async fn an_older_schema_is_refused_without_migrating_and_a_newer_one_always() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("activelog.db");
    let database = open(&path).await.expect("opens");
    let older = database.check_schema().await.expect_err("empty");
    assert!(matches!(older, DatabaseError::OlderSchema { found: 0, .. }), "{older}");
    assert!(older.to_string().contains("activelog migrate"), "{older}");
    database.migrate().await.expect("migrates");
    database.migrate().await.expect("migrating twice is nothing");
    database.check_schema().await.expect("fits");

    let mut connection = beside(&path).await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'from the future', true, x'00', 0)";
    sqlx::query(newer).execute(&mut connection).await.expect("inserts");
    for error in [database.check_schema().await.expect_err("newer"), database.migrate().await.expect_err("newer")] {
        assert!(matches!(error, DatabaseError::NewerSchema { found: 9999, .. }), "{error}");
        assert!(error.to_string().contains("upgrade the program"), "{error}");
    }
}

#[tokio::test]
async fn migrating_at_once_from_several_places_migrates_once() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("activelog.db");
    let migrations = (0..4).map(|_| async { open(&path).await?.migrate().await });
    for result in futures::future::join_all(migrations).await {
        result.expect("migrates");
    }
}

#[tokio::test]
async fn activities_from_before_there_were_tags_have_none() {
    let scratch = Scratch::new().await;
    let stored = activity(UserId(new_id()));
    let mut unit = scratch.begin().await;
    unit.activities().insert(&stored).await.expect("inserts");
    unit.commit().await.expect("commits");
    // What an older release left behind: the activity without the column.
    let mut connection = beside(&scratch.folder.path().join("data/activelog.db")).await;
    for step in ["ALTER TABLE activities DROP COLUMN tags", "DELETE FROM _sqlx_migrations WHERE version = 3"] {
        sqlx::query(step).execute(&mut connection).await.expect("undone");
    }
    let upgraded = scratch.again(|_| {}).await;
    upgraded.migrate().await.expect("migrates");
    assert_eq!(upgraded.activity(stored.id).await.expect("reads").as_ref(), Some(&stored));
    let tagged = Activity { version: 2, tags: Tags::new(&["race"]).expect("tags"), ..stored };
    let mut unit = begin(&upgraded).await;
    assert!(unit.activities().update(&tagged).await.expect("updates"));
    unit.commit().await.expect("commits");
    assert_eq!(upgraded.activity(tagged.id).await.expect("reads"), Some(tagged));
}
