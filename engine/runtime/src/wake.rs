//! How a task sleeps until there is something to do, whatever that is: a message, room
//! in an output, a command, the end.
//!
//! Whoever changes something that a task may wait for calls [`Wake::wake`] after the
//! change. A task looks at all it waits for, then calls [`Wake::wait`], then looks
//! again. A wake between the look and the wait is not lost: it stays pending and ends
//! the next wait at once. A wait may end for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

#[derive(Debug, Default)]
pub struct Wake {
    pending: AtomicBool,
    cancelled: AtomicBool,
    sleeper: Mutex<()>,
    condvar: Condvar,
}

impl Wake {
    pub fn shared() -> Arc<Wake> {
        Arc::new(Wake::default())
    }

    pub fn wake(&self) {
        if self.pending.swap(true, Ordering::SeqCst) {
            return;
        }
        // Whoever saw nothing pending holds the lock until it sleeps.
        drop(self.sleeper.lock());
        self.condvar.notify_one();
    }

    /// Ends every wait, for good.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Sleeps until it is woken, `timeout` at most. One thread waits at a time.
    pub fn wait(&self, timeout: Duration) {
        let mut sleeper = self.sleeper.lock();
        if self.pending.swap(false, Ordering::SeqCst) {
            return;
        }
        self.condvar.wait_for(&mut sleeper, timeout);
        self.pending.store(false, Ordering::SeqCst);
    }
}
