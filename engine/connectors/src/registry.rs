//! The connectors there are, as data.

use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::catalog::{ChangelogMode, ConnectorDescriptor, OptionError, TableUsage};
use millrace_dataflow::graph::LookupCache;
use millrace_dataflow::lookup::{LookupSource, LookupSpec};
use millrace_dataflow::sink::{Sink, SinkError};
use millrace_dataflow::source::{ScanSpec, Source, SourceError};
use millrace_dataflow::table::TableSpec;
use millrace_formats::options::OptionSpec;

use crate::world::World;
use crate::{blackhole, datagen, filesystem, nexmark, print};

pub type MakeSource = fn(&ScanSpec, &World) -> Result<Box<dyn Source>, SourceError>;
pub type MakeSink = fn(&TableSpec, &World) -> Result<Box<dyn Sink>, SinkError>;

pub type MakeLookups = fn(&LookupSpec) -> Result<Box<dyn LookupSource>, SourceError>;
pub type LookupOf = fn(&TableSpec) -> Result<LookupCache, OptionError>;

/// One connector: what it is, which options it has, how it is made.
pub struct Connector {
    pub descriptor: ConnectorDescriptor,
    pub options: &'static [OptionSpec],
    pub takes_format: bool,
    /// What cannot be said by the list of options.
    pub check: fn(&TableSpec, TableUsage) -> Result<(), OptionError>,
    /// The changes that a table takes.
    pub sink_mode: fn(&TableSpec) -> ChangelogMode,
    pub source: Option<MakeSource>,
    pub sink: Option<MakeSink>,
    /// How its tables answer lookups; `None`: they do not.
    pub lookup: Option<LookupOf>,
    /// How it is asked, unless its tables are always held whole.
    pub lookup_source: Option<MakeLookups>,
}

/// In alphabetical order.
pub fn connectors() -> Vec<Connector> {
    vec![
        blackhole::connector(),
        datagen::connector(),
        filesystem::connector(),
        #[cfg(feature = "jdbc")]
        crate::jdbc::connector(),
        nexmark::connector(),
        print::connector(),
    ]
}

/// A descriptor of a connector that every level has.
pub fn descriptor(name: &'static str, source: bool, sink: bool) -> ConnectorDescriptor {
    ConnectorDescriptor { name, source, sink, since: RuntimeLevel::Flink1_15, metadata: Vec::new() }
}
