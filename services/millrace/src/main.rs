//! The millrace program: serve and the command line.

fn main() {}
