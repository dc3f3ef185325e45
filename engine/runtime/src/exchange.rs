//! The sending side of an edge: which channel a row takes.

mod partition;
#[cfg(test)]
mod speed;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::BooleanArray;
use arrow::compute::filter;
use millrace_dataflow::graph::Exchange;
use millrace_dataflow::{Batch, Message};

pub use self::partition::Partition;
use crate::channel::Sender;
use crate::clock::Clock;
use crate::error::TaskStop;
use crate::metrics::{SubtaskMetrics, Wait};
use crate::wake::Wake;

/// A sender that waits looks again after this time at the latest.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One edge as seen by one sending subtask.
pub struct OutputEdge {
    route: Route,
    senders: Vec<Sender>,
}

enum Route {
    /// All rows to the first channel.
    First,
    /// Whole batches in turn: rebalance, and forward between different parallelisms.
    Turn { next: usize },
    /// By key group; one channel a receiving subtask.
    Key(Box<Partition>),
}

/// What sending needs of the task.
pub struct SendContext<'a> {
    pub wake: &'a Arc<Wake>,
    pub metrics: &'a SubtaskMetrics,
    pub clock: &'a dyn Clock,
    /// How long a receiver may sleep on rows that were sent (row F3.25).
    pub linger_ns: u64,
}

impl OutputEdge {
    /// `senders`: for `Hash` one a receiving subtask, in order; else those connected.
    pub fn new(
        exchange: Exchange,
        senders: Vec<Sender>,
        max_parallelism: u16,
        first: usize,
    ) -> OutputEdge {
        let route = match exchange {
            Exchange::Global => Route::First,
            _ if senders.len() <= 1 => Route::First,
            Exchange::Hash(columns) => {
                let receivers = senders.len() as u16;
                Route::Key(Box::new(Partition::new(columns, max_parallelism, receivers)))
            }
            Exchange::Forward | Exchange::Rebalance => Route::Turn { next: first % senders.len() },
        };
        OutputEdge { route, senders }
    }

    /// Whether more rows may be made for this edge.
    pub fn has_room(&self) -> bool {
        match self.route {
            Route::First => self.senders.first().is_none_or(Sender::has_room),
            Route::Turn { .. } => self.senders.iter().any(Sender::has_room),
            Route::Key(_) => self.senders.iter().all(Sender::has_room),
        }
    }

    /// Bytes that are queued, and that may be.
    pub fn usage(&self) -> (usize, usize) {
        let each = self.senders.iter().map(Sender::usage);
        each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    pub fn send_batch(&mut self, batch: Batch, ctx: &SendContext<'_>) -> Result<(), TaskStop> {
        match &mut self.route {
            Route::First => send(&self.senders[0], batch, ctx),
            Route::Turn { next } => {
                let count = self.senders.len();
                // One that has room, else the one whose turn it is.
                let mut turns = (0..count).map(|step| (*next + step) % count);
                let at = turns.find(|at| self.senders[*at].has_room()).unwrap_or(*next);
                *next = (at + 1) % count;
                send(&self.senders[at], batch, ctx)
            }
            Route::Key(partition) => {
                let senders = &self.senders;
                partition.split(&batch, |owner, part| send(&senders[owner], part, ctx))
            }
        }
    }

    /// Watermarks, barriers and ends go to every receiver, and wait for no room.
    pub fn broadcast(&self, message: &Message) -> Result<(), TaskStop> {
        self.senders
            .iter()
            .try_for_each(|sender| sender.push(message.clone()).map_err(|_| TaskStop::Cancelled))
    }
}

/// Waits only for what goes beyond the overdraft.
fn send(sender: &Sender, batch: Batch, ctx: &SendContext<'_>) -> Result<(), TaskStop> {
    while !sender.has_overdraft() {
        ctx.metrics.while_waiting(Wait::Hard, ctx.clock, || ctx.wake.wait(LOOK_AGAIN));
        if ctx.wake.is_cancelled() {
            return Err(TaskStop::Cancelled);
        }
    }
    if ctx.linger_ns == 0 {
        return sender.push(Message::Batch(batch)).map_err(|_| TaskStop::Cancelled);
    }
    let now_ns = ctx.clock.monotonic_ns();
    sender.push_with_more(Message::Batch(batch), now_ns).map_err(|_| TaskStop::Cancelled)?;
    ctx.wake.settle_when_due(now_ns, ctx.linger_ns);
    Ok(())
}

/// The rows of a batch where `keep` is true.
///
/// # Errors
/// Arrow refuses the batch.
pub fn filter_batch(batch: &Batch, keep: &BooleanArray) -> Result<Batch, arrow::error::ArrowError> {
    let columns = batch
        .record
        .columns()
        .iter()
        .map(|column| filter(column, keep))
        .collect::<Result<Vec<_>, _>>()?;
    let rows = keep.iter().filter(|keep| *keep == Some(true)).count();
    let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(rows));
    let record = arrow::record_batch::RecordBatch::try_new_with_options(
        batch.record.schema(),
        columns,
        &options,
    )?;
    Ok(match &batch.kinds {
        None => Batch::insert_only(record),
        Some(kinds) => {
            let kept = kinds.iter().zip(keep.iter()).filter(|(_, keep)| *keep == Some(true));
            Batch::changelog(record, kept.map(|(kind, _)| *kind).collect())
        }
    })
}
