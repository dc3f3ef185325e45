//! How often a principal may call: a token bucket each, so that nobody slows down another.

use std::collections::HashMap;
use std::hash::Hash;

/// Buckets kept at once; beyond it, those that are full again are forgotten: a full
/// bucket and none are the same.
const KEPT: usize = 10_000;

/// Calls allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_second: u32,
    /// At once, after a rest.
    pub burst: u32,
}

/// One bucket for each key.
#[derive(Debug)]
pub struct Throttle<K> {
    rate: Rate,
    buckets: HashMap<K, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Thousandths of a call: a rate of one a second adds one each millisecond.
    thousandths: u64,
    at_ms: i64,
}

impl<K: Eq + Hash> Throttle<K> {
    pub fn new(rate: Rate) -> Throttle<K> {
        Throttle { rate, buckets: HashMap::new() }
    }

    /// Whether `key` may call now; counts the call if so. A clock that goes back adds
    /// nothing and takes nothing away.
    pub fn allows(&mut self, key: K, now_ms: i64) -> bool {
        self.forget_full(now_ms);
        let rate = self.rate;
        let full = Bucket { thousandths: rate.capacity(), at_ms: now_ms };
        let bucket = self.buckets.entry(key).or_insert(full);
        *bucket = bucket.refilled(rate, now_ms);
        let allowed = bucket.thousandths >= 1000;
        if allowed {
            bucket.thousandths -= 1000;
        }
        allowed
    }

    fn forget_full(&mut self, now_ms: i64) {
        if self.buckets.len() < KEPT {
            return;
        }
        let rate = self.rate;
        self.buckets
            .retain(|_, bucket| bucket.refilled(rate, now_ms).thousandths < rate.capacity());
    }
}

impl Rate {
    fn capacity(self) -> u64 {
        u64::from(self.burst) * 1000
    }
}

impl Bucket {
    fn refilled(self, rate: Rate, now_ms: i64) -> Bucket {
        let elapsed = u64::try_from(now_ms.saturating_sub(self.at_ms)).unwrap_or(0);
        let added = elapsed.saturating_mul(u64::from(rate.per_second));
        let thousandths = self.thousandths.saturating_add(added).min(rate.capacity());
        Bucket { thousandths, at_ms: now_ms.max(self.at_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 3 };

    #[test]
    fn a_burst_then_the_rate_and_one_caller_takes_nothing_from_another() {
        let mut throttle = Throttle::new(RATE);
        let mut check = |key: &'static str, at_ms: i64, allowed: bool| {
            assert_eq!(throttle.allows(key, at_ms), allowed, "{key} at {at_ms}");
        };
        check("a", 0, true);
        check("a", 0, true);
        check("a", 0, true);
        check("a", 0, false);
        check("b", 0, true);
        check("a", 99, false);
        check("a", 100, true);
        check("a", 100, false);
        // A rest fills the bucket to its brim and no further.
        check("a", 100_000, true);
        check("a", 100_000, true);
        check("a", 100_000, true);
        check("a", 100_000, false);
        // A clock that goes back.
        check("a", 0, false);
        check("a", 100_099, false);
        check("a", 100_100, true);
    }

    #[test]
    fn callers_at_rest_are_forgotten_and_busy_ones_are_not() {
        let mut throttle = Throttle::new(RATE);
        for caller in 0..KEPT {
            assert!(throttle.allows(caller, 0));
        }
        for _ in 0..3 {
            throttle.allows(0, 1_000);
        }
        assert!(!throttle.allows(0, 1_000));
        assert!(throttle.buckets.len() < 3, "{} kept", throttle.buckets.len());
        assert!(!throttle.allows(0, 1_000), "forgetting gives nothing");
    }
}
