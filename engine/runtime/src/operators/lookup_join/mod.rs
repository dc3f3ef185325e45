//! Rows with the rows that a table has for their key when they are looked at (row B6.14).
//!
//! Row kinds are kept, so a changelog goes through; nothing that was emitted is taken back
//! when the table changes. Either the table is held whole ([`FullJoin`]), or its connector
//! is asked ([`AskedJoin`]).

mod asked;
mod cache;
mod full;
mod index;
mod joiner;
mod requests;

pub use asked::AskedJoin;
pub use full::FullJoin;
pub use index::KeyedTable;
pub use requests::Asked;
