//! What an operator's subtask takes from a snapshot before its first row: pages, which are
//! fetched, and entries, which are read part by part where the operator allows it, so that
//! a restore needs little more memory than the state.

use millrace_dataflow::Watermark;
use millrace_dataflow::key_group::KeyGroup;
use millrace_state::block::EntryRef;
use millrace_state::pages::visit_entries;
use millrace_state::read::Share;
use millrace_state::shared::FetchTarget;
use millrace_state::{PageError, RunSet};

use crate::error::{TaskError, TaskStop};
use crate::execution::AttemptSpec;
use crate::operator::{Operator, OperatorContext, StateEntry};
use crate::task::TaskEnvironment;

/// A part is given to the operator once it has so many bytes; it holds whole key groups.
const PART_BYTES: usize = 16 << 20;

/// Gives an operator the store for its pages, if it keeps any, and all that it is to
/// restore beside them.
pub fn restore(
    attempt: &AttemptSpec,
    environment: &TaskEnvironment,
    index: usize,
    operator: &mut dyn Operator,
) -> Result<(), TaskStop> {
    let restoring = Restoring { attempt, environment, index };
    let runs = restoring.fetch_runs()?;
    let opened = if operator.keeps_pages() {
        let most_bytes = environment.memory.store_bytes();
        attempt.backend.open(index, environment.subtask, &runs, most_bytes)
    } else {
        Ok(None)
    };
    let as_entries = match opened.map_err(|error| restoring.failed(&error))? {
        Some(store) => {
            operator.use_pages(store);
            RunSet::default()
        }
        None => runs,
    };
    restoring.give_entries(&as_entries, operator)
}

struct Restoring<'a> {
    attempt: &'a AttemptSpec,
    environment: &'a TaskEnvironment,
    index: usize,
}

impl Restoring<'_> {
    fn name(&self) -> &str {
        &self.attempt.spec.graph.nodes[self.index].name
    }

    fn failed<E: std::error::Error + 'static>(&self, error: &E) -> TaskStop {
        TaskError::from_error(self.name(), error).into()
    }

    fn ctx(&self) -> OperatorContext {
        self.environment.operator_context(Watermark::MIN)
    }

    /// The pages that this subtask takes over, fetched into its working directory.
    fn fetch_runs(&self) -> Result<RunSet, TaskStop> {
        let (attempt, subtask) = (self.attempt, self.environment.subtask);
        let node = &attempt.spec.graph.nodes[self.index];
        let Some(snapshot) = &attempt.restored else { return Ok(RunSet::default()) };
        let Some(state) = snapshot.operator(&node.id).filter(|state| !state.runs.is_empty()) else {
            return Ok(RunSet::default());
        };
        let directory = attempt.backend.directory_of(self.index, subtask);
        let prefix = attempt.backend.prefix_of(self.index, subtask);
        let target = FetchTarget { directory: &directory, prefix: &prefix };
        let (spec, manifest) = (&attempt.spec, &snapshot.manifest);
        let groups = self.ctx().key_groups;
        let fetched = spec.store.fetch_runs(&snapshot.location, manifest, state, groups, target);
        spec.io.block_on(fetched).map_err(|error| self.failed(&error))
    }

    /// `pages`: those that are to be entries, for an operator that has all its state in
    /// memory.
    fn give_entries(&self, pages: &RunSet, operator: &mut dyn Operator) -> Result<(), TaskStop> {
        let Some(parts) = operator.restores_in_parts() else {
            let mut all = Part::new(self, operator, usize::MAX);
            self.each(pages, &mut |entry| all.take(entry))?;
            return all.end();
        };
        if parts.first.is_some() {
            let is_first = |entry: &EntryRef<'_>| Some(entry.table) == parts.first;
            let mut first = Part::new(self, operator, usize::MAX);
            self.each(pages, &mut |entry| {
                if is_first(&entry) {
                    first.take(entry)
                }
            })?;
            first.end()?;
        }
        let is_rest = |entry: &EntryRef<'_>| Some(entry.table) != parts.first;
        let mut rest = Part::new(self, operator, PART_BYTES);
        self.each(pages, &mut |entry| {
            if is_rest(&entry) {
                rest.take(entry)
            }
        })?;
        rest.end()
    }

    /// Every entry, those of a key group one after another.
    fn each(&self, pages: &RunSet, visit: &mut dyn FnMut(EntryRef<'_>)) -> Result<(), TaskStop> {
        self.each_stored(visit)?;
        let mut odd = None;
        let read = pages.pages(self.ctx().key_groups, &mut |group, _, page| {
            let put = |table, key: &[u8], value: &[u8]| {
                visit(EntryRef { group: Some(group), table, key, value });
            };
            odd = odd.take().or(visit_entries(page, put).err());
        });
        read.map_err(|error| self.failed(&error))?;
        odd.map_or(Ok(()), |reason| {
            Err(self.failed(&PageError::Damaged { file: "a page".into(), reason }))
        })
    }

    fn each_stored(&self, visit: &mut dyn FnMut(EntryRef<'_>)) -> Result<(), TaskStop> {
        let Some(snapshot) = &self.attempt.restored else { return Ok(()) };
        let node = &self.attempt.spec.graph.nodes[self.index];
        let Some(state) = snapshot.operator(&node.id) else { return Ok(()) };
        let share = Share {
            key_groups: self.ctx().key_groups,
            subtask: self.environment.subtask,
            parallelism: self.environment.parallelism,
        };
        snapshot.entries(state, share, visit).map_err(|error| self.failed(&error))
    }
}

/// Entries on their way to the operator.
struct Part<'a> {
    restoring: &'a Restoring<'a>,
    ctx: OperatorContext,
    operator: &'a mut dyn Operator,
    most_bytes: usize,
    entries: Vec<StateEntry>,
    bytes: usize,
    group: Option<KeyGroup>,
    /// What the operator said first against them.
    failed: Option<TaskStop>,
}

impl<'a> Part<'a> {
    fn new(
        restoring: &'a Restoring<'a>,
        operator: &'a mut dyn Operator,
        most_bytes: usize,
    ) -> Part<'a> {
        Part {
            restoring,
            ctx: restoring.ctx(),
            operator,
            most_bytes,
            entries: vec![],
            bytes: 0,
            group: None,
            failed: None,
        }
    }

    fn take(&mut self, entry: EntryRef<'_>) {
        if entry.group != self.group && self.bytes >= self.most_bytes {
            self.give();
        }
        self.group = entry.group;
        self.bytes += size_of::<StateEntry>() + entry.key.len() + entry.value.len();
        self.entries.push(StateEntry {
            key_group: entry.group,
            table: entry.table,
            key: entry.key.to_vec(),
            value: entry.value.to_vec(),
        });
    }

    fn give(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        self.bytes = 0;
        if self.failed.is_none()
            && let Err(error) = self.operator.restore(&self.ctx, entries)
        {
            let error = TaskError::from_operator(self.restoring.name(), &error);
            self.failed = Some(error.into());
        }
    }

    /// The last part, which may be empty: an operator is always asked to restore.
    fn end(mut self) -> Result<(), TaskStop> {
        self.give();
        self.failed.map_or(Ok(()), Err)
    }
}
