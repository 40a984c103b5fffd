use activelog_application::ports::{Durability, Finding};
use redis::{ErrorKind, InfoDict, RedisResult, aio::ConnectionManager, cmd};

use crate::broker::probing::too_old;

/// The oldest Redis that gives entries positions (`XADD … 0-*`).
const LEAST: (u32, u32) = (7, 0);

/// How a server is set, as far as it tells this user.
#[derive(Debug)]
pub(super) struct Settings {
    /// What `INFO` tells.
    info: Option<InfoDict>,
    appendonly: Option<String>,
    appendfsync: Option<String>,
    maxmemory_policy: Option<String>,
}

impl Settings {
    /// Asks the server. Fails when it does not answer; what it refuses to tell is left out.
    pub(super) async fn read(mut commands: ConnectionManager) -> RedisResult<Self> {
        let info = told(cmd("INFO").query_async(&mut commands).await)?;
        let mut setting = async |name: &str| -> RedisResult<Option<String>> {
            let pair: Option<Vec<String>> = told(cmd("CONFIG").arg("GET").arg(name).query_async(&mut commands).await)?;
            Ok(pair.and_then(|pair| pair.into_iter().nth(1)))
        };
        Ok(Self {
            info,
            appendonly: setting("appendonly").await?,
            appendfsync: setting("appendfsync").await?,
            maxmemory_policy: setting("maxmemory-policy").await?,
        })
    }

    fn info(&self, name: &str) -> Option<String> {
        self.info.as_ref()?.get(name)
    }

    /// What an acknowledged entry survives. A server that does not say is taken to survive the end of its process.
    pub(super) fn durability(&self) -> Durability {
        match (self.keeps_a_file(), self.appendfsync.as_deref()) {
            (Some(false), _) => Durability::None,
            (_, Some("always")) => Durability::PowerLoss,
            _ => Durability::ProcessCrash,
        }
    }

    /// Whether there is an append-only file.
    fn keeps_a_file(&self) -> Option<bool> {
        let told = self.appendonly.as_deref().map(|value| value == "yes");
        told.or_else(|| self.info("aof_enabled").map(|value| value == "1"))
    }

    /// What the server is, and its version.
    pub(super) fn product(&self) -> (String, Option<String>) {
        // Valkey tells the version of Redis that it is compatible with, too.
        match self.info("valkey_version") {
            Some(version) => ("Valkey".to_owned(), Some(version)),
            None => ("Redis".to_owned(), self.info("redis_version")),
        }
    }

    /// What is not as it should be.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let redis_version = self.info("redis_version").filter(|_| self.info("valkey_version").is_none());
        let version = redis_version.and_then(|version| too_old("Redis", &version, LEAST));
        [version, self.silence(), self.file(), self.eviction(), self.role(), self.mode()]
            .into_iter()
            .flatten()
            .collect()
    }

    fn silence(&self) -> Option<Finding> {
        let refused = match (&self.info, &self.appendfsync) {
            (Some(_), Some(_)) => return None,
            (None, _) => "INFO",
            (_, None) => "CONFIG GET",
        };
        Some(Finding::warning(
            format!("Redis does not tell this user its settings ({refused} is refused)"),
            "it cannot be checked that it keeps what it has taken; it is taken to survive the end of its process, not a loss of power",
            "allow the user INFO and CONFIG GET, or make sure yourself of `appendonly yes`, `appendfsync always` and `maxmemory-policy noeviction`",
        ))
    }

    fn file(&self) -> Option<Finding> {
        if self.keeps_a_file() == Some(false) {
            return Some(Finding::error(
                "appendonly is off",
                "whatever was published and is not in a snapshot is lost when Redis ends",
                "set `appendonly yes` and `appendfsync always`",
            ));
        }
        if self.info("aof_last_write_status").is_some_and(|status| status != "ok") {
            return Some(Finding::error(
                "the last write to the append-only file failed",
                "Redis takes no more events",
                "look at Redis' log and at its disk",
            ));
        }
        let synced = self.appendfsync.as_deref().filter(|synced| *synced != "always")?;
        let window = if synced == "everysec" { "the last second" } else { "some seconds" };
        Some(Finding::warning(
            format!("appendfsync is {synced}"),
            format!("what was published in {window} before a loss of power may be gone after it"),
            "set `appendfsync always`, or accept it",
        ))
    }

    fn eviction(&self) -> Option<Finding> {
        let policy = self.maxmemory_policy.clone().or_else(|| self.info("maxmemory_policy"))?;
        if policy == "noeviction" {
            return None;
        }
        let bounded = self.info("maxmemory").is_none_or(|bytes| bytes != "0");
        let (what, advice) = (format!("maxmemory-policy is {policy}"), "set `maxmemory-policy noeviction`");
        Some(match bounded && policy.starts_with("allkeys") {
            true => Finding::error(
                what,
                "when its memory is full, Redis throws away streams with events nobody has taken",
                advice,
            ),
            // Nothing here has a time to live, and without a bound nothing is thrown away.
            false => {
                Finding::warning(what, "events are safe only as long as `maxmemory` and this stay as they are", advice)
            }
        })
    }

    fn role(&self) -> Option<Finding> {
        self.info("role").filter(|role| role != "master").map(|_| {
            Finding::error(
                "this Redis is a replica",
                "it refuses what is published, or what was published there is lost when it next follows its master",
                "point the broker URL at the master",
            )
        })
    }

    fn mode(&self) -> Option<Finding> {
        self.info("redis_mode").filter(|mode| mode == "cluster").map(|_| {
            Finding::error(
                "this Redis is part of a cluster",
                "the keys of one namespace would be on several nodes, where no script can reach them together",
                "use a Redis of its own, with replicas where you need them",
            )
        })
    }
}

/// What the server has answered; `None` when it has refused.
fn told<T>(answer: RedisResult<T>) -> RedisResult<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use activelog_application::ports::Severity;

    use super::*;

    fn settings(info: &str, config: Option<[&str; 3]>) -> Settings {
        let [appendonly, appendfsync, maxmemory_policy] = match config {
            Some(values) => values.map(|value| Some(value.to_owned())),
            None => [None, None, None],
        };
        let info = (!info.is_empty()).then(|| InfoDict::new(&info.replace(' ', "\n")));
        Settings { info, appendonly, appendfsync, maxmemory_policy }
    }

    #[test]
    fn settings_are_judged_by_what_they_keep() {
        use Durability::{None as Nothing, PowerLoss, ProcessCrash};
        let sound = "redis_version:7.0.15 role:master redis_mode:standalone maxmemory:0 aof_enabled:1";
        for (info, config, durability, worst) in [
            (sound, Some(["yes", "always", "noeviction"]), PowerLoss, None),
            (sound, Some(["yes", "everysec", "noeviction"]), ProcessCrash, Some(("appendfsync", Severity::Warning))),
            (sound, Some(["no", "always", "noeviction"]), Nothing, Some(("appendonly is off", Severity::Error))),
            (sound, Some(["yes", "always", "allkeys-lru"]), PowerLoss, Some(("maxmemory-policy", Severity::Warning))),
            ("maxmemory:9", Some(["yes", "always", "allkeys-lru"]), PowerLoss, Some(("maxmemory", Severity::Error))),
            (sound, None, ProcessCrash, Some(("CONFIG GET", Severity::Warning))),
            ("", None, ProcessCrash, Some(("INFO", Severity::Warning))),
            ("aof_enabled:0", None, Nothing, Some(("appendonly is off", Severity::Error))),
            ("redis_version:6.2.1", Some(["yes", "always", "noeviction"]), PowerLoss, Some(("6.2.1", Severity::Error))),
            ("role:slave", Some(["yes", "always", "noeviction"]), PowerLoss, Some(("replica", Severity::Error))),
            (
                "redis_mode:cluster",
                Some(["yes", "always", "noeviction"]),
                PowerLoss,
                Some(("cluster", Severity::Error)),
            ),
        ] {
            let settings = settings(info, config);
            let found = settings.findings().into_iter().max_by_key(|finding| finding.severity);
            assert_eq!(settings.durability(), durability, "{settings:?}");
            assert_eq!(found.as_ref().map(|found| found.severity), worst.map(|(_, severity)| severity), "{settings:?}");
            if let Some((found, (words, _))) = found.zip(worst) {
                assert!(found.what.contains(words) && !found.advice.is_empty(), "{found:?}");
            }
        }
        assert_eq!(settings("valkey_version:8.0.1 redis_version:7.2.4", None).product().0, "Valkey");
    }
}
