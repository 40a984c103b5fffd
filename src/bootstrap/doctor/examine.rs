use activelog_interfaces::cli::doctor::{Diagnosis, Subject};

use super::{
    broker, clock,
    configuration::{configuration, secrets_in_file},
    database,
};
use crate::config::Loaded;

/// Looks at everything that this configuration names.
pub async fn examine(loaded: &Loaded) -> Diagnosis {
    let config = &loaded.config;
    let mut diagnosis = Diagnosis::default();
    diagnosis.add(Subject::Configuration, configuration(loaded));
    let database = database::inspect(config).await;
    diagnosis.add(Subject::Database, database.findings);
    let broker = broker::inspect(config, database.usable).await;
    diagnosis.add(Subject::Broker, broker.findings);
    let clocks = [("database", database.clock_ahead), ("broker", broker.clock_ahead)];
    diagnosis.add(Subject::Clock, clock::compare(&clocks));
    diagnosis.add(Subject::Permissions, secrets_in_file(loaded));
    diagnosis.add(Subject::Permissions, database.permissions);
    diagnosis
}
