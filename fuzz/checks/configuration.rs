//! The configuration: a file in either format, the environment and the flags.
//!
//! An input is a file. Its first lines may be comments that say what else there is: `# yaml` for the other format,
//! `#env NAME=VALUE`, and `#flag --listen=VALUE` for each of the global flags.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    time::Duration,
};

use activelog::{
    commands::show_config,
    config::{Config, ConfigError, EffectiveValue, Loaded, Origin, load_from},
};
use activelog_interfaces::cli::{ConfigArgs, ConfigOutput, GlobalFlags};

/// What no message may show.
const SECRET: &str = "hUsh7";

/// The configuration holds what it promises, or all that is wrong with it is told on lines of its own; what `activelog config` prints of
/// it is the same configuration; and no password is shown.
pub(crate) fn check(input: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let given = Given::read(input);
    match given.load(folder.path()) {
        Ok(loaded) => {
            holds(&loaded.config);
            assert_eq!(loaded.origins.len(), keys(&loaded).len(), "a key is there twice");
            given.flags_win(&loaded);
            comes_back(&loaded, folder.path());
        }
        Err(error) => told_well(&error.to_string(), input.len()),
    }
    passwords_are_hidden(input, folder.path());
}

/// What an input says.
struct Given<'a> {
    name: &'static str,
    file: &'a [u8],
    environment: Vec<(OsString, OsString)>,
    flags: GlobalFlags,
}

impl<'a> Given<'a> {
    fn read(input: &'a [u8]) -> Self {
        let mut given =
            Self { name: "activelog.toml", file: input, environment: Vec::new(), flags: GlobalFlags::default() };
        for line in input.split(|byte| *byte == b'\n').take_while(|line| line.starts_with(b"#")) {
            if line == b"# yaml" {
                given.name = "activelog.yml";
            } else if let Some((name, value)) = line.strip_prefix(b"#env ").and_then(pair) {
                // No system lets other bytes through.
                if !name.is_empty() && !name.contains(&0) && !value.contains(&0) {
                    given.environment.push((OsStr::from_bytes(name).into(), OsStr::from_bytes(value).into()));
                }
            } else if let Some((name, value)) = line.strip_prefix(b"#flag ").and_then(pair) {
                given.flag(name, &String::from_utf8_lossy(value));
            }
        }
        given.flags.config = Some(given.name.into());
        given
    }

    fn flag(&mut self, name: &[u8], value: &str) {
        match name {
            b"--data-dir" => self.flags.data_dir = Some(value.into()),
            b"--listen" => self.flags.listen = Some(value.to_owned()),
            b"--database-url" => self.flags.database_url = Some(value.to_owned()),
            b"--broker-url" => self.flags.broker_url = Some(value.to_owned()),
            _ => {}
        }
    }

    fn load(&self, folder: &Path) -> Result<Loaded, ConfigError> {
        fs::write(folder.join(self.name), self.file).expect("a writable folder");
        load_from(&self.flags, self.environment.clone(), folder)
    }

    /// A flag wins over everything.
    fn flags_win(&self, loaded: &Loaded) {
        for (key, given) in [
            ("storage.data_dir", self.flags.data_dir.is_some()),
            ("server.listen", self.flags.listen.is_some()),
            ("storage.database_url", self.flags.database_url.is_some()),
            ("broker.url", self.flags.broker_url.is_some()),
        ] {
            let origin = loaded.origins.iter().find(|value| value.key == key).map(|value| &value.origin);
            assert_eq!(given, matches!(origin, Some(Origin::Flag(_))), "{key} comes from {origin:?}");
        }
    }
}

fn pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let middle = text.iter().position(|byte| *byte == b'=')?;
    Some((&text[..middle], &text[middle + 1..]))
}

fn keys(loaded: &Loaded) -> std::collections::BTreeSet<&str> {
    loaded.origins.iter().map(|value| value.key.as_str()).collect()
}

/// An error is a text of printable lines, whose length what was given bounds.
fn told_well(message: &str, given: usize) {
    assert!(!message.is_empty());
    assert!(message.len() <= 4_096 + 512 * given, "{} bytes about {given}", message.len());
    let strange = message.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(strange, None, "in {message:?}");
}

/// What the parts of the program rely on.
fn holds(config: &Config) {
    let Config { server, storage, broker, relay, worker, backpressure, retention, webhooks, log: _ } = config;
    assert!((1_024..=1 << 30).contains(&server.body_limit.bytes()), "{server:?}");
    assert!(server.max_in_flight >= 1 && server.rate_limit_per_second != Some(0), "{server:?}");
    assert!((millis(1)..=HOUR).contains(&server.request_timeout), "{server:?}");
    assert!(storage.max_connections >= 1 && storage.readers >= 1, "{storage:?}");
    assert!(!storage.data_dir.as_os_str().is_empty(), "{storage:?}");
    assert!(broker.url.scheme().is_some(), "{broker:?}");
    assert!((1..=1_000).contains(&relay.batch) && relay.lease_ttl >= millis(500), "{relay:?}");
    assert!(worker.concurrency >= 1 && worker.prefetch >= 1 && worker.memory.bytes() >= 1 << 20, "{worker:?}");
    assert!(!worker.group.is_empty(), "{worker:?}");
    for policy in std::iter::once(&worker.policy).chain(worker.policies.values()) {
        assert!((1..=policy.attempts).contains(&policy.quick_attempts) && policy.crashes >= 1, "{policy:?}");
        assert!((millis(1)..=policy.longest_backoff).contains(&policy.first_backoff), "{policy:?}");
        assert!((millis(1)..=HOUR).contains(&policy.time_limit), "{policy:?}");
        let again = policy.longest_backoff * 2;
        assert!(
            retention.inbox.duration().is_none_or(|inbox| inbox >= again),
            "{retention:?} forgets before {again:?}"
        );
    }
    assert!(backpressure.max_outbox_events >= 1 && backpressure.poll_interval >= millis(10), "{backpressure:?}");
    let inbox = retention.inbox.duration().unwrap_or(Duration::MAX);
    let again = backpressure.max_outbox_age * 2;
    assert!(inbox >= again.max(24 * HOUR), "{retention:?} forgets before {again:?}");
    assert!((1..=10_000).contains(&retention.batch) && retention.journal_events != Some(0), "{retention:?}");
    assert!(webhooks.concurrency >= 1 && webhooks.timeout >= millis(100), "{webhooks:?}");
}

const HOUR: Duration = Duration::from_secs(3_600);

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn printed(loaded: &Loaded, output: ConfigOutput) -> String {
    let mut text = Vec::new();
    show_config(loaded, &ConfigArgs { output }, &mut text).expect("memory can be written");
    String::from_utf8(text).expect("UTF-8")
}

/// What is printed as TOML is a file with the same values in effect, and the other forms can be read too.
fn comes_back(loaded: &Loaded, folder: &Path) {
    let json: serde_json::Value = serde_json::from_str(&printed(loaded, ConfigOutput::Json)).expect("JSON");
    assert_eq!(json.as_object().map(|object| object.len()), Some(loaded.origins.len()));
    let text = printed(loaded, ConfigOutput::Text);
    assert_eq!(text.lines().count(), loaded.origins.len(), "{text}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    let toml = printed(loaded, ConfigOutput::Toml);
    // What hides a password is not what was configured.
    if toml.contains("***") {
        return;
    }
    fs::write(folder.join("printed.toml"), &toml).expect("a writable folder");
    let flags = GlobalFlags { config: Some("printed.toml".into()), ..GlobalFlags::default() };
    let again = load_from(&flags, Vec::new(), folder).unwrap_or_else(|error| panic!("{error} in\n{toml}"));
    let values = |loaded: &Loaded| -> Vec<_> {
        loaded.origins.iter().map(|EffectiveValue { key, value, .. }| (key.clone(), value.clone())).collect()
    };
    assert_eq!(values(&again), values(loaded), "by way of\n{toml}");
}

/// Whatever follows a password in a URL, and whether the URL is accepted or not, the password is not shown.
fn passwords_are_hidden(input: &[u8], folder: &Path) {
    let text = String::from_utf8_lossy(input);
    let rest: String = text.lines().find(|line| !line.starts_with('#')).unwrap_or_default().chars().take(100).collect();
    const BEGINNINGS: [&str; 5] =
        ["postgres://ann:", "postgres:ann:", "amqp://:", "nats://", "postgres://db/log?password="];
    let beginning = BEGINNINGS[input.len() % BEGINNINGS.len()];
    // In a query a password ends by itself; elsewhere an @ ends it.
    let end = if beginning.contains('?') { "" } else { "@" };
    let url = format!("{beginning}{SECRET}{end}{rest}");
    for (name, key) in [("ACTIVELOG_DATABASE_URL", "storage.database_url"), ("ACTIVELOG__BROKER__URL", "broker.url")] {
        let environment = vec![(name.into(), url.clone().into())];
        let shown = match load_from(&GlobalFlags::default(), environment, &folder.join("empty")) {
            Ok(loaded) => {
                let shown = loaded.origins.iter().find(|value| value.key == key).and_then(|v| v.value.as_ref());
                format!("{shown:?} {:?}", loaded.config)
            }
            Err(error) => error.to_string(),
        };
        assert!(!shown.contains(SECRET), "{url}: {shown}");
    }
}
