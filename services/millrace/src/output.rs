//! What commands print: data on stdout as text for people or as JSON, progress on
//! stderr when that is a terminal.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use serde_json::Value;

/// `--output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON value.
    Json,
}

/// A line of data. A reader that has gone, as `| head` does, ends the program quietly.
pub fn line(text: &str) {
    write_out(text.as_bytes());
    write_out(b"\n");
}

/// Bytes of data as they are.
pub fn write_out(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    if stdout.write_all(bytes).and_then(|()| stdout.flush()).is_err() {
        std::process::exit(0);
    }
}

/// A JSON value, indented.
pub fn json(value: &Value) {
    line(&serde_json::to_string_pretty(value).expect("a JSON value has a text"));
}

/// Rows under headings, columns as wide as they need; nothing but the headings when
/// there are no rows.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([headings[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let render = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}", width = *width))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![render(&mut headings.iter().copied())];
    lines.extend(rows.iter().map(|row| render(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

/// Names and values, one a line, values aligned.
pub fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name:<width$}  {value}")).collect();
    lines.join("\n")
}

/// One line on stderr that says what is being waited for, rewritten in place; silent
/// when stderr is no terminal.
pub struct Progress {
    shown: bool,
}

impl Progress {
    pub fn new() -> Progress {
        Progress { shown: std::io::stderr().is_terminal() }
    }

    pub fn update(&mut self, what: &str, elapsed: Duration) {
        if self.shown {
            eprint!("\r\x1b[2K{what} … {:.1} s", elapsed.as_secs_f64());
        }
    }

    pub fn clear(&mut self) {
        if self.shown {
            eprint!("\r\x1b[2K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{pairs, table};

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![vec!["orders".into(), "RUNNING".into()], vec!["é".into(), "READY".into()]];
        assert_eq!(
            table(&["NAME", "STATUS"], &rows),
            "NAME    STATUS\norders  RUNNING\né       READY"
        );
        assert_eq!(table(&["NAME"], &[]), "NAME");
    }

    #[test]
    fn pairs_align_their_values() {
        assert_eq!(pairs(&[("a", "1".into()), ("long", "2".into())]), "a     1\nlong  2");
    }
}
