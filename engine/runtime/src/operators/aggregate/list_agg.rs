//! `LISTAGG(s, sep)`: values in order of arrival, NULLs ignored (rows B2.10, D8.7).

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::datatypes::DataType as ArrowType;

use super::AggregateError;
use super::blob::{Collection, damaged, load_collections, save_collections};
use super::fold::{Accumulator, States};

/// The text so far, and where its values end when the input retracts.
#[derive(Clone, Debug, Default)]
struct List {
    text: String,
    count: usize,
    /// The values one by one; empty when nothing retracts.
    values: Vec<Box<str>>,
}

#[derive(Debug)]
struct Lists {
    separator: String,
    retracts: bool,
    lists: Vec<List>,
    held_bytes: usize,
}

pub fn new(separator: &str, retracts: bool) -> Box<dyn Accumulator> {
    Box::new(Lists { separator: separator.to_owned(), retracts, lists: Vec::new(), held_bytes: 0 })
}

impl List {
    fn bytes(&self) -> usize {
        self.text.len() + self.values.iter().map(|value| one_bytes(value)).sum::<usize>()
    }
}

/// What a value takes beside the text.
fn one_bytes(value: &str) -> usize {
    value.len() + 32
}

impl Lists {
    fn push(&mut self, slot: usize, value: &str) {
        let list = &mut self.lists[slot];
        let before = list.text.len();
        if list.count > 0 {
            list.text.push_str(&self.separator);
        }
        list.text.push_str(value);
        list.count += 1;
        self.held_bytes += list.text.len() - before;
        if self.retracts {
            list.values.push(value.into());
            self.held_bytes += one_bytes(value);
        }
    }
}

impl States for Lists {
    type Arguments<'a> = &'a StringArray;
    type Output = StringBuilder;

    fn bind<'a>(&self, columns: &'a [ArrayRef]) -> &'a StringArray {
        columns[0].as_string::<i32>()
    }

    fn resize(&mut self, slots: usize) {
        self.lists.resize_with(slots, List::default);
    }

    fn clear(&mut self, slot: usize) {
        let gone = std::mem::take(&mut self.lists[slot]);
        self.held_bytes -= gone.bytes();
    }

    fn add(&mut self, slot: usize, values: &&StringArray, row: usize) {
        self.push(slot, values.value(row));
    }

    /// The earliest equal value goes.
    fn retract(&mut self, slot: usize, values: &&StringArray, row: usize) {
        let list = &mut self.lists[slot];
        let value = values.value(row);
        if let Some(at) = list.values.iter().position(|held| held.as_ref() == value) {
            self.held_bytes -= one_bytes(value) + list.text.len();
            list.values.remove(at);
            list.count -= 1;
            list.text = list.values.join(&self.separator);
            self.held_bytes += list.text.len();
        }
    }

    fn output(&self, rows: usize) -> StringBuilder {
        StringBuilder::with_capacity(rows, 0)
    }

    fn append(&self, slot: usize, output: &mut StringBuilder) {
        let list = &self.lists[slot];
        output.append_option((list.count > 0).then_some(list.text.as_str()));
    }

    fn finish(&self, mut output: StringBuilder) -> ArrayRef {
        Arc::new(output.finish())
    }

    fn merge(&mut self, from: usize, to: usize) {
        let source = self.lists[from].clone();
        if self.retracts {
            source.values.iter().for_each(|value| self.push(to, value));
        } else if source.count > 0 {
            self.push(to, &source.text);
        }
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        vec![save_collections(slots.iter().map(|&slot| {
            let list = &self.lists[slot as usize];
            let mut collection = Collection::default();
            match self.retracts {
                true => list.values.iter().for_each(|value| collection.push(value.as_bytes(), 1)),
                false if list.count > 0 => collection.push(list.text.as_bytes(), 1),
                false => {}
            }
            collection
        }))]
    }

    fn saved_types(&self) -> Vec<ArrowType> {
        vec![ArrowType::Binary]
    }

    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        let mut all_text = true;
        load_collections(&columns[0], |row, value, _| match std::str::from_utf8(value) {
            Ok(value) => self.push(slots[row] as usize, value),
            Err(_) => all_text = false,
        })?;
        if all_text { Ok(()) } else { Err(damaged("a list of no text")) }
    }

    fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}
