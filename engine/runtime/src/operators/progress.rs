//! How far an operator has fired, kept with its state.
//!
//! After a restore the watermark starts from nothing again; without its old value,
//! rows that were late would count, and windows that had fired would fire twice. It
//! is kept once per key group, because entries without one are not given to every
//! subtask. All subtasks have one watermark at an aligned barrier, so any of the
//! entries would do; at one that overtook rows they may differ, and the smallest loses
//! nothing.

use std::collections::BTreeMap;

use millrace_dataflow::key_group::{KeyGroup, key_group};

use crate::operator::{OperatorContext, OperatorError, StateEntry, StateWriter};
use crate::operators::shape::Shape;

#[derive(Clone, Copy, Debug)]
pub struct Progress(i64);

impl Default for Progress {
    fn default() -> Progress {
        Progress(i64::MIN)
    }
}

impl Progress {
    pub fn ms(self) -> i64 {
        self.0
    }

    pub fn advance(&mut self, to_ms: i64) {
        self.0 = self.0.max(to_ms);
    }

    pub fn save(self, table: u8, ctx: &OperatorContext, writer: &mut dyn StateWriter) {
        self.save_with(&Ahead::default(), table, ctx, writer);
    }

    /// As [`Progress::save`], with groups that are ahead.
    pub fn save_with(
        self,
        ahead: &Ahead,
        table: u8,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) {
        for group in ctx.key_groups.start..ctx.key_groups.end {
            let ms = ahead.groups.get(&group).map_or(self.0, |ms| self.0.max(*ms));
            writer.put(StateEntry {
                key_group: Some(KeyGroup(group)),
                table,
                key: Vec::new(),
                value: ms.to_le_bytes().to_vec(),
            });
        }
    }

    /// # Errors
    /// An entry that [`Progress::save`] did not write.
    pub fn load(entries: &[StateEntry], shape: &Shape) -> Result<Progress, OperatorError> {
        let mut least = None;
        for entry in entries {
            let time = read(entry, shape)?;
            least = Some(least.map_or(time, |least: i64| least.min(time)));
        }
        Ok(least.map_or_else(Progress::default, Progress))
    }
}

fn read(entry: &StateEntry, shape: &Shape) -> Result<i64, OperatorError> {
    let bytes = entry.value.as_slice().try_into();
    bytes.map(i64::from_le_bytes).map_err(|_| shape.damaged("no progress"))
}

/// Key groups that had fired further than the others of their subtask now, because a
/// barrier overtook rows and the parallelism changed. Who keeps state of windows that
/// have fired must not fire them again.
#[derive(Debug, Default)]
pub struct Ahead {
    groups: BTreeMap<u16, i64>,
    max_parallelism: u16,
}

impl Ahead {
    /// # Errors
    /// As [`Progress::load`].
    pub fn load(
        entries: &[StateEntry],
        progress: Progress,
        shape: &Shape,
        ctx: &OperatorContext,
    ) -> Result<Ahead, OperatorError> {
        let mut groups = BTreeMap::new();
        for entry in entries {
            let time = read(entry, shape)?;
            if let Some(group) = entry.key_group.filter(|_| time > progress.ms()) {
                groups.insert(group.0, time);
            }
        }
        Ok(Ahead { groups, max_parallelism: ctx.max_parallelism })
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Whether what fires at this time has fired for a key of this hash.
    pub fn has_fired(&self, hash: u64, fires_at_ms: i64) -> bool {
        let group = key_group(hash, self.max_parallelism);
        self.groups.get(&group.0).is_some_and(|ms| fires_at_ms <= *ms)
    }

    /// Forgets groups that are ahead no longer.
    pub fn catch_up(&mut self, progress: Progress) {
        self.groups.retain(|_, ms| *ms > progress.ms());
    }
}
