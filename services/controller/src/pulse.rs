//! Until when this replica is known to live. While it is, its leases hold without a write
//! of their own; once it was not, another replica may have taken any of them.

use std::sync::{Mutex, PoisonError};

use millrace_domain::Timestamp;

use crate::schedule::Lease;

#[derive(Debug)]
pub(crate) struct Pulse(Mutex<Life>);

#[derive(Clone, Copy, Debug)]
struct Life {
    until: Timestamp,
    /// Lives before this one, each ended by a heartbeat that came too late.
    number: u64,
}

impl Default for Pulse {
    fn default() -> Pulse {
        Pulse(Mutex::new(Life { until: Timestamp(i64::MIN), number: 0 }))
    }
}

impl Pulse {
    fn current(&self) -> Life {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it is still known to live.
    pub(crate) fn left_ms(&self, now: Timestamp) -> i64 {
        self.current().until.0.saturating_sub(now.0)
    }

    /// The store knows that it lives until then, as of `now`: after the store was told.
    pub(crate) fn beat(&self, now: Timestamp, until: Timestamp) {
        let mut life = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if life.until <= now {
            life.number += 1;
        }
        life.until = until;
    }

    /// Which life a lease that is taken now belongs to.
    pub(crate) fn life(&self, now: Timestamp) -> u64 {
        let life = self.current();
        // In none: the lease holds by its own time alone.
        if life.until > now { life.number } else { u64::MAX }
    }

    /// Whether the lease cannot have been taken by another replica.
    pub(crate) fn holds(&self, lease: Lease, now: Timestamp) -> bool {
        let life = self.current();
        lease.until > now || (life.number == lease.life && life.until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_lasts_as_long_as_the_life_it_was_taken_in() {
        let at = Timestamp;
        let pulse = Pulse::default();
        let early = Lease { until: at(10), life: pulse.life(at(0)) };
        pulse.beat(at(0), at(100));
        let lease = Lease { until: at(10), life: pulse.life(at(5)) };
        assert!(pulse.holds(early, at(9)) && !pulse.holds(early, at(10)), "by its own time");
        assert!(pulse.holds(lease, at(99)) && !pulse.holds(lease, at(100)));
        pulse.beat(at(60), at(160));
        assert!(pulse.holds(lease, at(159)), "it was heard of in time");
        assert_eq!(pulse.left_ms(at(150)), 10);
        pulse.beat(at(170), at(270));
        assert!(!pulse.holds(lease, at(180)), "another may have taken it in between");
        let again = Lease { until: at(190), life: pulse.life(at(180)) };
        assert!(pulse.holds(again, at(269)));
    }
}
