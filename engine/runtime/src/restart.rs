//! Whether and when a failed job starts again: pure (section F.6).

use std::collections::VecDeque;

/// `restart-strategy.type` with its options.
#[derive(Clone, Debug, PartialEq)]
pub enum RestartStrategy {
    None,
    FixedDelay { attempts: u32, delay_ms: i64 },
    FailureRate { max_failures: u32, interval_ms: i64, delay_ms: i64 },
    ExponentialDelay(Exponential),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Exponential {
    pub initial_ms: i64,
    pub max_ms: i64,
    pub multiplier: f64,
    /// Without a failure for so long, the next delay is the initial one again.
    pub reset_ms: i64,
    /// Part of the delay by which it is varied at most.
    pub jitter: f64,
}

/// What the strategy remembers of earlier failures.
#[derive(Clone, Debug, Default)]
pub struct RestartHistory {
    failures: u32,
    recent: VecDeque<i64>,
    backoff_ms: Option<f64>,
    last_ms: Option<i64>,
}

impl RestartHistory {
    /// Notes a failure at `now_ms`: the delay before the next start in
    /// milliseconds, or `None` when there is none. `random` lies in `[-1, 1]`.
    pub fn on_failure(
        &mut self,
        strategy: &RestartStrategy,
        now_ms: i64,
        random: f64,
    ) -> Option<i64> {
        self.failures = self.failures.saturating_add(1);
        let delay = match strategy {
            RestartStrategy::None => None,
            RestartStrategy::FixedDelay { attempts, delay_ms } => {
                (self.failures <= *attempts).then_some(*delay_ms)
            }
            RestartStrategy::FailureRate { max_failures, interval_ms, delay_ms } => {
                self.recent.push_back(now_ms);
                while self.recent.front().is_some_and(|first| now_ms - first >= *interval_ms) {
                    self.recent.pop_front();
                }
                (self.recent.len() <= *max_failures as usize).then_some(*delay_ms)
            }
            RestartStrategy::ExponentialDelay(options) => {
                Some(self.next_backoff(options, now_ms, random))
            }
        };
        self.last_ms = Some(now_ms);
        delay
    }

    fn next_backoff(&mut self, options: &Exponential, now_ms: i64, random: f64) -> i64 {
        let quiet = self.last_ms.is_some_and(|last| now_ms - last >= options.reset_ms);
        let backoff = match self.backoff_ms {
            Some(previous) if !quiet => (previous * options.multiplier).min(options.max_ms as f64),
            _ => options.initial_ms as f64,
        };
        self.backoff_ms = Some(backoff);
        (backoff + backoff * options.jitter * random).max(0.0) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(strategy: &RestartStrategy, failures: &[(i64, Option<i64>)]) {
        let mut history = RestartHistory::default();
        for (at, delay) in failures {
            assert_eq!(history.on_failure(strategy, *at, 0.0), *delay, "{strategy:?} at {at}");
        }
    }

    #[test]
    fn f6_each_strategy_gives_its_delays_and_ends() {
        check(&RestartStrategy::None, &[(0, None)]);
        check(
            &RestartStrategy::FixedDelay { attempts: 2, delay_ms: 5 },
            &[(0, Some(5)), (1, Some(5)), (2, None)],
        );
        check(
            &RestartStrategy::FailureRate { max_failures: 1, interval_ms: 100, delay_ms: 7 },
            &[(0, Some(7)), (100, Some(7)), (150, None)],
        );
    }

    #[test]
    fn f6_7_the_backoff_grows_to_its_limit_and_starts_over_after_quiet() {
        let options = Exponential {
            initial_ms: 10,
            max_ms: 35,
            multiplier: 2.0,
            reset_ms: 1_000,
            jitter: 0.5,
        };
        let strategy = RestartStrategy::ExponentialDelay(options);
        check(
            &strategy,
            &[(0, Some(10)), (1, Some(20)), (2, Some(35)), (3, Some(35)), (1_003, Some(10))],
        );
        let mut history = RestartHistory::default();
        assert_eq!(history.on_failure(&strategy, 0, 1.0), Some(15));
    }
}
