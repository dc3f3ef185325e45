//! Queries that must plan, with the columns they give: `name TYPE, ...`.

mod common;

use common::{NEXMARK, TABLES, plan_under, shown};
use millrace_dataflow::{RuntimeLevel, Schema};

fn columns(schema: &Schema) -> String {
    let column = |f: &millrace_dataflow::Field| format!("{} {}", f.name, f.data_type);
    schema.fields.iter().map(column).collect::<Vec<_>>().join(", ")
}

fn check(tables: &str, query: &str, expected: &str) {
    let planned = plan_under(RuntimeLevel::Flink1_18, &format!("{tables}{query}"))
        .unwrap_or_else(|diagnostics| panic!("{query}\n{}", shown(&diagnostics)));
    let schema = planned.collects.unwrap_or_else(|| panic!("{query} is no SELECT"));
    assert_eq!(columns(&schema), expected, "{query}");
}

const TYPES: &str = "
CREATE TABLE everything (
  c0 CHAR, c1 CHAR(3), c2 VARCHAR(5), c3 STRING, c4 BOOLEAN, c5 BINARY(2), c6 VARBINARY(3),
  c7 BYTES, c8 DECIMAL, c9 DECIMAL(10, 2), c10 TINYINT, c11 SMALLINT, c12 INTEGER NOT NULL,
  c13 BIGINT, c14 FLOAT, c15 DOUBLE PRECISION, c16 DATE, c17 TIME(0), c18 TIMESTAMP,
  c19 TIMESTAMP(3) WITHOUT TIME ZONE, c20 TIMESTAMP_LTZ(3), c21 TIMESTAMP(9) WITH LOCAL TIME ZONE,
  c22 INTERVAL YEAR TO MONTH, c23 INTERVAL DAY TO SECOND(3), c24 ARRAY<INT NOT NULL>,
  c25 INT ARRAY, c26 MAP<STRING, ROW<a INT, `b c` STRING 'comment'>>, c27 MULTISET<STRING>,
  c28 ROW(x ROW<y ARRAY<DOUBLE>>, z NUMERIC(3))
) COMMENT 'all of them' WITH ('connector' = 'datagen');
";

#[test]
fn c1_every_type_can_be_declared() {
    check(
        TYPES,
        "SELECT * FROM everything",
        "c0 CHAR(1), c1 CHAR(3), c2 VARCHAR(5), c3 STRING, c4 BOOLEAN, c5 BINARY(2), \
         c6 VARBINARY(3), c7 BYTES, c8 DECIMAL(10, 0), c9 DECIMAL(10, 2), c10 TINYINT, \
         c11 SMALLINT, c12 INT NOT NULL, c13 BIGINT, c14 FLOAT, c15 DOUBLE, c16 DATE, \
         c17 TIME(0), c18 TIMESTAMP(6), c19 TIMESTAMP(3), c20 TIMESTAMP_LTZ(3), \
         c21 TIMESTAMP_LTZ(9), c22 INTERVAL YEAR TO MONTH, c23 INTERVAL DAY TO SECOND(3), \
         c24 ARRAY<INT NOT NULL>, c25 ARRAY<INT>, c26 MAP<STRING, ROW<`a` INT, `b c` STRING>>, \
         c27 MULTISET<STRING>, c28 ROW<`x` ROW<`y` ARRAY<DOUBLE>>, `z` DECIMAL(3, 0)>",
    );
}

#[test]
fn c1_a_length_left_out_is_one_for_fixed_and_the_greatest_for_varying_types() {
    check(
        TYPES,
        "SELECT CAST(c3 AS VARCHAR), CAST(c3 AS CHAR), CAST(c3 AS VARBINARY), \
         CAST(c3 AS CHARACTER VARYING) FROM everything",
        "EXPR$0 STRING, EXPR$1 CHAR(1), EXPR$2 BYTES, EXPR$3 STRING",
    );
}

#[test]
fn b1_names_stars_and_nested_access() {
    for (query, expected) in [
        (
            "SELECT e.c28.x.y[1], c28.z, e.c26['k'].a FROM everything e",
            "EXPR$0 DOUBLE, z DECIMAL(3, 0), a INT",
        ),
        ("SELECT e.c28.* FROM everything e", "x ROW<`y` ARRAY<DOUBLE>>, z DECIMAL(3, 0)"),
        ("SELECT default_database.everything.c3 AS s FROM everything", "s STRING"),
        ("SELECT c3, c3 FROM everything", "c3 STRING, c30 STRING"),
        ("SELECT 1 + c12, -c12 AS neg FROM everything", "EXPR$0 INT NOT NULL, neg INT NOT NULL"),
        ("SELECT t.a FROM (VALUES (1, 'x'), (2, 'yz')) AS t(a, b)", "a INT NOT NULL"),
        ("SELECT * FROM (SELECT c3 AS x FROM everything)", "x STRING"),
        (
            "WITH a (k) AS (SELECT c3 FROM everything), b AS (SELECT k FROM a) SELECT k FROM b",
            "k STRING",
        ),
        ("(SELECT c3 FROM everything) UNION ALL SELECT c2 FROM everything", "c3 STRING"),
        (
            "SELECT ROW(c12, c3), ARRAY[c12, 2], MAP['a', c12] FROM everything",
            "EXPR$0 ROW<`EXPR$0` INT NOT NULL, `EXPR$1` STRING> NOT NULL, EXPR$1 ARRAY<INT NOT NULL> NOT NULL, EXPR$2 MAP<CHAR(1) NOT NULL, INT NOT NULL> NOT NULL",
        ),
    ] {
        check(TYPES, query, expected);
    }
}

#[test]
fn expressions_with_a_grammar_of_their_own() {
    for (expression, expected) in [
        ("CASE WHEN c4 THEN 1 WHEN NOT c4 THEN 2 END", "INT"),
        ("CASE c12 WHEN 1 THEN 'a' ELSE c3 END", "STRING"),
        ("CAST(c3 AS INT)", "INT"),
        ("TRY_CAST(c12 AS SMALLINT)", "SMALLINT"),
        ("c12 BETWEEN 1 AND 2 AND c4", "BOOLEAN"),
        ("c12 NOT BETWEEN SYMMETRIC 5 AND 2", "BOOLEAN NOT NULL"),
        ("c3 LIKE 'a!%' ESCAPE '!'", "BOOLEAN"),
        ("c3 NOT IN ('a', 'b')", "BOOLEAN"),
        ("c3 IS NOT DISTINCT FROM 'a'", "BOOLEAN NOT NULL"),
        ("(c4 IS NOT TRUE) IS UNKNOWN", "BOOLEAN NOT NULL"),
        ("EXTRACT(HOUR FROM c19)", "BIGINT"),
        ("FLOOR(c19 TO DAY)", "TIMESTAMP(3)"),
        ("CEIL(c15)", "DOUBLE"),
        ("TIMESTAMPDIFF(SECOND, c19, c19)", "INT"),
        ("TIMESTAMPADD(MONTH, 2, c19)", "TIMESTAMP(3)"),
        ("c19 + INTERVAL '1' DAY", "TIMESTAMP(3)"),
        ("TRIM(LEADING 'x' FROM c3)", "STRING"),
        ("TRIM(c3)", "STRING"),
        ("POSITION('a' IN c3)", "INT"),
        ("SUBSTRING(c3 FROM 2 FOR 3)", "STRING"),
        ("OVERLAY(c3 PLACING 'x' FROM 2)", "STRING"),
        ("UPPER(c3) || 'x'", "STRING"),
        ("COALESCE(c12, 0)", "INT NOT NULL"),
        ("IF(c4, 1, 2)", "INT NOT NULL"),
        ("LEFT(c3, 2)", "STRING"),
        ("YEAR(c16)", "BIGINT"),
        ("DATE_FORMAT(c19, 'yyyy-MM-dd')", "STRING"),
        ("CURRENT_DATE", "DATE NOT NULL"),
        ("PROCTIME()", "TIMESTAMP_LTZ(3) NOT NULL"),
        ("TO_TIMESTAMP_LTZ(c13, 3)", "TIMESTAMP_LTZ(3)"),
        ("DATE '2020-01-01'", "DATE NOT NULL"),
        ("TIMESTAMP '2020-01-01 00:00:00.123'", "TIMESTAMP(3) NOT NULL"),
        ("c12 > 1 OR c12 < 5 AND NOT c4", "BOOLEAN"),
        ("c12 % 2 = 1", "BOOLEAN NOT NULL"),
    ] {
        check(
            TYPES,
            &format!("SELECT {expression} AS e FROM everything"),
            &format!("e {expected}"),
        );
    }
}

#[test]
fn b2_group_by_shapes() {
    for (query, expected) in [
        (
            "SELECT UPPER(origin), COUNT(*) + 1 FROM flights GROUP BY UPPER(origin)",
            "EXPR$0 STRING, EXPR$1 BIGINT NOT NULL",
        ),
        ("SELECT f.origin FROM flights f GROUP BY origin", "origin STRING"),
        (
            "SELECT COUNT(*), COUNT(delay), SUM(delay), AVG(delay), MIN(origin), MAX(ts) FROM flights",
            "EXPR$0 BIGINT NOT NULL, EXPR$1 BIGINT NOT NULL, EXPR$2 INT, EXPR$3 INT, EXPR$4 STRING, EXPR$5 TIMESTAMP(3)",
        ),
        (
            "SELECT (origin, dest), COUNT(*) FROM flights GROUP BY (origin, dest)",
            "EXPR$0 ROW<`EXPR$0` STRING, `EXPR$1` STRING> NOT NULL, EXPR$1 BIGINT NOT NULL",
        ),
        ("SELECT 1 FROM flights GROUP BY origin HAVING SUM(delay) > 3", "EXPR$0 INT NOT NULL"),
        (
            "SELECT LISTAGG(origin, '|'), COUNT(DISTINCT dest) FROM flights",
            "EXPR$0 STRING, EXPR$1 BIGINT NOT NULL",
        ),
        (
            "SELECT CASE WHEN delay > 5 THEN 'late' ELSE 'ok' END AS s, COUNT(*) AS n FROM flights GROUP BY CASE WHEN delay > 5 THEN 'late' ELSE 'ok' END",
            "s VARCHAR(4) NOT NULL, n BIGINT NOT NULL",
        ),
        ("SELECT DISTINCT origin, dest FROM flights", "origin STRING, dest STRING"),
        ("SELECT COUNT(*) AS n FROM (SELECT DISTINCT origin FROM flights)", "n BIGINT NOT NULL"),
        (
            "SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin ORDER BY n DESC, origin LIMIT 3",
            "origin STRING, n BIGINT NOT NULL",
        ),
        ("SELECT origin FROM flights GROUP BY origin ORDER BY SUM(delay) LIMIT 3", "origin STRING"),
        ("SELECT origin FROM flights LIMIT 5", "origin STRING"),
        ("SELECT origin FROM flights ORDER BY 1 FETCH FIRST 5 ROWS ONLY", "origin STRING"),
    ] {
        check(TABLES, query, expected);
    }
}

#[test]
fn b3_window_columns() {
    for (query, expected) in [
        (
            "SELECT window_start, window_end, window_time FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' HOUR))",
            "window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time TIMESTAMP(3) NOT NULL",
        ),
        (
            "SELECT w.origin FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '15' MINUTE)) AS w GROUP BY w.window_end, w.origin, w.window_start",
            "origin STRING",
        ),
        (
            "SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start",
            "window_start TIMESTAMP(3) NOT NULL, n BIGINT NOT NULL",
        ),
        (
            "SELECT TUMBLE_END(pt, INTERVAL '1' SECOND) AS e, COUNT(*) AS n FROM flights GROUP BY TUMBLE(pt, INTERVAL '1' SECOND)",
            "e TIMESTAMP(3) NOT NULL, n BIGINT NOT NULL",
        ),
        (
            "SELECT HOP_ROWTIME(ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE) AS r FROM flights GROUP BY HOP(ts, INTERVAL '1' MINUTE, INTERVAL '5' MINUTE), origin",
            "r TIMESTAMP(3) NOT NULL",
        ),
    ] {
        check(TABLES, query, expected);
    }
}

#[test]
fn b6_8_every_spelling_of_an_interval_join() {
    for condition in [
        "f.ts BETWEEN w.wts - INTERVAL '1' HOUR AND w.wts + INTERVAL '1' HOUR",
        "w.wts BETWEEN f.ts - INTERVAL '1' HOUR AND f.ts",
        "f.ts > w.wts - INTERVAL '1' HOUR AND f.ts < w.wts + INTERVAL '1' HOUR",
        "w.wts - INTERVAL '1' HOUR <= f.ts AND w.wts >= f.ts",
        "f.ts = w.wts",
        "f.ts + INTERVAL '5' MINUTE >= w.wts AND f.ts - INTERVAL '5' MINUTE <= w.wts",
    ] {
        for kind in ["JOIN", "INNER JOIN", "LEFT JOIN", "RIGHT OUTER JOIN", "FULL JOIN"] {
            let query = format!(
                "SELECT f.origin AS o, w.wind AS w FROM flights f {kind} weather w ON f.origin = w.station AND {condition}"
            );
            check(TABLES, &query, "o STRING, w DOUBLE");
        }
        let query = format!(
            "SELECT f.origin AS o FROM flights AS f, weather AS w WHERE {condition} AND f.origin = w.station"
        );
        check(TABLES, &query, "o STRING");
    }
}

#[test]
fn b6_8_an_interval_join_keeps_time_attributes_for_windows() {
    check(
        &format!(
            "{TABLES}CREATE VIEW j AS SELECT f.ts, w.wind FROM flights f JOIN weather w ON f.origin = w.station AND f.ts = w.wts;"
        ),
        "SELECT window_end, MAX(wind) AS m FROM TABLE(TUMBLE(TABLE j, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end",
        "window_end TIMESTAMP(3) NOT NULL, m DOUBLE",
    );
}

#[test]
fn nexmark_joins_by_time() {
    check(
        NEXMARK,
        "SELECT A.id, B.price FROM auction A, bid B WHERE A.id = B.auction AND B.dateTime BETWEEN A.dateTime AND A.dateTime + INTERVAL '10' SECOND",
        "id BIGINT, price BIGINT",
    );
}

#[test]
fn statements_around_queries() {
    check(
        TABLES,
        "USE CATALOG default_catalog; USE default_database;
         CREATE TEMPORARY VIEW IF NOT EXISTS v (x) COMMENT 'c' AS SELECT origin FROM flights;
         CREATE TEMPORARY TABLE IF NOT EXISTS flights (a INT) WITH ('connector' = 'datagen');
         DROP TABLE IF EXISTS nothing; DROP VIEW IF EXISTS nothing;
         SELECT x FROM v",
        "x STRING",
    );
    check(
        TABLES,
        "CREATE TEMPORARY TABLE weather (a INT) WITH ('connector' = 'datagen'); SELECT * FROM weather",
        "a INT",
    );
    check(
        TABLES,
        "CREATE TEMPORARY TABLE weather (a INT) WITH ('connector' = 'datagen');
         DROP TEMPORARY TABLE weather; SELECT station FROM weather",
        "station STRING",
    );
}
