//! Every type's layout is read back as it was written.

use super::language::parse_type;
use crate::value::{Reader, Value, build};

#[test]
fn values_survive_their_arrow_layout() {
    let int = Value::Integer;
    let row = Value::Row(vec![int(1), Value::text("a")]);
    for (text, value) in [
        ("BOOLEAN", Value::Boolean(true)),
        ("TINYINT", int(-5)),
        ("BIGINT", int(i64::MAX)),
        ("DOUBLE", Value::Float(1.5)),
        ("DECIMAL(38,2)", Value::Decimal(-12345)),
        ("STRING", Value::text("añ")),
        ("BYTES", Value::bytes(vec![0, 255])),
        ("DATE", int(-1)),
        ("TIME", int(3_600_000)),
        ("TIMESTAMP(3)", Value::Timestamp(-1_000_000)),
        ("TIMESTAMP(6)", Value::Timestamp(-1_000)),
        ("TIMESTAMP(9)", Value::Timestamp(-1)),
        ("LTZ(3)", Value::Timestamp(5_000_000)),
        ("MONTHS", int(14)),
        ("MILLIS", int(-7)),
        ("ARRAY<STRING>", Value::Array(vec![Value::text("a"), Value::Null])),
        ("MAP<STRING, INT>", Value::Map(vec![(Value::text("k"), Value::Null)])),
        ("MULTISET<INT>", Value::Map(vec![(int(4), int(2))])),
        ("ROW<x INT, y STRING>", row.clone()),
        ("ARRAY<ROW<x INT, y STRING>>", Value::Array(vec![row, Value::Null])),
    ] {
        let data_type = parse_type(text);
        let array = build(vec![value.clone(), Value::Null, value.clone()], &data_type);
        assert_eq!(array.data_type(), &data_type.to_arrow(), "{text}");
        let reader = Reader::new(array.as_ref());
        assert_eq!(reader.get(0), value, "{text}");
        assert_eq!(reader.get(1), Value::Null, "{text}");
        assert_eq!(reader.get(2), value, "{text}");
    }
}
