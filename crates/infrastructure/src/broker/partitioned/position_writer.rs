use activelog_application::ports::{StorageError, StorageErrorKind};

use super::{driver::Driver, state::Progress};

impl Driver {
    /// Writes the group's positions as acknowledgements move them: everything that waits in one write, one write at a time.
    pub(super) async fn write_positions(&self) {
        let mut outage = self.outage("writing positions");
        while self.shared.stop.run_until_cancelled(self.shared.dirty.notified()).await.is_some() {
            while let Some(true) = self.persist(&mut outage, || self.write_progress()).await {
                let pause = tokio::time::sleep(self.log.options.position_pause);
                if self.shared.stop.run_until_cancelled(pause).await.is_none() {
                    return;
                }
            }
        }
    }

    /// Writes what waits now. Whether there was anything.
    pub(super) async fn write_progress(&self) -> Result<bool, StorageError> {
        let progress = self.shared.lock().progress();
        if progress.is_empty() {
            return Ok(false);
        }
        match self.advance(&progress).await {
            Err(error) if error.kind == StorageErrorKind::Fenced => self.write_one_by_one(&progress).await?,
            outcome => outcome?,
        }
        Ok(true)
    }

    /// One of these partitions is another's by now: finds out which, and lets go of it.
    async fn write_one_by_one(&self, progress: &[Progress]) -> Result<(), StorageError> {
        for one in progress {
            match self.advance(std::slice::from_ref(one)).await {
                Err(error) if error.kind == StorageErrorKind::Fenced => {
                    let lost = self.shared.lock().lose(one);
                    if lost.is_some() {
                        let (group, partition) = (self.group(), one.lease.partition.0);
                        tracing::warn!(
                            group,
                            partition,
                            "lost a partition; its unsettled events are delivered elsewhere"
                        );
                        self.shared.ownership.notify_one();
                        self.shared.room.notify_one();
                    }
                }
                outcome => outcome?,
            }
        }
        Ok(())
    }

    async fn advance(&self, progress: &[Progress]) -> Result<(), StorageError> {
        let to: Vec<_> = progress.iter().map(|one| (one.lease.clone(), one.position)).collect();
        self.log.positions.advance(self.group(), &to).await?;
        let draining = self.shared.lock().persisted(progress);
        if draining {
            self.shared.ownership.notify_one();
        }
        Ok(())
    }
}
