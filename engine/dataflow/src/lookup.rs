//! Lookup joins: each row with the rows that a table has for its key when it is looked at
//! (row B6.14; Flink: FLIP-204, FLIP-221).

use crate::expression::Expression;
use crate::graph::JoinKind;
use crate::source::ScanSpec;
use crate::types::Schema;

/// `FOR SYSTEM_TIME AS OF` processing time. Keeps the row kinds of its input, and nothing
/// else: what was emitted is not taken back when the table changes.
#[derive(Clone, Debug)]
pub struct LookupJoin {
    /// Inner or left.
    pub kind: JoinKind,
    pub table: LookupTable,
    /// Columns of the input and of [`LookupTable::columns`] that are equal; NULL is equal to
    /// nothing.
    pub left_keys: Vec<usize>,
    pub right_keys: Vec<usize>,
    /// So many of the table's columns, the first ones, go on behind the input's.
    pub emits: usize,
    /// Over the input's columns followed by those of the table that go on.
    pub residual: Option<Expression>,
}

/// The table of a lookup join, and what is made of its rows before they are joined.
#[derive(Clone, Debug)]
pub struct LookupTable {
    pub scan: ScanSpec,
    /// Over the scanned columns.
    pub filter: Option<Expression>,
    pub project: Vec<Expression>,
    /// Of the projection.
    pub columns: Schema,
    pub cache: LookupCache,
}

/// What of a table is held in memory between lookups (Flink: FLIP-221).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupCache {
    /// All of it.
    Full(Reload),
}

/// When a table that is held whole is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    Never,
    /// `lookup.full-cache.periodic-reload.*`: so many milliseconds after the last reading
    /// ended, or after it began.
    Periodic {
        interval_ms: i64,
        from_begin: bool,
    },
    /// `lookup.full-cache.timed-reload.*`: at this time of the day in UTC, every so many
    /// days.
    Timed {
        at_ms: i64,
        days: i64,
    },
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Reload {
    /// When to read again, in milliseconds since the epoch, after a reading that took from
    /// `began_ms` to `ended_ms`.
    pub fn next_ms(self, began_ms: i64, ended_ms: i64) -> Option<i64> {
        match self {
            Reload::Never => None,
            Reload::Periodic { interval_ms, from_begin: true } => {
                Some((began_ms + interval_ms).max(ended_ms))
            }
            Reload::Periodic { interval_ms, from_begin: false } => Some(ended_ms + interval_ms),
            Reload::Timed { at_ms, days } => {
                let today = began_ms.div_euclid(DAY_MS) * DAY_MS + at_ms;
                let next = if today > began_ms { today } else { today + DAY_MS };
                Some((next + (days - 1) * DAY_MS).max(ended_ms))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 60 * 60 * 1000;

    #[test]
    fn g7_a_table_held_whole_is_read_again_in_time() {
        let check = |reload: Reload, began: i64, ended: i64, next: Option<i64>| {
            assert_eq!(reload.next_ms(began, ended), next, "{reload:?} {began} {ended}");
        };
        let every = |from_begin| Reload::Periodic { interval_ms: 100, from_begin };
        check(Reload::Never, 5, 10, None);
        check(every(false), 5, 10, Some(110));
        check(every(true), 5, 10, Some(105));
        check(every(true), 5, 300, Some(300));
        let at_ten = |days| Reload::Timed { at_ms: 10 * HOUR, days };
        check(at_ten(1), 9 * HOUR, 9 * HOUR, Some(10 * HOUR));
        check(at_ten(1), 10 * HOUR, 10 * HOUR, Some(34 * HOUR));
        check(at_ten(3), 11 * HOUR, 11 * HOUR, Some((10 + 72) * HOUR));
    }
}
