//! Between which parallelisms an application may be scaled.

use crate::care::{Held, Verdict};
use crate::configuration::ParallelismConfiguration;

/// `least <= current` unless the configuration was changed meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub current: u32,
    /// AWS: never under `Parallelism`.
    pub least: u32,
    /// AWS: `ParallelismPerKPU` times the greatest number of KPUs.
    pub quota: u32,
    /// Key groups of the job's state: no subtask without one. `None`: not known.
    pub max_parallelism: Option<u32>,
    /// Of one application.
    pub most_kpus: u64,
}

impl Bounds {
    pub fn of(
        configured: &ParallelismConfiguration,
        current: u32,
        max_parallelism: Option<u32>,
        most_kpus: u64,
    ) -> Bounds {
        let kpus = u32::try_from(most_kpus).unwrap_or(u32::MAX);
        Bounds {
            current,
            least: configured.parallelism,
            quota: kpus.saturating_mul(configured.parallelism_per_kpu.max(1)),
            max_parallelism,
            most_kpus,
        }
    }

    pub fn most(&self) -> u32 {
        self.quota.min(self.max_parallelism.unwrap_or(u32::MAX)).max(self.least)
    }

    fn most_is(&self) -> String {
        match self.max_parallelism {
            Some(groups) if groups <= self.quota => {
                format!("the job's state has {groups} key groups")
            }
            _ => format!("the quota is {} Kinesis Processing Units", self.most_kpus),
        }
    }

    /// Scaling to `wanted`, as far as the bounds allow; `because` is what was measured.
    pub fn verdict(&self, wanted: u32, because: &str) -> Verdict {
        let parallelism = wanted.clamp(self.least, self.most());
        let current = self.current;
        if parallelism != current && (wanted > current) == (parallelism > current) {
            let reason = format!("{because}: parallelism {current} to {parallelism}");
            return Verdict::Scale { parallelism, reason };
        }
        if wanted == current || (wanted < current && self.least == 1) {
            return Verdict::Keep;
        }
        let bound = match wanted > current {
            true => format!("{} is the most: {}", self.most(), self.most_is()),
            false => format!("{} is the least: the application's Parallelism", self.least),
        };
        let reason = format!("{because}, which asks for parallelism {wanted}; but {bound}");
        Verdict::Held(Held { bound, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_ends_at_the_bounds() {
        let bounds = |current, max_parallelism| Bounds {
            current,
            least: 2,
            quota: 64,
            most_kpus: 64,
            max_parallelism,
        };
        let check = |bounds: Bounds, wanted: u32, want: Result<u32, &str>| match (
            bounds.verdict(wanted, "Measured"),
            want,
        ) {
            (Verdict::Scale { parallelism, reason }, Ok(want)) => {
                assert_eq!(parallelism, want);
                let current = bounds.current;
                assert_eq!(reason, format!("Measured: parallelism {current} to {want}"));
            }
            (Verdict::Held(held), Err(says)) if !says.is_empty() => {
                assert!(held.reason.contains(says), "{held:?}");
            }
            (Verdict::Keep, Err("")) => {}
            (other, want) => panic!("{bounds:?} {wanted}: {other:?}, not {want:?}"),
        };
        check(bounds(4, Some(128)), 8, Ok(8));
        check(bounds(4, Some(6)), 8, Ok(6));
        check(bounds(40, Some(128)), 80, Ok(64));
        check(bounds(6, Some(6)), 12, Err("the job's state has 6 key groups"));
        check(bounds(64, None), 128, Err("the quota is 64 Kinesis Processing Units"));
        check(bounds(3, None), 1, Ok(2));
        check(bounds(2, None), 1, Err("2 is the least: the application's Parallelism"));
        check(bounds(2, None), 2, Err(""));
        // A limit under the Parallelism asked for does not make less of it.
        check(bounds(2, Some(1)), 4, Err("2 is the most"));
        let one = Bounds { current: 1, least: 1, quota: 64, most_kpus: 64, max_parallelism: None };
        check(one, 0, Err(""));
    }
}
