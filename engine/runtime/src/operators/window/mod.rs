//! Windows: the session zone, the arithmetic of windows and slices, and the operators
//! that use them.

pub mod aggregate;
pub mod assign;
mod attached;
mod calls;
pub mod join;
mod log;
mod pages;
pub mod rank;
pub mod session;
pub mod slices;
pub mod zone;
