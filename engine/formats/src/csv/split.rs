//! Where the fields of a record are.

use super::CsvOptions;

/// One field of a record; `start..end` excludes the quotes around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldSpan {
    pub start: usize,
    pub end: usize,
    /// Doubled quotes or escapes are inside and must be resolved.
    pub dirty: bool,
}

/// Finds the fields of a record.
///
/// # Errors
/// A quote is opened and not closed, or text follows a closing quote.
pub(super) fn split(
    record: &[u8],
    options: &CsvOptions,
    spans: &mut Vec<FieldSpan>,
) -> Result<(), &'static str> {
    spans.clear();
    let quotes = options.quote.is_some_and(|quote| memchr::memchr(quote, record).is_some());
    if !quotes && options.escape.is_none() {
        split_plain(record, options.delimiter, spans);
        return Ok(());
    }
    let mut at = 0;
    loop {
        let quoted = options.quote.is_some() && record.get(at).copied() == options.quote;
        let span =
            if quoted { quoted_field(record, at, options)? } else { plain(record, at, options) };
        let end = span.end + usize::from(quoted);
        spans.push(span);
        match record.get(end) {
            None => return Ok(()),
            Some(byte) if *byte == options.delimiter => at = end + 1,
            Some(_) => return Err("text follows a closing quote"),
        }
    }
}

// No field can be more than the bytes between two delimiters.
fn split_plain(record: &[u8], delimiter: u8, spans: &mut Vec<FieldSpan>) {
    let mut start = 0;
    for end in memchr::memchr_iter(delimiter, record) {
        spans.push(FieldSpan { start, end, dirty: false });
        start = end + 1;
    }
    spans.push(FieldSpan { start, end: record.len(), dirty: false });
}

fn plain(record: &[u8], start: usize, options: &CsvOptions) -> FieldSpan {
    let Some(escape) = options.escape else {
        let length = memchr::memchr(options.delimiter, &record[start..]);
        let end = length.map_or(record.len(), |length| start + length);
        return FieldSpan { start, end, dirty: false };
    };
    let (mut at, mut dirty) = (start, false);
    while at < record.len() && record[at] != options.delimiter {
        let escaped = record[at] == escape && at + 1 < record.len();
        dirty |= escaped;
        at += 1 + usize::from(escaped);
    }
    FieldSpan { start, end: at, dirty }
}

fn quoted_field(
    record: &[u8],
    open: usize,
    options: &CsvOptions,
) -> Result<FieldSpan, &'static str> {
    let start = open + 1;
    let (mut at, mut dirty) = (start, false);
    if let (Some(quote), None) = (options.quote, options.escape) {
        at += memchr::memchr(quote, &record[at..]).unwrap_or(record.len() - at);
    }
    while let Some(byte) = record.get(at).copied() {
        if Some(byte) == options.escape && options.escape != options.quote {
            dirty = true;
            at += 2;
        } else if Some(byte) != options.quote {
            at += 1;
        } else if record.get(at + 1).copied() == options.quote {
            dirty = true;
            at += 2;
        } else {
            return Ok(FieldSpan { start, end: at, dirty });
        }
    }
    Err("a quote is opened and not closed")
}

/// The text of a field with its doubled quotes and escapes resolved.
pub(super) fn clean(field: &[u8], options: &CsvOptions, out: &mut Vec<u8>) {
    out.clear();
    let mut at = 0;
    while let Some(byte) = field.get(at).copied() {
        let doubled = Some(byte) == options.quote && field.get(at + 1).copied() == options.quote;
        let escaped = Some(byte) == options.escape && at + 1 < field.len();
        at += usize::from(doubled || escaped);
        out.push(field[at]);
        at += 1;
    }
}

/// Where the first of the records in `bytes` ends: at a `\n` that is not between
/// quotes. `None` when that is not among the bytes.
pub(super) fn record_end(bytes: &[u8], options: &CsvOptions) -> Option<usize> {
    match (options.quote, options.escape) {
        (None, _) => memchr::memchr(b'\n', bytes),
        (Some(quote), Some(escape)) if escape != quote => {
            record_end_with_escapes(bytes, quote, options.delimiter, escape)
        }
        (Some(quote), _) => quoted_record_end(bytes, quote, options.delimiter),
    }
}

fn quoted_record_end(bytes: &[u8], quote: u8, delimiter: u8) -> Option<usize> {
    let mut open = false;
    let mut found = memchr::memchr2_iter(quote, b'\n', bytes);
    while let Some(at) = found.next() {
        match (bytes[at] == b'\n', open) {
            (true, false) => return Some(at),
            (true, true) => {}
            // A quote within a plain field is text.
            (false, false) => open = at == 0 || bytes[at - 1] == delimiter,
            (false, true) if bytes.get(at + 1) == Some(&quote) => drop(found.next()),
            (false, true) => open = false,
        }
    }
    None
}

fn record_end_with_escapes(bytes: &[u8], quote: u8, delimiter: u8, escape: u8) -> Option<usize> {
    let (mut at, mut field_start, mut open) = (0, true, false);
    while let Some(byte) = bytes.get(at).copied() {
        if byte == b'\n' && !open {
            return Some(at);
        }
        if byte == escape {
            // A line end is no less one behind an escape.
            at += if bytes.get(at + 1) == Some(&b'\n') { 1 } else { 2 };
            field_start = false;
            continue;
        }
        match (open, byte == quote) {
            (true, true) if bytes.get(at + 1) == Some(&quote) => at += 1,
            (true, true) => open = false,
            (false, true) if field_start => open = true,
            _ => {}
        }
        field_start = !open && byte == delimiter;
        at += 1;
    }
    None
}
