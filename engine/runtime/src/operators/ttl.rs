//! State time-to-live by last write (Flink: `table.exec.state.ttl`, rows B13.1).

use millrace_state::cow::CowVec;

use crate::operator::OperatorContext;

/// Slots looked at after a batch, beside one for each of its rows.
const SWEEP_SLOTS: usize = 16;

/// When each slot was last written; nothing is kept when state lives for ever.
#[derive(Debug)]
pub struct Ttl {
    ttl_ms: i64,
    written_ms: CowVec<i64>,
    cursor: usize,
}

/// The times as they were at a barrier, and what was past its time then.
#[derive(Debug)]
pub struct FrozenTtl {
    ttl_ms: i64,
    now_ms: i64,
    written_ms: CowVec<i64>,
}

impl FrozenTtl {
    /// As [`Ttl::written_ms`].
    pub fn written_ms(&self, slot: u32) -> i64 {
        if self.ttl_ms > 0 { self.written_ms[slot as usize] } else { 0 }
    }

    pub fn is_expired(&self, slot: u32) -> bool {
        self.ttl_ms > 0 && self.written_ms(slot).saturating_add(self.ttl_ms) <= self.now_ms
    }
}

impl Ttl {
    /// 0: for ever.
    pub fn new(ttl_ms: i64) -> Ttl {
        Ttl { ttl_ms, written_ms: CowVec::default(), cursor: 0 }
    }

    pub fn is_on(&self) -> bool {
        self.ttl_ms > 0
    }

    /// How long state lives after its last write, if not for ever.
    pub fn life_ms(&self) -> Option<i64> {
        self.is_on().then_some(self.ttl_ms)
    }

    /// What it takes a slot.
    pub fn slot_bytes(&self) -> usize {
        if self.is_on() { size_of::<i64>() } else { 0 }
    }

    pub fn write(&mut self, slot: u32, now_ms: i64) {
        if self.is_on() {
            while self.written_ms.len() <= slot as usize {
                self.written_ms.push(now_ms);
            }
            self.written_ms[slot as usize] = now_ms;
        }
    }

    /// When the slot was last written; 0 when nobody asks.
    pub fn written_ms(&self, slot: u32) -> i64 {
        if self.is_on() { self.written_ms[slot as usize] } else { 0 }
    }

    pub fn is_expired(&self, slot: u32, ctx: &OperatorContext) -> bool {
        self.is_on() && self.written_ms(slot).saturating_add(self.ttl_ms) <= ctx.processing_time_ms
    }

    pub fn freeze(&mut self, ctx: &OperatorContext) -> FrozenTtl {
        let (ttl_ms, now_ms) = (self.ttl_ms, ctx.processing_time_ms);
        FrozenTtl { ttl_ms, now_ms, written_ms: self.written_ms.freeze() }
    }

    /// Some expired slots, found by looking at a bounded number of them each time, so
    /// that state of keys that never come again goes away too. The caller drops those
    /// that are in use.
    pub fn sweep(&mut self, rows: usize, ctx: &OperatorContext) -> Vec<u32> {
        let total = self.written_ms.len();
        if !self.is_on() || total == 0 {
            return Vec::new();
        }
        let mut expired = Vec::new();
        for _ in 0..(rows + SWEEP_SLOTS).min(total) {
            self.cursor = (self.cursor + 1) % total;
            let slot = self.cursor as u32;
            if self.is_expired(slot, ctx) {
                expired.push(slot);
            }
        }
        expired
    }
}
