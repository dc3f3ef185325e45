//! The millrace-engine program: wiring, the Flink REST surface, run and check.
