use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    io,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use uuid::Uuid;

/// Recognises handlers that block their thread.
///
/// A handler can be cut off where it awaits, and nowhere else: one that is caught in a loop or waits for a lock of the standard library holds its thread for
/// ever, and with as many such events as there are threads the process stands still, its answer to signals included. Nothing within the process can end
/// that, so the watchdog only tells of it; the program is expected to end itself, and the [`CrashGuard`](super::CrashGuard) of the next run finds out
/// which event it was.
///
/// It watches from a thread of its own and counts what it has seen itself, so that a process that was frozen and goes on is not mistaken for one
/// that is blocked. The default one tells nobody.
#[derive(Clone, Default)]
pub struct Watchdog(Arc<Watched>);

/// A handler that does not return to its runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    /// The handler's name.
    pub handler: &'static str,
    /// The id of the event that it was given.
    pub event: Uuid,
    /// For how long it has been seen to do so, at least.
    pub time: Duration,
    /// How long it may take.
    pub limit: Duration,
}

#[derive(Default)]
struct Watched {
    next: AtomicU64,
    watches: Mutex<HashMap<u64, Arc<Watch>>>,
}

struct Watch {
    handler: &'static str,
    event: Uuid,
    limit: Duration,
    /// Rises when a poll begins and when it ends: odd while the handler has the thread.
    polls: AtomicU64,
}

/// What the watchdog has seen of a watch: the poll it was in, and how many times in a row.
#[derive(Default, Clone, Copy)]
struct Seen {
    poll: u64,
    times: u32,
}

impl Watchdog {
    /// Watches every `interval`, and tells `bark` of a handler that was seen to hold its thread for longer than its time limit, once each.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(interval: Duration, bark: impl Fn(Blocked) + Send + 'static) -> io::Result<Self> {
        let watched = Arc::new(Watched::default());
        let weak = Arc::downgrade(&watched);
        thread::Builder::new().name("watchdog".to_owned()).spawn(move || watch(&weak, interval, bark))?;
        Ok(Self(watched))
    }

    /// Does the work of a handler under the watchdog's eyes.
    pub(super) async fn watch<F: Future>(
        &self,
        handler: &'static str,
        event: Uuid,
        limit: Duration,
        work: F,
    ) -> F::Output {
        let watch = Arc::new(Watch { handler, event, limit, polls: AtomicU64::new(0) });
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.0.lock().insert(number, watch.clone());
        let _over = Over { watched: &self.0, number };
        let mut work = pin!(work);
        poll_fn(|context| {
            let _polled = Polled::begin(&watch.polls);
            work.as_mut().poll(context)
        })
        .await
    }
}

impl Watched {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Watch>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a watch, however the work ends.
struct Over<'a> {
    watched: &'a Watched,
    number: u64,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.watched.lock().remove(&self.number);
    }
}

/// Ends a poll, even one that panics.
struct Polled<'a>(&'a AtomicU64);

impl<'a> Polled<'a> {
    fn begin(polls: &'a AtomicU64) -> Self {
        polls.fetch_add(1, Ordering::Relaxed);
        Self(polls)
    }
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The watchdog's thread; ends with the last [`Watchdog`].
#[expect(clippy::disallowed_methods, reason = "it must not depend on the runtime that it watches")]
fn watch(watched: &Weak<Watched>, interval: Duration, bark: impl Fn(Blocked)) {
    let mut seen: HashMap<u64, Seen> = HashMap::new();
    loop {
        thread::sleep(interval);
        let Some(watched) = watched.upgrade() else { return };
        let watches: Vec<_> = watched.lock().iter().map(|(number, watch)| (*number, watch.clone())).collect();
        let mut now = HashMap::with_capacity(watches.len());
        for (number, watch) in watches {
            let poll = watch.polls.load(Ordering::Relaxed);
            let before = seen.get(&number).copied().unwrap_or_default();
            if poll % 2 == 0 {
                continue;
            }
            let times = if before.poll == poll { before.times.saturating_add(1) } else { 0 };
            now.insert(number, Seen { poll, times });
            let (time, past) = (interval * times, interval * times.saturating_sub(1));
            if time > watch.limit && past <= watch.limit {
                bark(Blocked { handler: watch.handler, event: watch.event, time, limit: watch.limit });
            }
        }
        seen = now;
    }
}
