//! `millrace sql check` and `millrace sql run`: a script without a server.

use std::collections::BTreeMap;
use std::path::Path;

use millrace_test_support::cli::{Ran, millrace};
use millrace_test_support::files::{drop_file, lines};
use serde_json::{Value, json};

const NUMBERS: &str = "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen',
    'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '6');
";

fn sql(command: &str, script: &str, options: &[&str]) -> anyhow::Result<Ran> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("script.sql");
    std::fs::write(&file, script)?;
    millrace("", &[&["sql", command, &file.display().to_string()], options].concat())
}

/// The rows that a script prints, as JSON.
fn rows(script: &str, options: &[&str]) -> anyhow::Result<Vec<Value>> {
    let ran = sql("run", script, &[&["--output", "json"], options].concat())?;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[test]
fn a_good_script_is_shown_as_a_plan() -> anyhow::Result<()> {
    let script = format!("{NUMBERS}SELECT id * 2 AS twice FROM numbers;");
    let ran = sql("check", &script, &["--runtime", "FLINK-1_18"])?;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("numbers"), "{}", ran.stdout);
    let answer: Value =
        serde_json::from_str(&sql("check", &script, &["--output", "json"])?.stdout)?;
    assert_eq!(answer["ok"], true, "{answer}");
    Ok(())
}

#[test]
fn what_is_wrong_is_shown_with_its_place() -> anyhow::Result<()> {
    let check = |script: &str, runtime: &str, wanted: &[&str]| -> anyhow::Result<()> {
        let ran = sql("check", script, &["--runtime", runtime])?;
        assert_eq!(ran.code, 1, "{script}: {}{}", ran.stdout, ran.stderr);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        for word in wanted {
            assert!(said.contains(word), "{script}: {word} is not in {said}");
        }
        Ok(())
    };
    check(&format!("{NUMBERS}SELECT nothing FROM numbers;"), "FLINK-1_18", &["3:8", "nothing"])?;
    check("SELECT FROM;", "FLINK-1_18", &["1:"])?;
    check("", "FLINK-1_18", &[])?;
    check(&format!("{NUMBERS}SELECT id FROM numbers;"), "FLINK-1_6", &["FLINK-1_6", "FLINK-1_20"])?;
    Ok(())
}

/// The node of a plan that has state.
fn deduplicate_of(plan: &mut Value) -> &mut Value {
    let nodes = plan["nodes"].as_array_mut().expect("a plan has nodes");
    nodes.iter_mut().find(|node| node["state"].is_array()).expect("an operator with state")
}

#[test]
fn a_compiled_plan_runs_in_place_of_its_script() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let out = directory.path().join("out");
    let script = format!(
        "{NUMBERS}CREATE TABLE kept (half BIGINT, id BIGINT)
           WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');
         INSERT INTO kept SELECT id / 2, id FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY id / 2 ORDER BY p) AS r
           FROM (SELECT *, PROCTIME() AS p FROM numbers)) WHERE r = 1;",
        out.display()
    );
    let compiled = sql("compile", &script, &["--runtime", "FLINK-1_18"])?;
    assert_eq!(compiled.code, 0, "{}", compiled.stderr);
    let mut plan: Value = serde_json::from_str(&compiled.stdout)?;
    assert_eq!(deduplicate_of(&mut plan)["state"][0]["name"], "deduplicateState");
    deduplicate_of(&mut plan)["state"][0]["ttl"] = json!("1 d");
    let ran = sql("run", &plan.to_string(), &["--runtime", "FLINK-1_18"])?;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(lines(&out)?, ["0,1", "1,2", "2,4", "3,6"]);
    deduplicate_of(&mut plan)["state"][0]["ttl"] = json!("soon");
    let ran = sql("run", &plan.to_string(), &["--runtime", "FLINK-1_18"])?;
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("deduplicateState"), "{}", ran.stderr);
    Ok(())
}

#[test]
fn a_bare_select_prints_its_rows() -> anyhow::Result<()> {
    let script = format!("{NUMBERS}SELECT id, id * id AS square FROM numbers WHERE id < 4;");
    let expected: Vec<Value> =
        (1..4).map(|id| json!({"op": "+I", "row": {"id": id, "square": id * id}})).collect();
    assert_eq!(rows(&script, &[])?, expected);

    let table = sql("run", &script, &[])?;
    assert_eq!(table.code, 0, "{}", table.stderr);
    let words: Vec<Vec<&str>> =
        table.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(words.contains(&vec!["+I", "3", "9"]), "{}", table.stdout);
    assert!(words.contains(&vec!["op", "id", "square"]), "{}", table.stdout);
    Ok(())
}

/// Whatever the order and the intermediate rows, the changelog folds to the answer.
#[test]
fn a_changelog_carries_its_row_kinds() -> anyhow::Result<()> {
    let script = format!(
        "{NUMBERS}SELECT MOD(id, 2) AS odd, COUNT(*) AS n FROM numbers GROUP BY MOD(id, 2);"
    );
    for parallelism in ["1", "3"] {
        let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
        for change in rows(&script, &["--parallelism", parallelism])? {
            let (odd, n) = (change["row"]["odd"].as_i64(), change["row"]["n"].as_i64());
            let (odd, n) = (odd.expect("a number"), n.expect("a number"));
            match change["op"].as_str() {
                Some("+I" | "+U") => drop(counts.insert(odd, n)),
                Some("-U" | "-D") => assert_eq!(counts.get(&odd), Some(&n), "{change}"),
                other => panic!("{other:?} is no row kind"),
            }
        }
        assert_eq!(counts, BTreeMap::from([(0, 3), (1, 3)]));
    }
    Ok(())
}

#[test]
fn files_are_written_whole_before_it_ends() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let work = directory.path();
    drop_file(&work.join("in"), "a.csv", "1,10\n2,20\n")?;
    let script =
        millrace_e2e::doubling(work).replace(",\n    'source.monitor-interval' = '50 ms'", "");
    let ran = sql("run", &script, &[])?;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(sorted(&work.join("out"))?, ["1,20", "2,40"]);
    Ok(())
}

fn sorted(directory: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = lines(directory)?;
    found.sort();
    Ok(found)
}

#[test]
fn a_failure_names_its_cause_and_is_an_exit_code() -> anyhow::Result<()> {
    let script = format!("{NUMBERS}SELECT 10 / (id - 3) FROM numbers;");
    let ran = sql("run", &script, &[])?;
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stderr.to_lowercase().contains("zero"), "{}", ran.stderr);

    let absent = millrace("", &["sql", "run", "/absent.sql"])?;
    assert_eq!(absent.code, 1);
    assert!(absent.stderr.contains("/absent.sql"), "{}", absent.stderr);
    Ok(())
}
