//! The settings that the runtime obeys (sections F.3, F.4 and F.6).

use std::collections::BTreeMap;
use std::path::PathBuf;

use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::settings::{parse_duration_ms, parse_size_bytes};

use crate::debloat::DebloatSettings;
use crate::restart::{Exponential, RestartStrategy};

/// One option with a value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("option {key:?}: {reason}")]
pub struct BadSetting {
    pub key: String,
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RuntimeSettings {
    /// `execution.checkpointing.interval`; `None`: no periodic checkpoints.
    pub checkpoint_interval_ms: Option<i64>,
    pub checkpoint_timeout_ms: i64,
    pub min_pause_ms: i64,
    /// How long after its trigger a checkpoint's barrier may overtake rows
    /// (`execution.checkpointing.aligned-checkpoint-timeout`); `None`: never, unaligned
    /// checkpoints are off (rows F4.8, F4.11).
    pub overtake_after_ms: Option<i64>,
    /// Consecutive failed checkpoints that the job survives.
    pub tolerable_failures: u32,
    pub compress: bool,
    pub retained: usize,
    /// `state.savepoints.dir`.
    pub savepoint_directory: Option<String>,
    /// `pipeline.auto-watermark-interval`; 0: at every growth.
    pub watermark_interval_ms: i64,
    /// `pipeline.max-parallelism`; `None`: derived (row H5.8).
    pub max_parallelism: Option<u16>,
    pub restart: RestartStrategy,
    /// How long a task that has more to send may let a receiver sleep (rows F3.25 and
    /// F3.26), in nanoseconds; `u64::MAX`: until enough is there.
    pub linger_ns: u64,
    /// Rows F7.2 to F7.6.
    pub debloat: DebloatSettings,
    /// `jobmanager.execution.attempts-history-size`.
    pub exception_history: usize,
    pub backend: BackendSettings,
}

/// Where operators keep their state (`state.backend.type`, row F5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendKind {
    /// In memory.
    HashMap,
    /// On a local disk, in this engine's own store.
    RocksDb,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendSettings {
    pub kind: BackendKind,
    /// A checkpoint writes only what the last ones have not (row F5.2); of the
    /// `rocksdb` backend.
    pub incremental: bool,
    /// `state.backend.rocksdb.localdir`; `None`: the system's temporary directory.
    pub local_directory: Option<PathBuf>,
    /// `state.backend.rocksdb.writebuffer.size`: of each operator's subtask.
    pub write_buffer_bytes: usize,
    /// `state.backend.rocksdb.writebuffer.count`.
    pub write_buffers: usize,
    /// `state.backend.rocksdb.block.cache-size`: of each operator's subtask.
    pub cache_bytes: usize,
    /// `state.backend.rocksdb.thread.num`: that write and merge, of the whole job.
    pub threads: usize,
}

impl RuntimeSettings {
    /// # Errors
    /// The first option whose value cannot be used.
    pub fn parse(
        settings: &BTreeMap<String, String>,
        level: RuntimeLevel,
    ) -> Result<RuntimeSettings, BadSetting> {
        let read = Reader { settings };
        let interval = read.checkpoint_interval()?;
        Ok(RuntimeSettings {
            checkpoint_interval_ms: interval,
            checkpoint_timeout_ms: read.duration("execution.checkpointing.timeout", 600_000)?,
            min_pause_ms: read.duration("execution.checkpointing.min-pause", 0)?,
            overtake_after_ms: read.overtake_after()?,
            tolerable_failures: read
                .number("execution.checkpointing.tolerable-failed-checkpoints", 0u32)?,
            compress: read.flag("execution.checkpointing.snapshot-compression")?,
            retained: read.retained()?,
            savepoint_directory: read
                .text(&["execution.checkpointing.savepoint-dir", "state.savepoints.dir"])
                .map(|(_, value)| value.to_owned()),
            watermark_interval_ms: read.duration("pipeline.auto-watermark-interval", 200)?,
            max_parallelism: read.max_parallelism()?,
            restart: read.restart(interval.is_some(), level)?,
            linger_ns: read.linger_ns()?,
            debloat: read.debloat()?,
            exception_history: read.number("jobmanager.execution.attempts-history-size", 16)?,
            backend: read.backend()?,
        })
    }
}

/// The linger that nobody has set: a part of what a row may take to the sink.
const LINGER_NS: u64 = 2_000_000;

struct Reader<'a> {
    settings: &'a BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    fn text(&self, keys: &[&'static str]) -> Option<(&'static str, &'a str)> {
        keys.iter().find_map(|key| Some((*key, self.settings.get(*key)?.trim())))
    }

    fn duration(&self, key: &'static str, default: i64) -> Result<i64, BadSetting> {
        let Some((_, text)) = self.text(&[key]) else { return Ok(default) };
        parse_duration_ms(text).map_err(|error| bad(key, error.to_string()))
    }

    fn number<T: std::str::FromStr>(&self, key: &'static str, default: T) -> Result<T, BadSetting> {
        let Some((_, text)) = self.text(&[key]) else { return Ok(default) };
        text.parse().map_err(|_| bad(key, format!("'{text}' is not a number that it takes")))
    }

    fn flag(&self, key: &'static str) -> Result<bool, BadSetting> {
        match self.text(&[key]).map(|(_, text)| text.to_ascii_lowercase()).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(bad(key, format!("'{other}' is neither true nor false"))),
        }
    }

    fn size(&self, key: &'static str, default: usize) -> Result<usize, BadSetting> {
        let Some((_, text)) = self.text(&[key]) else { return Ok(default) };
        let bytes = parse_size_bytes(text).map_err(|error| bad(key, error.to_string()))?;
        match usize::try_from(bytes) {
            Ok(bytes) if bytes >= 1024 => Ok(bytes),
            _ => Err(bad(key, "it must be at least 1 kb".into())),
        }
    }

    fn backend(&self) -> Result<BackendSettings, BadSetting> {
        let incremental = ["execution.checkpointing.incremental", "state.backend.incremental"];
        let incremental = incremental.into_iter().find(|key| self.text(&[key]).is_some());
        let (buffers, threads) =
            ("state.backend.rocksdb.writebuffer.count", "state.backend.rocksdb.thread.num");
        let at_least_one = |key: &'static str| match self.number(key, 2usize)? {
            0 => Err(bad(key, "it must be at least 1".into())),
            number => Ok(number),
        };
        Ok(BackendSettings {
            kind: self.backend_kind()?,
            incremental: incremental.map_or(Ok(false), |key| self.flag(key))?,
            local_directory: self.local_directory()?,
            write_buffer_bytes: self.size("state.backend.rocksdb.writebuffer.size", 16 << 20)?,
            write_buffers: at_least_one(buffers)?,
            cache_bytes: self.size("state.backend.rocksdb.block.cache-size", 16 << 20)?,
            threads: at_least_one(threads)?,
        })
    }

    /// Flink's names before 1.13 mean the heap, too.
    fn backend_kind(&self) -> Result<BackendKind, BadSetting> {
        let Some((key, kind)) = self.text(&["state.backend.type", "state.backend"]) else {
            return Ok(BackendKind::HashMap);
        };
        match kind.to_ascii_lowercase().as_str() {
            "hashmap" | "jobmanager" | "filesystem" => Ok(BackendKind::HashMap),
            "rocksdb" => Ok(BackendKind::RocksDb),
            _ => Err(bad(key, format!("'{kind}' is neither hashmap nor rocksdb"))),
        }
    }

    /// Flink takes a list of directories; the first one serves.
    fn local_directory(&self) -> Result<Option<PathBuf>, BadSetting> {
        let key = "state.backend.rocksdb.localdir";
        let Some((_, text)) = self.text(&[key]) else { return Ok(None) };
        let first = text.split([',', ':']).next().unwrap_or_default().trim();
        if !first.starts_with('/') {
            return Err(bad(key, format!("'{text}' is no absolute directory")));
        }
        Ok(Some(first.into()))
    }

    fn checkpoint_interval(&self) -> Result<Option<i64>, BadSetting> {
        let key = "execution.checkpointing.interval";
        if self.text(&[key]).is_none() {
            return Ok(None);
        }
        let interval = self.duration(key, 0)?;
        if interval < 10 {
            return Err(bad(key, "it must be at least 10 ms".into()));
        }
        Ok(Some(interval))
    }

    /// Rows F4.8 to F4.12. `unaligned.forced` asks for what is so here anyway: an edge
    /// that cannot hold rows in flight is aligned, and the others overtake.
    fn overtake_after(&self) -> Result<Option<i64>, BadSetting> {
        let (key, older) =
            ("execution.checkpointing.unaligned.enabled", "execution.checkpointing.unaligned");
        let key = if self.text(&[key]).is_some() { key } else { older };
        self.flag("execution.checkpointing.unaligned.forced")?;
        let timeout = "execution.checkpointing.aligned-checkpoint-timeout";
        let deprecated = "execution.checkpointing.alignment-timeout";
        let timeout = if self.text(&[timeout]).is_some() { timeout } else { deprecated };
        let after = self.duration(timeout, 0)?;
        if !self.flag(key)? {
            return Ok(None);
        }
        if self.number("execution.checkpointing.max-concurrent-checkpoints", 1u32)? > 1 {
            return Err(bad(
                key,
                "execution.checkpointing.max-concurrent-checkpoints must be 1 with it".into(),
            ));
        }
        // Flink: only exactly-once has barriers to overtake with; else it is ignored.
        let mode = self.text(&["execution.checkpointing.mode"]).map_or("", |(_, mode)| mode);
        Ok((!mode.eq_ignore_ascii_case("AT_LEAST_ONCE")).then_some(after))
    }

    fn debloat(&self) -> Result<DebloatSettings, BadSetting> {
        Ok(DebloatSettings {
            enabled: self.flag("taskmanager.network.memory.buffer-debloat.enabled")?,
            target_ms: self.duration("taskmanager.network.memory.buffer-debloat.target", 1_000)?,
            period_ms: self.duration("taskmanager.network.memory.buffer-debloat.period", 200)?,
            samples: self
                .number("taskmanager.network.memory.buffer-debloat.samples", 20u32)?
                .max(1),
            threshold_percent: self
                .number("taskmanager.network.memory.buffer-debloat.threshold-percentages", 25)?,
        })
    }

    /// Unset, it is less than Flink's 100 ms: a receiver that is awake waits for nothing,
    /// so a longer one saves next to no wake-ups.
    fn linger_ns(&self) -> Result<u64, BadSetting> {
        let (key, older) = ("execution.buffer-timeout.interval", "execution.buffer-timeout");
        let enabled = "execution.buffer-timeout.enabled";
        if self.text(&[enabled]).is_some() && !self.flag(enabled)? {
            return Ok(u64::MAX);
        }
        let Some((key, text)) = self.text(&[key, older]) else { return Ok(LINGER_NS) };
        // Flink: -1 flushes only what is full.
        if matches!(text, "-1" | "-1 ms" | "-1ms") {
            return Ok(u64::MAX);
        }
        Ok(self.duration(key, 0)?.unsigned_abs().saturating_mul(1_000_000))
    }

    fn retained(&self) -> Result<usize, BadSetting> {
        let newer = "execution.checkpointing.num-retained";
        let key =
            if self.text(&[newer]).is_some() { newer } else { "state.checkpoints.num-retained" };
        match self.number(key, 1)? {
            0 => Err(bad(key, "at least one checkpoint must be kept".into())),
            retained => Ok(retained),
        }
    }

    fn max_parallelism(&self) -> Result<Option<u16>, BadSetting> {
        let key = "pipeline.max-parallelism";
        match self.number(key, -1i32)? {
            -1 => Ok(None),
            value @ 1..=32_768 => Ok(Some(value as u16)),
            value => Err(bad(key, format!("{value} is not between 1 and 32768"))),
        }
    }

    /// Unset: none without checkpoints; else fixed delay for ever, and exponential
    /// from 1.19 on (row F6.1).
    fn restart(
        &self,
        checkpoints: bool,
        level: RuntimeLevel,
    ) -> Result<RestartStrategy, BadSetting> {
        let Some((key, kind)) = self.text(&["restart-strategy.type", "restart-strategy"]) else {
            return match (checkpoints, level >= RuntimeLevel::Flink1_19) {
                (false, _) => Ok(RestartStrategy::None),
                (true, false) => {
                    Ok(RestartStrategy::FixedDelay { attempts: i32::MAX as u32, delay_ms: 1_000 })
                }
                (true, true) => self.exponential(level),
            };
        };
        match kind.to_ascii_lowercase().as_str() {
            "none" | "off" | "disable" => Ok(RestartStrategy::None),
            "fixed-delay" | "fixeddelay" => Ok(RestartStrategy::FixedDelay {
                attempts: self.number("restart-strategy.fixed-delay.attempts", 1)?,
                delay_ms: self.duration("restart-strategy.fixed-delay.delay", 1_000)?,
            }),
            "failure-rate" | "failurerate" => Ok(RestartStrategy::FailureRate {
                max_failures: self
                    .number("restart-strategy.failure-rate.max-failures-per-interval", 1)?,
                interval_ms: self
                    .duration("restart-strategy.failure-rate.failure-rate-interval", 60_000)?,
                delay_ms: self.duration("restart-strategy.failure-rate.delay", 1_000)?,
            }),
            "exponential-delay" | "exponentialdelay" => self.exponential(level),
            other => Err(bad(
                key,
                format!("'{other}' is none of none, fixed-delay, failure-rate, exponential-delay"),
            )),
        }
    }

    // Rows F6.7 to F6.11, with the drift of 1.20.
    fn exponential(&self, level: RuntimeLevel) -> Result<RestartStrategy, BadSetting> {
        let (max, multiplier) =
            if level >= RuntimeLevel::Flink1_20 { (60_000, 1.5) } else { (300_000, 2.0) };
        Ok(RestartStrategy::ExponentialDelay(Exponential {
            initial_ms: self
                .duration("restart-strategy.exponential-delay.initial-backoff", 1_000)?,
            max_ms: self.duration("restart-strategy.exponential-delay.max-backoff", max)?,
            multiplier: self
                .number("restart-strategy.exponential-delay.backoff-multiplier", multiplier)?,
            reset_ms: self.duration(
                "restart-strategy.exponential-delay.reset-backoff-threshold",
                3_600_000,
            )?,
            jitter: self.number("restart-strategy.exponential-delay.jitter-factor", 0.1)?,
        }))
    }
}

fn bad(key: &str, reason: String) -> BadSetting {
    BadSetting { key: key.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)], level: RuntimeLevel) -> Result<RuntimeSettings, BadSetting> {
        let settings = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        RuntimeSettings::parse(&settings, level)
    }

    #[test]
    fn f6_1_the_default_strategy_follows_checkpointing_and_level() {
        let check = |pairs: &[(&str, &str)], level, want: RestartStrategy| {
            assert_eq!(parse(pairs, level).unwrap().restart, want);
        };
        let on = [("execution.checkpointing.interval", "1 s")];
        let forever = RestartStrategy::FixedDelay { attempts: 2_147_483_647, delay_ms: 1_000 };
        check(&[], RuntimeLevel::Flink1_20, RestartStrategy::None);
        check(&on, RuntimeLevel::Flink1_18, forever);
        let exponential = |max_ms, multiplier| {
            RestartStrategy::ExponentialDelay(Exponential {
                initial_ms: 1_000,
                max_ms,
                multiplier,
                reset_ms: 3_600_000,
                jitter: 0.1,
            })
        };
        check(&on, RuntimeLevel::Flink1_19, exponential(300_000, 2.0));
        check(&on, RuntimeLevel::Flink1_20, exponential(60_000, 1.5));
        check(
            &[("restart-strategy", "fixed-delay"), ("restart-strategy.fixed-delay.delay", "50 ms")],
            RuntimeLevel::Flink1_15,
            RestartStrategy::FixedDelay { attempts: 1, delay_ms: 50 },
        );
    }

    #[test]
    fn f4_8_a_barrier_overtakes_only_when_it_is_asked_to() {
        let check = |pairs: &[(&str, &str)], want: Option<i64>| {
            assert_eq!(parse(pairs, RuntimeLevel::Flink1_18).unwrap().overtake_after_ms, want);
        };
        let on = ("execution.checkpointing.unaligned.enabled", "true");
        let timeout = ("execution.checkpointing.aligned-checkpoint-timeout", "3 s");
        check(&[], None);
        check(&[timeout], None);
        check(&[on], Some(0));
        check(&[("execution.checkpointing.unaligned", "true")], Some(0));
        check(&[on, timeout], Some(3_000));
        check(&[on, ("execution.checkpointing.alignment-timeout", "1 s")], Some(1_000));
        check(&[on, ("execution.checkpointing.mode", "AT_LEAST_ONCE")], None);
        let two = ("execution.checkpointing.max-concurrent-checkpoints", "2");
        let error = parse(&[on, two], RuntimeLevel::Flink1_18).unwrap_err();
        assert_eq!(error.key, on.0);
    }

    #[test]
    fn f3_25_how_long_a_receiver_may_sleep_on_rows() {
        let check = |pairs: &[(&str, &str)], want: u64| {
            let found = parse(pairs, RuntimeLevel::Flink1_18).unwrap().linger_ns;
            assert_eq!(found, want, "{pairs:?}");
        };
        let (key, enabled) = ("execution.buffer-timeout", "execution.buffer-timeout.enabled");
        check(&[], LINGER_NS);
        check(&[(key, "0")], 0);
        check(&[(key, "10 ms")], 10_000_000);
        check(&[(key, "10 ms"), ("execution.buffer-timeout.interval", "3ms")], 3_000_000);
        check(&[(key, "-1")], u64::MAX);
        check(&[(enabled, "true")], LINGER_NS);
        check(&[(key, "5 ms"), (enabled, "false")], u64::MAX);
    }

    #[test]
    fn f5_1_the_backend_and_what_it_is_told() {
        let check = |pairs: &[(&str, &str)], kind, incremental| {
            let backend = parse(pairs, RuntimeLevel::Flink1_20).unwrap().backend;
            assert_eq!((backend.kind, backend.incremental), (kind, incremental), "{pairs:?}");
        };
        check(&[], BackendKind::HashMap, false);
        check(&[("state.backend", "filesystem")], BackendKind::HashMap, false);
        let rocksdb = ("state.backend.type", "RocksDB");
        check(&[rocksdb, ("state.backend", "hashmap")], BackendKind::RocksDb, false);
        check(&[rocksdb, ("state.backend.incremental", "true")], BackendKind::RocksDb, true);
        let newer = ("execution.checkpointing.incremental", "true");
        check(
            &[rocksdb, newer, ("state.backend.incremental", "false")],
            BackendKind::RocksDb,
            true,
        );
        let told = [
            ("state.backend.rocksdb.localdir", "/fast/disk, /other"),
            ("state.backend.rocksdb.writebuffer.size", "1 mb"),
            ("state.backend.rocksdb.block.cache-size", "2 mb"),
        ];
        let backend = parse(&told, RuntimeLevel::Flink1_20).unwrap().backend;
        assert_eq!(backend.local_directory, Some("/fast/disk".into()));
        assert_eq!((backend.write_buffer_bytes, backend.cache_bytes), (1 << 20, 2 << 20));
    }

    #[test]
    fn a_bad_value_is_named_with_its_option() {
        let check = |key: &str, value: &str| {
            let error = parse(&[(key, value)], RuntimeLevel::Flink1_18).unwrap_err();
            assert_eq!(error.key, key, "{error}");
        };
        check("execution.checkpointing.interval", "soon");
        check("execution.checkpointing.interval", "5 ms");
        check("restart-strategy.type", "maybe");
        check("pipeline.max-parallelism", "0");
        check("state.checkpoints.num-retained", "0");
        check("execution.checkpointing.snapshot-compression", "yes");
        check("state.backend.type", "forst");
        check("state.backend", "com.example.Factory");
        check("state.backend.incremental", "sometimes");
        check("state.backend.rocksdb.localdir", "tmp");
        check("state.backend.rocksdb.writebuffer.size", "much");
        check("state.backend.rocksdb.writebuffer.count", "0");
    }
}
