//! Golden plans of subqueries of one value, LATERAL, set operators, GROUPING SETS and joins
//! by shared names: `tests/explain/<name>.txt`. Set `UPDATE_EXPECT=1` to write them anew.

mod common;

use common::{TABLES, plan_under, shown};
use expect_test::expect_file;
use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::graph::Operator;

fn check(name: &str, query: &str) {
    let planned = plan_under(RuntimeLevel::Flink1_18, &format!("{TABLES}{query}"))
        .unwrap_or_else(|diagnostics| panic!("{name}:\n{}", shown(&diagnostics)));
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    let path = format!("{package}/tests/explain/{name}.txt");
    expect_file![path].assert_eq(&planned.explain);
}

#[test]
fn b1_7_a_scalar_subquery_is_a_join_with_one_row() {
    check(
        "scalar_subquery",
        "SELECT dest FROM flights WHERE delay > (SELECT AVG(wind) FROM weather)",
    );
}

#[test]
fn b6_6_a_correlated_aggregate_is_computed_for_each_key() {
    check(
        "scalar_correlated",
        "SELECT dest, (SELECT COUNT(*) FROM weather w WHERE w.station = f.origin AND w.wind > 1) AS n
         FROM flights f",
    );
}

#[test]
fn b9_1_lateral_with_a_limit_is_a_top_n() {
    check(
        "lateral_top",
        "SELECT k.station, t.dest FROM (SELECT DISTINCT station FROM weather) k,
         LATERAL (SELECT dest FROM flights f WHERE f.origin = k.station ORDER BY delay LIMIT 2) t",
    );
}

#[test]
fn b8_3_except_is_an_anti_join_that_knows_null() {
    check("set_except", "SELECT origin FROM flights EXCEPT SELECT station FROM weather");
}

#[test]
fn b2_8_grouping_sets_read_each_row_once_for_each_set() {
    check(
        "grouping_sets",
        "SELECT origin, dest, COUNT(*), GROUPING(dest) FROM flights GROUP BY ROLLUP(origin, dest)",
    );
}

#[test]
fn b6_1_a_shared_column_of_a_full_join_is_whichever_side_has_it() {
    check(
        "join_natural_full",
        "SELECT * FROM (SELECT station, wind FROM weather)
         NATURAL FULL JOIN (SELECT dest AS station, delay FROM flights)",
    );
}

#[test]
fn b7_11_a_state_ttl_hint_is_for_the_sides_it_names() {
    let query = "SELECT /*+ STATE_TTL('w' = '2 h') */ f.dest FROM flights f
                 JOIN weather w ON f.origin = w.station";
    let planned = plan_under(RuntimeLevel::Flink1_19, &format!("{TABLES}{query}"))
        .unwrap_or_else(|diagnostics| panic!("{}", shown(&diagnostics)));
    let of_joins = planned.graph.nodes.iter().filter_map(|node| match &node.operator {
        Operator::Join(join) => Some(join.state_ttl_ms),
        _ => None,
    });
    assert_eq!(of_joins.collect::<Vec<_>>(), [[0, 7_200_000]]);
    let unknown = query.replace("'w'", "'x'");
    let refused = plan_under(RuntimeLevel::Flink1_19, &format!("{TABLES}{unknown}"));
    let diagnostics = refused.map(drop).expect_err("there is no table x");
    let text = shown(&diagnostics);
    assert!(text.contains("names 'x', which is no table of this query"), "{text}");
}
