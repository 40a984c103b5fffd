use std::time::Duration;

use activelog_application::ports::{PARTITIONS, Signal};
use redis::{AsyncConnectionConfig, RedisResult, Value, aio::MultiplexedConnection, cmd, streams::StreamReadReply};
use tokio_util::sync::CancellationToken;

use super::{connection::Connection, log};

/// How long the server may hold a read that finds nothing.
const BLOCK: Duration = Duration::from_secs(5);

/// The pause before a connection that broke is made again. Streams look by themselves meanwhile.
const PAUSE: Duration = Duration::from_secs(1);

/// Rings when an event arrives in any stream, until told to stop: a read that waits, on a connection of its own.
pub(super) async fn watch(connection: Connection, news: Signal, stop: CancellationToken) {
    let watching = async {
        loop {
            if let Err(error) = follow(&connection, &news).await {
                tracing::debug!(%error, "the connection that waits for events broke");
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    stop.run_until_cancelled(watching).await;
}

async fn follow(connection: &Connection, news: &Signal) -> RedisResult<()> {
    // Longer than the server takes: what it has handed over to a read that was given up is not read again.
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(BLOCK + Duration::from_secs(2)));
    let mut waiting = connection.client.get_multiplexed_async_connection_with_config(&config).await?;
    let streams = connection.keys.streams();
    let mut last = vec![0; usize::from(PARTITIONS)];
    for (stream, last) in streams.iter().zip(&mut last) {
        *last = newest(&mut waiting, stream).await?;
    }
    loop {
        news.ring();
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(1).arg("BLOCK").arg(u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX)).arg("STREAMS");
        read.arg(&streams).arg(last.iter().map(|position| format!("0-{position}")).collect::<Vec<_>>());
        let answer: Option<StreamReadReply> = read.query_async(&mut waiting).await?;
        for key in answer.iter().flat_map(|answer| &answer.keys) {
            if let Some(index) = streams.iter().position(|stream| *stream == key.key) {
                // The newest of all that came meanwhile, or every single one would be read.
                last[index] = newest(&mut waiting, &key.key).await?;
            }
        }
    }
}

async fn newest(waiting: &mut MultiplexedConnection, stream: &str) -> RedisResult<u64> {
    let mut range = cmd("XREVRANGE");
    let found: Vec<(String, Value)> =
        range.arg(stream).arg("+").arg("-").arg("COUNT").arg(1).query_async(waiting).await?;
    Ok(found.first().map_or(0, |(id, _)| log::position(id)))
}
