//! DATE_FORMAT of a column of times by one pattern: times of one step after another have
//! the same text, which is made once. Else as row by row.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::datatypes::{DataType as ArrowType, TimeUnit, TimestampMillisecondType};
use millrace_dataflow::EvalError;

use super::scope::Scope;
use crate::registry::RowFunction;
use crate::value::{Reader, Value};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// For how many milliseconds from a multiple of them a pattern's text is the same;
/// `None`: it shows fractions of a second. Letters within quotes count, too.
pub(super) fn step_ms(pattern: &str) -> Option<i64> {
    if pattern.contains(['S', 'n', 'A', 'N']) {
        return None;
    }
    let shows = |letters: &[char]| pattern.contains(letters);
    Some(match () {
        () if shows(&['s']) => 1000,
        () if shows(&['m', 'H', 'h', 'k', 'K', 'a', 'B']) => MINUTE_MS,
        () => DAY_MS,
    })
}

/// Whether the column holds wall clock times in milliseconds.
pub(super) fn takes(times: &ArrayRef) -> bool {
    matches!(times.data_type(), ArrowType::Timestamp(TimeUnit::Millisecond, None))
}

/// `run` formats one time.
///
/// # Errors
/// The pattern is none.
pub(super) fn formatted(
    times: &ArrayRef,
    pattern: &str,
    step_ms: i64,
    run: RowFunction,
    scope: &mut Scope<'_>,
) -> Result<ArrayRef, EvalError> {
    let reader = Reader::new(times.as_ref());
    let values = times.as_primitive::<TimestampMillisecondType>();
    let mut texts = StringBuilder::with_capacity(times.len(), times.len() * pattern.len());
    let mut known: Range<i64> = 0..0;
    let mut text = String::new();
    for row in 0..values.len() {
        if values.is_null(row) {
            texts.append_null();
            continue;
        }
        let ms = values.value(row);
        if !known.contains(&ms) {
            let made = run(&[reader.get(row), Value::text(pattern.to_owned())], scope)?;
            text.clear();
            text.push_str(made.as_str());
            let start = ms.div_euclid(step_ms).saturating_mul(step_ms);
            known = start..start.saturating_add(step_ms);
        }
        texts.append_value(&text);
    }
    Ok(std::sync::Arc::new(texts.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_changes_no_more_often_than_its_finest_letter() {
        for (pattern, expected) in [
            ("yyyy-MM-dd", Some(DAY_MS)),
            ("HH:mm", Some(MINUTE_MS)),
            ("h a", Some(MINUTE_MS)),
            ("HH:mm:ss", Some(1000)),
            ("HH:mm:ss.SSS", None),
            ("yyyy nnn", None),
        ] {
            assert_eq!(step_ms(pattern), expected, "{pattern}");
        }
    }
}
