//! What tests of the whole program share: [`Server`] starts the built `millrace` on a
//! free port and stops it by its own pid, [`Aws`] speaks the AWS JSON protocol to it,
//! [`files`] drops input files whole and reads output files only once they are finished.
//!
//! Must not know: any crate of the program. These tests see what a user sees.

pub mod aws;
pub mod binary;
pub mod cli;
pub mod engines;
pub mod files;
pub mod flink;
pub mod http;
pub mod nexmark;
pub mod postgres;
pub mod server;
pub mod time;

pub use aws::{Aws, AwsError};
pub use server::{Server, ServerOptions};
