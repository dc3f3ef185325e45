//! The sending side of an edge: which channel a row takes.

use arrow::array::{BooleanArray, UInt32Array};
use arrow::compute::{filter, take_record_batch};
use crossbeam_channel::{Receiver, Sender, TrySendError, select};
use millrace_dataflow::graph::Exchange;
use millrace_dataflow::key_group::subtask_of;
use millrace_dataflow::{Batch, Message};
use millrace_state::row;

use crate::clock::Clock;
use crate::error::{TaskError, TaskStop};
use crate::metrics::SubtaskMetrics;

/// One edge as seen by one sending subtask.
pub struct OutputEdge {
    exchange: Exchange,
    senders: Vec<Sender<Message>>,
    max_parallelism: u16,
    next: usize,
}

/// What sending needs of the task.
pub struct SendContext<'a> {
    pub cancel: &'a Receiver<()>,
    pub metrics: &'a SubtaskMetrics,
    pub clock: &'a dyn Clock,
}

impl OutputEdge {
    /// `senders`: for `Hash` one a receiving subtask, in order; else those connected.
    pub fn new(
        exchange: Exchange,
        senders: Vec<Sender<Message>>,
        max_parallelism: u16,
        first: usize,
    ) -> OutputEdge {
        let next = first % senders.len().max(1);
        OutputEdge { exchange, senders, max_parallelism, next }
    }

    pub fn send_batch(&mut self, batch: Batch, ctx: &SendContext<'_>) -> Result<(), TaskStop> {
        if self.senders.len() == 1 {
            return send(&self.senders[0], Message::Batch(batch), ctx);
        }
        if self.exchange == Exchange::Global {
            return send(&self.senders[0], Message::Batch(batch), ctx);
        }
        let Exchange::Hash(columns) = &self.exchange else {
            // Rebalance, and forward between different parallelisms.
            let at = self.next;
            self.next = (at + 1) % self.senders.len();
            return send(&self.senders[at], Message::Batch(batch), ctx);
        };
        let parts = partition(&batch, columns, self.max_parallelism, self.senders.len())?;
        for (sender, part) in self.senders.iter().zip(parts) {
            if let Some(part) = part {
                send(sender, Message::Batch(part), ctx)?;
            }
        }
        Ok(())
    }

    /// Watermarks, barriers and ends go to every receiver.
    pub fn broadcast(&self, message: &Message, ctx: &SendContext<'_>) -> Result<(), TaskStop> {
        self.senders.iter().try_for_each(|sender| send(sender, message.clone(), ctx))
    }
}

fn send(sender: &Sender<Message>, message: Message, ctx: &SendContext<'_>) -> Result<(), TaskStop> {
    let message = match sender.try_send(message) {
        Ok(()) => return Ok(()),
        Err(TrySendError::Disconnected(_)) => return Err(TaskStop::Cancelled),
        Err(TrySendError::Full(message)) => message,
    };
    let from = ctx.clock.monotonic_ns();
    let sent = select! {
        send(sender, message) -> sent => sent.map_err(|_| TaskStop::Cancelled),
        recv(ctx.cancel) -> _ => Err(TaskStop::Cancelled),
    };
    ctx.metrics.add_back_pressured(ctx.clock.monotonic_ns().saturating_sub(from));
    sent
}

/// Splits a batch by the key group of `columns`; keeps the order of each part's rows.
fn partition(
    batch: &Batch,
    columns: &[usize],
    max_parallelism: u16,
    receivers: usize,
) -> Result<Vec<Option<Batch>>, TaskError> {
    let rows = row::encode_column_subset(&batch.record, columns);
    let mut chosen: Vec<Vec<u32>> = vec![vec![]; receivers];
    for (index, group) in row::key_groups(&rows, max_parallelism).into_iter().enumerate() {
        let owner = subtask_of(group, max_parallelism, receivers as u16);
        chosen[usize::from(owner)].push(index as u32);
    }
    chosen.into_iter().map(|rows| take_rows(batch, rows)).collect()
}

fn take_rows(batch: &Batch, rows: Vec<u32>) -> Result<Option<Batch>, TaskError> {
    if rows.is_empty() {
        return Ok(None);
    }
    if rows.len() == batch.num_rows() {
        return Ok(Some(batch.clone()));
    }
    let kinds = batch
        .kinds
        .as_ref()
        .map(|kinds| rows.iter().map(|row| kinds[*row as usize]).collect::<Vec<_>>());
    let record = take_record_batch(&batch.record, &UInt32Array::from(rows))
        .map_err(|error| TaskError::new("exchange", error.to_string()))?;
    Ok(Some(match kinds {
        Some(kinds) => Batch::changelog(record, kinds),
        None => Batch::insert_only(record),
    }))
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
