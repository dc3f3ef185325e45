//! Threads that ask a table and wait for it, so that the task does not.

use std::sync::Arc;
use std::thread::JoinHandle;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{filter_record_batch, prep_null_mask_filter, take};
use crossbeam_channel::{Receiver, Sender, unbounded};
use millrace_dataflow::EvalContext;
use millrace_dataflow::graph::LookupTable;
use millrace_dataflow::lookup::{LookedUp, LookupClient, LookupSource};
use millrace_state::{chain, row};

use super::cache::Found;
use crate::clock::Clock;
use crate::wake::Wake;

/// Connections of one subtask: one answers while the next question is on its way.
const THREADS: usize = 2;

/// What asking needs of its surroundings.
pub struct Asked {
    pub source: Arc<dyn LookupSource>,
    pub clock: Arc<dyn Clock>,
    /// Of the task: woken by every answer, and it says when to give up.
    pub wake: Arc<Wake>,
}

/// Some distinct keys.
pub struct Request {
    /// Whom the answer is for.
    pub element: u64,
    pub keys: RecordBatch,
    /// Encoded, in the order of `keys`.
    pub encoded: Vec<Box<[u8]>>,
    /// For each key, the rows that have it.
    pub rows: Vec<Vec<u32>>,
    /// How often it was looked up before.
    pub attempt: u32,
}

pub struct Answer {
    pub request: Request,
    /// For each key.
    pub found: Result<Vec<Found>, String>,
    pub took_ms: i64,
}

pub struct Requests {
    sender: Option<Sender<Request>>,
    answers: Receiver<Answer>,
    pub wake: Arc<Wake>,
    threads: Vec<JoinHandle<()>>,
    under_way: usize,
}

impl Requests {
    pub fn start(asked: &Asked, table: &LookupTable, emits: usize, capacity: usize) -> Requests {
        let (sender, requests) = unbounded::<Request>();
        let (answers_to, answers) = unbounded();
        let threads = (0..capacity.clamp(1, THREADS)).map(|_| {
            let worker = Worker {
                source: Arc::clone(&asked.source),
                clock: Arc::clone(&asked.clock),
                wake: Arc::clone(&asked.wake),
                table: table.clone(),
                emits,
                client: None,
            };
            let (requests, answers) = (requests.clone(), answers_to.clone());
            std::thread::Builder::new()
                .name("lookup".to_owned())
                .spawn(move || worker.run(&requests, &answers))
                .expect("the system has room for one more thread")
        });
        let threads = threads.collect();
        let wake = Arc::clone(&asked.wake);
        Requests { sender: Some(sender), answers, wake, threads, under_way: 0 }
    }

    pub fn under_way(&self) -> usize {
        self.under_way
    }

    pub fn send(&mut self, request: Request) {
        let sender = self.sender.as_ref().expect("it is there until this is dropped");
        // The threads end when this is dropped, not before.
        self.under_way += usize::from(sender.send(request).is_ok());
    }

    pub fn try_answer(&mut self) -> Option<Answer> {
        let answer = self.answers.try_recv().ok()?;
        self.under_way -= 1;
        Some(answer)
    }

    pub fn wait_for_answer(&mut self, patience: std::time::Duration) -> Option<Answer> {
        let answer = self.answers.recv_timeout(patience).ok()?;
        self.under_way -= 1;
        Some(answer)
    }
}

impl Drop for Requests {
    /// What is being asked is left to end by itself: the task need not wait for it.
    fn drop(&mut self) {
        self.sender = None;
        self.threads.clear();
    }
}

struct Worker {
    source: Arc<dyn LookupSource>,
    clock: Arc<dyn Clock>,
    wake: Arc<Wake>,
    table: LookupTable,
    emits: usize,
    client: Option<Box<dyn LookupClient>>,
}

impl Worker {
    fn run(mut self, requests: &Receiver<Request>, answers: &Sender<Answer>) {
        while let Ok(request) = requests.recv() {
            if self.wake.is_cancelled() {
                return;
            }
            let from = self.clock.monotonic_ms();
            let found = self.look_up(&request.keys);
            let took_ms = self.clock.monotonic_ms() - from;
            if answers.send(Answer { request, found, took_ms }).is_err() {
                return;
            }
            self.wake.wake();
        }
    }

    fn look_up(&mut self, keys: &RecordBatch) -> Result<Vec<Found>, String> {
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(self.source.connect().map_err(|error| chain(&error))?),
        };
        let found = client.lookup(keys).map_err(|error| chain(&error))?;
        let (columns, of) = self.made(found)?;
        let rows = match columns.as_slice() {
            [] => vec![Box::default(); of.len()],
            columns => row::encode(columns).iter().map(Box::from).collect::<Vec<Box<[u8]>>>(),
        };
        let mut by_key: Vec<Vec<Box<[u8]>>> = vec![Vec::new(); keys.num_rows()];
        for (row, key) in rows.into_iter().zip(of) {
            let list = by_key.get_mut(key as usize);
            list.ok_or("the connector answered for a key that was not asked")?.push(row);
        }
        Ok(by_key.into_iter().map(Found::from).collect())
    }

    /// What goes on of the rows that pass, and their keys.
    fn made(&self, found: LookedUp) -> Result<(Vec<ArrayRef>, Vec<u32>), String> {
        let processing_time_ms = self.clock.now_ms();
        let ctx = EvalContext { processing_time_ms, watermark_ms: None };
        let (mut rows, mut of) = (found.rows, found.of);
        if let Some(filter) = &self.table.filter {
            let mask = filter.run.evaluate(&rows, &ctx).map_err(|error| chain(&error))?;
            let mask = mask.as_boolean_opt().ok_or("the filter is not BOOLEAN")?;
            let mask = plain(mask);
            rows = filter_record_batch(&rows, &mask).map_err(|error| error.to_string())?;
            of = mask.values().set_indices().map(|at| of[at]).collect();
        }
        let project = self.table.project[..self.emits].iter();
        let columns = project.map(|expression| match expression.column {
            Some(column) => Ok(rows.column(column).clone()),
            None => expression.run.evaluate(&rows, &ctx).map_err(|error| chain(&error)),
        });
        Ok((columns.collect::<Result<_, _>>()?, of))
    }
}

fn plain(mask: &BooleanArray) -> BooleanArray {
    use arrow::array::Array;
    if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() }
}

/// Some rows' keys, as a connector wants them.
pub fn keys_of(record: &RecordBatch, columns: &[usize], rows: &[u32]) -> RecordBatch {
    let rows = UInt32Array::from(rows.to_vec());
    let columns = columns.iter().map(|column| {
        let field = record.schema_ref().field(*column).clone().with_nullable(false);
        (field, take(record.column(*column), &rows, None).expect("rows of the same batch"))
    });
    let (fields, arrays): (Vec<_>, Vec<ArrayRef>) = columns.unzip();
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    RecordBatch::try_new(schema, arrays).expect("columns of one length without NULLs")
}
