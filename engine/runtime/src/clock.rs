//! Time as an argument.

/// Where a job takes its time from. Two readings of `monotonic_ns` differ by the
/// time between them; `now_ms` may jump when someone sets the clock.
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch.
    fn now_ms(&self) -> i64;
    /// Nanoseconds since some fixed point; never goes back.
    fn monotonic_ns(&self) -> u64;

    /// Milliseconds since some fixed point; never goes back.
    fn monotonic_ms(&self) -> i64 {
        (self.monotonic_ns() / 1_000_000) as i64
    }
}
