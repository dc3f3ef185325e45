//! A vector that can be frozen at no cost in its length: chunks are shared with what was
//! frozen until they are written to again.
//!
//! It also grows without copying, which a vector of many megabytes does not.

use std::sync::Arc;

/// About how much one chunk holds: what the first write to it after a freeze copies.
const CHUNK_BYTES: usize = 16 << 10;

/// Values by index. Indexing panics beyond the end, as with a vector.
#[derive(Debug)]
pub struct CowVec<T> {
    chunks: Vec<Arc<[T]>>,
    length: usize,
}

/// The values at the time of [`CowVec::freeze`].
#[derive(Clone, Debug)]
pub struct FrozenVec<T> {
    chunks: Vec<Arc<[T]>>,
    length: usize,
}

/// The counters before the values of a chunk.
const COUNTERS_BYTES: usize = 16;

/// Values in a chunk, which with its counters has just its size: what is a little more than
/// a power of two takes much more from an allocator.
const fn chunk_values<T>() -> usize {
    let size = if size_of::<T>() == 0 { 1 } else { size_of::<T>() };
    let values = (CHUNK_BYTES - COUNTERS_BYTES) / size;
    if values < 16 { 16 } else { values }
}

const fn split<T>(index: usize) -> (usize, usize) {
    (index / chunk_values::<T>(), index % chunk_values::<T>())
}

impl<T> Default for CowVec<T> {
    fn default() -> CowVec<T> {
        CowVec { chunks: Vec::new(), length: 0 }
    }
}

impl<T: Clone + Default> CowVec<T> {
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    #[inline]
    pub fn at(&self, index: usize) -> &T {
        debug_assert!(index < self.length, "{index} of {}", self.length);
        let (chunk, place) = split::<T>(index);
        &self.chunks[chunk][place]
    }

    pub fn get(&self, index: usize) -> Option<&T> {
        (index < self.length).then(|| self.at(index))
    }

    /// To be written to: copies the chunk if something frozen has it.
    #[inline]
    pub fn at_mut(&mut self, index: usize) -> &mut T {
        debug_assert!(index < self.length, "{index} of {}", self.length);
        let (chunk, place) = split::<T>(index);
        &mut Arc::make_mut(&mut self.chunks[chunk])[place]
    }

    pub fn push(&mut self, value: T) {
        self.grow(self.length + 1);
        *self.at_mut(self.length - 1) = value;
    }

    /// Makes it at least so long, with defaults.
    pub fn grow(&mut self, length: usize) {
        self.length = self.length.max(length);
        while self.chunks.len() * chunk_values::<T>() < self.length {
            self.chunks.push(std::iter::repeat_n(T::default(), chunk_values::<T>()).collect());
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).take(self.length)
    }

    /// The values as they are, whatever happens to them here.
    pub fn freeze(&self) -> FrozenVec<T> {
        FrozenVec { chunks: self.chunks.clone(), length: self.length }
    }
}

impl<T> FrozenVec<T> {
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    #[inline]
    pub fn at(&self, index: usize) -> &T {
        let (chunk, place) = split::<T>(index);
        &self.chunks[chunk][place]
    }

    pub fn get(&self, index: usize) -> Option<&T> {
        (index < self.length).then(|| self.at(index))
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).take(self.length)
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
        *values.at_mut(5000) = 1;
        values.push(2);
        values.grow(20_000);
        let second = values.freeze();
        *values.at_mut(0) = 3;
        assert!(first.iter().copied().eq(0..10_000));
        assert_eq!((first.len(), first.get(10_000)), (10_000, None));
        assert_eq!((*second.at(0), *second.at(5000), *second.at(10_000)), (0, 1, 2));
        assert_eq!((second.len(), *second.at(19_999)), (20_000, 0));
        assert_eq!((*values.at(0), values.get(20_000)), (3, None));
        assert_eq!(values.iter().filter(|value| **value > 0).count(), 10_001);
    }

    #[test]
    fn only_chunks_that_are_written_to_are_copied() {
        let mut values = CowVec::default();
        (0..10_000_u64).for_each(|value| values.push(value));
        let frozen = values.freeze();
        *values.at_mut(5000) = 1;
        let shared = values.chunks.iter().zip(&frozen.chunks).filter(|(a, b)| Arc::ptr_eq(a, b));
        assert_eq!(shared.count() + 1, frozen.chunks.len());
        drop(frozen);
        let before = values.chunks[0].as_ptr();
        *values.at_mut(0) = 1;
        assert_eq!(values.chunks[0].as_ptr(), before, "nothing frozen has it any more");
    }
}
