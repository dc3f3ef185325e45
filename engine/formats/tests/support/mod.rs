//! Rows of the shape of Nexmark's, and random numbers that repeat.

#![allow(dead_code, reason = "each test program uses its part")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use millrace_dataflow::types::{DataType, Field, Schema, TypeRoot};
use millrace_formats::{Format, formats};

/// A small generator of numbers: the same seed, the same numbers (xorshift64*).
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Numbers {
        Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

pub fn field(name: &str, root: TypeRoot) -> Field {
    Field::new(name, root.nullable())
}

pub fn format(name: &str, options: &[(&str, &str)], schema: &Schema) -> Box<dyn Format> {
    let options: BTreeMap<String, String> =
        options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let known = formats().iter().find(|known| known.name == name).expect("a known format");
    (known.create)(&options, schema).expect("good options")
}

fn bid_fields() -> Vec<Field> {
    vec![
        field("auction", TypeRoot::BigInt),
        field("bidder", TypeRoot::BigInt),
        field("price", TypeRoot::BigInt),
        field("channel", TypeRoot::string()),
        field("url", TypeRoot::string()),
        field("dateTime", TypeRoot::Timestamp { precision: 3 }),
        field("extra", TypeRoot::string()),
    ]
}

/// The columns of [`flat_bid`].
pub fn flat_schema() -> Schema {
    Schema::new(bid_fields())
}

/// The columns of [`nested_event`].
pub fn nested_schema() -> Schema {
    let row = |fields| DataType { root: TypeRoot::Row(fields), nullable: true };
    let person = vec![
        field("id", TypeRoot::BigInt),
        field("name", TypeRoot::string()),
        field("emailAddress", TypeRoot::string()),
        field("city", TypeRoot::string()),
        field("dateTime", TypeRoot::Timestamp { precision: 3 }),
    ];
    let auction = vec![
        field("id", TypeRoot::BigInt),
        field("itemName", TypeRoot::string()),
        field("initialBid", TypeRoot::BigInt),
        field("expires", TypeRoot::Timestamp { precision: 3 }),
        field("seller", TypeRoot::BigInt),
    ];
    Schema::new(vec![
        field("event_type", TypeRoot::Int),
        Field::new("person", row(person)),
        Field::new("auction", row(auction)),
        Field::new("bid", row(bid_fields())),
    ])
}

fn moment(number: usize) -> String {
    let (second, milli) = (number / 1_000 % 86_400, number % 1_000);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("2026-11-22 {hour:02}:{minute:02}:{:02}.{milli:03}", second % 60)
}

const CHANNELS: &[&str] = &["Google", "Facebook", "Baidu", "Apple", "channel-4711"];

fn bid(numbers: &mut Numbers, number: usize, url_bytes: usize) -> String {
    let mut url = "https://www.nexmark.com/".to_owned();
    while url.len() < url_bytes {
        let _ = write!(url, "{:x}/", numbers.next());
    }
    format!(
        "{{\"auction\":{},\"bidder\":{},\"price\":{},\"channel\":\"{}\",\"url\":\"{url}\",\
         \"dateTime\":\"{}\",\"extra\":\"{:x}\"}}",
        1_000 + numbers.below(100_000),
        1_000 + numbers.below(1_000_000),
        100 + numbers.below(10_000_000),
        numbers.pick(CHANNELS),
        moment(number),
        numbers.next(),
    )
}

/// Lines of bids of about `bytes` bytes each.
pub fn flat_bids(rows: usize, bytes: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(7);
    let url = bytes.saturating_sub(150);
    (0..rows).flat_map(|row| (bid(&mut numbers, row, url) + "\n").into_bytes()).collect()
}

/// Lines of events: of fifty, one person, three auctions, else bids.
pub fn nested_events(rows: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(8);
    (0..rows).flat_map(|row| (nested_event(&mut numbers, row) + "\n").into_bytes()).collect()
}

fn nested_event(numbers: &mut Numbers, row: usize) -> String {
    let (time, id) = (moment(row), 1_000 + row);
    match row % 50 {
        0 => format!(
            "{{\"event_type\":0,\"person\":{{\"id\":{id},\"name\":\"Peter Jones\",\
             \"emailAddress\":\"p{id}@example.com\",\"city\":\"Portland\",\"dateTime\":\"{time}\"}},\
             \"auction\":null,\"bid\":null}}"
        ),
        1..=3 => format!(
            "{{\"event_type\":1,\"person\":null,\"auction\":{{\"id\":{id},\"itemName\":\"item {id}\",\
             \"initialBid\":{},\"expires\":\"{time}\",\"seller\":{}}},\"bid\":null}}",
            numbers.below(10_000),
            numbers.below(100_000),
        ),
        _ => {
            let bid = bid(numbers, row, 100);
            format!("{{\"event_type\":2,\"person\":null,\"auction\":null,\"bid\":{bid}}}")
        }
    }
}

/// Lines of delimited text with the columns of [`flat_schema`].
pub fn csv_bids(rows: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(9);
    let line = |row| {
        format!(
            "{},{},{},{},\"https://www.nexmark.com/{:x}/item.htm\",\"{}\",{:x}\n",
            1_000 + numbers.below(100_000),
            1_000 + numbers.below(1_000_000),
            100 + numbers.below(10_000_000),
            numbers.pick(CHANNELS),
            numbers.next(),
            moment(row),
            numbers.next(),
        )
    };
    (0..rows).map(line).collect::<String>().into_bytes()
}
