//! Made-up rows (row G9.1).
//!
//! A row is a function of its number and the seed that the first start has put into
//! the splits' state, so that a restored job goes on with the very rows it would
//! have given. The exception are columns of time, which show when the row was made.

mod fields;
mod source;

use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::catalog::{ChangelogMode, OptionError, TableUsage};
use millrace_dataflow::table::TableSpec;
use millrace_formats::options::{OptionKind, OptionSpec};

use crate::registry::{Connector, descriptor};

pub const OPTIONS: &[OptionSpec] = &[
    OptionSpec::defaulted("rows-per-second", OptionKind::Long, "10000"),
    OptionSpec::optional("number-of-rows", OptionKind::Long),
    // Rows G.5 and K.1.
    OptionSpec::optional("scan.parallelism", OptionKind::Int).since(RuntimeLevel::Flink1_19),
    OptionSpec::defaulted("fields.#.kind", OptionKind::Enum(&["random", "sequence"]), "random"),
    OptionSpec::optional("fields.#.min", OptionKind::Double),
    OptionSpec::optional("fields.#.max", OptionKind::Double),
    OptionSpec::defaulted("fields.#.max-past", OptionKind::Duration, "0"),
    OptionSpec::defaulted("fields.#.length", OptionKind::Int, "100"),
    OptionSpec::optional("fields.#.start", OptionKind::Long),
    OptionSpec::optional("fields.#.end", OptionKind::Long),
    OptionSpec::defaulted("fields.#.null-rate", OptionKind::Double, "0"),
];

pub fn connector() -> Connector {
    Connector {
        descriptor: descriptor("datagen", true, false),
        options: OPTIONS,
        takes_format: false,
        check,
        sink_mode: |_| ChangelogMode::INSERT_ONLY,
        source: Some(|scan, world| Ok(Box::new(source::DatagenSource::new(scan, world)?))),
        sink: None,
        lookup: None,
        lookup_source: None,
    }
}

fn check(table: &TableSpec, _usage: TableUsage) -> Result<(), OptionError> {
    fields::check_names(table)?;
    source::plan(table).map(drop)
}

#[cfg(test)]
mod tests;
