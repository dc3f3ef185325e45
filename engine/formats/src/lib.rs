//! Bytes to Arrow columns and back: json, csv, raw.
//!
//! Contract: a [`RowDecoder`] takes the bytes of one record and appends one row
//! to the columns it was asked for, or leaves the columns as they were; a
//! [`RowEncoder`] turns the rows of columns into records. Where a record comes
//! from and where it goes is the connector's affair, as is the position that an
//! error is reported at.
//!
//! Must not know: connectors, the runtime, any I/O.

pub mod cells;
pub mod column;
pub mod csv;
pub mod error;
pub mod format;
#[cfg(test)]
mod fuzz;
pub mod json;
mod lanes;
pub mod numbers;
pub mod options;
mod page;
mod quick;
pub mod raw;
pub mod time;

pub use cells::Cells;
pub use column::ColumnBuilder;
pub use error::FormatError;
pub use format::{
    Decoded, Encoded, Format, FormatDescriptor, Framing, RowDecoder, RowEncoder, Stretch, formats,
};
