use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};
use uuid::Uuid;

use crate::ports::{Lease, LeaseStore, StorageError, StorageErrorKind};

/// How long giving a lease back may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// The lease of a scope with one partition: the right to be the one that works.
pub(crate) struct SoleLease {
    leases: Arc<dyn LeaseStore>,
    scope: &'static str,
    member: String,
    ttl: Duration,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    lease: Option<Lease>,
    renew_at: Option<Instant>,
}

impl SoleLease {
    pub(crate) fn new(leases: Arc<dyn LeaseStore>, scope: &'static str, member: Uuid, ttl: Duration) -> Self {
        Self { leases, scope, member: member.to_string(), ttl, held: Mutex::default() }
    }

    /// The lease, renewed when it is time; `None` while another has it. Storage refuses it when it was lost all the same.
    pub(crate) async fn hold(&self) -> Result<Option<Lease>, StorageError> {
        let mut held = self.held.lock().await;
        let now = Instant::now();
        if held.renew_at.is_none_or(|at| at <= now) {
            let membership = self.leases.heartbeat(self.scope, &self.member, 1, self.ttl).await?;
            held.lease = membership.leases.into_iter().next();
            held.renew_at = Some(now + self.ttl / 3);
        }
        Ok(held.lease.clone())
    }

    /// Looks for the lease anew next time if this is the error of one that was lost.
    pub(crate) async fn lost(&self, error: &StorageError) {
        if error.kind == StorageErrorKind::Fenced {
            *self.held.lock().await = Held::default();
        }
    }

    /// Gives it back, so that another need not wait for its end.
    pub(crate) async fn leave(&self) {
        if self.held.lock().await.renew_at.is_none() {
            return;
        }
        let left = tokio::time::timeout(GOODBYE, self.leases.leave(self.scope, &self.member)).await;
        if !matches!(left, Ok(Ok(()))) {
            tracing::debug!(scope = self.scope, "the lease could not be given back; it ends by itself");
        }
    }
}
