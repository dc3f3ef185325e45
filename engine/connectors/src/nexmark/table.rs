//! The columns of the benchmark's table.

use millrace_dataflow::types::{Field, TypeRoot};

/// A member of `person`, `auction` or `bid`: its name and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Long,
    Text,
    Time,
}

pub const PERSON: &[(&str, Holds)] = &[
    ("id", Holds::Long),
    ("name", Holds::Text),
    ("emailAddress", Holds::Text),
    ("creditCard", Holds::Text),
    ("city", Holds::Text),
    ("state", Holds::Text),
    ("dateTime", Holds::Time),
    ("extra", Holds::Text),
];

pub const AUCTION: &[(&str, Holds)] = &[
    ("id", Holds::Long),
    ("itemName", Holds::Text),
    ("description", Holds::Text),
    ("initialBid", Holds::Long),
    ("reserve", Holds::Long),
    ("dateTime", Holds::Time),
    ("expires", Holds::Time),
    ("seller", Holds::Long),
    ("category", Holds::Long),
    ("extra", Holds::Text),
];

pub const BID: &[(&str, Holds)] = &[
    ("auction", Holds::Long),
    ("bidder", Holds::Long),
    ("price", Holds::Long),
    ("channel", Holds::Text),
    ("url", Holds::Text),
    ("dateTime", Holds::Time),
    ("extra", Holds::Text),
];

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    EventType,
    Person,
    Auction,
    Bid,
}

/// Which column a declared one is.
///
/// # Errors
/// It is none of the benchmark's, or of another type; the sentence says what is wanted.
pub fn column(field: &Field) -> Result<Column, String> {
    let (column, members) = match field.name.as_str() {
        "event_type" => {
            let fits = field.data_type.root == TypeRoot::Int;
            return if fits { Ok(Column::EventType) } else { Err(wrong(field, "INT")) };
        }
        "person" => (Column::Person, PERSON),
        "auction" => (Column::Auction, AUCTION),
        "bid" => (Column::Bid, BID),
        other => {
            return Err(format!(
                "a nexmark table has no physical column '{other}'; there are event_type, person, \
                 auction and bid"
            ));
        }
    };
    if fits(field, members) { Ok(column) } else { Err(wrong(field, &declared(members))) }
}

fn fits(field: &Field, members: &[(&str, Holds)]) -> bool {
    let TypeRoot::Row(declared) = &field.data_type.root else { return false };
    declared.len() == members.len()
        && declared.iter().zip(members).all(|(field, (name, holds))| {
            field.name == *name
                && match holds {
                    Holds::Long => field.data_type.root == TypeRoot::BigInt,
                    Holds::Text => matches!(field.data_type.root, TypeRoot::VarChar(_)),
                    Holds::Time => field.data_type.root == TypeRoot::Timestamp { precision: 3 },
                }
        })
}

fn wrong(field: &Field, wanted: &str) -> String {
    format!("column '{}' of a nexmark table must be {wanted}", field.name)
}

fn declared(members: &[(&str, Holds)]) -> String {
    let members = members.iter().map(|(name, holds)| {
        let data_type = match holds {
            Holds::Long => "BIGINT",
            Holds::Text => "VARCHAR",
            Holds::Time => "TIMESTAMP(3)",
        };
        format!("{name} {data_type}")
    });
    format!("ROW<{}>", members.collect::<Vec<_>>().join(", "))
}
