//! Watermark alignment: sources of one group wait for each other, so that a fast one
//! does not fill the state of a join with rows that must wait (row E.7; Flink:
//! FLIP-182, FLIP-217).
//!
//! Every update interval a source's subtask says where its watermark is and learns
//! the least of its group; splits that are further than the allowed drift past that
//! give no rows until the next look. A subtask that has sent no watermark yet, or is
//! idle, does not count.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_dataflow::graph::WatermarkAlignment;
use parking_lot::Mutex;

/// A source's node and its subtask.
pub type Member = (usize, u16);

/// The watermarks of all groups' members in milliseconds: shared by the source tasks
/// of an attempt.
#[derive(Clone, Debug, Default)]
pub struct AlignmentGroups(Arc<Mutex<BTreeMap<String, BTreeMap<Member, i64>>>>);

impl AlignmentGroups {
    /// Says where a member is, and answers the least of its group.
    fn exchange(&self, group: &str, member: Member, watermark_ms: Option<i64>) -> Option<i64> {
        let mut groups = self.0.lock();
        let times = groups.entry(group.to_owned()).or_default();
        match watermark_ms {
            Some(watermark) => times.insert(member, watermark),
            None => times.remove(&member),
        };
        times.values().copied().min()
    }
}

/// One subtask's part in its group.
#[derive(Debug)]
pub struct Aligner {
    pub groups: AlignmentGroups,
    pub member: Member,
    pub config: WatermarkAlignment,
    /// When it looks at the others again.
    pub next_look_ms: i64,
}

impl Aligner {
    pub fn is_due(&self, now_ms: i64) -> bool {
        now_ms >= self.next_look_ms
    }

    /// The greatest watermark that a split may have and still go on. `watermark_ms`:
    /// the subtask's own; `None` when it does not count.
    pub fn look(&mut self, now_ms: i64, watermark_ms: Option<i64>) -> i64 {
        self.next_look_ms = now_ms + self.config.update_interval_ms;
        let least = self.groups.exchange(&self.config.group, self.member, watermark_ms);
        least.map_or(i64::MAX, |least| least.saturating_add(self.config.max_drift_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(groups: &AlignmentGroups, group: &str, subtask: u16) -> Aligner {
        let config = WatermarkAlignment {
            group: group.into(),
            max_drift_ms: 100,
            update_interval_ms: 1_000,
        };
        Aligner { groups: groups.clone(), member: (0, subtask), config, next_look_ms: 0 }
    }

    #[test]
    fn e_7_nobody_goes_further_than_the_drift_past_the_last() {
        let groups = AlignmentGroups::default();
        let [mut a, mut b] = [0, 1].map(|subtask| member(&groups, "g", subtask));
        assert_eq!(a.look(0, None), i64::MAX);
        assert_eq!(a.look(0, Some(500)), 600);
        assert_eq!(b.look(0, Some(50)), 150);
        assert!(!a.is_due(999) && a.is_due(1_000));
        assert_eq!(a.look(1_000, Some(500)), 150);
        // Idle: it holds nobody back.
        assert_eq!(b.look(1_000, None), 600);
        let mut other = member(&groups, "another", 0);
        assert_eq!(other.look(0, Some(1)), 101);
    }
}
