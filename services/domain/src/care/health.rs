//! Troubles of a running job, as episodes: each has a beginning and an end.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::application::Job;
use crate::care::measure::WATERMARK;
use crate::ids::{Generation, Timestamp};
use crate::reading::JobReading;

/// What may be wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Trouble {
    /// The job fails and restarts, again and again.
    RestartLoop,
    /// It runs, and completes no checkpoint.
    StalledCheckpoints,
    /// It processes, and falls behind further and further.
    GrowingLag,
}

/// Restarts within [`MINUTES`] that make a loop.
const LOOP_RESTARTS: u64 = 3;
/// How long a loop must be quiet to be over, and a lag must grow to count.
const MINUTES: usize = 10;
/// Checkpoint intervals without a checkpoint that make it stalled; and at least so long.
const STALLED_INTERVALS: i64 = 5;
/// A lag that grows by this part of the time that passes is one that matters.
const LAG_GROWTH: f64 = 0.5;

/// The job at one moment, as far as health goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pulse {
    pub at: Timestamp,
    pub generation: Generation,
    /// Starts in a row of the job after a crash.
    pub crashes: u32,
    /// `None`: its engine did not tell.
    pub restarts: Option<u64>,
    pub checkpoints: Option<u64>,
    /// How far behind now its slowest input is.
    pub lag_ms: Option<i64>,
    /// Records read by all tasks, since its start.
    pub records: f64,
}

impl Pulse {
    /// Of a job whose engine did not tell.
    pub fn silent(at: Timestamp, job: &Job) -> Pulse {
        let (generation, crashes) = (job.generation, job.restarts);
        let (restarts, checkpoints, lag_ms) = (None, None, None);
        Pulse { at, generation, crashes, restarts, checkpoints, lag_ms, records: 0.0 }
    }

    pub fn of(reading: &JobReading, job: &Job) -> Pulse {
        let value = |name: &str| reading.job.get(name).map(|it| it.max(0.0) as u64);
        // Flink: the least long before the first watermark, the greatest at the end.
        let known = |it: &f64| *it > 0.0 && *it < 9e15;
        let watermarks = reading.vertices.iter().filter_map(|it| it.metrics.get(WATERMARK));
        let slowest = watermarks.copied().filter(known).min_by(f64::total_cmp);
        let read = |name: &str| {
            let of_vertices = reading.vertices.iter().filter_map(|it| it.metrics.get(name));
            of_vertices.sum::<f64>()
        };
        Pulse {
            at: reading.at,
            generation: reading.generation,
            crashes: job.restarts,
            restarts: value("numRestarts"),
            checkpoints: value("numberOfCompletedCheckpoints"),
            lag_ms: slowest.map(|it| reading.at.0.saturating_sub(it as i64)),
            records: read("read-records") + read("write-records"),
        }
    }
}

/// The last minutes' pulses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pulses {
    last: VecDeque<Pulse>,
    /// Since when the number of checkpoints is what it is.
    no_checkpoint_since: Option<(Timestamp, Generation, u64)>,
}

/// Whether a trouble is under way: with what was seen, or that nothing says either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    Trouble(String),
    Well,
    Unclear,
}

impl Pulses {
    /// One a minute.
    pub fn note(&mut self, pulse: Pulse) {
        if let Some(checkpoints) = pulse.checkpoints {
            let counted = (pulse.generation, checkpoints);
            if self.no_checkpoint_since.is_none_or(|(_, of, count)| (of, count) != counted) {
                self.no_checkpoint_since = Some((pulse.at, counted.0, counted.1));
            }
        }
        self.last.push_back(pulse);
        while self.last.len() > MINUTES + 1 {
            self.last.pop_front();
        }
    }

    /// Each trouble's sign. `interval_ms`: between two checkpoints; `None` without them.
    /// `period_ms`: between two pulses.
    pub fn signs(&self, interval_ms: Option<i64>, period_ms: i64) -> [(Trouble, Sign); 3] {
        [
            (Trouble::RestartLoop, self.restart_loop()),
            (Trouble::StalledCheckpoints, self.stalled(interval_ms, period_ms)),
            (Trouble::GrowingLag, self.growing_lag()),
        ]
    }

    fn restart_loop(&self) -> Sign {
        let restarts: u64 = self.last.iter().zip(self.last.iter().skip(1)).map(restarted).sum();
        match restarts {
            0 if self.last.len() > MINUTES => Sign::Well,
            found if found >= LOOP_RESTARTS => Sign::Trouble(format!(
                "The job restarted {found} times in the last {MINUTES} minutes"
            )),
            _ => Sign::Unclear,
        }
    }

    fn stalled(&self, interval_ms: Option<i64>, period_ms: i64) -> Sign {
        let Some(interval_ms) = interval_ms else { return Sign::Well };
        let (Some((since, generation, _)), Some(last)) =
            (self.no_checkpoint_since, self.last.back())
        else {
            return Sign::Unclear;
        };
        // A job that runs no more is another trouble.
        if last.generation != generation || last.checkpoints.is_none() {
            return Sign::Unclear;
        }
        let (waited, patience) = (
            last.at.0.saturating_sub(since.0),
            interval_ms.saturating_mul(STALLED_INTERVALS).max(period_ms.saturating_mul(5)),
        );
        match waited {
            0 => Sign::Well,
            waited if waited >= patience => Sign::Trouble(format!(
                "The job completed no checkpoint for {} s; one is due every {} s",
                waited / 1000,
                interval_ms / 1000
            )),
            _ => Sign::Unclear,
        }
    }

    fn growing_lag(&self) -> Sign {
        // A job without watermarks is never behind.
        let told = |pulse: &Pulse| pulse.restarts.is_some() && pulse.lag_ms.is_none();
        if self.last.len() > MINUTES && self.last.iter().all(told) {
            return Sign::Well;
        }
        let lags: Option<Vec<i64>> = self.last.iter().map(|pulse| pulse.lag_ms).collect();
        let (Some(lags), Some(first), Some(last)) = (lags, self.last.front(), self.last.back())
        else {
            return Sign::Unclear;
        };
        if self.last.len() <= MINUTES {
            return Sign::Unclear;
        }
        let pairs = || self.last.iter().zip(self.last.iter().skip(1));
        let grew = lags[MINUTES] - lags[0];
        let elapsed = (last.at.0 - first.at.0) as f64;
        // Without records the watermark stands still, and nothing is behind.
        let processing = pairs().all(|(one, next)| next.records > one.records);
        let rising = lags.windows(2).all(|pair| pair[1] > pair[0]);
        if rising && processing && grew as f64 >= LAG_GROWTH * elapsed {
            let (from, to) = (lags[0] / 1000, lags[MINUTES] / 1000);
            return Sign::Trouble(format!(
                "The job falls behind: from {from} s to {to} s in the last {MINUTES} minutes"
            ));
        }
        if grew <= 0 || !processing { Sign::Well } else { Sign::Unclear }
    }
}

/// A job that its controller started again after a crash restarted, too; one that an
/// operation started did not.
fn restarted((one, next): (&Pulse, &Pulse)) -> u64 {
    if one.generation != next.generation {
        let starts = next.generation.0.saturating_sub(one.generation.0);
        return starts.min(u64::from(next.crashes)) + next.restarts.unwrap_or(0);
    }
    next.restarts.unwrap_or(0).saturating_sub(one.restarts.unwrap_or(next.restarts.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn pulse(minute: i64) -> Pulse {
        Pulse {
            at: Timestamp(minute * MINUTE),
            generation: Generation(1),
            crashes: 0,
            restarts: Some(0),
            checkpoints: Some(minute as u64),
            lag_ms: Some(1_000),
            records: minute as f64,
        }
    }

    /// The trouble seen at the end, if any; of the one asked for.
    fn check(trouble: Trouble, pulses: impl Iterator<Item = Pulse>, want: &str) {
        let mut all = Pulses::default();
        pulses.for_each(|it| all.note(it));
        let signs = all.signs(Some(MINUTE), MINUTE);
        let (_, sign) = signs.iter().find(|(of, _)| *of == trouble).expect("all are told");
        match (sign, want) {
            (Sign::Well, "well") | (Sign::Unclear, "unclear") => {}
            (Sign::Trouble(message), want) if message.contains(want) => {}
            (sign, want) => panic!("{trouble:?}: {sign:?}, not {want}"),
        }
    }

    #[test]
    fn three_restarts_in_ten_minutes_are_a_loop_and_ten_quiet_ones_its_end() {
        let restarts = |of: fn(i64) -> u64| {
            (0..=10).map(move |minute| Pulse { restarts: Some(of(minute)), ..pulse(minute) })
        };
        check(Trouble::RestartLoop, restarts(|_| 7), "well");
        check(Trouble::RestartLoop, restarts(|minute| u64::from(minute > 5)), "unclear");
        check(Trouble::RestartLoop, restarts(|minute| minute as u64 / 3), "restarted 3 times");
        check(Trouble::RestartLoop, restarts(|_| 0).take(5), "unclear");
        let generations = |crashes: u32| {
            (0..=3).map(move |minute| Pulse {
                generation: Generation(minute as u64),
                crashes: crashes * minute as u32,
                ..pulse(minute)
            })
        };
        check(Trouble::RestartLoop, generations(1), "restarted 3 times");
        check(Trouble::RestartLoop, generations(0), "unclear");
        let silent = (0..=10).map(|minute| match minute % 2 {
            0 => pulse(minute),
            _ => Pulse { restarts: None, checkpoints: None, lag_ms: None, ..pulse(minute) },
        });
        check(Trouble::RestartLoop, silent, "well");
    }

    #[test]
    fn five_intervals_without_a_checkpoint_are_a_stall_and_one_checkpoint_its_end() {
        let stalled = |minutes: i64| {
            (0..minutes).map(|minute| Pulse { checkpoints: Some(4), ..pulse(minute) })
        };
        check(Trouble::StalledCheckpoints, (0..10).map(pulse), "well");
        check(Trouble::StalledCheckpoints, stalled(5), "unclear");
        check(Trouble::StalledCheckpoints, stalled(6), "no checkpoint for 300 s");
        check(Trouble::StalledCheckpoints, stalled(30), "no checkpoint for 1740 s");
        check(Trouble::StalledCheckpoints, stalled(30).chain([pulse(30)]), "well");
        let gone = Pulse { checkpoints: None, ..pulse(30) };
        check(Trouble::StalledCheckpoints, stalled(30).chain([gone]), "unclear");
    }

    #[test]
    fn a_lag_that_grows_for_ten_minutes_is_trouble() {
        let lag = |of: fn(i64) -> i64| {
            (0..=10).map(move |minute| Pulse { lag_ms: Some(of(minute)), ..pulse(minute) })
        };
        check(Trouble::GrowingLag, lag(|_| 90_000), "well");
        check(Trouble::GrowingLag, lag(|minute| minute * 40_000), "from 0 s to 400 s");
        check(Trouble::GrowingLag, lag(|minute| minute * 1_000), "unclear");
        check(Trouble::GrowingLag, lag(|minute| 500_000 - minute * 1_000), "well");
        check(Trouble::GrowingLag, lag(|minute| minute * 40_000).take(10), "unclear");
        check(Trouble::GrowingLag, lag(|_| 0).map(|it| Pulse { lag_ms: None, ..it }), "well");
        // Nothing comes: nothing is behind.
        let idle = lag(|minute| minute * 60_000).map(|it| Pulse { records: 7.0, ..it });
        check(Trouble::GrowingLag, idle, "well");
    }
}
