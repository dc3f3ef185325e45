//! Times on the wire.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Seconds since the epoch. Read from a whole or a fractional number, as clients send
/// both (boto3 1795356204.683654, the aws cli 1795356208); written whole, so that a time
/// handed back compares equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct EpochSeconds(pub i64);

/// The year 9999 ends here: no client's clock type goes further.
const GREATEST: f64 = 253_402_300_799.0;

impl EpochSeconds {
    /// `None` when the number is no time.
    pub fn from_number(number: f64) -> Option<EpochSeconds> {
        let whole = number.floor();
        // In range, so the cast is exact.
        (whole.abs() <= GREATEST).then_some(EpochSeconds(whole as i64))
    }
}

impl<'de> Deserialize<'de> for EpochSeconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<EpochSeconds, D::Error> {
        let number = f64::deserialize(deserializer)?;
        EpochSeconds::from_number(number)
            .ok_or_else(|| D::Error::custom("a time in seconds since the epoch is expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::EpochSeconds;

    fn check(text: &str, expected: Option<i64>) {
        let read: Result<EpochSeconds, _> = serde_json::from_str(text);
        assert_eq!(read.ok().map(|time| time.0), expected, "{text}");
    }

    #[test]
    fn whole_and_fractional_numbers_are_read_to_the_second() {
        check("1795356208", Some(1_795_356_208));
        check("1795356204.683654", Some(1_795_356_204));
        check("1795356204.999999", Some(1_795_356_204));
        check("0", Some(0));
        check("-1.5", Some(-2));
        check("1e300", None);
        check("\"1795356208\"", None);
    }

    #[test]
    fn seconds_are_written_whole() {
        assert_eq!(serde_json::to_string(&EpochSeconds(1_795_356_204)).unwrap(), "1795356204");
    }
}
