//! What the probes of adapters share.

use std::{error::Error, time::Duration};

#[cfg(any(test, feature = "redis", feature = "nats", feature = "rabbitmq"))]
use activelog_application::ports::Finding;
use activelog_application::ports::ProbeError;

/// How long asking a server may take in all.
const LIMIT: Duration = Duration::from_secs(10);

/// What went wrong with asking.
pub(super) type AnyError = Box<dyn Error + Send + Sync>;

/// Waits for the answers of a server, for so long and no longer.
pub(super) async fn bounded<T>(asking: impl Future<Output = Result<T, AnyError>>) -> Result<T, ProbeError> {
    match tokio::time::timeout(LIMIT, asking).await {
        Ok(answer) => answer.map_err(ProbeError),
        Err(_) => Err(ProbeError(format!("not within {} s", LIMIT.as_secs()).into())),
    }
}

/// Whether connecting has failed because nobody answers: the same may work later.
#[cfg(any(feature = "nats", feature = "rabbitmq"))]
pub(super) fn nobody_answers(error: &(dyn Error + 'static)) -> bool {
    use std::io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable,
        NotConnected, TimedOut, UnexpectedEof,
    };
    let mut causes = std::iter::successors(Some(error), |cause: &&(dyn Error + 'static)| (*cause).source());
    causes.find_map(|error| error.downcast_ref::<std::io::Error>()).is_some_and(|error| {
        matches!(
            error.kind(),
            BrokenPipe
                | ConnectionAborted
                | ConnectionRefused
                | ConnectionReset
                | HostUnreachable
                | NetworkUnreachable
                | NotConnected
                | TimedOut
                | UnexpectedEof
        )
    })
}

/// What is wrong with a version that is older than the least that works.
#[cfg(any(test, feature = "redis", feature = "nats", feature = "rabbitmq"))]
pub(super) fn too_old(server: &str, version: &str, least: (u32, u32)) -> Option<Finding> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let found = (parts.next()?, parts.next().unwrap_or(0));
    let (major, minor) = least;
    (found < least).then(|| {
        Finding::error(
            format!("{server} is version {version}"),
            format!(
                "what this program needs came with {server} {major}.{minor}: it will fail, or not keep its promise"
            ),
            format!("upgrade to {server} {major}.{minor} or newer"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, old) in
            [("3.9.29", true), ("3.10.8", false), ("4.1.0-rc.1", false), ("3", true), ("2.12", true), ("10", false)]
        {
            assert_eq!(too_old("Server", version, (3, 10)).is_some(), old, "{version}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_ends_the_asking() {
        let error = bounded(std::future::pending::<Result<(), AnyError>>()).await.expect_err("no answer");
        assert_eq!(error.to_string(), "the broker does not answer: not within 10 s");
    }
}
