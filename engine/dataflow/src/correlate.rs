//! Expansion of a collection in the job graph (row B6.17).

use crate::expression::Expression;

/// One row for each element of each row's collection, with the row's kind. Output: the
/// kept columns, then the columns of the element.
///
/// The collection's type decides the element: an ARRAY gives its element, an ARRAY of
/// ROW a column for each member, a MAP key and value, a MULTISET its element as often
/// as it is in it.
#[derive(Clone, Debug)]
pub struct Correlate {
    /// Over the input.
    pub collection: Expression,
    /// Input columns that go on.
    pub keep: Vec<usize>,
    /// LEFT JOIN: a row with a NULL or empty collection goes on with NULLs.
    pub outer: bool,
}
