//! Seeded trials of the engine in one process: real SQL plans, real operators, the
//! real checkpoint log and formats, in a world that fails.
//!
//! A trial draws a script, its input and a chain of engine starts from its seed
//! ([`plan::Trial`]). Each start has its own parallelism, level and settings, and each
//! but the last ends badly: its object store dies at some call or fails now and then,
//! tasks crash, a newer engine starts while it still runs, it is cancelled or stopped.
//! The last one runs in peace. What has become visible must then add up to what one
//! undisturbed engine at parallelism 1 makes of the same input.
//!
//! The seed fixes what is done and which call fails, not how threads interleave: a
//! seed that fails once may need some runs to fail again.

pub mod connector;
pub mod faults;
pub mod input;
pub mod plan;
pub mod scripts;
mod start;
mod trial;

pub use trial::run;
