//! State of OVER aggregations as entries, and back.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, Int64Array};
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use millrace_state::row;

use super::store::RowRef;
use super::{Over, Progress};
use crate::operator::{OperatorContext, OperatorError, StateEntry};
use crate::operators::paged::Put;

pub(super) const KEYS: u8 = 0;
pub(super) const WAITING: u8 = 1;
pub(super) const FRAMES: u8 = 2;
pub(super) const PROGRESS: u8 = 3;
/// Bytes of a number before the key: one BIGINT value.
pub(super) const NUMBER_BYTES: usize = 9;

/// Rows to write, or read: for each the number before its key, the slot, the time and
/// the row's bytes.
struct Numbered {
    number: i64,
    slot: u32,
    time_ms: i64,
    row: Box<[u8]>,
}

fn numbers(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn write_rows(table: u8, rows: &[Numbered], place_of: &HashMap<u32, usize>, put: &mut Put<'_>) {
    let prefixes = row::encode(&[numbers(rows.iter().map(|row| row.number))]);
    let bytes = BinaryArray::from_iter_values(rows.iter().map(|row| &*row.row));
    let times = numbers(rows.iter().map(|row| row.time_ms));
    let values = row::encode(&[times, Arc::new(bytes)]);
    for (at, row) in rows.iter().enumerate() {
        put(place_of[&row.slot], table, prefixes.row(at), values.row(at));
    }
}

impl Over {
    /// Writes the entries of those slots that are alive.
    pub(super) fn write(&self, slots: &[u32], ctx: &OperatorContext, put: &mut Put<'_>) {
        let is_alive =
            |slot: &u32| self.keys[*slot as usize].waiting > 0 || !self.ttl.is_expired(*slot, ctx);
        let alive: Vec<(usize, u32)> =
            slots.iter().copied().enumerate().filter(|(_, slot)| is_alive(slot)).collect();
        let slots: Vec<u32> = alive.iter().map(|(_, slot)| *slot).collect();
        let place_of: HashMap<u32, usize> =
            alive.into_iter().map(|(at, slot)| (slot, at)).collect();
        self.write_keys(&slots, &place_of, put);
        write_rows(WAITING, &self.waiting_rows(&place_of), &place_of, put);
        write_rows(FRAMES, &self.frame_rows(&slots), &place_of, put);
    }

    fn write_keys(&self, slots: &[u32], place_of: &HashMap<u32, usize>, put: &mut Put<'_>) {
        let of = |slot: &u32| &self.keys[*slot as usize];
        let mut columns = vec![
            numbers(slots.iter().map(|slot| self.ttl.written_ms(*slot))),
            numbers(slots.iter().map(|slot| of(slot).last_emitted_ms)),
            numbers(slots.iter().map(|slot| of(slot).cleanup_ms)),
        ];
        columns.extend(self.calls.save(slots));
        for (value, slot) in row::encode(&columns).iter().zip(slots) {
            put(place_of[slot], KEYS, &[], value);
        }
    }

    fn waiting_rows(&self, place_of: &HashMap<u32, usize>) -> Vec<Numbered> {
        if place_of.keys().all(|slot| self.keys[*slot as usize].waiting == 0) {
            return Vec::new();
        }
        let mut waiting = self.pending.waiting();
        waiting.retain(|waiting| place_of.contains_key(&waiting.slot));
        let columns = self.pending.columns(&waiting).expect("rows of one schema are gathered");
        let rows = row::encode(&columns);
        let numbered = waiting.iter().enumerate().map(|(at, waiting)| Numbered {
            number: waiting.arrival,
            slot: waiting.slot,
            time_ms: waiting.time_ms,
            row: rows.row(at).into(),
        });
        numbered.collect()
    }

    fn frame_rows(&self, slots: &[u32]) -> Vec<Numbered> {
        let frame = |slot: &u32| self.keys[*slot as usize].frame.iter();
        let refs: Vec<RowRef> = slots.iter().flat_map(frame).map(|(_, at)| *at).collect();
        let columns = self.frames.gather(&refs).expect("rows of one schema are gathered");
        let rows = row::encode(&columns);
        let held = slots.iter().flat_map(|slot| frame(slot).enumerate().map(|held| (*slot, held)));
        let numbered = held.enumerate().map(|(at, (slot, (place, (time_ms, _))))| Numbered {
            number: place as i64,
            slot,
            time_ms: *time_ms,
            // Without columns there are no bytes.
            row: if columns.is_empty() { Box::default() } else { rows.row(at).into() },
        });
        numbered.collect()
    }

    pub(super) fn read(&mut self, entries: Vec<StateEntry>) -> Result<(), OperatorError> {
        let mut tables: [Vec<StateEntry>; 4] = Default::default();
        for entry in entries {
            let table = tables.get_mut(usize::from(entry.table));
            table
                .ok_or_else(|| self.shape.damaged(format!("unknown table {}", entry.table)))?
                .push(entry);
        }
        let [keys, waiting, frames, progress] = tables;
        if !progress.is_empty() {
            self.progress = Progress::load(&progress, &self.shape)?;
        }
        self.read_keys(&keys)?;
        self.read_waiting(&waiting)?;
        self.read_frames(&frames)
    }

    fn read_keys(&mut self, entries: &[StateEntry]) -> Result<(), OperatorError> {
        let mut types = vec![ArrowType::Int64; 3];
        types.extend(self.calls.saved_types());
        let values = entries.iter().map(|entry| entry.value.as_slice());
        let columns = row::decode(&types, values).map_err(|error| self.shape.damaged(error))?;
        let slots: Vec<u32> = entries
            .iter()
            .map(|entry| self.table.find_or_insert(row::hash(&entry.key), &entry.key).0)
            .collect();
        self.keys.resize_with(self.table.slab.capacity(), Default::default);
        self.calls.resize(self.keys.len());
        let [written, emitted, cleanup] =
            [0, 1, 2].map(|at: usize| columns[at].as_primitive::<Int64Type>());
        for (row, &slot) in slots.iter().enumerate() {
            self.ttl.write(slot, written.value(row));
            let key = &mut self.keys[slot as usize];
            key.in_use = true;
            key.last_emitted_ms = emitted.value(row);
            key.cleanup_ms = cleanup.value(row);
            if key.cleanup_ms != i64::MIN {
                self.cleanups.entry(key.cleanup_ms).or_default().push(slot);
            }
        }
        self.calls.load(&slots, &columns[3..]).map_err(|error| self.shape.damaged(error))
    }

    /// Rows with their numbers, in order of these.
    fn read_rows(&self, entries: &[StateEntry]) -> Result<Vec<Numbered>, OperatorError> {
        let damaged = |error| self.shape.damaged(error);
        let mut parts = Vec::with_capacity(entries.len());
        for entry in entries {
            let part = entry.key.split_at_checked(NUMBER_BYTES);
            parts.push(part.ok_or_else(|| self.shape.damaged("a key cut short"))?);
        }
        let numbers =
            row::decode(&[ArrowType::Int64], parts.iter().map(|part| part.0)).map_err(damaged)?;
        let types = [ArrowType::Int64, ArrowType::Binary];
        let columns = row::decode(&types, entries.iter().map(|entry| entry.value.as_slice()))
            .map_err(damaged)?;
        let times = columns[0].as_primitive::<Int64Type>();
        let rows = columns[1].as_binary::<i32>();
        let mut read = Vec::with_capacity(entries.len());
        for (at, (_, key)) in parts.iter().enumerate() {
            let slot = self.table.find(row::hash(key), key);
            read.push(Numbered {
                number: numbers[0].as_primitive::<Int64Type>().value(at),
                slot: slot.ok_or_else(|| self.shape.damaged("a row without its key"))?,
                time_ms: times.value(at),
                row: rows.value(at).into(),
            });
        }
        read.sort_by_key(|row| row.number);
        Ok(read)
    }

    fn read_waiting(&mut self, entries: &[StateEntry]) -> Result<(), OperatorError> {
        let rows = self.read_rows(entries)?;
        let columns = row::decode(&self.input_types, rows.iter().map(|row| &*row.row))
            .map_err(|error| self.shape.damaged(error))?;
        rows.iter().for_each(|row| self.keys[row.slot as usize].wait(row.time_ms));
        let waiting: Vec<(i64, i64, u32)> =
            rows.iter().map(|row| (row.time_ms, row.number, row.slot)).collect();
        self.pending.restore(columns, &waiting);
        Ok(())
    }

    fn read_frames(&mut self, entries: &[StateEntry]) -> Result<(), OperatorError> {
        let rows = self.read_rows(entries)?;
        let types: Vec<ArrowType> =
            self.read_schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let columns = row::decode(&types, rows.iter().map(|row| &*row.row))
            .map_err(|error| self.shape.damaged(error))?;
        let chunk = self.frames.add(columns, rows.len(), rows.len());
        for (at, row) in rows.iter().enumerate() {
            let at = RowRef { chunk, row: at as u32 };
            self.keys[row.slot as usize].frame.push_back((row.time_ms, at));
        }
        Ok(())
    }
}
