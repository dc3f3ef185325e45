//! Partition columns as directories: `key=value` (row G8.26).

use std::path::Path;

use arrow::array::ArrayRef;
use millrace_dataflow::types::DataType;
use millrace_formats::csv::{push_text, write_plain};
use millrace_formats::{Cells, ColumnBuilder};

/// Characters that cannot stand in a directory's name (Hive: `escapePathName`).
const ESCAPED: &[u8] = b"\"#%'*/:=?\\{}[]^\x7f";

/// `key=value` of one row; NULL and the empty text become `default_name` (row G8.6).
pub fn directory(key: &str, cells: &Cells<'_>, row: usize, default_name: &str) -> String {
    let mut value = Vec::new();
    if !cells.is_null(row) {
        write_plain(cells, row, &mut value);
    }
    let text = String::from_utf8_lossy(&value);
    let value = if text.is_empty() { default_name } else { &text };
    format!("{}={}", escape(key), escape(value))
}

/// A column of one row: the value of partition `key` in a path.
///
/// # Errors
/// Why the path has no such value.
pub fn value(
    path: &str,
    root: &Path,
    key: &str,
    data_type: &DataType,
    default_name: &str,
) -> Result<ArrayRef, String> {
    let relative = Path::new(path).strip_prefix(root).unwrap_or(Path::new(path));
    let found = relative.parent().into_iter().flat_map(Path::components).find_map(|part| {
        let part = part.as_os_str().to_str()?;
        let (name, value) = part.split_once('=')?;
        (unescape(name) == key).then(|| unescape(value))
    });
    let Some(text) = found else {
        return Err(format!("file '{path}' is in no directory '{key}=...'"));
    };
    let mut column = ColumnBuilder::new(data_type);
    if text == default_name {
        column.push_null();
    } else if !push_text(text.as_bytes(), data_type, &mut column) {
        return Err(format!("partition '{key}' of file '{path}' is no {data_type}"));
    }
    Ok(column.finish())
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match u8::try_from(character) {
            Ok(byte) if byte < 0x20 || ESCAPED.contains(&byte) => {
                out.push_str(&format!("%{byte:02X}"));
            }
            _ => out.push(character),
        }
    }
    out
}

fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.first_chunk::<2>().and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                out.push(byte);
                rest = &after[2..];
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_directory_cannot_have_are_escaped_and_come_back() {
        for (text, escaped) in [
            ("2020-01-01", "2020-01-01"),
            ("a/b=c", "a%2Fb%3Dc"),
            ("é 10:00", "é 10%3A00"),
            ("%", "%25"),
        ] {
            assert_eq!(escape(text), escaped);
            assert_eq!(unescape(escaped), text);
        }
        assert_eq!(unescape("100%"), "100%");
    }
}
