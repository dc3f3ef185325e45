//! Which edits of a script keep operator ids and state, and which do not.

mod common;

use std::collections::BTreeMap;

use common::plan;
use millrace_plan::{OperatorStateMeta, PlannedScript, VerdictKind, compatibility};

const SINKS: &str = "
CREATE TABLE o (origin STRING, n BIGINT) WITH ('connector' = 'print');
CREATE TABLE p (dest STRING, n BIGINT) WITH ('connector' = 'print');
CREATE TABLE q (a STRING, b BIGINT, c DOUBLE) WITH ('connector' = 'print');
";

const BASE: &str =
    "INSERT INTO o SELECT origin, COUNT(*) FROM flights WHERE delay > 10 GROUP BY origin";

fn planned(statements: &str) -> PlannedScript {
    plan(&format!("{SINKS}{statements}"))
}

/// What a snapshot of the script's job would record.
fn snapshot(script: &PlannedScript) -> Vec<OperatorStateMeta> {
    let stateful = script.graph.nodes.iter().filter_map(|node| {
        let layout = node.state.clone()?;
        Some(OperatorStateMeta { id: node.id.clone(), name: node.name.clone(), layout })
    });
    stateful.collect()
}

/// The verdicts on going from one script to another, as `kind operator`.
fn check(old: &str, new: &str, expected: &[&str]) {
    let verdicts = compatibility(&snapshot(&planned(old)), &planned(new).graph, false);
    let shown: Vec<String> = verdicts
        .iter()
        .map(|verdict| {
            let kind = format!("{:?}", verdict.kind).to_lowercase();
            format!("{kind} {}", verdict.name.split('(').next().unwrap_or_default())
        })
        .collect();
    assert_eq!(shown, expected, "{old}\n->\n{new}\n{verdicts:#?}");
}

const ALL_RESTORED: [&str; 3] =
    ["restored TableSourceScan", "restored GroupAggregate", "restored Sink"];

#[test]
fn h2_the_same_script_has_the_same_ids() {
    check(BASE, BASE, &ALL_RESTORED);
}

#[test]
fn h4_edits_that_do_not_concern_an_operator_keep_its_state() {
    for edited in [
        "INSERT INTO o SELECT origin, COUNT(*) FROM flights WHERE delay > 99 GROUP BY origin",
        "INSERT INTO o SELECT f.origin AS x, COUNT(*) AS y FROM flights AS f WHERE f.delay > 10 GROUP BY f.origin",
        "INSERT INTO o SELECT origin, COUNT(*) FROM flights GROUP BY origin",
        "INSERT INTO o SELECT UPPER(origin), n + 1 FROM (SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin)",
        "CREATE VIEW v AS SELECT dest, origin FROM flights; INSERT INTO o SELECT origin, COUNT(*) FROM v GROUP BY origin",
    ] {
        check(BASE, edited, &ALL_RESTORED);
    }
}

#[test]
fn h2_7_an_insert_more_before_or_after_keeps_the_ids_of_the_others() {
    let other = "INSERT INTO p SELECT dest, COUNT(*) FROM flights GROUP BY dest";
    let same_keys =
        "INSERT INTO p SELECT origin, COUNT(*) FROM flights WHERE delay > 3 GROUP BY origin";
    for more in [other, same_keys] {
        for script in [format!("{BASE};{more}"), format!("{more};{BASE}")] {
            let mut expected = ALL_RESTORED.to_vec();
            expected.extend(["new GroupAggregate", "new Sink"]);
            check(BASE, &script, &expected);
        }
    }
}

#[test]
fn two_inserts_that_change_places_keep_their_own_state() {
    let one = "INSERT INTO o SELECT origin, COUNT(*) FROM flights WHERE delay > 1 GROUP BY origin";
    let two = "INSERT INTO p SELECT origin, COUNT(*) FROM flights WHERE delay > 2 GROUP BY origin";
    let ids = |script: &str| -> BTreeMap<String, String> {
        let graph = planned(script).graph;
        let edges = graph.edges.clone();
        let sinks = graph.nodes.iter().enumerate().filter(|(_, n)| n.name.starts_with("Sink"));
        sinks
            .map(|(at, sink)| {
                let from = edges.iter().find(|edge| edge.to == at).map(|edge| edge.from);
                let from = from.expect("a sink has an input");
                (sink.name.clone(), graph.nodes[from].id.0.clone())
            })
            .collect()
    };
    assert_eq!(ids(&format!("{one};{two}")), ids(&format!("{two};{one}")));
}

#[test]
fn h4_4_changes_of_what_is_kept_are_told() {
    let cases: [(&str, &str, &[&str]); 5] = [
        (
            BASE,
            "INSERT INTO o SELECT origin, SUM(distance) FROM flights GROUP BY origin",
            &["restored TableSourceScan", "incompatible GroupAggregate", "restored Sink"],
        ),
        (
            BASE,
            "INSERT INTO o SELECT dest, COUNT(*) FROM flights GROUP BY dest",
            &[
                "restored TableSourceScan",
                "dropped GroupAggregate",
                "restored Sink",
                "new GroupAggregate",
            ],
        ),
        (
            BASE,
            "SET 'table.exec.state.ttl' = '1 h'; INSERT INTO o SELECT origin, COUNT(*) FROM flights GROUP BY origin",
            &["restored TableSourceScan", "incompatible GroupAggregate", "restored Sink"],
        ),
        (
            BASE,
            "INSERT INTO p SELECT origin, COUNT(*) FROM flights GROUP BY origin",
            &[
                "restored TableSourceScan",
                "dropped GroupAggregate",
                "dropped Sink",
                "new GroupAggregate",
                "new Sink",
            ],
        ),
        (
            "INSERT INTO o SELECT origin, COUNT(*) FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY origin, window_start, window_end",
            "INSERT INTO o SELECT origin, COUNT(*) FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '2' HOUR)) GROUP BY origin, window_start, window_end",
            &["restored TableSourceScan", "incompatible WindowAggregate", "restored Sink"],
        ),
    ];
    for (old, new, expected) in cases {
        check(old, new, expected);
    }
}

#[test]
fn an_incompatible_verdict_says_what_differs_and_blocks() {
    let old = planned(BASE);
    let new = planned("INSERT INTO o SELECT origin, SUM(distance) FROM flights GROUP BY origin");
    let verdicts = compatibility(&snapshot(&old), &new.graph, true);
    let verdict = verdicts.iter().find(|v| v.kind == VerdictKind::Incompatible);
    let verdict = verdict.expect("the aggregate differs");
    assert!(verdict.blocks);
    assert_eq!(
        verdict.reason,
        "its state means something else: aggregates was [COUNT(*) () -> BIGINT] and is now [SUM(default_catalog.default_database.flights.distance) (BIGINT) -> BIGINT]"
    );
}

#[test]
fn h4_8_a_dropped_operator_blocks_unless_allowed() {
    let old = snapshot(&planned(BASE));
    let new = planned("INSERT INTO p SELECT dest, COUNT(*) FROM flights GROUP BY dest").graph;
    for allowed in [false, true] {
        let verdicts = compatibility(&old, &new, allowed);
        let dropped: Vec<bool> = verdicts
            .iter()
            .filter(|verdict| verdict.kind == VerdictKind::Dropped)
            .map(|verdict| verdict.blocks)
            .collect();
        assert_eq!(dropped, vec![!allowed, !allowed]);
    }
}

#[test]
fn ids_are_unique_and_32_hex_digits() {
    let script = planned(
        "INSERT INTO o SELECT origin, COUNT(*) FROM flights GROUP BY origin;
         INSERT INTO o SELECT dest, COUNT(*) FROM flights WHERE delay > 1 GROUP BY dest;
         INSERT INTO o SELECT dest, COUNT(*) FROM flights WHERE delay > 2 GROUP BY dest;
         INSERT INTO q SELECT f.origin, f.distance, w.wind FROM flights f JOIN weather w
           ON f.origin = w.station AND f.ts = w.wts",
    );
    let mut ids: Vec<&str> = script.graph.nodes.iter().map(|node| node.id.0.as_str()).collect();
    assert!(ids.iter().all(|id| id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit())));
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
