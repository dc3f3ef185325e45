//! What tasks count, read by others while they run.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::lookup::LookupMetrics;
use crate::memory::StateBytes;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::view::TaskStatus;

/// What a subtask waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Wait {
    /// Input, or the time.
    Idle = 1,
    /// Room in an output before it takes more input.
    Soft = 2,
    /// Room in an output in the middle of its work.
    Hard = 3,
}

/// Counters of one subtask of a task (rows I2.1 to I2.3, I2.8).
#[derive(Debug)]
pub struct SubtaskMetrics {
    /// Records that came in over channels; for sources none.
    pub records_in: AtomicU64,
    /// Records that left the task.
    pub records_out: AtomicU64,
    pub late_records_dropped: AtomicU64,
    /// Nanoseconds spent waiting, by [`Wait`].
    waited_ns: [AtomicU64; 3],
    /// The wait under way: 0 for none, and when it began.
    waiting: AtomicU8,
    waiting_since_ns: AtomicU64,
    /// Monotonic nanoseconds when it began to run; 0 before.
    started_ns: AtomicU64,
    ended_ns: AtomicU64,
    watermark: AtomicI64,
    status: AtomicU8,
    operators: OnceLock<Vec<Arc<OperatorMetrics>>>,
    network: Mutex<Network>,
    /// Oldest first, a second or more apart.
    samples: Mutex<VecDeque<Sample>>,
}

/// Counters of one operator of a subtask (rows I2.1, I2.4). Only its task writes them.
#[derive(Debug)]
pub struct OperatorMetrics {
    /// As in the plan.
    pub name: String,
    /// For a source's own operator none: what it reads it gives out.
    pub records_in: AtomicU64,
    pub records_out: AtomicU64,
    pub late_records_dropped: AtomicU64,
    state_memory: AtomicU64,
    state_stored: AtomicU64,
    state_indexes: AtomicU64,
    lookup: OnceLock<Arc<LookupMetrics>>,
}

impl OperatorMetrics {
    pub fn shared(name: &str) -> Arc<OperatorMetrics> {
        Arc::new(OperatorMetrics {
            name: name.to_owned(),
            records_in: AtomicU64::new(0),
            records_out: AtomicU64::new(0),
            late_records_dropped: AtomicU64::new(0),
            state_memory: AtomicU64::new(0),
            state_stored: AtomicU64::new(0),
            state_indexes: AtomicU64::new(0),
            lookup: OnceLock::new(),
        })
    }

    /// Of a lookup join; told once, before it runs.
    pub fn looks_up(&self, metrics: Option<Arc<LookupMetrics>>) {
        if let Some(metrics) = metrics {
            let _ = self.lookup.set(metrics);
        }
    }

    /// What a lookup join counts.
    pub fn lookup(&self) -> Option<&LookupMetrics> {
        self.lookup.get().map(Arc::as_ref)
    }

    /// What its state takes now; whether that is something else than before.
    pub fn set_state(&self, state: StateBytes) -> bool {
        let differs = state != self.state_bytes();
        if differs {
            self.state_memory.store(state.memory, Ordering::Relaxed);
            self.state_stored.store(state.stored, Ordering::Relaxed);
            self.state_indexes.store(state.indexes, Ordering::Relaxed);
        }
        differs
    }

    pub fn state_bytes(&self) -> StateBytes {
        StateBytes {
            memory: self.state_memory.load(Ordering::Relaxed),
            stored: self.state_stored.load(Ordering::Relaxed),
            indexes: self.state_indexes.load(Ordering::Relaxed),
        }
    }
}

/// Where a subtask's time went so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeSpent {
    pub busy_ms: u64,
    pub idle_ms: u64,
    pub back_pressured_ms: u64,
}

/// The channels of a subtask, looked at now and then.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Network {
    /// What each input channel may hold, in bytes (Flink: `debloatedBufferSize`).
    pub limit: u64,
    /// Bytes queued before the subtask.
    pub queued: u64,
    /// How long it takes for them (Flink: `estimatedTimeToConsumeBuffersMs`).
    pub consume_ms: u64,
    /// Parts of what may be queued before and behind it; above 1 when overdrawn.
    pub in_usage: f64,
    pub out_usage: f64,
}

/// Where a subtask's time and rows went in the last seconds, each by the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub busy_ms: u64,
    pub idle_ms: u64,
    pub soft_back_pressured_ms: u64,
    pub hard_back_pressured_ms: u64,
    pub records_in: u64,
    pub records_out: u64,
}

impl Rates {
    pub fn back_pressured_ms(&self) -> u64 {
        self.soft_back_pressured_ms + self.hard_back_pressured_ms
    }
}

/// How far the counters were at some time.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    at_ns: u64,
    waited_ns: [u64; 3],
    records_in: u64,
    records_out: u64,
}

/// Rates are over this time, or a little more.
const RATE_NS: u64 = 5_000_000_000;
const SAMPLE_NS: u64 = 1_000_000_000;

impl Default for SubtaskMetrics {
    fn default() -> SubtaskMetrics {
        SubtaskMetrics {
            records_in: AtomicU64::new(0),
            records_out: AtomicU64::new(0),
            late_records_dropped: AtomicU64::new(0),
            waited_ns: Default::default(),
            waiting: AtomicU8::new(0),
            waiting_since_ns: AtomicU64::new(0),
            started_ns: AtomicU64::new(0),
            ended_ns: AtomicU64::new(0),
            watermark: AtomicI64::new(i64::MIN),
            status: AtomicU8::new(TaskStatus::Created as u8),
            operators: OnceLock::new(),
            network: Mutex::default(),
            samples: Mutex::default(),
        }
    }
}

impl SubtaskMetrics {
    pub fn shared() -> Arc<SubtaskMetrics> {
        Arc::new(SubtaskMetrics::default())
    }

    pub fn start(&self, now_ns: u64) {
        self.started_ns.store(now_ns.max(1), Ordering::Relaxed);
    }

    pub fn end(&self, now_ns: u64) {
        self.ended_ns.store(now_ns.max(1), Ordering::Relaxed);
    }

    pub fn add(counter: &AtomicU64, amount: usize) {
        counter.fetch_add(amount as u64, Ordering::Relaxed);
    }

    /// Runs a wait, and counts its time as such.
    pub fn while_waiting<T>(&self, kind: Wait, clock: &dyn Clock, wait: impl FnOnce() -> T) -> T {
        let from = clock.monotonic_ns();
        self.waiting_since_ns.store(from, Ordering::Relaxed);
        self.waiting.store(kind as u8, Ordering::Release);
        let waited = wait();
        self.waiting.store(0, Ordering::Release);
        let for_ns = clock.monotonic_ns().saturating_sub(from);
        self.waited_ns[kind as usize - 1].fetch_add(for_ns, Ordering::Relaxed);
        waited
    }

    /// Nanoseconds by [`Wait`], the wait under way included.
    fn waited(&self, now_ns: u64) -> [u64; 3] {
        let mut waited = [0, 1, 2].map(|at| self.waited_ns[at].load(Ordering::Relaxed));
        let kind = usize::from(self.waiting.load(Ordering::Acquire));
        if let Some(waited) = kind.checked_sub(1).and_then(|at| waited.get_mut(at)) {
            *waited += now_ns.saturating_sub(self.waiting_since_ns.load(Ordering::Relaxed));
        }
        waited
    }

    /// Nanoseconds that it had nothing to do, its waits under way left out.
    pub fn idle_ns(&self) -> u64 {
        self.waited_ns[Wait::Idle as usize - 1].load(Ordering::Relaxed)
    }

    pub fn network(&self) -> Network {
        *self.network.lock()
    }

    pub fn update_network(&self, change: impl FnOnce(&mut Network)) {
        change(&mut self.network.lock());
    }

    /// The operators of the subtask's chain: told once, before it runs.
    pub fn has_operators(&self, operators: Vec<Arc<OperatorMetrics>>) {
        let _ = self.operators.set(operators);
    }

    /// In the order of the chain; empty before the subtask is made.
    pub fn operators(&self) -> &[Arc<OperatorMetrics>] {
        self.operators.get().map_or(&[], Vec::as_slice)
    }

    /// Of all operators of the subtask.
    pub fn state_bytes(&self) -> StateBytes {
        let states = self.operators().iter().map(|operator| operator.state_bytes());
        states.fold(StateBytes::default(), |sum, one| StateBytes {
            memory: sum.memory + one.memory,
            stored: sum.stored + one.stored,
            indexes: sum.indexes + one.indexes,
        })
    }

    pub fn set_watermark(&self, watermark_ms: i64) {
        self.watermark.store(watermark_ms, Ordering::Relaxed);
    }

    /// Flink's `currentInputWatermark`; `i64::MIN` before the first.
    pub fn watermark(&self) -> i64 {
        self.watermark.load(Ordering::Relaxed)
    }

    pub fn set_status(&self, status: TaskStatus) {
        self.status.store(status as u8, Ordering::Relaxed);
    }

    pub fn status(&self) -> TaskStatus {
        TaskStatus::from_code(self.status.load(Ordering::Relaxed))
    }

    /// Time since the start, divided.
    pub fn time_spent(&self, now_ns: u64) -> TimeSpent {
        let Some(end) = self.running_until(now_ns) else { return TimeSpent::default() };
        let [idle, soft, hard] = self.waited(end);
        let life = end.saturating_sub(self.started_ns.load(Ordering::Relaxed));
        TimeSpent {
            busy_ms: life.saturating_sub(idle + soft + hard) / 1_000_000,
            idle_ms: idle / 1_000_000,
            back_pressured_ms: (soft + hard) / 1_000_000,
        }
    }

    /// `None` before it runs.
    fn running_until(&self, now_ns: u64) -> Option<u64> {
        if self.started_ns.load(Ordering::Relaxed) == 0 {
            return None;
        }
        match self.ended_ns.load(Ordering::Relaxed) {
            0 => Some(now_ns),
            ended => Some(ended),
        }
    }

    /// Remembers the counters for [`SubtaskMetrics::rates`], once a second at most.
    pub fn sample(&self, now_ns: u64) {
        if self.running_until(now_ns).is_none() {
            return;
        }
        let mut samples = self.samples.lock();
        if samples.back().is_some_and(|last| now_ns < last.at_ns + SAMPLE_NS) {
            return;
        }
        // The oldest that is kept is as old as rates reach back, or a little older.
        while samples.get(1).is_some_and(|second| second.at_ns + RATE_NS <= now_ns) {
            samples.pop_front();
        }
        samples.push_back(self.counters(now_ns));
    }

    fn counters(&self, at_ns: u64) -> Sample {
        Sample {
            at_ns,
            waited_ns: self.waited(at_ns),
            records_in: self.records_in.load(Ordering::Relaxed),
            records_out: self.records_out.load(Ordering::Relaxed),
        }
    }

    /// Over the last seconds; over its life when that is shorter. Nothing once it has
    /// ended.
    pub fn rates(&self, now_ns: u64) -> Rates {
        let started = self.started_ns.load(Ordering::Relaxed);
        if started == 0 || self.ended_ns.load(Ordering::Relaxed) != 0 {
            return Rates::default();
        }
        let samples = self.samples.lock();
        let since = samples.iter().rev().find(|sample| sample.at_ns + RATE_NS <= now_ns);
        let from = since.or(samples.front().filter(|first| first.at_ns < now_ns)).copied();
        let from = from.unwrap_or(Sample { at_ns: started, ..Sample::default() });
        drop(samples);
        let now = self.counters(now_ns);
        let span = now_ns.saturating_sub(from.at_ns).max(1);
        let by_second = |amount: u64, unit: u64| {
            (u128::from(amount) * 1_000_000_000 / u128::from(unit) / u128::from(span)) as u64
        };
        let waited = [0, 1, 2].map(|at| now.waited_ns[at].saturating_sub(from.waited_ns[at]));
        let busy = span.saturating_sub(waited.iter().sum());
        let [idle, soft, hard] = waited;
        Rates {
            busy_ms: by_second(busy, 1_000_000),
            idle_ms: by_second(idle, 1_000_000),
            soft_back_pressured_ms: by_second(soft, 1_000_000),
            hard_back_pressured_ms: by_second(hard, 1_000_000),
            records_in: by_second(now.records_in - from.records_in, 1),
            records_out: by_second(now.records_out - from.records_out, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each look is the next of these times, the last one for ever.
    struct Times(Mutex<Vec<u64>>);

    impl Clock for Times {
        fn now_ms(&self) -> i64 {
            0
        }
        fn monotonic_ns(&self) -> u64 {
            let mut times = self.0.lock();
            if times.len() > 1 { times.remove(0) } else { times[0] }
        }
    }

    const SECOND: u64 = 1_000_000_000;

    fn wait(metrics: &SubtaskMetrics, kind: Wait, from: u64, to: u64) {
        let clock = Times(Mutex::new(vec![from, to]));
        metrics.while_waiting(kind, &clock, || ());
    }

    #[test]
    fn i2_2_rates_are_of_the_last_seconds() {
        let metrics = SubtaskMetrics::default();
        metrics.start(SECOND);
        wait(&metrics, Wait::Idle, SECOND, 101 * SECOND);
        for second in 1..=101 {
            metrics.sample(second * SECOND);
        }
        // Four seconds of room missing, one of work.
        wait(&metrics, Wait::Soft, 101 * SECOND, 104 * SECOND);
        wait(&metrics, Wait::Hard, 104 * SECOND, 105 * SECOND);
        SubtaskMetrics::add(&metrics.records_in, 500);
        let rates = metrics.rates(106 * SECOND);
        let times = (rates.busy_ms, rates.idle_ms, rates.back_pressured_ms());
        assert_eq!((times, rates.records_in), ((200, 0, 800), 100));
        assert_eq!((rates.soft_back_pressured_ms, rates.hard_back_pressured_ms), (600, 200));
        assert_eq!(metrics.time_spent(106 * SECOND).idle_ms, 100_000);
        metrics.end(106 * SECOND);
        assert_eq!(metrics.rates(107 * SECOND), Rates::default());
    }

    #[test]
    fn i2_2_a_wait_under_way_counts() {
        let metrics = SubtaskMetrics::default();
        metrics.start(SECOND);
        let clock = Times(Mutex::new(vec![SECOND]));
        metrics.while_waiting(Wait::Soft, &clock, || {
            assert_eq!(metrics.rates(3 * SECOND).soft_back_pressured_ms, 1_000);
            assert_eq!(metrics.time_spent(3 * SECOND).back_pressured_ms, 2_000);
        });
    }
}
