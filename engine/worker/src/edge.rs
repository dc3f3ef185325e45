//! The process's edge: the only place that asks the machine for time, ids and chance.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use millrace_runtime::Clock;
use uuid::Uuid;

/// The machine's clock.
pub struct MachineClock {
    start: Instant,
}

impl MachineClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the process edge: everything else takes a clock"
    )]
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(MachineClock { start: Instant::now() })
    }
}

impl Clock for MachineClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the process edge: everything else takes a clock"
    )]
    fn now_ms(&self) -> i64 {
        let now = SystemTime::now();
        now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
    }

    fn monotonic_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}

/// 32 hex digits, never given before.
#[expect(clippy::disallowed_methods, reason = "the process edge: everything else takes ids")]
pub fn new_id() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Between -1 and 1.
#[expect(clippy::disallowed_methods, reason = "the process edge: everything else takes chance")]
pub fn chance() -> f64 {
    let bits = Uuid::new_v4().as_u64_pair().1 & 0xffff_ffff;
    bits as f64 / f64::from(u32::MAX) * 2.0 - 1.0
}
