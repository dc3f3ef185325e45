use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use millrace_dataflow::source::SourceError;
use millrace_dataflow::table::TableSpec;
use millrace_dataflow::types::TypeRoot;
use tempfile::TempDir;

use super::super::source::FileSource;
use crate::testing::{INT, Job, TEXT, check_resumes, metadata, produced_fields, scan, table};

/// Writes a file that is `age` seconds older than the newest.
fn put(directory: &TempDir, name: &str, text: &str, age: u64) {
    let path = directory.path().join(name);
    fs::create_dir_all(path.parent().expect("below the directory")).expect("a directory");
    fs::write(&path, text).expect("written");
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 - age);
    fs::File::options()
        .write(true)
        .open(&path)
        .expect("there")
        .set_modified(modified)
        .expect("set");
}

fn files_of(path: &Path, format: &str, options: &[(&str, &str)]) -> TableSpec {
    let path = path.to_str().expect("a text path");
    let fixed = [("connector", "filesystem"), ("path", path), ("format", format)];
    let options: Vec<_> = fixed.iter().chain(options).copied().collect();
    table(&[("a", INT), ("b", TEXT)], &options)
}

fn rows(table: &TableSpec) -> Result<Vec<String>, String> {
    let mut job = Job::start(&scan(table, 100), 1, None);
    job.finish().map_err(|error| error.to_string())
}

#[test]
fn files_are_read_oldest_first_then_by_name_without_hidden_ones() {
    let directory = TempDir::new().expect("a directory");
    put(&directory, "z.json", "{\"a\":1}\n", 9);
    put(&directory, "b.json", "{\"a\":3}", 5);
    put(&directory, "deep/er/a.json", "{\"a\":4}\n\n", 5);
    put(&directory, "a.json", "{\"a\":2}\n{\"a\":5,\"b\":\"x\"}\n", 7);
    put(&directory, ".hidden", "nothing that could be read", 1);
    put(&directory, "_SUCCESS", "x", 1);
    put(&directory, "_temporary/x", "x", 1);
    put(&directory, ".tmp/x", "x", 1);
    let expected =
        ["+I[1, null]", "+I[2, null]", "+I[5, x]", "+I[3, null]", "+I[4, null]"].map(str::to_owned);
    assert_eq!(rows(&files_of(directory.path(), "json", &[])), Ok(expected.to_vec()));
    let uri = format!("file://{}", directory.path().display());
    assert_eq!(rows(&files_of(Path::new(&uri), "json", &[])), Ok(expected.to_vec()));
    let one = directory.path().join("b.json");
    assert_eq!(rows(&files_of(&one, "json", &[])), Ok(vec!["+I[3, null]".to_owned()]));
}

#[test]
fn g8_4_a_pattern_matches_whole_paths() {
    let directory = TempDir::new().expect("a directory");
    put(&directory, "in/a.json", "{\"a\":1}\n", 1);
    put(&directory, "out/a.json", "{\"a\":2}\n", 1);
    let check = |pattern: &str, expected: &[&str]| {
        let table = files_of(directory.path(), "json", &[("source.path.regex-pattern", pattern)]);
        assert_eq!(rows(&table), Ok(expected.iter().map(|row| (*row).to_owned()).collect()));
    };
    check(".*/in/.*", &["+I[1, null]"]);
    check("in", &[]);
    check(".*\\.json", &["+I[1, null]", "+I[2, null]"]);
}

#[test]
fn g8_25_metadata_columns() {
    let directory = TempDir::new().expect("a directory");
    put(&directory, "x.json", "{\"a\":1}\n", 0);
    let mut table = files_of(directory.path(), "json", &[]);
    for key in super::super::metadata_keys() {
        table.metadata.push(metadata(key.key, key.data_type));
    }
    let path = directory.path().join("x.json");
    let expected = format!("+I[1, null, {}, x.json, 8, 2023-11-14T22:13:20Z]", path.display());
    assert_eq!(rows(&table), Ok(vec![expected]));
}

#[test]
fn g8_26_partition_columns_come_from_directories() {
    let directory = TempDir::new().expect("a directory");
    put(&directory, "day=2020-01-01/kind=a%2Fb/x.json", "{\"a\":1}\n", 3);
    put(&directory, "day=2020-01-02/kind=__DEFAULT_PARTITION__/x.json", "{\"a\":2}\n", 2);
    let mut table = files_of(directory.path(), "json", &[]);
    let more = crate::testing::table(&[("day", TypeRoot::Date), ("kind", TEXT)], &[]);
    table.physical.fields.extend(more.physical.fields);
    table.partition_keys = vec![2, 3];
    let expected = ["+I[1, null, 2020-01-01, a/b]", "+I[2, null, 2020-01-02, null]"];
    assert_eq!(rows(&table), Ok(expected.map(str::to_owned).to_vec()));
    put(&directory, "day=now/kind=a/x.json", "{\"a\":2}\n", 1);
    let error = rows(&table).expect_err("no date");
    assert!(error.contains("partition 'day'") && error.contains("day=now"), "{error}");
    put(&directory, "day=now/kind=a/x.json", "", 1);
    put(&directory, "x.json", "{\"a\":2}\n", 9);
    assert!(rows(&table).expect_err("no partition").contains("no directory 'day=...'"));
}

#[test]
fn no_columns_at_all_still_count_rows() {
    let directory = TempDir::new().expect("a directory");
    put(&directory, "x.json", "{\"a\":1}\n{\"a\":2}\n", 0);
    let mut scan = scan(&files_of(directory.path(), "json", &[]), 100);
    scan.columns.clear();
    assert_eq!(Job::start(&scan, 1, None).finish().expect("rows"), ["+I[]", "+I[]"]);
}

#[test]
fn bad_records_are_named_by_file_line_and_byte_unless_ignored() {
    let directory = TempDir::new().expect("a directory");
    put(&directory, "x.json", "{\"a\":1}\n\n{\"a\":2}\nnonsense\n{\"a\":3}\n", 0);
    let error = rows(&files_of(directory.path(), "json", &[])).expect_err("a bad record");
    let path = directory.path().join("x.json");
    let place = format!("bad record in file '{}', line 4, byte 17: ", path.display());
    assert!(error.starts_with(&place), "{error}");
    assert!(!error.contains("nonsense"), "{error}");
    let ignoring = files_of(directory.path(), "json", &[("json.ignore-parse-errors", "true")]);
    assert_eq!(rows(&ignoring).map(|rows| rows.len()), Ok(3));
}

#[test]
fn files_that_vanish_or_shrink_are_named() {
    let directory = TempDir::new().expect("a directory");
    let table = files_of(directory.path(), "json", &[]);
    let started = || {
        put(&directory, "x.json", "{\"a\":1}\n{\"a\":2}\n", 0);
        Job::start(&scan(&table, 1), 1, None)
    };
    let check = |job: &mut Job, reason: &str| {
        let error = job.finish().expect_err(reason);
        let SourceError::Failed { message, source } = &error else { panic!("{error:?}") };
        let cause = source.as_ref().map(|cause| cause.to_string()).unwrap_or_default();
        assert!(message.contains("x.json"), "{message}");
        assert!(format!("{message}: {cause}").contains(reason), "{message}: {cause}");
    };
    let mut job = started();
    put(&directory, "x.json", "{\"a\":1}\n", 0);
    check(&mut job, "had 16 bytes when it was found and has 8 now");
    let mut job = started();
    fs::remove_file(directory.path().join("x.json")).expect("there");
    check(&mut job, "is gone since it was found");
}

#[test]
fn a_missing_directory_is_named() {
    let directory = TempDir::new().expect("a directory");
    let missing = directory.path().join("nowhere");
    let source =
        FileSource::new(&scan(&files_of(&missing, "json", &[]), 1)).expect("not looked at");
    let mut enumerator =
        millrace_dataflow::source::Source::create_enumerator(&source, 1, None).expect("made");
    let error = enumerator.discover().expect_err("nothing there");
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn g8_3_a_monitored_directory_gives_each_path_once() {
    let directory = TempDir::new().expect("a directory");
    put(&directory, "a.json", "{\"a\":1}\n", 9);
    let table = files_of(directory.path(), "json", &[("source.monitor-interval", "1 s")]);
    let scan = scan(&table, 10);
    let mut job = Job::start(&scan, 2, None);
    assert_eq!(job.finish().expect("rows"), ["+I[1, null]"]);
    put(&directory, "a.json", "{\"a\":1}\n{\"a\":9}\n", 1);
    put(&directory, "b.json", "{\"a\":2}\n", 9);
    job.discover().expect("listed");
    let saved = job.save();
    assert_eq!(job.finish().expect("rows"), ["+I[2, null]"]);
    put(&directory, "c.json", "{\"a\":3}\n", 9);
    let mut restored = Job::start(&scan, 1, Some(&saved));
    assert_eq!(restored.finish().expect("rows"), ["+I[2, null]", "+I[3, null]"]);
}

#[test]
fn a_bounded_source_restored_reads_no_file_that_came_later() {
    let directory = TempDir::new().expect("a directory");
    put(&directory, "a.json", "{\"a\":1}\n", 9);
    let scan = scan(&files_of(directory.path(), "json", &[]), 10);
    let saved = Job::start(&scan, 1, None).save();
    put(&directory, "b.json", "{\"a\":2}\n", 1);
    assert_eq!(Job::start(&scan, 1, Some(&saved)).finish().expect("rows"), ["+I[1, null]"]);
}

#[test]
fn from_every_snapshot_the_rest_follows_at_any_parallelism() {
    let directory = TempDir::new().expect("a directory");
    for file in 0..4 {
        let rows: String =
            (0..7 + file).map(|row| format!("{{\"a\":{row},\"b\":\"{file}\"}}\n")).collect();
        put(&directory, &format!("{file}.json"), &rows, file);
    }
    put(&directory, "last", "{\"a\":1}", 0);
    let all = check_resumes(&scan(&files_of(directory.path(), "json", &[]), 2));
    assert_eq!(all.len(), 7 + 8 + 9 + 10 + 1);
}

#[test]
fn large_files_are_read_in_ranges_that_miss_and_repeat_nothing() {
    let directory = TempDir::new().expect("a directory");
    let text: String = (0..60)
        .map(|row| format!("{{\"a\":{row},\"b\":\"{}\"}}\n", "x".repeat(row % 11)))
        .collect();
    let scan = scan(&files_of(directory.path(), "json", &[]), 4);
    for ending in [text.as_str(), text.trim_end()] {
        put(&directory, "x.json", ending, 0);
        let whole = Job::start(&scan, 1, None).finish().expect("rows");
        assert_eq!(whole.len(), 60);
        for bytes in [1, 2, 7, 30, 100, 500] {
            let source = FileSource::new(&scan).expect("good").with_range_bytes(bytes);
            let mut job = Job::run_source(Box::new(source), produced_fields(&scan), 1, None);
            let read = job.finish().expect("rows");
            assert_eq!(read, whole, "ranges of {bytes}");
            let source = FileSource::new(&scan).expect("good").with_range_bytes(bytes);
            let mut first = Job::run_source(Box::new(source), produced_fields(&scan), 3, None);
            let mut all = first.step().expect("rows");
            let saved = first.save();
            all.extend(Job::start(&scan, 2, Some(&saved)).finish().expect("the rest"));
            all.sort();
            let mut sorted = whole.clone();
            sorted.sort();
            assert_eq!(all, sorted, "ranges of {bytes}, resumed");
        }
    }
}

#[test]
fn csv_records_may_span_lines_between_quotes() {
    let directory = TempDir::new().expect("a directory");
    put(&directory, "x.csv", "1,\"two\nlines\"\n2,plain\r\n3,\"last\n\"", 0);
    let table = files_of(directory.path(), "csv", &[]);
    let expected = ["+I[1, two\nlines]", "+I[2, plain]", "+I[3, last\n]"].map(str::to_owned);
    assert_eq!(rows(&table), Ok(expected.to_vec()));
    put(&directory, "x.csv", "1,\"never closed\n2,x\n", 0);
    let error = rows(&table).expect_err("an open quote");
    assert!(error.contains("line 1, byte 0: a quote is opened"), "{error}");
}

#[test]
fn records_longer_than_a_block_are_whole() {
    let directory = TempDir::new().expect("a directory");
    let long = "y".repeat(600_000);
    put(&directory, "x.json", &format!("{{\"b\":\"{long}\"}}\n{{\"b\":\"z\"}}\n"), 0);
    let rows = rows(&files_of(directory.path(), "json", &[])).expect("rows");
    assert_eq!(rows.iter().map(String::len).collect::<Vec<_>>(), [600_010, 11]);
}
