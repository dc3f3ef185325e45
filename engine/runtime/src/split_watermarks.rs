//! Watermarks of a source's subtask: per split, the least of the active ones
//! (rows E.1, E.5, E.6, E.9).
//!
//! A subtask without a split has nothing to say about time, and it must hold nobody
//! back. But if every subtask of a source went idle between two files of its
//! directory, a join would run ahead on its other input, and the next file would be
//! late. So one of them holds the source's watermark: the [`Lead`].

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_dataflow::Watermark;
use parking_lot::Mutex;

/// Which of a source's subtasks has sent the greatest watermark: the only one that is
/// not idle when it has no split, unless its idle timeout passes. At first the first
/// subtask, so that a source that has read nothing yet holds its consumers back, as
/// in Flink.
#[derive(Clone, Debug)]
pub struct Lead(Arc<Mutex<(Watermark, u16)>>);

impl Default for Lead {
    fn default() -> Lead {
        Lead(Arc::new(Mutex::new((Watermark::MIN, 0))))
    }
}

impl Lead {
    /// `subtask` sends `watermark`.
    fn sends(&self, subtask: u16, watermark: Watermark) {
        let mut lead = self.0.lock();
        if watermark > lead.0 {
            *lead = (watermark, subtask);
        }
    }

    fn is_with(&self, subtask: u16) -> bool {
        self.0.lock().1 == subtask
    }
}

/// What the subtask tells its consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    Nothing,
    Watermark(Watermark),
    /// No split has rows for now.
    Idle,
}

#[derive(Clone, Debug)]
pub struct SplitWatermarks {
    splits: BTreeMap<String, SplitTime>,
    /// Sent last; never goes back.
    sent: Watermark,
    idle: bool,
    idle_timeout_ms: Option<i64>,
    /// Since when the source has no split for this subtask.
    without_splits_since_ms: Option<i64>,
    subtask: u16,
    lead: Lead,
    /// No split past this gives rows.
    limit_ms: i64,
}

#[derive(Clone, Copy, Debug)]
struct SplitTime {
    watermark: Watermark,
    last_rows_ms: i64,
    idle: bool,
    /// Too far ahead of others: gives no rows, and that is not idleness.
    paused: bool,
}

impl SplitWatermarks {
    /// `lead`: shared by the source's subtasks, of which this is number `subtask`.
    pub fn new(
        (subtask, lead): (u16, Lead),
        idle_timeout_ms: Option<i64>,
        restored: Option<i64>,
    ) -> SplitWatermarks {
        SplitWatermarks {
            splits: BTreeMap::new(),
            sent: restored.map_or(Watermark::MIN, Watermark),
            idle: false,
            idle_timeout_ms: idle_timeout_ms.filter(|timeout| *timeout > 0),
            without_splits_since_ms: None,
            subtask,
            lead,
            limit_ms: i64::MAX,
        }
    }

    /// The source has no split for this subtask, for now.
    pub fn no_split_yet(&mut self, now_ms: i64) {
        self.without_splits_since_ms.get_or_insert(now_ms);
    }

    /// Without a split, and not idle yet: time or another subtask may change that.
    pub fn is_holding(&self) -> bool {
        self.without_splits_since_ms.is_some() && !self.idle
    }

    pub fn add(&mut self, split: &str, watermark_ms: Option<i64>, now_ms: i64) {
        let watermark = watermark_ms.map_or(Watermark::MIN, Watermark);
        let time = SplitTime {
            watermark,
            last_rows_ms: now_ms,
            idle: false,
            paused: self.sent.0 > self.limit_ms,
        };
        self.splits.insert(split.to_owned(), time);
        self.without_splits_since_ms = None;
    }

    /// Which splits are to stop or to go on, now that none may be past `limit_ms`.
    pub fn pause_beyond(&mut self, limit_ms: i64, now_ms: i64) -> Vec<(String, bool)> {
        self.limit_ms = limit_ms;
        let mut changed = vec![];
        for (split, time) in &mut self.splits {
            // What was sent counts for a split that was just added, too.
            let paused = time.watermark.max(self.sent).0 > limit_ms;
            if std::mem::replace(&mut time.paused, paused) != paused {
                time.last_rows_ms = now_ms;
                changed.push((split.clone(), paused));
            }
        }
        changed
    }

    /// Every split waits for others.
    pub fn all_paused(&self) -> bool {
        !self.splits.is_empty() && self.splits.values().all(|time| time.paused)
    }

    /// The watermark that others are to wait for: none of an idle subtask.
    pub fn counts(&self) -> Option<i64> {
        self.sent().filter(|_| !self.idle && self.sent < Watermark::MAX)
    }

    pub fn remove(&mut self, split: &str) {
        self.splits.remove(split);
    }

    /// Rows of a split, with the greatest watermark among them.
    pub fn rows(&mut self, split: &str, watermark_ms: Option<i64>, now_ms: i64) {
        let Some(time) = self.splits.get_mut(split) else { return };
        time.last_rows_ms = now_ms;
        time.idle = false;
        if let Some(watermark) = watermark_ms {
            time.watermark = time.watermark.max(Watermark(watermark));
        }
    }

    /// What to tell now.
    pub fn tell(&mut self, now_ms: i64) -> Tell {
        self.find_idle(now_ms);
        let active = self.splits.values().filter(|time| !time.idle);
        let Some(least) = active.map(|time| time.watermark).min() else {
            if !self.is_quiet(now_ms) || std::mem::replace(&mut self.idle, true) {
                return Tell::Nothing;
            }
            return Tell::Idle;
        };
        // After an idle time consumers count the subtask again at its next message,
        // so one must come even when the watermark has not grown.
        let was_idle = std::mem::replace(&mut self.idle, false);
        if least > self.sent || (was_idle && self.sent > Watermark::MIN) {
            self.sent = self.sent.max(least);
            self.lead.sends(self.subtask, self.sent);
            return Tell::Watermark(self.sent);
        }
        Tell::Nothing
    }

    pub fn of_split(&self, split: &str) -> Option<i64> {
        self.splits
            .get(split)
            .map(|time| time.watermark.0)
            .filter(|watermark| *watermark > i64::MIN)
    }

    /// The one sent last; `None` before the first.
    pub fn sent(&self) -> Option<i64> {
        (self.sent > Watermark::MIN).then_some(self.sent.0)
    }

    pub fn end(&mut self) {
        self.sent = Watermark::MAX;
    }

    /// No split is active: does the subtask stop counting?
    fn is_quiet(&self, now_ms: i64) -> bool {
        let Some(since) = self.without_splits_since_ms else { return !self.splits.is_empty() };
        let timed_out = self.idle_timeout_ms.is_some_and(|timeout| now_ms - since >= timeout);
        timed_out || !self.lead.is_with(self.subtask)
    }

    fn find_idle(&mut self, now_ms: i64) {
        let Some(timeout) = self.idle_timeout_ms else { return };
        for time in self.splits.values_mut() {
            time.idle |= !time.paused && now_ms - time.last_rows_ms >= timeout;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(idle_timeout_ms: Option<i64>, restored: Option<i64>) -> SplitWatermarks {
        SplitWatermarks::new((0, Lead::default()), idle_timeout_ms, restored)
    }

    #[test]
    fn e_9_the_least_of_the_active_splits_counts() {
        let mut times = alone(None, None);
        times.add("a", None, 0);
        times.add("b", None, 0);
        times.rows("a", Some(10), 0);
        assert_eq!(times.tell(0), Tell::Nothing);
        times.rows("b", Some(4), 0);
        assert_eq!(times.tell(0), Tell::Watermark(Watermark(4)));
        times.rows("b", Some(2), 0);
        assert_eq!(times.tell(0), Tell::Nothing);
        times.remove("b");
        assert_eq!(times.tell(0), Tell::Watermark(Watermark(10)));
        // A new split is behind: nothing goes back.
        times.remove("a");
        times.add("c", None, 0);
        times.rows("c", Some(5), 0);
        assert_eq!(times.tell(0), Tell::Nothing);
        assert_eq!(times.sent(), Some(10));
    }

    #[test]
    fn e_5_a_quiet_split_stops_counting_after_its_timeout() {
        let mut times = alone(Some(100), None);
        times.add("a", None, 0);
        times.add("b", None, 0);
        times.rows("a", Some(10), 50);
        assert_eq!(times.tell(99), Tell::Nothing);
        assert_eq!(times.tell(100), Tell::Watermark(Watermark(10)));
        assert_eq!(times.tell(150), Tell::Idle);
        assert_eq!(times.tell(151), Tell::Nothing);
        times.rows("b", Some(7), 160);
        assert_eq!(times.tell(160), Tell::Watermark(Watermark(10)));
    }

    #[test]
    fn e_6_the_subtask_in_the_lead_holds_the_watermark_between_splits() {
        let lead = Lead::default();
        let mut times = [0, 1].map(|n| SplitWatermarks::new((n, lead.clone()), None, None));
        // Nothing was read: the first holds for all.
        for time in &mut times {
            assert_eq!(time.tell(0), Tell::Nothing);
            time.no_split_yet(0);
        }
        assert_eq!(times[0].tell(0), Tell::Nothing);
        assert_eq!(times[1].tell(0), Tell::Idle);
        // The second takes the lead, and keeps it without a split; the first need not.
        times[1].add("a", None, 10);
        times[1].rows("a", Some(7), 10);
        assert_eq!(times[1].tell(10), Tell::Watermark(Watermark(7)));
        times[1].remove("a");
        times[1].no_split_yet(20);
        assert_eq!(times[1].tell(1_000_000), Tell::Nothing);
        assert!(times[1].is_holding() && times[0].is_holding());
        assert_eq!(times[0].tell(1_000_000), Tell::Idle);
        assert!(!times[0].is_holding());
    }

    #[test]
    fn e_5_a_subtask_without_splits_stops_counting_after_its_timeout() {
        let mut times = alone(Some(100), None);
        times.no_split_yet(30);
        times.no_split_yet(90);
        assert_eq!(times.tell(129), Tell::Nothing);
        assert_eq!(times.tell(130), Tell::Idle);
        assert_eq!(times.tell(131), Tell::Nothing);
        times.add("a", None, 140);
        assert_eq!(times.tell(140), Tell::Nothing);
    }

    #[test]
    fn e_7_a_split_that_waits_for_others_is_not_idle() {
        let mut times = alone(Some(100), None);
        times.add("a", None, 0);
        times.add("b", None, 0);
        times.rows("a", Some(50), 0);
        times.rows("b", Some(10), 0);
        assert_eq!(times.pause_beyond(20, 0), [("a".to_owned(), true)]);
        assert!(!times.all_paused());
        assert_eq!(times.tell(150), Tell::Watermark(Watermark(50)), "b is idle, a is not");
        // What was sent counts for the whole subtask.
        assert_eq!(times.pause_beyond(20, 200), [("b".to_owned(), true)]);
        times.add("c", None, 200);
        assert!(times.all_paused());
        let resumed = times.pause_beyond(60, 300);
        assert_eq!(resumed, ["a", "b", "c"].map(|split| (split.to_owned(), false)));
        assert_eq!(times.tell(399), Tell::Nothing);
        assert_eq!(times.tell(400), Tell::Idle);
        assert_eq!((times.sent(), times.counts()), (Some(50), None));
    }

    #[test]
    fn a_restored_watermark_is_where_it_goes_on() {
        let mut times = alone(None, Some(50));
        assert_eq!(times.sent(), Some(50));
        times.add("a", Some(60), 0);
        assert_eq!(times.tell(0), Tell::Watermark(Watermark(60)));
    }
}
