//! Tables of PostgreSQL: read, looked up, written (rows G7.1 to G7.13).

mod columns;
mod connection;
mod lookup;
mod sink;
mod source;
mod types;

use millrace_dataflow::catalog::{ChangelogMode, OptionError, TableUsage};
use millrace_dataflow::table::TableSpec;
use millrace_formats::options::{OptionKind, OptionSpec};

use crate::lookup::{self as lookups, LookupKeys};
use crate::options::TableOptions;
use crate::registry::{Connector, descriptor};
use connection::Target;
use source::Partitions;

const PARTITION: [&str; 4] = [
    "scan.partition.column",
    "scan.partition.num",
    "scan.partition.lower-bound",
    "scan.partition.upper-bound",
];

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::required("url", OptionKind::Text),
    OptionSpec::required("table-name", OptionKind::Text),
    OptionSpec::optional("driver", OptionKind::Text),
    OptionSpec::optional("username", OptionKind::Text),
    OptionSpec::optional("password", OptionKind::Text),
    OptionSpec::defaulted("connection.max-retry-timeout", OptionKind::Duration, "60 s"),
    OptionSpec::optional(PARTITION[0], OptionKind::Text),
    OptionSpec::optional(PARTITION[1], OptionKind::Int),
    OptionSpec::optional(PARTITION[2], OptionKind::Long),
    OptionSpec::optional(PARTITION[3], OptionKind::Long),
    OptionSpec::defaulted("scan.fetch-size", OptionKind::Int, "0"),
    OptionSpec::defaulted("scan.auto-commit", OptionKind::Boolean, "true"),
    lookups::ANY_CACHE,
    lookups::PARTIAL_ROWS,
    lookups::PARTIAL_AFTER_WRITE,
    lookups::PARTIAL_AFTER_ACCESS,
    lookups::PARTIAL_MISSING,
    lookups::RELOAD_STRATEGY,
    lookups::RELOAD_INTERVAL,
    lookups::RELOAD_SCHEDULE,
    lookups::RELOAD_TIME,
    lookups::RELOAD_DAYS,
    OptionSpec::defaulted("lookup.max-retries", OptionKind::Int, "3"),
    OptionSpec::optional("lookup.cache.max-rows", OptionKind::Long),
    OptionSpec::optional("lookup.cache.ttl", OptionKind::Duration),
    OptionSpec::optional("lookup.cache.caching-missing-key", OptionKind::Boolean),
    OptionSpec::defaulted("sink.buffer-flush.max-rows", OptionKind::Int, "100"),
    OptionSpec::defaulted("sink.buffer-flush.interval", OptionKind::Duration, "1 s"),
    OptionSpec::defaulted("sink.max-retries", OptionKind::Int, "3"),
    OptionSpec::optional("sink.parallelism", OptionKind::Int),
];

const LOOKUP_RETRIES: &str = "lookup.max-retries";
const SINK_RETRIES: &str = "sink.max-retries";

pub fn connector() -> Connector {
    Connector {
        descriptor: descriptor("jdbc", true, true),
        options: OPTIONS,
        takes_format: false,
        check,
        sink_mode: |table| match table.primary_key.is_empty() {
            true => ChangelogMode::INSERT_ONLY,
            false => ChangelogMode::UPSERT,
        },
        source: Some(|scan, _| {
            let options = TableOptions::new(&scan.table.options, OPTIONS);
            let target = target(&options, LOOKUP_RETRIES)?;
            Ok(Box::new(source::JdbcSource::new(scan, target, partitions(&options))))
        }),
        sink: Some(|table, _| {
            let options = TableOptions::new(&table.options, OPTIONS);
            let target = Target::of(&options, SINK_RETRIES)
                .map_err(|error| crate::errors::sink_refused(error.message))?;
            let most = options.long("sink.buffer-flush.max-rows").unwrap_or(0);
            let interval = options.duration("sink.buffer-flush.interval").unwrap_or_default();
            let most = usize::try_from(most).unwrap_or(0);
            Ok(Box::new(sink::JdbcSink::new(table, target, most, interval.as_millis() as i64)))
        }),
        lookup: Some(|table| lookups::any(table, &KEYS)),
        lookup_source: Some(|spec| {
            let options = TableOptions::new(&spec.scan.table.options, OPTIONS);
            Ok(Box::new(lookup::JdbcLookups::new(spec, target(&options, LOOKUP_RETRIES)?)))
        }),
    }
}

/// What older tables say (row G7.10).
const KEYS: LookupKeys = LookupKeys {
    old_rows: "lookup.cache.max-rows",
    old_ttl: "lookup.cache.ttl",
    old_missing: "lookup.cache.caching-missing-key",
};

fn target(
    options: &TableOptions<'_>,
    retries: &str,
) -> Result<Target, millrace_dataflow::source::SourceError> {
    Target::of(options, retries).map_err(|error| crate::errors::source_refused(error.message))
}

fn check(table: &TableSpec, usage: TableUsage) -> Result<(), OptionError> {
    let options = TableOptions::new(&table.options, OPTIONS);
    Target::of(&options, LOOKUP_RETRIES)?;
    let refuse =
        |key: &str, message: String| Err(OptionError { key: Some(key.to_owned()), message });
    if let Some(driver) = options.text("driver").filter(|driver| *driver != "org.postgresql.Driver")
    {
        return refuse(
            "driver",
            format!("there is no driver '{driver}'; there is org.postgresql.Driver"),
        );
    }
    for field in &table.physical.fields {
        if types::Wire::of(&field.data_type.root).is_none() {
            let message = format!(
                "column '{}' of table '{}' is {}, which connector 'jdbc' cannot read or write",
                field.name, table.name, field.data_type.root
            );
            return Err(OptionError { key: None, message });
        }
    }
    let given: Vec<&str> =
        PARTITION.into_iter().filter(|key| options.text(key).is_some()).collect();
    match given.len() {
        0 => Ok(()),
        4 => match partitions(&options) {
            Some(p) if p.count < 1 => refuse(PARTITION[1], "option 'scan.partition.num' must be 1 or more".to_owned()),
            Some(p) if p.lower > p.upper => refuse(
                PARTITION[2],
                "option 'scan.partition.lower-bound' must not be above 'scan.partition.upper-bound'".to_owned(),
            ),
            Some(p) if usage == TableUsage::Source && table.physical.index_of(&p.column).is_none() => refuse(
                PARTITION[0],
                format!("option 'scan.partition.column' names '{}', which is no column of the table", p.column),
            ),
            _ => Ok(()),
        },
        _ => refuse(given[0], format!("{} go together", PARTITION.join(", "))),
    }
}

fn partitions(options: &TableOptions<'_>) -> Option<Partitions> {
    Some(Partitions {
        column: options.text(PARTITION[0])?.to_owned(),
        count: options.long(PARTITION[1])?,
        lower: options.long(PARTITION[2])?,
        upper: options.long(PARTITION[3])?,
    })
}
