//! Lookup joins with a table that is asked: order, watermarks, caches, retries, snapshots.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use millrace_dataflow::graph::{
    Asking, JoinKind, LookupCache, LookupJoin, LookupTable, PartialCache, Retry,
};
use millrace_dataflow::key_group::KeyGroupRange;
use millrace_dataflow::lookup::{LookedUp, LookupClient, LookupSource};
use millrace_dataflow::source::{ScanSpec, SourceError};
use millrace_dataflow::table::TableSpec;
use millrace_dataflow::{
    EvalContext, EvalError, Evaluate, Expression, Schema, TypeRoot, Watermark,
};
use parking_lot::{Condvar, Mutex};

use super::text::{batch, schema, show};
use crate::clock::Clock;
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};
use crate::operators::lookup_join::{Asked, AskedJoin};
use crate::wake::Wake;
use millrace_state::RunSet;

/// A table of names by number, which answers a key only when that is allowed.
#[derive(Default)]
struct Names {
    rows: Mutex<BTreeMap<i64, Vec<&'static str>>>,
    held: Mutex<Vec<i64>>,
    released: Condvar,
    asked: AtomicU64,
    fails: Mutex<Option<&'static str>>,
}

struct Source(Arc<Names>);

struct Client(Arc<Names>);

impl LookupSource for Source {
    fn connect(&self) -> Result<Box<dyn LookupClient>, SourceError> {
        Ok(Box::new(Client(Arc::clone(&self.0))))
    }
}

impl LookupClient for Client {
    fn lookup(&mut self, keys: &RecordBatch) -> Result<LookedUp, SourceError> {
        let keys: Vec<i64> = keys.column(0).as_primitive::<Int64Type>().values().to_vec();
        self.0.asked.fetch_add(keys.len() as u64, Ordering::SeqCst);
        let mut held = self.0.held.lock();
        while keys.iter().any(|key| held.contains(key)) {
            self.0.released.wait_for(&mut held, Duration::from_secs(20));
        }
        if let Some(message) = *self.0.fails.lock() {
            return Err(SourceError::Failed { message: message.to_owned(), source: None });
        }
        let (mut of, mut numbers, mut names) = (vec![], vec![], vec![]);
        for (place, key) in keys.iter().enumerate() {
            for name in self.0.rows.lock().get(key).into_iter().flatten() {
                of.push(place as u32);
                numbers.push(*key);
                names.push(*name);
            }
        }
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(numbers)), Arc::new(StringArray::from(names))];
        let rows = RecordBatch::try_new(schema("k BIGINT, name STRING").to_arrow(), columns);
        Ok(LookedUp { rows: rows.unwrap(), of })
    }
}

impl Names {
    fn new(rows: &[(i64, &[&'static str])]) -> Arc<Names> {
        let names = Names::default();
        *names.rows.lock() = rows.iter().map(|(key, names)| (*key, names.to_vec())).collect();
        Arc::new(names)
    }

    fn hold(&self, keys: &[i64]) {
        *self.held.lock() = keys.to_vec();
        self.released.notify_all();
    }
}

struct Now;

impl Clock for Now {
    fn now_ms(&self) -> i64 {
        0
    }
    fn monotonic_ns(&self) -> u64 {
        0
    }
}

#[derive(Debug)]
struct Nothing;

impl Evaluate for Nothing {
    fn evaluate(&self, _: &RecordBatch, _: &EvalContext) -> Result<ArrayRef, EvalError> {
        unreachable!("a plain column is taken, not computed")
    }
}

fn column(at: usize, root: TypeRoot) -> Expression {
    let digest = format!("${at}");
    Expression { run: Arc::new(Nothing), data_type: root.nullable(), digest, column: Some(at) }
}

const PLAIN: Asking =
    Asking { asynchronous: true, unordered: false, capacity: 100, timeout_ms: 60_000, retry: None };

const PARTIAL: PartialCache = PartialCache {
    max_rows: None,
    expire_after_write_ms: None,
    expire_after_access_ms: None,
    missing_keys: true,
};

/// `SELECT id, k, name FROM input LEFT JOIN names ON k`.
fn config(asking: Asking, cache: LookupCache) -> LookupJoin {
    let table = TableSpec {
        name: "names".to_owned(),
        options: BTreeMap::new(),
        physical: Schema::default(),
        metadata: vec![],
        partition_keys: vec![],
        primary_key: vec![],
    };
    LookupJoin {
        kind: JoinKind::Left,
        table: LookupTable {
            scan: ScanSpec { table, columns: vec![], members: vec![], batch_rows: 1 },
            filter: None,
            project: vec![column(1, TypeRoot::string()), column(0, TypeRoot::BigInt)],
            columns: schema("name STRING, k BIGINT"),
            keys: vec![0],
            cache,
        },
        left_keys: vec![1],
        right_keys: vec![1],
        emits: 1,
        residual: None,
        asking,
        retracts: false,
    }
}

struct Stage {
    join: AskedJoin,
    names: Arc<Names>,
    config: LookupJoin,
    now_ms: i64,
    watermark: Watermark,
    /// Row by row, and watermarks, in the order that they came out.
    seen: Vec<String>,
}

impl Stage {
    fn new(names: &Arc<Names>, config: &LookupJoin) -> Stage {
        Stage {
            join: Stage::join(names, config),
            names: Arc::clone(names),
            config: config.clone(),
            now_ms: 0,
            watermark: Watermark::MIN,
            seen: vec![],
        }
    }

    fn join(names: &Arc<Names>, config: &LookupJoin) -> AskedJoin {
        let source = Arc::new(Source(Arc::clone(names)));
        let asked = Asked { source, clock: Arc::new(Now), wake: Wake::shared() };
        let (input, output) =
            (schema("id BIGINT, k BIGINT"), schema("id BIGINT, k BIGINT, n STRING"));
        AskedJoin::new(config, &input, &output, "LookupJoin", &asked)
    }

    fn call(
        &mut self,
        call: impl FnOnce(&mut AskedJoin, &OperatorContext, &mut Output) -> Result<(), OperatorError>,
    ) -> Result<(), OperatorError> {
        let ctx = OperatorContext {
            subtask: 0,
            max_parallelism: 1,
            key_groups: KeyGroupRange { start: 0, end: 1 },
            processing_time_ms: self.now_ms,
            watermark: self.watermark,
        };
        let mut out = Output::default();
        call(&mut self.join, &ctx, &mut out)?;
        let mut watermarks = out.watermarks.iter().peekable();
        for place in 0..=out.batches.len() {
            while let Some((_, watermark)) = watermarks.next_if(|(behind, _)| *behind == place) {
                self.seen.push(format!("W{}", watermark.0));
            }
            self.seen.extend(out.batches.get(place).into_iter().flat_map(show));
        }
        Ok(())
    }

    fn rows(&mut self, text: &str) {
        let batch = batch(&schema("id BIGINT, k BIGINT"), text);
        self.call(|join, ctx, out| join.on_batch(0, batch, ctx, out)).unwrap();
    }

    fn watermark(&mut self, ms: i64) {
        self.watermark = Watermark(ms);
        self.call(|join, ctx, out| join.on_watermark(ctx, out)).unwrap();
        if !self.join.holds_watermark() {
            self.seen.push(format!("W{ms}"));
        }
    }

    /// Lets answers come in until so much came out.
    fn expect(&mut self, expected: &[&str]) {
        for _ in 0..2_000 {
            self.call(|join, ctx, out| join.on_answers(ctx, out)).unwrap();
            if self.seen.len() >= expected.len() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(std::mem::take(&mut self.seen), expected);
    }

    /// As another subtask of the same job, from what a snapshot has.
    fn restored(&mut self) {
        struct Entries(Vec<StateEntry>);
        impl StateWriter for Entries {
            fn put(&mut self, entry: StateEntry) {
                self.0.push(entry);
            }
            fn put_runs(&mut self, _: RunSet) {}
        }
        self.call(|join, ctx, out| join.flush(ctx, out)).unwrap();
        let mut entries = Entries(vec![]);
        self.call(|join, ctx, _| join.snapshot(ctx, &mut entries)).unwrap();
        self.join = Stage::join(&self.names, &self.config);
        self.call(|join, ctx, _| join.restore(ctx, entries.0)).unwrap();
    }
}

const ALL: &[(i64, &[&str])] = &[(1, &["one"]), (2, &["two", "zwei"]), (3, &[])];

#[test]
fn b6_14_rows_and_watermarks_stay_in_order() {
    let names = Names::new(ALL);
    let mut stage = Stage::new(&names, &config(PLAIN, LookupCache::None));
    names.hold(&[1]);
    stage.rows("+I[7, 1]");
    stage.watermark(5);
    stage.rows("+I[8, 2] +I[9, NULL]");
    stage.watermark(6);
    stage.expect(&[]);
    names.hold(&[]);
    stage.expect(&[
        "+I[7, 1, one]",
        "W5",
        "+I[8, 2, two]",
        "+I[8, 2, zwei]",
        "+I[9, NULL, NULL]",
        "W6",
    ]);
    stage.watermark(7);
    stage.expect(&["W7"]);
}

#[test]
fn b7_5_rows_may_overtake_each_other_between_watermarks() {
    let names = Names::new(ALL);
    let unordered = Asking { unordered: true, ..PLAIN };
    let mut stage = Stage::new(&names, &config(unordered, LookupCache::Partial(PARTIAL)));
    stage.rows("+I[0, 2]");
    stage.expect(&["+I[0, 2, two]", "+I[0, 2, zwei]"]);
    names.hold(&[1]);
    // The cache knows the second row of the batch.
    stage.rows("+I[7, 1] +I[8, 2]");
    stage.expect(&["+I[8, 2, two]", "+I[8, 2, zwei]"]);
    stage.watermark(5);
    stage.rows("+I[9, 3]");
    stage.expect(&[]);
    names.hold(&[]);
    stage.expect(&["+I[7, 1, one]", "W5", "+I[9, 3, NULL]"]);
}

#[test]
fn g7_7_a_partial_cache_saves_lookups_and_no_cache_saves_none() {
    let check = |cache: LookupCache, asked: u64| {
        let names = Names::new(ALL);
        let mut stage = Stage::new(&names, &config(PLAIN, cache));
        stage.rows("+I[1, 1] +I[2, 1] +I[3, 3]");
        stage.expect(&["+I[1, 1, one]", "+I[2, 1, one]", "+I[3, 3, NULL]"]);
        stage.rows("+I[4, 1] +I[5, 3]");
        stage.expect(&["+I[4, 1, one]", "+I[5, 3, NULL]"]);
        assert_eq!(names.asked.load(Ordering::SeqCst), asked, "{cache:?}");
    };
    check(LookupCache::None, 4);
    check(LookupCache::Partial(PARTIAL), 2);
    check(LookupCache::Partial(PartialCache { missing_keys: false, ..PARTIAL }), 3);
}

#[test]
fn b7_8_a_key_that_is_missing_is_looked_up_again() {
    let names = Names::new(ALL);
    let retry = Some(Retry { delay_ms: 100, attempts: 2 });
    let mut stage = Stage::new(&names, &config(Asking { retry, ..PLAIN }, LookupCache::None));
    stage.rows("+I[1, 1] +I[2, 3]");
    let due = |stage: &mut Stage, at: i64| {
        for _ in 0..2_000 {
            stage.call(|join, ctx, out| join.on_answers(ctx, out)).unwrap();
            if stage.join.next_processing_timer() == Some(at) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("no timer at {at}: {:?}", stage.join.next_processing_timer());
    };
    due(&mut stage, 100);
    stage.now_ms = 100;
    stage.call(|join, ctx, out| join.on_processing_time(ctx, out)).unwrap();
    due(&mut stage, 200);
    assert!(stage.seen.is_empty());
    names.rows.lock().insert(3, vec!["drei"]);
    stage.now_ms = 200;
    stage.call(|join, ctx, out| join.on_processing_time(ctx, out)).unwrap();
    stage.expect(&["+I[1, 1, one]", "+I[2, 3, drei]"]);
    assert_eq!(names.asked.load(Ordering::SeqCst), 4);
}

#[test]
fn rows_that_wait_are_in_a_snapshot_and_looked_up_again_after_a_restore() {
    let names = Names::new(ALL);
    let mut stage = Stage::new(&names, &config(PLAIN, LookupCache::None));
    names.hold(&[1]);
    stage.rows("+I[7, 1]");
    stage.watermark(5);
    stage.rows("+I[8, 2]");
    stage.restored();
    stage.expect(&[]);
    names.rows.lock().insert(1, vec!["uno"]);
    names.hold(&[]);
    stage.expect(&["+I[7, 1, uno]", "+I[8, 2, two]", "+I[8, 2, zwei]"]);
}

#[test]
fn the_rows_of_a_changelog_are_waited_for_before_a_snapshot() {
    let names = Names::new(ALL);
    let config = LookupJoin { retracts: true, ..config(PLAIN, LookupCache::None) };
    let mut stage = Stage::new(&names, &config);
    stage.rows("-U[7, 1] +U[7, 2]");
    stage.restored();
    assert_eq!(stage.seen, ["-U[7, 1, one]", "+U[7, 2, two]", "+U[7, 2, zwei]"]);
    assert!(!stage.join.awaits_answers());
}

#[test]
fn b7_7_an_answer_that_does_not_come_fails_the_job() {
    let names = Names::new(ALL);
    let mut stage =
        Stage::new(&names, &config(Asking { timeout_ms: 50, ..PLAIN }, LookupCache::None));
    names.hold(&[1]);
    stage.rows("+I[7, 1]");
    assert_eq!(stage.join.next_processing_timer(), Some(50));
    stage.now_ms = 50;
    let error = stage.call(|join, ctx, out| join.on_processing_time(ctx, out)).unwrap_err();
    assert!(error.to_string().contains("no answer to a lookup within 50 ms"), "{error}");
    names.hold(&[]);
}

#[test]
fn what_the_table_says_is_what_fails_the_job() {
    let names = Names::new(ALL);
    let mut stage = Stage::new(&names, &config(PLAIN, LookupCache::None));
    *names.fails.lock() = Some("table 'names' is gone");
    stage.rows("+I[7, 1]");
    let error = stage.call(|join, ctx, out| join.on_end(ctx, out)).unwrap_err();
    assert_eq!(error.to_string(), "LookupJoin: table 'names' is gone");
}

#[test]
fn b7_6_a_join_takes_no_more_rows_than_it_may_ask_for() {
    let names = Names::new(ALL);
    let mut stage =
        Stage::new(&names, &config(Asking { asynchronous: false, ..PLAIN }, LookupCache::None));
    names.hold(&[1]);
    assert!(stage.join.takes_rows());
    stage.rows("+I[7, 1]");
    assert!(!stage.join.takes_rows());
    names.hold(&[]);
    stage.expect(&["+I[7, 1, one]"]);
    assert!(stage.join.takes_rows());
}
