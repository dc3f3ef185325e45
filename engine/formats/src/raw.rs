//! The bytes of a record as the one column of a table (row G12.7).

use arrow::array::{Array, ArrayRef};
use millrace_dataflow::types::{Field, Schema};

use crate::cells::Cells;
use crate::column::ColumnBuilder;
use crate::error::FormatError;
use crate::format::{
    Decoded, Encoded, Format, FormatDescriptor, FormatOptions, Framing, RowDecoder, RowEncoder,
};
use crate::options::{OptionKind, OptionSpec};

pub const DESCRIPTOR: FormatDescriptor = FormatDescriptor { name: "raw", options: OPTIONS, create };

const OPTIONS: &[OptionSpec] =
    &[OptionSpec::defaulted("charset", OptionKind::Enum(&["UTF-8"]), "UTF-8")];

#[derive(Debug)]
struct Raw {
    field: Field,
}

fn create(_options: &FormatOptions, schema: &Schema) -> Result<Box<dyn Format>, FormatError> {
    match schema.fields.as_slice() {
        [field] if field.data_type.root.is_character() || field.data_type.root.is_binary() => {
            Ok(Box::new(Raw { field: field.clone() }))
        }
        [field] => Err(FormatError::new(format!(
            "column '{}': the raw format reads STRING and BYTES, not {}",
            field.name, field.data_type
        ))),
        fields => Err(FormatError::new(format!(
            "the raw format needs exactly one physical column; the table has {}",
            fields.len()
        ))),
    }
}

impl Format for Raw {
    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn decoder(&self, columns: &[usize]) -> Box<dyn RowDecoder> {
        let column = (!columns.is_empty()).then(|| ColumnBuilder::new(&self.field.data_type));
        let text = self.field.data_type.root.is_character();
        Box::new(RawDecoder { column, text, rows: 0 })
    }

    fn encoder(&self) -> Box<dyn RowEncoder> {
        Box::new(RawEncoder { field: self.field.clone() })
    }
}

struct RawDecoder {
    column: Option<ColumnBuilder>,
    text: bool,
    rows: usize,
}

impl RowDecoder for RawDecoder {
    fn decode(&mut self, record: &[u8]) -> Result<Decoded, FormatError> {
        if self.text && std::str::from_utf8(record).is_err() {
            return Err(FormatError::new("the record is not valid UTF-8; declare it as BYTES"));
        }
        if let Some(column) = &mut self.column {
            column.push_bytes(record);
        }
        self.rows += 1;
        Ok(Decoded::Row)
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        self.rows = 0;
        self.column.iter_mut().map(ColumnBuilder::finish).collect()
    }
}

struct RawEncoder {
    field: Field,
}

impl RowEncoder for RawEncoder {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        out: &mut Encoded,
    ) -> Result<(), FormatError> {
        let cells = Cells::of_columns(std::slice::from_ref(&self.field), columns)?;
        for row in 0..rows {
            match &cells[0] {
                Cells::Text(array) if array.is_valid(row) => {
                    out.bytes.extend_from_slice(array.value(row).as_bytes());
                }
                Cells::Bytes(array) if array.is_valid(row) => {
                    out.bytes.extend_from_slice(array.value(row));
                }
                _ => {}
            }
            out.bytes.push(b'\n');
            out.ends.push(out.bytes.len());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use millrace_dataflow::types::TypeRoot;

    use super::*;

    #[test]
    fn g12_7_a_record_goes_through_unchanged() {
        let schema = Schema::new(vec![Field::new("line", TypeRoot::string().nullable())]);
        let format = create(&FormatOptions::new(), &schema).expect("one text column");
        let mut decoder = format.decoder(&[0]);
        for record in ["{\"a\": 1}", "", "x,y"] {
            assert_eq!(decoder.decode(record.as_bytes()), Ok(Decoded::Row));
        }
        assert!(decoder.decode(&[0xff]).is_err());
        let columns = decoder.finish();
        let mut out = Encoded::default();
        format.encoder().encode(&columns, 3, &mut out).expect("text");
        assert_eq!(out.bytes, b"{\"a\": 1}\n\nx,y\n");
    }
}
