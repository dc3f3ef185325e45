//! Rows in flight as part of a checkpoint (Flink: FLIP-76, channel state), and back.
//!
//! A snapshot holds them as the state of one more operator for each edge, whose entries
//! belong to no key group (`engine/design/snapshot-format.md`): a reader that does not
//! know of them refuses the snapshot instead of losing rows. Restored at the same
//! parallelism each channel has its own rows again; at another one they go where the
//! edge's exchange sends them now. Watermarks do not come back, but the least of a
//! subtask's channels comes first: its senders may read other splits than before.

use std::collections::{BTreeMap, VecDeque};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use millrace_dataflow::graph::{Edge, Exchange, StateLayout};
use millrace_dataflow::key_group::KeyGroupRange;
use millrace_dataflow::{Batch, JobGraph, Message, OperatorId, RowKind, Watermark};
use millrace_state::read::Share;
use millrace_state::write::OperatorContent;
use millrace_state::{EntryBuffer, LoadedSnapshot, row};

use crate::error::TaskError;
use crate::exchange::Partition;

/// [`StateLayout::kind`] of an edge's rows.
pub const KIND: &str = "in-flight";

/// What lay between a subtask's state and the barrier of one channel.
#[derive(Clone, Debug)]
pub struct ChannelRecord {
    /// Index into the graph's edges.
    pub edge: usize,
    pub from: u16,
    /// The channel's own when the state was snapshotted.
    pub watermark: Watermark,
    pub messages: Vec<Message>,
}

/// How the barriers of a checkpoint came together at one subtask.
#[derive(Clone, Debug, Default)]
pub struct AlignmentReport {
    pub records: Vec<ChannelRecord>,
    /// The barrier overtook rows.
    pub unaligned: bool,
    /// From the first barrier to the last.
    pub duration_ms: u64,
    /// Bytes recorded, as they were in memory.
    pub persisted: usize,
    /// Bytes taken in meanwhile.
    pub processed: usize,
    /// Why the records cannot be kept: the checkpoint fails.
    pub refused: Option<String>,
}

mod table {
    pub const CHANNEL: u8 = 0;
    pub const BATCH: u8 = 1;
}

/// The name of an edge's rows within a snapshot.
pub fn edge_id(graph: &JobGraph, edge: &Edge) -> OperatorId {
    let (from, to) = (&graph.nodes[edge.from].id, &graph.nodes[edge.to].id);
    OperatorId(format!("{KIND}/{from}/{to}/{}", edge.input))
}

/// All that decides what the rows mean, and which subtask they are for.
pub fn edge_layout(graph: &JobGraph, edge: &Edge) -> StateLayout {
    let columns = graph.nodes[edge.from].output.to_arrow();
    let types: Vec<String> =
        columns.fields().iter().map(|field| field.data_type().to_string()).collect();
    let layout = format!("{:?} of ({})", edge.exchange, types.join(", "));
    StateLayout { kind: KIND.into(), layout }
}

/// For people.
pub fn edge_name(graph: &JobGraph, edge: &Edge) -> String {
    let (from, to) = (&graph.nodes[edge.from].name, &graph.nodes[edge.to].name);
    format!("rows in flight from {from} to {to}")
}

/// The edges' records as operators of a snapshot. `parallelism`: of each node.
pub fn contents(
    graph: &JobGraph,
    parallelism: impl Fn(usize) -> u16,
    reports: Vec<(u16, ChannelRecord)>,
) -> Vec<OperatorContent> {
    let mut by_edge: BTreeMap<usize, Vec<(u16, EntryBuffer)>> = BTreeMap::new();
    for (to, record) in reports {
        let from_parallelism = parallelism(graph.edges[record.edge].from);
        let buffers = by_edge.entry(record.edge).or_default();
        if buffers.last().is_none_or(|(subtask, _)| *subtask != to) {
            buffers.push((to, EntryBuffer::default()));
        }
        if let Some((_, buffer)) = buffers.last_mut() {
            write_channel(&record, to, from_parallelism, buffer);
        }
    }
    by_edge
        .into_iter()
        .map(|(index, mut subtasks)| {
            let edge = &graph.edges[index];
            subtasks.sort_by_key(|(subtask, _)| *subtask);
            OperatorContent {
                id: edge_id(graph, edge),
                name: edge_name(graph, edge),
                layout: edge_layout(graph, edge),
                state_ttl_ms: 0,
                parallelism: parallelism(edge.to),
                subtasks,
                runs: vec![],
                source: None,
                sink: None,
            }
        })
        .collect()
}

fn write_channel(record: &ChannelRecord, to: u16, from_parallelism: u16, buffer: &mut EntryBuffer) {
    let key = |position: usize| {
        let mut key = Vec::with_capacity(8);
        key.extend_from_slice(&record.from.to_le_bytes());
        key.extend_from_slice(&to.to_le_bytes());
        key.extend_from_slice(&(position as u32).to_le_bytes());
        key
    };
    let mut start = record.watermark.0.to_le_bytes().to_vec();
    start.extend_from_slice(&from_parallelism.to_le_bytes());
    buffer.put(None, table::CHANNEL, &key(0), &start);
    let batches = record.messages.iter().filter_map(|message| match message {
        Message::Batch(batch) => Some(batch),
        // What it says of time holds no longer after a restore.
        _ => None,
    });
    for (position, batch) in batches.enumerate() {
        buffer.put(None, table::BATCH, &key(position + 1), &encode_batch(batch));
    }
}

/// `u32` rows, `u8` whether kinds follow, the kinds, then each row after its `u32`
/// length ([`millrace_state::row`]).
pub fn encode_batch(batch: &Batch) -> Vec<u8> {
    let mut bytes = (batch.num_rows() as u32).to_le_bytes().to_vec();
    bytes.push(u8::from(batch.kinds.is_some()));
    if let Some(kinds) = &batch.kinds {
        bytes.extend(kinds.iter().map(|kind| *kind as u8));
    }
    if batch.record.num_columns() > 0 {
        for row in row::encode(batch.record.columns()).iter() {
            bytes.extend_from_slice(&(row.len() as u32).to_le_bytes());
            bytes.extend_from_slice(row);
        }
    }
    bytes
}

/// `None`: the bytes are no batch of such columns.
pub fn decode_batch(bytes: &[u8], schema: &SchemaRef) -> Option<Batch> {
    let mut left = bytes;
    let count = u32::from_le_bytes(take(&mut left, 4)?.try_into().ok()?) as usize;
    let kinds = match take(&mut left, 1)? {
        [0] => None,
        _ => Some(
            take(&mut left, count)?
                .iter()
                .map(|kind| row_kind(*kind))
                .collect::<Option<Vec<RowKind>>>()?,
        ),
    };
    let mut rows = vec![];
    while !left.is_empty() {
        let length = u32::from_le_bytes(take(&mut left, 4)?.try_into().ok()?) as usize;
        rows.push(take(&mut left, length)?);
    }
    let types: Vec<_> = schema.fields().iter().map(|field| field.data_type().clone()).collect();
    if rows.len() != if types.is_empty() { 0 } else { count } {
        return None;
    }
    let columns = row::decode(&types, rows.into_iter()).ok()?;
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    let record = RecordBatch::try_new_with_options(schema.clone(), columns, &options).ok()?;
    Some(Batch { record, kinds: kinds.map(Into::into) })
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(count)?;
    *bytes = tail;
    Some(head)
}

fn row_kind(code: u8) -> Option<RowKind> {
    use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
    [Insert, UpdateBefore, UpdateAfter, Delete].into_iter().find(|kind| *kind as u8 == code)
}

/// A channel as a snapshot has it.
#[derive(Debug)]
struct Stored {
    from: u16,
    to: u16,
    from_parallelism: u16,
    watermark: Watermark,
    batches: Vec<Batch>,
}

/// One receiving subtask's place on an edge.
#[derive(Clone, Copy, Debug)]
pub struct Receiving {
    pub subtask: u16,
    /// Of the senders and the receivers.
    pub parallelism: (u16, u16),
    pub max_parallelism: u16,
}

/// What the subtask has to take in on this edge before anything else: sender and
/// message, in order.
///
/// # Errors
/// The entries are not what [`contents`] wrote.
pub fn restored(
    snapshot: &LoadedSnapshot,
    graph: &JobGraph,
    edge: &Edge,
    place: Receiving,
) -> Result<VecDeque<(u16, Message)>, TaskError> {
    let Some(state) = snapshot.operator(&edge_id(graph, edge)) else {
        return Ok(VecDeque::new());
    };
    let same = |stored: &Stored| (stored.from_parallelism, state.parallelism) == place.parallelism;
    let stored = read(snapshot, graph, edge, |to, from_parallelism| {
        // At the same parallelism the others' rows need not be decoded.
        (from_parallelism, state.parallelism) != place.parallelism || to == place.subtask
    })?;
    if stored.iter().all(same) {
        return Ok(own(stored));
    }
    redistributed(stored, edge, place)
}

/// Where all channels were in time at least. Their own watermarks say nothing any more:
/// after a restore a sender may read other splits, whose rows are earlier. The end of
/// time is the end of that run's input, not of this one's.
fn least_watermark(stored: &[Stored]) -> Option<Watermark> {
    let least = stored.iter().map(|channel| channel.watermark).min();
    least.filter(|least| *least > Watermark::MIN && *least < Watermark::MAX)
}

/// First where the subtask was in time, then the rows of each channel.
fn own(stored: Vec<Stored>) -> VecDeque<(u16, Message)> {
    let mut messages = VecDeque::new();
    if let Some(least) = least_watermark(&stored) {
        messages.extend(stored.iter().map(|channel| (channel.from, Message::Watermark(least))));
    }
    for channel in stored {
        let from = channel.from;
        messages.extend(channel.batches.into_iter().map(|batch| (from, Message::Batch(batch))));
    }
    messages
}

fn redistributed(
    stored: Vec<Stored>,
    edge: &Edge,
    place: Receiving,
) -> Result<VecDeque<(u16, Message)>, TaskError> {
    let (senders, receivers) = place.parallelism;
    let mut messages = VecDeque::new();
    if let Some(least) = least_watermark(&stored) {
        messages.extend((0..senders).map(|from| (from, Message::Watermark(least))));
    }
    let mut partition = match &edge.exchange {
        Exchange::Hash(columns) => {
            Some(Partition::new(columns.clone(), place.max_parallelism, receivers))
        }
        _ => None,
    };
    for (index, channel) in stored.into_iter().enumerate() {
        let from = channel.from % senders;
        // The rows of one channel stay together: they may be of one key.
        let owner = match edge.exchange {
            Exchange::Global => 0,
            _ => index % usize::from(receivers),
        };
        for batch in channel.batches {
            let part = match &mut partition {
                Some(partition) => partition.part(&batch, place.subtask)?,
                None => (owner == usize::from(place.subtask)).then_some(batch),
            };
            messages.extend(part.map(|batch| (from, Message::Batch(batch))));
        }
    }
    Ok(messages)
}

/// The channels in order of sender and receiver; those not `wanted` are left out.
fn read(
    snapshot: &LoadedSnapshot,
    graph: &JobGraph,
    edge: &Edge,
    wanted: impl Fn(u16, u16) -> bool,
) -> Result<Vec<Stored>, TaskError> {
    let name = edge_name(graph, edge);
    let damaged = |what: &str| TaskError::new(&name, format!("the snapshot's {what}"));
    let Some(state) = snapshot.operator(&edge_id(graph, edge)) else { return Ok(vec![]) };
    let schema = graph.nodes[edge.from].output.to_arrow();
    let all = Share { key_groups: KeyGroupRange { start: 0, end: 0 }, subtask: 0, parallelism: 1 };
    let mut channels: BTreeMap<(u16, u16), Stored> = BTreeMap::new();
    let mut broken = None;
    snapshot
        .entries(state, all, |entry| {
            let read =
                read_entry(&mut channels, entry.table, entry.key, entry.value, &schema, &wanted);
            if read.is_none() {
                broken = Some(damaged("rows in flight are no rows of this edge"));
            }
        })
        .map_err(|error| TaskError::from_error(&name, &error))?;
    broken.map_or_else(|| Ok(channels.into_values().collect()), Err)
}

/// `None`: no entry that [`write_channel`] wrote.
fn read_entry(
    channels: &mut BTreeMap<(u16, u16), Stored>,
    table: u8,
    mut key: &[u8],
    mut value: &[u8],
    schema: &SchemaRef,
    wanted: &impl Fn(u16, u16) -> bool,
) -> Option<()> {
    let from = u16::from_le_bytes(take(&mut key, 2)?.try_into().ok()?);
    let to = u16::from_le_bytes(take(&mut key, 2)?.try_into().ok()?);
    if table == self::table::CHANNEL {
        let watermark = i64::from_le_bytes(take(&mut value, 8)?.try_into().ok()?);
        let from_parallelism = u16::from_le_bytes(value.try_into().ok()?);
        if wanted(to, from_parallelism) {
            let (watermark, batches) = (Watermark(watermark), vec![]);
            let stored = Stored { from, to, from_parallelism, watermark, batches };
            channels.insert((from, to), stored);
        }
        return Some(());
    }
    // A channel's own entry comes first.
    let Some(channel) = channels.get_mut(&(from, to)) else { return Some(()) };
    if table != self::table::BATCH {
        return None;
    }
    channel.batches.push(decode_batch(value, schema)?);
    debug_assert_eq!(channel.to, to);
    Some(())
}

#[cfg(test)]
mod tests;
