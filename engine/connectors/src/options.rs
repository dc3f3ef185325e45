//! Reading the options of a table against a connector's list of them.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::catalog::{OptionError, TableUsage};
use millrace_dataflow::table::TableSpec;
use millrace_formats::format::FormatOptions;
use millrace_formats::options::{
    OptionKind, OptionSpec, parse_boolean, parse_duration, parse_memory_size,
};
use millrace_formats::{FormatDescriptor, formats};

/// Options that every table may have (rows G.1 to G.5).
const COMMON: &[OptionSpec] = &[
    OptionSpec::required("connector", OptionKind::Text),
    OptionSpec::defaulted("property-version", OptionKind::Int, "1"),
];

/// Watermark options that every source may have (rows E.4 to E.7).
const WATERMARK: &[OptionSpec] = &[
    watermark("scan.watermark.emit.strategy", OptionKind::Enum(&["on-periodic", "on-event"])),
    watermark("scan.watermark.idle-timeout", OptionKind::Duration),
    watermark("scan.watermark.alignment.group", OptionKind::Text),
    watermark("scan.watermark.alignment.max-drift", OptionKind::Duration),
    watermark("scan.watermark.alignment.update-interval", OptionKind::Duration),
    watermark("scan.watermark.emit.on-event.gap", OptionKind::Int),
];

const fn watermark(key: &'static str, kind: OptionKind) -> OptionSpec {
    OptionSpec::optional(key, kind).since(RuntimeLevel::Flink1_18)
}

/// The options of a table with a connector's defaults behind them.
#[derive(Clone, Copy, Debug)]
pub struct TableOptions<'a> {
    values: &'a BTreeMap<String, String>,
    specs: &'static [OptionSpec],
}

impl<'a> TableOptions<'a> {
    pub fn new(
        values: &'a BTreeMap<String, String>,
        specs: &'static [OptionSpec],
    ) -> TableOptions<'a> {
        TableOptions { values, specs }
    }

    pub fn text(&self, key: &str) -> Option<&'a str> {
        let default = || self.specs.iter().find(|spec| spec.key == key)?.default;
        self.values.get(key).map(String::as_str).or_else(default)
    }

    pub fn boolean(&self, key: &str) -> bool {
        self.text(key).and_then(parse_boolean).unwrap_or(false)
    }

    pub fn long(&self, key: &str) -> Option<i64> {
        self.text(key)?.trim().parse().ok()
    }

    pub fn duration(&self, key: &str) -> Option<Duration> {
        self.text(key).and_then(parse_duration)
    }

    pub fn memory_size(&self, key: &str) -> Option<u64> {
        self.text(key).and_then(parse_memory_size)
    }
}

/// The list of options to check a table against.
pub struct Checked<'a> {
    pub connector: &'a str,
    pub specs: &'a [OptionSpec],
    pub takes_format: bool,
    pub usage: TableUsage,
    pub level: RuntimeLevel,
}

impl Checked<'_> {
    /// # Errors
    /// The first of: an unknown key, a missing key, a value that cannot be read.
    pub fn check(&self, table: &TableSpec) -> Result<(), OptionError> {
        let format = if self.takes_format { Some(format_of(table)?) } else { None };
        for (key, value) in &table.options {
            let spec = self.spec_of(key, format).ok_or_else(|| self.unknown(key, format))?;
            if self.level < spec.since {
                return Err(self.too_new(key, spec.since));
            }
            spec.kind.check(value).map_err(|wanted| bad_value(key, &wanted))?;
        }
        let missing =
            self.specs.iter().find(|spec| spec.required && !table.options.contains_key(spec.key));
        match missing {
            Some(spec) => Err(OptionError {
                key: None,
                message: format!(
                    "table '{}' needs the option '{}' of connector '{}'; add it to WITH (...)",
                    table.name, spec.key, self.connector
                ),
            }),
            None => Ok(()),
        }
    }

    fn spec_of<'s>(
        &'s self,
        key: &str,
        format: Option<&'s FormatDescriptor>,
    ) -> Option<&'s OptionSpec> {
        if let Some(spec) = self.own().find(|spec| spec.matches(key)) {
            return Some(spec);
        }
        let format = format?;
        let rest = key.strip_prefix(format.name)?.strip_prefix('.')?;
        format.options.iter().find(|spec| spec.matches(rest))
    }

    fn own(&self) -> impl Iterator<Item = &OptionSpec> {
        let watermark = if self.usage == TableUsage::Source { WATERMARK } else { &[] };
        COMMON.iter().chain(self.specs).chain(watermark)
    }

    fn too_new(&self, key: &str, since: RuntimeLevel) -> OptionError {
        let message =
            format!("option '{key}' needs {since} or later; this job runs as {}", self.level);
        OptionError { key: Some(key.to_owned()), message }
    }

    fn unknown(&self, key: &str, format: Option<&FormatDescriptor>) -> OptionError {
        let offered = |spec: &&OptionSpec| spec.since <= self.level;
        let mut supported: Vec<String> =
            self.own().filter(offered).map(|spec| spec.key.to_owned()).collect();
        if let Some(format) = format {
            let of_format = format.options.iter().filter(offered);
            supported.extend(of_format.map(|spec| format!("{}.{}", format.name, spec.key)));
        }
        supported.sort();
        let message = format!(
            "connector '{}' has no option '{key}'; it supports {}",
            self.connector,
            supported.join(", ")
        );
        OptionError { key: Some(key.to_owned()), message }
    }
}

pub fn bad_value(key: &str, wanted: &str) -> OptionError {
    OptionError { key: Some(key.to_owned()), message: format!("option '{key}' must be {wanted}") }
}

/// The format a table names.
///
/// # Errors
/// None is named, or one that this build does not have.
pub fn format_of(table: &TableSpec) -> Result<&'static FormatDescriptor, OptionError> {
    let names = || formats().iter().map(|format| format.name).collect::<Vec<_>>().join(", ");
    let Some(name) = table.options.get("format") else {
        return Err(OptionError {
            key: None,
            message: format!(
                "table '{}' names no format; add 'format' with one of {}",
                table.name,
                names()
            ),
        });
    };
    formats().iter().find(|format| format.name == name).ok_or_else(|| OptionError {
        key: Some("format".to_owned()),
        message: format!("there is no format '{name}'; there are {}", names()),
    })
}

/// The options of a table that belong to its format, without the prefix.
pub fn format_options(table: &TableSpec, format: &FormatDescriptor) -> FormatOptions {
    let own = |key: &str| key.strip_prefix(format.name)?.strip_prefix('.').map(str::to_owned);
    table.options.iter().filter_map(|(key, value)| Some((own(key)?, value.clone()))).collect()
}
