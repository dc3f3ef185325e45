use super::*;
use crate::testing::{INT, connectors, table};

const LEVEL: RuntimeLevel = RuntimeLevel::Flink1_18;

fn check(options: &[(&str, &str)], usage: TableUsage) -> Result<(), OptionError> {
    connectors().check_options(&table(&[("a", INT)], options), usage, LEVEL)
}

/// The offending key and a part of the message.
fn check_refused(options: &[(&str, &str)], usage: TableUsage, key: Option<&str>, part: &str) {
    let error = check(options, usage).expect_err(part);
    assert_eq!(error.key.as_deref(), key, "{error}");
    assert!(error.message.contains(part), "{error}");
}

const FILES: [(&str, &str); 3] = [("connector", "filesystem"), ("path", "/x"), ("format", "json")];

fn files<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    FILES.iter().chain(more).copied().collect()
}

#[test]
fn g_1_connectors_by_name() {
    let connectors = connectors();
    assert_eq!(
        connectors.names(),
        ["blackhole", "datagen", "filesystem", "jdbc", "nexmark", "print"]
    );
    for name in connectors.names() {
        let descriptor = connectors.connector(name).expect("listed");
        assert_eq!(descriptor.name, name);
        let made = connectors.find(name).expect("listed");
        assert_eq!(
            (descriptor.source, descriptor.sink),
            (made.source.is_some(), made.sink.is_some())
        );
    }
    check_refused(&[], TableUsage::Source, None, "names no connector");
    let kafka = [("connector", "kafka")];
    check_refused(&kafka, TableUsage::Source, Some("connector"), "blackhole, datagen, filesystem");
}

#[test]
fn a_connector_is_used_one_way_only_where_it_has_one() {
    for (name, usage) in [
        ("print", TableUsage::Source),
        ("blackhole", TableUsage::Source),
        ("datagen", TableUsage::Sink),
        ("nexmark", TableUsage::Sink),
    ] {
        check_refused(&[("connector", name)], usage, Some("connector"), name);
    }
}

#[test]
fn g_2_format_options_carry_the_format_s_prefix() {
    assert_eq!(check(&files(&[("json.ignore-parse-errors", "true")]), TableUsage::Source), Ok(()));
    for key in ["csv.field-delimiter", "ignore-parse-errors", "json.field-delimiter", "json."] {
        check_refused(&files(&[(key, ",")]), TableUsage::Source, Some(key), key);
    }
    check_refused(
        &[("connector", "filesystem"), ("path", "/x")],
        TableUsage::Source,
        None,
        "'format'",
    );
    let avro = [("connector", "filesystem"), ("path", "/x"), ("format", "avro")];
    check_refused(&avro, TableUsage::Source, Some("format"), "csv, json, raw");
}

#[test]
fn unknown_keys_are_refused_with_those_there_are() {
    let error =
        check(&files(&[("source.monitor", "1 s")]), TableUsage::Source).expect_err("a typo");
    assert!(error.message.contains("source.monitor-interval"), "{error}");
    assert!(error.message.contains("json.timestamp-format.standard"), "{error}");
    check_refused(
        &[("connector", "print"), ("identifier", "x")],
        TableUsage::Sink,
        Some("identifier"),
        "print-identifier",
    );
}

#[test]
fn missing_keys_are_named() {
    let options = [("connector", "filesystem"), ("format", "json")];
    check_refused(&options, TableUsage::Source, None, "'path'");
}

#[test]
fn bad_values_are_named_and_the_value_is_not_shown() {
    for (key, value, wanted) in [
        ("source.monitor-interval", "soon", "duration"),
        ("source.path.regex-pattern", "(", "regular expression"),
        ("sink.rolling-policy.file-size", "big", "size"),
        ("json.ignore-parse-errors", "yes", "true or false"),
        ("json.timestamp-format.standard", "RFC", "SQL, ISO-8601"),
        ("sink.partition-commit.policy.kind", "metastore", "success-file"),
        ("property-version", "one", "integer"),
    ] {
        check_refused(&files(&[(key, value)]), TableUsage::Sink, Some(key), wanted);
        let error = check(&files(&[(key, value)]), TableUsage::Sink).expect_err(key);
        assert!(value == "(" || !error.message.contains(value), "{error}");
    }
    let s3 = [("connector", "filesystem"), ("path", "s3://b/x"), ("format", "json")];
    check_refused(&s3, TableUsage::Source, Some("path"), "local files");
    let delay = [("sink.partition-commit.delay", "1 h")];
    check_refused(&files(&delay), TableUsage::Sink, Some("sink.partition-commit.delay"), "0 s");
}

#[test]
fn enum_values_are_of_any_case_and_keys_are_not() {
    let any_case = files(&[("json.timestamp-format.standard", "iso-8601")]);
    assert_eq!(check(&any_case, TableUsage::Source), Ok(()));
    check_refused(
        &files(&[("JSON.ignore-parse-errors", "true")]),
        TableUsage::Source,
        Some("JSON.ignore-parse-errors"),
        "no option",
    );
}

#[test]
fn watermark_options_are_for_sources_from_1_18_on() {
    let table = table(&[("a", INT)], &files(&[("scan.watermark.idle-timeout", "1 s")]));
    let check = |usage, level| connectors().check_options(&table, usage, level);
    assert_eq!(check(TableUsage::Source, LEVEL), Ok(()));
    assert!(check(TableUsage::Sink, LEVEL).is_err());
    let early = check(TableUsage::Source, RuntimeLevel::Flink1_15).expect_err("too early");
    assert_eq!(early.key.as_deref(), Some("scan.watermark.idle-timeout"));
    assert!(early.message.contains("needs FLINK-1_18 or later"), "{early}");
}

#[test]
fn g_5_an_option_is_refused_below_its_level() {
    let options = [("connector", "datagen"), ("scan.parallelism", "2")];
    let check = |level| {
        connectors().check_options(&table(&[("a", INT)], &options), TableUsage::Source, level)
    };
    assert_eq!(check(RuntimeLevel::Flink1_19), Ok(()));
    assert!(check(LEVEL).expect_err("too early").message.contains("needs FLINK-1_19 or later"));
}

#[test]
fn g_changelog_modes() {
    let connectors = connectors();
    let mode = |name, usage| connectors.changelog_mode(&table(&[], &[("connector", name)]), usage);
    assert_eq!(mode("print", TableUsage::Sink), ChangelogMode::ALL);
    assert_eq!(mode("blackhole", TableUsage::Sink), ChangelogMode::UPSERT);
    assert_eq!(mode("filesystem", TableUsage::Sink), ChangelogMode::INSERT_ONLY);
    assert_eq!(mode("filesystem", TableUsage::Source), ChangelogMode::INSERT_ONLY);
}

#[test]
fn defaults_can_be_read_as_their_kind_says() {
    for connector in &connectors().connectors {
        let defaults = connector.options.iter().filter_map(|spec| Some((spec, spec.default?)));
        for (spec, default) in defaults {
            assert_eq!(spec.kind.check(default), Ok(()), "{}", spec.key);
        }
    }
    for format in millrace_formats::formats() {
        for spec in format.options {
            assert!(
                spec.default.is_none_or(|default| spec.kind.check(default).is_ok()),
                "{}",
                spec.key
            );
        }
    }
}
