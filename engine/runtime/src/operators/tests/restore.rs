//! State that is not as it was written is refused, and never half read by accident.

use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{
    AggregateFunction as F, Deduplicate, GroupAggregate, IntervalJoin, JoinEmits, JoinKind, Keep,
    Operator as Node, Over, OverFrame, Rank, SortKey, WindowAggregate, WindowAssigner,
    WindowBounds, WindowInput, WindowJoin, WindowKind, WindowRank, WindowTime,
};

use super::group_aggregate::call;
use super::naive::Dice;
use super::stage::{Spec, Stage};
use super::text::schema;
use crate::operator::OperatorError;

fn specs() -> Vec<Spec> {
    let calls = vec![
        call(F::Sum, Some((1, "INT")), "INT"),
        call(F::Max, Some((1, "INT")), "INT"),
        call(F::ListAgg { separator: ",".into() }, Some((0, "STRING")), "STRING"),
    ];
    let aggregated = schema("k STRING, s INT, m INT, l STRING");
    let input = schema("k STRING, v INT, ts TIMESTAMP(3)");
    let spec = |node, output: &millrace_dataflow::Schema| Spec {
        node,
        inputs: vec![input.clone(), input.clone()],
        output: output.clone(),
        changelog: ChangelogMode::ALL,
        keys: vec![vec![0], vec![0]],
    };
    let time = WindowTime::Rowtime(2);
    vec![
        spec(
            Node::GroupAggregate(GroupAggregate {
                keys: vec![0],
                aggregates: calls.clone(),
                retracts: true,
                emit_update_before: true,
                state_ttl_ms: 50,
                mini_batch: None,
                merges: false,
            }),
            &aggregated,
        ),
        spec(
            Node::WindowAggregate(WindowAggregate {
                window: WindowInput::Assign(WindowAssigner {
                    kind: WindowKind::Tumble { size_ms: 10 },
                    offset_ms: 0,
                    time,
                    time_zone: None,
                }),
                keys: vec![0],
                aggregates: calls.clone(),
                properties: vec![],
                retracts: false,
            }),
            &aggregated,
        ),
        spec(
            Node::WindowAggregate(WindowAggregate {
                window: WindowInput::Assign(WindowAssigner {
                    kind: WindowKind::Session { gap_ms: 10 },
                    offset_ms: 0,
                    time,
                    time_zone: None,
                }),
                keys: vec![0],
                aggregates: calls.clone(),
                properties: vec![],
                retracts: true,
            }),
            &aggregated,
        ),
        spec(
            Node::WindowJoin(WindowJoin {
                kind: JoinKind::Full,
                left_window: WindowBounds { start: 2, end: 2 },
                right_window: WindowBounds { start: 2, end: 2 },
                left_keys: vec![0],
                right_keys: vec![0],
                residual: None,
                time_zone: None,
            }),
            &schema("k STRING, v INT, ts TIMESTAMP(3), rk STRING, rv INT, rts TIMESTAMP(3)"),
        ),
        spec(
            Node::WindowRank(WindowRank {
                window: WindowBounds { start: 2, end: 2 },
                partition: vec![0],
                order: vec![SortKey { column: 1, ascending: true, nulls_first: true }],
                start: 1,
                end: 2,
                latest_first: false,
                output_rank: false,
                time_zone: None,
            }),
            &input,
        ),
        spec(
            Node::IntervalJoin(IntervalJoin {
                kind: JoinKind::Full,
                left_keys: vec![0],
                right_keys: vec![0],
                left_time: time,
                right_time: time,
                lower_ms: 0,
                upper_ms: 10,
                residual: None,
            }),
            &schema("k STRING, v INT, ts TIMESTAMP(3), rk STRING, rv INT, rts TIMESTAMP(3)"),
        ),
        spec(
            Node::Over(Over {
                partition: vec![0],
                time,
                frame: OverFrame::Range(10),
                calls: calls.clone(),
                state_ttl_ms: 0,
            }),
            &schema("k STRING, v INT, ts TIMESTAMP(3), s INT, m INT, l STRING"),
        ),
        spec(
            Node::Over(Over {
                partition: vec![0],
                time: WindowTime::Proctime,
                frame: OverFrame::Rows(2),
                calls: calls.clone(),
                state_ttl_ms: 50,
            }),
            &schema("k STRING, v INT, ts TIMESTAMP(3), s INT, m INT, l STRING"),
        ),
        spec(
            Node::Rank(Rank {
                partition: vec![0],
                order: vec![SortKey { column: 1, ascending: true, nulls_first: true }],
                start: 1,
                end: 2,
                output_rank: false,
                retracts: true,
                emit_update_before: true,
                state_ttl_ms: 0,
            }),
            &input,
        ),
        spec(
            Node::Deduplicate(Deduplicate {
                keys: vec![0],
                time,
                keep: Keep::Last,
                emit_update_before: true,
                state_ttl_ms: 0,
                mini_batch: None,
            }),
            &input,
        ),
        super::join::spec(JoinEmits::Pairs(JoinKind::Full)),
        super::join::spec(JoinEmits::Anti),
    ]
}

fn filled(spec: &Spec) -> Stage {
    let mut stage = Stage::new(spec);
    let rows = match spec.inputs[0].len() {
        2 => "+I[a, 1] +I[a, 2] +I[b, 3] +I[b, 3]",
        _ => "+I[a, 1, 1] +I[a, 2, 2] +I[b, 3, 3] +I[NULL, 4, 4]",
    };
    stage.rows(0, rows);
    stage
}

#[test]
fn damaged_state_is_refused_or_read_whole_but_never_panics() {
    for spec in specs() {
        let entries = filled(&spec).snapshot();
        let mut refused = 0;
        for seed in 1..400 {
            let mut dice = Dice::new(seed);
            let mut damaged = entries.clone();
            let entry = &mut damaged[dice.roll(entries.len() as u64) as usize];
            let bytes = if dice.one_in(4) { &mut entry.key } else { &mut entry.value };
            let at = dice.roll(bytes.len().max(1) as u64) as usize;
            match dice.roll(3) {
                0 => bytes.truncate(at),
                1 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
                _ => bytes.push(0),
            }
            match Stage::new(&spec).restore_from(damaged, 2) {
                Ok(()) => {}
                Err(OperatorError::DamagedState { operator, .. }) => {
                    assert_eq!(operator, "operator");
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert!(refused > 100, "{refused} of 400 refused: {:?}", spec.node);
    }
}

#[test]
pub fn a_snapshot_of_a_restored_operator_is_the_same_snapshot() {
    for spec in specs() {
        let mut stage = filled(&spec);
        let sorted = |stage: &mut Stage| {
            let mut entries: Vec<_> = stage
                .snapshot()
                .into_iter()
                .map(|entry| (entry.key_group, entry.table, entry.key, entry.value))
                .collect();
            entries.sort();
            entries
        };
        let before = sorted(&mut stage);
        assert!(!before.is_empty());
        for parallelism in [4, 1, 3] {
            stage.restore(parallelism);
            assert_eq!(sorted(&mut stage), before, "at {parallelism}: {:?}", spec.node);
        }
    }
}

#[test]
fn entries_of_an_unknown_table_are_refused() {
    for spec in specs() {
        let mut entries = filled(&spec).snapshot();
        let last = entries.len() - 1;
        entries[last].table = 9;
        let refused = Stage::new(&spec).restore_from(entries, 1);
        assert!(matches!(refused, Err(OperatorError::DamagedState { .. })), "{:?}", spec.node);
    }
}
