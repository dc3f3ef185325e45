//! Generated rows as a source.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use millrace_dataflow::catalog::OptionError;
use millrace_dataflow::source::{
    Assignment, Boundedness, ScanSpec, Source, SourceError, SourceReader, SplitEnumerator,
    TaskContext,
};
use millrace_dataflow::table::{ProducedColumn, TableSpec};
use millrace_dataflow::types::Schema;
use millrace_formats::ColumnBuilder;

use super::OPTIONS;
use super::fields::{Making, Moment, compile};
use crate::errors::{source_failed, source_refused};
use crate::generator::{Lane, LaneEnumerator, LaneReader, Rows, mix};
use crate::options::{TableOptions, bad_value};
use crate::world::World;

/// What the options of a table come to.
pub struct Plan {
    pub rate: u64,
    /// Rows in all: the smallest of what `number-of-rows` and the sequences give.
    pub rows: Option<u64>,
    pub columns: Vec<Making>,
}

/// # Errors
/// An option that does not fit its column, or a type that cannot be made up.
pub fn plan(table: &TableSpec) -> Result<Plan, OptionError> {
    let options = TableOptions::new(&table.options, OPTIONS);
    let at_least = |key: &str, least: i64| match options.long(key) {
        Some(number) if number >= least => Ok(Some(number as u64)),
        Some(_) => Err(bad_value(key, &format!("an integer of {least} or more"))),
        None => Ok(None),
    };
    let rate = at_least("rows-per-second", 1)?.unwrap_or(10_000);
    let mut rows = at_least("number-of-rows", 0)?;
    let mut columns = Vec::new();
    for field in &table.physical.fields {
        let making = compile(&field.name, &field.data_type, &table.options)?;
        rows = [rows, making.rows()].into_iter().flatten().min();
        columns.push(making);
    }
    Ok(Plan { rate, rows, columns })
}

pub struct DatagenSource {
    plan: Arc<Plan>,
    /// Indices into the table's columns.
    columns: Vec<usize>,
    table: Schema,
    schema: SchemaRef,
    batch_rows: usize,
    world: World,
}

impl DatagenSource {
    pub fn new(scan: &ScanSpec, world: &World) -> Result<DatagenSource, SourceError> {
        let plan = plan(&scan.table).map_err(|error| source_refused(error.message))?;
        let mut columns = Vec::new();
        for column in &scan.columns {
            match column {
                ProducedColumn::Physical(at) => columns.push(*at),
                ProducedColumn::Metadata(_) => {
                    return Err(source_refused("connector 'datagen' has no metadata columns"));
                }
            }
        }
        let fields = columns.iter().map(|at| scan.table.physical.fields[*at].clone()).collect();
        Ok(DatagenSource {
            plan: Arc::new(plan),
            columns,
            table: scan.table.physical.clone(),
            schema: Schema::new(fields).to_arrow(),
            batch_rows: scan.batch_rows,
            world: world.clone(),
        })
    }
}

impl Source for DatagenSource {
    fn boundedness(&self) -> Boundedness {
        match self.plan.rows {
            Some(_) => Boundedness::Bounded,
            None => Boundedness::Unbounded,
        }
    }

    fn assignment(&self) -> Assignment {
        Assignment::Eager
    }

    fn discovery_interval(&self) -> Option<Duration> {
        None
    }

    fn create_enumerator(
        &self,
        parallelism: u16,
        restored: Option<&serde_json::Value>,
    ) -> Result<Box<dyn SplitEnumerator>, SourceError> {
        let origin = (self.world.new_seed(), self.world.now_ms());
        Ok(Box::new(LaneEnumerator::new(parallelism, Some(self.plan.rate), origin, restored)))
    }

    fn create_reader(&self, _ctx: TaskContext) -> Result<Box<dyn SourceReader>, SourceError> {
        let builders = self
            .columns
            .iter()
            .map(|at| (*at, ColumnBuilder::new(&self.table.fields[*at].data_type)));
        let rows = GeneratedRows {
            plan: self.plan.clone(),
            builders: builders.collect(),
            schema: self.schema.clone(),
        };
        let (rate, end) = (Some(self.plan.rate), self.plan.rows);
        Ok(Box::new(LaneReader::new(rows, rate, end, self.batch_rows)))
    }
}

struct GeneratedRows {
    plan: Arc<Plan>,
    /// With the column's place in the table.
    builders: Vec<(usize, ColumnBuilder)>,
    schema: SchemaRef,
}

impl Rows for GeneratedRows {
    fn generate(
        &mut self,
        lane: &Lane,
        numbers: usize,
        processing_time_ms: i64,
    ) -> Result<RecordBatch, SourceError> {
        let columns = self.builders.iter_mut().map(|(at, builder)| {
            // A column's values do not depend on which others are asked for.
            let seed = mix(lane.seed, *at as u64);
            let making = &self.plan.columns[*at];
            for number in lane.next..lane.next + numbers as u64 {
                making.push(Moment { seed, number, now_ms: processing_time_ms }, builder);
            }
            builder.finish()
        });
        let options = RecordBatchOptions::new().with_row_count(Some(numbers));
        RecordBatch::try_new_with_options(self.schema.clone(), columns.collect(), &options)
            .map_err(|error| source_failed("generated columns do not fit together", error))
    }
}
