use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
use arrow::datatypes::Int64Type;
use millrace_dataflow::graph::{Node, Operator};
use millrace_dataflow::key_group::subtask_of;
use millrace_dataflow::{CheckpointId, Field, Generation, RuntimeLevel, Schema, TypeRoot};
use millrace_state::SnapshotKind;
use millrace_state::write::{SnapshotContent, encode};

use super::*;

const GROUPS: u16 = 128;

fn graph(exchange: Exchange) -> JobGraph {
    let output = Schema::new(vec![
        Field::new("n", TypeRoot::BigInt.not_null()),
        Field::new("s", TypeRoot::VarChar(u32::MAX >> 1).nullable()),
    ]);
    let node = |name: &str| Node {
        id: OperatorId(name.into()),
        name: name.into(),
        operator: Operator::Union,
        output: output.clone(),
        parallelism: None,
        state: None,
    };
    let edges = vec![Edge { from: 0, to: 1, input: 0, exchange }];
    JobGraph { level: RuntimeLevel::Flink1_18, nodes: vec![node("a"), node("b")], edges }
}

fn batch(graph: &JobGraph, rows: std::ops::Range<i64>) -> Batch {
    let texts = rows.clone().map(|n| (n % 3 != 0).then(|| format!("text {n}")));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.clone())),
        Arc::new(StringArray::from_iter(texts)),
    ];
    let record = RecordBatch::try_new(graph.nodes[0].output.to_arrow(), columns).unwrap();
    let kinds = rows.map(|n| if n % 2 == 0 { RowKind::Insert } else { RowKind::UpdateBefore });
    Batch::changelog(record, kinds.collect())
}

/// Channel `from`, `to` holds ten rows from `100 * from + 10 * to` on, and two watermarks.
fn snapshot(graph: &JobGraph, parallelism: (u16, u16)) -> LoadedSnapshot {
    let mut records = vec![];
    for to in 0..parallelism.1 {
        for from in 0..parallelism.0 {
            let first = i64::from(100 * from + 10 * to);
            let messages = vec![
                Message::Batch(batch(graph, first..first + 4)),
                Message::Watermark(Watermark(first + 50)),
                Message::Batch(batch(graph, first + 4..first + 10)),
                Message::Idle,
            ];
            let watermark = Watermark(first + 1);
            records.push((to, ChannelRecord { edge: 0, from, watermark, messages }));
        }
    }
    let of = |node| if node == 0 { parallelism.0 } else { parallelism.1 };
    let encoded = encode(SnapshotContent {
        format: 2,
        compress: true,
        incremental: false,
        application: "a".into(),
        generation: Generation(1),
        checkpoint: CheckpointId(1),
        kind: SnapshotKind::Checkpoint,
        created_at_ms: 0,
        max_parallelism: GROUPS,
        held: false,
        operators: contents(graph, of, records),
    })
    .unwrap();
    LoadedSnapshot::verified(encoded.manifest, "/s".into(), encoded.files).unwrap()
}

fn restored_at(
    graph: &JobGraph,
    snapshot: &LoadedSnapshot,
    parallelism: (u16, u16),
    subtask: u16,
) -> Vec<(u16, Message)> {
    let place = Receiving { subtask, parallelism, max_parallelism: GROUPS };
    restored(snapshot, graph, &graph.edges[0], place).unwrap().into()
}

fn numbers(batch: &Batch) -> Vec<i64> {
    batch.record.column(0).as_primitive::<Int64Type>().values().to_vec()
}

/// Behind the least watermark alone: sender 1 may read the splits of sender 0 now, whose
/// rows are earlier than what it had promised.
#[test]
fn at_the_same_parallelism_each_channel_has_its_own_rows_again() {
    let graph = graph(Exchange::Hash(vec![0]));
    let snapshot = snapshot(&graph, (2, 3));
    let found = restored_at(&graph, &snapshot, (2, 3), 1);
    let texts: Vec<String> = found
        .iter()
        .map(|(from, message)| match message {
            Message::Batch(batch) => {
                let first = numbers(batch)[0];
                let wanted = self::batch(&graph, first..first + batch.num_rows() as i64);
                assert_eq!((&batch.record, &batch.kinds), (&wanted.record, &wanted.kinds));
                format!("{from}: {} rows from {first}", batch.num_rows())
            }
            Message::Watermark(at) => format!("{from}: w{}", at.0),
            other => format!("{from}: {other:?}"),
        })
        .collect();
    assert_eq!(
        texts,
        [
            "0: w11",
            "1: w11",
            "0: 4 rows from 10",
            "0: 6 rows from 14",
            "1: 4 rows from 110",
            "1: 6 rows from 114",
        ]
    );
}

#[test]
fn h1_8_at_another_parallelism_rows_go_where_the_exchange_sends_them() {
    let check = |exchange: Exchange, parallelism: (u16, u16)| {
        let graph = graph(exchange.clone());
        let snapshot = snapshot(&graph, (2, 3));
        let mut all = vec![];
        for subtask in 0..parallelism.1 {
            for (from, message) in restored_at(&graph, &snapshot, parallelism, subtask) {
                assert!(from < parallelism.0);
                match message {
                    Message::Watermark(at) => assert_eq!(at, Watermark(1), "the least of all"),
                    Message::Batch(batch) => {
                        let rows = row::encode_column_subset(&batch.record, &[0]);
                        let groups = row::key_groups(&rows, GROUPS);
                        for (at, number) in numbers(&batch).into_iter().enumerate() {
                            let owner = match exchange {
                                Exchange::Hash(_) => subtask_of(groups[at], GROUPS, parallelism.1),
                                Exchange::Global => 0,
                                _ => subtask,
                            };
                            assert_eq!(owner, subtask, "row {number}");
                            let odd = number % 2 != 0;
                            assert_eq!(batch.kind(at) == RowKind::UpdateBefore, odd);
                            all.push(number);
                        }
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        all.sort_unstable();
        let expected: Vec<i64> = (0..30).chain(100..130).collect();
        assert_eq!(all, expected, "{exchange:?} at {parallelism:?}");
    };
    for parallelism in [(1, 1), (2, 1), (3, 2), (1, 7), (5, 4)] {
        check(Exchange::Hash(vec![0]), parallelism);
        check(Exchange::Hash(vec![1, 0]), parallelism_without_owner(parallelism));
        check(Exchange::Rebalance, parallelism);
        check(Exchange::Global, parallelism);
    }
}

/// Rows are checked against the first column's owner: with another key only one
/// receiver is sure to own them.
fn parallelism_without_owner((senders, _): (u16, u16)) -> (u16, u16) {
    (senders, 1)
}

#[test]
fn damaged_rows_are_refused_by_name() {
    let graph = graph(Exchange::Rebalance);
    let good = encode_batch(&batch(&graph, 0..3));
    let schema = graph.nodes[0].output.to_arrow();
    assert!(decode_batch(&good, &schema).is_some());
    for length in 0..good.len() {
        assert!(decode_batch(&good[..length], &schema).is_none(), "{length} bytes");
    }
    let other = Schema::new(vec![Field::new("n", TypeRoot::Int.not_null())]).to_arrow();
    assert!(decode_batch(&good, &other).is_none());
}
