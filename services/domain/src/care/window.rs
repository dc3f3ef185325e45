//! The last minutes of one job, in memory.

use std::collections::VecDeque;

use crate::care::measure::Measure;
use crate::ids::VersionId;

/// Minutes of processor use: what AWS's rule looks at, six hours.
const CPU_KEPT: usize = 360;
/// Minutes measured task by task.
const TASKS_KEPT: usize = 30;
/// Of the minutes asked for this part must have been measured.
const COVERED: f64 = 0.95;

/// Of one version at one parallelism: what was measured of another says nothing of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    of: Option<(VersionId, u32)>,
    cpu: VecDeque<(i64, f64)>,
    tasks: VecDeque<(i64, Measure)>,
}

impl Window {
    /// Begins anew when the job is another one.
    pub fn look_at(&mut self, version: VersionId, parallelism: u32) {
        if self.of != Some((version, parallelism)) {
            *self = Window { of: Some((version, parallelism)), ..Window::default() };
        }
    }

    /// Of a minute only the first measure counts.
    pub fn note(&mut self, minute: i64, measure: Measure) {
        if self.tasks.back().is_some_and(|(last, _)| *last >= minute) {
            return;
        }
        if let Some(percent) = measure.cpu_percent {
            self.cpu.push_back((minute, percent));
        }
        self.tasks.push_back((minute, measure));
        while self.cpu.len() > CPU_KEPT {
            self.cpu.pop_front();
        }
        while self.tasks.len() > TASKS_KEPT {
            self.tasks.pop_front();
        }
    }

    /// The processor's use in the last `minutes` up to `minute`; `None` while too few of
    /// them were measured.
    pub fn cpu(&self, minute: i64, minutes: usize) -> Option<Vec<f64>> {
        covered(&self.cpu, minute, minutes).map(|found| found.into_iter().copied().collect())
    }

    /// As [`Window::cpu`], task by task.
    pub fn tasks(&self, minute: i64, minutes: usize) -> Option<Vec<&Measure>> {
        covered(&self.tasks, minute, minutes)
    }
}

fn covered<T>(kept: &VecDeque<(i64, T)>, minute: i64, minutes: usize) -> Option<Vec<&T>> {
    let first = minute - i64::try_from(minutes).ok()? + 1;
    let of_these = |(at, value)| (first..=minute).contains(at).then_some(value);
    let found: Vec<&T> = kept.iter().map(|(at, value)| (at, value)).filter_map(of_these).collect();
    let reaches_back = kept.front().is_some_and(|(oldest, _)| *oldest <= first);
    (reaches_back && found.len() as f64 >= COVERED * minutes as f64).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::measure::tests::measured;

    fn minutes(which: impl Iterator<Item = i64>) -> Window {
        let mut window = Window::default();
        window.look_at(VersionId(1), 1);
        for minute in which {
            let measure = Measure { cpu_percent: Some(minute as f64), ..measured(1, &[]) };
            window.note(minute, measure);
        }
        window
    }

    #[test]
    fn too_few_minutes_are_no_window() {
        let check = |window: Window, asked: (i64, usize), want: Option<usize>| {
            assert_eq!(window.cpu(asked.0, asked.1).map(|found| found.len()), want);
        };
        check(minutes(0..15), (14, 15), Some(15));
        check(minutes(0..14), (13, 15), None);
        // Minutes long ago are not the last ones.
        check(minutes(0..15), (20, 15), None);
        // One lost minute of fifteen is too many; of six hours, a few are not.
        check(minutes((0..15).filter(|it| *it != 7)), (14, 15), None);
        check(minutes((0..360).filter(|it| it % 40 != 7)), (359, 360), Some(351));
        check(minutes((0..360).filter(|it| it % 10 != 7)), (359, 360), None);
        check(minutes(0..1_000), (999, 360), Some(360));
    }

    #[test]
    fn another_job_begins_anew_and_a_minute_counts_once() {
        let mut window = minutes(0..15);
        window.note(14, Measure { cpu_percent: Some(99.0), ..measured(1, &[]) });
        assert_eq!(window.cpu(14, 15).expect("covered")[14], 14.0);
        window.look_at(VersionId(1), 1);
        assert!(window.cpu(14, 15).is_some());
        window.look_at(VersionId(1), 2);
        assert!(window.cpu(14, 15).is_none());
    }
}
