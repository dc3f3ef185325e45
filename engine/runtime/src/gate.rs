//! The receiving side of a task: many channels, one stream, and where a checkpoint
//! cuts it.
//!
//! *Aligned.* A channel whose barrier has come is not read until the barriers of all
//! others have: what it sends meanwhile stays in its channel. So a snapshot holds
//! exactly the rows before the barrier.
//!
//! *Unaligned* (Flink: FLIP-76). From the time that a barrier names on, nobody waits:
//! the task's state is snapshotted at once, and what lies between that state and each
//! channel's barrier is recorded, which is what was queued before the barrier and what
//! still comes before it. The task goes on with those rows as ever; the record is
//! replayed after a restore. Channels that may not be recorded (forward edges, whose
//! rows no other subtask could take) are aligned first.
//!
//! ```text
//! Open ─ barrier read ─► Arrived ─ snapshot, all arrived ─► Open
//!   └─── snapshot ─────► Recording ─ barrier ─► Arrived
//! ```
//!
//! One checkpoint at a time: the barrier of the next one waits in its channel until
//! this one has all its barriers. Every channel has every barrier, in one order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use millrace_dataflow::{Barrier, Batch, Message};

use crate::channel::{Gone, Inbox, Receiver};
use crate::clock::Clock;
use crate::coalesce::concatenate;
use crate::debloat::{Counted, Debloater};
use crate::error::TaskStop;
use crate::in_flight::{AlignmentReport, ChannelRecord};
use crate::metrics::{SubtaskMetrics, Wait};
use crate::size::message_bytes;
use crate::valve::{Advance, Valve};

/// A batch of so many rows or fewer is worth copying to have one with others.
const SMALL_ROWS: usize = 512;
/// Small batches that wait are made one of at most so many rows.
const COALESCED_ROWS: usize = 4_096;
/// And of at most so many batches.
const COALESCED_BATCHES: usize = 1_024;
/// A subtask that would record more bytes than this gives the checkpoint up.
const MOST_RECORDED: usize = 256 * 1024 * 1024;

/// One sending subtask.
pub struct InputChannel {
    /// Which input of the operator it feeds.
    pub input: usize,
    /// Index into the graph's edges.
    pub edge: usize,
    pub from: u16,
    /// Its rows may become part of a checkpoint.
    pub overtakes: bool,
    pub receiver: Receiver,
}

#[derive(Debug)]
pub enum GateEvent {
    Batch {
        input: usize,
        batch: Batch,
    },
    Watermark(Advance),
    /// The state is to be snapshotted now, and the barrier passed on.
    Barrier(Barrier),
    /// The barrier has come on every channel since: [`InputGate::finished`].
    Recorded,
    /// All channels have ended.
    End,
    /// Nothing came for the time given.
    Nothing,
}

/// What waiting needs of the task.
pub struct GateContext<'a> {
    pub metrics: &'a SubtaskMetrics,
    pub clock: &'a dyn Clock,
}

pub struct InputGate {
    channels: Vec<State>,
    inbox: Arc<Inbox>,
    /// Restored messages by channel: before anything else is read.
    backlog: VecDeque<(usize, Message)>,
    valve: Valve,
    cursor: usize,
    alignment: Option<Alignment>,
    ended: usize,
    /// Bytes taken from the channels so far.
    consumed: usize,
    debloater: Debloater,
}

struct State {
    channel: InputChannel,
    status: Status,
    ended: bool,
    record: Option<ChannelRecord>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Open,
    Arrived,
    Recording,
}

/// The checkpoint whose barriers are coming.
struct Alignment {
    barrier: Barrier,
    began_ns: u64,
    consumed_before: usize,
    /// The state was snapshotted.
    snapshot: bool,
    /// Bytes recorded.
    persisted: usize,
}

impl InputGate {
    /// `backlog`: what a restored checkpoint had recorded, by channel.
    pub fn new(
        channels: Vec<InputChannel>,
        inbox: Arc<Inbox>,
        backlog: VecDeque<(usize, Message)>,
        debloater: Debloater,
    ) -> InputGate {
        let valve = Valve::new(channels.len());
        let channels = channels
            .into_iter()
            .map(|channel| State { channel, status: Status::Open, ended: false, record: None })
            .collect();
        InputGate {
            channels,
            inbox,
            backlog,
            valve,
            cursor: 0,
            alignment: None,
            ended: 0,
            consumed: 0,
            debloater,
        }
    }

    /// The next event; waits `timeout` at most.
    pub fn next(&mut self, timeout: Duration, ctx: &GateContext) -> Result<GateEvent, TaskStop> {
        let mut waited = false;
        loop {
            if self.inbox.wake.is_cancelled() {
                return Err(TaskStop::Cancelled);
            }
            if let Some(event) = self.look_for_barriers(ctx.clock) {
                return Ok(event);
            }
            if let Some((channel, message)) = self.take()? {
                match self.accept(channel, message, ctx.clock)? {
                    Some(event) => return Ok(event),
                    None => continue,
                }
            }
            if waited {
                return Ok(GateEvent::Nothing);
            }
            self.wait(Wait::Idle, timeout, ctx);
            waited = true;
        }
    }

    /// While the task cannot take rows for want of room in its outputs: only what a
    /// barrier that overtakes brings about.
    pub fn next_without_rows(
        &mut self,
        timeout: Duration,
        ctx: &GateContext,
    ) -> Result<GateEvent, TaskStop> {
        if let Some(event) = self.look_for_barriers(ctx.clock) {
            return Ok(event);
        }
        self.wait(Wait::Soft, timeout, ctx);
        if self.inbox.wake.is_cancelled() {
            return Err(TaskStop::Cancelled);
        }
        Ok(GateEvent::Nothing)
    }

    fn wait(&self, kind: Wait, timeout: Duration, ctx: &GateContext) {
        let timeout = self.until_overtaking(timeout, ctx.clock);
        ctx.metrics.while_waiting(kind, ctx.clock, || self.inbox.wake.wait(timeout));
    }

    /// Looks at how full the channels are, and how fast they are emptied, when it is time.
    pub fn measure(&mut self, ctx: &GateContext) {
        let at_ns = ctx.clock.monotonic_ns();
        if !self.debloater.is_due(at_ns) {
            return;
        }
        let counted = Counted { at_ns, consumed: self.consumed, idle_ns: ctx.metrics.idle_ns() };
        let open = self.channels.iter().filter(|state| !state.ended);
        let receivers: Vec<&Receiver> = open.map(|state| &state.channel.receiver).collect();
        if let Some(limit) = self.debloater.measure(counted, receivers.len()) {
            receivers.iter().for_each(|receiver| receiver.set_limit(limit));
        }
        let queued: usize = receivers.iter().map(|receiver| receiver.used()).sum();
        let limits: usize = receivers.iter().map(|receiver| receiver.limit()).sum();
        ctx.metrics.update_network(|network| {
            network.limit = (limits / receivers.len().max(1)) as u64;
            network.queued = queued as u64;
            network.consume_ms = self.debloater.time_for(queued);
            network.in_usage = queued as f64 / limits.max(1) as f64;
        });
    }

    /// What became of the checkpoint under way, once all its barriers are here; the next
    /// one may begin then.
    pub fn finished(&mut self, clock: &dyn Clock) -> Option<AlignmentReport> {
        let all = self.alignment.as_ref().is_some_and(|a| a.snapshot) && self.all_arrived();
        let alignment = self.alignment.take_if(|_| all)?;
        let records: Vec<ChannelRecord> =
            self.channels.iter_mut().filter_map(|state| state.record.take()).collect();
        for state in &mut self.channels {
            state.status = Status::Open;
        }
        let refused = alignment.persisted > MOST_RECORDED;
        Some(AlignmentReport {
            unaligned: !records.is_empty(),
            records: if refused { vec![] } else { records },
            duration_ms: clock.monotonic_ns().saturating_sub(alignment.began_ns) / 1_000_000,
            persisted: alignment.persisted,
            processed: self.consumed - alignment.consumed_before,
            refused: refused
                .then(|| format!("more than {} MiB of rows were in flight", MOST_RECORDED >> 20)),
        })
    }

    /// A message that is there now: restored ones first, then from the channels in turn.
    fn take(&mut self) -> Result<Option<(usize, Message)>, TaskStop> {
        if let Some((channel, message)) = self.backlog.pop_front() {
            self.record(channel, &message);
            return Ok(Some((channel, message)));
        }
        let count = self.channels.len();
        for step in 0..count {
            let at = (self.cursor + step) % count;
            if !self.is_readable(at) {
                continue;
            }
            let state = &self.channels[at];
            // Barriers of the next checkpoint wait for the end of this one.
            let hold = state.status == Status::Arrived;
            match state.channel.receiver.pop(hold) {
                Ok(Some(message)) => {
                    self.cursor = (at + 1) % count;
                    self.consumed += message_bytes(&message);
                    self.record(at, &message);
                    return Ok(Some((at, message)));
                }
                Ok(None) => {}
                // Its sender went away without an end: it failed or was cancelled.
                Err(Gone) => return Err(TaskStop::Cancelled),
            }
        }
        Ok(None)
    }

    fn is_readable(&self, channel: usize) -> bool {
        let state = &self.channels[channel];
        let blocked = state.status == Status::Arrived
            && self.alignment.as_ref().is_some_and(|alignment| !alignment.snapshot);
        !state.ended && !blocked
    }

    fn accept(
        &mut self,
        channel: usize,
        message: Message,
        clock: &dyn Clock,
    ) -> Result<Option<GateEvent>, TaskStop> {
        Ok(match message {
            Message::Batch(batch) => {
                self.valve.active(channel);
                let input = self.channels[channel].channel.input;
                Some(GateEvent::Batch { input, batch: self.gather(channel, batch)? })
            }
            Message::Watermark(watermark) => advanced(self.valve.watermark(channel, watermark)),
            Message::Idle => advanced(self.valve.idle(channel)),
            Message::Barrier(barrier) => self.barrier(channel, barrier, clock),
            Message::End => self.end(channel),
        })
    }

    /// The batch with what else waits for the same input, when it is small: it waits for
    /// nothing.
    fn gather(&mut self, first: usize, batch: Batch) -> Result<Batch, TaskStop> {
        if batch.num_rows() > SMALL_ROWS || !self.backlog.is_empty() {
            return Ok(batch);
        }
        let (count, input) = (self.channels.len(), self.channels[first].channel.input);
        let mut left = COALESCED_ROWS - batch.num_rows();
        let mut parts = vec![batch];
        for at in (0..count).map(|step| (first + step) % count) {
            if self.channels[at].channel.input != input || !self.is_readable(at) {
                continue;
            }
            while parts.len() < COALESCED_BATCHES
                && let Some(next) =
                    self.channels[at].channel.receiver.pop_batch(left.min(SMALL_ROWS))
            {
                left -= next.num_rows();
                let message = Message::Batch(next.clone());
                self.consumed += message_bytes(&message);
                self.record(at, &message);
                self.valve.active(at);
                parts.push(next);
            }
        }
        Ok(concatenate(parts)?)
    }

    // A sender ends only after its last barrier, which all others send too, so an
    // end never completes an alignment.
    fn end(&mut self, channel: usize) -> Option<GateEvent> {
        self.channels[channel].ended = true;
        self.ended += 1;
        (self.ended == self.channels.len()).then_some(GateEvent::End)
    }

    /// A barrier that was read in its place.
    fn barrier(
        &mut self,
        channel: usize,
        barrier: Barrier,
        clock: &dyn Clock,
    ) -> Option<GateEvent> {
        self.begin(barrier, clock);
        self.channels[channel].status = Status::Arrived;
        if !self.all_arrived() {
            return None;
        }
        let alignment = self.alignment.as_mut()?;
        if alignment.snapshot {
            return Some(GateEvent::Recorded);
        }
        alignment.snapshot = true;
        Some(GateEvent::Barrier(alignment.barrier))
    }

    fn begin(&mut self, barrier: Barrier, clock: &dyn Clock) {
        let (began_ns, consumed_before) = (clock.monotonic_ns(), self.consumed);
        self.alignment.get_or_insert(Alignment {
            barrier,
            began_ns,
            consumed_before,
            snapshot: false,
            persisted: 0,
        });
    }

    fn all_arrived(&self) -> bool {
        self.channels.iter().all(|state| state.ended || state.status == Status::Arrived)
    }

    /// What barriers that are not yet read bring about.
    fn look_for_barriers(&mut self, clock: &dyn Clock) -> Option<GateEvent> {
        if !self.inbox.has_overtaking() && self.alignment.is_none() {
            return None;
        }
        if self.alignment.as_ref().is_some_and(|alignment| alignment.snapshot) {
            return self.take_late_barriers();
        }
        let barrier = self.awaited()?;
        if barrier.overtakes_at_ns? > clock.monotonic_ns() || !self.forced_arrived() {
            return None;
        }
        self.begin(barrier, clock);
        self.start_records(barrier);
        self.alignment.as_mut()?.snapshot = true;
        Some(GateEvent::Barrier(barrier))
    }

    /// The barrier under way, read or not.
    fn awaited(&self) -> Option<Barrier> {
        if let Some(alignment) = &self.alignment {
            return Some(alignment.barrier);
        }
        let open = self.channels.iter().filter(|state| !state.ended);
        open.filter_map(|state| state.channel.receiver.first_barrier())
            .min_by_key(|barrier| barrier.checkpoint)
    }

    fn forced_arrived(&self) -> bool {
        let mut forced = self.channels.iter().filter(|state| !state.channel.overtakes);
        forced.all(|state| state.ended || state.status == Status::Arrived)
    }

    /// From here on each channel's messages up to its barrier are recorded.
    fn start_records(&mut self, barrier: Barrier) {
        for at in 0..self.channels.len() {
            let watermark = self.valve.channel(at);
            let state = &mut self.channels[at];
            if state.ended || !state.channel.overtakes {
                continue;
            }
            let (edge, from) = (state.channel.edge, state.channel.from);
            state.record = Some(ChannelRecord { edge, from, watermark, messages: vec![] });
            if state.status == Status::Open {
                state.status = Status::Recording;
                self.take_late_barrier(at, barrier);
            }
        }
    }

    fn take_late_barriers(&mut self) -> Option<GateEvent> {
        let barrier = self.alignment.as_ref()?.barrier;
        if self.inbox.has_overtaking() {
            (0..self.channels.len()).for_each(|at| self.take_late_barrier(at, barrier));
        }
        self.all_arrived().then_some(GateEvent::Recorded)
    }

    /// Ends a channel's record when its barrier is in its queue.
    fn take_late_barrier(&mut self, at: usize, barrier: Barrier) {
        if self.channels[at].status != Status::Recording {
            return;
        }
        let overtaken = self.channels[at].channel.receiver.overtake(barrier.checkpoint);
        let Some(queued) = overtaken else { return };
        let restored: Vec<Message> = self
            .backlog
            .iter()
            .filter(|(channel, _)| *channel == at)
            .map(|(_, message)| message.clone())
            .collect();
        for message in restored.into_iter().chain(queued) {
            self.record(at, &message);
        }
        self.channels[at].status = Status::Arrived;
    }

    /// Keeps a copy of a message that lies before the barrier.
    fn record(&mut self, channel: usize, message: &Message) {
        let state = &mut self.channels[channel];
        if state.status != Status::Recording
            || matches!(message, Message::Barrier(_) | Message::End)
        {
            return;
        }
        let (Some(record), Some(alignment)) = (&mut state.record, &mut self.alignment) else {
            return;
        };
        alignment.persisted += message_bytes(message);
        if alignment.persisted > MOST_RECORDED {
            record.messages.clear();
        } else {
            record.messages.push(message.clone());
        }
    }

    /// At most until the barrier under way may overtake.
    fn until_overtaking(&self, timeout: Duration, clock: &dyn Clock) -> Duration {
        let snapshot = self.alignment.as_ref().is_some_and(|alignment| alignment.snapshot);
        if snapshot || !(self.inbox.has_overtaking() || self.alignment.is_some()) {
            return timeout;
        }
        let at = self.awaited().and_then(|barrier| barrier.overtakes_at_ns);
        let now_ns = clock.monotonic_ns();
        // Once it may, only a barrier that is still missing holds it, and wakes the task.
        at.filter(|at| *at > now_ns)
            .map_or(timeout, |at| timeout.min(Duration::from_nanos(at - now_ns)))
    }
}

fn advanced(advance: Advance) -> Option<GateEvent> {
    (advance != Advance::Nothing).then_some(GateEvent::Watermark(advance))
}

#[cfg(test)]
mod tests;
