use std::collections::HashSet;

use futures::{StreamExt, stream::FuturesUnordered};

use super::{
    driver::Driver,
    outage::Outage,
    state::{Page, Reading},
};

impl Driver {
    /// Reads the owned partitions ahead of the consumer.
    pub(super) async fn read(&self) {
        if self.log.log.waits() { self.read_waiting().await } else { self.read_polling().await }
    }

    /// Page by page, as far as the log is known to reach.
    async fn read_polling(&self) {
        let mut news = self.log.signal.listen();
        let mut outage = self.outage("reading events");
        let (log, options, shared) = (&self.log.log, &self.log.options, &self.shared);
        loop {
            let before = shared.read_to();
            let Some(heads) = self.persist(&mut outage, || log.heads()).await else { return };
            if shared.drop_restarted(&before, &heads) {
                self.tell_restarted();
            }
            loop {
                match shared.reading(&heads, options.read_ahead_bytes) {
                    Reading::CaughtUp => break,
                    Reading::NoRoom => {
                        if shared.stop.run_until_cancelled(shared.room.notified()).await.is_none() {
                            return;
                        }
                    }
                    Reading::Page(Page { partition, generation, after, limit }) => {
                        let page = self.persist(&mut outage, || log.read(partition, after, limit)).await;
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

    /// All partitions at once, each with a read that waits for what comes.
    async fn read_waiting(&self) {
        let mut outage = self.outage("reading events");
        let (log, options, shared) = (&self.log.log, &self.log.options, &self.shared);
        let (mut reads, mut under_way) = (FuturesUnordered::new(), HashSet::new());
        loop {
            for page in shared.waiting_reads(&under_way, options.read_ahead_bytes) {
                under_way.insert((page.partition, page.generation));
                reads.push(async move { (page, log.read(page.partition, page.after, page.limit).await) });
            }
            let (page, entries) = tokio::select! {
                () = shared.stop.cancelled() => return,
                Some(read) = reads.next() => read,
                () = shared.gained.notified() => continue,
                () = shared.room.notified() => continue,
            };
            under_way.remove(&(page.partition, page.generation));
            match entries {
                Ok(entries) if entries.is_empty() => outage.worked(),
                Ok(entries) => {
                    outage.worked();
                    shared.accept(page.partition, page.generation, entries);
                    continue;
                }
                Err(error) => {
                    let pause = outage.failed(&error);
                    if shared.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                        return;
                    }
                }
            }
            // Silence may mean that there is nothing, or that the log is another than it was.
            self.look_for_restart(&mut outage).await;
        }
    }

    async fn look_for_restart(&self, outage: &mut Outage) {
        let before = self.shared.read_to();
        match self.log.log.heads().await {
            Ok(heads) if self.shared.drop_restarted(&before, &heads) => self.tell_restarted(),
            Ok(_) => {}
            // The next read fails as well, and waits.
            Err(error) => drop(outage.failed(&error)),
        }
    }

    fn tell_restarted(&self) {
        tracing::warn!(group = self.group(), "the log ends before what was read of it: it was deleted; beginning anew");
        self.shared.ownership.notify_one();
    }
}
