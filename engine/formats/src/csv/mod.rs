//! Delimited text (rows G11.1 to G11.13).

mod decode;
mod encode;
mod quick;
mod split;

use millrace_dataflow::types::{DataType, Schema, TypeRoot};

pub use decode::{CsvDecoder, push_text};
pub use encode::{CsvEncoder, write_plain};

use crate::error::FormatError;
use crate::format::{Format, FormatDescriptor, FormatOptions, Framing, RowDecoder, RowEncoder};
use crate::options::{OptionKind, OptionSpec, parse_boolean, parse_char};

pub const DESCRIPTOR: FormatDescriptor = FormatDescriptor { name: "csv", options: OPTIONS, create };

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::defaulted("field-delimiter", OptionKind::Char, ","),
    OptionSpec::defaulted("disable-quote-character", OptionKind::Boolean, "false"),
    OptionSpec::defaulted("quote-character", OptionKind::Char, "\""),
    OptionSpec::defaulted("allow-comments", OptionKind::Boolean, "false"),
    OptionSpec::defaulted("ignore-parse-errors", OptionKind::Boolean, "false"),
    OptionSpec::defaulted("array-element-delimiter", OptionKind::Text, ";"),
    OptionSpec::optional("escape-character", OptionKind::Char),
    OptionSpec::optional("null-literal", OptionKind::Text),
    OptionSpec::defaulted("write-bigdecimal-in-scientific-notation", OptionKind::Boolean, "true"),
];

/// What the options say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    pub delimiter: u8,
    /// `None`: quoting is disabled.
    pub quote: Option<u8>,
    pub comments: bool,
    pub ignore_parse_errors: bool,
    /// Between the elements of arrays and the members of rows.
    pub element_delimiter: String,
    pub escape: Option<u8>,
    pub null_literal: Option<String>,
    pub scientific_decimals: bool,
}

impl Default for CsvOptions {
    fn default() -> CsvOptions {
        CsvOptions {
            delimiter: b',',
            quote: Some(b'"'),
            comments: false,
            ignore_parse_errors: false,
            element_delimiter: ";".to_owned(),
            escape: None,
            null_literal: None,
            scientific_decimals: true,
        }
    }
}

#[derive(Debug)]
struct Csv {
    options: CsvOptions,
    schema: Schema,
}

fn create(options: &FormatOptions, schema: &Schema) -> Result<Box<dyn Format>, FormatError> {
    for field in &schema.fields {
        check_type(&field.name, &field.data_type)?;
    }
    Ok(Box::new(Csv { options: read_options(options)?, schema: schema.clone() }))
}

fn read_options(options: &FormatOptions) -> Result<CsvOptions, FormatError> {
    let flag = |key: &str| options.get(key).and_then(|text| parse_boolean(text));
    let character = |key: &str| options.get(key).and_then(|text| parse_char(text));
    let defaults = CsvOptions::default();
    let unquoted = flag("disable-quote-character").unwrap_or(false);
    if unquoted && options.contains_key("quote-character") {
        return Err(FormatError::new(
            "'csv.quote-character' cannot be set when 'csv.disable-quote-character' is true; \
             remove one of them",
        ));
    }
    let quote = character("quote-character").or(defaults.quote);
    let element_delimiter = options.get("array-element-delimiter");
    Ok(CsvOptions {
        delimiter: character("field-delimiter").unwrap_or(defaults.delimiter),
        quote: if unquoted { None } else { quote },
        comments: flag("allow-comments").unwrap_or(false),
        ignore_parse_errors: flag("ignore-parse-errors").unwrap_or(false),
        element_delimiter: element_delimiter.cloned().unwrap_or(defaults.element_delimiter),
        escape: character("escape-character"),
        null_literal: options.get("null-literal").cloned(),
        scientific_decimals: flag("write-bigdecimal-in-scientific-notation").unwrap_or(true),
    })
}

// Arrays and rows hold plain values only: there is no second element delimiter.
fn check_type(column: &str, data_type: &DataType) -> Result<(), FormatError> {
    let nested = |inner: &DataType| {
        matches!(inner.root, TypeRoot::Array(_) | TypeRoot::Row(_) | TypeRoot::Map(..))
    };
    let refused = match &data_type.root {
        TypeRoot::Map(..) | TypeRoot::Multiset(_) => true,
        TypeRoot::Array(element) => nested(element),
        TypeRoot::Row(fields) => fields.iter().any(|field| nested(&field.data_type)),
        _ => false,
    };
    if refused {
        return Err(FormatError::new(format!(
            "column '{column}': the csv format cannot hold {data_type}; use the json format"
        )));
    }
    Ok(())
}

impl Format for Csv {
    fn framing(&self) -> Framing {
        if self.options.quote.is_some() { Framing::QuotedLines } else { Framing::Lines }
    }

    fn decoder(&self, columns: &[usize]) -> Box<dyn RowDecoder> {
        Box::new(CsvDecoder::new(&self.schema, columns, self.options.clone()))
    }

    fn encoder(&self) -> Box<dyn RowEncoder> {
        Box::new(CsvEncoder::new(self.schema.clone(), self.options.clone()))
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
