//! Files in a directory, read and written (rows G8.1 to G8.30).

mod clean_up;
mod committer;
mod enumerator;
mod listing;
mod names;
mod partition;
mod path;
mod private;
mod reader;
mod records;
mod sink;
mod source;
mod split;

use millrace_dataflow::catalog::{
    ChangelogMode, ConnectorDescriptor, MetadataKey, OptionError, TableUsage,
};
use millrace_dataflow::table::TableSpec;
use millrace_dataflow::types::{Schema, TypeRoot};
use millrace_formats::Format;
use millrace_formats::options::{OptionKind, OptionSpec};
pub use private::keep_out_of;

use crate::lookup;
use crate::options::{TableOptions, bad_value, format_of, format_options};
use crate::registry::{Connector, descriptor};

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::required("path", OptionKind::Text),
    OptionSpec::required("format", OptionKind::Text),
    OptionSpec::optional("source.monitor-interval", OptionKind::Duration),
    OptionSpec::optional("source.path.regex-pattern", OptionKind::Regex),
    OptionSpec::defaulted("source.report-statistics", OptionKind::Enum(&["ALL", "NONE"]), "ALL"),
    OptionSpec::defaulted("partition.default-name", OptionKind::Text, "__DEFAULT_PARTITION__"),
    OptionSpec::defaulted("sink.rolling-policy.file-size", OptionKind::MemorySize, "128 mb"),
    OptionSpec::defaulted("sink.rolling-policy.rollover-interval", OptionKind::Duration, "30 min"),
    OptionSpec::defaulted(
        "sink.rolling-policy.inactivity-interval",
        OptionKind::Duration,
        "30 min",
    ),
    OptionSpec::defaulted("sink.rolling-policy.check-interval", OptionKind::Duration, "1 min"),
    OptionSpec::defaulted(
        "sink.partition-commit.trigger",
        OptionKind::Enum(&["process-time"]),
        "process-time",
    ),
    OptionSpec::defaulted("sink.partition-commit.delay", OptionKind::Duration, "0 s"),
    OptionSpec::optional("sink.partition-commit.policy.kind", OptionKind::Enum(&["success-file"])),
    OptionSpec::defaulted("sink.partition-commit.success-file.name", OptionKind::Text, "_SUCCESS"),
    OptionSpec::optional("sink.parallelism", OptionKind::Int),
    lookup::CACHE,
    lookup::RELOAD_STRATEGY,
    lookup::RELOAD_INTERVAL,
    lookup::RELOAD_SCHEDULE,
    lookup::RELOAD_TIME,
    lookup::RELOAD_DAYS,
];

pub fn connector() -> Connector {
    Connector {
        descriptor: ConnectorDescriptor {
            metadata: metadata_keys(),
            ..descriptor("filesystem", true, true)
        },
        options: OPTIONS,
        takes_format: true,
        check,
        sink_mode: |_| ChangelogMode::INSERT_ONLY,
        source: Some(|scan, _| Ok(Box::new(source::FileSource::new(scan)?))),
        sink: Some(|table, world| Ok(Box::new(sink::FileSink::new(table, world)?))),
        lookup: Some(lookup::full),
        lookup_source: None,
    }
}

/// Row G8.25.
fn metadata_keys() -> Vec<MetadataKey> {
    vec![
        MetadataKey { key: "file.path", data_type: TypeRoot::string().not_null() },
        MetadataKey { key: "file.name", data_type: TypeRoot::string().not_null() },
        MetadataKey { key: "file.size", data_type: TypeRoot::BigInt.not_null() },
        MetadataKey {
            key: "file.modification-time",
            data_type: TypeRoot::TimestampLtz { precision: 3 }.not_null(),
        },
    ]
}

fn check(table: &TableSpec, usage: TableUsage) -> Result<(), OptionError> {
    let options = TableOptions::new(&table.options, OPTIONS);
    let refuse = |key: &str, message: String| OptionError { key: Some(key.to_owned()), message };
    let path =
        path::of_option(options.text("path").unwrap_or("")).map_err(|m| refuse("path", m))?;
    private::check(&path, usage).map_err(|m| refuse("path", m))?;
    let format = format_of(table)?;
    (format.create)(&format_options(table, format), &file_schema(table))
        .map_err(|error| refuse("format", error.message))?;
    if let Some(pattern) = options.text("source.path.regex-pattern") {
        listing::whole_path(pattern).map_err(|error| {
            bad_value("source.path.regex-pattern", &format!("a regular expression: {error}"))
        })?;
    }
    if let (TableUsage::Sink, Some(delay)) =
        (usage, options.duration("sink.partition-commit.delay"))
        && !delay.is_zero()
    {
        return Err(bad_value(
            "sink.partition-commit.delay",
            "'0 s': partitions are committed at the checkpoint that makes their files visible",
        ));
    }
    Ok(())
}

/// The columns that are in the files: all but the partition keys (row G8.26).
fn file_schema(table: &TableSpec) -> Schema {
    Schema::new(file_columns(table).iter().map(|at| table.physical.fields[*at].clone()).collect())
}

/// Indices of the columns that are in the files.
fn file_columns(table: &TableSpec) -> Vec<usize> {
    (0..table.physical.len()).filter(|at| !table.partition_keys.contains(at)).collect()
}

/// The format of a table whose options were checked.
fn format(table: &TableSpec) -> Result<Box<dyn Format>, String> {
    let format = format_of(table).map_err(|error| error.message)?;
    (format.create)(&format_options(table, format), &file_schema(table))
        .map_err(|error| error.message)
}

#[cfg(test)]
mod tests;
