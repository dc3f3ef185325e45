//! Options of tables that rows are looked up in (Flink: FLIP-221, `LookupOptions`).

use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::catalog::OptionError;
use millrace_dataflow::graph::{LookupCache, PartialCache, Reload};
use millrace_dataflow::table::TableSpec;
use millrace_formats::options::{OptionKind, OptionSpec, parse_duration};

use crate::options::bad_value;

const CACHE_KEY: &str = "lookup.cache";
const ROWS: &str = "lookup.partial-cache.max-rows";
const AFTER_WRITE: &str = "lookup.partial-cache.expire-after-write";
const AFTER_ACCESS: &str = "lookup.partial-cache.expire-after-access";
const MISSING: &str = "lookup.partial-cache.cache-missing-key";
const STRATEGY: &str = "lookup.full-cache.reload-strategy";
const INTERVAL: &str = "lookup.full-cache.periodic-reload.interval";
const SCHEDULE: &str = "lookup.full-cache.periodic-reload.schedule-mode";
const TIME: &str = "lookup.full-cache.timed-reload.iso-time";
const DAYS: &str = "lookup.full-cache.timed-reload.interval-in-days";

/// Of a connector that reads its tables whole.
pub const CACHE: OptionSpec = spec(CACHE_KEY, OptionKind::Enum(&["FULL"]), Some("FULL"));
pub const RELOAD_STRATEGY: OptionSpec =
    spec(STRATEGY, OptionKind::Enum(&["PERIODIC", "TIMED"]), Some("PERIODIC"));
pub const RELOAD_INTERVAL: OptionSpec = spec(INTERVAL, OptionKind::Duration, None);
pub const RELOAD_SCHEDULE: OptionSpec =
    spec(SCHEDULE, OptionKind::Enum(&["FIXED_DELAY", "FIXED_RATE"]), Some("FIXED_DELAY"));
pub const RELOAD_TIME: OptionSpec = spec(TIME, OptionKind::Text, None);
pub const RELOAD_DAYS: OptionSpec = spec(DAYS, OptionKind::Int, Some("1"));

/// Of a connector that is asked by key.
pub const ANY_CACHE: OptionSpec =
    spec(CACHE_KEY, OptionKind::Enum(&["NONE", "PARTIAL", "FULL"]), Some("NONE"));
pub const PARTIAL_ROWS: OptionSpec = spec(ROWS, OptionKind::Long, None);
pub const PARTIAL_AFTER_WRITE: OptionSpec = spec(AFTER_WRITE, OptionKind::Duration, None);
pub const PARTIAL_AFTER_ACCESS: OptionSpec = spec(AFTER_ACCESS, OptionKind::Duration, None);
pub const PARTIAL_MISSING: OptionSpec = spec(MISSING, OptionKind::Boolean, Some("true"));

/// Names that options had before there were caches of several kinds.
pub struct LookupKeys {
    pub old_rows: &'static str,
    pub old_ttl: &'static str,
    pub old_missing: &'static str,
}

/// A table whose options choose the cache. The old names make it a partial one, as long as
/// both bounds are given (Flink: `JdbcDynamicTableFactory`).
///
/// # Errors
/// Options that go with another cache.
pub fn any(table: &TableSpec, keys: &LookupKeys) -> Result<LookupCache, OptionError> {
    let option = |key: &str| table.options.get(key).map(|value| value.trim());
    let cache = option(CACHE_KEY).map(str::to_ascii_uppercase);
    let kind = match &cache {
        None if option(keys.old_rows).is_some() && option(keys.old_ttl).is_some() => "PARTIAL",
        None => "NONE",
        Some(cache) => cache,
    };
    let partial = [ROWS, AFTER_WRITE, AFTER_ACCESS, MISSING];
    let full = [STRATEGY, INTERVAL, SCHEDULE, TIME, DAYS];
    let others: &[(&str, &[&str])] = match kind {
        "PARTIAL" => &[("FULL", &full)],
        "FULL" => &[("PARTIAL", &partial)],
        _ => &[("FULL", &full), ("PARTIAL", &partial)],
    };
    for (other, keys) in others {
        if let Some(key) = keys.iter().find(|key| option(key).is_some()) {
            let message = format!("option '{key}' goes with '{CACHE_KEY}' = '{other}'");
            return Err(OptionError { key: Some((*key).to_owned()), message });
        }
    }
    let ms = |key: &str| option(key).and_then(parse_duration).map(|time| time.as_millis() as i64);
    let rows = |key: &str| option(key).and_then(|text| text.parse::<u64>().ok());
    match kind {
        "FULL" => self::full(table),
        "PARTIAL" => Ok(LookupCache::Partial(PartialCache {
            max_rows: rows(ROWS).or_else(|| rows(keys.old_rows)),
            expire_after_write_ms: ms(AFTER_WRITE).or_else(|| ms(keys.old_ttl)),
            expire_after_access_ms: ms(AFTER_ACCESS),
            missing_keys: option(MISSING)
                .or_else(|| option(keys.old_missing))
                .is_none_or(|text| !text.eq_ignore_ascii_case("false")),
        })),
        _ => Ok(LookupCache::None),
    }
}

const fn spec(key: &'static str, kind: OptionKind, default: Option<&'static str>) -> OptionSpec {
    let spec = OptionSpec::optional(key, kind).since(RuntimeLevel::Flink1_18);
    OptionSpec { default, ..spec }
}

/// A table that is held whole. Without an interval it is read once, when the job starts.
///
/// # Errors
/// Options that contradict each other, or a time that is none.
pub fn full(table: &TableSpec) -> Result<LookupCache, OptionError> {
    let option = |key: &str| table.options.get(key).map(|value| value.trim());
    let timed = option(STRATEGY).is_some_and(|strategy| strategy.eq_ignore_ascii_case("TIMED"));
    let unused = if timed { [INTERVAL, SCHEDULE] } else { [TIME, DAYS] };
    if let Some(key) = unused.into_iter().find(|key| option(key).is_some()) {
        let strategy = if timed { "PERIODIC" } else { "TIMED" };
        let message = format!("option '{key}' goes with '{STRATEGY}' = '{strategy}'");
        return Err(OptionError { key: Some(key.to_owned()), message });
    }
    let reload = if timed {
        timed_reload(table, option(TIME), option(DAYS))?
    } else {
        let from_begin =
            option(SCHEDULE).is_some_and(|mode| mode.eq_ignore_ascii_case("FIXED_RATE"));
        match option(INTERVAL).and_then(parse_duration) {
            None => Reload::Never,
            Some(interval) if interval.is_zero() => {
                return Err(bad_value(INTERVAL, "longer than nothing"));
            }
            Some(interval) => {
                Reload::Periodic { interval_ms: interval.as_millis() as i64, from_begin }
            }
        }
    };
    Ok(LookupCache::Full(reload))
}

fn timed_reload(
    table: &TableSpec,
    time: Option<&str>,
    days: Option<&str>,
) -> Result<Reload, OptionError> {
    let time = time.ok_or_else(|| OptionError {
        key: Some(STRATEGY.to_owned()),
        message: format!(
            "table '{}' is read again at a time of the day, and says none; add '{TIME}' such as '10:15' or '10:15:30+02:00'",
            table.name
        ),
    })?;
    let at_ms = time_of_day_ms(time)
        .ok_or_else(|| bad_value(TIME, "a time such as '10:15', '10:15:30Z' or '10:15+02:00'"))?;
    let days = days.map_or(Some(1), |days| days.parse().ok().filter(|days| *days > 0));
    Ok(Reload::Timed { at_ms, days: days.ok_or_else(|| bad_value(DAYS, "1 or more"))? })
}

/// Milliseconds since midnight in UTC; a time without an offset is UTC's.
fn time_of_day_ms(text: &str) -> Option<i64> {
    const MINUTE: i64 = 60 * 1000;
    let (time, offset) = match text.find(['Z', 'z', '+', '-']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let mut parts = time.split(':');
    let hours = number(parts.next()?, 24)?;
    let minutes = number(parts.next()?, 60)?;
    let seconds = parts.next().map_or(Some(0), |seconds| number(seconds, 60))?;
    if parts.next().is_some() {
        return None;
    }
    let offset_minutes = match offset {
        "" | "Z" | "z" => 0,
        signed => {
            let (sign, rest) = signed.split_at(1);
            let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "00"));
            let ahead = number(hours, 19)? * 60 + number(minutes, 60)?;
            if sign == "-" { -ahead } else { ahead }
        }
    };
    let of_day = (hours * 60 + minutes - offset_minutes).rem_euclid(24 * 60);
    Some(of_day * MINUTE + seconds * 1000)
}

fn number(text: &str, below: i64) -> Option<i64> {
    let is_plain = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten().filter(|value| *value < below)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use millrace_dataflow::Schema;

    use super::*;

    fn table(options: &[(&str, &str)]) -> TableSpec {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        TableSpec {
            name: "d".to_owned(),
            options: options.collect::<BTreeMap<_, _>>(),
            physical: Schema::default(),
            metadata: vec![],
            partition_keys: vec![],
            primary_key: vec![],
        }
    }

    #[test]
    fn g7_when_a_table_is_read_again() {
        let check = |options: &[(&str, &str)], reload: Reload| {
            assert_eq!(full(&table(options)), Ok(LookupCache::Full(reload)), "{options:?}");
        };
        let every = |from_begin| Reload::Periodic { interval_ms: 2000, from_begin };
        check(&[], Reload::Never);
        check(&[(INTERVAL, "2 s")], every(false));
        check(&[(INTERVAL, "2 s"), (SCHEDULE, "fixed_rate")], every(true));
        let timed = |time: &str, at_ms| {
            check(&[(STRATEGY, "TIMED"), (TIME, time)], Reload::Timed { at_ms, days: 1 });
        };
        timed("10:15", 36_900_000);
        timed("10:15:30Z", 36_930_000);
        timed("01:15+02:00", 83_700_000);
        timed("23:30-01", 1_800_000);
    }

    #[test]
    fn g7_options_that_do_not_go_together_are_named() {
        let check = |options: &[(&str, &str)], key: &str| {
            let error = full(&table(options)).expect_err(key);
            assert_eq!(error.key.as_deref(), Some(key), "{error}");
        };
        check(&[(TIME, "10:15")], TIME);
        check(&[(STRATEGY, "TIMED"), (INTERVAL, "1 s")], INTERVAL);
        check(&[(STRATEGY, "TIMED")], STRATEGY);
        check(&[(STRATEGY, "TIMED"), (TIME, "25:00")], TIME);
        check(&[(STRATEGY, "TIMED"), (TIME, "10:15"), (DAYS, "0")], DAYS);
        check(&[(INTERVAL, "0 s")], INTERVAL);
    }
}
