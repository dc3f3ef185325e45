//! No text makes the parser, the binder or the planner panic.

mod common;

use common::{NEXMARK, TABLES, plan_under};
use millrace_dataflow::RuntimeLevel;
use proptest::prelude::*;

const SCRIPT: &str = "
CREATE TABLE o (a STRING, n BIGINT, s TIMESTAMP(3)) WITH ('connector' = 'print');
SET 'table.exec.state.ttl' = '1 h';
WITH c AS (SELECT origin, delay FROM flights) SELECT * FROM c;
INSERT INTO o SELECT origin, COUNT(*) FILTER (WHERE delay > -1.5e3), window_start FROM
  TABLE(HOP(TABLE flights, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '1' HOUR))
  WHERE dest NOT LIKE 'a%' AND delay BETWEEN 1 AND 2 OR carrier IN ('x', U&'\\263A')
  GROUP BY origin, window_start, window_end HAVING MAX(delay) IS NOT NULL;
BEGIN STATEMENT SET;
INSERT INTO o (n, a) VALUES (1, 'b'), (CAST('2' AS BIGINT), _UTF8'c');
INSERT INTO o SELECT a, rn, NULL FROM (SELECT origin AS a, ROW_NUMBER() OVER (PARTITION BY dest
  ORDER BY delay DESC NULLS LAST) rn FROM flights /*+ OPTIONS('path'='/x') */) WHERE rn <= 3;
END;
SELECT CASE delay WHEN 1 THEN 'a' ELSE TRIM(BOTH ' ' FROM origin) END, EXTRACT(YEAR FROM ts),
  ARRAY[1, 2][1], MAP['k', 'v']['k'], x'0F', DATE '2020-01-01' FROM flights f LEFT JOIN weather w
  ON f.origin = w.station AND f.ts BETWEEN w.wts AND w.wts + INTERVAL '1 02:03' DAY TO MINUTE;
";

/// Words and symbols that mean much to the parser.
const PIECES: [&str; 40] = [
    "(",
    ")",
    ",",
    ";",
    "'",
    "`",
    "\"",
    "/*+",
    "*/",
    "--",
    ".",
    "*",
    "=",
    "<",
    ">",
    "[",
    "]",
    "-",
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "AS",
    "NOT",
    "NULL",
    "INTERVAL",
    "TABLE",
    "DESCRIPTOR",
    "OVER",
    "CASE",
    "END",
    "BEGIN",
    "CAST",
    "ROW<",
    "IN",
    "é",
    "1e",
    "0x",
    "UNION",
];

#[derive(Clone, Debug)]
enum Edit {
    Delete(usize, usize),
    Insert(usize, usize),
    Repeat(usize, usize),
    Truncate(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<usize>(), 1..40_usize).prop_map(|(at, length)| Edit::Delete(at, length)),
        (any::<usize>(), 0..PIECES.len()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<usize>(), 1..60_usize).prop_map(|(at, length)| Edit::Repeat(at, length)),
        any::<usize>().prop_map(Edit::Truncate),
    ]
}

fn apply(script: &mut Vec<char>, edit: &Edit) {
    let length = script.len().max(1);
    match edit {
        Edit::Delete(at, count) => {
            let at = at % length;
            let end = (at + count).min(script.len());
            script.drain(at.min(end)..end);
        }
        Edit::Insert(at, piece) => {
            let at = (at % length).min(script.len());
            let piece = format!(" {} ", PIECES[*piece]);
            script.splice(at..at, piece.chars());
        }
        Edit::Repeat(at, count) => {
            let at = (at % length).min(script.len());
            let end = (at + count).min(script.len());
            let copy: Vec<char> = script[at..end].to_vec();
            script.splice(at..at, copy);
        }
        // Rarely early, so that most of the script stays.
        Edit::Truncate(at) => script.truncate(script.len() / 2 + at % length),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_script_plans_or_says_why_not(edits in prop::collection::vec(edit(), 1..6)) {
        let mut script: Vec<char> = SCRIPT.chars().collect();
        edits.iter().for_each(|edit| apply(&mut script, edit));
        let script: String = script.into_iter().collect();
        if let Err(diagnostics) = plan_under(RuntimeLevel::Flink1_18, &format!("{TABLES}{script}")) {
            prop_assert!(!diagnostics.is_empty());
            prop_assert!(diagnostics.iter().all(|d| !d.message.is_empty()));
        }
    }

    #[test]
    fn any_text_plans_or_says_why_not(script in "\\PC{0,200}") {
        let _ = plan_under(RuntimeLevel::Flink1_20, &format!("{NEXMARK}{script}"));
        let _ = plan_under(RuntimeLevel::Flink1_20, &script);
    }
}

#[test]
fn deep_nesting_and_long_chains_are_refused() {
    for (open, close) in [("(", ")"), ("NOT ", ""), ("- ", ""), ("ABS(", ")"), ("ARRAY[", "]")] {
        let script = format!("SELECT {}1{}", open.repeat(20_000), close.repeat(20_000));
        let diagnostics = plan_under(RuntimeLevel::Flink1_18, &script).expect_err("too deep");
        assert!(diagnostics[0].message.contains("nested more than"), "{open}: {diagnostics:?}");
    }
    let script = format!("SELECT 1{}", " + 1".repeat(20_000));
    let diagnostics = plan_under(RuntimeLevel::Flink1_18, &script).expect_err("too long");
    assert!(diagnostics[0].message.contains("in one chain"), "{diagnostics:?}");
    let script = format!("SELECT {}1", "SELECT * FROM (".repeat(5_000));
    assert!(plan_under(RuntimeLevel::Flink1_18, &script).is_err());
}

#[test]
fn long_lists_are_fine() {
    let list = (0..3_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let script = format!("{TABLES}SELECT origin FROM flights WHERE delay IN ({list})");
    assert!(plan_under(RuntimeLevel::Flink1_18, &script).is_ok());
    let chain = vec!["delay = 1"; 250].join(" OR ");
    let script = format!("{TABLES}SELECT origin FROM flights WHERE {chain}");
    assert!(plan_under(RuntimeLevel::Flink1_18, &script).is_ok());
}
