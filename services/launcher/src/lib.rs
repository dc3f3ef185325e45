//! Makes a job cluster exist; the Flink REST client.
