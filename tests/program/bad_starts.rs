//! Started wrongly: one clear message that says what to do, an exit code that is not 0, and nothing left behind.

use std::{fs, net::TcpListener, path::Path};

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::process::Command;

use crate::{
    process::{Setting, run},
    store::Store,
};

/// What stands in a folder, by name.
fn contents(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Runs a command that has to fail with `code`, and one message that holds all `hints`. It leaves nothing in the folder that was not
/// there. Answers the message.
async fn refused(setting: &Setting, command: Command, code: i32, hints: &[&str]) -> String {
    let before = contents(setting.folder());
    let output = run(command).await;
    let errors = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert_eq!(errors.matches("error: ").count(), 1, "{errors}");
    for hint in hints {
        assert!(errors.contains(hint), "{hint:?} is not in: {errors}");
    }
    let lower = errors.to_lowercase();
    for noise in ["panic", "backtrace", "stack", "rust_", "error error"] {
        assert!(!lower.contains(noise), "{errors}");
    }
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(contents(setting.folder()), before, "nothing is left behind: {errors}");
    errors
}

fn serve(setting: &Setting, flags: &[&str]) -> Command {
    let mut command = setting.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.args(flags);
    command
}

#[tokio::test]
async fn the_port_is_taken() {
    let setting = Setting::sqlite();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for role in ["serve", "api"] {
        let command = setting.command(&[role, "--listen", &address]);
        refused(&setting, command, 1, &[&address, "choose another address with --listen"]).await;
    }
}

#[tokio::test]
async fn the_data_folder_is_not_writable() {
    let setting = Setting::sqlite();
    // Below a file nobody can make a folder, not even root.
    fs::write(setting.folder().join("file"), "").unwrap();
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["migrate"], &["relay"], &["worker"]] {
        let mut command = setting.command(command);
        command.args(["--data-dir", "file/data"]);
        refused(&setting, command, 1, &["file/data", "choose another with --data-dir"]).await;
    }
    fs::write(setting.folder().join("notes.txt"), "Not a database, and not short either.".repeat(50)).unwrap();
    let command = serve(&setting, &["--database-url", "sqlite:notes.txt"]);
    refused(&setting, command, 1, &["notes.txt", "not a SQLite database"]).await;
}

#[tokio::test]
async fn the_database_url_is_wrong() {
    let setting = Setting::sqlite();
    for url in ["mysql://anna:hush@db/x", "activelog.db", "sqlite::memory:", "postgres:x"] {
        let error =
            refused(&setting, serve(&setting, &["--database-url", url]), 2, &["storage.database_url", "sqlite:"]).await;
        assert!(!error.contains("hush"), "{error}");
    }
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgres_is_not_there() {
    let setting = Setting::sqlite();
    // It was free a moment ago, and the kernel gives out others first.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for role in ["serve", "api", "relay", "worker", "migrate"] {
        let mut command = setting.command(&[role]);
        if role != "migrate" {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.env("ACTIVELOG_DATABASE_URL", format!("postgres://anna:hush@127.0.0.1:{port}/log"));
        let hints = [&format!("127.0.0.1:{port}") as &str, "check that PostgreSQL runs there"];
        let error = refused(&setting, command, 1, &hints).await;
        assert!(!error.contains("hush"), "{error}");
    }
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn user_password_or_database_is_wrong() {
    let Some(server) = crate::support::postgres() else { return };
    let setting = Setting::sqlite();
    let nowhere = server.url("nowhere").replace("activelog@", "activelog:hush@");
    let stranger = server.url("postgres").replace("activelog@", "stranger:hush@");
    for (url, hint) in [(nowhere, "createdb nowhere"), (stranger, "check user and password")] {
        let mut command = serve(&setting, &[]);
        command.env("ACTIVELOG_DATABASE_URL", url).env("ACTIVELOG__LOG__FILTER", "trace");
        let output = run(command).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(hint) && !errors.contains("hush"), "{errors}");
    }
}

#[tokio::test]
async fn the_schema_does_not_fit() {
    let setting = Setting::sqlite();
    for role in ["serve", "api", "relay", "worker"] {
        let command = setting.command(&[role, "--no-migrate", "--listen", "127.0.0.1:0"]);
        refused(&setting, command, 1, &["activelog-data", "activelog migrate"]).await;
    }
    assert!(setting.run(&["migrate"]).await.status.success());
    let serve_now = setting.start_with("serve", &["--no-migrate", "--listen", "127.0.0.1:0"]).await;
    serve_now.stop().await;

    let Store::Sqlite(path) = &setting.store else { unreachable!("it is SQLite") };
    let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', true, '', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    for arguments in
        [&["serve", "--listen", "127.0.0.1:0"][..], &["serve", "--no-migrate", "--listen", "127.0.0.1:0"], &["migrate"]]
    {
        refused(&setting, setting.command(arguments), 1, &["9999", "upgrade the program"]).await;
    }
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn the_schema_on_postgres_does_not_fit() {
    let Some(setting) = Setting::postgres() else { return };
    refused(&setting, serve(&setting, &["--no-migrate"]), 1, &["activelog migrate"]).await;
    let Store::Postgres(url) = &setting.store else { unreachable!("it is PostgreSQL") };
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(setting.store.numbers(tables).await, [0], "nothing is made");
    assert!(setting.run(&["migrate"]).await.status.success());
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', true, '', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    refused(&setting, serve(&setting, &[]), 1, &["9999", "upgrade the program"]).await;
}

#[tokio::test]
async fn a_key_is_unknown() {
    let setting = Setting::sqlite();
    let mut command = serve(&setting, &[]);
    command.env("ACTIVELOG__SERVER__LISTN", "127.0.0.1:1");
    refused(&setting, command, 2, &["ACTIVELOG__SERVER__LISTN", "unknown key", "did you mean server.listen?"]).await;
    fs::write(setting.folder().join("other.toml"), "[sever]\nlisten = \"127.0.0.1:1\"\n[relay]\nbatsh = 1\n").unwrap();
    let named = serve(&setting, &["--config", "other.toml"]);
    refused(&setting, named, 2, &["sever", "relay.batsh", "other.toml", "did you mean relay.batch?"]).await;
    fs::write(setting.folder().join("activelog.toml"), "listen = 1\n").unwrap();
    refused(&setting, serve(&setting, &[]), 2, &["listen", "unknown key", "activelog.toml"]).await;
}

#[tokio::test]
async fn the_broker_does_not_fit() {
    let setting = Setting::sqlite();
    for (url, hints) in [
        ("rabbit://localhost", &["unknown broker scheme", "database"][..]),
        ("socket://anna:hush@localhost", &["compiled without", "--features socket"]),
        #[cfg(feature = "nats")]
        ("nats://anna:hush@localhost:1?name=x", &["\"name\" is no option", "namespace"]),
        #[cfg(feature = "redis")]
        ("redis://anna:hush@localhost:1?retain=x", &["retain must be a whole number"]),
    ] {
        let error = refused(&setting, serve(&setting, &["--broker-url", url]), 1, hints).await;
        assert!(!error.contains("hush"), "{error}");
    }
    refused(&setting, serve(&setting, &["--broker-url", "memory"]), 2, &["broker.url", "database:"]).await;
    // What it offers is known once it is connected to.
    assert!(setting.run(&["migrate"]).await.status.success());
    let mut command = serve(&setting, &["--broker-url", "memory:"]);
    command.env("ACTIVELOG__BROKER__REQUIRE_DURABILITY", "power-loss");
    refused(&setting, command, 1, &["broker memory", "`database:`", "require less durability"]).await;
}
