//! UNNEST: a row for each element of a row's collection (row B6.17). Row kinds are
//! kept, so a changelog goes through.

use arrow::array::{Array, ArrayRef, AsArray, StructArray, UInt32Array, UInt32Builder};
use arrow::compute::take;
use arrow::datatypes::{DataType as ArrowType, Int32Type};
use millrace_dataflow::graph::Correlate as Config;
use millrace_dataflow::{Batch, RowKind, Schema, TypeRoot};

use super::shape::{BATCH_ROWS, Shape, eval_context};
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};

#[derive(Debug)]
pub struct Correlate {
    shape: Shape,
    config: Config,
}

/// Output rows: the input row of each, and its element; none for a padded row.
#[derive(Debug, Default)]
struct Expanded {
    rows: Vec<u32>,
    elements: Vec<Option<u32>>,
}

/// A collection column: the elements of all rows, and where those of a row are.
struct Elements {
    /// One or several columns, by the element's type.
    columns: Vec<ArrayRef>,
    offsets: Vec<usize>,
    /// Of a MULTISET, how often an element is there.
    counts: Option<ArrayRef>,
}

impl Correlate {
    pub fn new(config: &Config, output: &Schema, name: &str) -> Correlate {
        Correlate { shape: Shape::new(name, output), config: config.clone() }
    }

    fn elements(&self, column: &ArrayRef) -> Result<Elements, OperatorError> {
        let root = &self.config.collection.data_type.root;
        match (root, column.data_type()) {
            (TypeRoot::Array(element), ArrowType::List(_)) => {
                let list = column.as_list::<i32>();
                let columns = match &element.root {
                    TypeRoot::Row(_) => members(list.values().as_struct()),
                    _ => vec![list.values().clone()],
                };
                Ok(Elements { columns, offsets: places(list.value_offsets()), counts: None })
            }
            (TypeRoot::Map(..), ArrowType::Map(..)) => {
                let map = column.as_map();
                let columns = vec![map.keys().clone(), map.values().clone()];
                Ok(Elements { columns, offsets: places(map.value_offsets()), counts: None })
            }
            (TypeRoot::Multiset(element), ArrowType::Map(..)) => {
                let map = column.as_map();
                let columns = match &element.root {
                    TypeRoot::Row(_) => members(map.keys().as_struct()),
                    _ => vec![map.keys().clone()],
                };
                let counts = Some(map.values().clone());
                Ok(Elements { columns, offsets: places(map.value_offsets()), counts })
            }
            (root, found) => Err(self.shape.failed(format!("UNNEST of {root}, which is {found}"))),
        }
    }

    fn emit(
        &self,
        batch: &Batch,
        elements: &Elements,
        expanded: &mut Expanded,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let Expanded { rows, elements: places } = std::mem::take(expanded);
        if rows.is_empty() {
            return Ok(());
        }
        let kinds: Option<Vec<RowKind>> =
            batch.kinds.as_ref().map(|kinds| rows.iter().map(|row| kinds[*row as usize]).collect());
        let rows = UInt32Array::from(rows);
        let mut builder = UInt32Builder::with_capacity(places.len());
        places.into_iter().for_each(|place| builder.append_option(place));
        let places = builder.finish();
        let kept = self.config.keep.iter().map(|&at| take(batch.record.column(at), &rows, None));
        let of_elements = elements.columns.iter().map(|column| take(column, &places, None));
        let columns = kept
            .chain(of_elements)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| self.shape.failed(error))?;
        let record = self.shape.record(columns, rows.len())?;
        out.emit(match kinds {
            Some(kinds) => Batch::changelog(record, kinds),
            None => Batch::insert_only(record),
        });
        Ok(())
    }
}

impl Elements {
    /// How often the element is there.
    fn count(&self, element: usize) -> i32 {
        let Some(counts) = &self.counts else { return 1 };
        counts.as_primitive::<Int32Type>().value(element)
    }
}

fn places(offsets: &[i32]) -> Vec<usize> {
    offsets.iter().map(|offset| *offset as usize).collect()
}

// A NULL row has NULL members.
fn members(rows: &StructArray) -> Vec<ArrayRef> {
    let Some(nulls) = rows.nulls().filter(|nulls| nulls.null_count() > 0) else {
        return rows.columns().to_vec();
    };
    let places: UInt32Array =
        nulls.iter().enumerate().map(|(at, valid)| valid.then_some(at as u32)).collect();
    let member = |column: &ArrayRef| take(column, &places, None).expect("places within the column");
    rows.columns().iter().map(member).collect()
}

impl Operator for Correlate {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let collections = match self.config.collection.column {
            Some(index) => batch.record.column(index).clone(),
            None => self
                .config
                .collection
                .run
                .evaluate(&batch.record, &eval_context(ctx))
                .map_err(|error| self.shape.evaluation(error))?,
        };
        let elements = self.elements(&collections)?;
        let mut expanded = Expanded::default();
        for row in 0..batch.num_rows() {
            let before = expanded.rows.len();
            if collections.is_valid(row) {
                for element in elements.offsets[row]..elements.offsets[row + 1] {
                    for _ in 0..elements.count(element) {
                        expanded.rows.push(row as u32);
                        expanded.elements.push(Some(element as u32));
                    }
                }
            }
            if self.config.outer && expanded.rows.len() == before {
                expanded.rows.push(row as u32);
                expanded.elements.push(None);
            }
            if expanded.rows.len() >= BATCH_ROWS {
                self.emit(&batch, &elements, &mut expanded, out)?;
            }
        }
        self.emit(&batch, &elements, &mut expanded, out)
    }

    fn snapshot(
        &mut self,
        _: &OperatorContext,
        _: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        Ok(())
    }

    fn restore(
        &mut self,
        _: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        match entries.first() {
            None => Ok(()),
            Some(entry) => Err(self.shape.damaged(format!("unknown table {}", entry.table))),
        }
    }
}
