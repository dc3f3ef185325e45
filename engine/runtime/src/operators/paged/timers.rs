//! Timers in the store: which keys do something when a time comes, though no row of
//! theirs does and they are not in memory.
//!
//! A timer is a page of no entries, so that nothing but this module sees it: a savepoint
//! has no entry of it, and a restore into memory none to read. Its key is a byte that
//! begins no key of a row, the time, and the key: the timers of a group lie behind its
//! pages, in order of time, and those of one time in order of key, as their pages do.
//!
//! Guarantees: for each page whose key is due at a time there is a timer, not later. Caveat: the removed timers before the first one are walked
//! over until a merge drops them; a walk begins where the last one ended.

use millrace_dataflow::key_group::KeyGroup;
use millrace_state::pages::Change;
use millrace_state::{PageError, PageStore};

use crate::operator::OperatorContext;

/// No value's tag: see `millrace_state::row`.
const TIMER: u8 = 0xff;
const TIME_BYTES: usize = 8;

/// A timer that went off: group, time and key.
pub type Due = (KeyGroup, i64, Vec<u8>);

/// Where the first timer of each key group may be.
#[derive(Debug)]
pub struct Timers {
    first_ms: Vec<i64>,
    /// Of groups that were not looked at.
    unknown_ms: i64,
}

pub fn timer_key(time_ms: i64, key: &[u8]) -> Vec<u8> {
    // In order of time as bytes.
    let time = (time_ms as u64) ^ (1 << 63);
    [&[TIMER], time.to_be_bytes().as_slice(), key].concat()
}

pub fn is_timer(page_key: &[u8]) -> bool {
    page_key.first() == Some(&TIMER)
}

fn read(page_key: &[u8]) -> Option<(i64, &[u8])> {
    let (time, key) = page_key.strip_prefix(&[TIMER])?.split_first_chunk::<TIME_BYTES>()?;
    Some(((u64::from_be_bytes(*time) ^ (1 << 63)) as i64, key))
}

impl Timers {
    /// Of a store that has pages already, or none.
    pub fn new(has_pages: bool) -> Timers {
        Timers { first_ms: Vec::new(), unknown_ms: if has_pages { i64::MIN } else { i64::MAX } }
    }

    fn first_of(&mut self, ctx: &OperatorContext) -> &mut Vec<i64> {
        let groups = usize::from(ctx.key_groups.end.saturating_sub(ctx.key_groups.start));
        if self.first_ms.len() < groups {
            self.first_ms.resize(groups, self.unknown_ms);
        }
        &mut self.first_ms
    }

    /// When the first timer goes off, or earlier; `None`: there is none.
    pub fn first_ms(&self) -> Option<i64> {
        let known = self.first_ms.iter().copied().min().unwrap_or(self.unknown_ms);
        (known != i64::MAX).then_some(known)
    }

    /// What becomes of the timer of a key that is written.
    pub fn change(
        &mut self,
        (group, key): (KeyGroup, &[u8]),
        before_ms: Option<i64>,
        due_ms: Option<i64>,
        ctx: &OperatorContext,
        changes: &mut Vec<Change>,
    ) {
        if before_ms == due_ms {
            return;
        }
        if let Some(before_ms) = before_ms {
            changes.push((group, timer_key(before_ms, key), None));
        }
        if let Some(due_ms) = due_ms {
            changes.push((group, timer_key(due_ms, key), Some(Vec::new())));
            let at = usize::from(group.0 - ctx.key_groups.start);
            let first_ms = &mut self.first_of(ctx)[at];
            *first_ms = (*first_ms).min(due_ms);
        }
    }

    /// Up to `most` timers that are due, and whether there are more. The caller takes
    /// them out of the store before the next call.
    ///
    /// # Errors
    /// As [`PageStore::walk`].
    pub fn take_due(
        &mut self,
        store: &mut dyn PageStore,
        now_ms: i64,
        most: usize,
        ctx: &OperatorContext,
    ) -> Result<(Vec<Due>, bool), PageError> {
        let mut due = Vec::new();
        let start = ctx.key_groups.start;
        for (at, first_ms) in self.first_of(ctx).iter_mut().enumerate() {
            if *first_ms > now_ms || *first_ms == i64::MAX {
                continue;
            }
            let group = KeyGroup(start + at as u16);
            let from = timer_key(*first_ms, &[]);
            let mut next_ms = i64::MAX;
            store.walk(group, &from, &mut |page_key, _| {
                let Some((time_ms, key)) = read(page_key) else { return true };
                if time_ms > now_ms || due.len() >= most {
                    next_ms = time_ms;
                    return false;
                }
                due.push((group, time_ms, key.to_vec()));
                true
            })?;
            *first_ms = next_ms;
            if next_ms <= now_ms {
                return Ok((due, true));
            }
        }
        Ok((due, false))
    }
}

#[cfg(test)]
mod tests {
    use millrace_dataflow::Watermark;
    use millrace_dataflow::key_group::KeyGroupRange;
    use millrace_state::pages::MemoryPages;

    use super::*;

    #[test]
    fn timers_go_off_in_order_of_time_within_their_group_and_once() {
        let ctx = OperatorContext {
            subtask: 0,
            max_parallelism: 8,
            key_groups: KeyGroupRange { start: 3, end: 5 },
            processing_time_ms: 0,
            watermark: Watermark::MIN,
        };
        let (mut store, mut timers) = (MemoryPages::default(), Timers::new(false));
        assert_eq!(timers.first_ms(), None);
        let mut changes = vec![(KeyGroup(3), vec![6, 1], Some(vec![1]))];
        for (group, key, due_ms) in [(3, b"a", 5), (3, b"b", -5), (3, b"c", 9), (4, b"d", 5)] {
            timers.change((KeyGroup(group), key), None, Some(due_ms), &ctx, &mut changes);
        }
        timers.change((KeyGroup(3), b"c"), Some(9), Some(7), &ctx, &mut changes);
        store.apply(&mut changes.into_iter()).unwrap();
        assert_eq!(timers.first_ms(), Some(-5));
        let mut due = |timers: &mut Timers, now_ms, most| {
            let (due, more) = timers.take_due(&mut store, now_ms, most, &ctx).unwrap();
            let removals = due.iter().map(|(g, time, key)| (*g, timer_key(*time, key), None));
            store.apply(&mut removals.collect::<Vec<_>>().into_iter()).unwrap();
            let keys = due.into_iter().map(|(_, _, key)| key).collect::<Vec<_>>().concat();
            (String::from_utf8(keys).unwrap(), more)
        };
        assert_eq!(due(&mut timers, 6, 1), ("b".into(), true));
        // After a restore nothing is known of the store.
        let mut restored = Timers::new(true);
        assert_eq!(restored.first_ms(), Some(i64::MIN));
        assert_eq!(due(&mut restored, 6, 9), ("ad".into(), false));
        assert_eq!(due(&mut timers, 6, 9), (String::new(), false));
        assert_eq!(timers.first_ms(), Some(7), "at group 4 is none any more");
        assert_eq!(due(&mut timers, 7, 9), ("c".into(), false));
        assert_eq!(timers.first_ms(), None);
    }
}
