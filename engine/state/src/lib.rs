//! Keyed state's encoding and the checkpoint protocol: pure decisions, formats,
//! the snapshot manifest, and the object-store port.
//!
//! Must not know: runtime, sql, plan.

pub mod row;
