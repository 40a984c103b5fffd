use super::{driver::Driver, state::Reading};

impl Driver {
    /// Reads pages of the owned partitions ahead of the consumer.
    pub(super) async fn read(&self) {
        let mut news = self.parts.signal.listen();
        let mut outage = self.outage("reading the journal");
        let (journal, options, shared) = (&self.parts.journal, &self.parts.options, &self.shared);
        while let Some(heads) = self.persist(&mut outage, || journal.heads()).await {
            loop {
                match shared.reading(&heads, options.read_ahead_bytes) {
                    Reading::CaughtUp => break,
                    Reading::NoRoom => {
                        if shared.stop.run_until_cancelled(shared.room.notified()).await.is_none() {
                            return;
                        }
                    }
                    Reading::Page { partition, generation, after, limit } => {
                        let page = self.persist(&mut outage, || journal.read(partition, after, limit)).await;
                        let Some(page) = page else { return };
                        if page.is_empty() {
                            // What the heads promise was removed meanwhile: look again.
                            break;
                        }
                        shared.accept(partition, generation, page);
                    }
                }
            }
            tokio::select! {
                () = shared.stop.cancelled() => return,
                () = news.wait(options.poll) => {}
                () = shared.gained.notified() => {}
            }
        }
    }
}
