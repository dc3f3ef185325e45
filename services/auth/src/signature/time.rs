//! Times as signatures write them.

use chrono::{DateTime, NaiveDateTime};

const FORM: &str = "%Y%m%dT%H%M%SZ";
const LENGTH: usize = "20150830T123600Z".len();

/// When a request was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedAt {
    /// ISO 8601's basic form: `20150830T123600Z`.
    pub text: String,
    pub ms: i64,
}

impl SignedAt {
    pub fn of(ms: i64) -> SignedAt {
        SignedAt { text: text(ms), ms }
    }

    /// `X-Amz-Date`.
    pub fn basic(text: &str) -> Option<SignedAt> {
        let digits = |byte: (usize, u8)| matches!(byte.0, 8 | 15) || byte.1.is_ascii_digit();
        if text.len() != LENGTH || !text.bytes().enumerate().all(digits) {
            return None;
        }
        let time = NaiveDateTime::parse_from_str(text, FORM).ok()?;
        Some(SignedAt { text: text.to_owned(), ms: time.and_utc().timestamp_millis() })
    }

    /// HTTP's own `Date`, which may stand in for `X-Amz-Date`.
    pub fn http(text: &str) -> Option<SignedAt> {
        let time = DateTime::parse_from_rfc2822(text).ok()?;
        Some(SignedAt::of(time.timestamp_millis()))
    }

    /// YYYYMMDD.
    pub fn date(&self) -> &str {
        &self.text[..8]
    }
}

/// A time in ISO 8601's basic form.
pub(super) fn text(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap_or_default().format(FORM).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms_and_nothing_else_is() {
        let at = SignedAt::basic("20150830T123600Z").unwrap();
        assert_eq!((at.ms, at.date()), (1_440_938_160_000, "20150830"));
        assert_eq!(SignedAt::http("Sun, 30 Aug 2015 12:36:00 GMT"), Some(at.clone()));
        assert_eq!(SignedAt::of(at.ms), at);
        for bad in
            ["", "20150830", "20150830T123600", "20151330T123600Z", "2015083 T123600Z", "ሴሴሴሴሴሴ"]
        {
            assert_eq!(SignedAt::basic(bad), None, "{bad}");
        }
    }
}
