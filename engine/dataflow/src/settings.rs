//! Durations and sizes as Flink's configuration writes them: `500 ms`, `2 min`,
//! `64kb` (section F of the dialect checklist; Flink: `TimeUtils`, `MemorySize`).

/// A setting's text that is no duration or size. `Display` is one sentence that
/// shows the text and the accepted form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SettingError {
    pub message: String,
}

/// Milliseconds of a duration such as `1s`, `500 ms`, `2 min`, `1 h`, `3 d`; a bare
/// number is milliseconds. Parts below a millisecond (`us`, `ns`) are cut off.
///
/// # Errors
/// No number, an unknown unit, or more milliseconds than an `i64` holds.
pub fn parse_duration_ms(text: &str) -> Result<i64, SettingError> {
    let bad = |reason: &str| SettingError {
        message: format!(
            "'{text}' is not a duration: {reason}; write a number and a unit, for example '500 ms', '10 s', '2 min', '1 h' or '3 d'"
        ),
    };
    let (number, unit) = split_number(text).ok_or_else(|| bad("it must start with a number"))?;
    let (numerator, denominator) = duration_unit(unit).ok_or_else(|| bad("the unit is unknown"))?;
    number
        .checked_mul(numerator)
        .and_then(|product| i64::try_from(product / denominator).ok())
        .ok_or_else(|| bad("it is too long"))
}

/// Bytes of a size such as `64kb`, `128 mb`, `1g`; a bare number is bytes. Units are
/// powers of 1024.
///
/// # Errors
/// No number, an unknown unit, or more bytes than a `u64` holds.
pub fn parse_size_bytes(text: &str) -> Result<u64, SettingError> {
    let bad = |reason: &str| SettingError {
        message: format!(
            "'{text}' is not a size: {reason}; write a number and a unit, for example '64kb', '128mb' or '1gb'"
        ),
    };
    let (number, unit) = split_number(text).ok_or_else(|| bad("it must start with a number"))?;
    let factor = size_unit(unit).ok_or_else(|| bad("the unit is unknown"))?;
    number
        .checked_mul(factor)
        .and_then(|bytes| u64::try_from(bytes).ok())
        .ok_or_else(|| bad("it is too large"))
}

fn split_number(text: &str) -> Option<(u128, &str)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = text[..digits].parse().ok()?;
    Some((number, text[digits..].trim()))
}

// Milliseconds as a fraction, so that units below one need no floats.
fn duration_unit(unit: &str) -> Option<(u128, u128)> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => (1, 1),
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => (1, 1_000_000),
        "us" | "µs" | "micro" | "micros" | "microsecond" | "microseconds" => (1, 1_000),
        "s" | "sec" | "secs" | "second" | "seconds" => (1_000, 1),
        "m" | "min" | "minute" | "minutes" => (60_000, 1),
        "h" | "hour" | "hours" => (3_600_000, 1),
        "d" | "day" | "days" => (86_400_000, 1),
        _ => return None,
    })
}

fn size_unit(unit: &str) -> Option<u128> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => 1,
        "k" | "kb" | "kibibytes" => 1 << 10,
        "m" | "mb" | "mebibytes" => 1 << 20,
        "g" | "gb" | "gibibytes" => 1 << 30,
        "t" | "tb" | "tebibytes" => 1 << 40,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_flink_reads_them() {
        for (text, expected) in [
            ("1s", Some(1_000)),
            ("500 ms", Some(500)),
            ("2 min", Some(120_000)),
            ("1 h", Some(3_600_000)),
            ("3 d", Some(259_200_000)),
            (" 7 ", Some(7)),
            ("0", Some(0)),
            ("1500 us", Some(1)),
            ("5 Seconds", Some(5_000)),
            ("", None),
            ("s", None),
            ("-1 s", None),
            ("1.5 s", None),
            ("1 fortnight", None),
            ("99999999999999999999 d", None),
            ("999999999999999999999999999999999999999999 d", None),
        ] {
            assert_eq!(parse_duration_ms(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_read_as_flink_reads_them() {
        for (text, expected) in [
            ("64kb", Some(65_536)),
            ("128 mb", Some(134_217_728)),
            ("1g", Some(1_073_741_824)),
            ("12", Some(12)),
            ("12 bytes", Some(12)),
            ("mb", None),
            ("1 pb", None),
            ("99999999999999999999 tb", None),
        ] {
            assert_eq!(parse_size_bytes(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn an_error_shows_the_text_and_what_to_write() {
        let error = parse_duration_ms("10 parsecs").expect_err("parsecs are no time").to_string();
        assert!(error.contains("'10 parsecs'") && error.contains("'500 ms'"), "{error}");
    }
}
