//! The maintenance window: eight hours each day, in UTC.

use serde::{Deserialize, Serialize};

use crate::ids::Timestamp;
use crate::reject::Reject;

/// AWS: the window's length.
const HOURS: u16 = 8;

/// When the window begins, in minutes of the day, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WindowStart(u16);

impl WindowStart {
    /// From `HH:MM`.
    ///
    /// # Errors
    /// The text is no time of day.
    pub fn parse(text: &str) -> Result<WindowStart, Reject> {
        let number = |text: &str, below: u16| text.parse::<u16>().ok().filter(|it| *it < below);
        let parts = text.split_once(':').filter(|(h, m)| {
            let digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            digits(h) && digits(m)
        });
        let minutes = parts
            .and_then(|(h, m)| Some(number(h, 24)? * 60 + number(m, 60)?))
            .ok_or_else(|| {
                let problem = format!("{text:?} is not a time of day, HH:MM in UTC");
                Reject::Invalid { member: "ApplicationMaintenanceWindowStartTimeUpdate", problem }
            })?;
        Ok(WindowStart(minutes))
    }

    /// AWS: by default the window begins at 22:00 of the Region (03:00 UTC in us-east-1,
    /// 06:00 UTC in us-west-2). Standard time; a Region that is not known here keeps UTC.
    pub fn of_region(region: &str) -> WindowStart {
        let offset_hours: i16 = match region {
            "us-east-1" | "us-east-2" | "ca-central-1" => -5,
            "us-west-1" | "us-west-2" => -8,
            "sa-east-1" => -3,
            "eu-central-1" | "eu-west-3" | "eu-north-1" | "eu-south-1" => 1,
            "af-south-1" => 2,
            "me-south-1" => 3,
            "ap-southeast-1" | "ap-east-1" | "cn-north-1" | "cn-northwest-1" => 8,
            "ap-northeast-1" | "ap-northeast-2" | "ap-northeast-3" => 9,
            "ap-southeast-2" => 10,
            _ => 0,
        };
        let hour = (22 - offset_hours).rem_euclid(24);
        WindowStart(hour.unsigned_abs() * 60)
    }

    /// When the window that is open now was opened; `None`: none is.
    pub fn opened(self, now: Timestamp) -> Option<Timestamp> {
        const MINUTE_MS: i64 = 60_000;
        const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
        let into_ms = (now.0 - i64::from(self.0) * MINUTE_MS).rem_euclid(DAY_MS);
        (into_ms < i64::from(HOURS) * 60 * MINUTE_MS).then_some(Timestamp(now.0 - into_ms))
    }

    /// `HH:MM`.
    pub fn start(self) -> String {
        self.shown(0)
    }

    /// `HH:MM`, eight hours later.
    pub fn end(self) -> String {
        self.shown(HOURS)
    }

    fn shown(self, after_hours: u16) -> String {
        let minutes = (self.0 + after_hours * 60) % (24 * 60);
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::WindowStart;
    use crate::ids::Timestamp;

    #[test]
    fn a_window_is_open_for_eight_hours_a_day() {
        const HOUR: i64 = 3_600_000;
        let check = |start: &str, hour: i64, opened: Option<i64>| {
            let window = WindowStart::parse(start).expect(start);
            let got = window.opened(Timestamp(hour * HOUR)).map(|it| it.0 / HOUR);
            assert_eq!(got, opened, "{start} at {hour}");
        };
        check("03:00", 24 + 2, None);
        check("03:00", 24 + 3, Some(24 + 3));
        check("03:00", 24 + 10, Some(24 + 3));
        check("03:00", 24 + 11, None);
        check("22:00", 48 + 5, Some(24 + 22));
        check("22:00", 48 + 6, None);
        check("22:00", 48 + 23, Some(48 + 22));
    }

    #[test]
    fn a_window_is_eight_hours_long_over_midnight_too() {
        let check = |start: &str, end: &str| {
            let window = WindowStart::parse(start).expect(start);
            assert_eq!((window.start().as_str(), window.end().as_str()), (start, end));
        };
        check("00:00", "08:00");
        check("03:30", "11:30");
        check("23:59", "07:59");
        for bad in ["24:00", "1:000", "12:60", "12-00", "", "+1:00", "\u{fc}:00"] {
            assert!(WindowStart::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_default_is_in_the_night_of_the_region() {
        let check = |region: &str, start: &str, end: &str| {
            let window = WindowStart::of_region(region);
            assert_eq!((window.start().as_str(), window.end().as_str()), (start, end), "{region}");
        };
        check("us-east-1", "03:00", "11:00");
        check("us-west-2", "06:00", "14:00");
        check("eu-west-1", "22:00", "06:00");
        check("eu-central-1", "21:00", "05:00");
        check("ap-northeast-1", "13:00", "21:00");
        check("nowhere", "22:00", "06:00");
    }
}
