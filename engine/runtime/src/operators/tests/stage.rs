//! Runs one operator at some parallelism, as a job would: rows go by key group,
//! watermarks to all, a snapshot can be restored at another parallelism.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::UInt32Array;
use arrow::compute::take_record_batch;
use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::Operator as Node;
use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange, subtask_of};
use millrace_dataflow::{Batch, Schema, Watermark};
use millrace_state::pages::{MemoryPages, visit_entries};
use millrace_state::{Frozen, RunSet, row};

use super::text;
use crate::memory::{MemoryLimits, StateMemory};
use crate::operator::{
    Operator, OperatorContext, OperatorError, Output, Parts, StateEntry, StateWriter,
};
use crate::operators::checked::{Checked, declared_changelog};
use crate::operators::create;

const MAX_PARALLELISM: u16 = 128;

/// An operator under test.
#[derive(Clone)]
pub struct Spec {
    pub node: Node,
    pub inputs: Vec<Schema>,
    pub output: Schema,
    /// What the input carries.
    pub changelog: ChangelogMode,
    /// Columns of each input that decide the subtask.
    pub keys: Vec<Vec<usize>>,
}

/// Where a stage keeps state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Memory,
    /// Pages, and no memory for tables: every key is dropped after every batch.
    Pages,
    /// Pages, and memory for a few keys.
    Cache,
    /// Another at every restore.
    Changing,
}

thread_local! {
    static BACKEND: Cell<Backend> = const { Cell::new(Backend::Memory) };
}

/// Runs a test once more with each backend that has pages.
pub fn with_pages(test: impl Fn()) {
    for backend in [Backend::Pages, Backend::Cache, Backend::Changing] {
        BACKEND.set(backend);
        test();
    }
    BACKEND.set(Backend::Memory);
}

pub struct Stage {
    pub spec: Spec,
    backend: Backend,
    restores: usize,
    subtasks: Vec<Checked>,
    pub now_ms: i64,
    pub watermark: Watermark,
    pub late: u64,
    emitted: Vec<String>,
    batches: usize,
    passing: Passing,
}

#[derive(Default)]
struct Entries(Vec<StateEntry>);

impl StateWriter for Entries {
    fn put(&mut self, entry: StateEntry) {
        self.0.push(entry);
    }

    /// As a savepoint does: pages become plain entries.
    fn put_runs(&mut self, runs: RunSet) {
        let all = KeyGroupRange { start: 0, end: MAX_PARALLELISM };
        let mut visit = |group: KeyGroup, _: &[u8], page: &[u8]| {
            let put = |table, key: &[u8], value: &[u8]| {
                let (key, value) = (key.to_vec(), value.to_vec());
                self.0.push(StateEntry { key_group: Some(group), table, key, value });
            };
            visit_entries(page, put).expect("a page is a list of entries");
        };
        runs.pages(all, &mut visit).expect("frozen runs are read");
    }
}

/// Tables frozen in passing, and the entries that they must become, whenever that is.
#[derive(Default)]
struct Passing(Vec<(Arc<dyn Frozen>, Vec<StateEntry>)>);

impl StateWriter for Passing {
    fn put(&mut self, _: StateEntry) {}

    fn put_runs(&mut self, _: RunSet) {}

    fn put_frozen(&mut self, frozen: Arc<dyn Frozen>) {
        let entries = entries_of(frozen.as_ref());
        self.0.push((frozen, entries));
    }
}

impl Passing {
    fn check(&self) {
        for (frozen, entries) in &self.0 {
            assert_eq!(&entries_of(frozen.as_ref()), entries, "what was frozen has changed");
        }
    }
}

/// As many parts as there may be.
fn parts(operator: &dyn Operator, entries: Vec<StateEntry>) -> Vec<Vec<StateEntry>> {
    let Some(Parts { first }) = operator.restores_in_parts() else { return vec![entries] };
    let (before, rest): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| Some(entry.table) == first);
    let mut by_group: BTreeMap<Option<KeyGroup>, Vec<StateEntry>> = BTreeMap::new();
    rest.into_iter().for_each(|entry| by_group.entry(entry.key_group).or_default().push(entry));
    std::iter::once(before).chain(by_group.into_values()).collect()
}

/// Group by group, as they are written.
fn entries_of(frozen: &dyn Frozen) -> Vec<StateEntry> {
    let mut entries = Vec::new();
    for KeyGroup(start) in frozen.groups() {
        frozen.write(KeyGroupRange { start, end: start + 1 }, &mut |group, table, key, value| {
            let (key_group, key, value) = (Some(group), key.concat(), value.to_vec());
            entries.push(StateEntry { key_group, table, key, value });
        });
    }
    entries
}

impl Stage {
    pub fn new(spec: &Spec) -> Stage {
        let mut stage = Stage {
            spec: spec.clone(),
            backend: BACKEND.get(),
            restores: 0,
            subtasks: Vec::new(),
            now_ms: 0,
            watermark: Watermark::MIN,
            late: 0,
            emitted: Vec::new(),
            batches: 0,
            passing: Passing::default(),
        };
        stage.subtasks.push(stage.subtask());
        stage
    }

    fn subtask(&self) -> Checked {
        let Spec { node, inputs, output, changelog, .. } = &self.spec;
        let mut operator = create(node, inputs, output, "operator").expect("a sound operator");
        if let Some(budget_bytes) = self.budget()
            && operator.keeps_pages()
        {
            operator.use_pages(Box::new(MemoryPages::default()));
            let limits = MemoryLimits { budget_bytes, limit_bytes: u64::MAX };
            operator.account_for(&StateMemory::shared(limits).open("operator", true));
        }
        let declared = declared_changelog(node, std::slice::from_ref(changelog));
        Checked::new(operator, output, declared, "operator")
    }

    /// Memory for tables, with pages.
    fn budget(&self) -> Option<u64> {
        match self.backend {
            Backend::Memory => None,
            Backend::Pages => Some(0),
            Backend::Cache => Some(1000),
            Backend::Changing => [Some(0), None, Some(600), None][self.restores % 4],
        }
    }

    /// With pages, keys whose time has come are loaded key group by key group, and emit
    /// in that order.
    fn loads_keys_by_group(&self) -> bool {
        let goes_by_time = matches!(
            self.spec.node,
            Node::WindowAggregate(_)
                | Node::IntervalJoin(_)
                | Node::Over(_)
                | Node::TemporalJoin(_)
                | Node::WindowJoin(_)
                | Node::WindowRank(_)
        );
        self.backend != Backend::Memory && goes_by_time
    }

    fn context(&self, subtask: usize) -> OperatorContext {
        let parallelism = self.subtasks.len() as u16;
        OperatorContext {
            subtask: subtask as u16,
            max_parallelism: MAX_PARALLELISM,
            key_groups: KeyGroupRange::of_subtask(MAX_PARALLELISM, parallelism, subtask as u16),
            processing_time_ms: self.now_ms,
            watermark: self.watermark,
        }
    }

    fn collect(&mut self, out: Output) {
        self.late += out.late_records_dropped;
        self.emitted.extend(out.batches.iter().flat_map(text::show));
    }

    fn each(
        &mut self,
        call: impl Fn(&mut Checked, &OperatorContext, &mut Output) -> Result<(), OperatorError>,
    ) {
        for at in 0..self.subtasks.len() {
            let ctx = self.context(at);
            let mut out = Output::default();
            call(&mut self.subtasks[at], &ctx, &mut out).expect("the operator runs");
            self.collect(out);
        }
    }

    pub fn rows(&mut self, input: usize, rows: &str) {
        let batch = text::batch(&self.spec.inputs[input], rows);
        self.batch(input, &batch);
    }

    pub fn batch(&mut self, input: usize, batch: &Batch) {
        self.try_batch(input, batch).expect("the operator takes the batch");
        self.checkpoint_in_passing();
    }

    /// Every few batches the tables are frozen, and become entries some batches later.
    fn checkpoint_in_passing(&mut self) {
        self.batches += 1;
        if self.backend != Backend::Memory || !self.batches.is_multiple_of(3) {
            return;
        }
        std::mem::take(&mut self.passing).check();
        for at in 0..self.subtasks.len() {
            let ctx = self.context(at);
            // One that holds a mini-batch back has nothing to show.
            let _ = self.subtasks[at].snapshot(&ctx, &mut self.passing);
        }
    }

    pub fn try_batch(&mut self, input: usize, batch: &Batch) -> Result<(), OperatorError> {
        let keys = row::encode_column_subset(&batch.record, &self.spec.keys[input]);
        let groups = row::key_groups(&keys, MAX_PARALLELISM);
        let parallelism = self.subtasks.len() as u16;
        for at in 0..self.subtasks.len() {
            let mine: Vec<u32> = (0..batch.num_rows())
                .filter(|&row| {
                    usize::from(subtask_of(groups[row], MAX_PARALLELISM, parallelism)) == at
                })
                .map(|row| row as u32)
                .collect();
            if mine.is_empty() {
                continue;
            }
            let kinds = mine.iter().map(|&row| batch.kind(row as usize)).collect();
            let record = take_record_batch(&batch.record, &UInt32Array::from(mine)).expect("rows");
            let ctx = self.context(at);
            let mut out = Output::default();
            let done =
                self.subtasks[at].on_batch(input, Batch::changelog(record, kinds), &ctx, &mut out);
            self.collect(out);
            done?;
        }
        Ok(())
    }

    pub fn watermark(&mut self, ms: i64) {
        self.watermark = Watermark(ms);
        self.each(|subtask, ctx, out| subtask.on_watermark(ctx, out));
    }

    /// The wall clock goes on; timers go off one after another.
    pub fn time(&mut self, ms: i64) {
        loop {
            let timers = self.subtasks.iter().filter_map(Operator::next_processing_timer);
            let Some(timer) = timers.min().filter(|timer| *timer <= ms) else { break };
            self.now_ms = self.now_ms.max(timer);
            self.each(|subtask, ctx, out| match subtask.next_processing_timer() {
                Some(timer) if timer <= ctx.processing_time_ms => {
                    subtask.on_processing_time(ctx, out)
                }
                _ => Ok(()),
            });
        }
        self.now_ms = ms;
    }

    /// What is held back is given out, as before a barrier.
    pub fn flush(&mut self) {
        self.each(|subtask, ctx, out| subtask.flush(ctx, out));
    }

    /// From the next restore on, the operator is another one.
    pub fn become_spec(&mut self, spec: &Spec) {
        self.flush();
        self.spec = spec.clone();
    }

    pub fn snapshot(&mut self) -> Vec<StateEntry> {
        self.flush();
        let mut entries = Entries::default();
        for at in 0..self.subtasks.len() {
            let ctx = self.context(at);
            self.subtasks[at].snapshot(&ctx, &mut entries).expect("a snapshot");
        }
        entries.0
    }

    /// Snapshot, and all begins again at another parallelism; the watermark is unknown
    /// until the next one.
    pub fn restore(&mut self, parallelism: u16) {
        let entries = self.snapshot();
        std::mem::take(&mut self.passing).check();
        self.restore_from(entries, parallelism).expect("its own snapshot");
    }

    pub fn restore_from(
        &mut self,
        entries: Vec<StateEntry>,
        parallelism: u16,
    ) -> Result<(), OperatorError> {
        self.watermark = Watermark::MIN;
        self.restores += 1;
        self.subtasks = (0..parallelism).map(|_| self.subtask()).collect();
        for at in 0..usize::from(parallelism) {
            let ctx = self.context(at);
            let mine = entries.iter().enumerate().filter(|(index, entry)| match entry.key_group {
                Some(group) => ctx.key_groups.contains(group),
                None => index % usize::from(parallelism) == at,
            });
            let mine = mine.map(|(_, entry)| entry.clone()).collect();
            for part in parts(&self.subtasks[at], mine) {
                self.subtasks[at].restore(&ctx, part)?;
            }
        }
        Ok(())
    }

    pub fn end(&mut self) {
        self.watermark(i64::MAX);
        self.each(|subtask, ctx, out| subtask.on_end(ctx, out));
    }

    /// How far what follows sees the watermark behind this operator's.
    pub fn watermark_delay_ms(&self) -> i64 {
        self.subtasks[0].watermark_delay_ms()
    }

    /// What was emitted since the last call.
    pub fn emitted(&mut self) -> Vec<String> {
        std::mem::take(&mut self.emitted)
    }
}

/// Runs a script. A line is a command or, after `=>`, all that was emitted since the
/// last such line (`=>` alone: nothing; several subtasks emit in any order):
///
/// ```text
/// rows +I[a, 1] +I[b, 2]      left/right for the inputs of a join
/// watermark 5000              time 5000: the wall clock
/// flush                       what is held back, as before a barrier
/// restore 3                   snapshot, restore with three subtasks
/// late 1                      rows dropped as late so far
/// end                         watermark MAX and end of input
/// => +I[a, 1]
/// ```
///
/// It is run with every backend.
pub fn check(spec: &Spec, script: &str) {
    run(spec, script);
    with_pages(|| run(spec, script));
}

fn run(spec: &Spec, script: &str) {
    let mut stage = Stage::new(spec);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = || rest.parse::<i64>().expect("a number");
        match command {
            "rows" | "left" => stage.rows(0, rest),
            "right" => stage.rows(1, rest),
            "watermark" => stage.watermark(number()),
            "time" => stage.time(number()),
            "restore" => stage.restore(number() as u16),
            "late" => assert_eq!(stage.late, number() as u64, "at {line:?}"),
            "flush" => stage.flush(),
            "end" => stage.end(),
            "=>" => expect(&mut stage, rest, line, script),
            other => panic!("no command {other:?}"),
        }
    }
    assert_eq!(stage.emitted(), Vec::<String>::new(), "left over at the end of{script}");
}

fn expect(stage: &mut Stage, rows: &str, line: &str, script: &str) {
    let rows = rows.split_inclusive(']').map(|row| row.trim().to_owned());
    let mut expected: Vec<String> = rows.filter(|row| !row.is_empty()).collect();
    let mut emitted = stage.emitted();
    if stage.subtasks.len() > 1 || stage.loads_keys_by_group() {
        expected.sort();
        emitted.sort();
    }
    assert_eq!(emitted, expected, "at {line:?} of{script}");
}
