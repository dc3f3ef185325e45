use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::catalog::{ConnectorCatalog, TableUsage};
use millrace_dataflow::table::TableSpec;
use millrace_dataflow::types::{Field, TypeRoot};

use crate::testing::{BIGINT, INT, Job, TEXT, check_resumes, connectors, scan, table};

fn datagen(columns: &[(&str, TypeRoot)], options: &[(&str, &str)]) -> TableSpec {
    let options: Vec<_> = [("connector", "datagen")].iter().chain(options).copied().collect();
    table(columns, &options)
}

fn rows(columns: &[(&str, TypeRoot)], options: &[(&str, &str)]) -> Vec<String> {
    Job::start(&scan(&datagen(columns, options), 100), 1, None).finish().expect("rows")
}

#[test]
fn g9_1_a_sequence_counts_and_ends() {
    let columns = &[("a", INT), ("b", TEXT), ("c", TypeRoot::Decimal { precision: 5, scale: 2 })];
    let options = &[
        ("fields.a.kind", "sequence"),
        ("fields.a.start", "5"),
        ("fields.a.end", "7"),
        ("fields.b.kind", "sequence"),
        ("fields.b.start", "-1"),
        ("fields.b.end", "100"),
        ("fields.c.kind", "SEQUENCE"),
        ("fields.c.start", "0"),
        ("fields.c.end", "9"),
    ];
    assert_eq!(rows(columns, options), ["+I[5, -1, 0.00]", "+I[6, 0, 1.00]", "+I[7, 1, 2.00]"]);
    let fewer = [&options[..], &[("number-of-rows", "2")]].concat();
    assert_eq!(rows(columns, &fewer).len(), 2);
}

#[test]
fn g9_1_random_values_keep_their_bounds() {
    let columns = &[
        ("i", TypeRoot::TinyInt),
        ("d", TypeRoot::Double),
        ("m", TypeRoot::Decimal { precision: 4, scale: 1 }),
        ("s", TEXT),
        ("c", TypeRoot::Char(3)),
        ("n", INT),
    ];
    let options = &[
        ("number-of-rows", "500"),
        ("fields.i.min", "-2"),
        ("fields.i.max", "2"),
        ("fields.d.min", "0.5"),
        ("fields.d.max", "1.5"),
        ("fields.m.min", "1.5"),
        ("fields.m.max", "2.5"),
        ("fields.n.null-rate", "0.5"),
    ];
    let rows = rows(columns, options);
    let mut nulls = 0;
    for row in &rows {
        let values: Vec<&str> = row[3..row.len() - 1].split(", ").collect();
        let number = |at: usize| values[at].parse::<f64>().expect("a number");
        assert!((-2.0..=2.0).contains(&number(0)), "{row}");
        assert!((0.5..=1.5).contains(&number(1)), "{row}");
        assert!((1.5..=2.5).contains(&number(2)), "{row}");
        assert_eq!((values[3].len(), values[4].len()), (100, 3));
        assert!(values[3].chars().all(|digit| digit.is_ascii_hexdigit()), "{row}");
        nulls += usize::from(values[5] == "null");
    }
    assert_eq!(rows.len(), 500);
    assert!((200..300).contains(&nulls), "{nulls}");
    assert!(rows.iter().any(|row| row.starts_with("+I[-2")));
    assert!(rows.iter().any(|row| row.starts_with("+I[2")));
}

#[test]
fn g9_1_every_type_can_be_made_up() {
    let int = || Box::new(INT.nullable());
    let columns = &[
        ("o", TypeRoot::Boolean),
        ("b", TypeRoot::bytes()),
        ("f", TypeRoot::Float),
        ("dt", TypeRoot::Date),
        ("tm", TypeRoot::Time),
        ("ts", TypeRoot::Timestamp { precision: 9 }),
        ("a", TypeRoot::Array(int())),
        ("m", TypeRoot::Map(Box::new(TEXT.nullable()), int())),
        ("u", TypeRoot::Multiset(Box::new(TEXT.nullable()))),
        ("r", TypeRoot::Row(vec![Field::new("x", INT.nullable())])),
        ("y", TypeRoot::IntervalYearMonth),
        ("z", TypeRoot::IntervalDayTime),
    ];
    let options = &[
        ("number-of-rows", "1"),
        ("fields.r.x.min", "7"),
        ("fields.r.x.max", "7"),
        ("fields.a.length", "2"),
        ("fields.a.element.min", "1"),
        ("fields.a.element.max", "1"),
        ("fields.u.element.length", "1"),
        ("fields.b.length", "0"),
    ];
    let rows = rows(columns, options);
    assert_eq!(rows.len(), 1);
    assert!(rows[0].contains(", +I[7], "), "{rows:?}");
    assert!(rows[0].contains(", [1, 1], "), "{rows:?}");
    assert!(rows[0].contains(", 1970-01-01, 00:00, 1970-01-01T00:00, "), "{rows:?}");
}

#[test]
fn every_row_once_from_every_snapshot_at_any_parallelism() {
    let columns = &[("n", BIGINT), ("s", TEXT), ("r", INT)];
    let options = &[
        ("rows-per-second", "3000"),
        ("number-of-rows", "300"),
        ("fields.n.kind", "sequence"),
        ("fields.n.start", "1"),
        ("fields.n.end", "1000000"),
        ("fields.s.length", "8"),
    ];
    let all = check_resumes(&scan(&datagen(columns, options), 25));
    assert_eq!(all.len(), 300);
}

#[test]
fn a_column_holds_the_same_values_whatever_else_is_read() {
    let table = datagen(&[("a", INT), ("b", INT)], &[("number-of-rows", "50")]);
    let both = Job::start(&scan(&table, 100), 1, None).finish().expect("rows");
    let mut second = scan(&table, 100);
    second.columns.remove(0);
    let alone = Job::start(&second, 1, None).finish().expect("rows");
    for (both, alone) in both.iter().zip(alone) {
        assert!(both.ends_with(&alone[3..]), "{both} {alone}");
    }
    second.columns.clear();
    assert_eq!(Job::start(&second, 1, None).finish().expect("rows").len(), 50);
}

#[test]
fn rows_come_at_their_rate() {
    let table = datagen(&[("a", INT)], &[("rows-per-second", "100"), ("number-of-rows", "150")]);
    let mut job = Job::start(&scan(&table, 1_000), 1, None);
    job.finish().expect("rows");
    assert!((1_480..=1_600).contains(&job.now_ms), "{}", job.now_ms);
}

#[test]
fn g9_1_bad_options_are_refused() {
    for (key, value) in [
        ("rows-per-second", "0"),
        ("number-of-rows", "-5"),
        ("fields.a.kind", "alphabetic"),
        ("fields.a.min", "x"),
        ("fields.a.max", "3000000000"),
        ("fields.a.null-rate", "2"),
        ("fields.zz.kind", "random"),
        ("fields.a.kind", "sequence"),
        ("fields.a.colour", "red"),
        ("format", "json"),
    ] {
        let table = datagen(&[("a", INT)], &[(key, value)]);
        let checked =
            connectors().check_options(&table, TableUsage::Source, RuntimeLevel::Flink1_18);
        assert_eq!(checked.expect_err(key).key.as_deref(), Some(key));
    }
}
