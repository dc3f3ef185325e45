//! Aggregations in two phases: when, how they are shown, and that state fits either way.

mod common;

use common::{TABLES, plan, plan_under, shown};
use expect_test::expect_file;
use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::graph::Operator;
use millrace_plan::{OperatorStateMeta, PlannedScript, VerdictKind, compatibility};

const ON: &str = "
SET 'table.exec.mini-batch.enabled' = 'true';
SET 'table.exec.mini-batch.allow-latency' = '2 s';
SET 'table.exec.mini-batch.size' = '5000';
";

const SINK: &str =
    "CREATE TABLE o (origin STRING, n BIGINT, d BIGINT) WITH ('connector' = 'print');";

const SUMS: &str = "INSERT INTO o
  SELECT origin, COUNT(*), SUM(distance) FROM flights GROUP BY origin;";

fn strategy(name: &str) -> String {
    format!("SET 'table.optimizer.agg-phase-strategy' = '{name}';")
}

/// For each first phase: whether it is adaptive.
fn check(settings: &str, expected: &[bool]) {
    let graph = plan(&format!("{settings}{SINK}{SUMS}")).graph;
    let merging = graph.nodes.iter().filter_map(|node| match &node.operator {
        Operator::GroupAggregate(config) => Some(config.merges),
        _ => None,
    });
    let merging = merging.filter(|merges| *merges).count();
    let locals = graph.nodes.iter().filter_map(|node| match &node.operator {
        Operator::LocalGroupAggregate(config) => Some(config.adaptive),
        _ => None,
    });
    let locals: Vec<bool> = locals.collect();
    assert_eq!(locals, expected, "{settings}");
    assert_eq!(merging, expected.len(), "each first phase has a second");
}

#[test]
fn f2_1_two_phases_need_mini_batches() {
    check("", &[]);
    check(&strategy("TWO_PHASE"), &[]);
    check(ON, &[true]);
    check(&format!("{ON}{}", strategy("AUTO")), &[true]);
    check(&format!("{ON}{}", strategy("two_phase")), &[false]);
    check(&format!("{ON}{}", strategy("ONE_PHASE")), &[]);
}

fn golden(name: &str, statement: &str) {
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    let path = format!("{package}/tests/explain/{name}.txt");
    expect_file![path].assert_eq(&plan(&format!("{ON}{SINK}{statement}")).explain);
}

#[test]
fn f2_1_plans_show_both_phases_as_flink_does() {
    golden(
        "two_phase",
        "INSERT INTO o SELECT origin, AVG(distance), COUNT(DISTINCT dest) FILTER (WHERE distance > 5)
         FROM flights GROUP BY origin;",
    );
    // Changes of the inner groups are added up, too.
    golden(
        "two_phase_nested",
        "INSERT INTO o SELECT 'all', COUNT(*), MAX(n) FROM (
           SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin) GROUP BY n;",
    );
}

fn snapshot(script: &PlannedScript) -> Vec<OperatorStateMeta> {
    let stateful = script.graph.nodes.iter().filter_map(|node| {
        let layout = node.state.clone()?;
        Some(OperatorStateMeta { id: node.id.clone(), name: node.name.clone(), layout })
    });
    stateful.collect()
}

#[test]
fn h4_6_state_fits_whatever_the_strategy_was() {
    let nested = "INSERT INTO o SELECT 'all', COUNT(*), MAX(n) FROM (
       SELECT origin, COUNT(DISTINCT dest) AS n FROM flights GROUP BY origin) GROUP BY n;";
    let one = format!("{ON}{}", strategy("ONE_PHASE"));
    for statement in [SUMS, nested] {
        let scripts = [String::new(), one.clone(), ON.to_owned()]
            .map(|settings| plan(&format!("{settings}{SINK}{statement}")));
        for old in &scripts {
            for new in &scripts {
                let verdicts = compatibility(&snapshot(old), &new.graph, false);
                let restored = |kind: &VerdictKind| matches!(kind, VerdictKind::Restored);
                assert!(verdicts.iter().all(|v| restored(&v.kind)), "{verdicts:#?}");
            }
        }
    }
}

/// The time-to-live of each aggregate, and what its state is called.
fn lives(query: &str) -> Vec<(i64, bool)> {
    let script = format!("{TABLES}SET 'table.exec.state.ttl' = '1 h';{query}");
    let planned = plan_under(RuntimeLevel::Flink1_19, &script)
        .unwrap_or_else(|diagnostics| panic!("{}", shown(&diagnostics)));
    let of_aggregates = planned.graph.nodes.iter().filter_map(|node| {
        let layout = node.state.as_ref()?.layout.contains("ttl=yes");
        match &node.operator {
            Operator::GroupAggregate(config) => Some((config.state_ttl_ms, layout)),
            _ => None,
        }
    });
    of_aggregates.collect()
}

#[test]
fn b7_11_a_state_ttl_hint_is_for_the_group_aggregate_over_its_table() {
    const HOUR: i64 = 3_600_000;
    let query =
        |hint: &str, from: &str| format!("SELECT /*+ STATE_TTL({hint}) */ COUNT(*) FROM {from}");
    let grouped = |hint: &str, from: &str| format!("{} GROUP BY origin", query(hint, from));
    assert_eq!(lives("SELECT COUNT(*) FROM flights GROUP BY origin"), [(HOUR, true)]);
    assert_eq!(lives(&grouped("'flights' = '2 h'", "flights")), [(2 * HOUR, true)]);
    assert_eq!(lives(&grouped("'f' = '2 h'", "flights AS f")), [(2 * HOUR, true)]);
    assert_eq!(lives(&grouped("'f' = '0 s'", "flights AS f")), [(0, false)]);
    assert_eq!(lives(&query("'flights' = '1 d'", "flights")), [(24 * HOUR, true)]);
    // Of an aggregate over a join it says nothing: the join is no table.
    let join = "flights AS f JOIN weather AS w ON f.origin = w.station";
    assert_eq!(lives(&grouped("'f' = '2 h'", join)), [(HOUR, true)]);
    // Nor of the aggregates of a subquery, which is another query block.
    let inner = "(SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin) AS s";
    assert_eq!(lives(&grouped("'s' = '3 h'", inner)), [(HOUR, true), (3 * HOUR, true)]);
}

#[test]
fn b7_11_a_hint_that_names_no_table_of_the_query_is_refused() {
    let query = "SELECT /*+ STATE_TTL('x' = '2 h') */ COUNT(*) FROM flights GROUP BY origin";
    let refused = plan_under(RuntimeLevel::Flink1_19, &format!("{TABLES}{query}"));
    let text = shown(&refused.map(drop).expect_err("there is no table x"));
    assert!(text.contains("names 'x', which is no table of this query"), "{text}");
}
