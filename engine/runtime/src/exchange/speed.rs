//! Rows a second of the exchange, for comparison on one machine. Run with
//! `cargo nextest run --workspace --lib --run-ignored only --no-capture exchange_speed`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, StringArray, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::record_batch::RecordBatch;
use millrace_dataflow::graph::Exchange;
use millrace_dataflow::key_group::{key_group, subtask_of};
use millrace_dataflow::{Batch, Message};
use millrace_state::row;

use super::{OutputEdge, Partition, SendContext};
use crate::channel::{self, Inbox};
use crate::clock::Clock;
use crate::debloat::{DebloatSettings, Debloater};
use crate::gate::{GateContext, GateEvent, InputChannel, InputGate};
use crate::metrics::SubtaskMetrics;
use crate::wake::Wake;

struct Stopped;

impl Clock for Stopped {
    fn now_ms(&self) -> i64 {
        0
    }
    fn monotonic_ns(&self) -> u64 {
        0
    }
}

/// `k BIGINT, s STRING, v BIGINT`.
fn batch(first: i64, rows: usize) -> Batch {
    let numbers = first..first + rows as i64;
    let keys = numbers.clone().map(|n| n.wrapping_mul(0x9E37_79B9) >> 7);
    let columns: [(&str, ArrayRef); 3] = [
        ("k", Arc::new(Int64Array::from_iter_values(keys))),
        ("s", Arc::new(StringArray::from_iter_values(numbers.clone().map(|n| format!("key {n}"))))),
        ("v", Arc::new(Int64Array::from_iter_values(numbers))),
    ];
    Batch::insert_only(RecordBatch::try_from_iter(columns).expect("columns of one length"))
}

#[expect(clippy::disallowed_methods, reason = "measures itself")]
fn measure(name: &str, rows: usize, run: impl FnOnce()) {
    let start = Instant::now();
    run();
    let rate = rows as f64 / start.elapsed().as_secs_f64() / 1e6;
    println!("{name:60} {rate:8.2} M rows/s");
}

fn measure_partition(name: &str, columns: &[usize], batch_rows: usize) {
    let batches: Vec<Batch> = (0..64).map(|n| batch((n * batch_rows) as i64, batch_rows)).collect();
    let rounds = 4_000_000 / (64 * batch_rows);
    let mut partition = Partition::new(columns.to_vec(), 128, 4);
    measure(
        &format!("partition by {name}, batches of {batch_rows}"),
        rounds * 64 * batch_rows,
        || {
            for _ in 0..rounds {
                for batch in &batches {
                    let mut rows = 0;
                    let give = |_: usize, part: Batch| {
                        rows += part.num_rows();
                        Ok(())
                    };
                    partition.split(batch, give).expect("sound batches");
                    assert_eq!(rows, batch.num_rows());
                }
            }
        },
    );
}

/// As rows were spread once: keys written out, and a `take` for each receiver.
fn measure_plain_partition(name: &str, columns: &[usize], batch_rows: usize) {
    let batches: Vec<Batch> = (0..64).map(|n| batch((n * batch_rows) as i64, batch_rows)).collect();
    let rounds = 4_000_000 / (64 * batch_rows);
    let name = format!("  key by key: {name}, batches of {batch_rows}");
    measure(&name, rounds * 64 * batch_rows, || {
        for batch in (0..rounds).flat_map(|_| &batches) {
            let rows = row::encode_column_subset(&batch.record, columns);
            let mut chosen: Vec<Vec<u32>> = vec![vec![]; 4];
            for (index, key) in rows.iter().enumerate() {
                let owner = subtask_of(key_group(row::hash(key), 128), 128, 4);
                chosen[usize::from(owner)].push(index as u32);
            }
            let parts = chosen.into_iter().map(|rows| {
                take_record_batch(&batch.record, &UInt32Array::from(rows)).expect("sound rows")
            });
            assert_eq!(parts.map(|part| part.num_rows()).sum::<usize>(), batch.num_rows());
        }
    });
}

/// As channels were once: eight batches at most, each received by itself.
fn measure_plain_small(batch_rows: usize, work: Duration) {
    let (sender, receiver) = crossbeam_channel::bounded(8);
    let count = 400_000 / batch_rows;
    let name = format!("  batch by batch: batches of {batch_rows}, {work:?} a batch");
    measure(&name, count * batch_rows, || {
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let batch = batch(0, batch_rows);
                (0..count).for_each(|_| sender.send(batch.clone()).expect("someone receives"));
            });
            receiver.iter().for_each(|_| spin(work));
        });
    });
}

/// One sender, one receiver, each on its thread; the receiver does something to each
/// batch that it gets.
fn measure_small(batch_rows: usize, work: Duration) {
    let (sending, receiving) = (Wake::shared(), Wake::shared());
    let inbox = Inbox::new(receiving);
    let (sender, receiver) =
        channel::channel(Arc::clone(&sending), Arc::clone(&inbox), channel::LIMIT);
    let settings = DebloatSettings {
        enabled: false,
        target_ms: 1_000,
        period_ms: 200,
        samples: 20,
        threshold_percent: 25,
    };
    let debloater = Debloater::new(settings, channel::LIMIT, 0);
    let input = InputChannel { input: 0, edge: 0, from: 0, overtakes: true, receiver };
    let mut gate = InputGate::new(vec![input], inbox, VecDeque::new(), debloater);
    let count = 400_000 / batch_rows;
    let name = format!("one channel, batches of {batch_rows}, {work:?} a batch at the receiver");
    let mut received = 0;
    measure(&name, count * batch_rows, || {
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut edge = OutputEdge::new(Exchange::Rebalance, vec![sender], 128, 0);
                let metrics = SubtaskMetrics::default();
                let ctx = SendContext {
                    wake: &sending,
                    metrics: &metrics,
                    clock: &Stopped,
                    linger_ns: 0,
                };
                let batch = batch(0, batch_rows);
                for _ in 0..count {
                    while !edge.has_room() {
                        sending.wait(Duration::from_millis(100));
                    }
                    edge.send_batch(batch.clone(), &ctx).expect("the receiver is there");
                }
                edge.broadcast(&Message::End).expect("the receiver is there");
            });
            let metrics = SubtaskMetrics::default();
            let ctx = GateContext { metrics: &metrics, clock: &Stopped };
            loop {
                match gate.next(Duration::from_millis(100), &ctx).expect("no one cancels") {
                    GateEvent::Batch { batch, .. } => {
                        received += batch.num_rows();
                        spin(work);
                    }
                    GateEvent::End => break,
                    _ => {}
                }
            }
        });
    });
    assert_eq!(received, count * batch_rows);
}

#[expect(clippy::disallowed_methods, reason = "stands for an operator")]
fn spin(work: Duration) {
    let start = Instant::now();
    while start.elapsed() < work {
        std::hint::spin_loop();
    }
}

#[test]
#[ignore = "a measurement"]
fn exchange_speed() {
    for rows in [16, 256, 4_096] {
        measure_partition("BIGINT", &[0], rows);
        measure_partition("STRING", &[1], rows);
        measure_partition("BIGINT, STRING", &[0, 1], rows);
        measure_plain_partition("BIGINT", &[0], rows);
        measure_plain_partition("STRING", &[1], rows);
    }
    for rows in [4, 26, 512] {
        for work in [Duration::ZERO, Duration::from_micros(10)] {
            measure_small(rows, work);
            measure_plain_small(rows, work);
        }
    }
}
