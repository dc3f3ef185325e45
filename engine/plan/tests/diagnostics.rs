//! Bad scripts and the exact diagnostics they get: `line:column+length message [hint]`.

mod common;

use common::{Connectors, TABLES, options, plan_under};
use expect_test::{Expect, expect};
use millrace_dataflow::RuntimeLevel;
use millrace_plan::{Severity, plan_script};

/// `script` follows the tables; lines count from its own first.
fn check_under(level: RuntimeLevel, script: &str, expected: Expect) {
    let before = TABLES.matches('\n').count();
    let diagnostics = match plan_under(level, &format!("{TABLES}{script}")) {
        Ok(planned) => planned.warnings,
        Err(diagnostics) => diagnostics,
    };
    let mut shown = String::new();
    for d in &diagnostics {
        let severity = if d.severity == Severity::Warning { "warning " } else { "" };
        let line = d.line.saturating_sub(before);
        shown += &format!("{severity}{line}:{}+{} {}", d.column, d.length, d.message);
        if let Some(hint) = &d.hint {
            shown += &format!(" [{hint}]");
        }
        shown.push('\n');
    }
    expected.assert_eq(&shown);
}

fn check(script: &str, expected: Expect) {
    check_under(RuntimeLevel::Flink1_18, script, expected);
}

#[test]
fn a1_1_names_are_case_sensitive() {
    check(
        "SELECT Origin FROM flights",
        expect![[r#"
        1:8+6 Column 'Origin' not found in any table [did you mean 'origin'?]
    "#]],
    );
}

#[test]
fn a1_12_reserved_words_need_back_ticks() {
    check(
        "CREATE TABLE t (user STRING) WITH ('connector' = 'print')",
        expect![[r#"
        1:17+4 expected the name of a column, found user [user is a reserved word: write it in back-ticks, `user`]
    "#]],
    );
    check(
        "SELECT delay AS value FROM flights",
        expect![[r#"
        1:17+5 expected a name after AS, found value [value is a reserved word: write it in back-ticks, `value`]
    "#]],
    );
}

#[test]
fn unknown_tables_columns_and_functions_get_near_names() {
    check(
        "SELECT * FROM flight",
        expect![[r#"
        1:15+6 Object 'flight' not found [did you mean 'flights'?]
    "#]],
    );
    check(
        "SELECT f.orign FROM flights f",
        expect![[r#"
        1:10+5 Column 'orign' not found in table 'f' [did you mean 'origin'?]
    "#]],
    );
    check(
        "SELECT g.origin FROM flights f",
        expect![[r#"
            1:8+1 Table or column 'g' not found [there is 'f', 'origin', 'dest', 'carrier', 'delay', 'distance', 'ts', 'file', 'pt', 'late']
        "#]],
    );
    check(
        "SELECT UPER(origin) FROM flights",
        expect![[r#"
        1:8+4 no function is named UPER; did you mean UPPER?
    "#]],
    );
}

#[test]
fn several_statements_give_several_diagnostics() {
    check(
        "SELECT FROM flights;\nSELECT origin FROM flights WHERE;\nCREATE TABEL x (a INT);",
        expect![[r#"
            1:8+4 expected an expression or a name, found FROM
            2:33+1 expected an expression, found ';'
            3:8+5 expected TABLE or VIEW, found TABEL
        "#]],
    );
}

#[test]
fn users_of_what_failed_are_not_reported_too() {
    check(
        "CREATE VIEW v AS SELECT nothing FROM flights;\nSELECT * FROM v",
        expect![[r#"
        1:25+7 Column 'nothing' not found in any table [there is 'origin', 'dest', 'carrier', 'delay', 'distance', 'ts', 'file', 'pt', 'late']
    "#]],
    );
}

#[test]
fn types_that_do_not_meet() {
    check(
        "SELECT origin + 1 FROM flights",
        expect![[r#"
        1:8+6 + does not take STRING as argument 1; it takes a number
    "#]],
    );
    check(
        "SELECT * FROM flights WHERE delay",
        expect![[r#"
        1:29+5 WHERE clause must be a condition, but this is INT
    "#]],
    );
    check(
        "SELECT SUM(origin) FROM flights",
        expect![[r#"
        1:12+6 SUM does not take STRING; it takes a number
    "#]],
    );
    check(
        "SELECT origin FROM flights UNION ALL SELECT delay FROM flights",
        expect![[r#"
        1:1+62 Type mismatch in column 1 of UNION: STRING and INT
    "#]],
    );
}

#[test]
fn b2_1_what_is_not_grouped() {
    check(
        "SELECT origin, dest, COUNT(*) FROM flights GROUP BY origin",
        expect![[r#"
        1:16+4 Expression 'dest' is not being grouped [add it to GROUP BY, or aggregate it]
    "#]],
    );
    check(
        "SELECT origin FROM flights WHERE COUNT(*) > 1",
        expect![[r#"
        1:34+12 Aggregate expression is illegal in WHERE clause [filter groups with HAVING]
    "#]],
    );
}

#[test]
fn a5_2_sink_columns() {
    let sink = "CREATE TABLE o (a INT, b STRING) WITH ('connector' = 'print');\n";
    check(
        &format!("{sink}INSERT INTO o SELECT distance, origin FROM flights"),
        expect![[r#"
        2:15+36 Column types of query result and sink for 'default_catalog.default_database.o' do not match.
        Cause: Incompatible types for sink column 'a' at position 0.

        Query schema: [distance: BIGINT, origin: STRING]
        Sink schema:  [a: INT, b: STRING]
    "#]],
    );
    check(
        &format!("{sink}INSERT INTO o SELECT delay FROM flights"),
        expect![[r#"
        2:15+25 Column types of query result and sink for 'default_catalog.default_database.o' do not match.
        Cause: Different number of columns.

        Query schema: [delay: INT]
        Sink schema:  [a: INT, b: STRING]
    "#]],
    );
    check(
        &format!("{sink}INSERT INTO o (a, c) SELECT delay, origin FROM flights"),
        expect![[r#"
            2:19+1 Unknown target column 'c' [there is 'a', 'b']
        "#]],
    );
}

#[test]
fn b12_24_an_insert_only_sink_takes_no_updates() {
    check(
        "CREATE TABLE o (a STRING, n BIGINT) WITH ('connector' = 'filesystem');
INSERT INTO o SELECT origin, COUNT(*) FROM flights GROUP BY origin",
        expect![[r#"
            2:13+1 Table sink 'default_catalog.default_database.o' doesn't support consuming update changes which is produced by node GroupAggregate(groupBy=[origin], select=[origin, COUNT(*) AS EXPR$1]) [this sink takes inserts only: use a window, or a sink that takes updates]
        "#]],
    );
    check(
        "CREATE TABLE o (a STRING) WITH ('connector' = 'filesystem');
INSERT INTO o SELECT origin FROM (SELECT origin, ROW_NUMBER() OVER (PARTITION BY origin ORDER BY delay) AS rn FROM flights) WHERE rn < 3",
        expect![[r#"
            2:13+1 Table sink 'default_catalog.default_database.o' doesn't support consuming update and delete changes which is produced by node Rank(rankType=[ROW_NUMBER], rankRange=[rankStart=1, rankEnd=2], partitionBy=[origin], orderBy=[delay ASC], outputRank=[false], select=[origin, delay]) [this sink takes inserts only: use a window, or a sink that takes updates]
        "#]],
    );
}

#[test]
fn b3_windowing_functions() {
    check(
        "SELECT * FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(delay), INTERVAL '1' HOUR))",
        expect![[r#"
            1:54+5 The window function requires the timecol is a time attribute type, but is INT. [declare WATERMARK FOR delay in the table, and pass the column on unchanged]
        "#]],
    );
    check(
        "SELECT * FROM TABLE(HOP(TABLE flights, DESCRIPTOR(ts), INTERVAL '7' MINUTE, INTERVAL '1' HOUR))",
        expect![[r#"
            1:77+17 HOP table function based aggregate requires size must be an integral multiple of slide, but got size 3600000 ms and slide 420000 ms
        "#]],
    );
    check(
        "SELECT * FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), 5))",
        expect![[r#"
        1:59+1 a window's size is a constant INTERVAL of days to seconds, but this is INT NOT NULL
    "#]],
    );
    check(
        "SELECT * FROM TABLE(TUMBLE((SELECT * FROM flights), DESCRIPTOR(ts), INTERVAL '1' HOUR))",
        expect![[r#"
            1:28+1 expected TABLE, found '(' [a windowing function takes TABLE <name>: the name of a table or view (row B3.6)]
        "#]],
    );
    check(
        "SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(pt), INTERVAL '1' HOUR)) WHERE window_start IS NOT NULL GROUP BY window_start, window_end",
        expect![[r#"
            1:1+163 grouping again by the windows of a processing-time window is not offered yet
        "#]],
    );
}

#[test]
fn b6_14_what_no_lookup_join_can_be_is_refused_by_name() {
    let check = |script: &str, expected: Expect| check(script, expected);
    let lookup = |rest: &str| format!("SELECT f.origin FROM flights f {rest}");
    check(
        &lookup("JOIN weather FOR SYSTEM_TIME AS OF f.pt AS w ON w.wind > f.delay"),
        expect![[r#"
        1:22+74 the condition of a lookup join must equate a column of the table that is looked up with an expression of the same type over the left side [the table's columns are station, wind, wts]
    "#]],
    );
    check(&lookup("JOIN weather FOR SYSTEM_TIME AS OF f.pt AS w ON w.wind = f.delay"), expect![""]);
    check(
        &lookup(
            "JOIN (SELECT station, MAX(wind) AS m FROM weather GROUP BY station) FOR SYSTEM_TIME AS OF f.pt AS w ON w.station = f.origin",
        ),
        expect![[r#"
            1:100+3 FOR SYSTEM_TIME AS OF stands behind the name of a table, before its alias
        "#]],
    );
    let view = "CREATE VIEW most AS SELECT station, MAX(wind) AS m FROM weather GROUP BY station;";
    check(
        &format!(
            "{view} {}",
            lookup("JOIN most FOR SYSTEM_TIME AS OF f.pt AS w ON w.station = f.origin")
        ),
        expect![[r#"
            1:146+4 a temporal join by processing time needs a table whose connector can look rows up, not a query [join a versioned table by an event time: a column with a WATERMARK]
        "#]],
    );
    let made = "CREATE TABLE made (a STRING) WITH ('connector' = 'datagen');";
    check(
        &format!(
            "{made} {}",
            lookup("JOIN made FOR SYSTEM_TIME AS OF f.pt AS m ON m.a = f.origin")
        ),
        expect![[r#"
            1:36+23 no lookups in 'default_catalog.default_database.made'
        "#]],
    );
    check(
        &lookup("FULL JOIN weather FOR SYSTEM_TIME AS OF f.pt AS w ON w.station = f.origin"),
        expect![[r#"
            1:22+83 a temporal join (FOR SYSTEM_TIME AS OF) is an inner or a left join
        "#]],
    );
}

#[test]
fn b7_2_a_wrong_lookup_hint_is_refused_by_name() {
    let check = |options: &str, expected: Expect| {
        let script = format!(
            "SELECT /*+ LOOKUP({options}) */ f.origin FROM flights f JOIN weather FOR SYSTEM_TIME AS OF f.pt AS w ON f.origin = w.station"
        );
        check(&script, expected);
    };
    check("'table'='w', 'async'='false', 'timeout'='1 s', 'capacity'='10'", expect![""]);
    check(
        "'async'='true'",
        expect![[r#"
        1:12+6 the LOOKUP hint names no table [add 'table' with the name of the table that is looked up, or its alias]
    "#]],
    );
    check(
        "'table'='weather'",
        expect![[r#"
        1:27+9 the LOOKUP hint names 'weather', which is no table here [name a table of FROM by its alias: f, w]
    "#]],
    );
    check(
        "'table'='w', 'asynchronous'='true'",
        expect![[r#"
        1:32+14 the LOOKUP hint has no option 'asynchronous' [it has table, async, output-mode, capacity, timeout, retry-predicate, retry-strategy, fixed-delay, max-attempts]
    "#]],
    );
    check(
        "'table'='w', 'output-mode'='any'",
        expect![[r#"
        1:46+5 'output-mode' of the LOOKUP hint is ordered or allow_unordered, not 'any'
    "#]],
    );
    check(
        "'table'='w', 'capacity'='0'",
        expect![[r#"
        1:43+3 'capacity' of the LOOKUP hint is a whole number above 0, not '0'
    "#]],
    );
    check(
        "'table'='w', 'retry-predicate'='lookup_miss'",
        expect![[r#"
        1:12+6 the LOOKUP hint takes retry-predicate, retry-strategy, fixed-delay, max-attempts together or not at all
    "#]],
    );
    check(
        "'table'='w', 'retry-predicate'='lookup_miss', 'retry-strategy'='fixed_delay', 'fixed-delay'='1', 'max-attempts'='3'",
        expect![""],
    );
}

#[test]
fn what_a_level_lacks_is_refused_with_the_version_that_has_it() {
    let lookup = "SELECT /*+ LOOKUP('table'='weather', 'async'='true') */ f.origin FROM flights f JOIN weather FOR SYSTEM_TIME AS OF f.pt ON f.origin = weather.station";
    check_under(
        RuntimeLevel::Flink1_15,
        lookup,
        expect![[r#"
        1:12+6 the LOOKUP hint was introduced in Flink 1.16; this application runs on FLINK-1_15 [update the runtime environment to FLINK-1_18 or later]
    "#]],
    );
    check_under(RuntimeLevel::Flink1_18, lookup, expect![""]);
    let ttl =
        "SELECT /*+ STATE_TTL('flights'='1d') */ origin, COUNT(*) FROM flights GROUP BY origin";
    check_under(
        RuntimeLevel::Flink1_18,
        ttl,
        expect![[r#"
        1:12+9 the STATE_TTL hint was introduced in Flink 1.19; this application runs on FLINK-1_18 [update the runtime environment to FLINK-1_19 or later]
    "#]],
    );
    let session = "SELECT * FROM TABLE(SESSION(TABLE flights PARTITION BY (origin, dest), DESCRIPTOR(ts), INTERVAL '1' HOUR))";
    check_under(
        RuntimeLevel::Flink1_18,
        session,
        expect![[r#"
        1:21+7 the windowing function SESSION was introduced in Flink 1.19; this application runs on FLINK-1_18 [update the runtime environment to FLINK-1_19 or later]
    "#]],
    );
    check_under(
        RuntimeLevel::Flink1_19,
        session,
        expect![[r#"
            1:15+92 the windowing function SESSION is offered below GROUP BY window_start, window_end alone, with nothing between them that looks at the windows
        "#]],
    );
}

#[test]
fn b12_6_windows_take_inserts_only() {
    let script = "CREATE VIEW counts AS SELECT * FROM (SELECT origin, ts, ROW_NUMBER() OVER (PARTITION BY origin ORDER BY ts DESC) AS rn FROM flights) WHERE rn = 1;
SELECT window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE counts, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end";
    check_under(
        RuntimeLevel::Flink1_18,
        script,
        expect![[r#"
        2:1+129 window aggregation over an updating input was introduced in Flink 1.19; this application runs on FLINK-1_18 [update the runtime environment to FLINK-1_19 or later]
    "#]],
    );
    check_under(RuntimeLevel::Flink1_19, script, expect![""]);
}

#[test]
fn what_the_engine_does_not_offer_is_named_and_pointed_at() {
    for (script, expected) in [
        (
            "SELECT * FROM flights MATCH_RECOGNIZE (ORDER BY ts)",
            expect![[r#"
            1:23+15 MATCH_RECOGNIZE is not offered yet
        "#]],
        ),
        (
            "SELECT origin IN (SELECT station FROM weather) FROM flights",
            expect![[r#"
                1:15+32 IN (SELECT ...) is not offered yet here [it can stand in WHERE, alone or joined by AND]
            "#]],
        ),
        (
            "SELECT * FROM flights WHERE late OR EXISTS (SELECT 1 FROM weather)",
            expect![[r#"
                1:37+30 EXISTS (SELECT ...) is not offered yet here [it can stand in WHERE, alone or joined by AND]
            "#]],
        ),
        (
            "SELECT * FROM weather a FULL JOIN LATERAL (SELECT 1 AS x) b ON TRUE",
            expect![[r#"
            1:15+53 LATERAL stands right of an inner or LEFT JOIN
        "#]],
        ),
        (
            "SELECT * FROM weather a, LATERAL (SELECT delay FROM flights f WHERE f.origin = a.station LIMIT 2)",
            expect![[r#"
                1:35+62 unexpected correlate variable in the plan: LATERAL with LIMIT joins distinct values to their first rows only [put (SELECT DISTINCT k FROM t) before it]
            "#]],
        ),
        (
            "SELECT * FROM weather a JOIN weather b USING (nothing)",
            expect![[r#"
            1:47+7 Column 'nothing' not found in any table [there is 'station', 'wind', 'wts']
        "#]],
        ),
        (
            "SELECT * FROM flights WHERE (origin, dest) IN (SELECT station FROM weather)",
            expect![[r#"
                1:44+32 2 values are compared with 1 columns of the subquery
            "#]],
        ),
        (
            "SELECT * FROM flights f WHERE EXISTS
             (SELECT COUNT(*) FROM weather w WHERE w.station = f.origin GROUP BY w.wts)",
            expect![[r#"
                2:64+1 Table or column 'f' not found [there is 'w', 'station', 'wind', 'wts']
            "#]],
        ),
        (
            "SELECT * FROM flights f WHERE delay > (SELECT delay FROM flights)",
            expect![[r#"
            1:40+25 a scalar subquery that may have several rows is not offered yet [aggregate it: (SELECT MAX(x) FROM t)]
        "#]],
        ),
        (
            "SELECT * FROM flights f WHERE delay > (SELECT MAX(wind) FROM weather w WHERE w.station > f.origin)",
            expect![[r#"
            1:40+58 such a subquery is compared with the row around it by '=' alone
        "#]],
        ),
        (
            "SELECT origin, COUNT(*) > (SELECT 3) FROM flights GROUP BY origin",
            expect![[r#"
            1:27+10 a scalar subquery is not offered yet here [write a join]
        "#]],
        ),
        (
            "SELECT origin FROM flights INTERSECT ALL SELECT station FROM weather",
            expect![[r#"
            1:28+9 INTERSECT ALL is not offered yet
        "#]],
        ),
        (
            "SELECT * FROM flights ORDER BY delay",
            expect![[r#"
            1:32+5 Sort on a non-time-attribute field is not supported. [add LIMIT for an updating Top-N]
        "#]],
        ),
        (
            "SELECT * FROM flights ORDER BY pt",
            expect![[r#"
            1:32+2 ORDER BY a processing time without LIMIT is not offered yet [order by an event time: a column with a WATERMARK]
        "#]],
        ),
        (
            "SELECT * FROM flights f JOIN weather FOR SYSTEM_TIME AS OF f.ts AS w ON f.origin = w.station",
            expect![[r#"
                1:30+7 'weather' has no versions: a temporal join needs a primary key and a row time [declare PRIMARY KEY (..) NOT ENFORCED and a WATERMARK, or use a view that keeps the last row of each key: ROW_NUMBER() OVER (PARTITION BY key ORDER BY rowtime DESC) = 1]
            "#]],
        ),
        (
            "SELECT * FROM flights f JOIN weather FOR SYSTEM_TIME AS OF f.dest AS w ON f.origin = w.station",
            expect![[r#"
                1:60+6 FOR SYSTEM_TIME AS OF takes a time attribute of the left side [use the column of its WATERMARK, such as o.order_time]
            "#]],
        ),
        (
            "SELECT * FROM flights f RIGHT JOIN weather FOR SYSTEM_TIME AS OF f.ts AS w ON f.origin = w.station",
            expect![[r#"
                1:15+84 a temporal join (FOR SYSTEM_TIME AS OF) is an inner or a left join
            "#]],
        ),
        (
            "SELECT * FROM weather FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01 00:00:00'",
            expect![[r#"
                1:15+61 FOR SYSTEM_TIME AS OF is for the right side of a join
            "#]],
        ),
        (
            "SELECT * FROM flights f JOIN (SELECT * FROM weather) FOR SYSTEM_TIME AS OF f.ts AS w ON TRUE",
            expect![[r#"
                1:54+3 FOR SYSTEM_TIME AS OF stands behind the name of a table, before its alias
            "#]],
        ),
        (
            "SELECT GROUPING(dest), COUNT(*) FROM flights GROUP BY ROLLUP(origin)",
            expect![[r#"
            1:17+4 Argument to GROUPING operator must be a grouped expression
        "#]],
        ),
        (
            "ALTER TABLE flights RENAME TO f",
            expect![[r#"
            1:1+5 ALTER is not offered yet
        "#]],
        ),
        (
            "INSERT OVERWRITE flights SELECT * FROM flights",
            expect![[r#"
            1:8+9 INSERT OVERWRITE needs a bounded input and is not offered; write INSERT INTO
        "#]],
        ),
        (
            "CREATE TABLE t WITH ('connector' = 'print') AS SELECT 1",
            expect![[r#"
            1:45+2 CREATE TABLE ... AS SELECT is not offered yet [write CREATE TABLE with columns, then INSERT INTO]
        "#]],
        ),
    ] {
        check(script, expected);
    }
}

#[test]
fn b3_14_windows_of_the_wall_clock_are_not_ranked_or_joined() {
    let view = "CREATE VIEW w AS SELECT * FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(pt), INTERVAL '1' HOUR));";
    let top = format!(
        "{view}
SELECT origin FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY delay) AS rn FROM w) WHERE rn <= 3"
    );
    check(
        &top,
        expect![[r#"
            2:31+72 Processing time Window TopN is not supported yet.
        "#]],
    );
    let join = format!(
        "{view}
SELECT a.origin FROM w a JOIN w b ON a.window_start = b.window_start AND a.window_end = b.window_end"
    );
    check(
        &join,
        expect![[r#"
            2:22+79 Processing time Window Join is not supported yet.
        "#]],
    );
}

#[test]
fn b3_16_a_window_join_needs_the_same_windows_on_both_sides() {
    check(
        "SELECT a.origin FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' HOUR)) a
JOIN TABLE(TUMBLE(TABLE weather, DESCRIPTOR(wts), INTERVAL '2' HOUR)) b
ON a.window_start = b.window_start AND a.window_end = b.window_end AND a.origin = b.station",
        expect![[r#"
            1:22+65 Currently, window join doesn't support different window table function of left and right inputs. [use the same windowing function with the same sizes on both sides]
        "#]],
    );
}

#[test]
fn b3_4_sessions_are_grouped_by_their_own_keys() {
    for (clause, expected) in [
        (
            "GROUP BY window_start, window_end",
            expect![[r#"
            1:1+139 grouping sessions by other columns than the PARTITION BY of SESSION is not offered yet [GROUP BY window_start, window_end and the columns of PARTITION BY]
        "#]],
        ),
        (
            "WHERE delay > 5 GROUP BY window_start, window_end, origin",
            expect![[r#"
            1:1+163 a filter between the windowing function SESSION and its GROUP BY is not offered yet [filter in a view, and give the view to SESSION]
        "#]],
        ),
        ("GROUP BY window_start, window_end, origin", expect![""]),
    ] {
        let script = format!(
            "SELECT COUNT(*) FROM TABLE(SESSION(TABLE flights PARTITION BY origin, DESCRIPTOR(ts), INTERVAL '1' HOUR)) {clause}"
        );
        check_under(RuntimeLevel::Flink1_19, &script, expected);
    }
    check(
        "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE flights PARTITION BY origin, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end",
        expect![[r#"
            1:62+6 TUMBLE takes no PARTITION BY; only SESSION does
        "#]],
    );
}

#[test]
fn a2_tables_that_cannot_be() {
    for (script, expected) in [
        (
            "CREATE TABLE t (a INT, a INT) WITH ('connector' = 'print')",
            expect![[r#"
            1:24+1 A column named 'a' already exists in the table.
        "#]],
        ),
        (
            "CREATE TABLE t (a INT)",
            expect![[r#"
            1:14+1 table 't' names no connector [add 'connector' = '...' to its WITH clause]
        "#]],
        ),
        (
            "CREATE TABLE flights (a INT) WITH ('connector' = 'print')",
            expect![[r#"
            1:14+7 Could not execute CREATE: 'default_catalog.default_database.flights' already exists [drop it first, or write IF NOT EXISTS]
        "#]],
        ),
        (
            "CREATE TABLE t (a INT, PRIMARY KEY (a)) WITH ('connector' = 'print')",
            expect![[r#"
            1:24+15 Flink does not own the data and cannot enforce a primary key [write PRIMARY KEY ... NOT ENFORCED]
        "#]],
        ),
        (
            "CREATE TABLE t (a INT, PRIMARY KEY (b) NOT ENFORCED) WITH ('connector' = 'print')",
            expect![[r#"
                1:37+1 a primary key names 'b', which is no physical column [there is 'a']
            "#]],
        ),
        (
            "CREATE TABLE t (a INT, WATERMARK FOR a AS a) WITH ('connector' = 'print')",
            expect![[r#"
                1:38+1 Invalid data type of time field for watermark definition: 'a' is INT; it must be TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3
            "#]],
        ),
        (
            "CREATE TABLE t (a TIMESTAMP(6), WATERMARK FOR a AS a) WITH ('connector' = 'print')",
            expect![[r#"
                1:47+1 Invalid data type of time field for watermark definition: 'a' is TIMESTAMP(6); it must be TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3
            "#]],
        ),
        (
            "CREATE TABLE t (a STRINGG) WITH ('connector' = 'print')",
            expect![[r#"
            1:19+7 there is no data type STRINGG [did you mean 'STRING'?]
        "#]],
        ),
        (
            "CREATE TABLE t (a DECIMAL(50, 2)) WITH ('connector' = 'print')",
            expect![[r#"
            1:19+14 DECIMAL(p, s) needs 1 <= p <= 38 and 0 <= s <= p
        "#]],
        ),
        (
            "CREATE TABLE t (a INT) WITH ('connector' = 'kafkaa'); SELECT * FROM t",
            expect![[r#"
                1:69+1 there is no connector 'kafkaa' (table 'default_catalog.default_database.t') [there are blackhole, datagen, filesystem, nexmark, print, upserts, changes]
            "#]],
        ),
        (
            "CREATE TABLE t (a INT) WITH ('connector' = 'print'); SELECT * FROM t",
            expect![[r#"
            1:68+1 table 'default_catalog.default_database.t' cannot be read from: connector 'print' is a sink only
        "#]],
        ),
        (
            "CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'badkey' = '1'); SELECT * FROM t",
            expect![[r#"
                1:58+14 table 'default_catalog.default_database.t': Unsupported option 'badkey'
            "#]],
        ),
        (
            "CREATE TABLE t (a INT METADATA FROM 'offset') WITH ('connector' = 'filesystem'); SELECT * FROM t",
            expect![[r#"
                1:96+1 Invalid metadata key 'offset' in column 'a' of table 'default_catalog.default_database.t'; connector 'filesystem' has file.name, file.size
            "#]],
        ),
    ] {
        check(script, expected);
    }
}

#[test]
fn f_settings_in_scripts() {
    check(
        "SET 'table.exec.state.ttl' = 'soon';\nSELECT origin FROM flights",
        expect![[r#"
        1:30+6 setting 'table.exec.state.ttl': 'soon' is not a duration: it must start with a number; write a number and a unit, for example '500 ms', '10 s', '2 min', '1 h' or '3 d'
    "#]],
    );
    check(
        "SET 'table.exec.state.tll' = '1 h';\nSELECT origin FROM flights",
        expect![[r#"
        warning 1:5+22 the setting 'table.exec.state.tll' is not known and has no effect [did you mean 'table.exec.state.ttl'?]
    "#]],
    );
    check(
        "SET table.exec.state.ttl = 1;\nSELECT origin FROM flights",
        expect![[r#"
        1:5+5 expected a key in single quotes, found table [keys and values are quoted: SET 'key' = 'value']
    "#]],
    );
}

#[test]
fn one_select_a_script() {
    check(
        "SELECT origin FROM flights;\nSELECT dest FROM flights",
        expect![[r#"
        2:1+24 a script runs as one job and returns one SELECT; here are several [write INSERT INTO a table with connector 'print', or run the SELECT alone]
    "#]],
    );
    check(
        "",
        expect![[r#"
            0:0+0 the script has no INSERT and no SELECT: there is nothing to run
        "#]],
    );
}

#[test]
fn a_constant_that_cannot_be_computed() {
    check(
        "SELECT 1 / 0 FROM flights",
        expect![[r#"
        1:1+25 Division by zero
    "#]],
    );
}

#[test]
fn a_bad_setting_of_the_job_has_no_place_in_the_script() {
    let mut options = options(RuntimeLevel::Flink1_18);
    options.settings.insert("execution.checkpointing.interval".into(), "often".into());
    let script = format!("{TABLES}SELECT origin FROM flights");
    let diagnostics =
        plan_script(&script, &options, &Connectors::new()).expect_err("'often' is no duration");
    assert!(diagnostics[0].message.contains("'often' is not a duration"), "{diagnostics:?}");
}
