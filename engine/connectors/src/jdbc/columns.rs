//! Which columns are read, and how SQL says so.

use millrace_dataflow::source::ScanSpec;
use millrace_dataflow::table::ProducedColumn;
use millrace_dataflow::types::Field;

use super::types::{outgoing, quoted};

/// The scanned columns; such tables have no metadata.
pub fn scanned_fields(scan: &ScanSpec) -> Vec<Field> {
    let physical = |column: &ProducedColumn| match column {
        ProducedColumn::Physical(at) => Some(scan.table.physical.fields[*at].clone()),
        ProducedColumn::Metadata(_) => None,
    };
    scan.columns.iter().filter_map(physical).collect()
}

/// `, t."a"::int8, t."b"::text`.
pub fn selected(fields: &[Field]) -> String {
    let column = |field: &Field| {
        format!(", {}", outgoing(&field.data_type.root, &format!("t.{}", quoted(&field.name))))
    };
    fields.iter().map(column).collect()
}
