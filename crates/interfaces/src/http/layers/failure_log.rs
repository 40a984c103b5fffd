use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::http::StatusCode;
use tokio::time::Instant;

/// How far lines about failures of one kind are apart while the database is away or full: every request fails then, for one reason.
const APART: Duration = Duration::from_secs(5);

/// Decides which failed requests get a line in the log.
#[derive(Default)]
pub(in crate::http) struct FailureLog(Mutex<HashMap<&'static str, Last>>);

struct Last {
    at: Instant,
    left_out: u64,
}

impl FailureLog {
    /// Whether a failure of this kind is to be logged now: then how many before it were left out since the line before. Defects always
    /// are, as each may be another one.
    pub(super) fn admit(&self, status: StatusCode, slug: &'static str) -> Option<u64> {
        if status != StatusCode::SERVICE_UNAVAILABLE {
            return Some(0);
        }
        let now = Instant::now();
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kinds.get_mut(slug) {
            Some(last) if now.duration_since(last.at) < APART => {
                last.left_out += 1;
                None
            }
            Some(last) => {
                last.at = now;
                Some(std::mem::take(&mut last.left_out))
            }
            None => {
                kinds.insert(slug, Last { at: now, left_out: 0 });
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_a_line_now_and_then_and_defects_are_a_line_each() {
        let log = FailureLog::default();
        let outage = || log.admit(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
        assert_eq!(outage(), Some(0));
        assert_eq!((outage(), outage()), (None, None));
        assert_eq!(log.admit(StatusCode::SERVICE_UNAVAILABLE, "storage-full"), Some(0));
        tokio::time::advance(APART).await;
        assert_eq!(outage(), Some(2));
        let defect = || log.admit(StatusCode::INTERNAL_SERVER_ERROR, "internal");
        assert_eq!((defect(), defect()), (Some(0), Some(0)));
    }
}
