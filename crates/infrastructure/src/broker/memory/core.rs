use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use activelog_domain::event::EventEnvelope;
use tokio::{sync::Notify, time::Instant};

use super::{
    MemoryOptions,
    state::{State, StreamId},
};
use crate::broker::keyed_queue::Taken;

/// The broker itself: state under a lock, and who waits for it to change.
#[derive(Debug)]
pub(super) struct Core {
    state: Mutex<State>,
    /// Rings when the history may have got room, and when a publisher closes.
    pub(super) room: Notify,
    pub(super) options: MemoryOptions,
}

/// What became of storing an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Yes,
    /// The history is full of what live groups still have to acknowledge.
    Full,
    /// The publisher has been closed.
    Closed,
}

impl Core {
    pub(super) fn new(options: MemoryOptions) -> Self {
        Self { state: Mutex::new(State::default()), room: Notify::new(), options }
    }

    /// No guard ever lives across an await. The lock cannot be poisoned by foreign code: none runs under it.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores an event, if there is room for it and the publisher is open.
    pub(super) fn store(&self, event: &Arc<EventEnvelope>, closed: &AtomicBool) -> Stored {
        let mut gone = Vec::new();
        let wake = {
            let mut state = self.lock();
            // Under the lock: once `close` has returned, nothing more is stored.
            if closed.load(Ordering::Relaxed) {
                return Stored::Closed;
            }
            let room = state.make_room(event.size(), &self.options, &mut gone);
            room.then(|| {
                state.push(Arc::clone(event), Instant::now());
                state.live_wakes()
            })
        };
        drop(gone);
        let Some(wake) = wake else { return Stored::Full };
        for notify in wake {
            notify.notify_waiters();
        }
        Stored::Yes
    }

    /// Marks a publisher closed, and wakes its calls that wait for room.
    pub(super) fn close_publisher(&self, closed: &AtomicBool) {
        {
            let _state = self.lock();
            closed.store(true, Ordering::Relaxed);
        }
        self.room.notify_waiters();
    }

    /// Settles a delivery: acknowledged, or given back until an instant. `false` when it was no longer out.
    pub(super) fn settle(&self, stream: StreamId, taken: Taken, settlement: Settlement) -> bool {
        let settled = self.lock().settle(stream, taken, settlement);
        let Some(settled) = settled else { return false };
        settled.wake.notify_waiters();
        if settled.watermark_moved {
            self.room.notify_waiters();
        }
        true
    }

    /// Ends a stream and gives back what it has not settled.
    pub(super) fn end_stream(&self, stream: StreamId) {
        let wake = self.lock().end_stream(stream);
        if let Some(wake) = wake {
            wake.notify_waiters();
        }
        // The group may have been the one that publishing waited for.
        self.room.notify_waiters();
    }
}

/// How a delivery was settled.
#[derive(Debug, Clone, Copy)]
pub(super) enum Settlement {
    Acknowledged,
    /// To be delivered again, not before an instant.
    GivenBack(Option<Instant>),
}
