use std::sync::Mutex;

use arrow::array::{Int32Array, StringArray};
use arrow::record_batch::RecordBatch;
use millrace_dataflow::batch::RowKind;
use millrace_dataflow::types::{Field, TypeRoot};
use millrace_formats::format::FormatOptions;

use super::text::{write_duration, write_period};
use super::*;

/// What rows given as JSON are printed as.
fn shown(fields: Vec<Field>, record: &str) -> String {
    let schema = Schema::new(fields);
    let json = (millrace_formats::json::DESCRIPTOR.create)(&FormatOptions::new(), &schema)
        .expect("types that json has");
    let columns: Vec<usize> = (0..schema.len()).collect();
    let mut decoder = json.decoder(&columns);
    decoder.decode(record.as_bytes()).expect("a good record");
    let columns = decoder.finish();
    let mut out = Vec::new();
    RowText::new(&schema.fields, &columns).expect("matching").write(RowKind::Insert, 0, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn g9_2_a_row_of_every_type() {
    let field = |name: &str, root: TypeRoot| Field::new(name, root.nullable());
    let int = || TypeRoot::Int.nullable();
    let fields = vec![
        field("i", TypeRoot::Int),
        field("s", TypeRoot::string()),
        field("d", TypeRoot::Decimal { precision: 10, scale: 2 }),
        field("f", TypeRoot::Double),
        field("t", TypeRoot::Timestamp { precision: 3 }),
        field("z", TypeRoot::TimestampLtz { precision: 3 }),
        field("dt", TypeRoot::Date),
        field("tm", TypeRoot::Time),
        field("b", TypeRoot::bytes()),
        field("a", TypeRoot::Array(Box::new(int()))),
        field("m", TypeRoot::Map(Box::new(TypeRoot::string().not_null()), Box::new(int()))),
        field("r", TypeRoot::Row(vec![field("x", TypeRoot::Int), field("y", TypeRoot::string())])),
        field("o", TypeRoot::Boolean),
    ];
    let record = concat!(
        r#"{"i":1,"s":"a","d":1.5,"f":1e10,"t":"2020-01-01 00:00:00.1","#,
        r#""z":"1970-01-01 00:00:01Z","dt":"2020-01-01","tm":"10:00:00","b":"aGk=","#,
        r#""a":[1,null],"m":{"k":1},"r":{"x":1,"y":"q"},"o":true}"#
    );
    assert_eq!(
        shown(fields, record),
        "+I[1, a, 1.50, 1.0E10, 2020-01-01T00:00:00.100, 1970-01-01T00:00:01Z, 2020-01-01, \
         10:00, [104, 105], [1, null], {k=1}, +I[1, q], true]"
    );
}

#[test]
fn intervals_as_java_shows_them() {
    let text = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("ASCII")
    };
    for (months, expected) in [(0, "P0D"), (14, "P1Y2M"), (12, "P1Y"), (-3, "P-3M")] {
        assert_eq!(text(&|out| write_period(months, out)), expected);
    }
    for (millis, expected) in
        [(0, "PT0S"), (3_661_500, "PT1H1M1.5S"), (-500, "PT-0.5S"), (90_000, "PT1M30S")]
    {
        assert_eq!(text(&|out| write_duration(millis, out)), expected);
    }
}

fn printed(identifier: Option<&str>, parallelism: u16, error: bool) -> (String, String) {
    let out = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let (first, second) = (out.clone(), out.clone());
    let console = Console::new(
        move |lines| {
            first.lock().expect("one writer").0.extend_from_slice(lines);
            Ok(())
        },
        move |lines| {
            second.lock().expect("one writer").1.extend_from_slice(lines);
            Ok(())
        },
    );
    let sink = Print {
        schema: Schema::new(vec![
            Field::new("a", TypeRoot::Int.nullable()),
            Field::new("b", TypeRoot::string().nullable()),
        ]),
        identifier: identifier.map(str::to_owned),
        output: if error { console.error.clone() } else { console.out.clone() },
    };
    let ctx = WriterContext {
        task: TaskContext { subtask: parallelism - 1, parallelism },
        generation: Generation(1),
        attempt: 0,
        restored: None,
    };
    let record = RecordBatch::try_new(
        sink.schema.to_arrow(),
        vec![
            Arc::new(Int32Array::from(vec![1, 1, 2])),
            Arc::new(StringArray::from(vec![Some("x"), Some("y"), None])),
        ],
    )
    .expect("two columns");
    let kinds = vec![RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
    let mut writer = sink.create_writer(ctx, &[]).expect("a writer");
    writer.write(&Batch::changelog(record, kinds)).expect("printed");
    let (out, error) = &*out.lock().expect("one writer");
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).expect("UTF-8");
    (text(out), text(error))
}

#[test]
fn g9_2_prefixes_and_outputs() {
    let lines = |prefix: &str| format!("{prefix}-U[1, x]\n{prefix}+U[1, y]\n{prefix}-D[2, null]\n");
    for (identifier, parallelism, prefix) in
        [(None, 1, ""), (None, 2, "2> "), (Some("id"), 1, "id> "), (Some("id"), 3, "id:3> ")]
    {
        let expected = (lines(prefix), String::new());
        assert_eq!(printed(identifier, parallelism, false), expected);
    }
    assert_eq!(printed(None, 1, true), (String::new(), lines("")));
}
