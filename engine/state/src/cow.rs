//! A vector that can be frozen at no cost in its length: chunks are shared with what was
//! frozen until they are written to again.
//!
//! It also grows without copying, which a vector of many megabytes does not.

use std::ops::{Index, IndexMut};
use std::sync::Arc;

/// About how much one chunk holds: what the first write to it after a freeze copies.
const CHUNK_BYTES: usize = 16 << 10;

/// Values by index. Indexing panics beyond the end, as with a vector; indexing to write
/// copies the chunk if something frozen has it.
#[derive(Clone, Debug)]
pub struct CowVec<T> {
    chunks: Vec<Chunk<T>>,
    length: usize,
}

/// Who owns a chunk is known without asking a counter that other threads change.
#[derive(Clone, Debug)]
enum Chunk<T> {
    Own(Box<[T]>),
    /// With something frozen, at least until lately.
    Shared(Arc<Box<[T]>>),
}

/// Values in a chunk: a power of two, so that an index is split by a shift.
const fn chunk_values<T>() -> usize {
    let size = if size_of::<T>() == 0 { 1 } else { size_of::<T>() };
    let most = CHUNK_BYTES / size;
    if most < 16 { 16 } else { 1 << most.ilog2() }
}

const fn split<T>(index: usize) -> (usize, usize) {
    (index / chunk_values::<T>(), index % chunk_values::<T>())
}

impl<T> Chunk<T> {
    #[inline]
    fn values(&self) -> &[T] {
        match self {
            Chunk::Own(values) => values,
            Chunk::Shared(values) => values,
        }
    }
}

impl<T: Clone> Chunk<T> {
    #[inline]
    fn values_mut(&mut self) -> &mut [T] {
        if matches!(self, Chunk::Shared(_)) {
            self.take_back();
        }
        match self {
            Chunk::Own(values) => values,
            Chunk::Shared(_) => unreachable!("it was taken back"),
        }
    }

    #[cold]
    fn take_back(&mut self) {
        if let Chunk::Shared(shared) = self {
            let unique = Arc::get_mut(shared).map(std::mem::take);
            let values = unique.unwrap_or_else(|| Box::clone(shared));
            *self = Chunk::Own(values);
        }
    }

    fn share(&mut self) -> Chunk<T> {
        if let Chunk::Own(values) = self {
            *self = Chunk::Shared(Arc::new(std::mem::take(values)));
        }
        self.clone()
    }
}

impl<T> Default for CowVec<T> {
    fn default() -> CowVec<T> {
        CowVec { chunks: Vec::new(), length: 0 }
    }
}

impl<T> Index<usize> for CowVec<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: usize) -> &T {
        debug_assert!(index < self.length, "{index} of {}", self.length);
        let (chunk, place) = split::<T>(index);
        &self.chunks[chunk].values()[place]
    }
}

impl<T: Clone> IndexMut<usize> for CowVec<T> {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut T {
        debug_assert!(index < self.length, "{index} of {}", self.length);
        let (chunk, place) = split::<T>(index);
        &mut self.chunks[chunk].values_mut()[place]
    }
}

impl<T> CowVec<T> {
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub fn get(&self, index: usize) -> Option<&T> {
        (index < self.length).then(|| &self[index])
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.values().iter()).take(self.length)
    }
}

impl<T: Clone + Default> CowVec<T> {
    pub fn push(&mut self, value: T) {
        self.grow(self.length + 1);
        let last = self.length - 1;
        self[last] = value;
    }

    /// Makes it at least so long, with defaults.
    pub fn grow(&mut self, length: usize) {
        self.length = self.length.max(length);
        while self.chunks.len() * chunk_values::<T>() < self.length {
            let values = std::iter::repeat_n(T::default(), chunk_values::<T>()).collect();
            self.chunks.push(Chunk::Own(values));
        }
    }

    /// The values as they are, whatever happens to them here.
    pub fn freeze(&mut self) -> CowVec<T> {
        let chunks = self.chunks.iter_mut().map(Chunk::share).collect();
        CowVec { chunks, length: self.length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_frozen_stays_as_it_was_whatever_comes_after() {
        let mut values = CowVec::default();
        (0..10_000_u64).for_each(|value| values.push(value));
        let first = values.freeze();
        values[5000] = 1;
        values.push(2);
        values.grow(20_000);
        let second = values.freeze();
        values[0] = 3;
        assert!(first.iter().copied().eq(0..10_000));
        assert_eq!((first.len(), first.get(10_000)), (10_000, None));
        assert_eq!((second[0], second[5000], second[10_000]), (0, 1, 2));
        assert_eq!((second.len(), second[19_999]), (20_000, 0));
        assert_eq!((values[0], values.get(20_000)), (3, None));
        assert_eq!(values.iter().filter(|value| **value > 0).count(), 10_001);
    }

    #[test]
    fn only_chunks_that_are_written_to_are_copied() {
        let mut values = CowVec::default();
        (0..10_000_u64).for_each(|value| values.push(value));
        let frozen = values.freeze();
        values[5000] = 1;
        let is_same = |(a, b): &(&Chunk<_>, &Chunk<_>)| a.values().as_ptr() == b.values().as_ptr();
        let shared = values.chunks.iter().zip(&frozen.chunks).filter(is_same);
        assert_eq!(shared.count() + 1, frozen.chunks.len());
        drop(frozen);
        let before = values.chunks[0].values().as_ptr();
        values[0] = 1;
        assert_eq!(values.chunks[0].values().as_ptr(), before, "nothing frozen has it any more");
    }
}
