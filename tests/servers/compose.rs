//! docker-compose.yml, as far as it tells of servers.

use std::collections::{BTreeMap, BTreeSet};

use yaml_rust2::{Yaml, YamlLoader};

/// Settings by name.
pub(crate) type Settings = BTreeMap<String, String>;

/// Of Kafka's variables those that say where it is and which part it plays; `scripts/servers` has its own.
const OF_THE_PLACE: [&str; 8] = [
    "process.roles",
    "node.id",
    "controller.quorum.voters",
    "controller.listener.names",
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "log.dirs",
];

pub(crate) struct Compose(Yaml);

impl Compose {
    pub(crate) fn read(text: &str) -> Self {
        Self(YamlLoader::load_from_str(text).expect("YAML").remove(0))
    }

    fn services(&self) -> impl Iterator<Item = (&str, &Yaml)> {
        let services = self.0["services"].as_hash().expect("services");
        services.iter().filter_map(|(name, service)| Some((name.as_str()?, service)))
    }

    /// The services that are servers: they come as images, and the application is built.
    pub(crate) fn servers(&self) -> BTreeMap<&str, &Yaml> {
        self.services().filter(|(_, service)| !service["image"].is_badvalue()).collect()
    }

    pub(crate) fn profiles(&self) -> BTreeSet<String> {
        self.services().flat_map(|(_, service)| strings(&service["profiles"])).collect()
    }

    /// What is reached from outside of the containers, by service.
    pub(crate) fn published(&self) -> Vec<(&str, String)> {
        let shown = |port: &Yaml| port.as_str().map_or_else(|| format!("{port:?}"), str::to_owned);
        let of = |service: &Yaml| service["ports"].as_vec().cloned().unwrap_or_default();
        let ports = self.services().flat_map(|(name, service)| of(service).into_iter().map(move |port| (name, port)));
        let hosts = self.services().filter(|(_, service)| !service["network_mode"].is_badvalue());
        ports
            .map(|(name, port)| (name, shown(&port)))
            .chain(hosts.map(|(name, _)| (name, "a network".into())))
            .collect()
    }

    /// Whether a volume that the file declares is mounted.
    pub(crate) fn has_volume(&self, server: &Yaml) -> bool {
        let declared = self.0["volumes"].as_hash().expect("volumes");
        let named = |mount: &String| declared.contains_key(&Yaml::String(mount.split(':').next().unwrap_or("").into()));
        strings(&server["volumes"]).iter().any(named)
    }

    /// What a server is started with beside folders and ports.
    pub(crate) fn settings(&self, name: &str) -> Settings {
        let servers = self.servers();
        let Some(server) = servers.get(name) else { return Settings::new() };
        let words = strings(&server["command"]);
        let script = words.first().cloned().unwrap_or_default();
        match name {
            "postgres" => pairs(words.iter().map(String::as_str), "="),
            "redis" => {
                words.windows(2).filter_map(|two| Some((two[0].strip_prefix("--")?.into(), two[1].clone()))).collect()
            }
            "nats" => {
                let of_jetstream = script.split("jetstream {").nth(1).and_then(|rest| rest.split('}').next());
                let mut settings = pairs(of_jetstream.unwrap_or_default().split(','), ":");
                settings.remove("store_dir");
                settings
            }
            "rabbitmq" => pairs(script.split('\'').nth(1).unwrap_or_default().split("\\n"), "="),
            "kafka" => properties(&server["environment"]),
            other => panic!("how are settings of {other} written in docker-compose.yml?"),
        }
    }
}

/// As the image makes properties of variables.
fn properties(environment: &Yaml) -> Settings {
    let variables = environment.as_hash().expect("variables with values");
    let properties = variables.iter().filter_map(|(name, value)| {
        let name = name.as_str()?.strip_prefix("KAFKA_")?.to_lowercase().replace('_', ".");
        Some((name, value.as_str().expect("a value in quotes").to_owned()))
    });
    properties.filter(|(name, _)| !OF_THE_PLACE.contains(&name.as_str())).collect()
}

fn pairs<'a>(parts: impl Iterator<Item = &'a str>, between: &str) -> Settings {
    let pairs = parts.filter_map(|part| part.split_once(between));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

fn strings(list: &Yaml) -> Vec<String> {
    list.as_vec().into_iter().flatten().filter_map(Yaml::as_str).map(str::to_owned).collect()
}

/// What an image is called after its colon.
pub(crate) fn tag(server: &Yaml) -> &str {
    server["image"].as_str().and_then(|image| image.rsplit_once(':')).map_or("latest", |(_, tag)| tag)
}
