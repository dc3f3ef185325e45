//! The blocks that were read last, up to a number of bytes.

use std::collections::HashMap;
use std::sync::Arc;

use super::PageError;
use super::block::Block;
use super::run::Run;

type Place = (u64, u32);

/// Second chance: a block that was used since the hand last passed stays.
#[derive(Debug)]
pub(super) struct Cache {
    limit: usize,
    bytes: usize,
    places: HashMap<Place, usize>,
    slots: Vec<Slot>,
    hand: usize,
    /// Blocks that came from the disk: for tests and measurements.
    pub reads: u64,
}

#[derive(Debug)]
struct Slot {
    place: Place,
    block: Arc<Block>,
    is_used: bool,
}

impl Cache {
    pub fn new(limit: usize) -> Cache {
        Cache { limit, bytes: 0, places: HashMap::new(), slots: vec![], hand: 0, reads: 0 }
    }

    pub fn get(&mut self, run: &Run, block: usize) -> Result<Arc<Block>, PageError> {
        let place = (run.number, block as u32);
        if let Some(at) = self.places.get(&place) {
            let slot = &mut self.slots[*at];
            slot.is_used = true;
            return Ok(Arc::clone(&slot.block));
        }
        self.reads += 1;
        let block = Arc::new(run.read_block(block)?);
        self.insert(place, Arc::clone(&block));
        Ok(block)
    }

    fn insert(&mut self, place: Place, block: Arc<Block>) {
        self.bytes += block.bytes();
        self.places.insert(place, self.slots.len());
        self.slots.push(Slot { place, block, is_used: false });
        while self.bytes > self.limit && !self.slots.is_empty() {
            self.evict();
        }
    }

    fn evict(&mut self) {
        self.hand %= self.slots.len();
        let slot = &mut self.slots[self.hand];
        if std::mem::take(&mut slot.is_used) {
            self.hand += 1;
            return;
        }
        let gone = self.slots.swap_remove(self.hand);
        self.bytes -= gone.block.bytes();
        self.places.remove(&gone.place);
        if let Some(moved) = self.slots.get(self.hand) {
            self.places.insert(moved.place, self.hand);
        }
        // The block that came last has moved here: it is not the next to go.
        self.hand += 1;
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
