//! How much may be queued before a task: as many bytes as it takes in within a time
//! (rows F7.2 to F7.6; Flink: buffer debloating, FLIP-183). So a barrier, and every row,
//! waits about that long before a task that is slow, whatever its rows weigh.

/// `taskmanager.network.memory.buffer-debloat.*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebloatSettings {
    pub enabled: bool,
    pub target_ms: i64,
    pub period_ms: i64,
    /// Measurements that the mean follows.
    pub samples: u32,
    /// A change smaller than this part of the limit is not made.
    pub threshold_percent: u32,
}

/// Of one channel, in bytes.
const LEAST: usize = 4 * 1024;

/// What a gate has counted since its task began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted {
    pub at_ns: u64,
    pub consumed: usize,
    pub idle_ns: u64,
}

#[derive(Debug)]
pub struct Debloater {
    settings: DebloatSettings,
    /// What a channel may hold at most.
    most: usize,
    last: Counted,
    /// Bytes a second of the time that the task was not idle; a moving mean.
    throughput: Option<f64>,
    limit: usize,
}

impl Debloater {
    pub fn new(settings: DebloatSettings, most: usize, at_ns: u64) -> Debloater {
        let last = Counted { at_ns, ..Counted::default() };
        Debloater { settings, most, last, throughput: None, limit: most }
    }

    pub fn is_due(&self, now_ns: u64) -> bool {
        let period_ns = self.settings.period_ms.unsigned_abs().saturating_mul(1_000_000);
        now_ns.saturating_sub(self.last.at_ns) >= period_ns
    }

    /// Takes a measurement; the limit of each of the `channels` when it is another now.
    pub fn measure(&mut self, now: Counted, channels: usize) -> Option<usize> {
        let idle_ns = now.idle_ns.saturating_sub(self.last.idle_ns);
        let active_ns = now.at_ns.saturating_sub(self.last.at_ns).saturating_sub(idle_ns);
        let consumed = now.consumed - self.last.consumed;
        self.last = now;
        // Nothing was there: that says nothing about what could have been taken in.
        if consumed == 0 && active_ns < 1_000_000 {
            return None;
        }
        let measured = consumed as f64 * 1e9 / active_ns.max(1) as f64;
        let weight = 2.0 / (f64::from(self.settings.samples) + 1.0);
        let before = self.throughput.unwrap_or(measured);
        self.throughput = Some(before + (measured - before) * weight);
        if !self.settings.enabled {
            return None;
        }
        let wanted = self.wanted(channels);
        let change = wanted.abs_diff(self.limit) as u64 * 100;
        let enough = change >= self.limit as u64 * u64::from(self.settings.threshold_percent);
        let at_bound = wanted != self.limit && (wanted == LEAST || wanted == self.most);
        if !(enough || at_bound) {
            return None;
        }
        self.limit = wanted;
        Some(wanted)
    }

    fn wanted(&self, channels: usize) -> usize {
        let bytes = self.throughput.unwrap_or(0.0) * self.settings.target_ms as f64 / 1_000.0;
        ((bytes / channels.max(1) as f64) as usize).clamp(LEAST, self.most.max(LEAST))
    }

    /// How long the task takes for so many bytes, in milliseconds; 0 before it is known.
    pub fn time_for(&self, bytes: usize) -> u64 {
        match self.throughput {
            Some(throughput) if throughput > 0.0 => (bytes as f64 * 1_000.0 / throughput) as u64,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn debloater(enabled: bool) -> Debloater {
        let settings = DebloatSettings {
            enabled,
            target_ms: 1_000,
            period_ms: 200,
            samples: 1,
            threshold_percent: 25,
        };
        Debloater::new(settings, 512 * 1024, 0)
    }

    fn counted(seconds: u64, consumed: usize, idle_ns: u64) -> Counted {
        Counted { at_ns: seconds * SECOND, consumed, idle_ns }
    }

    #[test]
    fn f7_3_a_limit_is_what_the_task_takes_in_within_the_target() {
        let mut debloater = debloater(true);
        assert!(!debloater.is_due(SECOND / 10) && debloater.is_due(SECOND / 5));
        // 100 kB in a second, over two channels.
        assert_eq!(debloater.measure(counted(1, 100_000, 0), 2), Some(50_000));
        assert_eq!(debloater.time_for(50_000), 500);
        // F7.6: a tenth more is no reason to change.
        assert_eq!(debloater.measure(counted(2, 210_000, 0), 2), None);
        // As much in half of the time, for it was idle in the other.
        assert_eq!(debloater.measure(counted(3, 310_000, SECOND / 2), 2), Some(100_000));
        // Idle all the time: nothing is learnt.
        assert_eq!(debloater.measure(counted(4, 310_000, SECOND / 2 + SECOND), 2), None);
        // Held up all the time.
        assert_eq!(debloater.measure(counted(5, 310_000, SECOND / 2 + SECOND), 2), Some(LEAST));
        assert_eq!(debloater.measure(counted(6, 900_310_000, SECOND * 3 / 2), 2), Some(512 * 1024));
    }

    #[test]
    fn f7_2_off_it_only_measures() {
        let mut debloater = debloater(false);
        assert_eq!(debloater.measure(counted(1, 1_000, 0), 1), None);
        assert_eq!(debloater.time_for(2_000), 2_000);
    }

    #[test]
    fn f7_5_the_mean_follows_its_samples() {
        let mut debloater = debloater(true);
        debloater.settings.samples = 3;
        debloater.measure(counted(1, 100_000, 0), 1);
        assert_eq!(debloater.measure(counted(2, 300_000, 0), 1), Some(150_000));
    }
}
