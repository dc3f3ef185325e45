//! Flink SQL text and a catalogue become a bound plan, with diagnostics that point at the text.
