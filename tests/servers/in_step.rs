//! docker-compose.yml, `scripts/servers` and the documentation say the same of servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use crate::{
    compose::{Compose, Settings, tag},
    support::Kind,
};

/// What has to agree.
#[derive(Clone)]
struct Sides {
    compose: String,
    /// What `scripts/servers settings` prints.
    settings: String,
    /// docs/brokers.md.
    brokers: String,
    check_compose: String,
}

impl Sides {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = |path: &str| fs::read_to_string(root.join(path)).expect(path);
        let told = Command::new(root.join("scripts/servers")).arg("settings").output().expect("it runs");
        assert!(told.status.success(), "{told:?}");
        Self {
            compose: text("docker-compose.yml"),
            settings: String::from_utf8(told.stdout).expect("UTF-8"),
            brokers: text("docs/brokers.md"),
            check_compose: text("scripts/check-compose"),
        }
    }

    fn scripts(&self) -> BTreeMap<&str, Settings> {
        let mut scripts = BTreeMap::<_, Settings>::new();
        for line in self.settings.lines() {
            let (server, setting) = line.split_once(": ").expect(line);
            let (name, value) = setting.split_once('=').expect(line);
            scripts.entry(server).or_default().insert(name.to_owned(), value.to_owned());
        }
        scripts
    }

    /// Where they do not agree.
    fn faults(&self) -> Vec<String> {
        let (compose, scripts, mut faults) = (Compose::read(&self.compose), self.scripts(), Vec::new());
        let brokers = Kind::ALL.map(Kind::name);
        let expected: BTreeSet<&str> = brokers.into_iter().chain(["postgres"]).collect();
        for (what, servers) in [
            ("docker-compose.yml", compose.servers().into_keys().collect()),
            ("scripts/servers", scripts.keys().copied().collect()),
        ] {
            let servers: BTreeSet<&str> = servers;
            if servers != expected {
                faults.push(format!("{what} has {servers:?}, not {expected:?}"));
            }
        }
        for (name, settings) in &scripts {
            let composed = compose.settings(name);
            if composed != *settings {
                faults.push(format!("{name}: {composed:?} in docker-compose.yml, {settings:?} in scripts/servers"));
            }
        }
        for (name, server) in compose.servers() {
            let check = server["healthcheck"]["test"].as_vec().map_or(0, Vec::len);
            let profiles = server["profiles"].as_vec().map(|profiles| profiles[0].as_str());
            for (wrong, what) in [
                (check < 2, "has no health check"),
                (!compose.has_volume(server), "has no volume"),
                (version(tag(server)).is_none(), "has no pinned image"),
                (brokers.contains(&name) && profiles != Some(Some(name)), "has no profile of its own"),
            ] {
                faults.extend(wrong.then(|| format!("{name} {what}")));
            }
            faults.extend(self.too_old(name, tag(server)));
        }
        let open = compose.published().into_iter().filter(|(_, port)| !port.starts_with("127.0.0.1:"));
        faults.extend(open.map(|(name, port)| format!("{name} publishes {port} beyond loopback")));
        for profile in compose.profiles() {
            let listed = self.check_compose.lines().filter(|line| line.contains("COMPOSE_PROFILES="));
            if !listed.flat_map(|line| line.split(['=', ','])).any(|part| part == profile) {
                faults.push(format!("scripts/check-compose leaves out the profile {profile}"));
            }
        }
        faults
    }

    /// Whether an image is older than what the documentation asks for. PostgreSQL is no broker.
    fn too_old(&self, name: &str, tag: &str) -> Option<String> {
        let called = match name {
            "redis" => "Redis",
            "nats" => "NATS",
            "rabbitmq" => "RabbitMQ",
            "kafka" => "Kafka",
            _ => return None,
        };
        let promised = self.brokers.match_indices(" and newer").find_map(|(end, _)| {
            let mut words = self.brokers[..end].rsplit([' ', '|']);
            let version = words.next()?;
            (words.next()? == called).then(|| version.to_owned())
        });
        let Some(promised) = promised else { return Some(format!("docs/brokers.md promises no version of {called}")) };
        (version(tag) < version(&promised)).then(|| format!("{name} is {tag}, older than {promised}"))
    }
}

/// The numbers of a version; what follows them is left out.
fn version(text: &str) -> Option<Vec<u32>> {
    let numbers: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    numbers.split('.').map(|number| number.parse().ok()).collect()
}

#[test]
fn containers_and_scripts_run_the_same_servers_with_the_same_settings() {
    assert_eq!(Sides::read().faults(), Vec::<String>::new());
}

#[test]
fn whatever_changes_on_one_side_is_noticed() {
    let sides = Sides::read();
    let noticed = |sides: &Sides, what: &str, from: &str, word: &str| {
        let faults = sides.faults();
        assert!(faults.iter().any(|fault| fault.contains(word)), "{what}: {from:?} is not noticed: {faults:?}");
    };
    for (from, to, word) in [
        ("\"--appendfsync\", \"always\"", "\"--appendfsync\", \"everysec\"", "redis: "),
        ("\"--maxmemory-policy\", \"noeviction\"", "\"--maxmemory\", \"1gb\"", "redis: "),
        ("sync_interval: always", "sync_interval: 2m", "nats: "),
        (", sync_interval: always", "", "nats: "),
        ("fsync=on", "fsync=off", "postgres: "),
        ("\\nraft.wal", "\\n#raft.wal", "rabbitmq: "),
        ("KAFKA_LOG_FLUSH_INTERVAL_MESSAGES: \"1\"", "KAFKA_LOG_FLUSH_INTERVAL_MESSAGES: \"10\"", "kafka: "),
        ("KAFKA_LOG_DIRS", "KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE: \"true\"\n      KAFKA_LOG_DIRS", "kafka: "),
        ("127.0.0.1:8080:8080", "8080:8080", "api publishes"),
        ("profiles: [rabbitmq]", "ports: [\"5672:5672\"]\n    profiles: [rabbitmq]", "rabbitmq publishes"),
        ("profiles: [kafka]", "network_mode: host\n    profiles: [kafka]", "kafka publishes"),
        ("      - kafka-data:/", "      - /", "kafka has no volume"),
        ("test: [\"CMD\", \"redis-cli\", \"ping\"]", "disable: true", "redis has no health check"),
        ("rabbitmq:4.1", "rabbitmq:latest", "rabbitmq has no pinned image"),
        ("rabbitmq:4.1", "rabbitmq:3.9", "older than 3.10"),
        ("nats:2.12-alpine", "nats:2.9-alpine", "older than 2.10"),
        ("profiles: [nats]", "profiles: [cloud]", "nats has no profile"),
        ("profiles: [nats]", "profiles: [nats, more]", "leaves out the profile more"),
        ("\n  redis:\n", "\n  valkey:\n", "docker-compose.yml has"),
    ] {
        let changed = Sides { compose: sides.compose.replacen(from, to, 1), ..sides.clone() };
        assert_ne!(changed.compose, sides.compose, "{from:?} is not in docker-compose.yml");
        noticed(&changed, "docker-compose.yml", from, word);
    }
    for line in sides.settings.lines() {
        let (server, _) = line.split_once(':').expect(line);
        let changed = Sides { settings: sides.settings.replace(line, &format!("{line}0")), ..sides.clone() };
        noticed(&changed, "scripts/servers", line, server);
    }
    for server in ["redis", "nats", "rabbitmq", "kafka", "postgres"] {
        let others = sides.settings.lines().filter(|line| !line.starts_with(server));
        let changed = Sides { settings: others.map(|line| format!("{line}\n")).collect(), ..sides.clone() };
        noticed(&changed, "scripts/servers", server, "scripts/servers has");
    }
    let changed = Sides { brokers: sides.brokers.replace("Redis 7 and", "Redis 9 and"), ..sides.clone() };
    noticed(&changed, "docs/brokers.md", "Redis 7", "older than 9");
}
