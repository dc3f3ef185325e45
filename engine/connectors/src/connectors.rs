//! The catalogue and the factory of all connectors.

use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::catalog::{
    ChangelogMode, ConnectorCatalog, ConnectorDescriptor, ConnectorFactory, OptionError, TableUsage,
};
use millrace_dataflow::graph::LookupCache;
use millrace_dataflow::lookup::{LookupSource, LookupSpec};
use millrace_dataflow::sink::{Sink, SinkError};
use millrace_dataflow::source::{ScanSpec, Source, SourceError};
use millrace_dataflow::table::TableSpec;

use crate::errors::{sink_refused, source_refused};
use crate::options::Checked;
use crate::registry::{Connector, connectors};
use crate::world::{ConnectorsBuilder, World};

/// The connectors this engine was built with.
pub struct Connectors {
    connectors: Vec<Connector>,
    world: World,
}

impl Default for Connectors {
    fn default() -> Connectors {
        Connectors::new()
    }
}

impl Connectors {
    /// With the machine's clock, random ids and the process's console.
    pub fn new() -> Connectors {
        Connectors::builder().build()
    }

    pub fn builder() -> ConnectorsBuilder {
        ConnectorsBuilder::default()
    }

    pub(crate) fn in_world(world: World) -> Connectors {
        Connectors { connectors: connectors(), world }
    }

    fn find(&self, name: &str) -> Option<&Connector> {
        self.connectors.iter().find(|connector| connector.descriptor.name == name)
    }

    fn of_table(&self, table: &TableSpec) -> Result<&Connector, OptionError> {
        let Some(name) = table.options.get("connector") else {
            let message = format!(
                "table '{}' names no connector; add 'connector' with one of {}",
                table.name,
                self.names().join(", ")
            );
            return Err(OptionError { key: None, message });
        };
        self.find(name).ok_or_else(|| OptionError {
            key: Some("connector".to_owned()),
            message: format!(
                "there is no connector '{name}'; there are {}",
                self.names().join(", ")
            ),
        })
    }
}

impl ConnectorCatalog for Connectors {
    fn connector(&self, name: &str) -> Option<&ConnectorDescriptor> {
        self.find(name).map(|connector| &connector.descriptor)
    }

    fn names(&self) -> Vec<&str> {
        self.connectors.iter().map(|connector| connector.descriptor.name).collect()
    }

    fn check_options(
        &self,
        table: &TableSpec,
        usage: TableUsage,
        level: RuntimeLevel,
    ) -> Result<(), OptionError> {
        let connector = self.of_table(table)?;
        check_usage(connector, usage, level)?;
        let checked = Checked {
            connector: connector.descriptor.name,
            specs: connector.options,
            takes_format: connector.takes_format,
            usage,
            level,
        };
        checked.check(table)?;
        (connector.check)(table, usage)
    }

    fn lookup(&self, table: &TableSpec) -> Result<LookupCache, OptionError> {
        let connector = self.of_table(table)?;
        let Some(lookup) = connector.lookup else {
            let able = self.connectors.iter().filter(|connector| connector.lookup.is_some());
            let names: Vec<&str> = able.map(|connector| connector.descriptor.name).collect();
            let message = format!(
                "rows of table '{}' cannot be looked up by key: connector '{}' has no lookups; {} have",
                table.name,
                connector.descriptor.name,
                names.join(", ")
            );
            return Err(OptionError { key: Some("connector".to_owned()), message });
        };
        lookup(table)
    }

    fn changelog_mode(&self, table: &TableSpec, usage: TableUsage) -> ChangelogMode {
        match (self.of_table(table), usage) {
            (Ok(connector), TableUsage::Sink) => (connector.sink_mode)(table),
            _ => ChangelogMode::INSERT_ONLY,
        }
    }
}

fn check_usage(
    connector: &Connector,
    usage: TableUsage,
    level: RuntimeLevel,
) -> Result<(), OptionError> {
    let descriptor = &connector.descriptor;
    let (able, other) = match usage {
        TableUsage::Source => (descriptor.source, "written to, not read from"),
        TableUsage::Sink => (descriptor.sink, "read from, not written to"),
    };
    let refuse = |message| Err(OptionError { key: Some("connector".to_owned()), message });
    if !able {
        return refuse(format!("a table of connector '{}' can only be {other}", descriptor.name));
    }
    if level < descriptor.since {
        return refuse(format!(
            "connector '{}' needs {} or later; this job runs as {level}",
            descriptor.name, descriptor.since
        ));
    }
    Ok(())
}

impl ConnectorFactory for Connectors {
    fn source(&self, scan: &ScanSpec) -> Result<Box<dyn Source>, SourceError> {
        let connector =
            self.of_table(&scan.table).map_err(|error| source_refused(error.message))?;
        match connector.source {
            Some(make) => make(scan, &self.world),
            None => Err(source_refused(format!("table '{}' cannot be read", scan.table.name))),
        }
    }

    fn lookup_source(&self, spec: &LookupSpec) -> Result<Box<dyn LookupSource>, SourceError> {
        let table = &spec.scan.table;
        let connector = self.of_table(table).map_err(|error| source_refused(error.message))?;
        match connector.lookup_source {
            Some(make) => make(spec),
            None => {
                Err(source_refused(format!("rows of table '{}' cannot be looked up", table.name)))
            }
        }
    }

    fn sink(&self, table: &TableSpec) -> Result<Box<dyn Sink>, SinkError> {
        let connector = self.of_table(table).map_err(|error| sink_refused(error.message))?;
        match connector.sink {
            Some(make) => make(table, &self.world),
            None => Err(sink_refused(format!("table '{}' cannot be written", table.name))),
        }
    }
}

#[cfg(test)]
mod tests;
