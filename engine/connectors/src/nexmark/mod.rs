//! The table of the public Nexmark benchmark: an online auction's new persons, new
//! auctions and bids.
//!
//! Events have the shape and the distribution of the benchmark's own generator. An
//! event is a function of its number, the options and the base time alone, so two
//! runs from the same base time give the same events, and a restored job goes on
//! with the very events it would have given.

mod columns;
mod events;
mod source;
mod table;
mod words;

use millrace_dataflow::catalog::{ChangelogMode, OptionError, TableUsage};
use millrace_dataflow::table::TableSpec;
use millrace_formats::options::{OptionKind, OptionSpec};

use crate::registry::{Connector, descriptor};

/// Names and defaults are the benchmark's. As there, events are timed by
/// `first-event.rate` alone; `next-event.rate`, `rate.shape` and `rate.period` are
/// accepted for the benchmark's own scripts.
pub const OPTIONS: &[OptionSpec] = &[
    OptionSpec::defaulted("events.num", OptionKind::Long, "0"),
    OptionSpec::defaulted("first-event.rate", OptionKind::Int, "10000"),
    OptionSpec::defaulted("next-event.rate", OptionKind::Int, "10000"),
    OptionSpec::defaulted("rate.shape", OptionKind::Enum(&["SQUARE", "SINE"]), "SQUARE"),
    OptionSpec::defaulted("rate.period", OptionKind::Duration, "600 s"),
    OptionSpec::defaulted("rate.limited", OptionKind::Boolean, "false"),
    // `true`: events as fast as they can be made; their times follow the rate still.
    OptionSpec::defaulted("max-emit-speed", OptionKind::Boolean, "false"),
    OptionSpec::defaulted("person.avg-size", OptionKind::MemorySize, "200b"),
    OptionSpec::defaulted("auction.avg-size", OptionKind::MemorySize, "500b"),
    OptionSpec::defaulted("bid.avg-size", OptionKind::MemorySize, "100b"),
    OptionSpec::defaulted("person.proportion", OptionKind::Int, "1"),
    OptionSpec::defaulted("auction.proportion", OptionKind::Int, "3"),
    OptionSpec::defaulted("bid.proportion", OptionKind::Int, "46"),
    OptionSpec::defaulted("bid.hot-ratio.auctions", OptionKind::Int, "2"),
    OptionSpec::defaulted("bid.hot-ratio.bidders", OptionKind::Int, "4"),
    OptionSpec::defaulted("auction.hot-ratio.sellers", OptionKind::Int, "4"),
    // `true`: the source stays when all events were given, and the job does not end.
    OptionSpec::defaulted("keep-alive", OptionKind::Boolean, "false"),
    // No event from this number on, whatever `events.num` says; -1: not used.
    OptionSpec::defaulted("stop-at", OptionKind::Long, "-1"),
    // Milliseconds since the epoch of the first event; unset: when the job first starts.
    OptionSpec::optional("base-time", OptionKind::Long),
];

pub fn connector() -> Connector {
    Connector {
        descriptor: descriptor("nexmark", true, false),
        options: OPTIONS,
        takes_format: false,
        check,
        sink_mode: |_| ChangelogMode::INSERT_ONLY,
        source: Some(|scan, world| Ok(Box::new(source::NexmarkSource::new(scan, world)?))),
        sink: None,
        lookup: None,
        lookup_source: None,
    }
}

fn check(table: &TableSpec, _usage: TableUsage) -> Result<(), OptionError> {
    events::Settings::of(&table.options)?;
    let refused = |message| OptionError { key: Some("connector".to_owned()), message };
    table
        .physical
        .fields
        .iter()
        .try_for_each(|field| table::column(field).map(drop).map_err(refused))
}

#[cfg(test)]
mod tests;
