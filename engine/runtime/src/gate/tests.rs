//! Scripts of one gate, and random schedules of it against what a cut must hold.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::Int64Type;
use arrow::record_batch::RecordBatch;
use millrace_dataflow::{BarrierKind, CheckpointId, Watermark};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::channel::{LIMIT, Sender, channel};
use crate::debloat::DebloatSettings;
use crate::wake::Wake;

const DEBLOAT: DebloatSettings = DebloatSettings {
    enabled: false,
    target_ms: 1_000,
    period_ms: 200,
    samples: 20,
    threshold_percent: 25,
};

/// A clock that someone sets.
#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now_ms(&self) -> i64 {
        0
    }
    fn monotonic_ns(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn rows(ids: &[i64]) -> Message {
    let column: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
    Message::Batch(Batch::insert_only(RecordBatch::try_from_iter([("n", column)]).unwrap()))
}

fn ids(batch: &Batch) -> Vec<i64> {
    batch.record.column(0).as_primitive::<Int64Type>().values().to_vec()
}

fn mark(at: i64) -> Message {
    Message::Watermark(Watermark(at))
}

fn barrier_at(id: u64, overtakes_at_ns: Option<u64>) -> Message {
    let kind = BarrierKind::Checkpoint;
    Message::Barrier(Barrier { checkpoint: CheckpointId(id), kind, overtakes_at_ns })
}

fn aligned(id: u64) -> Message {
    barrier_at(id, None)
}

fn unaligned(id: u64) -> Message {
    barrier_at(id, Some(0))
}

/// A gate, the channels into it, and all that it needs.
struct World {
    gate: InputGate,
    senders: Vec<Sender>,
    clock: Hand,
    metrics: SubtaskMetrics,
}

impl World {
    /// `forced`: channels that are never overtaken.
    fn new(channels: usize, forced: &[usize], backlog: VecDeque<(usize, Message)>) -> World {
        let wake = Wake::shared();
        let inbox = Inbox::new(wake);
        let (mut senders, mut inputs) = (vec![], vec![]);
        for at in 0..channels {
            let (sender, receiver) = channel(Wake::shared(), Arc::clone(&inbox), LIMIT);
            senders.push(sender);
            let overtakes = !forced.contains(&at);
            inputs.push(InputChannel { input: at, edge: 0, from: at as u16, overtakes, receiver });
        }
        let gate = InputGate::new(inputs, inbox, backlog, Debloater::new(DEBLOAT, LIMIT, 0));
        World { gate, senders, clock: Hand::default(), metrics: SubtaskMetrics::default() }
    }

    fn next(&mut self) -> GateEvent {
        let ctx = GateContext { metrics: &self.metrics, clock: &self.clock };
        self.gate.next(Duration::ZERO, &ctx).unwrap()
    }

    fn next_without_rows(&mut self) -> GateEvent {
        let ctx = GateContext { metrics: &self.metrics, clock: &self.clock };
        self.gate.next_without_rows(Duration::ZERO, &ctx).unwrap()
    }
}

/// What an event and the end of a checkpoint look like.
fn texts(world: &mut World, event: GateEvent) -> Vec<String> {
    let mut seen = match event {
        GateEvent::Batch { input, batch } => vec![format!("{input}: {:?}", ids(&batch))],
        GateEvent::Watermark(advance) => vec![format!("{advance:?}")],
        GateEvent::Barrier(barrier) => vec![format!("snapshot {}", barrier.checkpoint)],
        GateEvent::End => vec!["end".into()],
        GateEvent::Recorded | GateEvent::Nothing => vec![],
    };
    if let Some(report) = world.gate.finished(&world.clock) {
        let records: Vec<String> = report.records.iter().map(record_text).collect();
        seen.push(format!("done [{}]", records.join(", ")));
    }
    seen
}

fn record_text(record: &ChannelRecord) -> String {
    let message = |message: &Message| match message {
        Message::Batch(batch) => format!("{:?}", ids(batch)),
        Message::Watermark(watermark) => format!("w{}", watermark.0),
        other => format!("{other:?}"),
    };
    let messages: Vec<String> = record.messages.iter().map(message).collect();
    format!("{}: {}", record.from, messages.join(" "))
}

/// Sends the script's messages, then reads what comes out until nothing does.
fn check(world: &mut World, script: Vec<(usize, Message)>, expected: &[&str]) {
    for (channel, message) in script {
        world.senders[channel].push(message).unwrap();
    }
    let mut seen = vec![];
    loop {
        let event = world.next();
        let nothing = matches!(event, GateEvent::Nothing);
        seen.extend(texts(world, event));
        if nothing {
            break;
        }
    }
    assert_eq!(seen, expected);
}

fn plain(channels: usize) -> World {
    World::new(channels, &[], VecDeque::new())
}

#[test]
fn rows_after_a_barrier_wait_until_all_barriers_came() {
    check(
        &mut plain(2),
        vec![(0, aligned(1)), (0, rows(&[1])), (1, rows(&[2])), (1, aligned(1))],
        &["1: [2]", "snapshot 1", "done []", "0: [1]"],
    );
}

#[test]
fn a_missing_barrier_holds_its_neighbour_back() {
    let script = vec![(0, aligned(1)), (0, rows(&[1])), (1, rows(&[2]))];
    check(&mut plain(2), script, &["1: [2]"]);
}

#[test]
fn an_ended_channel_counts_as_arrived() {
    for (barrier, ends) in [
        (aligned as fn(u64) -> Message, ["done []", "done []"]),
        (unaligned, ["done [0: , 1: ]", "done [0: , 1: ]"]),
    ] {
        check(
            &mut plain(2),
            vec![(1, barrier(1)), (0, barrier(1)), (0, Message::End), (1, barrier(2))],
            &["snapshot 1", ends[0], "snapshot 2", ends[1]],
        );
    }
}

#[test]
fn watermarks_wait_for_the_least_and_all_ends_are_one_end() {
    let ends = vec![(0, mark(5)), (1, mark(3)), (0, Message::End), (1, Message::End)];
    check(&mut plain(2), ends, &["To(Watermark(3))", "end"]);
}

#[test]
fn f4_8_a_barrier_overtakes_what_is_queued_and_what_still_comes_is_recorded() {
    let mut world = plain(2);
    check(
        &mut world,
        vec![(0, rows(&[1])), (0, mark(7)), (0, unaligned(1)), (0, rows(&[2])), (1, rows(&[3]))],
        // Channel 0's own rows go on, and so do those of channel 1, whose barrier is late.
        &["snapshot 1", "0: [1]", "1: [3]", "0: [2]"],
    );
    check(
        &mut world,
        vec![(1, rows(&[4])), (1, unaligned(1)), (1, rows(&[5]))],
        &["done [0: [1] w7, 1: [3] [4]]", "1: [4, 5]"],
    );
}

#[test]
fn f4_8_without_room_for_its_rows_a_task_still_lets_a_barrier_pass() {
    let mut world = plain(1);
    for message in [rows(&[1]), rows(&[2]), unaligned(1)] {
        world.senders[0].push(message).unwrap();
    }
    let event = world.next_without_rows();
    assert_eq!(texts(&mut world, event), ["snapshot 1", "done [0: [1] [2]]"]);
    let event = world.next_without_rows();
    assert_eq!(texts(&mut world, event), [""; 0]);
    check(&mut world, vec![], &["0: [1, 2]"]);
}

#[test]
fn f4_11_alignment_is_given_up_at_its_timeout_alone() {
    let mut world = plain(2);
    let late = || barrier_at(1, Some(1_000));
    let script = vec![(0, late()), (0, rows(&[1])), (1, rows(&[2]))];
    check(&mut world, script, &["1: [2]"]);
    world.clock.0.store(1_000, Ordering::SeqCst);
    // The rows that were waited with lie behind the barrier.
    check(&mut world, vec![(1, rows(&[3]))], &["snapshot 1", "0: [1]", "1: [3]"]);
    check(&mut world, vec![(1, late())], &["done [0: , 1: [3]]"]);
    // All barriers in time: nothing is recorded.
    let next = || barrier_at(2, Some(9_000));
    let script = vec![(0, rows(&[4])), (0, next()), (1, next())];
    check(&mut world, script, &["0: [4]", "snapshot 2", "done []"]);
}

#[test]
fn a_forward_channel_is_aligned_before_others_are_overtaken() {
    let mut world = World::new(2, &[0], VecDeque::new());
    let script = vec![(0, rows(&[1])), (1, rows(&[2])), (1, unaligned(1)), (0, unaligned(1))];
    check(&mut world, script, &["0: [1]", "1: [2]", "snapshot 1", "done [1: ]"]);
    let script = vec![(0, unaligned(2)), (0, rows(&[3])), (1, rows(&[4]))];
    check(&mut world, script, &["1: [4]", "snapshot 2", "0: [3]"]);
    let script = vec![(1, rows(&[5])), (1, unaligned(2))];
    check(&mut world, script, &["done [1: [5]]", "1: [5]"]);
}

#[test]
fn restored_rows_come_before_all_others_and_into_the_next_checkpoint() {
    let backlog = [(0, mark(1)), (1, mark(2)), (0, rows(&[1])), (1, rows(&[2]))];
    let mut world = World::new(2, &[], backlog.into());
    world.senders[0].push(rows(&[3])).unwrap();
    let event = world.next();
    assert_eq!(texts(&mut world, event), ["To(Watermark(1))"]);
    let event = world.next();
    assert_eq!(texts(&mut world, event), ["0: [1]"]);
    world.senders[0].push(unaligned(1)).unwrap();
    check(
        &mut world,
        vec![(1, rows(&[4])), (1, unaligned(1))],
        &["snapshot 1", "done [0: [3], 1: [2] [4]]", "1: [2, 4]", "0: [3]"],
    );
}

#[test]
fn a_barrier_of_the_next_checkpoint_waits_for_the_end_of_this_one() {
    let mut world = plain(2);
    let script = vec![(0, unaligned(1)), (0, rows(&[1])), (0, unaligned(2)), (0, rows(&[2]))];
    check(&mut world, script, &["snapshot 1", "0: [1]"]);
    let script = vec![(1, rows(&[3])), (1, unaligned(1)), (1, unaligned(2))];
    check(
        &mut world,
        script,
        &["done [0: , 1: [3]]", "snapshot 2", "done [0: , 1: [3]]", "1: [3]", "0: [2]"],
    );
}

#[test]
fn small_batches_that_wait_become_one() {
    let mut world = World::new(1, &[], VecDeque::new());
    let script = vec![(0, rows(&[1])), (0, rows(&[2, 3])), (0, mark(1)), (0, rows(&[4]))];
    check(&mut world, script, &["0: [1, 2, 3]", "To(Watermark(1))", "0: [4]"]);
    let big: Vec<i64> = (0..3_000).collect();
    for ids in [&big[..], &[1], &[2], &big[..]] {
        world.senders[0].push(rows(ids)).unwrap();
    }
    let mut lengths = vec![];
    while let GateEvent::Batch { batch, .. } = world.next() {
        lengths.push(batch.num_rows());
    }
    assert_eq!(lengths, [3_000, 2, 3_000], "a large batch is not copied");
    let some: Vec<i64> = (0..500).collect();
    (0..9).for_each(|_| world.senders[0].push(rows(&some)).unwrap());
    let mut lengths = vec![];
    while let GateEvent::Batch { batch, .. } = world.next() {
        lengths.push(batch.num_rows());
    }
    assert_eq!(lengths, [4_000, 500], "no more than fit");
}

/// One channel's stream: rows `channel * 1_000_000 + n`.
struct Stream {
    messages: VecDeque<Message>,
    /// Rows before each barrier.
    before: Vec<usize>,
}

fn stream(channel: usize, barriers: &[Message], rng: &mut StdRng) -> Stream {
    let (mut messages, mut before, mut rows_so_far) = (VecDeque::new(), vec![], 0);
    for barrier in barriers.iter().map(Some).chain([None]) {
        for _ in 0..rng.random_range(0..6) {
            match rng.random_range(0..8) {
                0 => messages.push_back(mark(rows_so_far)),
                1 => messages.push_back(Message::Idle),
                _ => {
                    let count = rng.random_range(1..4);
                    let first = channel as i64 * 1_000_000 + rows_so_far;
                    messages.push_back(rows(&(first..first + count).collect::<Vec<_>>()));
                    rows_so_far += count;
                }
            }
        }
        messages.extend(barrier.cloned());
        before.push(rows_so_far as usize);
    }
    messages.push_back(Message::End);
    Stream { messages, before }
}

/// What an operator behind the gate would have: each channel's rows, in order.
#[derive(Clone, Default, PartialEq, Debug)]
struct Seen(Vec<Vec<i64>>);

impl Seen {
    fn take(&mut self, batch: &Batch) {
        for id in ids(batch) {
            self.0[(id / 1_000_000) as usize].push(id);
        }
    }

    fn with(mut self, records: &[ChannelRecord]) -> Seen {
        for message in records.iter().flat_map(|record| &record.messages) {
            if let Message::Batch(batch) = message {
                self.take(batch);
            }
        }
        self
    }

    fn lengths(&self) -> Vec<usize> {
        self.0.iter().map(Vec::len).collect()
    }

    fn assert_sound(&self, seed: u64) {
        for (channel, ids) in self.0.iter().enumerate() {
            let first = channel as i64 * 1_000_000;
            let expected: Vec<i64> = (first..first + ids.len() as i64).collect();
            assert_eq!(*ids, expected, "seed {seed}: channel {channel}");
        }
    }
}

/// A run of random steps; dies after some checkpoint, and goes on from it.
fn check_schedule(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let channels = rng.random_range(1..5);
    let forced: Vec<usize> = (0..channels).filter(|_| rng.random_range(0..5) == 0).collect();
    let barriers: Vec<Message> = (1..=4)
        .map(|id| {
            let at = [None, Some(0), Some(rng.random_range(0..400))][rng.random_range(0..3)];
            barrier_at(id, at)
        })
        .collect();
    let streams: Vec<Stream> =
        (0..channels).map(|channel| stream(channel, &barriers, &mut rng)).collect();
    let mut rest: Vec<VecDeque<Message>> = streams.iter().map(|s| s.messages.clone()).collect();
    let mut world = World::new(channels, &forced, VecDeque::new());
    let mut seen = Seen(vec![vec![]; channels]);
    let mut snapshot = None;
    let die_after = rng.random_range(1..6);
    loop {
        let channel = rng.random_range(0..channels);
        let event = match rng.random_range(0..4) {
            0 => {
                if let Some(message) = rest[channel].pop_front() {
                    world.senders[channel].push(message).unwrap();
                }
                world.clock.0.fetch_add(rng.random_range(0..10), Ordering::SeqCst);
                continue;
            }
            1 => world.next_without_rows(),
            _ => world.next(),
        };
        match event {
            GateEvent::Batch { batch, .. } => seen.take(&batch),
            GateEvent::Barrier(barrier) => snapshot = Some((barrier.checkpoint.0, seen.clone())),
            GateEvent::End => break,
            GateEvent::Watermark(_) | GateEvent::Recorded | GateEvent::Nothing => {}
        }
        if let Some(report) = world.gate.finished(&world.clock) {
            let (id, state) = snapshot.take().expect("a snapshot before its records");
            let at = id as usize - 1;
            let cut = state.clone().with(&report.records);
            cut.assert_sound(seed);
            let before: Vec<usize> = streams.iter().map(|stream| stream.before[at]).collect();
            assert_eq!(cut.lengths(), before, "seed {seed}: what checkpoint {id} holds");
            if id == die_after {
                (world, seen, rest) = restart(&report, state, &streams, id, &forced);
            }
        }
    }
    seen.assert_sound(seed);
    let all: Vec<usize> = streams.iter().map(|stream| stream.before[barriers.len()]).collect();
    assert_eq!(seen.lengths(), all, "seed {seed}: every row once");
}

/// The same gate again from a checkpoint: its state, its records, and the streams after
/// its barrier.
fn restart(
    report: &AlignmentReport,
    state: Seen,
    streams: &[Stream],
    checkpoint: u64,
    forced: &[usize],
) -> (World, Seen, Vec<VecDeque<Message>>) {
    let backlog = report.records.iter().flat_map(|record| {
        let from = usize::from(record.from);
        record.messages.iter().map(move |message| (from, message.clone()))
    });
    let world = World::new(streams.len(), forced, backlog.collect());
    let is_cut = |message: &&Message| matches!(message, Message::Barrier(barrier) if barrier.checkpoint.0 == checkpoint);
    let after = |stream: &Stream| {
        let mut messages = stream.messages.iter();
        messages.by_ref().find(is_cut);
        messages.cloned().collect()
    };
    (world, state, streams.iter().map(after).collect())
}

#[test]
fn every_cut_of_every_schedule_holds_each_row_once() {
    for seed in 0..4_000 {
        check_schedule(seed);
    }
}
