//! Windows: the session zone, the arithmetic of windows and slices, and the two
//! operators that use them.

pub mod aggregate;
pub mod assign;
pub mod slices;
pub mod zone;
