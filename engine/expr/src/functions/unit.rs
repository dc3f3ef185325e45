//! Time units, given as a leading text constant.

use millrace_dataflow::EvalError;

use crate::value::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Nanosecond,
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    IsoYear,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    Decade,
    Century,
    Millennium,
    Epoch,
}

/// `SQL_TSI_MONTH` and plurals mean MONTH.
pub(super) fn parse(name: &str) -> Option<Unit> {
    of_upper(name).or_else(|| of_upper(&name.to_ascii_uppercase()))
}

fn of_upper(name: &str) -> Option<Unit> {
    Some(match name.strip_prefix("SQL_TSI_").unwrap_or(name) {
        "NANOSECOND" => Unit::Nanosecond,
        "MICROSECOND" => Unit::Microsecond,
        "MILLISECOND" => Unit::Millisecond,
        "SECOND" | "SECONDS" => Unit::Second,
        "MINUTE" | "MINUTES" => Unit::Minute,
        "HOUR" | "HOURS" => Unit::Hour,
        "DAY" | "DAYS" => Unit::Day,
        "WEEK" | "WEEKS" => Unit::Week,
        "MONTH" | "MONTHS" => Unit::Month,
        "QUARTER" | "QUARTERS" => Unit::Quarter,
        "YEAR" | "YEARS" => Unit::Year,
        "ISOYEAR" => Unit::IsoYear,
        "DOW" => Unit::DayOfWeek,
        "ISODOW" => Unit::IsoDayOfWeek,
        "DOY" => Unit::DayOfYear,
        "DECADE" => Unit::Decade,
        "CENTURY" => Unit::Century,
        "MILLENNIUM" => Unit::Millennium,
        "EPOCH" => Unit::Epoch,
        _ => return None,
    })
}

pub(super) fn of(value: &Value<'_>) -> Result<Unit, EvalError> {
    parse(value.as_str())
        .ok_or_else(|| EvalError::new(format!("'{}' is no time unit", value.as_str())))
}
