//! Bytes of rows that come and go, in chunks instead of an allocation each.
//!
//! A chunk is written from front to back and never changed, so that a frozen arena is a
//! list of its chunks. Rows that are gone leave holes; a chunk that is a third holes
//! is named by [`Arena::remove`], and its owner moves the rest ([`Arena::records`]) and
//! frees it ([`Arena::release`]): an arena takes at most half as much again as its rows.

use std::sync::Arc;

/// Of a chunk; a longer row has one for itself.
const CHUNK: usize = 256 << 10;
/// What a chunk begins with.
const FIRST: usize = 4 << 10;
/// Owner and length before each row.
const HEAD: usize = 8;
/// A chunk that something frozen has is copied to be appended to while it is this short:
/// else each checkpoint would begin a new one.
const COPIED: usize = 64 << 10;

/// Where a row is: its chunk, and its place in it.
pub type Place = u64;

#[derive(Debug, Default)]
pub struct Arena {
    chunks: Vec<Chunk>,
    /// The one that is appended to.
    open: usize,
    free: Vec<usize>,
    live_bytes: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Arc<Vec<u8>>,
    live: usize,
}

/// An arena as it was.
#[derive(Debug)]
pub struct FrozenArena {
    chunks: Vec<Arc<Vec<u8>>>,
}

fn place(chunk: usize, at: usize) -> Place {
    ((chunk as u64) << 32) | at as u64
}

fn parts(place: Place) -> (usize, usize) {
    ((place >> 32) as usize, place as u32 as usize)
}

/// Owner and row of the record at the front.
fn record(bytes: &[u8]) -> (u32, &[u8]) {
    let word = |at: usize| {
        u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes of a record's head"))
    };
    (word(0), &bytes[HEAD..HEAD + word(4) as usize])
}

/// Makes room without more than a chunk's size, which doubling would pass.
fn grow(bytes: &mut Vec<u8>, needed: usize) {
    let wanted = bytes.len() + needed;
    if wanted > bytes.capacity() {
        let capacity = (bytes.capacity() * 2).next_power_of_two().clamp(FIRST, CHUNK).max(wanted);
        bytes.reserve_exact(capacity - bytes.len());
    }
}

impl Arena {
    /// Bytes of the rows that are there.
    pub fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    pub fn row(&self, place: Place) -> &[u8] {
        let (chunk, at) = parts(place);
        record(&self.chunks[chunk].bytes[at..]).1
    }

    /// `owner`: for whom it is when it must be moved.
    pub fn add(&mut self, owner: u32, row: &[u8]) -> Place {
        let needed = HEAD + row.len();
        if !self.has_room(needed) {
            self.open = self.free.pop().unwrap_or_else(|| {
                self.chunks.push(Chunk::default());
                self.chunks.len() - 1
            });
        }
        let chunk = &mut self.chunks[self.open];
        let bytes = Arc::make_mut(&mut chunk.bytes);
        let at = bytes.len();
        grow(bytes, needed);
        bytes.extend_from_slice(&owner.to_le_bytes());
        let length = u32::try_from(row.len()).expect("a row is shorter than 4 GiB");
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(row);
        chunk.live += needed;
        self.live_bytes += needed;
        place(self.open, at)
    }

    fn has_room(&self, needed: usize) -> bool {
        self.chunks.get(self.open).is_some_and(|chunk| {
            let length = chunk.bytes.len();
            let fits = length == 0 || length + needed <= CHUNK;
            fits && (length <= COPIED || Arc::strong_count(&chunk.bytes) == 1)
        })
    }

    /// The row is gone. A chunk that should be emptied and released.
    pub fn remove(&mut self, place: Place) -> Option<usize> {
        let (at, _) = parts(place);
        let gone = HEAD + self.row(place).len();
        self.live_bytes -= gone;
        let chunk = &mut self.chunks[at];
        chunk.live -= gone;
        if chunk.live == 0 && at == self.open {
            // Its rows may still be in something frozen.
            chunk.bytes = Arc::default();
            return None;
        }
        (at != self.open && chunk.live < chunk.bytes.len() / 3 * 2).then_some(at)
    }

    /// All rows that a chunk ever had, with their owners: those for whom they still are
    /// there must be told apart by the places.
    pub fn records(&self, chunk: usize) -> Vec<(u32, Place)> {
        let bytes = &self.chunks[chunk].bytes;
        let (mut at, mut found) = (0, Vec::new());
        while at < bytes.len() {
            let (owner, row) = record(&bytes[at..]);
            found.push((owner, place(chunk, at)));
            at += HEAD + row.len();
        }
        found
    }

    /// Puts a row elsewhere.
    pub fn relocate(&mut self, owner: u32, from: Place) -> Place {
        let (chunk, at) = parts(from);
        let bytes = Arc::clone(&self.chunks[chunk].bytes);
        let (_, row) = record(&bytes[at..]);
        self.chunks[chunk].live -= HEAD + row.len();
        self.live_bytes -= HEAD + row.len();
        self.add(owner, row)
    }

    /// An emptied chunk's memory.
    pub fn release(&mut self, chunk: usize) {
        debug_assert_eq!(self.chunks[chunk].live, 0);
        self.chunks[chunk].bytes = Arc::default();
        self.free.push(chunk);
    }

    pub fn freeze(&self) -> FrozenArena {
        let chunks = self.chunks.iter().map(|chunk| Arc::clone(&chunk.bytes));
        FrozenArena { chunks: chunks.collect() }
    }
}

impl FrozenArena {
    pub fn row(&self, place: Place) -> &[u8] {
        let (chunk, at) = parts(place);
        record(&self.chunks[chunk][at..]).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(owner: u32) -> Vec<u8> {
        vec![owner as u8; 200 + owner as usize % 300]
    }

    /// As an owner does.
    fn take_out(arena: &mut Arena, places: &mut [Option<Place>], owner: u32) {
        let place = places[owner as usize].take().expect("it was there");
        let Some(chunk) = arena.remove(place) else { return };
        for (owner, from) in arena.records(chunk) {
            if places[owner as usize] == Some(from) {
                places[owner as usize] = Some(arena.relocate(owner, from));
            }
        }
        arena.release(chunk);
    }

    #[test]
    fn rows_that_go_give_their_memory_back_and_the_others_stay() {
        let mut arena = Arena::default();
        let mut places: Vec<Option<Place>> = Vec::new();
        for owner in 0..20_000_u32 {
            places.push(Some(arena.add(owner, &row(owner))));
            // All but every seventh of the older ones go.
            if owner >= 1000 && owner % 7 != 0 {
                take_out(&mut arena, &mut places, owner - 1000);
            }
        }
        let live = (0..).zip(&places).filter_map(|(owner, place)| Some((owner, (*place)?)));
        let mut live_bytes = 0;
        for (owner, place) in live {
            assert_eq!(arena.row(place), row(owner));
            live_bytes += HEAD + row(owner).len();
        }
        assert_eq!(arena.live_bytes(), live_bytes);
        let taken: usize = arena.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        assert!(taken <= live_bytes / 2 * 3 + 2 * CHUNK, "{taken} bytes for {live_bytes}");
    }

    #[test]
    fn what_is_frozen_keeps_its_rows() {
        let mut arena = Arena::default();
        let mut places: Vec<Option<Place>> =
            (0..3000).map(|owner| Some(arena.add(owner, &row(owner)))).collect();
        let (frozen, before) = (arena.freeze(), places.clone());
        (0..3000).filter(|owner| owner % 5 != 0).for_each(|owner| {
            take_out(&mut arena, &mut places, owner);
        });
        (0..3000).for_each(|owner| {
            arena.add(owner, b"new");
        });
        let rows = |owner: usize| frozen.row(before[owner].expect("all were there"));
        assert!((0..3000).all(|owner| rows(owner) == row(owner as u32)));
        let left = (0..3000).step_by(5).map(|owner| (owner, places[owner].expect("it stayed")));
        assert!(left.into_iter().all(|(owner, place)| arena.row(place) == row(owner as u32)));
    }

    #[test]
    fn a_chunk_is_not_left_behind_at_every_freeze() {
        let mut arena = Arena::default();
        for owner in 0..1000 {
            arena.add(owner, &[0; 100]);
            drop(arena.freeze());
        }
        assert_eq!(arena.chunks.len(), 1);
        let kept: Vec<FrozenArena> = (0..1000)
            .map(|owner| {
                arena.add(owner, &[0; 100]);
                arena.freeze()
            })
            .collect();
        assert!(arena.chunks.len() <= 4, "{} chunks", arena.chunks.len());
        assert_eq!(kept.len(), 1000);
    }

    #[test]
    fn a_row_longer_than_a_chunk_has_one_for_itself() {
        let mut arena = Arena::default();
        let places: Vec<Place> = [10, CHUNK * 2, 20].map(|n| arena.add(0, &vec![7; n])).into();
        assert_eq!(
            places.iter().map(|p| arena.row(*p).len()).collect::<Vec<_>>(),
            [10, CHUNK * 2, 20]
        );
    }
}
