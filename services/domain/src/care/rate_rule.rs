//! The rule by rates (after Flink's autoscaler, FLIP-271): how much each operator could
//! process, and how much it is asked to.
//!
//! An operator that is busy for half of its time processes half of what it could: its true
//! rate is what it processes, by the part of the time that it is busy. What it is asked
//! to process is more than what it processes where the sources are held back or have a
//! backlog. All tasks run at one parallelism here, so the task that needs the most decides.

use crate::care::Verdict;
use crate::care::bounds::Bounds;
use crate::care::measure::{Measure, VertexMeasure};
use crate::care::window::Window;

/// Minutes that decide about more, and about less (Flink: `metrics.window`,
/// `scale-down.interval`).
const UP_MINUTES: usize = 5;
const DOWN_MINUTES: usize = 30;
/// How far the use may be from its target (Flink: `target.utilization.boundary`).
const SLACK: f64 = 0.2;
/// A backlog shall be gone after so many seconds (Flink: `catch-up.duration`).
const CATCH_UP_SECONDS: f64 = 900.0;
/// At once at most.
const GREATEST_STEP: f64 = 4.0;

pub fn decide(target: f64, window: &Window, minute: i64, bounds: &Bounds) -> Verdict {
    if let Some(recent) = window.tasks(minute, UP_MINUTES)
        && let Some(need) = need(&recent, target)
        && need.use_of_all > target + SLACK
    {
        let factor = (need.use_of_all / target).min(GREATEST_STEP);
        let wanted = whole(f64::from(bounds.current) * factor).max(bounds.current + 1);
        return bounds.verdict(aligned(wanted, bounds), &need.because);
    }
    if let Some(all) = window.tasks(minute, DOWN_MINUTES)
        && let Some(need) = all.chunks(UP_MINUTES).filter_map(|it| need(it, target)).max_by(greater)
        && need.use_of_all < target - SLACK
    {
        let wanted = whole(f64::from(bounds.current) * need.use_of_all / target);
        let wanted = aligned(wanted.max(1), bounds).min(bounds.current);
        return bounds.verdict(wanted, &need.because);
    }
    Verdict::Keep
}

struct Need {
    /// Of the operator that needs the most: 1 is all it can.
    use_of_all: f64,
    because: String,
}

fn greater(one: &Need, other: &Need) -> std::cmp::Ordering {
    one.use_of_all.total_cmp(&other.use_of_all)
}

/// Over these minutes, on average. `None`: nothing was processed.
fn need(minutes: &[&Measure], target: f64) -> Option<Need> {
    let tasks = averaged(minutes);
    let growth = growth(&tasks);
    let asked = |task: &VertexMeasure| task.busy * growth;
    let most = tasks.iter().filter(|task| task.records_per_second > 0.0);
    let most = most.max_by(|one, other| asked(one).total_cmp(&asked(other)))?;
    let could = most.records_per_second / most.busy.max(0.001);
    let because = format!(
        "{:?} processed {:.0} records/s, busy {:.0} % of its time: it could {could:.0}; \
         it is asked for {:.0}, and shall be {:.0} % busy",
        most.name,
        most.records_per_second,
        100.0 * most.busy,
        most.records_per_second * growth,
        100.0 * target,
    );
    Some(Need { use_of_all: asked(most), because })
}

/// How much more the sources would bring were they not held back, with their backlog.
fn growth(tasks: &[VertexMeasure]) -> f64 {
    let sources = || tasks.iter().filter(|task| task.is_source);
    let now: f64 = sources().map(|source| source.records_per_second).sum();
    let free = |source: &VertexMeasure| {
        let backlog = source.pending.unwrap_or(0.0) / CATCH_UP_SECONDS;
        source.records_per_second / (1.0 - source.back_pressured).max(0.1) + backlog
    };
    let asked: f64 = sources().map(free).sum();
    if now > 0.0 { (asked / now).max(1.0) } else { 1.0 }
}

/// By task; those of the last minute.
fn averaged(minutes: &[&Measure]) -> Vec<VertexMeasure> {
    let Some(last) = minutes.last() else { return Vec::new() };
    let average = |task: &VertexMeasure| {
        let same = minutes.iter().flat_map(|it| &it.vertices).filter(|it| it.name == task.name);
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for found in same {
            count += 1.0;
            let values = [found.busy, found.back_pressured, found.records_per_second];
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum += value;
            }
        }
        let [busy, back_pressured, records_per_second] = sum.map(|sum| sum / count);
        VertexMeasure { busy, back_pressured, records_per_second, ..task.clone() }
    };
    last.vertices.iter().map(average).collect()
}

/// A parallelism of at least `wanted` that gives each subtask as many key groups as the
/// others: a divisor of their number, if one is near. Otherwise the least with which the
/// subtask that has most has no more.
fn aligned(wanted: u32, bounds: &Bounds) -> u32 {
    let Some(groups) = bounds.max_parallelism.filter(|groups| wanted < *groups) else {
        return wanted;
    };
    let near = wanted.saturating_add(wanted.div_ceil(2)).min(bounds.most());
    let divisor = (wanted..=near).find(|it| groups % it == 0);
    divisor.unwrap_or_else(|| groups.div_ceil(groups.div_ceil(wanted)))
}

/// The least whole number that is not less, but for what rounding adds.
fn whole(wanted: f64) -> u32 {
    (wanted - 1e-9).ceil().clamp(0.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::measure::tests::measured;

    type Task = (&'static str, f64, f64, f64);

    fn verdict(current: u32, minutes: i64, tasks: &[Task], pending: Option<f64>) -> Verdict {
        let mut window = Window::default();
        for minute in 0..minutes {
            let mut measure = measured(current, tasks);
            measure.vertices[0].pending = pending;
            window.note(minute, measure);
        }
        let bounds =
            Bounds { current, least: 1, quota: 64, most_kpus: 64, max_parallelism: Some(128) };
        decide(0.7, &window, minutes - 1, &bounds)
    }

    fn check(current: u32, minutes: i64, tasks: &[Task], want: Option<u32>) {
        let got = verdict(current, minutes, tasks, None);
        let scaled = match &got {
            Verdict::Scale { parallelism, .. } => Some(*parallelism),
            _ => None,
        };
        assert_eq!(scaled, want, "{tasks:?}: {got:?}");
    }

    #[test]
    fn the_task_that_needs_most_decides() {
        let easy = ("Source", 0.1, 0.0, 1000.0);
        // 0.95 / 0.7 of 2 are 2.7: 3, and 4 divides 128.
        check(2, 5, &[easy, ("Agg", 0.95, 0.0, 1000.0)], Some(4));
        check(2, 4, &[easy, ("Agg", 0.95, 0.0, 1000.0)], None);
        check(2, 5, &[easy, ("Agg", 0.85, 0.0, 1000.0)], None);
        check(8, 5, &[easy, ("Join", 0.92, 0.0, 10.0), ("Agg", 0.2, 0.0, 1000.0)], Some(16));
    }

    #[test]
    fn a_source_that_is_held_back_asks_for_more() {
        // Held back half of the time, twice as much waits: 1.9 / 0.7 of 2 are 5.4.
        check(2, 5, &[("Source", 0.5, 0.5, 1000.0), ("Agg", 0.95, 0.0, 1000.0)], Some(8));
        // However much, at once fourfold.
        check(2, 5, &[("Source", 0.1, 0.9, 1000.0), ("Agg", 1.0, 0.0, 1000.0)], Some(8));
    }

    #[test]
    fn a_backlog_asks_for_more() {
        let tasks = [("Source", 0.2, 0.0, 1000.0), ("Agg", 0.6, 0.0, 1000.0)];
        assert_eq!(verdict(2, 5, &tasks, Some(0.0)), Verdict::Keep);
        // 900,000 records in 900 seconds: as much again.
        let got = verdict(2, 5, &tasks, Some(900_000.0));
        assert!(matches!(got, Verdict::Scale { parallelism: 4, .. }), "{got:?}");
    }

    #[test]
    fn less_takes_half_an_hour_of_little_use() {
        let tasks = [("Source", 0.1, 0.0, 1000.0), ("Agg", 0.3, 0.0, 1000.0)];
        check(8, 29, &tasks, None);
        check(8, 30, &tasks, Some(4));
        check(8, 30, &[("Source", 0.1, 0.0, 1000.0), ("Agg", 0.55, 0.0, 1000.0)], None);
        // Nothing processed says nothing.
        check(8, 30, &[("Source", 0.0, 0.0, 0.0), ("Agg", 0.0, 0.0, 0.0)], None);
    }

    #[test]
    fn one_busy_moment_keeps_what_there_is() {
        let mut window = Window::default();
        for minute in 0..30 {
            let busy = if (10..15).contains(&minute) { 0.6 } else { 0.1 };
            window.note(minute, measured(8, &[("Source", busy, 0.0, 1000.0)]));
        }
        let bounds =
            Bounds { current: 8, least: 1, quota: 64, most_kpus: 64, max_parallelism: None };
        assert_eq!(decide(0.7, &window, 29, &bounds), Verdict::Keep);
    }

    #[test]
    fn key_groups_are_shared_evenly() {
        let check = |wanted: u32, groups: u32, quota: u32, want: u32| {
            let bounds = Bounds {
                current: 1,
                least: 1,
                quota,
                most_kpus: 64,
                max_parallelism: Some(groups),
            };
            assert_eq!(aligned(wanted, &bounds), want, "{wanted} of {groups}");
        };
        check(3, 128, 64, 4);
        check(4, 128, 64, 4);
        check(5, 128, 64, 8);
        check(6, 128, 64, 8);
        check(23, 128, 64, 32);
        check(7, 100, 64, 10);
        check(60, 100, 64, 50); // 60 and 50 both give two groups to somebody
        check(200, 128, 64, 200);
    }

    #[test]
    fn the_reason_has_the_numbers() {
        let tasks = [("Source", 0.5, 0.5, 500.0), ("Agg", 0.95, 0.0, 500.0)];
        let Verdict::Scale { reason, .. } = verdict(2, 5, &tasks, None) else { panic!("scales") };
        assert_eq!(
            reason,
            "\"Agg\" processed 500 records/s, busy 95 % of its time: it could 526; it is asked \
             for 1000, and shall be 70 % busy: parallelism 2 to 8"
        );
    }
}
