//! Mini-batches in plans: who works in them, in which mode, and what they leave as it is.

mod common;

use common::{TABLES, plan, plan_under, shown};
use expect_test::expect_file;
use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::graph::{MiniBatch, MiniBatchMode, Operator};
use millrace_plan::{OperatorStateMeta, PlannedScript, VerdictKind, compatibility};

const ON: &str = "
SET 'table.exec.mini-batch.enabled' = 'true';
SET 'table.exec.mini-batch.allow-latency' = '2 s';
SET 'table.exec.mini-batch.size' = '5000';
";

const SINKS: &str = "
CREATE TABLE o (origin STRING, n BIGINT) WITH ('connector' = 'print');
CREATE TABLE w (origin STRING, n BIGINT) WITH ('connector' = 'print');
";

const COUNT: &str = "INSERT INTO o SELECT origin, COUNT(*) FROM flights GROUP BY origin;";

const WINDOW: &str = "INSERT INTO w SELECT origin, COUNT(*) FROM TABLE(
  TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
  GROUP BY origin, window_start, window_end;";

const COUNT_OF_WINDOWS: &str = "INSERT INTO o SELECT origin, COUNT(*) FROM (
  SELECT origin, COUNT(*) AS n FROM TABLE(
    TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
  GROUP BY origin, window_start, window_end) GROUP BY origin;";

const LEGACY: &str = "INSERT INTO w SELECT origin, COUNT(*) FROM flights
  GROUP BY origin, TUMBLE(ts, INTERVAL '1' MINUTE);";

const LAST: &str = "INSERT INTO o SELECT origin, distance FROM (SELECT *, ROW_NUMBER() OVER
  (PARTITION BY origin ORDER BY ts DESC) AS rn FROM flights) WHERE rn = 1;";

const LAST_BY_CLOCK: &str = "INSERT INTO o SELECT origin, distance FROM (SELECT *, ROW_NUMBER()
  OVER (PARTITION BY origin ORDER BY pt DESC) AS rn FROM flights) WHERE rn = 1;";

fn planned(settings: &str, statements: &str) -> PlannedScript {
    let set = format!("BEGIN STATEMENT SET;\n{statements}\nEND;");
    plan(&format!("{settings}{SINKS}{set}"))
}

/// What the operators that gather changes do, and to what multiple the source holds its
/// watermarks back.
fn check(settings: &str, statements: &str, expected: &[Option<MiniBatchMode>], step: Option<i64>) {
    let graph = planned(settings, statements).graph;
    let mut found = Vec::new();
    for node in &graph.nodes {
        match &node.operator {
            Operator::GroupAggregate(config) => found.push(config.mini_batch),
            Operator::Deduplicate(config) => found.push(config.mini_batch),
            Operator::Source(source) => assert_eq!(source.watermark_step_ms, step, "{statements}"),
            _ => {}
        }
    }
    let of = |mode| MiniBatch { rows: 5000, latency_ms: 2000, mode };
    let expected: Vec<_> = expected.iter().map(|mode| mode.map(of)).collect();
    assert_eq!(found, expected, "{statements}");
}

#[test]
fn e_23_a_source_whose_watermarks_are_needed_is_in_event_time_mode() {
    const CLOCK: Option<MiniBatchMode> = Some(MiniBatchMode::ProcTime);
    const EVENTS: Option<MiniBatchMode> = Some(MiniBatchMode::RowTime);
    check("", COUNT, &[None], None);
    check(ON, COUNT, &[CLOCK], None);
    check(ON, WINDOW, &[], Some(2000));
    check(ON, &format!("{COUNT}{WINDOW}"), &[EVENTS], Some(2000));
    check(ON, COUNT_OF_WINDOWS, &[EVENTS], Some(2000));
    check(ON, LEGACY, &[], None);
    check(ON, &format!("{COUNT}{LEGACY}"), &[EVENTS], Some(2000));
    check(ON, LAST, &[None], Some(2000));
    check(ON, LAST_BY_CLOCK, &[CLOCK], None);
    let compact = "SET 'table.exec.deduplicate.mini-batch.compact-changes-enabled' = 'true';";
    check(&format!("{ON}{compact}"), LAST, &[EVENTS], Some(2000));
}

#[test]
fn e_23_plans_show_the_assigner_as_flink_names_it() {
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    for (name, statements) in [
        ("mini_batch_proctime", COUNT.to_owned()),
        ("mini_batch_rowtime", format!("{COUNT}{WINDOW}")),
    ] {
        let path = format!("{package}/tests/explain/{name}.txt");
        expect_file![path].assert_eq(&planned(ON, &statements).explain);
    }
}

#[test]
fn h4_6_state_fits_whether_mini_batches_are_on_or_off() {
    let statements = format!("{COUNT}{WINDOW}");
    let [off, on] = ["", ON].map(|settings| planned(settings, &statements));
    for (old, new) in [(&off, &on), (&on, &off)] {
        let verdicts = compatibility(&snapshot(old), &new.graph, false);
        assert!(verdicts.len() > 2, "{verdicts:#?}");
        let restored = |kind: &VerdictKind| matches!(kind, VerdictKind::Restored);
        assert!(verdicts.iter().all(|verdict| restored(&verdict.kind)), "{verdicts:#?}");
    }
}

fn snapshot(script: &PlannedScript) -> Vec<OperatorStateMeta> {
    let stateful = script.graph.nodes.iter().filter_map(|node| {
        let layout = node.state.clone()?;
        Some(OperatorStateMeta { id: node.id.clone(), name: node.name.clone(), layout })
    });
    stateful.collect()
}

/// The message for a script, or nothing when it plans.
fn refused(settings: &str, statement: &str) -> String {
    let script = format!("{TABLES}{settings}{SINKS}{statement}");
    match plan_under(RuntimeLevel::Flink1_18, &script) {
        Ok(_) => String::new(),
        Err(diagnostics) => shown(&diagnostics),
    }
}

#[test]
fn f1_3_f1_4_mini_batches_need_a_latency_and_a_size() {
    let on = "SET 'table.exec.mini-batch.enabled' = 'true';";
    let latency = "SET 'table.exec.mini-batch.allow-latency' = '1 s';";
    let none = "SET 'table.exec.mini-batch.allow-latency' = '0 s';";
    let size = "SET 'table.exec.mini-batch.size' = '10';";
    let unlimited = "SET 'table.exec.mini-batch.size' = '-1';";
    let lacks = |settings: &str, key: &str| {
        let message = refused(settings, COUNT);
        let expected = format!("'table.exec.mini-batch.{key}' must be greater than 0");
        assert!(message.contains(&expected), "{settings}: {message}");
    };
    lacks(on, "allow-latency");
    lacks(&format!("{on}{size}{none}"), "allow-latency");
    lacks(&format!("{on}{latency}"), "size");
    lacks(&format!("{on}{latency}{unlimited}"), "size");
    // Without an operator that gathers changes nobody asks for the size, as in Flink.
    for (settings, statement) in
        [(latency, COUNT), (size, COUNT), (&*format!("{on}{latency}"), WINDOW)]
    {
        assert_eq!(refused(settings, statement), "", "{settings}");
    }
}
