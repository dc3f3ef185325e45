//! How far an operator has fired, kept with its state.
//!
//! After a restore the watermark starts from nothing again; without its old value,
//! rows that were late would count, and windows that had fired would fire twice. It
//! is kept once per key group, because entries without one are not given to every
//! subtask. All subtasks have one watermark at an aligned barrier, so any of the
//! entries would do; at one that overtook rows they may differ, and the smallest loses
//! nothing.

use millrace_dataflow::key_group::KeyGroup;

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
        for group in ctx.key_groups.start..ctx.key_groups.end {
            writer.put(StateEntry {
                key_group: Some(KeyGroup(group)),
                table,
                key: Vec::new(),
                value: self.0.to_le_bytes().to_vec(),
            });
        }
    }

    /// # Errors
    /// An entry that [`Progress::save`] did not write.
    pub fn load(entries: &[StateEntry], shape: &Shape) -> Result<Progress, OperatorError> {
        let mut least = None;
        for entry in entries {
            let bytes = entry.value.as_slice().try_into();
            let time = i64::from_le_bytes(bytes.map_err(|_| shape.damaged("no progress"))?);
            least = Some(least.map_or(time, |least: i64| least.min(time)));
        }
        Ok(least.map_or_else(Progress::default, Progress))
    }
}
