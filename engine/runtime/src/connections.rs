//! The sources and sinks of a job, made real once and used by every attempt.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_dataflow::JobGraph;
use millrace_dataflow::catalog::ConnectorFactory;
use millrace_dataflow::graph::{LookupCache, Operator};
use millrace_dataflow::lookup::{LookupSource, LookupSpec};
use millrace_dataflow::sink::Sink;
use millrace_dataflow::source::Source;

use crate::error::TaskError;
use crate::values::ValuesSource;

/// By node of the graph.
#[derive(Default)]
pub struct Connections {
    pub sources: BTreeMap<usize, Arc<dyn Source>>,
    pub sinks: BTreeMap<usize, Arc<dyn Sink>>,
    /// The tables of lookup joins that are held whole.
    pub sources_of_lookups: BTreeMap<usize, Arc<dyn Source>>,
    /// Those of the others.
    pub lookups: BTreeMap<usize, Arc<dyn LookupSource>>,
}

impl Connections {
    /// # Errors
    /// A table cannot be served; the error names its operator.
    pub fn open(
        graph: &JobGraph,
        factory: &dyn ConnectorFactory,
    ) -> Result<Connections, TaskError> {
        let mut connections = Connections::default();
        for (index, node) in graph.nodes.iter().enumerate() {
            match &node.operator {
                Operator::Source(source) => {
                    let opened = factory
                        .source(&source.scan)
                        .map_err(|error| TaskError::from_error(&node.name, &error))?;
                    connections.sources.insert(index, Arc::from(opened));
                }
                Operator::LookupJoin(join) if !matches!(join.table.cache, LookupCache::Full(_)) => {
                    let spec =
                        LookupSpec { scan: join.table.scan.clone(), keys: join.table.keys.clone() };
                    let opened = factory
                        .lookup_source(&spec)
                        .map_err(|error| TaskError::from_error(&node.name, &error))?;
                    connections.lookups.insert(index, Arc::from(opened));
                }
                Operator::LookupJoin(join) => {
                    let opened = factory
                        .source(&join.table.scan)
                        .map_err(|error| TaskError::from_error(&node.name, &error))?;
                    connections.sources_of_lookups.insert(index, Arc::from(opened));
                }
                Operator::Values { rows } => {
                    let source = ValuesSource { rows: rows.clone() };
                    connections.sources.insert(index, Arc::new(source));
                }
                Operator::Sink(sink) => {
                    let opened = factory
                        .sink(&sink.table)
                        .map_err(|error| TaskError::from_error(&node.name, &error))?;
                    connections.sinks.insert(index, Arc::from(opened));
                }
                _ => {}
            }
        }
        Ok(connections)
    }
}
