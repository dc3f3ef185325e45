//! Columns of events under construction. Most rows of a ROW column are NULL, and
//! they are filled in in one go when the next event of that kind comes.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Array, NullBufferBuilder, StringArray, StructArray, TimestampMillisecondArray,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::Fields;

use super::table::Holds;

pub struct RowColumn {
    fields: Fields,
    nulls: NullBufferBuilder,
    members: Vec<Member>,
}

enum Member {
    Long(Vec<i64>),
    Time(Vec<i64>),
    Text { offsets: Vec<i32>, bytes: Vec<u8> },
}

/// Takes the members of one event in their order.
pub struct Event<'a> {
    members: std::slice::IterMut<'a, Member>,
}

impl RowColumn {
    pub fn new(fields: Fields, members: &[(&str, Holds)]) -> RowColumn {
        let members = members.iter().map(|(_, holds)| match holds {
            Holds::Long => Member::Long(Vec::new()),
            Holds::Time => Member::Time(Vec::new()),
            Holds::Text => Member::Text { offsets: vec![0], bytes: Vec::new() },
        });
        RowColumn { fields, nulls: NullBufferBuilder::new(0), members: members.collect() }
    }

    /// Begins the event of row `row`; the rows before that have none are NULL.
    pub fn event(&mut self, row: usize) -> Event<'_> {
        self.fill(row);
        self.nulls.append_non_null();
        Event { members: self.members.iter_mut() }
    }

    fn fill(&mut self, rows: usize) {
        self.nulls.append_n_nulls(rows - self.nulls.len());
        for member in &mut self.members {
            match member {
                Member::Long(values) | Member::Time(values) => values.resize(rows, 0),
                Member::Text { offsets, bytes } => offsets.resize(rows + 1, end(bytes)),
            }
        }
    }

    /// The column of `rows` rows; it is empty afterwards.
    pub fn finish(&mut self, rows: usize) -> ArrayRef {
        self.fill(rows);
        let nulls = self.nulls.finish();
        let columns = self.members.iter_mut().map(Member::finish).collect();
        Arc::new(StructArray::new(self.fields.clone(), columns, nulls))
    }
}

fn end(bytes: &[u8]) -> i32 {
    i32::try_from(bytes.len()).expect("a batch of events is far smaller than 2 GiB")
}

impl Member {
    fn finish(&mut self) -> ArrayRef {
        match self {
            Member::Long(values) => Arc::new(Int64Array::new(take(values).into(), None)),
            Member::Time(values) => {
                Arc::new(TimestampMillisecondArray::new(take(values).into(), None))
            }
            Member::Text { offsets, bytes } => {
                let filled = take(offsets);
                offsets.push(0);
                let offsets = OffsetBuffer::new(ScalarBuffer::from(filled));
                Arc::new(StringArray::new(offsets, Buffer::from_vec(take(bytes)), None))
            }
        }
    }
}

fn take<T>(values: &mut Vec<T>) -> Vec<T> {
    let next = Vec::with_capacity(values.len());
    std::mem::replace(values, next)
}

impl Event<'_> {
    pub fn number(&mut self, value: i64) -> &mut Self {
        if let Some(Member::Long(values) | Member::Time(values)) = self.members.next() {
            values.push(value);
        }
        self
    }

    pub fn text(&mut self, value: &str) -> &mut Self {
        self.text_with(|out| out.extend_from_slice(value.as_bytes()))
    }

    pub fn text_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        if let Some(Member::Text { offsets, bytes }) = self.members.next() {
            write(bytes);
            offsets.push(end(bytes));
        }
        self
    }
}
