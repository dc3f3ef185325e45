//! HTTP: decode, call, encode; one file per operation.
