//! One JSON object a record (rows G10.1 to G10.15).

mod decode;
mod encode;
mod predict;
mod scan;
mod shape;

use millrace_dataflow::types::{DataType, Schema, TypeRoot};

pub use decode::JsonDecoder;
pub(crate) use decode::parse_integer;
pub use encode::JsonEncoder;

use crate::error::FormatError;
use crate::format::{Format, FormatDescriptor, FormatOptions, Framing, RowDecoder, RowEncoder};
use crate::options::{OptionKind, OptionSpec, parse_boolean};
use crate::time::TimestampStandard;

pub const DESCRIPTOR: FormatDescriptor =
    FormatDescriptor { name: "json", options: OPTIONS, create };

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::defaulted("fail-on-missing-field", OptionKind::Boolean, "false"),
    OptionSpec::defaulted("ignore-parse-errors", OptionKind::Boolean, "false"),
    OptionSpec::defaulted(
        "timestamp-format.standard",
        OptionKind::Enum(&["SQL", "ISO-8601"]),
        "SQL",
    ),
    OptionSpec::defaulted(
        "map-null-key.mode",
        OptionKind::Enum(&["FAIL", "DROP", "LITERAL"]),
        "FAIL",
    ),
    OptionSpec::defaulted("map-null-key.literal", OptionKind::Text, "null"),
    OptionSpec::defaulted("encode.decimal-as-plain-number", OptionKind::Boolean, "false"),
    // Both of Flink's parsers give the same rows; the choice is accepted and has no effect.
    OptionSpec::defaulted("decode.json-parser.enabled", OptionKind::Boolean, "true"),
];

/// What the options say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonOptions {
    pub fail_on_missing_field: bool,
    pub ignore_parse_errors: bool,
    pub standard: TimestampStandard,
    pub map_null_key: MapNullKey,
    pub plain_decimals: bool,
}

/// What becomes of a NULL key of a map when written (row G10.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MapNullKey {
    #[default]
    Fail,
    Drop,
    Literal(String),
}

#[derive(Debug)]
struct Json {
    options: JsonOptions,
    schema: Schema,
}

fn create(options: &FormatOptions, schema: &Schema) -> Result<Box<dyn Format>, FormatError> {
    let options = read_options(options)?;
    for field in &schema.fields {
        check_type(&field.name, &field.data_type)?;
    }
    Ok(Box::new(Json { options, schema: schema.clone() }))
}

fn read_options(options: &FormatOptions) -> Result<JsonOptions, FormatError> {
    let flag = |key: &str| options.get(key).and_then(|text| parse_boolean(text)).unwrap_or(false);
    let is = |key: &str, value: &str| {
        options.get(key).is_some_and(|text| text.trim().eq_ignore_ascii_case(value))
    };
    let fail_on_missing_field = flag("fail-on-missing-field");
    let ignore_parse_errors = flag("ignore-parse-errors");
    if fail_on_missing_field && ignore_parse_errors {
        return Err(FormatError::new(
            "'json.fail-on-missing-field' and 'json.ignore-parse-errors' cannot both be true; \
             set one of them to 'false'",
        ));
    }
    let map_null_key = if is("map-null-key.mode", "DROP") {
        MapNullKey::Drop
    } else if is("map-null-key.mode", "LITERAL") {
        let literal = options.get("map-null-key.literal").map_or("null", String::as_str);
        MapNullKey::Literal(literal.to_owned())
    } else {
        MapNullKey::Fail
    };
    let standard = if is("timestamp-format.standard", "ISO-8601") {
        TimestampStandard::Iso8601
    } else {
        TimestampStandard::Sql
    };
    let plain_decimals = flag("encode.decimal-as-plain-number");
    Ok(JsonOptions {
        fail_on_missing_field,
        ignore_parse_errors,
        standard,
        map_null_key,
        plain_decimals,
    })
}

fn check_type(column: &str, data_type: &DataType) -> Result<(), FormatError> {
    match &data_type.root {
        TypeRoot::Map(key, _) if !key.root.is_character() => Err(FormatError::new(format!(
            "column '{column}': the json format needs text keys in a MAP, not {key}; \
             use MAP<STRING, ...>"
        ))),
        TypeRoot::Multiset(element) if !element.root.is_character() => {
            Err(FormatError::new(format!(
                "column '{column}': the json format needs text elements in a MULTISET, \
                 not {element}"
            )))
        }
        TypeRoot::Map(_, element) | TypeRoot::Array(element) => check_type(column, element),
        TypeRoot::Row(fields) => {
            fields.iter().try_for_each(|field| check_type(column, &field.data_type))
        }
        _ => Ok(()),
    }
}

impl Format for Json {
    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn decoder(&self, columns: &[usize]) -> Box<dyn RowDecoder> {
        let fields = columns.iter().map(|column| self.schema.fields[*column].clone()).collect();
        Box::new(JsonDecoder::new(fields, self.options.clone()))
    }

    fn encoder(&self) -> Box<dyn RowEncoder> {
        Box::new(JsonEncoder::new(self.schema.clone(), self.options.clone()))
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
