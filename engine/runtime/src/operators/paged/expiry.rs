//! Takes pages past their time out of the store: one key group after another, all of a
//! subtask's within one time-to-live, so that each page is read for it once in that
//! time. A page that is loaded before is found expired by its operator.

use millrace_dataflow::key_group::KeyGroup;
use millrace_state::pages::{Change, visit_entries};
use millrace_state::{PageError, PageStore, row};

use super::Pageable;
use super::timers::is_timer;
use crate::operator::OperatorContext;

/// An encoded BIGINT: its tag and eight bytes.
const NUMBER_BYTES: usize = 9;

#[derive(Debug, Default)]
pub struct Expiry {
    /// When groups were last looked through, and how many of them by now.
    since_ms: Option<i64>,
    looked_at: i64,
}

impl Expiry {
    /// The time from which on groups are due.
    pub fn begin(&mut self, now_ms: i64) {
        self.since_ms.get_or_insert(now_ms);
    }

    /// The removals of expired pages in the key groups whose turn it is.
    ///
    /// # Errors
    /// As [`PageStore::scan`].
    pub fn look<O: Pageable>(
        &mut self,
        store: &mut dyn PageStore,
        operator: &O,
        ctx: &OperatorContext,
    ) -> Result<Vec<Change>, PageError> {
        let mut removals = Vec::new();
        let Some((ttl_ms, _)) = longest_life(operator) else { return Ok(removals) };
        for group in self.due(ttl_ms, ctx) {
            let mut visit = |key: &[u8], page: &[u8]| {
                if is_timer(key) {
                    return;
                }
                let is_here = operator.table().find(row::hash(key), key).is_some();
                if !is_here && is_expired(operator, page, ctx) {
                    removals.push((group, key.to_vec(), None));
                }
            };
            store.scan(group, &[], &mut visit)?;
        }
        Ok(removals)
    }

    /// As many groups as the time since the last look is worth, at most all.
    fn due(&mut self, ttl_ms: i64, ctx: &OperatorContext) -> Vec<KeyGroup> {
        let now_ms = ctx.processing_time_ms;
        let since_ms = self.since_ms.unwrap_or(now_ms);
        let groups = i64::from(ctx.key_groups.end) - i64::from(ctx.key_groups.start);
        let each_ms = (ttl_ms / groups.max(1)).max(1);
        let turns = ((now_ms - since_ms) / each_ms).clamp(0, groups);
        let first = self.looked_at;
        self.looked_at += turns;
        self.since_ms = Some(if turns == groups { now_ms } else { since_ms + turns * each_ms });
        let group = |turn: i64| ctx.key_groups.start + (turn % groups) as u16;
        (first..first + turns).map(|turn| KeyGroup(group(turn))).collect()
    }
}

/// Of both tables that an operator may have.
fn longest_life<O: Pageable>(operator: &O) -> Option<(i64, usize)> {
    [0, 1].into_iter().filter_map(|table| operator.life_of(table)).max()
}

/// Whether no entry of the page is alive. One that cannot be read is: it is refused
/// when it is loaded.
fn is_expired<O: Pageable>(operator: &O, page: &[u8], ctx: &OperatorContext) -> bool {
    let mut alive = false;
    let entries = visit_entries(page, |table, _, value| {
        let written_ms = |place| last_write(value, place);
        let ends_ms = operator
            .life_of(table)
            .and_then(|(ttl_ms, place)| Some(written_ms(place)?.saturating_add(ttl_ms)));
        alive |= ends_ms.is_none_or(|ends_ms| ends_ms > ctx.processing_time_ms);
    });
    entries.is_ok() && !alive
}

fn last_write(value: &[u8], place: usize) -> Option<i64> {
    let at = place * NUMBER_BYTES + 1;
    let bytes = value.get(at..at + 8)?.try_into().ok()?;
    Some(i64::from_le_bytes(bytes))
}
