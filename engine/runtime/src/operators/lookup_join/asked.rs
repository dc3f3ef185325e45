//! A join with a table whose connector is asked for rows, many keys at a time.
//!
//! Rows that wait for an answer stand in a queue. They go on in their order, or, when
//! nothing forbids it, as their answers come; a watermark goes on behind the rows that came
//! before it. A snapshot holds the rows that wait, and they are looked up again after a
//! restore; those of a changelog are waited for instead, because a row must not meet its
//! successor from another subtask (Flink: `AsyncWaitOperator`).
//!
//! State: table 0, the rows that wait, batch by batch in their order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType as ArrowType, SchemaRef};
use hashbrown::HashMap;
use millrace_dataflow::graph::{LookupCache, LookupJoin as Config};
use millrace_dataflow::{Batch, Schema, Watermark};
use millrace_state::row;

use super::cache::{Cache, Found};
use super::joiner::Joiner;
use super::requests::{Answer, Asked, Request, Requests, keys_of};
use crate::in_flight::{decode_batch, encode_batch};
use crate::lookup::LookupMetrics;
use crate::memory::StateBytes;
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};

/// Keys of one request.
const KEYS: usize = 1_000;
/// Rows that may wait.
const WAITING: usize = 32 * 1024;
/// Between two looks at whether the job was cancelled.
const LOOK: Duration = Duration::from_millis(50);
/// The table of the state.
const ROWS: u8 = 0;

pub struct AskedJoin {
    joiner: Joiner,
    input: SchemaRef,
    requests: Requests,
    cache: Option<Cache>,
    queue: VecDeque<Element>,
    /// The number of the first element of the queue.
    first: u64,
    waiting_rows: usize,
    /// Keys that were not found and are looked up again, soonest first.
    again: VecDeque<(i64, Request)>,
    metrics: Arc<LookupMetrics>,
}

enum Element {
    Rows(Waiting),
    Watermark(Watermark),
    Gone,
}

/// A key, encoded, and the rows of a batch that have it.
type KeyOfRows = (Box<[u8]>, Vec<u32>);

/// Rows with what was found for them so far.
struct Waiting {
    batch: Batch,
    found: Vec<Option<Found>>,
    requests: usize,
    since_ms: i64,
}

impl AskedJoin {
    pub fn new(
        config: &Config,
        input: &Schema,
        output: &Schema,
        name: &str,
        asked: &Asked,
    ) -> AskedJoin {
        let capacity = if config.asking.asynchronous { config.asking.capacity } else { 1 };
        let cache = match config.table.cache {
            LookupCache::Partial(config) => Some(Cache::new(config)),
            _ => None,
        };
        AskedJoin {
            joiner: Joiner::new(config, input, output, name),
            input: input.to_arrow(),
            requests: Requests::start(asked, &config.table, config.emits, capacity),
            cache,
            queue: VecDeque::new(),
            first: 0,
            waiting_rows: 0,
            again: VecDeque::new(),
            metrics: Arc::default(),
        }
    }

    fn config(&self) -> &Config {
        &self.joiner.config
    }

    fn is_unordered(&self) -> bool {
        self.config().asking.unordered && self.config().asking.asynchronous
    }

    fn most_requests(&self) -> usize {
        if self.config().asking.asynchronous { self.config().asking.capacity.max(1) } else { 1 }
    }

    /// Looks rows up: what the cache knows at once, the rest by requests.
    fn enqueue(&mut self, batch: Batch, now_ms: i64) {
        if batch.num_rows() == 0 {
            return;
        }
        let (found, asked) = self.look_up(&batch, now_ms);
        if self.is_unordered() && !asked.is_empty() {
            let (complete, rest) = split(&batch, &found);
            if let Some((batch, found)) = complete {
                self.push(batch, found, now_ms);
                // What is left has other row numbers.
                return self.enqueue(rest, now_ms);
            }
        }
        let element = self.push(batch, found, now_ms);
        for asked in asked.chunks(KEYS) {
            self.ask(element, asked);
        }
    }

    fn push(&mut self, batch: Batch, found: Vec<Option<Found>>, since_ms: i64) -> u64 {
        self.waiting_rows += batch.num_rows();
        self.queue.push_back(Element::Rows(Waiting { batch, found, requests: 0, since_ms }));
        self.first + self.queue.len() as u64 - 1
    }

    /// What is known of each row, and the other keys with their rows.
    fn look_up(&mut self, batch: &Batch, now_ms: i64) -> (Vec<Option<Found>>, Vec<KeyOfRows>) {
        let columns = &self.joiner.config.left_keys;
        let keys = row::encode_column_subset(&batch.record, columns);
        let mut found: Vec<Option<Found>> = vec![None; batch.num_rows()];
        let mut asked: Vec<KeyOfRows> = Vec::new();
        let mut places: HashMap<&[u8], usize> = HashMap::new();
        let (mut hits, mut misses) = (0, 0);
        for (row, found) in found.iter_mut().enumerate() {
            let is_null = columns.iter().any(|column| batch.record.column(*column).is_null(row));
            if is_null {
                *found = Some(Found::from([]));
                continue;
            }
            let key = keys.row(row);
            if let Some(known) = self.cache.as_mut().and_then(|cache| cache.get(key, now_ms)) {
                *found = Some(known);
                hits += 1;
                continue;
            }
            misses += 1;
            let place = *places.entry(key).or_insert_with(|| {
                asked.push((key.into(), Vec::new()));
                asked.len() - 1
            });
            asked[place].1.push(row as u32);
        }
        self.metrics.hits.fetch_add(hits, Ordering::Relaxed);
        self.metrics.misses.fetch_add(misses, Ordering::Relaxed);
        (found, asked)
    }

    fn ask(&mut self, element: u64, asked: &[KeyOfRows]) {
        let at = (element - self.first) as usize;
        let Some(Element::Rows(waiting)) = self.queue.get_mut(at) else { return };
        let heads: Vec<u32> = asked.iter().map(|(_, rows)| rows[0]).collect();
        let columns = &self.joiner.config.left_keys;
        let request = Request {
            element,
            keys: keys_of(&waiting.batch.record, columns, &heads),
            encoded: asked.iter().map(|(key, _)| key.clone()).collect(),
            rows: asked.iter().map(|(_, rows)| rows.clone()).collect(),
            attempt: 0,
        };
        waiting.requests += 1;
        self.requests.send(request);
    }

    /// Takes all answers that have come.
    fn take_answers(&mut self, now_ms: i64) -> Result<(), OperatorError> {
        while let Some(answer) = self.requests.try_answer() {
            self.take(answer, now_ms)?;
        }
        Ok(())
    }

    fn take(&mut self, answer: Answer, now_ms: i64) -> Result<(), OperatorError> {
        let Answer { request, found, took_ms } = answer;
        let table = &self.metrics.table;
        table.loads.fetch_add(1, Ordering::Relaxed);
        table.latest_load_ms.store(took_ms.max(0) as u64, Ordering::Relaxed);
        let found = found.map_err(|message| {
            table.load_failures.fetch_add(1, Ordering::Relaxed);
            self.joiner.shape.failed(message)
        })?;
        let retry = self.config().asking.retry.filter(|retry| request.attempt < retry.attempts);
        let missing = |found: &Found| retry.is_some() && found.is_empty();
        let again: Vec<u32> =
            (0..found.len() as u32).filter(|key| missing(&found[*key as usize])).collect();
        let at = (request.element - self.first) as usize;
        let Some(Element::Rows(waiting)) = self.queue.get_mut(at) else {
            return Err(self.joiner.shape.failed("an answer that nobody waits for"));
        };
        for (key, found) in found.iter().enumerate().filter(|(_, found)| !missing(found)) {
            for row in &request.rows[key] {
                waiting.found[*row as usize] = Some(Arc::clone(found));
            }
            if let Some(cache) = &mut self.cache {
                cache.put(request.encoded[key].clone(), Arc::clone(found), now_ms);
            }
        }
        match (again.is_empty(), retry) {
            (false, Some(retry)) => {
                self.again.push_back((now_ms + retry.delay_ms, narrowed(&request, &again)));
            }
            _ => waiting.requests -= 1,
        }
        self.count_cache();
        Ok(())
    }

    fn count_cache(&self) {
        if let Some(cache) = &self.cache {
            let table = &self.metrics.table;
            table.records.store(cache.len() as u64, Ordering::Relaxed);
            table.bytes.store(cache.memory_bytes() as u64, Ordering::Relaxed);
        }
    }

    /// Emits what need not wait any longer.
    fn emit_ready(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        let mut blocked = false;
        for at in 0..self.queue.len() {
            match &self.queue[at] {
                Element::Gone => {}
                Element::Watermark(_) if blocked => break,
                Element::Watermark(watermark) => {
                    out.release(*watermark);
                    self.queue[at] = Element::Gone;
                }
                Element::Rows(waiting) if waiting.requests > 0 => {
                    blocked = true;
                    if !self.is_unordered() {
                        break;
                    }
                }
                Element::Rows(_) => {
                    let taken = std::mem::replace(&mut self.queue[at], Element::Gone);
                    let Element::Rows(waiting) = taken else { continue };
                    self.waiting_rows -= waiting.batch.num_rows();
                    self.emit(&waiting, ctx, out)?;
                }
            }
        }
        while matches!(self.queue.front(), Some(Element::Gone)) {
            self.queue.pop_front();
            self.first += 1;
        }
        Ok(())
    }

    fn emit(
        &self,
        waiting: &Waiting,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let mut starts = Vec::with_capacity(waiting.found.len() + 1);
        starts.push(0);
        let mut rows: Vec<&[u8]> = Vec::new();
        for found in &waiting.found {
            rows.extend(found.iter().flat_map(|found| found.iter()).map(|row| &**row));
            starts.push(rows.len() as u32);
        }
        let columns = &self.config().table.columns.fields[..self.config().emits];
        let types: Vec<ArrowType> =
            columns.iter().map(|field| field.to_arrow().data_type().clone()).collect();
        let table: Vec<ArrayRef> = row::decode(&types, rows.into_iter())
            .map_err(|error| self.joiner.shape.damaged(error))?;
        let each = |row: usize, found: &mut Vec<u32>| found.extend(starts[row]..starts[row + 1]);
        self.joiner.emit(&waiting.batch, &table, each, ctx, out)
    }

    /// Waits until nothing is waited for any more.
    fn drain(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        let mut now_ms = ctx.processing_time_ms;
        while self.waiting_rows > 0 {
            self.emit_ready(ctx, out)?;
            if self.waiting_rows == 0 {
                break;
            }
            if self.requests.wake.is_cancelled() {
                return Err(self.joiner.shape.failed("cancelled while it waited for answers"));
            }
            self.ask_again(now_ms);
            if let Some(answer) = self.requests.wait_for_answer(LOOK) {
                self.take(answer, now_ms)?;
            } else {
                // Nothing else tells the time here; each look is about that long.
                now_ms += LOOK.as_millis() as i64;
            }
            self.check_patience(now_ms)?;
        }
        self.emit_ready(ctx, out)
    }

    fn ask_again(&mut self, now_ms: i64) {
        while self.again.front().is_some_and(|(due, _)| *due <= now_ms) {
            if let Some((_, request)) = self.again.pop_front() {
                self.requests.send(request);
            }
        }
    }

    fn oldest_ms(&self) -> Option<i64> {
        self.queue.iter().find_map(|element| match element {
            Element::Rows(waiting) if waiting.requests > 0 => Some(waiting.since_ms),
            _ => None,
        })
    }

    /// # Errors
    /// A row has waited for longer than it may.
    fn check_patience(&self, now_ms: i64) -> Result<(), OperatorError> {
        let timeout_ms = self.config().asking.timeout_ms;
        match self.oldest_ms() {
            Some(since) if now_ms - since >= timeout_ms => Err(self.joiner.shape.failed(format!(
                "no answer to a lookup within {timeout_ms} ms (table.exec.async-lookup.timeout)"
            ))),
            _ => Ok(()),
        }
    }
}

/// A request for some of its keys once more.
fn narrowed(request: &Request, keys: &[u32]) -> Request {
    let columns: Vec<usize> = (0..request.keys.num_columns()).collect();
    Request {
        element: request.element,
        keys: keys_of(&request.keys, &columns, keys),
        encoded: keys.iter().map(|key| request.encoded[*key as usize].clone()).collect(),
        rows: keys.iter().map(|key| request.rows[*key as usize].clone()).collect(),
        attempt: request.attempt + 1,
    }
}

type Complete = (Batch, Vec<Option<Found>>);

/// The rows that wait for nothing, if any, and the others.
fn split(batch: &Batch, found: &[Option<Found>]) -> (Option<Complete>, Batch) {
    let is_found = |row: &u32| found[*row as usize].is_some();
    let (known, others): (Vec<u32>, Vec<u32>) =
        (0..batch.num_rows() as u32).partition(|row| is_found(row));
    if known.is_empty() {
        return (None, batch.clone());
    }
    let known_found = known.iter().map(|row| found[*row as usize].clone()).collect();
    (Some((picked(batch, known), known_found)), picked(batch, others))
}

fn picked(batch: &Batch, rows: Vec<u32>) -> Batch {
    let rows = UInt32Array::from(rows);
    let record = take_record_batch(&batch.record, &rows).expect("rows of the same batch");
    // Only rows of one kind may overtake each other.
    Batch::insert_only(record)
}

impl Operator for AskedJoin {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.take_answers(ctx.processing_time_ms)?;
        self.enqueue(batch, ctx.processing_time_ms);
        self.emit_ready(ctx, out)
    }

    fn on_watermark(&mut self, ctx: &OperatorContext, _: &mut Output) -> Result<(), OperatorError> {
        if !self.queue.is_empty() {
            self.queue.push_back(Element::Watermark(ctx.watermark));
        }
        Ok(())
    }

    fn holds_watermark(&self) -> bool {
        !self.queue.is_empty()
    }

    fn takes_rows(&self) -> bool {
        self.waiting_rows < WAITING && self.requests.under_way() < self.most_requests()
    }

    fn on_answers(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        self.take_answers(ctx.processing_time_ms)?;
        self.emit_ready(ctx, out)
    }

    fn awaits_answers(&self) -> bool {
        !self.queue.is_empty()
    }

    fn on_processing_time(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.ask_again(ctx.processing_time_ms);
        self.on_answers(ctx, out)?;
        self.check_patience(ctx.processing_time_ms)
    }

    fn next_processing_timer(&self) -> Option<i64> {
        let again = self.again.front().map(|(due, _)| *due);
        let late = self.oldest_ms().map(|since| since + self.config().asking.timeout_ms);
        again.into_iter().chain(late).min()
    }

    fn flush(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        if self.config().retracts { self.drain(ctx, out) } else { Ok(()) }
    }

    fn on_end(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        self.drain(ctx, out)
    }

    fn lookup_metrics(&self) -> Option<Arc<LookupMetrics>> {
        Some(Arc::clone(&self.metrics))
    }

    fn state_bytes(&self) -> StateBytes {
        StateBytes::in_memory(self.cache.as_ref().map_or(0, Cache::memory_bytes))
    }

    fn snapshot(
        &mut self,
        _: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        for (place, element) in self.queue.iter().enumerate() {
            if let Element::Rows(waiting) = element {
                let key = (place as u32).to_be_bytes().to_vec();
                let value = encode_batch(&waiting.batch);
                writer.put(StateEntry { key_group: None, table: ROWS, key, value });
            }
        }
        Ok(())
    }

    fn restore(
        &mut self,
        ctx: &OperatorContext,
        mut entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        entries.sort_by(|one, other| one.key.cmp(&other.key));
        for entry in entries {
            let batch = match entry.table {
                ROWS => decode_batch(&entry.value, &self.input),
                _ => None,
            };
            let damaged = || self.joiner.shape.damaged(format!("a row of table {}", entry.table));
            let batch = batch.ok_or_else(damaged)?;
            self.enqueue(batch, ctx.processing_time_ms);
        }
        Ok(())
    }
}
