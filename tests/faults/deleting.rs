//! Deletes all that the program keeps on a broker, as somebody does who took it for another system's.

use std::error::Error;

use crate::support::Kind;

/// What stands in the way.
type Failure = Box<dyn Error + Send + Sync>;

/// Deletes what is there under `namespace` on the server of this URL: events, groups, and whatever they travel through. Kafka deletes no group that has members.
pub(crate) async fn delete_all(kind: Kind, url: &str, namespace: &str) -> Result<(), Failure> {
    let server = url.split_once('?').map_or(url, |(server, _)| server);
    match kind {
        #[cfg(feature = "redis")]
        Kind::Redis => redis(server, namespace).await,
        #[cfg(feature = "nats")]
        Kind::Nats => nats(server, namespace).await,
        #[cfg(feature = "rabbitmq")]
        Kind::RabbitMq => rabbitmq(server, namespace).await,
        #[cfg(feature = "kafka")]
        Kind::Kafka => kafka(server, namespace).await,
        #[cfg(not(all(feature = "redis", feature = "nats", feature = "rabbitmq", feature = "kafka")))]
        _ => Err(format!("{} is not part of this build, for {server} and {namespace}", kind.name()).into()),
    }
}

#[cfg(feature = "redis")]
async fn redis(server: &str, namespace: &str) -> Result<(), Failure> {
    let mut connection = ::redis::Client::open(server)?.get_multiplexed_async_connection().await?;
    let keys: Vec<String> = ::redis::cmd("KEYS").arg(format!("{namespace}:*")).query_async(&mut connection).await?;
    // At once, as FLUSHALL does: of a part of them the adapter may make anew what is deleted next.
    Ok(::redis::cmd("DEL").arg(keys).query_async(&mut connection).await?)
}

#[cfg(feature = "nats")]
async fn nats(server: &str, namespace: &str) -> Result<(), Failure> {
    let jetstream = async_nats::jetstream::new(async_nats::connect(server).await?);
    jetstream.delete_stream(namespace).await?;
    jetstream.delete_key_value(format!("{namespace}-groups")).await?;
    Ok(())
}

#[cfg(feature = "rabbitmq")]
async fn rabbitmq(server: &str, namespace: &str) -> Result<(), Failure> {
    use lapin::{
        Connection, ConnectionProperties,
        options::{ExchangeDeleteOptions, QueueDeleteOptions},
    };
    let connection = Connection::connect(server, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    for exchange in ["events", "members"] {
        channel.exchange_delete(format!("{namespace}:{exchange}").into(), ExchangeDeleteOptions::default()).await?;
    }
    for partition in 0..activelog_application::ports::PARTITIONS {
        let queue = format!("{namespace}:activelog:{partition}");
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
    }
    connection.close(200, "done".into()).await?;
    Ok(())
}

#[cfg(feature = "kafka")]
async fn kafka(server: &str, namespace: &str) -> Result<(), Failure> {
    use rdkafka::{
        ClientConfig,
        admin::{AdminClient, AdminOptions},
        client::DefaultClientContext,
    };
    let servers = server.trim_start_matches("kafka://");
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", servers).create()?;
    let deleted = admin.delete_topics(&[&format!("{namespace}.events")], &AdminOptions::new()).await?;
    deleted.into_iter().try_for_each(|topic| topic.map(drop).map_err(|(topic, code)| format!("{topic}: {code}").into()))
}
