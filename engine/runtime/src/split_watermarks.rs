//! Watermarks of a source's subtask: per split, the least of the active ones
//! (rows E.1, E.5, E.6, E.9). Pure.

use std::collections::BTreeMap;

use millrace_dataflow::Watermark;

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
    /// A source without splits says so at once, rather than hold its consumers back.
    pub without_splits: bool,
}

#[derive(Clone, Copy, Debug)]
struct SplitTime {
    watermark: Watermark,
    last_rows_ms: i64,
    idle: bool,
}

impl SplitWatermarks {
    pub fn new(idle_timeout_ms: Option<i64>, restored: Option<i64>) -> SplitWatermarks {
        SplitWatermarks {
            splits: BTreeMap::new(),
            sent: restored.map_or(Watermark::MIN, Watermark),
            idle: false,
            idle_timeout_ms: idle_timeout_ms.filter(|timeout| *timeout > 0),
            without_splits: false,
        }
    }

    pub fn add(&mut self, split: &str, watermark_ms: Option<i64>, now_ms: i64) {
        let watermark = watermark_ms.map_or(Watermark::MIN, Watermark);
        let time = SplitTime { watermark, last_rows_ms: now_ms, idle: false };
        self.splits.insert(split.to_owned(), time);
        self.without_splits = false;
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
            let quiet = self.without_splits || !self.splits.is_empty();
            if !quiet || std::mem::replace(&mut self.idle, true) {
                return Tell::Nothing;
            }
            return Tell::Idle;
        };
        // After an idle time consumers count the subtask again at its next message,
        // so one must come even when the watermark has not grown.
        let was_idle = std::mem::replace(&mut self.idle, false);
        if least > self.sent || (was_idle && self.sent > Watermark::MIN) {
            self.sent = self.sent.max(least);
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

    fn find_idle(&mut self, now_ms: i64) {
        let Some(timeout) = self.idle_timeout_ms else { return };
        for time in self.splits.values_mut() {
            time.idle |= now_ms - time.last_rows_ms >= timeout;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_9_the_least_of_the_active_splits_counts() {
        let mut times = SplitWatermarks::new(None, None);
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
        let mut times = SplitWatermarks::new(Some(100), None);
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
    fn a_subtask_without_splits_holds_nobody_back() {
        let mut times = SplitWatermarks::new(None, None);
        assert_eq!(times.tell(0), Tell::Nothing);
        times.without_splits = true;
        assert_eq!(times.tell(0), Tell::Idle);
        times.add("a", None, 0);
        assert_eq!(times.tell(0), Tell::Nothing);
    }

    #[test]
    fn a_restored_watermark_is_where_it_goes_on() {
        let mut times = SplitWatermarks::new(None, Some(50));
        assert_eq!(times.sent(), Some(50));
        times.add("a", Some(60), 0);
        assert_eq!(times.tell(0), Tell::Watermark(Watermark(60)));
    }
}
