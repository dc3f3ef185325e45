//! Golden plans of regular joins: `tests/explain/<name>.txt`. Set `UPDATE_EXPECT=1` to
//! write them anew.

mod common;

use common::{NEXMARK, TABLES, plan_under, shown};
use expect_test::expect_file;
use millrace_dataflow::RuntimeLevel;

fn check(name: &str, tables: &str, query: &str) {
    let planned = plan_under(RuntimeLevel::Flink1_18, &format!("{tables}{query}"))
        .unwrap_or_else(|diagnostics| panic!("{name}:\n{}", shown(&diagnostics)));
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    let path = format!("{package}/tests/explain/{name}.txt");
    expect_file![path].assert_eq(&planned.explain);
}

#[test]
fn b6_1_an_inner_join_of_inserts_is_inserts() {
    check(
        "join_inner",
        TABLES,
        "SELECT f.dest, w.wts, f.ts FROM flights f JOIN weather w
         ON f.origin = w.station AND f.ts > w.wts WHERE f.delay > 3",
    );
}

#[test]
fn b6_3_an_outer_join_updates_and_what_concerns_its_kept_side_is_filtered_below() {
    check(
        "join_left",
        TABLES,
        "SELECT f.dest, w.station FROM flights f LEFT JOIN weather w ON f.origin = w.station
         WHERE f.delay > 3",
    );
}

#[test]
fn b6_2_a_join_without_keys_runs_once() {
    check(
        "join_cross",
        TABLES,
        "SELECT f.dest, w.station FROM flights f, weather w WHERE f.delay < CHAR_LENGTH(w.station)",
    );
}

#[test]
fn b6_4_a_null_safe_equality_is_a_key() {
    check(
        "join_null_safe",
        TABLES,
        "SELECT f.dest FROM flights f FULL JOIN weather w
         ON f.origin IS NOT DISTINCT FROM UPPER(w.station)",
    );
}

#[test]
fn b12_13_what_updates_is_joined_with_its_retractions() {
    check(
        "join_updating",
        TABLES,
        "SELECT a.origin, a.n, b.m FROM
           (SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin) a
           JOIN (SELECT dest, COUNT(*) AS m FROM flights GROUP BY dest) b ON a.origin = b.dest",
    );
}

#[test]
fn nexmark_q3() {
    check(
        "nexmark_q3",
        NEXMARK,
        "SELECT P.name, P.city, P.state, A.id FROM auction AS A
         INNER JOIN person AS P ON A.seller = P.id
         WHERE A.category = 10 AND (P.state = 'OR' OR P.state = 'ID' OR P.state = 'CA')",
    );
}

#[test]
fn nexmark_q4() {
    check(
        "nexmark_q4",
        NEXMARK,
        "SELECT Q.category, AVG(Q.final) FROM (
           SELECT MAX(B.price) AS final, A.category FROM auction A, bid B
           WHERE A.id = B.auction AND B.dateTime BETWEEN A.dateTime AND A.expires
           GROUP BY A.id, A.category) Q
         GROUP BY Q.category",
    );
}

#[test]
fn nexmark_q9() {
    check(
        "nexmark_q9",
        NEXMARK,
        "SELECT id, itemName, auction, bidder, price FROM (
           SELECT A.*, B.auction, B.bidder, B.price, ROW_NUMBER() OVER
             (PARTITION BY A.id ORDER BY B.price DESC, B.dateTime ASC) AS rownum
           FROM auction A, bid B
           WHERE A.id = B.auction AND B.dateTime BETWEEN A.dateTime AND A.expires)
         WHERE rownum <= 1",
    );
}

#[test]
fn nexmark_q20() {
    check(
        "nexmark_q20",
        NEXMARK,
        "SELECT auction, bidder, price, B.dateTime, itemName FROM bid AS B
         INNER JOIN auction AS A ON B.auction = A.id WHERE A.category = 10",
    );
}

#[test]
fn b6_6_in_is_a_semi_join() {
    check(
        "join_semi",
        TABLES,
        "SELECT dest FROM flights
         WHERE delay > 3 AND origin IN (SELECT station FROM weather WHERE station <> 'x')",
    );
}

#[test]
fn b6_6_not_in_takes_null_for_a_match() {
    check(
        "join_anti_not_in",
        TABLES,
        "SELECT dest FROM flights WHERE origin NOT IN (SELECT station FROM weather)",
    );
}

#[test]
fn b6_6_conditions_on_the_row_around_are_the_joins() {
    check(
        "join_anti_correlated",
        TABLES,
        "SELECT dest FROM flights f WHERE NOT EXISTS
           (SELECT 1 FROM weather w WHERE w.station = f.origin AND w.wts > f.ts AND station <> 'x')",
    );
}

#[test]
fn b6_6_rows_are_compared_column_by_column() {
    check(
        "join_semi_rows",
        TABLES,
        "SELECT delay FROM flights WHERE (origin, dest) IN (SELECT dest, origin FROM flights)",
    );
}

#[test]
fn b6_1_using_makes_one_column_of_two() {
    check(
        "join_using",
        TABLES,
        "SELECT *, wts, b.station AS other FROM (SELECT wts, station FROM weather) a
         LEFT JOIN (SELECT station, COUNT(*) AS n FROM weather GROUP BY station) b USING (station)
         WHERE station <> 'x'",
    );
}
