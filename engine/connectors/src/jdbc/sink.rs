//! Rows written by upsert, or inserted when the table declares no key: at least once, and
//! with a key the same in the end (Flink: `JdbcDynamicTableSink`).

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use millrace_dataflow::CommitPermit;
use millrace_dataflow::batch::Batch;
use millrace_dataflow::message::Generation;
use millrace_dataflow::sink::{Committable, Committer, Sink, SinkError, SinkWriter, WriterContext};
use millrace_dataflow::table::TableSpec;
use millrace_dataflow::types::Field;

use super::connection::{Connection, Target};
use super::types::{Values, Wire, incoming, quoted};
use crate::errors::{sink_failed, sink_refused};

pub struct JdbcSink {
    table: Arc<Table>,
    target: Target,
    most_rows: usize,
    interval_ms: i64,
}

struct Table {
    fields: Vec<Field>,
    key: Vec<usize>,
    write: String,
    delete: String,
}

impl JdbcSink {
    pub fn new(table: &TableSpec, target: Target, most_rows: usize, interval_ms: i64) -> JdbcSink {
        let (fields, key) = (table.physical.fields.clone(), table.primary_key.clone());
        let write = write_statement(&target.table, &fields, &key);
        let delete = delete_statement(&target.table, &fields, &key);
        let table = Arc::new(Table { fields, key, write, delete });
        JdbcSink { table, target, most_rows, interval_ms }
    }
}

fn arrays(fields: &[&Field]) -> (String, String) {
    let array = |(at, field): (usize, &&Field)| {
        let name = Wire::of(&field.data_type.root).map_or("text", Wire::name);
        format!("${}::{name}[]", at + 1)
    };
    let arrays: Vec<String> = fields.iter().enumerate().map(array).collect();
    let names: Vec<String> = (0..fields.len()).map(|at| format!("c{at}")).collect();
    (arrays.join(", "), names.join(", "))
}

fn write_statement(table: &str, fields: &[Field], key: &[usize]) -> String {
    let all: Vec<&Field> = fields.iter().collect();
    let (arrays, names) = arrays(&all);
    let columns: Vec<String> = fields.iter().map(|field| quoted(&field.name)).collect();
    let values: Vec<String> = fields
        .iter()
        .enumerate()
        .map(|(at, field)| incoming(&field.data_type.root, &format!("k.c{at}")))
        .collect();
    let insert = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM unnest({arrays}) AS k({names})",
        columns.join(", "),
        values.join(", ")
    );
    if key.is_empty() {
        return insert;
    }
    let keys: Vec<&str> = key.iter().map(|at| columns[*at].as_str()).collect();
    let others = (0..columns.len()).filter(|at| !key.contains(at));
    let sets: Vec<String> = others.map(|at| format!("{0} = EXCLUDED.{0}", columns[at])).collect();
    let action = match sets.is_empty() {
        true => "NOTHING".to_owned(),
        false => format!("UPDATE SET {}", sets.join(", ")),
    };
    format!("{insert} ON CONFLICT ({}) DO {action}", keys.join(", "))
}

fn delete_statement(table: &str, fields: &[Field], key: &[usize]) -> String {
    let keys: Vec<&Field> = key.iter().map(|at| &fields[*at]).collect();
    let (arrays, names) = arrays(&keys);
    let conditions: Vec<String> = keys
        .iter()
        .enumerate()
        .map(|(at, field)| {
            let value = incoming(&field.data_type.root, &format!("k.c{at}"));
            format!("t.{} = {value}", quoted(&field.name))
        })
        .collect();
    format!(
        "DELETE FROM {table} AS t USING unnest({arrays}) AS k({names}) WHERE {}",
        conditions.join(" AND ")
    )
}

impl Sink for JdbcSink {
    fn create_writer(
        &self,
        _: WriterContext,
        _: &[serde_json::Value],
    ) -> Result<Box<dyn SinkWriter>, SinkError> {
        let connection = Connection::new(&self.target)
            .map_err(|error| sink_failed("cannot prepare a connection", error))?;
        Ok(Box::new(Writer {
            connection,
            table: Arc::clone(&self.table),
            most_rows: self.most_rows,
            interval_ms: self.interval_ms,
            held: vec![],
            held_rows: 0,
            due_ms: None,
        }))
    }

    fn clean_up(&self, _: Generation, _: u32) -> Result<(), SinkError> {
        Ok(())
    }

    fn create_committer(&self) -> Result<Box<dyn Committer>, SinkError> {
        Ok(Box::new(NothingToCommit))
    }
}

struct NothingToCommit;

impl Committer for NothingToCommit {
    fn commit(&mut self, _: &CommitPermit, _: &[Committable]) -> Result<(), SinkError> {
        Ok(())
    }
}

struct Writer {
    connection: Connection,
    table: Arc<Table>,
    /// 0: no bound but checkpoints and time.
    most_rows: usize,
    interval_ms: i64,
    held: Vec<Batch>,
    held_rows: usize,
    /// Told with the first look at the clock after rows have come.
    due_ms: Option<i64>,
}

impl Writer {
    fn write_held(&mut self) -> Result<(), SinkError> {
        let held = std::mem::take(&mut self.held);
        (self.held_rows, self.due_ms) = (0, None);
        let Some(first) = held.first() else { return Ok(()) };
        let schema = first.record.schema();
        let record = concat_batches(&schema, held.iter().map(|batch| &batch.record))
            .map_err(|error| sink_failed("rows to write", error))?;
        let kinds: Vec<bool> = held
            .iter()
            .flat_map(|batch| (0..batch.num_rows()).map(|row| batch.kind(row).is_accumulate()))
            .collect();
        let (written, deleted) = last_of_each_key(&record, &kinds, &self.table.key)?;
        let table = Arc::clone(&self.table);
        let written = picked(&record, &(0..table.fields.len()).collect::<Vec<_>>(), written)?;
        let deleted = picked(&record, &table.key, deleted)?;
        let place =
            format!("{} at {}", self.connection.target().table, self.connection.target().place);
        let done = self.connection.with_retries(|connection| {
            let fields: Vec<&Field> = table.fields.iter().collect();
            let keys: Vec<&Field> = table.key.iter().map(|at| &table.fields[*at]).collect();
            connection.run("BEGIN")?;
            execute(connection, &table.delete, &deleted, &keys)?;
            execute(connection, &table.write, &written, &fields)?;
            connection.run("COMMIT")
        });
        done.map_err(|error| {
            self.connection.reset();
            sink_failed(format!("{} rows cannot be written to {place}", record.num_rows()), error)
        })
    }
}

fn execute(
    connection: &mut Connection,
    sql: &str,
    columns: &[ArrayRef],
    fields: &[&Field],
) -> Result<(), sqlx::Error> {
    if columns.first().is_none_or(|column| column.is_empty()) {
        return Ok(());
    }
    let values = columns.iter().zip(fields).map(|(column, field)| {
        Values::of(column, &field.data_type.root).map_err(sqlx::Error::Protocol)
    });
    let values = values.collect::<Result<Vec<_>, _>>()?;
    connection
        .rows(sql, |query| values.into_iter().fold(query, |query, values| values.bind(query)))
        .map(drop)
}

/// One statement changes a row once: what is written and what is deleted in the end. Without
/// a key all that is added.
fn last_of_each_key(
    record: &RecordBatch,
    added: &[bool],
    key: &[usize],
) -> Result<(Vec<u32>, Vec<u32>), SinkError> {
    let all = 0..added.len() as u32;
    if key.is_empty() {
        return Ok((all.filter(|row| added[*row as usize]).collect(), vec![]));
    }
    let options = FormatOptions::default();
    let columns = key.iter().map(|at| ArrayFormatter::try_new(record.column(*at), &options));
    let columns =
        columns.collect::<Result<Vec<_>, _>>().map_err(|error| sink_failed("a key", error))?;
    let mut last: HashMap<Vec<String>, u32> = HashMap::new();
    for row in all {
        let key = columns.iter().map(|column| column.value(row as usize).to_string()).collect();
        last.insert(key, row);
    }
    let mut rows: Vec<u32> = last.into_values().collect();
    rows.sort_unstable();
    Ok(rows.into_iter().partition(|row| added[*row as usize]))
}

fn picked(
    record: &RecordBatch,
    columns: &[usize],
    rows: Vec<u32>,
) -> Result<Vec<ArrayRef>, SinkError> {
    let rows = UInt32Array::from(rows);
    let column = |at: &usize| take(record.column(*at), &rows, None);
    columns
        .iter()
        .map(column)
        .collect::<Result<_, _>>()
        .map_err(|error| sink_failed("rows to write", error))
}

impl SinkWriter for Writer {
    fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        let fields = self.table.fields.len();
        if batch.record.num_columns() != fields {
            return Err(sink_refused(format!("rows of {fields} columns are expected")));
        }
        self.held_rows += batch.num_rows();
        self.held.push(batch.clone());
        match self.most_rows {
            0 => Ok(()),
            most if self.held_rows < most => Ok(()),
            _ => self.write_held(),
        }
    }

    fn on_processing_time(&mut self, now_ms: i64) -> Result<(), SinkError> {
        if self.held.is_empty() || self.interval_ms == 0 {
            return Ok(());
        }
        let due = *self.due_ms.get_or_insert(now_ms + self.interval_ms);
        if due <= now_ms { self.write_held() } else { Ok(()) }
    }

    fn flush(&mut self, _: bool) -> Result<(), SinkError> {
        self.write_held()
    }

    fn prepare_commit(&mut self) -> Result<Vec<Committable>, SinkError> {
        Ok(vec![])
    }

    fn snapshot(&mut self) -> Result<Vec<serde_json::Value>, SinkError> {
        Ok(vec![])
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use millrace_dataflow::types::Schema;

    use super::*;
    use crate::testing::{BIGINT, TEXT};

    #[test]
    fn a_key_is_written_once_with_its_last_change() {
        let schema = Schema::new(vec![Field::new("k", BIGINT.nullable())]).to_arrow();
        let keys: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 1, 3, 2]));
        let record = RecordBatch::try_new(schema, vec![keys]).unwrap();
        let added = [true, true, true, true, false];
        assert_eq!(last_of_each_key(&record, &added, &[0]).unwrap(), (vec![2, 3], vec![4]));
        assert_eq!(last_of_each_key(&record, &added, &[]).unwrap(), (vec![0, 1, 2, 3], vec![]));
    }

    #[test]
    fn g7_an_upsert_has_the_keys_and_the_columns_of_the_table() {
        let fields = [Field::new("k", BIGINT.nullable()), Field::new("v", TEXT.nullable())];
        assert_eq!(
            write_statement("\"t\"", &fields, &[0]),
            "INSERT INTO \"t\" (\"k\", \"v\") SELECT k.c0, k.c1 FROM \
             unnest($1::int8[], $2::text[]) AS k(c0, c1) \
             ON CONFLICT (\"k\") DO UPDATE SET \"v\" = EXCLUDED.\"v\""
        );
        assert!(write_statement("\"t\"", &fields, &[0, 1]).ends_with("DO NOTHING"));
        assert_eq!(
            delete_statement("\"t\"", &fields, &[0]),
            "DELETE FROM \"t\" AS t USING unnest($1::int8[]) AS k(c0) WHERE t.\"k\" = k.c0"
        );
    }
}
