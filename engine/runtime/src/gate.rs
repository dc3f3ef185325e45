//! The receiving side of a task: many channels, one stream, barriers aligned.
//!
//! A channel whose barrier has come is not read until the barriers of all others
//! have: what it sends meanwhile stays in its bounded channel (Flink: aligned
//! checkpoints). So a snapshot holds exactly the rows before the barrier.

use std::time::Duration;

use crossbeam_channel::{Receiver, Select, TryRecvError};
use millrace_dataflow::{Barrier, Batch, Message};

use crate::clock::Clock;
use crate::error::TaskStop;
use crate::metrics::SubtaskMetrics;
use crate::valve::{Advance, Valve};

/// One sending subtask.
pub struct InputChannel {
    /// Which input of the operator it feeds.
    pub input: usize,
    pub receiver: Receiver<Message>,
}

pub enum GateEvent {
    Batch {
        input: usize,
        batch: Batch,
    },
    Watermark(Advance),
    /// The barrier has come on every channel.
    Barrier(Barrier),
    /// All channels have ended.
    End,
    /// Nothing came for the time given.
    Timeout,
}

pub struct InputGate {
    channels: Vec<State>,
    valve: Valve,
    cursor: usize,
    arrived: usize,
    ended: usize,
}

struct State {
    channel: InputChannel,
    blocked: bool,
    ended: bool,
}

impl InputGate {
    pub fn new(channels: Vec<InputChannel>) -> InputGate {
        let valve = Valve::new(channels.len());
        let channels =
            channels.into_iter().map(|channel| State { channel, blocked: false, ended: false });
        InputGate { channels: channels.collect(), valve, cursor: 0, arrived: 0, ended: 0 }
    }

    /// The next event; waits `timeout` at most (`None`: as long as it takes).
    pub fn next(
        &mut self,
        timeout: Option<Duration>,
        cancel: &Receiver<()>,
        metrics: &SubtaskMetrics,
        clock: &dyn Clock,
    ) -> Result<GateEvent, TaskStop> {
        loop {
            if cancel_requested(cancel) {
                return Err(TaskStop::Cancelled);
            }
            if let Some((channel, message)) = self.poll()? {
                match self.accept(channel, message) {
                    Some(event) => return Ok(event),
                    None => continue,
                }
            }
            let from = clock.monotonic_ns();
            let ready = self.wait(timeout, cancel);
            metrics.add_idle(clock.monotonic_ns().saturating_sub(from));
            if !ready {
                return Ok(GateEvent::Timeout);
            }
        }
    }

    /// A message that is there now, taken from the open channels in turn.
    fn poll(&mut self) -> Result<Option<(usize, Message)>, TaskStop> {
        let count = self.channels.len();
        for step in 0..count {
            let at = (self.cursor + step) % count;
            if self.channels[at].blocked || self.channels[at].ended {
                continue;
            }
            match self.channels[at].channel.receiver.try_recv() {
                Ok(message) => {
                    self.cursor = (at + 1) % count;
                    return Ok(Some((at, message)));
                }
                Err(TryRecvError::Empty) => {}
                // Its sender went away without an end: it failed or was cancelled.
                Err(TryRecvError::Disconnected) => return Err(TaskStop::Cancelled),
            }
        }
        Ok(None)
    }

    /// Whether something came within the time.
    fn wait(&self, timeout: Option<Duration>, cancel: &Receiver<()>) -> bool {
        let mut select = Select::new();
        select.recv(cancel);
        for state in self.channels.iter().filter(|state| !state.blocked && !state.ended) {
            select.recv(&state.channel.receiver);
        }
        match timeout {
            Some(timeout) => select.ready_timeout(timeout).is_ok(),
            None => {
                select.ready();
                true
            }
        }
    }

    fn accept(&mut self, channel: usize, message: Message) -> Option<GateEvent> {
        match message {
            Message::Batch(batch) => {
                self.valve.active(channel);
                Some(GateEvent::Batch { input: self.channels[channel].channel.input, batch })
            }
            Message::Watermark(watermark) => advanced(self.valve.watermark(channel, watermark)),
            Message::Idle => advanced(self.valve.idle(channel)),
            Message::Barrier(barrier) => self.barrier(channel, barrier),
            Message::End => self.end(channel),
        }
    }

    fn barrier(&mut self, channel: usize, barrier: Barrier) -> Option<GateEvent> {
        self.channels[channel].blocked = true;
        self.arrived += 1;
        if self.arrived + self.ended < self.channels.len() {
            return None;
        }
        self.arrived = 0;
        for state in &mut self.channels {
            state.blocked = false;
        }
        Some(GateEvent::Barrier(barrier))
    }

    // A sender ends only after its last barrier, which all others send too, so an
    // end never completes an alignment.
    fn end(&mut self, channel: usize) -> Option<GateEvent> {
        self.channels[channel].ended = true;
        self.ended += 1;
        (self.ended == self.channels.len()).then_some(GateEvent::End)
    }
}

fn advanced(advance: Advance) -> Option<GateEvent> {
    (advance != Advance::Nothing).then_some(GateEvent::Watermark(advance))
}

/// The coordinator asks by dropping its end.
pub fn cancel_requested(cancel: &Receiver<()>) -> bool {
    matches!(cancel.try_recv(), Err(TryRecvError::Disconnected))
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{Sender, bounded};
    use millrace_dataflow::{BarrierKind, CheckpointId, Watermark};

    use super::*;

    struct Stopped;

    impl Clock for Stopped {
        fn now_ms(&self) -> i64 {
            0
        }
        fn monotonic_ns(&self) -> u64 {
            0
        }
    }

    fn barrier(id: u64) -> Message {
        let kind = BarrierKind::Checkpoint;
        Message::Barrier(Barrier { checkpoint: CheckpointId(id), kind })
    }

    /// Sends the script's messages (channel, message), then reads what comes out.
    fn check(channels: usize, script: Vec<(usize, Message)>, expected: &[&str]) {
        let (senders, receivers): (Vec<Sender<Message>>, Vec<_>) =
            (0..channels).map(|_| bounded(16)).unzip();
        let inputs = receivers.into_iter().enumerate();
        let mut gate = InputGate::new(
            inputs.map(|(input, receiver)| InputChannel { input, receiver }).collect(),
        );
        let (_keep, cancel) = bounded(0);
        for (channel, message) in script {
            senders[channel].send(message).unwrap();
        }
        let mut seen = vec![];
        loop {
            let wait = Some(Duration::from_millis(1));
            match gate.next(wait, &cancel, &SubtaskMetrics::default(), &Stopped).unwrap() {
                GateEvent::Batch { input, .. } => seen.push(format!("batch {input}")),
                GateEvent::Watermark(advance) => seen.push(format!("{advance:?}")),
                GateEvent::Barrier(barrier) => seen.push(format!("barrier {}", barrier.checkpoint)),
                GateEvent::End => seen.push("end".into()),
                GateEvent::Timeout => break,
            }
        }
        assert_eq!(seen, expected);
    }

    fn batch() -> Message {
        let schema = std::sync::Arc::new(arrow::datatypes::Schema::empty());
        Message::Batch(Batch::insert_only(arrow::record_batch::RecordBatch::new_empty(schema)))
    }

    #[test]
    fn rows_after_a_barrier_wait_until_all_barriers_came() {
        check(
            2,
            vec![(0, barrier(1)), (0, batch()), (1, batch()), (1, barrier(1))],
            &["batch 1", "barrier 1", "batch 0"],
        );
    }

    #[test]
    fn a_missing_barrier_holds_its_neighbour_back() {
        check(2, vec![(0, barrier(1)), (0, batch()), (1, batch())], &["batch 1"]);
    }

    #[test]
    fn an_ended_channel_counts_as_aligned() {
        check(
            2,
            vec![(1, barrier(1)), (0, barrier(1)), (0, Message::End), (1, barrier(2))],
            &["barrier 1", "barrier 2"],
        );
    }

    #[test]
    fn watermarks_wait_for_the_least_and_all_ends_are_one_end() {
        check(
            2,
            vec![
                (0, Message::Watermark(Watermark(5))),
                (1, Message::Watermark(Watermark(3))),
                (0, Message::End),
                (1, Message::End),
            ],
            &["To(Watermark(3))", "end"],
        );
    }
}
