//! Tables of PostgreSQL, on a real server: read, looked up, written (rows G7.1 to G7.13).

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use millrace_e2e::PATIENCE;
use millrace_test_support::cli::{Ran, millrace};
use millrace_test_support::postgres::Postgres;
use millrace_test_support::time::until;
use millrace_test_support::{Server, ServerOptions, engines};
use serde_json::{Value, json};

/// A script run to its end; `$PG` stands for the options of a table but its name.
fn run(postgres: &Postgres, script: &str, options: &[&str]) -> anyhow::Result<Ran> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("script.sql");
    let with =
        format!("'connector' = 'jdbc', 'url' = '{}', 'username' = 'postgres'", postgres.jdbc_url());
    std::fs::write(&file, script.replace("$PG", &with))?;
    millrace("", &[&["sql", "run", &file.display().to_string()], options].concat())
}

/// The rows of a script's SELECT, each `kind value value`, sorted.
fn rows(postgres: &Postgres, script: &str) -> anyhow::Result<Vec<String>> {
    let ran = run(postgres, script, &["--output", "json"])?;
    anyhow::ensure!(ran.code == 0, "{script}: {}", ran.stderr);
    let row = |line: &str| -> anyhow::Result<String> {
        let mut row: Value = serde_json::from_str(line)?;
        let row = row["row"].take();
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let values = row.as_object().map(|row| row.values().map(text).collect::<Vec<_>>());
        Ok(values.unwrap_or_default().join(" "))
    };
    let mut rows = ran.stdout.lines().map(row).collect::<anyhow::Result<Vec<_>>>()?;
    rows.sort();
    Ok(rows)
}

const TYPES: &str = "a BOOLEAN, b SMALLINT, c INT, d BIGINT, e FLOAT, f DOUBLE, g DECIMAL(20, 4),
    h STRING, i BYTES, j DATE, k TIME, l TIMESTAMP(3), m TIMESTAMP(6)";

#[test]
fn g7_every_type_is_written_and_read_back() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else { return Ok(()) };
    postgres.psql(
        "CREATE TABLE t (id int PRIMARY KEY, a bool, b int2, c int4, d int8, e float4, f float8,
         g numeric(20, 4), h varchar(20), i bytea, j date, k time, l timestamp, m timestamp)",
    )?;
    let table = format!(
        "CREATE TABLE t (id INT, {TYPES}, PRIMARY KEY (id) NOT ENFORCED) WITH ($PG, 'table-name' = 'public.t');"
    );
    let ran = run(
        &postgres,
        &format!(
            "{table} INSERT INTO t VALUES
             (1, TRUE, CAST(-3 AS SMALLINT), 7, 9000000000, CAST(1.5 AS FLOAT), CAST(-2.25 AS DOUBLE),
              CAST(12345678901234.5678 AS DECIMAL(20, 4)), 'ä ''quoted''', x'00ff',
              DATE '1969-12-31', TIME '23:59:58', TIMESTAMP '1969-12-31 23:59:59.999',
              TIMESTAMP '2024-02-29 12:34:56.123456'),
             (2, CAST(NULL AS BOOLEAN), CAST(NULL AS SMALLINT), CAST(NULL AS INT), CAST(NULL AS BIGINT),
              CAST(NULL AS FLOAT), CAST(NULL AS DOUBLE), CAST(NULL AS DECIMAL(20, 4)),
              CAST(NULL AS STRING), CAST(NULL AS BYTES), CAST(NULL AS DATE), CAST(NULL AS TIME),
              CAST(NULL AS TIMESTAMP(3)), CAST(NULL AS TIMESTAMP(6)));"
        ),
        &[],
    )?;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        postgres.psql("SELECT * FROM t ORDER BY id")?,
        "1|t|-3|7|9000000000|1.5|-2.25|12345678901234.5678|ä 'quoted'|\\x00ff|1969-12-31|23:59:58|\
         1969-12-31 23:59:59.999|2024-02-29 12:34:56.123456\n2|||||||||||||\n"
    );
    let read = rows(
        &postgres,
        &format!(
            "{table} SELECT id, a, b, c, d, e, f, CAST(g AS STRING) AS g, h, CAST(j AS STRING) AS j,
               CAST(k AS STRING) AS k, CAST(l AS STRING) AS l, CAST(m AS STRING) AS m,
               i = x'00ff' AS same FROM t WHERE id > 0"
        ),
    )?;
    assert_eq!(read.len(), 2, "{read:?}");
    let first = &read[0];
    for part in ["12345678901234.5678", "ä 'quoted'", "1969-12-31 23:59:59.999", "12:34:56.123456"]
    {
        assert!(first.contains(part), "{part}: {read:?}");
    }
    assert_eq!(read[1].matches("null").count(), 13, "{read:?}");
    Ok(())
}

#[test]
fn g7_4_a_table_is_read_in_ranges() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else { return Ok(()) };
    postgres
        .psql("CREATE TABLE n AS SELECT i AS id, i % 7 AS m FROM generate_series(1, 20000) i")?;
    let check = |options: &str| -> anyhow::Result<()> {
        let script = format!(
            "CREATE TABLE n (id BIGINT, m INT) WITH ($PG, 'table-name' = 'n'{options});
             CREATE VIEW v AS SELECT COUNT(*) AS c, SUM(id) AS s, MAX(m) AS x FROM n;
             SET 'table.exec.mini-batch.enabled' = 'true';
             SET 'table.exec.mini-batch.allow-latency' = '10 s';
             SET 'table.exec.mini-batch.size' = '1000000';
             SELECT * FROM v"
        );
        let read = rows(&postgres, &script)?;
        // A checkpoint in between shows what is counted by then.
        assert_eq!(read.last().map(String::as_str), Some("20000 200010000 6"), "{options}");
        Ok(())
    };
    check("")?;
    check(
        ", 'scan.partition.column' = 'id', 'scan.partition.num' = '5', 'scan.partition.lower-bound' = '1', 'scan.partition.upper-bound' = '20000'",
    )
}

#[test]
fn g7_7_rows_are_looked_up_with_every_kind_of_cache() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else { return Ok(()) };
    postgres.psql(
        "CREATE TABLE names (k int8, kind varchar(10), name text);
         INSERT INTO names VALUES (1, 'a', 'one'), (1, 'b', 'eins'), (2, 'a', 'two'), (4, 'a', NULL);
         CREATE INDEX ON names (k)",
    )?;
    let check = |options: &str, hint: &str| -> anyhow::Result<()> {
        let script = format!(
            "CREATE TABLE n (id BIGINT) WITH ('connector' = 'datagen', 'fields.id.kind' = 'sequence',
               'fields.id.start' = '1', 'fields.id.end' = '5');
             CREATE TABLE names (k BIGINT, kind STRING, name STRING, up AS UPPER(name))
               WITH ($PG, 'table-name' = 'names'{options});
             SELECT {hint} o.id, d.name, d.up
             FROM (SELECT *, PROCTIME() AS p FROM n) AS o
             LEFT JOIN names FOR SYSTEM_TIME AS OF o.p AS d
               ON d.k = o.id AND d.kind = 'a' AND (d.name <> 'two' OR d.name IS NULL)"
        );
        let found = rows(&postgres, &script)?;
        let expected = ["1 one ONE", "2 null null", "3 null null", "4 null null", "5 null null"];
        assert_eq!(found, expected, "{options} {hint}");
        Ok(())
    };
    for options in [
        "",
        ", 'lookup.cache' = 'PARTIAL', 'lookup.partial-cache.max-rows' = '2'",
        ", 'lookup.cache' = 'FULL'",
        ", 'lookup.cache.max-rows' = '10', 'lookup.cache.ttl' = '1 min'",
    ] {
        check(options, "")?;
        check(options, "/*+ LOOKUP('table'='d', 'async'='false') */")?;
    }
    check("", "/*+ LOOKUP('table'='d', 'output-mode'='allow_unordered', 'capacity'='2') */")?;
    check(
        "",
        "/*+ LOOKUP('table'='d', 'retry-predicate'='lookup_miss', 'retry-strategy'='fixed_delay', 'fixed-delay'='10 ms', 'max-attempts'='2') */",
    )
}

#[test]
fn g7_a_changelog_is_upserted_and_deleted_by_its_key() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else { return Ok(()) };
    postgres.psql("CREATE TABLE c (m int8 PRIMARY KEY, n int8); CREATE TABLE l (id int8)")?;
    let script = "
        CREATE TABLE n (id BIGINT) WITH ('connector' = 'datagen', 'fields.id.kind' = 'sequence',
          'fields.id.start' = '1', 'fields.id.end' = '1000');
        CREATE TABLE c (m BIGINT, n BIGINT, PRIMARY KEY (m) NOT ENFORCED)
          WITH ($PG, 'table-name' = 'c', 'sink.buffer-flush.max-rows' = '10');
        CREATE TABLE l (id BIGINT) WITH ($PG, 'table-name' = 'l');
        EXECUTE STATEMENT SET BEGIN
        INSERT INTO c SELECT m, n FROM (SELECT MOD(id, 10) AS m, COUNT(*) AS n FROM n
          GROUP BY MOD(id, 10)) WHERE n < 100 OR m < 3;
        INSERT INTO l SELECT id FROM n WHERE id > 990;
        END;";
    let ran = run(&postgres, script, &["--parallelism", "2"])?;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // A group that has grown to 100 is taken back, unless it is one of the first three.
    assert_eq!(postgres.psql("SELECT m, n FROM c ORDER BY m")?, "0|100\n1|100\n2|100\n");
    assert_eq!(postgres.psql("SELECT count(*), min(id) FROM l")?, "10|991\n");
    let keyless = script.replace(", PRIMARY KEY (m) NOT ENFORCED", "");
    let ran = run(&postgres, &keyless, &[])?;
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("doesn't support consuming update"), "{}", ran.stderr);
    Ok(())
}

#[test]
fn what_a_server_refuses_is_said_without_the_password() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else { return Ok(()) };
    postgres.psql("CREATE TABLE t (id int8)")?;
    let check = |options: &str, parts: &[&str]| -> anyhow::Result<()> {
        let script = format!("CREATE TABLE t (id BIGINT) WITH ($PG, {options}); SELECT * FROM t");
        let ran = run(&postgres, &script, &[])?;
        assert_eq!(ran.code, 1, "{options}: {}", ran.stdout);
        parts.iter().for_each(|part| assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr));
        assert!(!ran.stderr.contains("hidden"), "{}", ran.stderr);
        Ok(())
    };
    let hidden = "'password' = 'hidden-word'";
    check(&format!("'table-name' = 'absent', {hidden}"), &["\"absent\"", "does not exist"])?;
    check(&format!("'table-name' = 't', 'driver' = 'com.mysql.Driver', {hidden}"), &["driver"])?;
    check(hidden, &["'table-name'"])?;
    check(
        "'table-name' = 't', 'scan.partition.num' = '3'",
        &["scan.partition.column", "go together"],
    )?;
    check("'table-name' = 't', 'lookup.cash' = 'NONE'", &["lookup.cash", "lookup.cache"])?;
    postgres.psql("DROP TABLE t; CREATE TABLE t (id text); INSERT INTO t VALUES ('x')")?;
    check(
        &format!("'table-name' = 't', {hidden}"),
        &["\"t\" at postgresql://127.0.0.1", "invalid input syntax"],
    )
}

#[test]
fn the_example_of_the_readme_runs() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else { return Ok(()) };
    postgres.psql(
        "CREATE TABLE customers (id int8 PRIMARY KEY, country text);
         INSERT INTO customers SELECT i, 'country ' || i % 3 FROM generate_series(1, 20) i;
         CREATE TABLE sales (country text PRIMARY KEY, orders int8)",
    )?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("engine/connectors/src/jdbc/README.md"))?;
    let example = page.split("```sql").nth(1).and_then(|rest| rest.split("```").next());
    let example = example.context("the page has an example")?;
    let here = example
        .replace("jdbc:postgresql://localhost:5432/shop", &postgres.jdbc_url())
        .replace("'username' = 'shop'", "'username' = 'postgres'");
    let ran = run(&postgres, &here, &[])?;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(postgres.psql("SELECT count(*), sum(orders) FROM sales")?, "3|1000\n");
    Ok(())
}

/// Engines and connections are killed at random while an application looks rows up, writes
/// what it finds, and counts it: in the end every row is there, found right and counted
/// once. `MILLRACE_JDBC_SEEDS=0..100` for a long run.
#[test]
fn killed_engines_and_lost_connections_lose_and_repeat_nothing() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else { return Ok(()) };
    let seeds = std::env::var("MILLRACE_JDBC_SEEDS").unwrap_or_else(|_| "0..2".to_owned());
    let seeds = seeds.split_once("..").context("seeds are FROM..TO")?;
    for seed in seeds.0.parse::<u64>()?..seeds.1.parse()? {
        trial(&postgres, seed).with_context(|| format!("seed {seed}"))?;
    }
    Ok(())
}

const ROWS: u64 = 6_000;

fn trial(postgres: &Postgres, seed: u64) -> anyhow::Result<()> {
    postgres.psql(
        "DROP TABLE IF EXISTS names, found, counts;
         CREATE TABLE names (k int8 PRIMARY KEY, name text);
         INSERT INTO names SELECT i, 'n' || i FROM generate_series(0, 99) i;
         CREATE TABLE found (id int8 PRIMARY KEY, name text);
         CREATE TABLE counts (m int8 PRIMARY KEY, n int8)",
    )?;
    let directory = tempfile::tempdir()?;
    let server = Server::start(directory.path(), &ServerOptions::default())?;
    let aws = server.aws();
    aws.call("CreateApplication", application(&script_of_trial(postgres)))?;
    aws.complete("StartApplication", json!({"ApplicationName": "lookups"}), PATIENCE)?;
    let mut dice = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut roll = |below: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % below
    };
    for _ in 0..4 {
        thread::sleep(Duration::from_millis(200 + roll(700)));
        match roll(3) {
            0 => postgres.end_connections()?,
            _ => drop(engines::kill_all(directory.path())),
        }
    }
    until("all rows", Duration::from_secs(90), || {
        let count =
            postgres.psql("SELECT (SELECT count(*) FROM found), (SELECT sum(n) FROM counts)")?;
        Ok((count.trim() == format!("{ROWS}|{ROWS}")).then_some(()))
    })?;
    let wrong = "SELECT count(*) FROM found WHERE name <> 'n' || id % 100";
    assert_eq!(postgres.psql(wrong)?, "0\n");
    let counts = "SELECT DISTINCT n FROM counts";
    assert_eq!(postgres.psql(counts)?, format!("{}\n", ROWS / 10));
    Ok(())
}

fn script_of_trial(postgres: &Postgres) -> String {
    let with =
        format!("'connector' = 'jdbc', 'url' = '{}', 'username' = 'postgres'", postgres.jdbc_url());
    let flush = "'sink.buffer-flush.interval' = '100 ms'";
    format!(
        "CREATE TABLE n (id BIGINT, p AS PROCTIME()) WITH ('connector' = 'datagen',
           'rows-per-second' = '2000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1',
           'fields.id.end' = '{ROWS}');
         CREATE TABLE names (k BIGINT, name STRING) WITH ({with}, 'table-name' = 'names');
         CREATE TABLE found (id BIGINT, name STRING, PRIMARY KEY (id) NOT ENFORCED)
           WITH ({with}, 'table-name' = 'found', {flush});
         CREATE TABLE counts (m BIGINT, n BIGINT, PRIMARY KEY (m) NOT ENFORCED)
           WITH ({with}, 'table-name' = 'counts', {flush});
         CREATE VIEW named AS SELECT n.id, d.name FROM n
           JOIN names FOR SYSTEM_TIME AS OF n.p AS d ON d.k = MOD(n.id, 100);
         EXECUTE STATEMENT SET BEGIN
         INSERT INTO found SELECT id, name FROM named;
         INSERT INTO counts SELECT MOD(id, 10), COUNT(*) FROM named GROUP BY MOD(id, 10);
         END;"
    )
}

fn application(script: &str) -> Value {
    json!({
        "ApplicationName": "lookups",
        "RuntimeEnvironment": "FLINK-1_20",
        "ServiceExecutionRole": "arn:aws:iam::000000000000:role/test",
        "ApplicationConfiguration": {
            "ApplicationCodeConfiguration":
                {"CodeContentType": "PLAINTEXT", "CodeContent": {"TextContent": script}},
            "FlinkApplicationConfiguration": {"CheckpointConfiguration": {
                "ConfigurationType": "CUSTOM", "CheckpointingEnabled": true,
                "CheckpointInterval": 200, "MinPauseBetweenCheckpoints": 0,
            }},
        },
    })
}
