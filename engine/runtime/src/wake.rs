//! How a task sleeps until there is something to do, whatever that is: a message, room
//! in an output, a command, the end.
//!
//! Whoever changes something that a task may wait for calls [`Wake::wake`] after the
//! change. A task looks at all it waits for, then calls [`Wake::wait`], then looks
//! again. A wake between the look and the wait is not lost: it stays pending and ends
//! the next wait at once. A wait may end for nothing.
//!
//! A wake costs both sides more than a small batch does, so a task that has more to send
//! may *owe* one for a while: whoever is owed it finds what was sent when it looks by
//! itself, and sleeps no longer than until its debtor pays ([`Wake::settle`]), which it
//! does before every sleep of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

#[derive(Debug)]
pub struct Wake {
    pending: AtomicBool,
    cancelled: AtomicBool,
    sleeper: Mutex<()>,
    condvar: Condvar,
    /// Whom this task owes a wake.
    owed: Mutex<Vec<Arc<Wake>>>,
    /// Monotonic nanoseconds since when it owes the first of them; [`NOTHING_OWED`].
    owed_since_ns: AtomicU64,
}

const NOTHING_OWED: u64 = u64::MAX;

impl Default for Wake {
    fn default() -> Wake {
        Wake {
            pending: AtomicBool::default(),
            cancelled: AtomicBool::default(),
            sleeper: Mutex::default(),
            condvar: Condvar::default(),
            owed: Mutex::default(),
            owed_since_ns: AtomicU64::new(NOTHING_OWED),
        }
    }
}

impl Wake {
    pub fn shared() -> Arc<Wake> {
        Arc::new(Wake::default())
    }

    /// Promises `to` a wake; called by the task that sleeps here.
    pub fn owe(&self, to: &Arc<Wake>, now_ns: u64) {
        let mut owed = self.owed.lock();
        if owed.is_empty() {
            self.owed_since_ns.store(now_ns, Ordering::Relaxed);
        }
        if !owed.iter().any(|known| Arc::ptr_eq(known, to)) {
            owed.push(Arc::clone(to));
        }
    }

    /// Wakes all that are owed it.
    pub fn settle(&self) {
        if self.owed_since_ns.load(Ordering::Relaxed) == NOTHING_OWED {
            return;
        }
        self.owed_since_ns.store(NOTHING_OWED, Ordering::Relaxed);
        self.owed.lock().drain(..).for_each(|other| other.wake());
    }

    /// Settles when something is owed for `linger_ns` or longer.
    pub fn settle_when_due(&self, now_ns: u64, linger_ns: u64) {
        let since = self.owed_since_ns.load(Ordering::Relaxed);
        if since != NOTHING_OWED && now_ns.saturating_sub(since) >= linger_ns {
            self.settle();
        }
    }

    #[cfg(test)]
    pub fn is_pending(&self) -> bool {
        self.pending.load(Ordering::SeqCst)
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
        self.settle();
        let mut sleeper = self.sleeper.lock();
        if self.pending.swap(false, Ordering::SeqCst) {
            return;
        }
        self.condvar.wait_for(&mut sleeper, timeout);
        self.pending.store(false, Ordering::SeqCst);
    }
}
