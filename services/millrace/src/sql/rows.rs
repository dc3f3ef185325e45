//! Rows of a bare SELECT, as they come: a table for people, one JSON object a line for
//! programs.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Decimal128Type};
use millrace_dataflow::Schema;
use millrace_formats::numbers::write_decimal_plain;
use millrace_formats::{Encoded, RowEncoder, formats};
use millrace_worker::Rows;
use serde_json::Value;

use crate::output::{self, Format};

/// Later rows may be wider than the first ones; a column starts no wider than this.
const WIDEST: usize = 40;
const NARROWEST: usize = 4;

pub struct RowPrinter {
    format: Format,
    /// The widths of the columns, once the heading is printed.
    widths: Option<Vec<usize>>,
}

impl RowPrinter {
    pub fn new(format: Format) -> RowPrinter {
        RowPrinter { format, widths: None }
    }

    pub fn print(&mut self, rows: &Rows<'_>) {
        if rows.batch.num_rows() == 0 {
            return;
        }
        let records = match encode(rows) {
            Ok(records) => records,
            Err(problem) => return eprintln!("error: rows cannot be shown: {problem}"),
        };
        match self.format {
            Format::Json => print_json(rows, &records),
            Format::Text => self.print_table(rows, &records),
        }
    }

    fn print_table(&mut self, rows: &Rows<'_>, records: &[String]) {
        let names: Vec<&str> = rows.schema.fields.iter().map(|field| field.name.as_str()).collect();
        let mut lines: Vec<Vec<String>> =
            records.iter().map(|record| cells(record, &names)).collect();
        write_decimals(rows.record().columns(), &mut lines);
        let widths = self.widths.get_or_insert_with(|| {
            let widths = widths(&names, &lines);
            let heading: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            output::line(&aligned("op", &heading, &widths));
            widths
        });
        for (row, line) in lines.iter().enumerate() {
            output::line(&aligned(rows.batch.kind(row).short(), line, widths));
        }
    }
}

fn print_json(rows: &Rows<'_>, records: &[String]) {
    for (row, record) in records.iter().enumerate() {
        let op = rows.batch.kind(row).short();
        output::line(&format!("{{\"op\":\"{op}\",\"row\":{record}}}"));
    }
}

/// Each row as a JSON object, by the rules of Flink's json format.
fn encode(rows: &Rows<'_>) -> Result<Vec<String>, String> {
    let mut encoder = json_encoder(rows.schema)?;
    let mut encoded = Encoded::default();
    let count = rows.batch.num_rows();
    encoder
        .encode(rows.record().columns(), count, &mut encoded)
        .map_err(|failure| failure.to_string())?;
    let text = |row| String::from_utf8_lossy(encoded.record(row)).trim_end().to_owned();
    Ok((0..count).map(text).collect())
}

fn json_encoder(schema: &Schema) -> Result<Box<dyn RowEncoder>, String> {
    let json = formats().iter().find(|format| format.name == "json").expect("json is built in");
    let format =
        (json.create)(&Default::default(), schema).map_err(|failure| failure.to_string())?;
    Ok(format.encoder())
}

/// The values of a row by column, as people read them.
fn cells(record: &str, names: &[&str]) -> Vec<String> {
    let row: Value = serde_json::from_str(record).unwrap_or_default();
    names.iter().map(|name| cell(&row[*name])).collect()
}

/// Decimals with all their digits and their scale (`10.000000`, as Flink's client shows
/// them): the json format strips zeros, and reading it back would round to a double.
fn write_decimals(columns: &[ArrayRef], lines: &mut [Vec<String>]) {
    for (index, column) in columns.iter().enumerate() {
        let DataType::Decimal128(_, scale) = *column.data_type() else { continue };
        let values = column.as_primitive::<Decimal128Type>();
        for (row, line) in lines.iter_mut().enumerate().filter(|(row, _)| values.is_valid(*row)) {
            let mut text = Vec::new();
            write_decimal_plain(values.value(row), u32::from(scale.unsigned_abs()), &mut text);
            line[index] = String::from_utf8_lossy(&text).into_owned();
        }
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn widths(names: &[&str], lines: &[Vec<String>]) -> Vec<usize> {
    let length = |text: &str| text.chars().count();
    let column = |index: usize| {
        let cells = lines.iter().map(|line| length(&line[index]));
        cells.chain([length(names[index])]).max().unwrap_or(0).clamp(NARROWEST, WIDEST)
    };
    (0..names.len()).map(column).collect()
}

fn aligned(op: &str, cells: &[String], widths: &[usize]) -> String {
    let mut line = op.to_owned();
    for (cell, width) in cells.iter().zip(widths) {
        line.push_str("  ");
        line.push_str(&format!("{cell:<width$}"));
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Decimal128Array};

    use super::{aligned, cells, widths, write_decimals};

    #[test]
    fn decimals_keep_their_digits_and_scale() {
        let long = 123_456_789_012_345_678_901_234_567_890;
        let values = Decimal128Array::from(vec![Some(10_000_000), Some(-5), None, Some(long)]);
        let column: ArrayRef = Arc::new(values.with_precision_and_scale(38, 6).unwrap());
        let mut lines = vec![vec!["1E+1".to_owned()]; 4];
        write_decimals(&[column], &mut lines);
        let expected = ["10.000000", "-0.000005", "1E+1", "123456789012345678901234.567890"];
        assert_eq!(lines.concat(), expected);
    }

    #[test]
    fn rows_line_up_below_their_headings() {
        let names = ["id", "name"];
        let lines = vec![
            cells(r#"{"id":1,"name":"short"}"#, &names),
            cells(r#"{"id":null,"name":"a bit longer"}"#, &names),
        ];
        let widths = widths(&names, &lines);
        assert_eq!(aligned("+I", &lines[0], &widths), "+I  1     short");
        assert_eq!(aligned("-D", &lines[1], &widths), "-D  NULL  a bit longer");
    }
}
