//! Round trips over random columns of random types, and damage of every kind.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, ListArray, MapArray,
    NullArray, RecordBatch, StringArray, StructArray, Time32MillisecondArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, Field as ArrowField, Float64Type};
use arrow::util::pretty::pretty_format_columns;
use millrace_dataflow::{DataType, Field, TypeRoot};
use proptest::prelude::*;

use super::*;

/// Scripted randomness: proptest shrinks the bytes, the columns follow.
struct Dice<'a>(std::iter::Cycle<std::iter::Copied<std::slice::Iter<'a, u8>>>);

impl Dice<'_> {
    fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    fn bits(&mut self) -> u64 {
        (0..8).fold(0, |bits, _| bits << 8 | u64::from(self.0.next().expect("cycles for ever")))
    }

    fn is_null(&mut self) -> bool {
        self.below(4) == 0
    }
}

fn leaf_types() -> Vec<TypeRoot> {
    let mut types = vec![
        TypeRoot::Boolean,
        TypeRoot::TinyInt,
        TypeRoot::SmallInt,
        TypeRoot::Int,
        TypeRoot::BigInt,
        TypeRoot::Float,
        TypeRoot::Double,
        TypeRoot::Decimal { precision: 9, scale: 2 },
        TypeRoot::string(),
        TypeRoot::bytes(),
        TypeRoot::Date,
        TypeRoot::Time,
        TypeRoot::IntervalYearMonth,
        TypeRoot::IntervalDayTime,
        TypeRoot::Null,
    ];
    for precision in [3, 6, 9] {
        types.push(TypeRoot::Timestamp { precision });
        types.push(TypeRoot::TimestampLtz { precision });
    }
    types
}

fn random_type(dice: &mut Dice<'_>, depth: u32) -> DataType {
    let kinds = if depth == 0 { 3 } else { 6 };
    let root = match dice.below(kinds) {
        3 => TypeRoot::Array(Box::new(random_type(dice, depth - 1))),
        4 => {
            let key = TypeRoot::string().not_null();
            TypeRoot::Map(Box::new(key), Box::new(random_type(dice, depth - 1)))
        }
        5 => TypeRoot::Row(
            (0..dice.below(3))
                .map(|index| Field::new(format!("f{index}"), random_type(dice, depth - 1)))
                .collect(),
        ),
        _ => {
            let leaves = leaf_types();
            leaves[dice.below(leaves.len() as u64) as usize].clone()
        }
    };
    root.nullable()
}

fn random_text(dice: &mut Dice<'_>) -> String {
    ["", "a", "b", "ß", "JFK", "a longer text than most"][dice.below(6) as usize].to_owned()
}

fn floats(dice: &mut Dice<'_>) -> f64 {
    [0.0, -0.0, 1.5, f64::NAN, -f64::NAN, f64::INFINITY, -2.25][dice.below(7) as usize]
}

fn random_column(data_type: &DataType, rows: usize, nulls: bool, dice: &mut Dice<'_>) -> ArrayRef {
    macro_rules! fill {
        ($array:ty, $value:expr) => {
            Arc::new(
                (0..rows)
                    .map(|_| if nulls && dice.is_null() { None } else { Some($value) })
                    .collect::<$array>(),
            )
        };
    }
    let arrow = data_type.to_arrow();
    match &arrow {
        ArrowType::Null => Arc::new(NullArray::new(rows)),
        ArrowType::Boolean => fill!(BooleanArray, dice.below(2) == 1),
        ArrowType::Int8 => fill!(Int8Array, dice.bits() as i8),
        ArrowType::Int16 => fill!(Int16Array, dice.bits() as i16),
        ArrowType::Int32 => fill!(Int32Array, dice.bits() as i32),
        ArrowType::Int64 => fill!(Int64Array, dice.bits() as i64),
        ArrowType::Float32 => fill!(Float32Array, floats(dice) as f32),
        ArrowType::Float64 => fill!(Float64Array, floats(dice)),
        ArrowType::Decimal128(precision, scale) => {
            let array: Decimal128Array = (0..rows)
                .map(|_| (!nulls || !dice.is_null()).then(|| dice.below(2000) as i128 - 1000))
                .collect();
            Arc::new(array.with_precision_and_scale(*precision, *scale).expect("three digits fit"))
        }
        ArrowType::Utf8 => fill!(StringArray, random_text(dice)),
        ArrowType::Binary => {
            let values: Vec<Option<Vec<u8>>> = (0..rows)
                .map(|_| (!nulls || !dice.is_null()).then(|| random_text(dice).into_bytes()))
                .collect();
            Arc::new(BinaryArray::from_iter(values))
        }
        ArrowType::Date32 => fill!(Date32Array, dice.bits() as i32),
        ArrowType::Time32(_) => fill!(Time32MillisecondArray, dice.below(86_400_000) as i32),
        ArrowType::Timestamp(unit, zone) => {
            let values: Vec<Option<i64>> = (0..rows)
                .map(|_| (!nulls || !dice.is_null()).then(|| dice.bits() as i64))
                .collect();
            match unit {
                TimeUnit::Microsecond => Arc::new(
                    TimestampMicrosecondArray::from(values).with_timezone_opt(zone.clone()),
                ),
                TimeUnit::Nanosecond => {
                    Arc::new(TimestampNanosecondArray::from(values).with_timezone_opt(zone.clone()))
                }
                _ => Arc::new(
                    TimestampMillisecondArray::from(values).with_timezone_opt(zone.clone()),
                ),
            }
        }
        _ => random_nested(data_type, &arrow, rows, nulls, dice),
    }
}

fn random_nested(
    data_type: &DataType,
    arrow: &ArrowType,
    rows: usize,
    nulls: bool,
    dice: &mut Dice<'_>,
) -> ArrayRef {
    let validity = nulls.then(|| NullBuffer::from_iter((0..rows).map(|_| !dice.is_null())));
    let lengths: Vec<usize> = (0..rows).map(|_| dice.below(3) as usize).collect();
    let total = lengths.iter().sum();
    let offsets = OffsetBuffer::from_lengths(lengths);
    match (&data_type.root, arrow) {
        (TypeRoot::Array(item), ArrowType::List(field)) => {
            let values = random_column(item, total, nulls, dice);
            Arc::new(ListArray::new(field.clone(), offsets, values, validity))
        }
        (TypeRoot::Map(_, value), ArrowType::Map(field, _)) => {
            let keys: StringArray =
                (0..total).map(|index| Some(format!("{}", 99 - index % 50))).collect();
            let values = random_column(value, total, nulls, dice);
            let ArrowType::Struct(fields) = field.data_type() else { unreachable!("map entries") };
            let entries = StructArray::new(fields.clone(), vec![Arc::new(keys), values], None);
            Arc::new(MapArray::new(field.clone(), offsets, entries, validity, false))
        }
        (TypeRoot::Row(members), ArrowType::Struct(fields)) => {
            let columns = members
                .iter()
                .map(|member| random_column(&member.data_type, rows, nulls, dice))
                .collect();
            let array = StructArray::try_new_with_length(fields.clone(), columns, validity, rows);
            Arc::new(array.expect("members of one length"))
        }
        other => unreachable!("no generator for {other:?}"),
    }
}

fn types(columns: &[ArrayRef]) -> Vec<ArrowType> {
    columns.iter().map(|column| column.data_type().clone()).collect()
}

fn random_columns(seed: &[u8], rows: usize) -> Vec<ArrayRef> {
    let mut dice = Dice(seed.iter().copied().cycle());
    (0..1 + dice.below(4))
        .map(|_| {
            let data_type = random_type(&mut dice, 2);
            let nulls = dice.below(2) == 1;
            random_column(&data_type, rows, nulls, &mut dice)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_was_encoded_comes_back(
        seed in prop::collection::vec(any::<u8>(), 64..400),
        rows in 0_usize..12,
        cut in 0_usize..4,
    ) {
        let mut columns = random_columns(&seed, rows);
        let cut = cut.min(rows);
        for column in &mut columns {
            *column = column.slice(cut, rows - cut);
        }
        let encoded = encode(&columns);
        prop_assert_eq!(encoded.len(), rows - cut);
        let decoded = decode(&types(&columns), encoded.iter()).expect("just encoded");
        prop_assert_eq!(types(&decoded), types(&columns));
        prop_assert_eq!(&encode(&decoded).bytes, &encoded.bytes);
        for (decoded, given) in decoded.iter().zip(&columns) {
            for row in 0..decoded.len() {
                prop_assert_eq!(shown(decoded, row), shown(given, row));
            }
        }
    }

    #[test]
    fn a_row_alone_is_encoded_as_in_its_batch(
        seed in prop::collection::vec(any::<u8>(), 64..400),
        rows in 1_usize..8,
    ) {
        let columns = random_columns(&seed, rows);
        let encoded = encode(&columns);
        for row in 0..rows {
            let alone: Vec<ArrayRef> = columns.iter().map(|c| c.slice(row, 1)).collect();
            let alone = encode(&alone);
            prop_assert_eq!(alone.row(0), encoded.row(row));
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_are_another_row(
        seed in prop::collection::vec(any::<u8>(), 64..400),
        damage in any::<u32>(),
        value in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let columns = random_columns(&seed, 1);
        let mut bytes = encode(&columns).row(0).to_vec();
        let at = damage as usize % bytes.len();
        if cut { bytes.truncate(at) } else { bytes[at] = value }
        // Whatever is accepted is a row that encodes to just these bytes: nothing was
        // left unread, nothing read twice.
        if let Ok(decoded) = decode(&types(&columns), [bytes.as_slice()].into_iter()) {
            let again = encode(&decoded);
            prop_assert_eq!(again.row(0), bytes.as_slice());
            prop_assert!(!cut);
        }
    }

    #[test]
    fn any_bytes_at_all_never_panic(
        seed in prop::collection::vec(any::<u8>(), 64..200),
        bytes in prop::collection::vec(0_u8..26, 0..60),
    ) {
        let columns = random_columns(&seed, 1);
        if let Ok(decoded) = decode(&types(&columns), [bytes.as_slice()].into_iter()) {
            let again = encode(&decoded);
            prop_assert_eq!(again.row(0), bytes.as_slice());
        }
    }
}

/// One value as text, with a float in its one form and a map as its encoding has it.
fn shown(column: &ArrayRef, row: usize) -> String {
    let one = column.slice(row, 1);
    match column.data_type() {
        ArrowType::Float32 | ArrowType::Float64 if one.is_valid(0) => {
            let value = cast(&one, &ArrowType::Float64).expect("a wider float");
            let value = value.as_primitive::<Float64Type>().value(0);
            // Adding zero turns -0.0 into 0.0; NaN prints without its sign.
            if value.is_nan() { "NaN".to_owned() } else { format!("{:?}", value + 0.0) }
        }
        data_type if data_type.is_nested() => format!("{:?}", encode(&[one]).bytes),
        _ => pretty_format_columns("c", &[one]).expect("printable").to_string(),
    }
}

fn bytes_of(column: impl arrow::array::Array + 'static) -> Vec<Vec<u8>> {
    encode(&[Arc::new(column) as ArrayRef]).iter().map(<[u8]>::to_vec).collect()
}

#[test]
fn the_layout_is_what_snapshots_hold() {
    assert_eq!(
        bytes_of(Int64Array::from(vec![Some(258), None])),
        [vec![6, 2, 1, 0, 0, 0, 0, 0, 0], vec![0]]
    );
    assert_eq!(bytes_of(StringArray::from(vec!["ab"])), [vec![10, 2, 0, 0, 0, b'a', b'b']]);
    assert_eq!(bytes_of(BooleanArray::from(vec![true, false])), [vec![2], vec![1]]);
    let zoned = TimestampMillisecondArray::from(vec![1]).with_timezone("UTC");
    assert_eq!(bytes_of(zoned), [vec![19, 1, 0, 0, 0, 0, 0, 0, 0]]);
}

#[test]
fn floats_that_are_equal_as_keys_have_equal_bytes() {
    let rows = bytes_of(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN, 1.0]));
    assert_eq!(rows[0], rows[1]);
    assert_eq!(rows[2], rows[3]);
    assert_ne!(rows[0], rows[4]);
}

#[test]
fn neighbours_do_not_run_into_each_other() {
    let rows = encode(&[
        Arc::new(StringArray::from(vec!["a", "ab"])) as ArrayRef,
        Arc::new(StringArray::from(vec!["bc", "c"])) as ArrayRef,
    ]);
    assert_ne!(rows.row(0), rows.row(1));
}

#[test]
fn maps_are_equal_whatever_the_order_of_their_entries() {
    let field =
        TypeRoot::Map(Box::new(TypeRoot::string().not_null()), Box::new(TypeRoot::Int.nullable()))
            .nullable()
            .to_arrow();
    let ArrowType::Map(field, _) = field else { unreachable!("a map") };
    let ArrowType::Struct(fields) = field.data_type().clone() else { unreachable!("entries") };
    let keys = Arc::new(StringArray::from(vec!["a", "b", "b", "a"])) as ArrayRef;
    let values = Arc::new(Int32Array::from(vec![1, 2, 2, 1])) as ArrayRef;
    let entries = StructArray::new(fields, vec![keys, values], None);
    let map = MapArray::new(field, OffsetBuffer::from_lengths([2, 2]), entries, None, false);
    let rows = bytes_of(map);
    assert_eq!(rows[0], rows[1]);
}

#[test]
fn another_type_is_refused() {
    let rows = encode(&[Arc::new(Int64Array::from(vec![7])) as ArrayRef]);
    for wrong in [ArrowType::Int32, ArrowType::Utf8, ArrowType::Date32, ArrowType::Null] {
        let refused = decode(std::slice::from_ref(&wrong), rows.iter());
        assert!(refused.is_err(), "{wrong}");
    }
    assert!(decode(&[], rows.iter()).is_err(), "bytes left over");
    assert!(decode(&[ArrowType::Int64, ArrowType::Int64], rows.iter()).is_err(), "cut short");
}

#[test]
fn a_huge_count_costs_nothing() {
    let list = ArrowType::List(Arc::new(ArrowField::new("item", ArrowType::Null, true)));
    let bytes = [22, 255, 255, 255, 127];
    assert!(decode(&[list], [bytes.as_slice()].into_iter()).is_err());
}

#[test]
fn a_key_of_no_columns_is_empty_for_every_row() {
    let column = Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("a", column)]).expect("one column");
    let rows = encode_column_subset(&batch, &[]);
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(<[u8]>::is_empty));
    assert_eq!(key_groups(&rows, 128).len(), 3);
    assert_eq!(encode_column_subset(&batch, &[0]).row(1)[0], 6);
}
