//! Several sorted sequences as one: of equal keys the newest counts.

use std::sync::Arc;

use super::PageError;
use super::block::Block;
use super::memtable::MemtableCursor;
use super::run::Run;
use super::tier::{Load, Tier, TierCursor};

/// A sorted sequence that is walked.
pub(super) enum Cursor<'a> {
    Tier(Box<TierCursor>),
    /// Full keys in order.
    Memory(&'a [(Vec<u8>, Option<&'a [u8]>)]),
    Memtable(MemtableCursor<'a>),
}

impl Cursor<'_> {
    fn key(&self) -> Option<&[u8]> {
        match self {
            Cursor::Tier(cursor) => cursor.key(),
            Cursor::Memory(entries) => Some(entries.first()?.0.as_slice()),
            Cursor::Memtable(cursor) => cursor.key(),
        }
    }

    fn value(&self) -> Option<&[u8]> {
        match self {
            Cursor::Tier(cursor) => cursor.value(),
            Cursor::Memory(entries) => entries.first()?.1,
            Cursor::Memtable(cursor) => cursor.value(),
        }
    }

    fn advance(&mut self, load: Load<'_>) -> Result<(), PageError> {
        match self {
            Cursor::Tier(cursor) => cursor.advance(load),
            Cursor::Memory(entries) => {
                *entries = entries.get(1..).unwrap_or_default();
                Ok(())
            }
            Cursor::Memtable(cursor) => {
                cursor.advance();
                Ok(())
            }
        }
    }
}

/// Takes a full key and its value; false ends the walk.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&[u8], Option<&[u8]>) -> Result<bool, PageError>;

/// Reads past a cache: for what is read once and in order.
pub(super) fn read_past_cache(run: &Run, block: usize) -> Result<Arc<Block>, PageError> {
    run.read_block(block).map(Arc::new)
}

/// Cursors at the first key not below `from`, newest first.
pub(super) fn cursors(
    tiers: &[Arc<Tier>],
    from: &[u8],
    load: Load<'_>,
) -> Result<Vec<Cursor<'static>>, PageError> {
    let cursor = |tier: &Arc<Tier>| {
        let cursor = TierCursor::new(Arc::clone(tier), from, &mut *load)?;
        Ok(Cursor::Tier(Box::new(cursor)))
    };
    tiers.iter().map(cursor).collect()
}

/// Gives every key once to `visit(full key, value)`, in order, with the value of the
/// first cursor that has it; `None`: the page is removed. Ends when `visit` says false.
pub(super) fn merge(
    mut cursors: Vec<Cursor<'_>>,
    load: Load<'_>,
    visit: Visit<'_>,
) -> Result<(), PageError> {
    // Those that are not at their end, the least key last, of equal keys the newest last.
    let mut order: Vec<usize> = vec![];
    for at in 0..cursors.len() {
        place(&cursors, &mut order, at);
    }
    let mut last = vec![];
    while let Some(at) = order.pop() {
        let key = cursors[at].key().expect("those at their end are not in the order");
        last.clear();
        last.extend_from_slice(key);
        if !visit(key, cursors[at].value())? {
            return Ok(());
        }
        cursors[at].advance(&mut *load)?;
        place(&cursors, &mut order, at);
        while let Some(older) = order.pop_if(|older| cursors[*older].key() == Some(&last)) {
            cursors[older].advance(&mut *load)?;
            place(&cursors, &mut order, older);
        }
    }
    Ok(())
}

fn place(cursors: &[Cursor<'_>], order: &mut Vec<usize>, at: usize) {
    if let Some(key) = cursors[at].key() {
        let behind =
            order.partition_point(|other| (cursors[*other].key(), *other) > (Some(key), at));
        order.insert(behind, at);
    }
}
