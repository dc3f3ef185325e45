//! Columns of events under construction. Most rows of a ROW column are NULL, and
//! they are filled in in one go when the next events of that kind come. Members that
//! nobody reads are never made.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int64Array, NullBufferBuilder, StringArray, StructArray,
    TimestampMillisecondArray,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::Fields;

use super::table::Holds;

pub struct RowColumn {
    fields: Fields,
    nulls: NullBufferBuilder,
    members: Vec<Member>,
}

/// One member of the ROWs.
pub struct Member {
    holds: Holds,
    values: Values,
}

enum Values {
    Numbers(Vec<i64>),
    Text {
        offsets: Vec<i32>,
        bytes: Vec<u8>,
    },
    /// As many rows as a batch ever had.
    Unread(ArrayRef),
}

impl RowColumn {
    /// `read`: the members that are made; `None`: all.
    pub fn new(fields: Fields, members: &[(&str, Holds)], read: Option<&[usize]>) -> RowColumn {
        let members = members.iter().enumerate().map(|(at, (_, holds))| {
            let is_read = read.is_none_or(|read| read.contains(&at));
            let values = match holds {
                _ if !is_read => Values::Unread(placeholder(*holds, 0)),
                Holds::Long | Holds::Time => Values::Numbers(Vec::new()),
                Holds::Text => Values::Text { offsets: vec![0], bytes: Vec::new() },
            };
            Member { holds: *holds, values }
        });
        RowColumn { fields, nulls: NullBufferBuilder::new(0), members: members.collect() }
    }

    /// The members, to take `count` events each, the first of them in row `row`; the rows
    /// before that have none are NULL.
    pub fn events(&mut self, row: usize, count: usize) -> &mut [Member] {
        self.fill(row);
        self.nulls.append_n_non_nulls(count);
        &mut self.members
    }

    fn fill(&mut self, rows: usize) {
        self.nulls.append_n_nulls(rows - self.nulls.len());
        for member in &mut self.members {
            match &mut member.values {
                Values::Numbers(values) => values.resize(rows, 0),
                Values::Text { offsets, bytes } => offsets.resize(rows + 1, end(bytes)),
                Values::Unread(_) => {}
            }
        }
    }

    /// The column of `rows` rows; it is empty afterwards.
    pub fn finish(&mut self, rows: usize) -> ArrayRef {
        self.fill(rows);
        let nulls = self.nulls.finish();
        let columns = self.members.iter_mut().map(|member| member.finish(rows)).collect();
        Arc::new(StructArray::new(self.fields.clone(), columns, nulls))
    }
}

fn end(bytes: &[u8]) -> i32 {
    i32::try_from(bytes.len()).expect("a batch of events is far smaller than 2 GiB")
}

fn placeholder(holds: Holds, rows: usize) -> ArrayRef {
    match holds {
        Holds::Long => Arc::new(Int64Array::from(vec![0; rows])),
        Holds::Time => Arc::new(TimestampMillisecondArray::from(vec![0; rows])),
        Holds::Text => Arc::new(StringArray::from(vec![""; rows])),
    }
}

impl Member {
    #[inline]
    pub fn is_read(&self) -> bool {
        !matches!(self.values, Values::Unread(_))
    }

    /// Appends one event's value; nothing when nobody reads it.
    #[inline]
    pub fn number(&mut self, value: i64) {
        if let Values::Numbers(values) = &mut self.values {
            values.push(value);
        }
    }

    /// Appends one event's value; nothing when nobody reads it.
    #[inline]
    pub fn text(&mut self, value: &str) {
        self.text_with(|out| out.extend_from_slice(value.as_bytes()));
    }

    /// Appends what `write` does; it is not called when nobody reads it.
    #[inline]
    pub fn text_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if let Values::Text { offsets, bytes } = &mut self.values {
            write(bytes);
            offsets.push(end(bytes));
        }
    }

    fn finish(&mut self, rows: usize) -> ArrayRef {
        match &mut self.values {
            Values::Numbers(values) if self.holds == Holds::Time => {
                Arc::new(TimestampMillisecondArray::new(take(values).into(), None))
            }
            Values::Numbers(values) => Arc::new(Int64Array::new(take(values).into(), None)),
            Values::Text { offsets, bytes } => {
                let filled = take(offsets);
                offsets.push(0);
                let offsets = OffsetBuffer::new(ScalarBuffer::from(filled));
                Arc::new(StringArray::new(offsets, Buffer::from_vec(take(bytes)), None))
            }
            Values::Unread(values) => {
                if values.len() < rows {
                    *values = placeholder(self.holds, rows);
                }
                values.slice(0, rows)
            }
        }
    }
}

fn take<T>(values: &mut Vec<T>) -> Vec<T> {
    let next = Vec::with_capacity(values.len());
    std::mem::replace(values, next)
}
