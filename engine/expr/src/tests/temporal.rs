use super::{check, check_in, check_types, in_zone};

#[test]
fn d4_6_extract() {
    let rows: Vec<(String, &str)> = [
        ("YEAR", "2020"),
        ("QUARTER", "1"),
        ("MONTH", "2"),
        ("WEEK", "9"),
        ("DAY", "29"),
        ("HOUR", "13"),
        ("MINUTE", "14"),
        ("SECOND", "15"),
        ("MILLISECOND", "678"),
        ("MICROSECOND", "678000"),
        ("DOW", "7"),
        ("ISODOW", "6"),
        ("DOY", "60"),
        ("ISOYEAR", "2020"),
        ("DECADE", "202"),
        ("CENTURY", "21"),
        ("MILLENNIUM", "3"),
        ("EPOCH", "1582982055"),
    ]
    .into_iter()
    .map(|(unit, expected)| {
        (format!("EXTRACT({unit}, TIMESTAMP '2020-02-29 13:14:15.678')"), expected)
    })
    .collect();
    check(&rows.iter().map(|(text, expected)| (text.as_str(), *expected)).collect::<Vec<_>>());
    check(&[
        ("EXTRACT(CENTURY, DATE '2000-12-31')", "20"),
        ("EXTRACT(HOUR, TIME '13:14:15')", "13"),
        ("EXTRACT(DAY, NULL:DATE)", "NULL"),
        ("EXTRACT(FORTNIGHT, DATE '2000-12-31')", "error: no time unit"),
        ("EXTRACT(YEAR, 1)", "error: it takes a date"),
    ]);
    check_types(&[("EXTRACT(YEAR, DATE '2000-12-31')", "BIGINT NOT NULL")]);
    check_in(&in_zone("Asia/Shanghai"), &[("EXTRACT(HOUR, LTZ '2020-01-01 00:00:00')", "8")]);
}

#[test]
fn c8_4_epoch_of_an_instant_is_that_of_its_wall_clock() {
    check_in(
        &in_zone("Asia/Shanghai"),
        &[("EXTRACT(EPOCH, LTZ '1970-01-01 00:00:04.001')", "28804")],
    );
}

#[test]
fn d4_7_short_forms() {
    check(&[
        ("YEAR(DATE '2020-02-29')", "2020"),
        ("MONTH(DATE '2020-02-29')", "2"),
        ("DAYOFMONTH(DATE '2020-02-29')", "29"),
        ("DAYOFYEAR(DATE '2020-02-29')", "60"),
        ("DAYOFWEEK(DATE '2020-02-29')", "7"),
        ("HOUR(TIMESTAMP '2020-02-29 13:14:15')", "13"),
        ("SECOND(TIMESTAMP '2020-02-29 13:14:15')", "15"),
    ]);
}

#[test]
fn d4_8_floor_and_ceil_to_a_unit() {
    check(&[
        ("FLOOR(HOUR, TIMESTAMP '2020-02-29 13:14:15')", "2020-02-29 13:00:00"),
        ("CEIL(HOUR, TIMESTAMP '2020-02-29 13:14:15')", "2020-02-29 14:00:00"),
        ("CEIL(HOUR, TIMESTAMP '2020-02-29 13:00:00')", "2020-02-29 13:00:00"),
        ("FLOOR(WEEK, DATE '2020-02-29')", "2020-02-23"),
        ("CEIL(WEEK, DATE '2020-02-29')", "2020-03-01"),
        ("FLOOR(MONTH, DATE '2020-02-29')", "2020-02-01"),
        ("CEIL(MONTH, DATE '2020-02-29')", "2020-03-01"),
        ("CEIL(YEAR, TIMESTAMP '2020-02-29 13:14:15')", "2021-01-01 00:00:00"),
        ("FLOOR(QUARTER, TIMESTAMP '2020-05-29 13:14:15')", "2020-04-01 00:00:00"),
        ("FLOOR(SECOND, TIMESTAMP '2020-02-29 13:14:15.678')", "2020-02-29 13:14:15.000"),
        ("FLOOR(DAY, TIMESTAMP '1969-12-31 12:00:00')", "1969-12-31 00:00:00"),
        ("FLOOR(HOUR, TIME '13:14:15')", "13:00:00"),
    ]);
    check_in(
        &in_zone("Asia/Shanghai"),
        &[("FLOOR(DAY, LTZ '2020-01-01 20:00:00')", "2020-01-02 00:00:00.000")],
    );
}

#[test]
fn d4_9_timestampadd() {
    check(&[
        ("TIMESTAMPADD(MONTH, 1, DATE '2020-01-31')", "2020-02-29"),
        ("TIMESTAMPADD(WEEK, 1, DATE '2020-01-31')", "2020-02-07"),
        ("TIMESTAMPADD(HOUR, 1, DATE '2020-01-31')", "2020-01-31 01:00:00.000000"),
        ("TIMESTAMPADD(QUARTER, -1, TIMESTAMP '2020-05-31 10:00:00')", "2020-02-29 10:00:00"),
        ("TIMESTAMPADD(SECOND, 61, TIMESTAMP '2020-01-31 10:00:00')", "2020-01-31 10:01:01"),
        ("TIMESTAMPADD(DAY, NULL:INT, DATE '2020-01-31')", "NULL"),
    ]);
}

#[test]
fn d4_10_timestampdiff() {
    check(&[
        (
            "TIMESTAMPDIFF(DAY, TIMESTAMP '2020-01-01 00:00:00', TIMESTAMP '2020-01-02 23:59:59')",
            "1",
        ),
        (
            "TIMESTAMPDIFF(DAY, TIMESTAMP '2020-01-02 23:59:59', TIMESTAMP '2020-01-01 00:00:00')",
            "-1",
        ),
        ("TIMESTAMPDIFF(MONTH, DATE '2020-01-31', DATE '2020-02-29')", "1"),
        ("TIMESTAMPDIFF(MONTH, DATE '2020-01-31', DATE '2020-02-28')", "0"),
        ("TIMESTAMPDIFF(MONTH, DATE '2020-02-15', DATE '2020-01-16')", "0"),
        ("TIMESTAMPDIFF(YEAR, DATE '2019-03-01', DATE '2020-02-29')", "0"),
        (
            "TIMESTAMPDIFF(HOUR, TIMESTAMP '2020-01-01 00:00:00', TIMESTAMP '2020-01-01 05:59:59')",
            "5",
        ),
        ("TIMESTAMPDIFF(SECOND, DATE '2020-01-01', TIMESTAMP '2020-01-01 00:01:00')", "60"),
        ("TIMESTAMPDIFF(SECOND, DATE '2020-01-01', NULL:DATE)", "NULL"),
    ]);
    check_types(&[("TIMESTAMPDIFF(DAY, DATE '2020-01-01', DATE '2020-01-01')", "INT NOT NULL")]);
}

#[test]
fn d4_11_overlaps() {
    check(&[
        ("OVERLAPS(TIME '09:00:00', TIME '10:00:00', TIME '09:30:00', INTERVAL '1' HOUR)", "TRUE"),
        ("OVERLAPS(TIME '09:00:00', TIME '10:00:00', TIME '10:30:00', INTERVAL '1' HOUR)", "FALSE"),
        (
            "OVERLAPS(DATE '2020-01-01', DATE '2020-01-05', DATE '2020-01-05', DATE '2020-01-09')",
            "TRUE",
        ),
    ]);
}

#[test]
fn d4_12_date_format() {
    let rows: Vec<(String, &str)> = [
        ("yyyy-MM-dd''T''HH:mm:ss.SSS", "2020-02-09T13:04:05.678"),
        ("yyyy-MM-dd HH:mm", "2020-02-09 13:04"),
        ("E a D", "Sun PM 40"),
        ("EEEE, MMMM d", "Sunday, February 9"),
        ("YYYY ww", "2020 07"),
        ("hh:mm a", "01:04 PM"),
        ("yy/M/d H", "20/2/9 13"),
        ("SSSSSS", "678000"),
    ]
    .into_iter()
    .map(|(pattern, expected)| {
        (format!("DATE_FORMAT(TIMESTAMP '2020-02-09 13:04:05.678', '{pattern}')"), expected)
    })
    .collect();
    check(&rows.iter().map(|(text, expected)| (text.as_str(), *expected)).collect::<Vec<_>>());
    check(&[
        ("DATE_FORMAT('2020-02-09 13:04:05', 'yyyyMMdd')", "20200209"),
        ("DATE_FORMAT('2020-02-09', 'yyyyMMdd')", "NULL"),
        ("DATE_FORMAT(NULL:TIMESTAMP(3), 'yyyy')", "NULL"),
        ("DATE_FORMAT(TIMESTAMP '2020-02-09 13:04:05', 'z')", "error: zone"),
        ("DATE_FORMAT(TIMESTAMP '2020-12-31 13:04:05', 'YYYY')", "2021"),
    ]);
    check_in(
        &in_zone("Asia/Shanghai"),
        &[("DATE_FORMAT(LTZ '2020-01-01 20:00:00', 'yyyy-MM-dd HH')", "2020-01-02 04")],
    );
}

#[test]
fn d4_13_to_date() {
    check(&[
        ("TO_DATE('2020-2-3')", "2020-02-03"),
        ("TO_DATE('2020-02-03 10:00:00')", "2020-02-03"),
        ("TO_DATE('2020-02-30')", "NULL"),
        ("TO_DATE('nonsense')", "NULL"),
        ("TO_DATE('03/02/2020', 'dd/MM/yyyy')", "2020-02-03"),
        ("TO_DATE('2020/02', 'dd/MM/yyyy')", "NULL"),
    ]);
    check_types(&[("TO_DATE('2020-2-3')", "DATE")]);
}

#[test]
fn d4_14_to_timestamp() {
    check(&[
        ("TO_TIMESTAMP('2020-02-03 04:05:06')", "2020-02-03 04:05:06.000"),
        ("TO_TIMESTAMP('2020-02-03')", "2020-02-03 00:00:00.000"),
        ("TO_TIMESTAMP('2020-02-03 04:05:06.123456')", "2020-02-03 04:05:06.123"),
        ("TO_TIMESTAMP('2020-02-03T04:05:06')", "NULL"),
        ("TO_TIMESTAMP('2020-02-03 04:05')", "NULL"),
        ("TO_TIMESTAMP('2020-02-30 00:00:00')", "2020-02-29 00:00:00.000"),
        ("TO_TIMESTAMP('nonsense')", "NULL"),
        ("TO_TIMESTAMP('20200203 0405', 'yyyyMMdd HHmm')", "2020-02-03 04:05:00.000"),
        (
            "TO_TIMESTAMP('2020-02-03T04:05:06.789Z', 'yyyy-MM-dd''T''HH:mm:ss.SSS''Z''')",
            "2020-02-03 04:05:06.789",
        ),
        ("TO_TIMESTAMP('Feb 3 2020', 'MMM d yyyy')", "2020-02-03 00:00:00.000"),
        ("TO_TIMESTAMP('02:30 PM', 'hh:mm a')", "1970-01-01 14:30:00.000"),
    ]);
    check_types(&[("TO_TIMESTAMP('2020-02-03')", "TIMESTAMP(3)")]);
}

#[test]
fn d4_15_to_timestamp_ltz() {
    check(&[
        ("TO_TIMESTAMP_LTZ(1, 0)", "1970-01-01 00:00:01.000"),
        ("TO_TIMESTAMP_LTZ(1500, 3)", "1970-01-01 00:00:01.500"),
        ("TO_TIMESTAMP_LTZ(1.5e0, 0)", "1970-01-01 00:00:01.500"),
        ("TO_TIMESTAMP_LTZ(1, 6)", "error: precision value 6"),
        ("TO_TIMESTAMP_LTZ(999999999999, 0)", "NULL"),
    ]);
    check_types(&[("TO_TIMESTAMP_LTZ(1, 0)", "TIMESTAMP_LTZ(3)")]);
}

#[test]
fn d4_17_unix_timestamps() {
    check(&[
        ("UNIX_TIMESTAMP('1970-01-01 00:01:00')", "60"),
        ("UNIX_TIMESTAMP('1970-01-01', 'yyyy-MM-dd')", "0"),
        ("UNIX_TIMESTAMP('1970-01-01 01:00 +0100', 'yyyy-MM-dd HH:mm X')", "0"),
        ("UNIX_TIMESTAMP('nonsense')", "-9223372036854775808"),
        ("FROM_UNIXTIME(44)", "1970-01-01 00:00:44"),
        ("FROM_UNIXTIME(44, 'mm:ss')", "00:44"),
        ("CONVERT_TZ('1970-01-01 00:00:00', 'UTC', 'America/Los_Angeles')", "1969-12-31 16:00:00"),
        ("CONVERT_TZ('nonsense', 'UTC', 'America/Los_Angeles')", "NULL"),
    ]);
    check_in(&in_zone("Asia/Tokyo"), &[("FROM_UNIXTIME(44)", "1970-01-01 09:00:44")]);
}
