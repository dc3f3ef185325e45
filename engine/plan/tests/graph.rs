//! What the runtime gets: sources, exchanges, values, settings.

mod common;

use common::plan;
use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::graph::{Exchange, Node, NotNullPolicy, Operator, WatermarkAlignment};
use millrace_dataflow::table::ProducedColumn;
use millrace_plan::PlannedScript;

const SINK: &str = "CREATE TABLE o (a STRING NOT NULL, n BIGINT) WITH ('connector' = 'print');";

fn planned(statements: &str) -> PlannedScript {
    plan(&format!("{SINK}{statements}"))
}

fn find(script: &PlannedScript, wanted: impl Fn(&Operator) -> bool) -> &Node {
    script.graph.nodes.iter().find(|node| wanted(&node.operator)).expect("the operator is there")
}

#[test]
fn a_scan_produces_only_what_is_needed() {
    let script =
        planned("INSERT INTO o SELECT file, COUNT(*) FROM flights WHERE late GROUP BY file");
    let node = find(&script, |operator| matches!(operator, Operator::Source(_)));
    let Operator::Source(source) = &node.operator else { panic!("a source") };
    let expected =
        vec![ProducedColumn::Physical(3), ProducedColumn::Physical(5), ProducedColumn::Metadata(0)];
    assert_eq!(source.scan.columns, expected);
    let names: Vec<&str> = node.output.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["ts", "file", "late"]);
    let watermark = source.watermark.as_ref().expect("the table has a watermark");
    assert_eq!((watermark.rowtime, watermark.idle_timeout_ms), (0, None));
}

#[test]
fn e5_e6_idle_timeouts_come_from_the_table_or_the_settings() {
    for (settings, hint, expected) in [
        ("", "", None),
        ("SET 'table.exec.source.idle-timeout' = '2 s';", "", Some(2_000)),
        (
            "SET 'table.exec.source.idle-timeout' = '2 s';",
            "/*+ OPTIONS('scan.watermark.idle-timeout' = '1 s') */",
            Some(1_000),
        ),
    ] {
        let script =
            planned(&format!("{settings} INSERT INTO o SELECT origin, 1 FROM flights {hint}"));
        let node = find(&script, |operator| matches!(operator, Operator::Source(_)));
        let Operator::Source(source) = &node.operator else { panic!("a source") };
        let watermark = source.watermark.as_ref().expect("the table has a watermark");
        assert_eq!(watermark.idle_timeout_ms, expected, "{settings}{hint}");
        assert!(source.scan.table.options.keys().all(|key| !key.starts_with("scan.watermark")));
    }
}

#[test]
fn e7_alignment_comes_from_the_tables_options() {
    let script = planned(
        "INSERT INTO o SELECT origin, 1 FROM flights /*+ OPTIONS(
         'scan.watermark.alignment.group' = 'g', 'scan.watermark.alignment.max-drift' = '20 s') */",
    );
    let node = find(&script, |operator| matches!(operator, Operator::Source(_)));
    let Operator::Source(source) = &node.operator else { panic!("a source") };
    let found = source.watermark.as_ref().and_then(|watermark| watermark.alignment.clone());
    let expected =
        WatermarkAlignment { group: "g".into(), max_drift_ms: 20_000, update_interval_ms: 1_000 };
    assert_eq!(found, Some(expected));
}

#[test]
fn keyed_operators_get_their_rows_by_hash_and_global_ones_all() {
    let script = planned("INSERT INTO o SELECT origin, COUNT(*) FROM flights GROUP BY origin");
    let exchanges: Vec<&Exchange> = script.graph.edges.iter().map(|edge| &edge.exchange).collect();
    assert_eq!(exchanges, [&Exchange::Forward, &Exchange::Hash(vec![0]), &Exchange::Forward]);
    let script = planned("INSERT INTO o SELECT MAX(origin), COUNT(*) FROM flights");
    let last = script.graph.edges.last().expect("the sink has an input");
    assert_eq!(last.exchange, Exchange::Forward);
    assert!(script.graph.edges.iter().any(|edge| edge.exchange == Exchange::Global));
    assert_eq!(script.graph.nodes.last().and_then(|sink| sink.parallelism), Some(1));
}

/// The exchange before the sink of `key`, declared with `options`, under `settings`.
fn check_sink(settings: &str, key: &str, options: &str, query: &str, expected: Exchange) {
    let script = plan(&format!(
        "CREATE TABLE k (n BIGINT, origin STRING{key}) WITH ('connector' = 'blackhole'{options});
         {settings}; INSERT INTO k {query}"
    ));
    let last = script.graph.edges.last().expect("the sink has an input");
    assert_eq!(last.exchange, expected, "{settings} {key} {options}");
    let shown = script.explain.contains("Exchange(distribution=[hash[origin]]");
    assert!(shown || !matches!(last.exchange, Exchange::Hash(_)), "{}", script.explain);
}

#[test]
fn b12_23_a_sink_gets_its_rows_by_its_key_when_it_is_told_or_must() {
    use Exchange::{Forward, Global, Hash, Rebalance};
    let (key, none) = (", PRIMARY KEY (origin) NOT ENFORCED", "");
    let (four, one) = (", 'sink.parallelism' = '4'", ", 'sink.parallelism' = '1'");
    let rows = "SELECT distance, origin FROM flights";
    let set = |policy: &str| format!("SET 'table.exec.sink.keyed-shuffle' = '{policy}'");
    check_sink(&set("AUTO"), key, "", rows, Forward);
    check_sink(&set("AUTO"), key, four, rows, Hash(vec![1]));
    check_sink(&set("AUTO"), key, one, rows, Global);
    check_sink(&set("AUTO"), none, four, rows, Rebalance);
    check_sink(&set("NONE"), key, four, rows, Rebalance);
    check_sink(&set("FORCE"), key, "", rows, Hash(vec![1]));
    check_sink(&set("FORCE"), none, "", rows, Forward);
    check_sink(&set("FORCE"), key, one, rows, Global);
    let updating = "SELECT COUNT(*), origin FROM flights GROUP BY origin";
    check_sink(&set("AUTO"), key, "", updating, Forward);
    check_sink(&set("AUTO"), key, four, updating, Hash(vec![1]));
}

#[test]
fn b12_23_a_changelog_without_a_key_is_not_torn_apart() {
    let script = format!(
        "{}CREATE TABLE k (n BIGINT, origin STRING) WITH ('connector' = 'blackhole', 'sink.parallelism' = '4');
         INSERT INTO k SELECT COUNT(*), origin FROM flights GROUP BY origin",
        common::TABLES
    );
    let Err(found) = common::plan_under(RuntimeLevel::Flink1_18, &script) else {
        panic!("it plans");
    };
    assert!(common::shown(&found).contains("has no primary key"), "{}", common::shown(&found));
}

#[test]
fn edges_go_from_smaller_to_larger_indices_and_name_their_input() {
    let script = planned(
        "INSERT INTO o SELECT f.origin, f.distance FROM flights f JOIN weather w
         ON f.origin = w.station AND f.ts BETWEEN w.wts - INTERVAL '1' DAY AND w.wts",
    );
    assert!(script.graph.edges.iter().all(|edge| edge.from < edge.to));
    let join = find(&script, |operator| matches!(operator, Operator::IntervalJoin(_)));
    let at = script.graph.nodes.iter().position(|node| node.id == join.id);
    let inputs: Vec<usize> = script
        .graph
        .edges
        .iter()
        .filter(|edge| Some(edge.to) == at)
        .map(|edge| edge.input)
        .collect();
    assert_eq!(inputs, [0, 1]);
    let Operator::IntervalJoin(join) = &join.operator else { panic!("a join") };
    assert_eq!((join.lower_ms, join.upper_ms), (-86_400_000, 0));
}

#[test]
fn c2_4_the_sink_checks_its_not_null_columns() {
    let script = planned(
        "SET 'table.exec.sink.not-null-enforcer' = 'DROP'; INSERT INTO o SELECT origin, 1 FROM flights",
    );
    let node = find(&script, |operator| matches!(operator, Operator::Sink(_)));
    let Operator::Sink(sink) = &node.operator else { panic!("a sink") };
    assert_eq!((sink.not_null.as_slice(), sink.not_null_policy), (&[0][..], NotNullPolicy::Drop));
}

#[test]
fn b1_4_values_are_computed_when_planned() {
    let script = planned("INSERT INTO o (n, a) VALUES (1 + 1, 'x'), (NULL, 'yz')");
    let node = find(&script, |operator| matches!(operator, Operator::Values { .. }));
    let Operator::Values { rows } = &node.operator else { panic!("values") };
    assert_eq!((rows.num_rows(), rows.num_columns()), (2, 2));
}

#[test]
fn b1_2_select_without_from_is_one_row() {
    let script = planned("SELECT 1 AS n, 'a' || 'b', CAST(NULL AS INT)");
    let node = find(&script, |operator| matches!(operator, Operator::Values { .. }));
    let Operator::Values { rows } = &node.operator else { panic!("values") };
    assert_eq!((rows.num_rows(), rows.num_columns()), (1, 3));
    let names: Vec<String> = script
        .collects
        .expect("a SELECT is collected")
        .fields
        .into_iter()
        .map(|field| field.name)
        .collect();
    assert_eq!(names, ["n", "EXPR$1", "EXPR$2"]);
}

#[test]
fn a_clock_is_not_read_when_planning() {
    let script = planned("SELECT CURRENT_TIMESTAMP");
    assert!(script.graph.nodes.iter().any(|node| matches!(node.operator, Operator::Calc { .. })));
}

#[test]
fn scripts_that_only_ask_have_no_job() {
    let script = planned("SHOW TABLES; DESCRIBE o; EXPLAIN SELECT origin FROM flights");
    assert!(script.graph.nodes.is_empty());
    assert_eq!(script.reports.len(), 3);
    assert_eq!(script.reports[0], "flights\no\nweather");
    assert!(script.reports[1].contains("a | STRING | false"), "{}", script.reports[1]);
    assert!(script.reports[2].contains("TableSourceScan"), "{}", script.reports[2]);
}

#[test]
fn a2_11_like_takes_over_columns_options_and_watermark() {
    let script = planned(
        "CREATE TABLE more (extra INT) WITH ('path' = '/more') LIKE flights;
         INSERT INTO o SELECT origin, extra FROM more",
    );
    let node = find(&script, |operator| matches!(operator, Operator::Source(_)));
    let Operator::Source(source) = &node.operator else { panic!("a source") };
    assert_eq!(source.scan.table.options["path"], "/more");
    assert_eq!(source.scan.table.options["connector"], "filesystem");
    assert!(source.watermark.is_some());
}

#[test]
fn settings_of_the_script_go_over_those_of_the_job_and_reset_brings_them_back() {
    let mut options = common::options(millrace_dataflow::RuntimeLevel::Flink1_18);
    options.settings.insert("pipeline.name".into(), "job".into());
    for (statements, expected) in [
        ("SET 'pipeline.name' = 'script';", "script"),
        ("SET 'pipeline.name' = 'script'; RESET 'pipeline.name';", "job"),
        ("SET 'pipeline.name' = 'script'; RESET;", "job"),
    ] {
        let script = format!("{}{statements} SELECT origin FROM flights", common::TABLES);
        let planned = millrace_plan::plan_script(&script, &options, &common::Connectors::new())
            .expect("plans");
        assert_eq!(planned.settings["pipeline.name"], expected, "{statements}");
    }
}
