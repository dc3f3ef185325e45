//! Bytes to Arrow and back: json, csv, raw.
