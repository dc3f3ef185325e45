//! The targets.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray};
use arrow::datatypes::DataType as ArrowType;
use bytes::Bytes;
use millrace_connectors::Connectors;
use millrace_dataflow::key_group::KeyGroupRange;
use millrace_dataflow::{Field, RuntimeLevel, Schema, TypeRoot};
use millrace_formats::{Decoded, Encoded, Format, formats};
use millrace_plan::{PlanOptions, plan_script};
use millrace_state::read::Share;
use millrace_state::{LoadedSnapshot, block, manifest, row};

use crate::{access, corpus};

/// Something that reads bytes.
pub struct Target {
    pub name: &'static str,
    /// Real inputs to start from.
    pub corpus: fn() -> Vec<Vec<u8>>,
    /// Panics when a promise is broken.
    pub run: fn(&[u8]),
}

pub const TARGETS: &[Target] = &[
    Target { name: "sql", corpus: corpus::scripts, run: sql },
    Target { name: "json", corpus: corpus::json, run: json },
    Target { name: "csv", corpus: corpus::csv, run: csv },
    Target { name: "manifest", corpus: corpus::manifests, run: snapshot_manifest },
    Target { name: "blocks", corpus: corpus::state_files, run: blocks },
    Target { name: "rows", corpus: encoded_rows, run: rows },
    Target { name: "policy", corpus: access::policies, run: access::policy },
    Target { name: "authorization", corpus: access::authorizations, run: access::authorization },
];

/// A script is planned, or refused with problems that lie within its text; the same text
/// gives the same plan.
fn sql(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let plan = || {
        let options = PlanOptions { level: RuntimeLevel::Flink1_20, settings: BTreeMap::new() };
        plan_script(text, &options, &Connectors::new())
    };
    match plan() {
        Ok(planned) => {
            let again = plan().expect("it was planned before");
            assert_eq!(planned.explain, again.explain, "the same text, another plan");
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused for no reason");
            let lines = text.split('\n').count();
            for problem in problems {
                assert!(!problem.message.is_empty(), "a problem without words");
                assert!(problem.line <= lines, "line {} of {lines}", problem.line);
            }
        }
    }
}

fn json(record: &[u8]) {
    let fields = [
        ("r", TypeRoot::Row(nested_fields())),
        (
            "m",
            TypeRoot::Map(
                Box::new(TypeRoot::string().not_null()),
                Box::new(TypeRoot::Int.nullable()),
            ),
        ),
    ];
    decodes("json", &schema(&fields), record);
}

fn csv(record: &[u8]) {
    decodes("csv", &schema(&[]), record);
}

fn nested_fields() -> Vec<Field> {
    let list = TypeRoot::Array(Box::new(TypeRoot::string().nullable()));
    vec![Field::new("x", TypeRoot::Int.nullable()), Field::new("y", list.nullable())]
}

fn schema(more: &[(&str, TypeRoot)]) -> Schema {
    let scalars = [
        ("i", TypeRoot::Int),
        ("s", TypeRoot::string()),
        ("d", TypeRoot::Double),
        ("b", TypeRoot::Boolean),
        ("n", TypeRoot::Decimal { precision: 10, scale: 2 }),
        ("t", TypeRoot::Timestamp { precision: 3 }),
    ];
    let fields = scalars.iter().chain(more);
    Schema::new(fields.map(|(name, root)| Field::new(*name, root.clone().nullable())).collect())
}

/// A bad record leaves no trace; one that is tolerated gives the same columns whichever
/// of them are asked for; what was read is read again from what is written of it.
fn decodes(name: &str, schema: &Schema, record: &[u8]) {
    let all: Vec<usize> = (0..schema.len()).collect();
    for tolerant in ["false", "true"] {
        let format = format(name, schema, tolerant);
        let Some(columns) = decode(format.as_ref(), &all, record) else { continue };
        for projected in [vec![0], vec![1, 4], vec![5, 2]] {
            if let Some(some) = decode(format.as_ref(), &projected, record) {
                for (at, column) in projected.iter().zip(&some) {
                    assert_eq!(column, &columns[*at], "column {at} depends on the others");
                }
            }
        }
        if let Some(written) = encode(format.as_ref(), &columns) {
            let again = decode(format.as_ref(), &all, written.record(0).trim_ascii_end());
            let again = again.and_then(|columns| encode(format.as_ref(), &columns));
            let again = again.map(|again| again.bytes);
            assert_eq!(again.as_ref(), Some(&written.bytes), "written, and read as another");
        }
    }
}

fn format(name: &str, schema: &Schema, tolerant: &str) -> Box<dyn Format> {
    let descriptor = formats().iter().find(|format| format.name == name);
    let mut options = BTreeMap::from([("ignore-parse-errors".to_owned(), tolerant.to_owned())]);
    if name == "csv" {
        // Without one a NULL is written as nothing, which is read as the empty text, or false.
        options.insert("null-literal".to_owned(), "NULL".to_owned());
    }
    (descriptor.expect("the format exists").create)(&options, schema).expect("good options")
}

/// The columns of the one row; `None` when it is no row.
fn decode(format: &dyn Format, columns: &[usize], record: &[u8]) -> Option<Vec<ArrayRef>> {
    let mut decoder = format.decoder(columns);
    let decoded = decoder.decode(record);
    let rows = decoder.rows();
    let arrays = decoder.finish();
    assert!(arrays.iter().all(|array| array.len() == rows), "columns of different lengths");
    match decoded {
        Ok(Decoded::Row) => {
            assert_eq!(rows, 1);
            Some(arrays)
        }
        Ok(Decoded::Skipped) | Err(_) => {
            assert_eq!(rows, 0, "a bad record left a row");
            None
        }
    }
}

fn encode(format: &dyn Format, columns: &[ArrayRef]) -> Option<Encoded> {
    let mut out = Encoded::default();
    format.encoder().encode(columns, 1, &mut out).ok()?;
    Some(out)
}

/// A manifest that passes its checksum may still say anything.
fn snapshot_manifest(json: &[u8]) {
    let checksum = crc32fast::hash(json);
    let bytes = [json, format!("\n{checksum:08x}\n").as_bytes()].concat();
    let Ok(manifest) = manifest::decode(&bytes, "/s/_metadata", RuntimeLevel::Flink1_20) else {
        return;
    };
    // Files of the promised length and checksum, as far as a small one can have them.
    let files = corpus::state_files().into_iter().cycle().map(Bytes::from);
    let files = files.take(manifest.files.len().min(64)).collect();
    let Ok(snapshot) = LoadedSnapshot::verified(manifest, "/s".into(), files) else { return };
    let share =
        Share { key_groups: KeyGroupRange { start: 0, end: 128 }, subtask: 0, parallelism: 1 };
    for operator in &snapshot.manifest.operators {
        let _ = snapshot.entries(operator, share, |_| {});
    }
}

/// Blocks with headers that fit, and any body.
fn blocks(bytes: &[u8]) {
    let mut rest = bytes;
    while rest.len() >= 20 {
        let length = u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        let end = length.saturating_add(20).min(rest.len());
        let mut one = rest[..end].to_vec();
        // As found, it is whole or refused.
        let _ = block::decode(&one, |_| {});
        one[..4].copy_from_slice(&((end - 20) as u32).to_le_bytes());
        let checksum = crc32fast::hash(&one[8..]);
        one[4..8].copy_from_slice(&checksum.to_le_bytes());
        let mut bytes_seen = 0;
        let decoded =
            block::decode(&one, |entry| bytes_seen += entry.key.len() + entry.value.len());
        if decoded.is_ok() && one[18] == 0 {
            assert!(bytes_seen <= one.len(), "entries larger than their block");
        }
        rest = &rest[end..];
    }
}

fn row_types() -> Vec<ArrowType> {
    vec![ArrowType::Int64, ArrowType::Utf8, ArrowType::Boolean]
}

fn encoded_rows() -> Vec<Vec<u8>> {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MIN)])),
        Arc::new(StringArray::from(vec![Some("text"), Some(""), None])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
    ];
    row::encode(&columns).iter().map(<[u8]>::to_vec).collect()
}

/// Only bytes that encoding writes are decoded.
fn rows(bytes: &[u8]) {
    let Ok(columns) = row::decode(&row_types(), std::iter::once(bytes)) else { return };
    let again = row::encode(&columns);
    assert_eq!(again.iter().next(), Some(bytes), "another row has the same bytes");
}
