//! Which rows come into the frame and leave it, row by row.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use millrace_dataflow::graph::OverFrame;

use super::store::RowRef;
use super::{Key, Ready};

/// What the aggregates are shown, in order.
#[derive(Debug, Default)]
pub struct Frames {
    pub rows: Vec<RowRef>,
    pub slots: Vec<u32>,
    /// The row comes in; else it leaves.
    pub accumulate: Vec<bool>,
    /// A result is due after this.
    pub emit: Vec<bool>,
}

impl Frames {
    /// The steps of rows that are batch `chunk` of the frames' rows. `peers`: the last
    /// peer of each row, when peers share a result.
    pub fn plan(
        frame: OverFrame,
        ready: &Ready,
        chunk: u32,
        peers: Option<&[u32]>,
        keys: &mut [Key],
    ) -> Frames {
        let mut frames = Frames::default();
        for (row, (&slot, &time_ms)) in ready.slots.iter().zip(&ready.times).enumerate() {
            let held = &mut keys[slot as usize].frame;
            while held.front().is_some_and(|(first, _)| leaves(frame, held.len(), *first, time_ms))
                && let Some((_, at)) = held.pop_front()
            {
                frames.push(at, slot, false, false);
            }
            let at = RowRef { chunk, row: row as u32 };
            held.push_back((time_ms, at));
            frames.push(at, slot, true, peers.is_none_or(|peers| peers[row] as usize == row));
        }
        frames
    }

    fn push(&mut self, at: RowRef, slot: u32, accumulate: bool, emit: bool) {
        self.rows.push(at);
        self.slots.push(slot);
        self.accumulate.push(accumulate);
        self.emit.push(emit);
    }
}

// Whether the first of the held rows leaves before a row of this time comes.
fn leaves(frame: OverFrame, held: usize, first_ms: i64, time_ms: i64) -> bool {
    match frame {
        OverFrame::Rows(preceding) => held as u64 > preceding,
        OverFrame::Range(range_ms) => first_ms < time_ms.saturating_sub(range_ms),
        OverFrame::UnboundedRows | OverFrame::UnboundedRange => false,
    }
}

/// For each row the last one of equal key and time. The rows are in order of time.
pub fn last_peers(slots: &[u32], times: &[i64]) -> Vec<u32> {
    let mut peers: Vec<u32> = (0..slots.len() as u32).collect();
    let mut last_of: HashMap<u32, u32, FixedState> = HashMap::default();
    let mut end = slots.len();
    while end > 0 {
        let start =
            times[..end].iter().rposition(|time| *time != times[end - 1]).map_or(0, |at| at + 1);
        if end - start > 1 {
            last_of.clear();
            for row in (start..end).rev() {
                peers[row] = *last_of.entry(slots[row]).or_insert(row as u32);
            }
        }
        end = start;
    }
    peers
}

/// Which rows are the last of their peers.
pub fn are_last(peers: &[u32]) -> Vec<bool> {
    peers.iter().enumerate().map(|(row, last)| row == *last as usize).collect()
}
