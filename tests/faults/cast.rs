//! Which roles a scenario has, and how they are started.

use std::path::Path;

use crate::{broker::Broker, database::Database, processes::Launch, schedule::Component};

/// What a scenario runs on.
#[derive(Clone)]
pub(crate) struct Cast {
    /// The roles, and how many of each.
    pub(crate) roles: Vec<(Component, usize)>,
    /// Configuration besides the usual.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Whether a process may end by `abort`: a handler does it.
    pub(crate) aborts: bool,
    /// `None` for the journal in the database.
    pub(crate) broker: Option<Broker>,
    /// Whether it is measured how soon a broker that was killed carries events again. Other faults would have their part in it.
    pub(crate) times_recovery: bool,
    /// Whether workers have names in their group, so that one that is started again is known.
    pub(crate) is_named: bool,
}

impl Cast {
    /// These roles, configured as usual.
    pub(crate) fn of(roles: &[(Component, usize)]) -> Self {
        Self {
            roles: roles.to_vec(),
            environment: Vec::new(),
            aborts: false,
            broker: None,
            times_recovery: false,
            is_named: false,
        }
    }

    /// The same on a broker that is a server.
    pub(crate) fn on(self, broker: Broker) -> Self {
        Self { broker: Some(broker), ..self }
    }
}

/// How a role is started.
pub(crate) fn launch(
    component: Component,
    number: usize,
    folder: &Path,
    database: &Database,
    port: u16,
    cast: &Cast,
) -> Launch {
    let role = match component {
        Component::Serve | Component::Database | Component::Broker | Component::Network => "serve",
        Component::Api => "api",
        Component::Relay => "relay",
        Component::Worker => "worker",
    };
    let mut environment: Vec<(String, String)> = [
        ("ACTIVELOG_DATABASE_URL", database.url()),
        ("ACTIVELOG_LISTEN", format!("127.0.0.1:{port}")),
        ("ACTIVELOG__STORAGE__MAX_CONNECTIONS", "12".to_owned()),
        ("ACTIVELOG_FAULT_LEDGER", "1".to_owned()),
        ("ACTIVELOG_FAULT_FOLDER", folder.join("attempts").display().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let name = format!("{component}-{number}");
    environment.extend(cast.broker.iter().map(|broker| ("ACTIVELOG_BROKER_URL".to_owned(), broker.url())));
    environment.extend(cast.is_named.then(|| ("ACTIVELOG__WORKER__INSTANCE".to_owned(), name.clone())));
    environment.extend(cast.environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Launch { role, name, folder: folder.to_owned(), environment }
}
