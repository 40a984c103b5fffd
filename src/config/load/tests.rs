use std::{collections::BTreeSet, ffi::OsString, fs, time::Duration};

use activelog_application::{activity::handlers, ports::AfterDeadLetter};

use tempfile::TempDir;

use super::*;
use crate::config::{DatabaseUrl, LogFormat, Origin, Problem, RequiredDurability};

struct Setup {
    folder: TempDir,
    flags: GlobalFlags,
    variables: Vec<(OsString, OsString)>,
}

impl Setup {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, flags: GlobalFlags::default(), variables: Vec::new() }
    }

    fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.path().join(name), text).expect("a writable folder");
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    fn flags(mut self, change: impl FnOnce(&mut GlobalFlags)) -> Self {
        change(&mut self.flags);
        self
    }

    fn load(self) -> Result<Loaded, ConfigError> {
        load_from(&self.flags, self.variables, self.folder.path())
    }

    fn good(self) -> Loaded {
        self.load().expect("a valid configuration")
    }

    fn problems(self) -> Vec<Problem> {
        match self.load() {
            Err(ConfigError::Invalid(problems)) => problems,
            other => panic!("expected problems, got {other:?}"),
        }
    }

    fn message(self) -> String {
        self.load().expect_err("an invalid configuration").to_string()
    }
}

fn origin(loaded: &Loaded, key: &str) -> Origin {
    loaded.origins.iter().find(|value| value.key == key).expect("a known key").origin.clone()
}

#[test]
fn without_anything_the_defaults_hold() {
    let loaded = Setup::new().good();
    assert_eq!(loaded.config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(loaded.config.storage.database_url.to_string(), "sqlite:./activelog-data/activelog.db");
    assert_eq!(loaded.config.broker.url.expose(), "database:");
    assert_eq!(loaded.config.log.filter, "info,sqlx=error,async_nats=warn,lapin=error,lapin::returned_messages=off");
    assert!(loaded.origins.iter().all(|value| value.origin == Origin::Default));
}

#[test]
fn each_layer_wins_over_those_before_it() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\n";
    let step = |variable: bool, short: bool, flag: bool| {
        let mut setup = Setup::new().file("activelog.toml", file);
        if variable {
            setup = setup.variable("ACTIVELOG__SERVER__LISTEN", "127.0.0.1:2");
        }
        if short {
            setup = setup.variable("ACTIVELOG_LISTEN", "127.0.0.1:3");
        }
        if flag {
            setup = setup.flags(|flags| flags.listen = Some("127.0.0.1:4".to_owned()));
        }
        let loaded = setup.good();
        (loaded.config.server.listen.port(), origin(&loaded, "server.listen").to_string())
    };
    let (port, from) = step(false, false, false);
    assert!(port == 1 && from.starts_with("file ") && from.ends_with("activelog.toml"), "{from}");
    assert_eq!(step(true, false, false), (2, "environment ACTIVELOG__SERVER__LISTEN".to_owned()));
    assert_eq!(step(true, true, false), (3, "environment ACTIVELOG_LISTEN".to_owned()));
    assert_eq!(step(true, true, true), (4, "flag --listen".to_owned()));
}

#[test]
fn a_file_may_be_toml_or_yaml_and_named_by_flag_or_variable() {
    let yaml = "server:\n  body_limit: 64KiB\n  rate_limit_per_second: 5\nrelay:\nlog:\n  format: json\n";
    let by_flag = Setup::new().file("a.yaml", yaml).flags(|flags| flags.config = Some("a.yaml".into())).good();
    assert_eq!(by_flag.config.server.body_limit.bytes(), 65_536);
    assert_eq!(by_flag.config.server.rate_limit_per_second, Some(5));
    assert_eq!(by_flag.config.log.format, LogFormat::Json);
    let toml = "[worker]\ndrain = \"1m 30s\"\nconcurrency = 7\n[broker]\nrequire_durability = \"power-loss\"\n";
    let by_variable = Setup::new().file("b.toml", toml).variable("ACTIVELOG_CONFIG", "b.toml").good();
    assert_eq!(by_variable.config.worker.drain.as_secs(), 90);
    assert_eq!(by_variable.config.worker.concurrency, 7);
    assert_eq!(by_variable.config.broker.require_durability, RequiredDurability::PowerLoss);
}

#[test]
fn the_database_stands_in_the_data_folder_unless_it_is_named() {
    let moved = Setup::new().flags(|flags| flags.data_dir = Some("/var/lib/a log?".into())).good();
    let path = "/var/lib/a log?/activelog.db".into();
    assert_eq!(moved.config.storage.database_url, DatabaseUrl::Sqlite { path });
    let named = Setup::new().variable("ACTIVELOG_DATABASE_URL", "postgres://h/d").good();
    assert!(matches!(named.config.storage.database_url, DatabaseUrl::Postgres { .. }));
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_one_and_their_source() {
    let problems = Setup::new()
        .file("activelog.toml", "lisen = 1\n[server]\nlistne = \"x\"\n[wroker]\ngroup = \"g\"\n[relay.deep]\na = 1\n")
        .variable("ACTIVELOG__SERVER__BODYLIMIT", "1")
        .variable("ACTIVELOG__QQQ", "1")
        .problems();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    for expected in [
        ("lisen: unknown key (from file ", "did you mean server.listen?"),
        ("server.listne: unknown key (from file ", "did you mean server.listen?"),
        ("wroker.group: unknown key (from file ", "did you mean worker.group?"),
        ("relay.deep: unknown key (from file ", ")"),
        ("ACTIVELOG__SERVER__BODYLIMIT: unknown key (from environment", "did you mean server.body_limit?"),
        ("ACTIVELOG__QQQ: unknown key (from environment", ")"),
    ] {
        assert!(told.iter().any(|t| t.starts_with(expected.0) && t.ends_with(expected.1)), "{expected:?} in {told:#?}");
    }
    assert_eq!(told.len(), 6, "{told:#?}");
}

#[test]
fn sections_that_are_empty_or_hold_nothing_known_are_refused_with_the_nearest_one() {
    for (name, file, key, nearest) in [
        ("a.toml", "[wroker]\n[relay]\n", "wroker", "; did you mean worker?"),
        ("a.toml", "[wroker]\nx = 1\n", "wroker.x", "; did you mean worker?"),
        ("a.toml", "[sever]\n", "sever", "; did you mean server?"),
        ("a.toml", "[qqq]\n", "qqq", ")"),
        ("a.yaml", "wroker:\nrelay:\n", "wroker", "; did you mean worker?"),
        ("a.yaml", "server:\n  listne:\n  listen:\n", "server.listne", "; did you mean server.listen?"),
    ] {
        let problems = Setup::new().file(name, file).variable("ACTIVELOG_CONFIG", name).problems();
        let [told] = problems.iter().map(ToString::to_string).collect::<Vec<_>>().try_into().expect("one problem");
        assert!(told.starts_with(&format!("{key}: unknown key (from file ")) && told.ends_with(nearest), "{told}");
    }
}

#[test]
fn short_variables_that_are_misspelt_are_refused_and_foreign_ones_ignored() {
    let setup = [
        // What container platforms set for a service of this name, and the project's tests read.
        ("ACTIVELOG_PORT", "tcp://10.0.0.1:80"),
        ("ACTIVELOG_SERVICE_HOST", "10.0.0.1"),
        ("ACTIVELOG_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("ACTIVELOG_REQUIRE_SERVERS", "1"),
        ("ACTIVELOG_POSTGRES_BIN", "/usr/bin"),
        ("ACTIVELOG_LISTEM", ""),
        ("ACTIVELOG_DATA_DIR", "kept"),
        ("ACTIVELOG_LISTN", "127.0.0.1:1"),
        ("ACTIVELOG_DATABSE_ULR", "postgres://ann:s3cret@db/log"),
    ];
    let problems = setup.into_iter().fold(Setup::new(), |setup, (name, value)| setup.variable(name, value)).problems();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [("ACTIVELOG_LISTN", "ACTIVELOG_LISTEN"), ("ACTIVELOG_DATABSE_ULR", "ACTIVELOG_DATABASE_URL")]
            .map(|(name, meant)| format!("{name}: unknown key (from environment {name}); did you mean {meant}?"))
    );
}

#[test]
fn all_bad_values_are_told_at_once_with_rule_value_and_source() {
    let file = "broker = 5\n[server]\nlisten = 8080\nbody_limit = \"big\"\nmax_in_flight = 0\n[worker]\ndrain = 5\ngroup = \"A B\"\n\
                first_backoff = \"1m\"\nlongest_backoff = \"1s\"\n[log]\nformat = \"xml\"\nfilter = \"a=b=c\"\n[relay]\nbatch = [1]\n";
    let message = Setup::new().file("activelog.toml", file).variable("ACTIVELOG__STORAGE__READERS", "many").message();
    for expected in [
        "invalid configuration, 11 problems:",
        "server.listen: must be an address with its port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"; got 8080 (from file ",
        "server.body_limit: must be a size such as",
        "server.max_in_flight: must be 1 to 1000000; got 0",
        "worker.drain: must be a duration with its unit, such as \"500ms\", \"5s\" or \"1m 30s\"; got 5",
        "worker.group: must be 1 to 100 of a-z",
        "worker.longest_backoff: must not be shorter than first_backoff; got 1s",
        "log.format: must be one of text, json; got \"xml\"",
        "log.filter: must be a filter",
        "relay.batch: must be a whole number, not negative; got a list",
        "storage.readers: must be a whole number, not negative; got \"many\" (from environment ACTIVELOG__STORAGE__READERS)",
        "broker: is a section",
    ] {
        assert!(message.contains(expected), "{expected} in {message}");
    }
}

#[test]
fn what_is_empty_is_not_set() {
    let loaded = Setup::new()
        .file("activelog.yaml", "")
        .variable("ACTIVELOG_LISTEN", "")
        .variable("ACTIVELOG__SERVER__LISTEN", "")
        .variable("ACTIVELOG_PORT", "tcp://10.0.0.1:80")
        .good();
    assert_eq!(origin(&loaded, "server.listen"), Origin::Default);
}

#[test]
fn files_that_cannot_be_used_are_named_with_the_reason() {
    let missing = Setup::new().flags(|flags| flags.config = Some("none.toml".into())).message();
    assert!(missing.contains("none.toml (flag --config)"), "{missing}");
    let strange = Setup::new().file("a.ini", "").variable("ACTIVELOG_CONFIG", "a.ini").message();
    assert!(strange.contains("must end in .toml, .yaml or .yml"), "{strange}");
    let folder = Setup::new();
    fs::create_dir(folder.folder.path().join("activelog.toml")).expect("a writable folder");
    assert!(folder.message().contains("cannot read the configuration file"));
    let list = Setup::new().file("a.yaml", "- 1\n").variable("ACTIVELOG_CONFIG", "a.yaml").message();
    assert!(list.contains("is not valid"), "{list}");
    let large = Setup::new().file("activelog.toml", &"#".repeat(1024 * 1024 + 1)).message();
    assert!(large.contains("it is larger than 1 MiB"), "{large}");
    let levels = (1..30).map(|n| format!("a{n}: &a{n} [{}]\n", format!("*a{},", n - 1).repeat(9)));
    let bomb = format!("a0: &a0 x\n{}", levels.collect::<String>());
    for text in [bomb, "- ".repeat(100_000)] {
        let message = Setup::new().file("a.yaml", &text).variable("ACTIVELOG_CONFIG", "a.yaml").message();
        assert!(message.contains("a.yaml is not valid: line "), "{message}");
    }
}

#[test]
fn what_a_file_holds_does_not_steer_the_terminal() {
    for file in ["\"a\\u001b[2J\\n\" = 1\n", "\"\\u001b[2J\" = 1\n\"\\r\" = 1\n", "[\"\\u001b\"\n"] {
        let message = Setup::new().file("activelog.toml", file).message();
        let strange = message.replace("\n  - ", "").find(char::is_control);
        assert_eq!(strange, None, "{message:?}");
    }
}

#[test]
fn secrets_are_never_told() {
    let url = "postgres://ann:s3cret@db/log";
    let loaded = Setup::new()
        .variable("ACTIVELOG_DATABASE_URL", url)
        .flags(|flags| flags.broker_url = Some("amqp://ann:s3cret@mq".to_owned()))
        .good();
    assert!(!format!("{loaded:?}").contains("s3cret"));
    assert!(format!("{:?}", loaded.origins).contains("postgres://ann:***@db/log"));
    // Neither where they were put in the wrong place, nor where the file is broken at that very line.
    for (name, file) in [
        ("activelog.toml", format!("[server]\nlisten = \"{url}\"\n")),
        ("activelog.toml", format!("[storage]\ndatabase_url = \"my{url}\"\n")),
        ("activelog.toml", format!("[storage]\ndatabase_url = \"{url}\n")),
        ("activelog.toml", format!("database_url = {url}\n")),
        ("activelog.toml", format!("[storage]\n\"{url}\" = 1 1\n")),
    ] {
        let message = Setup::new().file(name, &file).message();
        assert!(!message.contains("s3cret"), "{message}");
    }
    let yaml = format!("storage:\n  database_url: \"{url}\n x: [\n");
    let message = Setup::new().file("a.yaml", &yaml).variable("ACTIVELOG_CONFIG", "a.yaml").message();
    assert!(!message.contains("s3cret"), "{message}");
}

#[test]
fn retention_is_a_duration_or_off_and_the_inbox_outlives_redelivery() {
    let text = "[retention]\ninbox = \"3d\"\njournal = \"off\"\njournal_events = 5000\n";
    let retention = Setup::new().file("activelog.toml", text).good().config.retention;
    assert_eq!(retention.inbox.duration(), Some(Duration::from_secs(3 * 86_400)));
    assert_eq!((retention.journal.duration(), retention.journal_events), (None, Some(5_000)));
    assert_eq!(retention.dead_letters.duration(), None, "as long as the journal");
    let text = "[retention]\njournal = \"30d\"\njournal_events = \"off\"\ndead_letters = \"40d\"\n";
    let retention = Setup::new().file("activelog.toml", text).good().config.retention;
    assert_eq!(
        (retention.dead_letters.duration(), retention.journal_events),
        (Some(Duration::from_secs(40 * 86_400)), None)
    );
    let message = Setup::new().variable("ACTIVELOG__RETENTION__DEAD_LETTERS", "89d").message();
    assert!(message.contains("retention.dead_letters: must not be shorter than retention.journal (90d)"), "{message}");
    let message = Setup::new().variable("ACTIVELOG__RETENTION__INBOX", "12h").message();
    for part in ["retention.inbox: must be at least 1d, or \"off\"", "an event may come again until then", "got 12h"] {
        assert!(message.contains(part), "{part} in {message}");
    }
    let text = "[retention]\ninbox = \"3d\"\n[backpressure]\nmax_outbox_age = \"48h\"\n";
    let message = Setup::new().file("activelog.toml", text).message();
    assert!(message.contains("retention.inbox: must be at least 4d"), "{message}");
}

#[test]
fn a_handler_may_have_a_policy_of_its_own() {
    let text = "[worker]\nattempts = 9\n[handlers.achievements]\nafter_dead_letter = \"continue\"\nlongest_backoff = \"48h\"\n[retention]\ninbox = \"4d\"\n";
    let variable = "ACTIVELOG__HANDLERS__PERIOD_STATISTICS__HANDLER_TIMEOUT";
    let loaded = Setup::new().file("activelog.toml", text).variable(variable, "5s").good();
    let worker = &loaded.config.worker;
    assert_eq!(worker.policies.keys().copied().collect::<Vec<_>>(), ["achievements", "period-statistics"]);
    let achievements = worker.policies["achievements"];
    assert_eq!((achievements.attempts, achievements.after_dead_letter), (9, AfterDeadLetter::Continue));
    assert_eq!(worker.policies["period-statistics"].time_limit, Duration::from_secs(5));
    assert_eq!(worker.policy.after_dead_letter, AfterDeadLetter::Hold);

    let wrong = "[handlers.achievments]\nattempts = 1\n[handlers.leaderboard]\nattempts = 1\n";
    let message = Setup::new().file("activelog.toml", wrong).message();
    assert!(message.contains("handlers.achievments.attempts: unknown key"), "{message}");
    assert!(message.contains("; did you mean handlers.achievements.attempts?"), "{message}");
    assert!(
        message.contains("handlers.leaderboard.attempts: must not be less than quick_attempts; got 1"),
        "{message}"
    );
    let setup = Setup::new().variable("ACTIVELOG__HANDLERS__LEADERBOARD__LONGEST_BACKOFF", "168h");
    let message = setup.variable("ACTIVELOG__RETENTION__INBOX", "13d").message();
    assert!(message.contains("retention.inbox: must be"), "it has to outlive what may come again: {message}");
}

#[test]
fn sections_of_handlers_are_of_handlers_that_there_are() {
    let projections = handlers::projections();
    let there: BTreeSet<_> = projections.iter().map(|handler| handler.name()).chain(["webhooks"]).collect();
    assert_eq!(crate::config::worker::HANDLERS.map(|(_, name)| name).into_iter().collect::<BTreeSet<_>>(), there);
}
