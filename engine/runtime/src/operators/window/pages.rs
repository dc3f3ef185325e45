//! How windows lie in a page store: the keys of pages begin with the window (or slice),
//! so that its pages lie together within their key group.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use millrace_dataflow::key_group::KeyGroup;
use millrace_state::pages::visit_entries;
use millrace_state::{PageStore, row};

use super::slices::Span;
use crate::operator::{OperatorContext, OperatorError, StateEntry};
use crate::operators::shape::Shape;

/// Bytes of the end and the start before the key: two BIGINT values.
pub const SPAN_BYTES: usize = 18;

/// End and start, as in the keys of entries.
pub fn prefix_of(span: Span) -> Vec<u8> {
    let times =
        [span.end, span.start].map(|time| Arc::new(Int64Array::from(vec![time])) as ArrayRef);
    row::encode(&times).row(0).to_vec()
}

/// The prefix of a page's key and the span it stands for.
fn read_span(key: &[u8]) -> Result<(&[u8], Span), String> {
    let prefix = key.get(..SPAN_BYTES).ok_or("a page without a window")?;
    let times = row::decode(&[ArrowType::Int64, ArrowType::Int64], std::iter::once(prefix))
        .map_err(|error| error.to_string())?;
    let [end, start] = [0, 1].map(|at: usize| times[at].as_primitive::<Int64Type>().value(0));
    Ok((prefix, Span { end, start }))
}

/// The least key behind all that begin so.
fn behind(prefix: &[u8]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    while let Some(last) = key.pop() {
        if last < u8::MAX {
            key.push(last + 1);
            return key;
        }
    }
    vec![u8::MAX; SPAN_BYTES + 1]
}

/// Of which windows the store has pages: one look for each window and group. `first` is
/// given the key of the first page of each, behind its window.
///
/// # Errors
/// The disk fails, or a page is of no window.
pub fn spans_in(
    store: &mut dyn PageStore,
    ctx: &OperatorContext,
    shape: &Shape,
    first: &mut dyn FnMut(&[u8]),
) -> Result<BTreeSet<Span>, OperatorError> {
    let mut spans = BTreeSet::new();
    for group in ctx.key_groups.start..ctx.key_groups.end {
        let mut from = Vec::new();
        loop {
            let mut found: Option<Vec<u8>> = None;
            let walked = store.walk(KeyGroup(group), &from, &mut |key, _| {
                found = Some(key.to_vec());
                false
            });
            walked.map_err(|error| shape.lost(&error))?;
            let Some(key) = found else { break };
            let (prefix, span) = read_span(&key).map_err(|message| shape.damaged(message))?;
            spans.insert(span);
            first(&key[SPAN_BYTES..]);
            from = behind(prefix);
        }
    }
    Ok(spans)
}

/// The entries of pages that were read.
#[derive(Default)]
pub struct Found {
    entries: Vec<StateEntry>,
    bad: Option<String>,
}

impl Found {
    pub fn take(&mut self, group: KeyGroup, page: &[u8]) {
        let entries = &mut self.entries;
        let put = |table: u8, key: &[u8], value: &[u8]| {
            let (key, value) = (key.to_vec(), value.to_vec());
            entries.push(StateEntry { key_group: Some(group), table, key, value });
        };
        if let Err(message) = visit_entries(page, put) {
            self.bad = Some(message);
        }
    }

    /// # Errors
    /// One of the pages was no list of entries.
    pub fn entries(self, shape: &Shape) -> Result<Vec<StateEntry>, OperatorError> {
        match self.bad {
            Some(message) => Err(shape.damaged(message)),
            None => Ok(self.entries),
        }
    }
}
