//! Lookup joins: each row with the rows that a table has for its key when it is looked at
//! (row B6.14; Flink: FLIP-204, FLIP-221).

use arrow::record_batch::RecordBatch;

use crate::expression::Expression;
use crate::graph::JoinKind;
use crate::source::{ScanSpec, SourceError};
use crate::types::Schema;

/// `FOR SYSTEM_TIME AS OF` processing time. Keeps the row kinds of its input: what was
/// emitted is not taken back when the table changes.
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
    /// How a table is asked that is not held whole.
    pub asking: Asking,
    /// The input carries -U, +U or -D: its rows stay in order, and none waits in a snapshot.
    pub retracts: bool,
}

/// How lookups are made (rows B7.4 to B7.10, F1.13 to F1.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asking {
    /// Rows go on while others wait for an answer.
    pub asynchronous: bool,
    /// Rows may overtake each other between watermarks.
    pub unordered: bool,
    /// Requests under way at most, of many keys each.
    pub capacity: usize,
    /// For all that an answer takes, in milliseconds.
    pub timeout_ms: i64,
    pub retry: Option<Retry>,
}

/// A key that was not found is looked up again (`lookup_miss`, `fixed_delay`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    pub delay_ms: i64,
    pub attempts: u32,
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
    /// Of the scanned columns, those that are looked up by, in the order of the keys.
    pub keys: Vec<usize>,
    pub cache: LookupCache,
}

/// What a connector looks rows up by.
#[derive(Clone, Debug)]
pub struct LookupSpec {
    pub scan: ScanSpec,
    /// Indices into the scanned columns.
    pub keys: Vec<usize>,
}

/// A table that rows can be looked up in.
pub trait LookupSource: Send + Sync {
    /// A connection for one thread, made when it is first needed.
    ///
    /// # Errors
    /// The table cannot be reached.
    fn connect(&self) -> Result<Box<dyn LookupClient>, SourceError>;
}

/// Asks one question at a time, and waits for the answer.
pub trait LookupClient: Send {
    /// `keys`: a column for each key column, no NULL, no key twice.
    ///
    /// # Errors
    /// The table did not answer, also not when asked again as its options say.
    fn lookup(&mut self, keys: &RecordBatch) -> Result<LookedUp, SourceError>;
}

/// Rows that were found.
#[derive(Clone, Debug)]
pub struct LookedUp {
    /// With the scanned columns.
    pub rows: RecordBatch,
    /// For each of the rows, which of the keys it has.
    pub of: Vec<u32>,
}

/// What of a table is held in memory between lookups (Flink: FLIP-221).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupCache {
    /// All of it.
    Full(Reload),
    /// What was looked up of late.
    Partial(PartialCache),
    None,
}

/// `lookup.partial-cache.*`, a cache for each subtask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialCache {
    /// Keys at most; those that were not used for longest go first.
    pub max_rows: Option<u64>,
    pub expire_after_write_ms: Option<i64>,
    pub expire_after_access_ms: Option<i64>,
    /// A key without rows is kept too.
    pub missing_keys: bool,
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
