//! The oracles once more with pages, with so little memory that keys come and go all
//! the time, and from one backend to the other; and what only pages can do.

use std::sync::Arc;

use millrace_dataflow::Watermark;
use millrace_dataflow::graph::{
    AggregateFunction as F, GroupAggregate, JoinEmits, JoinKind, Operator as Node,
};
use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange};
use millrace_state::pages::{Change, MemoryPages, visit_entries};
use millrace_state::{PageError, PageStore, RunSet};
use parking_lot::Mutex;

use super::group_aggregate::call;
use super::stage::with_pages;
use super::text::{self, schema};
use super::{
    aggregates, changelog_normalize, deduplicate, interval_join, join, over, rank, restore,
    session, sink_materialize, temporal_join, window_aggregate, window_join, window_rank,
};
use crate::memory::{MemoryLimits, StateMemory};
use crate::operator::{Operator, OperatorContext, Output, StateEntry, StateWriter};
use crate::operators::create;

#[test]
fn aggregates_equal_their_recomputation_with_pages() {
    with_pages(aggregates::every_aggregate_equals_its_recomputation_without_retraction);
    with_pages(aggregates::every_aggregate_equals_its_recomputation_with_retraction);
}

#[test]
fn rows_kept_equal_a_recomputation_with_pages() {
    with_pages(deduplicate::rows_kept_equal_a_recomputation_over_random_input_with_restores);
}

#[test]
fn normalized_changes_build_the_same_table_with_pages() {
    with_pages(
        changelog_normalize::normalized_changes_build_the_same_table_over_random_input_with_restores,
    );
}

#[test]
fn the_sink_holds_the_last_row_with_pages() {
    with_pages(sink_materialize::the_sink_holds_the_last_row_over_random_input_with_restores);
}

#[test]
fn ranks_equal_sorting_with_pages() {
    with_pages(rank::ranks_equal_sorting_over_random_input_with_restores);
}

#[test]
fn joins_equal_nested_loops_with_pages() {
    with_pages(join::joins_equal_nested_loops_over_random_changelogs_with_restores);
}

#[test]
fn windows_equal_their_recomputation_with_pages() {
    with_pages(window_aggregate::windows_equal_their_recomputation_over_random_input_with_restores);
}

#[test]
fn window_joins_equal_nested_loops_with_pages() {
    with_pages(window_join::joins_equal_nested_loops_over_random_input_with_restores);
    with_pages(window_join::b3_16_rows_of_one_window_are_joined_when_it_ends);
    with_pages(window_join::b3_16_rows_of_a_window_that_has_fired_are_late);
}

#[test]
fn window_ranks_equal_sorting_with_pages() {
    with_pages(window_rank::ranks_equal_sorting_over_random_input_with_restores);
    with_pages(window_rank::b3_15_of_equal_times_the_first_is_first_and_the_last_is_last);
}

#[test]
fn temporal_joins_equal_a_search_with_pages() {
    with_pages(
        temporal_join::a_join_equals_a_search_of_all_versions_over_random_input_with_restores,
    );
}

#[test]
fn over_equals_a_recomputation_with_pages() {
    with_pages(over::equals_a_recomputation_over_random_input_out_of_order_with_restores);
}

#[test]
fn sessions_equal_their_recomputation_with_pages() {
    with_pages(session::sessions_equal_their_recomputation_over_random_input_with_restores);
}

#[test]
fn interval_joins_equal_nested_loops_with_pages() {
    with_pages(interval_join::joins_equal_nested_loops_over_random_input_with_restores);
}

#[test]
fn a_snapshot_of_a_restored_operator_is_the_same_snapshot_with_pages() {
    with_pages(restore::a_snapshot_of_a_restored_operator_is_the_same_snapshot);
}

#[test]
fn pages_past_their_time_leave_the_store() {
    with_pages(deduplicate::a_state_with_a_time_to_live_shrinks_by_itself);
}

/// What a store was told and asked.
#[derive(Debug, Default)]
struct Log {
    written: Vec<String>,
    removed: Vec<String>,
    reads: usize,
}

#[derive(Default)]
struct Recorder {
    pages: MemoryPages,
    log: Arc<Mutex<Log>>,
}

/// The text of a key of one STRING.
fn text_of(key: &[u8]) -> String {
    String::from_utf8_lossy(&key[5..]).into_owned()
}

impl PageStore for Recorder {
    fn apply(&mut self, changes: &mut dyn Iterator<Item = Change>) -> Result<(), PageError> {
        let changes: Vec<Change> = changes.collect();
        let mut log = self.log.lock();
        for (_, key, value) in &changes {
            let list = if value.is_some() { &mut log.written } else { &mut log.removed };
            list.push(text_of(key));
        }
        self.pages.apply(&mut changes.into_iter())
    }

    fn read(&mut self, group: KeyGroup, key: &[u8], out: &mut Vec<u8>) -> Result<bool, PageError> {
        self.pages.read(group, key, out)
    }

    fn read_many(
        &mut self,
        keys: &[(KeyGroup, &[u8])],
        found: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<(), PageError> {
        self.log.lock().reads += keys.len();
        self.pages.read_many(keys, found)
    }

    fn scan(
        &mut self,
        group: KeyGroup,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), PageError> {
        self.pages.scan(group, prefix, visit)
    }

    fn walk(
        &mut self,
        group: KeyGroup,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), PageError> {
        self.pages.walk(group, from, visit)
    }

    fn freeze(&mut self) -> Result<RunSet, PageError> {
        self.pages.freeze()
    }

    fn bytes(&self) -> u64 {
        self.pages.bytes()
    }
}

/// Keeps the entries that a snapshot's runs hold.
#[derive(Default)]
struct Entries(Vec<(u8, Vec<u8>)>);

impl StateWriter for Entries {
    fn put(&mut self, entry: StateEntry) {
        panic!("beside the pages: {entry:?}");
    }

    fn put_runs(&mut self, runs: RunSet) {
        let all = KeyGroupRange { start: 0, end: 128 };
        let mut visit = |_: KeyGroup, _: &[u8], page: &[u8]| {
            visit_entries(page, |table, key, _| self.0.push((table, key.to_vec())))
                .expect("a list of entries");
        };
        runs.pages(all, &mut visit).expect("frozen runs are read");
    }
}

/// An operator over `k STRING, v INT` whose store keeps a log.
struct Trial {
    operator: Box<dyn Operator>,
    log: Arc<Mutex<Log>>,
    input: millrace_dataflow::Schema,
}

impl Trial {
    fn new(node: &Node, output: &str, budget_bytes: u64) -> Trial {
        let input = schema("k STRING, v INT");
        let inputs = [input.clone(), input.clone()];
        let mut operator = create(node, &inputs, &schema(output), "operator").expect("sound");
        let store = Recorder::default();
        let log = Arc::clone(&store.log);
        operator.use_pages(Box::new(store));
        let limits = MemoryLimits { budget_bytes, limit_bytes: u64::MAX };
        operator.account_for(&StateMemory::shared(limits).open("operator", true));
        Trial { operator, log, input }
    }

    fn context() -> OperatorContext {
        OperatorContext {
            subtask: 0,
            max_parallelism: 128,
            key_groups: KeyGroupRange::of_subtask(128, 1, 0),
            processing_time_ms: 0,
            watermark: Watermark::MIN,
        }
    }

    fn rows(&mut self, input: usize, rows: &str) -> Vec<String> {
        let batch = text::batch(&self.input, rows);
        let mut out = Output::default();
        self.operator.on_batch(input, batch, &Trial::context(), &mut out).expect("runs");
        out.batches.iter().flat_map(text::show).collect()
    }

    fn snapshot(&mut self) -> (Log, usize) {
        let mut entries = Entries::default();
        self.operator.snapshot(&Trial::context(), &mut entries).expect("a snapshot");
        let mut log = std::mem::take(&mut *self.log.lock());
        log.written.sort();
        log.removed.sort();
        (log, entries.0.len())
    }
}

fn counts() -> Node {
    Node::GroupAggregate(GroupAggregate {
        keys: vec![0],
        aggregates: vec![call(F::Sum, Some((1, "INT")), "INT")],
        retracts: true,
        emit_update_before: false,
        state_ttl_ms: 0,
        mini_batch: None,
        merges: false,
    })
}

#[test]
fn a_barrier_writes_the_keys_that_changed_and_removes_those_that_died() {
    let mut trial = Trial::new(&counts(), "k STRING, s INT", u64::MAX);
    trial.rows(0, "+I[a, 1] +I[b, 2] +I[c, 3] +I[d, 4] -D[d, 4]");
    let (log, entries) = trial.snapshot();
    assert_eq!(
        (log.written.join(" "), log.removed.join(" "), entries),
        ("a b c".into(), "".into(), 3)
    );
    trial.rows(0, "+I[a, 1] -D[b, 2] +I[e, 1]");
    let (log, entries) = trial.snapshot();
    assert_eq!(
        (log.written.join(" "), log.removed.join(" "), entries),
        ("a e".into(), "b".into(), 3)
    );
    trial.rows(0, "-D[a, 1] -D[a, 1] +I[a, 7] -D[c, 3] -D[x, 1]");
    assert_eq!(trial.rows(0, "+I[b, 9] +I[c, 5]"), ["+I[b, 9]", "+I[c, 5]"]);
    let (log, entries) = trial.snapshot();
    assert_eq!(
        (log.written.join(" "), log.removed.join(" "), entries),
        ("a b c".into(), "".into(), 4)
    );
    let (log, entries) = trial.snapshot();
    assert_eq!((log.written.len(), log.removed.len(), entries), (0, 0, 4), "nothing changed");
}

#[test]
fn what_does_not_fit_is_dropped_and_read_again() {
    const BUDGET: u64 = 8 * 1024;
    let mut trial = Trial::new(&counts(), "k STRING, s INT", BUDGET);
    for round in 1..4 {
        for key in 0..1000 {
            let emitted = trial.rows(0, &format!("+I[k{key}, 1]"));
            let kind = if round == 1 { "+I" } else { "+U" };
            assert_eq!(emitted, [format!("{kind}[k{key}, {round}]")]);
            let bytes = trial.operator.state_bytes();
            assert!(bytes.memory <= BUDGET, "{} of {BUDGET}", bytes.memory);
        }
    }
    let (log, entries) = trial.snapshot();
    assert_eq!(entries, 1000);
    assert!(log.reads > 2000, "each key is read again in each round: {}", log.reads);
}

#[test]
fn a_join_has_both_sides_of_a_key_in_one_page() {
    let node = super::join::spec(JoinEmits::Pairs(JoinKind::Full)).node;
    let mut trial = Trial::new(&node, "k STRING, v INT, rk STRING, rv INT", 0);
    assert_eq!(trial.rows(0, "+I[a, 1] +I[b, 1]").len(), 2);
    assert_eq!(trial.rows(1, "+I[a, 2]"), ["-D[a, 1, NULL, NULL]", "+I[a, 1, a, 2]"]);
    let (log, entries) = trial.snapshot();
    assert_eq!((log.written.join(" "), entries), ("a a b".into(), 3));
    assert_eq!(trial.operator.state_bytes().memory, 0, "all is dropped after each batch");
}
