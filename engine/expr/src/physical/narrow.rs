//! The rows of a batch that an expression is computed for, and of its columns only what
//! the expression reads: a ROW of texts costs more to filter than most expressions cost.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, NullArray, RecordBatch, RecordBatchOptions, StructArray,
};
use arrow::compute::{FilterBuilder, FilterPredicate};
use arrow::datatypes::{DataType as ArrowType, Field, Fields, Schema};
use arrow::error::ArrowError;
use datafusion_common::Result;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::Column;

use super::context::HiddenColumn;
use super::field::FieldExpr;

/// What is read of a column.
enum Read {
    Whole,
    /// These members of a ROW.
    Members(BTreeSet<usize>),
}

type Reads = BTreeMap<usize, Read>;

/// The rows where `keep` is true, for `expression` alone: columns that it does not read
/// are as many NULLs.
pub(crate) fn narrowed(
    batch: &RecordBatch,
    keep: &BooleanArray,
    expression: &Arc<dyn PhysicalExpr>,
) -> Result<RecordBatch> {
    let mut reads = Reads::new();
    collect(expression, batch.num_columns(), &mut reads);
    let filter = FilterBuilder::new(keep).optimize().build();
    let rows = filter.count();
    let columns = batch.columns().iter().enumerate().map(|(at, column)| match reads.get(&at) {
        None => Ok(placeholder(rows)),
        Some(Read::Whole) => filter.filter(column),
        Some(Read::Members(members)) => row_of(column, members, &filter),
    });
    let columns = columns.collect::<std::result::Result<Vec<ArrayRef>, ArrowError>>()?;
    let fields = batch
        .schema_ref()
        .fields()
        .iter()
        .zip(&columns)
        .map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Fields>()));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

fn placeholder(rows: usize) -> ArrayRef {
    Arc::new(NullArray::new(rows))
}

fn collect(expression: &Arc<dyn PhysicalExpr>, columns: usize, reads: &mut Reads) {
    let node: &dyn Any = expression.as_ref();
    if let Some(column) = node.downcast_ref::<Column>() {
        reads.insert(column.index(), Read::Whole);
        return;
    }
    if let Some(hidden) = node.downcast_ref::<HiddenColumn>() {
        reads.extend(hidden.index(columns).map(|index| (index, Read::Whole)));
        return;
    }
    if let Some((column, member)) = node.downcast_ref::<FieldExpr>().and_then(FieldExpr::of_column)
    {
        let read = reads.entry(column).or_insert_with(|| Read::Members(BTreeSet::new()));
        if let Read::Members(members) = read {
            members.insert(member);
        }
        return;
    }
    expression.children().into_iter().for_each(|child| collect(child, columns, reads));
}

fn row_of(
    column: &ArrayRef,
    members: &BTreeSet<usize>,
    filter: &FilterPredicate,
) -> std::result::Result<ArrayRef, ArrowError> {
    let Some(row) = column.as_struct_opt() else { return filter.filter(column) };
    let ArrowType::Struct(fields) = column.data_type() else { return filter.filter(column) };
    let nulls = match row.nulls() {
        Some(nulls) => {
            let valid = BooleanArray::new(nulls.inner().clone(), None);
            Some(filter.filter(&valid)?.as_boolean().values().clone().into())
        }
        None => None,
    };
    let (mut kept, mut columns) = (vec![], vec![]);
    for (at, (field, member)) in fields.iter().zip(row.columns()).enumerate() {
        let member = if members.contains(&at) {
            filter.filter(member)?
        } else {
            placeholder(filter.count())
        };
        kept.push(Field::new(field.name(), member.data_type().clone(), true));
        columns.push(member);
    }
    Ok(Arc::new(StructArray::try_new(kept.into(), columns, nulls)?))
}
