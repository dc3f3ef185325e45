//! The operators between sources and sinks, each one file: plain single-threaded
//! values that know nothing of threads, channels or checkpoints' whereabouts.
