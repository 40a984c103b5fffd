use std::time::Duration;

use activelog_application::ports::Partition;
use tokio::time::Instant;

use super::{
    driver::Driver,
    group_log::{LogEntry, Page},
    outage::Outage,
    state::Reading,
};

/// How often a log that is read without a pause is looked at for having begun anew.
const LOOK: Duration = Duration::from_secs(3);

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
                    Reading::Page(page) => {
                        let read = self.persist(&mut outage, || log.read(std::slice::from_ref(&page))).await;
                        let Some(read) = read else { return };
                        if read.iter().all(|(_, entries)| entries.is_empty()) {
                            // What the heads promise was removed meanwhile: look again.
                            break;
                        }
                        shared.accept(read.into_iter().map(taken_in));
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

    /// All partitions at once, in reads that wait for what comes.
    async fn read_waiting(&self) {
        let mut outage = self.outage("reading events");
        let (log, options, shared) = (&self.log.log, &self.log.options, &self.shared);
        let mut looked = Instant::now();
        loop {
            let pages = shared.pages(options.read_ahead_bytes);
            if pages.is_empty() {
                tokio::select! {
                    () = shared.stop.cancelled() => return,
                    () = shared.gained.notified() => {}
                    () = shared.room.notified() => {}
                }
                continue;
            }
            let read = tokio::select! {
                () = shared.stop.cancelled() => return,
                read = log.read(&pages) => read,
                () = shared.gained.notified() => continue,
            };
            let silent = match read {
                Ok(read) => {
                    outage.worked();
                    let silent = read.iter().all(|(_, entries)| entries.is_empty());
                    shared.accept(read.into_iter().map(taken_in));
                    silent
                }
                Err(error) => {
                    let pause = outage.failed(&error);
                    if shared.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                        return;
                    }
                    true
                }
            };
            // Silence may mean that there is nothing, or that the log is another than it was; and where many partitions speak one may have fallen silent.
            if silent || looked.elapsed() > LOOK {
                self.look_for_restart(&mut outage).await;
                looked = Instant::now();
            }
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

fn taken_in((page, entries): (Page, Vec<LogEntry>)) -> (Partition, u64, Vec<LogEntry>) {
    (page.partition, page.generation, entries)
}
