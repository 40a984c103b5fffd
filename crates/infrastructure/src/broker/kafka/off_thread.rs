use std::{ops::Deref, sync::Arc};

/// A client of the driver, which is dropped on a thread of its own: that waits for the client's threads, and for a broker that may not answer.
pub(super) struct OffThread<T: Send + Sync + 'static>(Arc<Guard<T>>);

struct Guard<T: Send + Sync + 'static>(Arc<T>);

impl<T: Send + Sync + 'static> OffThread<T> {
    /// Keeps a client.
    pub(super) fn new(client: T) -> Self {
        Self(Arc::new(Guard(Arc::new(client))))
    }
}

impl<T: Send + Sync + 'static> Clone for OffThread<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + Sync + 'static> Deref for OffThread<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.0
    }
}

impl<T: Send + Sync + 'static> Drop for Guard<T> {
    fn drop(&mut self) {
        let client = Arc::clone(&self.0);
        // Where there is no thread to be had it is dropped here, which takes its time.
        let _spawned = std::thread::Builder::new().name("kafka-close".to_owned()).spawn(move || {
            // Until the guard itself has let go, or this would not be the last to hold it.
            while Arc::strong_count(&client) > 1 {
                std::thread::yield_now();
            }
            drop(client);
        });
    }
}
