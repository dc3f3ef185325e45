//! A table read once, whole or in ranges of a column (rows G7.4, G7.5).
//!
//! A split is a range; its position is how many of its rows were given. They come in the
//! order of the primary key when there is one, so that a restored reader goes on where the
//! last one was; without one in the order that the table has, which is the same as long as
//! nobody changes it.

use std::collections::VecDeque;
use std::time::Duration;

use arrow::array::RecordBatch;
use millrace_dataflow::Batch;
use millrace_dataflow::source::{
    Assignment, Boundedness, ReaderEvent, ScanSpec, Source, SourceError, SourceReader, Split,
    SplitEnumerator, TaskContext,
};
use millrace_dataflow::types::{Field, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::columns::{scanned_fields, selected};
use super::connection::{Connection, Target};
use super::types::{column, quoted};
use crate::errors::{source_failed, source_refused};

/// `scan.partition.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partitions {
    pub column: String,
    pub count: i64,
    /// Both inclusive.
    pub lower: i64,
    pub upper: i64,
}

pub struct JdbcSource {
    target: Target,
    fields: Vec<Field>,
    key: Vec<String>,
    partitions: Option<Partitions>,
    fetch_rows: usize,
}

/// One range of the partition column, both ends inclusive; all rows without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    range: Option<(i64, i64)>,
    given: u64,
}

impl JdbcSource {
    pub fn new(scan: &ScanSpec, target: Target, partitions: Option<Partitions>) -> JdbcSource {
        let physical = &scan.table.physical.fields;
        let key = scan.table.primary_key.iter().map(|at| physical[*at].name.clone()).collect();
        let fields = scanned_fields(scan);
        JdbcSource { target, fields, key, partitions, fetch_rows: scan.batch_rows.max(1) }
    }
}

impl Partitions {
    /// As even as whole numbers are; no more than there are numbers.
    fn ranges(&self) -> Vec<(i64, i64)> {
        let width = i128::from(self.upper) - i128::from(self.lower) + 1;
        let count = i128::from(self.count).clamp(1, width.max(1));
        let bound = |part: i128| i128::from(self.lower) + width * part / count;
        (0..count).map(|part| (bound(part) as i64, (bound(part + 1) - 1) as i64)).collect()
    }
}

impl Source for JdbcSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn assignment(&self) -> Assignment {
        Assignment::OnDemand
    }

    fn discovery_interval(&self) -> Option<Duration> {
        None
    }

    fn create_enumerator(
        &self,
        _: u16,
        restored: Option<&serde_json::Value>,
    ) -> Result<Box<dyn SplitEnumerator>, SourceError> {
        let ranges = match &self.partitions {
            Some(partitions) => partitions.ranges().into_iter().map(Some).collect(),
            None => vec![None],
        };
        // They were all handed over with the first look.
        let ranges = if restored.is_some() { vec![] } else { ranges };
        Ok(Box::new(Ranges(ranges)))
    }

    fn create_reader(&self, _: TaskContext) -> Result<Box<dyn SourceReader>, SourceError> {
        let connection = Connection::new(&self.target)
            .map_err(|error| source_failed("cannot prepare a connection", error))?;
        Ok(Box::new(Reader {
            connection,
            fields: self.fields.clone(),
            key: self.key.clone(),
            column: self.partitions.as_ref().map(|partitions| partitions.column.clone()),
            fetch_rows: self.fetch_rows,
            splits: VecDeque::new(),
            is_open: false,
        }))
    }
}

struct Ranges(Vec<Option<(i64, i64)>>);

impl SplitEnumerator for Ranges {
    fn discover(&mut self) -> Result<Vec<Split>, SourceError> {
        let split = |(at, range)| Split {
            id: format!("range-{at}"),
            state: json!(Position { range, given: 0 }),
        };
        Ok(std::mem::take(&mut self.0).into_iter().enumerate().map(split).collect())
    }

    fn snapshot(&self) -> serde_json::Value {
        json!({})
    }
}

struct Reader {
    connection: Connection,
    fields: Vec<Field>,
    key: Vec<String>,
    column: Option<String>,
    fetch_rows: usize,
    splits: VecDeque<(String, Position)>,
    /// A cursor stands in the first of the splits.
    is_open: bool,
}

impl Reader {
    fn place(&self) -> String {
        let target = self.connection.target();
        format!("{} at {}", target.table, target.place)
    }

    fn failed(&self, error: sqlx::Error) -> SourceError {
        source_failed(format!("{} cannot be read", self.place()), error)
    }

    fn query(&self, position: Position) -> String {
        let of_table = &self.connection.target().table;
        let columns = selected(&self.fields);
        let columns = columns.strip_prefix(", ").unwrap_or("1::int4");
        let range = match (&self.column, position.range) {
            (Some(column), Some((from, to))) => {
                format!(" WHERE t.{} BETWEEN {from} AND {to}", quoted(column))
            }
            _ => String::new(),
        };
        let key: Vec<String> = self.key.iter().map(|key| format!("t.{}", quoted(key))).collect();
        let order =
            if key.is_empty() { String::new() } else { format!(" ORDER BY {}", key.join(", ")) };
        format!("SELECT {columns} FROM {of_table} AS t{range}{order} OFFSET {}", position.given)
    }

    fn open(&mut self, position: Position) -> Result<(), sqlx::Error> {
        let query = self.query(position);
        self.connection.with_retries(|connection| {
            connection.run("SET synchronize_seqscans = off")?;
            connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
            connection.run(&format!("DECLARE millrace NO SCROLL CURSOR FOR {query}"))
        })?;
        self.is_open = true;
        Ok(())
    }

    fn close(&mut self) {
        // A session that cannot end its transaction is of no use any more.
        if self.connection.run("COMMIT").is_err() {
            self.connection.reset();
        }
        self.is_open = false;
    }

    fn batch(&mut self) -> Result<Option<Batch>, SourceError> {
        let fetch = format!("FETCH {} FROM millrace", self.fetch_rows);
        let rows = self.connection.rows(&fetch, |query| query);
        let rows = rows.map_err(|error| {
            self.is_open = false;
            self.connection.reset();
            self.failed(error)
        })?;
        if rows.is_empty() {
            return Ok(None);
        }
        let columns = self.fields.iter().enumerate().map(|(at, field)| {
            column(&rows, at, &field.data_type).map_err(|message| {
                source_refused(format!("column '{}' of {}: {message}", field.name, self.place()))
            })
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let schema = Schema::new(self.fields.clone()).to_arrow();
        let record = RecordBatch::try_new(schema, columns)
            .map_err(|error| source_failed(format!("rows of {}", self.place()), error))?;
        Ok(Some(Batch::insert_only(record)))
    }
}

impl SourceReader for Reader {
    fn add_split(&mut self, split: Split) -> Result<(), SourceError> {
        let position = serde_json::from_value(split.state)
            .map_err(|error| source_failed(format!("the position of {}", split.id), error))?;
        self.splits.push_back((split.id, position));
        Ok(())
    }

    fn poll(&mut self, _: i64) -> Result<ReaderEvent, SourceError> {
        let Some((split, position)) = self.splits.front().cloned() else {
            return Ok(ReaderEvent::Wait(Duration::from_secs(1)));
        };
        if !self.is_open {
            self.open(position).map_err(|error| self.failed(error))?;
        }
        match self.batch()? {
            Some(batch) => {
                if let Some((_, position)) = self.splits.front_mut() {
                    position.given += batch.num_rows() as u64;
                }
                Ok(ReaderEvent::Batch { split, batch })
            }
            None => {
                self.close();
                self.splits.pop_front();
                Ok(ReaderEvent::SplitFinished { split })
            }
        }
    }

    fn snapshot(&self) -> Vec<Split> {
        let split =
            |(id, position): &(String, Position)| Split { id: id.clone(), state: json!(position) };
        self.splits.iter().map(split).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g7_4_ranges_are_even_and_leave_nothing_out() {
        let check = |count, lower, upper, expected: &[(i64, i64)]| {
            let partitions = Partitions { column: "c".to_owned(), count, lower, upper };
            assert_eq!(partitions.ranges(), expected);
        };
        check(3, 1, 10, &[(1, 3), (4, 6), (7, 10)]);
        check(4, 5, 6, &[(5, 5), (6, 6)]);
        check(1, i64::MIN, i64::MAX, &[(i64::MIN, i64::MAX)]);
    }
}
