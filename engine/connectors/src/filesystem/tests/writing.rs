use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use millrace_dataflow::CommitPermit;
use millrace_dataflow::batch::{Batch, RowKind};
use millrace_dataflow::catalog::ConnectorFactory;
use millrace_dataflow::message::{CheckpointId, Generation};
use millrace_dataflow::sink::{Committable, Sink, SinkError, SinkWriter, WriterContext};
use millrace_dataflow::source::TaskContext;
use millrace_dataflow::table::TableSpec;
use tempfile::TempDir;

use crate::Connectors;
use crate::testing::{INT, TEXT, connectors, table};

fn files_to(directory: &TempDir, options: &[(&str, &str)]) -> TableSpec {
    let path = directory.path().join("out");
    let path = path.to_str().expect("a text path");
    let fixed = [("connector", "filesystem"), ("path", path), ("format", "csv")];
    let options: Vec<_> = fixed.iter().chain(options).copied().collect();
    table(&[("a", INT), ("b", TEXT)], &options)
}

fn partitioned(directory: &TempDir, options: &[(&str, &str)]) -> TableSpec {
    TableSpec { partition_keys: vec![1], ..files_to(directory, options) }
}

fn batch(rows: &[(i32, Option<&str>)]) -> Batch {
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.0)));
    let texts: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1)));
    let record = RecordBatch::try_from_iter([("a", numbers), ("b", texts)]).expect("two columns");
    Batch::insert_only(record)
}

fn writer(sink: &dyn Sink, generation: u64, attempt: u32) -> Box<dyn SinkWriter> {
    let ctx = WriterContext {
        task: TaskContext { subtask: 0, parallelism: 1 },
        generation: Generation(generation),
        attempt,
        restored: None,
    };
    sink.create_writer(ctx, &[]).expect("a writer")
}

fn prepare(writer: &mut dyn SinkWriter) -> Vec<Committable> {
    writer.flush(false).expect("flushed");
    let committables = writer.prepare_commit().expect("prepared");
    writer.snapshot().expect("saved");
    committables
}

fn commit(sink: &dyn Sink, committables: &[Committable]) -> Result<(), SinkError> {
    let permit = CommitPermit::for_visible_checkpoint(Generation(1), CheckpointId(1));
    sink.create_committer().expect("a committer").commit(&permit, committables)
}

/// Relative paths of all files, with their contents for the visible ones.
fn tree(directory: &TempDir) -> (Vec<(String, String)>, Vec<String>) {
    let (mut visible, mut hidden) = (Vec::new(), Vec::new());
    walk(directory.path(), &mut |path, name| {
        let relative = path.strip_prefix(directory.path()).expect("below").display().to_string();
        if name.starts_with('.') {
            hidden.push(relative);
        } else {
            visible.push((relative, fs::read_to_string(path).expect("text")));
        }
    });
    visible.sort();
    hidden.sort();
    (visible, hidden)
}

fn walk(at: &Path, see: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(at).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, see);
        } else {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            see(&path, &name);
        }
    }
}

fn contents(directory: &TempDir) -> String {
    tree(directory).0.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn g8_27_rows_are_visible_after_the_commit_and_not_before() {
    let directory = TempDir::new().expect("a directory");
    let sink = connectors().sink(&files_to(&directory, &[])).expect("a sink");
    let mut writer = writer(sink.as_ref(), 3, 1);
    writer.write(&batch(&[(1, Some("x")), (2, None)])).expect("written");
    writer.write(&batch(&[(3, Some("y"))])).expect("written");
    assert_eq!(tree(&directory).0, []);
    let committables = prepare(writer.as_mut());
    let (visible, hidden) = tree(&directory);
    assert_eq!((visible.len(), hidden.len(), committables.len()), (0, 1, 1));
    assert!(hidden[0].contains(".inprogress.g3.1."), "{hidden:?}");
    commit(sink.as_ref(), &committables).expect("committed");
    let (visible, hidden) = tree(&directory);
    assert!(hidden.is_empty(), "{hidden:?}");
    assert_eq!(visible.len(), 1);
    assert!(visible[0].0.starts_with("out/part-") && visible[0].0.ends_with("-0-0"));
    assert_eq!(visible[0].1, "1,x\n2,\n3,y\n");
}

#[test]
fn a_commit_repeated_or_cut_short_changes_nothing() {
    let directory = TempDir::new().expect("a directory");
    let sink = connectors().sink(&files_to(&directory, &[])).expect("a sink");
    let mut writer = writer(sink.as_ref(), 1, 0);
    let mut committables = Vec::new();
    for row in 0..3 {
        writer.write(&batch(&[(row, None)])).expect("written");
        committables.extend(prepare(writer.as_mut()));
    }
    commit(sink.as_ref(), &committables[..1]).expect("the first of three, then a crash");
    for _ in 0..3 {
        commit(sink.as_ref(), &committables).expect("again");
        assert_eq!(contents(&directory), "0,\n1,\n2,\n");
    }
}

#[test]
fn a_lost_file_is_an_error_that_names_it() {
    let directory = TempDir::new().expect("a directory");
    let sink = connectors().sink(&files_to(&directory, &[])).expect("a sink");
    let mut writer = writer(sink.as_ref(), 1, 0);
    writer.write(&batch(&[(1, None)])).expect("written");
    let committables = prepare(writer.as_mut());
    fs::remove_dir_all(directory.path().join("out")).expect("there");
    let error = commit(sink.as_ref(), &committables).expect_err("gone");
    assert!(error.message.contains("part-") && error.message.contains("are lost"), "{error}");
}

/// A generation writes two files, commits only the first, and dies with a third open.
fn crash(connectors: &Connectors, table: &TableSpec) -> Vec<Committable> {
    let sink = connectors.sink(table).expect("a sink");
    let mut writer = writer(sink.as_ref(), 1, 0);
    writer.write(&batch(&[(1, None)])).expect("written");
    let first = prepare(writer.as_mut());
    commit(sink.as_ref(), &first).expect("committed");
    writer.write(&batch(&[(2, None)])).expect("written");
    let second = prepare(writer.as_mut());
    writer.write(&batch(&[(99, None)])).expect("written");
    second
}

#[test]
fn after_a_crash_what_the_checkpoint_names_becomes_visible_and_the_rest_goes() {
    let directory = TempDir::new().expect("a directory");
    let connectors = connectors();
    let table = files_to(&directory, &[]);
    let restored = crash(&connectors, &table);
    assert_eq!(tree(&directory).1.len(), 2);
    let sink = connectors.sink(&table).expect("a sink");
    commit(sink.as_ref(), &restored).expect("the restored checkpoint's files");
    sink.clean_up(Generation(2), 0).expect("cleaned");
    sink.clean_up(Generation(2), 0).expect("nothing left to clean");
    assert_eq!((contents(&directory), tree(&directory).1), ("1,\n2,\n".to_owned(), Vec::new()));
}

#[test]
fn a_crash_before_any_checkpoint_leaves_nothing() {
    let directory = TempDir::new().expect("a directory");
    let table = files_to(&directory, &[]);
    crash(&connectors(), &table);
    fs::remove_dir_all(directory.path().join("out")).expect("start over");
    let sink = connectors().sink(&table).expect("a sink");
    sink.clean_up(Generation(2), 0).expect("no directory yet");
    let mut writer = writer(sink.as_ref(), 2, 0);
    writer.write(&batch(&[(1, None)])).expect("written");
    drop(writer);
    sink.clean_up(Generation(2), 1).expect("the earlier attempt's file goes");
    assert_eq!(tree(&directory), (Vec::new(), Vec::new()));
}

#[test]
fn clean_up_leaves_alone_what_is_not_left_over() {
    let directory = TempDir::new().expect("a directory");
    let table = files_to(&directory, &[]);
    let own = connectors();
    let sink = own.sink(&table).expect("a sink");
    let mut current = writer(sink.as_ref(), 2, 1);
    current.write(&batch(&[(1, None)])).expect("written");
    let mut newer = writer(sink.as_ref(), 3, 0);
    newer.write(&batch(&[(2, None)])).expect("written");
    let other_table = TableSpec { name: "c.d.other".to_owned(), ..table.clone() };
    crash(&own, &other_table);
    crash(&Connectors::builder().owner("another job").build(), &table);
    fs::write(directory.path().join("out/.part-x.tmp"), "not ours").expect("written");
    let before = tree(&directory);
    sink.clean_up(Generation(2), 1).expect("cleaned");
    assert_eq!(tree(&directory), before);
    sink.clean_up(Generation(9), 0).expect("cleaned");
    assert_eq!(tree(&directory).1.len(), before.1.len() - 2);
}

#[test]
fn two_generations_never_share_a_name() {
    let directory = TempDir::new().expect("a directory");
    let sink = connectors().sink(&files_to(&directory, &[])).expect("a sink");
    let (mut old, mut new) = (writer(sink.as_ref(), 1, 0), writer(sink.as_ref(), 2, 0));
    old.write(&batch(&[(1, None)])).expect("written");
    new.write(&batch(&[(2, None)])).expect("written");
    let (old, new) = (prepare(old.as_mut()), prepare(new.as_mut()));
    commit(sink.as_ref(), &new).expect("committed");
    commit(sink.as_ref(), &old).expect("committed");
    assert_eq!(contents(&directory), "1,\n2,\n");
}

#[test]
fn g8_10_files_roll_by_size() {
    let directory = TempDir::new().expect("a directory");
    let options = [("sink.rolling-policy.file-size", "10 b")];
    let sink = connectors().sink(&files_to(&directory, &options)).expect("a sink");
    let mut writer = writer(sink.as_ref(), 1, 0);
    for row in 10..20 {
        writer.write(&batch(&[(row, None)])).expect("written");
    }
    let committables = prepare(writer.as_mut());
    assert_eq!(committables.len(), 4);
    commit(sink.as_ref(), &committables).expect("committed");
    assert_eq!(contents(&directory).lines().count(), 10);
}

/// How many files hold the rows of writes at these times, the clock looked at after
/// each.
fn files_after(key: &str, times_ms: &[(i64, bool)]) -> usize {
    let directory = TempDir::new().expect("a directory");
    let sink = connectors().sink(&files_to(&directory, &[(key, "10 s")])).expect("a sink");
    let mut writer = writer(sink.as_ref(), 1, 0);
    for (now_ms, write) in times_ms {
        if *write {
            writer.write(&batch(&[(1, None)])).expect("written");
        }
        writer.on_processing_time(*now_ms).expect("ticked");
    }
    prepare(writer.as_mut()).len()
}

#[test]
fn g8_11_and_g8_12_files_roll_by_age_and_inactivity() {
    let busy = [(1_000, true), (6_000, true), (10_999, true), (11_000, true), (12_000, true)];
    let quiet = [(1_000, true), (6_000, true), (15_999, false), (16_000, false), (17_000, true)];
    let (age, idle) =
        ("sink.rolling-policy.rollover-interval", "sink.rolling-policy.inactivity-interval");
    assert_eq!(files_after(age, &busy), 2);
    assert_eq!(files_after(age, &busy[..3]), 1);
    assert_eq!(files_after(idle, &busy), 1);
    assert_eq!(files_after(idle, &quiet), 2);
}

#[test]
fn g8_26_partitions_are_directories_and_their_columns_not_in_the_file() {
    let directory = TempDir::new().expect("a directory");
    let options = [("sink.partition-commit.policy.kind", "success-file")];
    let sink = connectors().sink(&partitioned(&directory, &options)).expect("a sink");
    let mut writer = writer(sink.as_ref(), 1, 0);
    writer
        .write(&batch(&[
            (1, Some("x")),
            (2, Some("x")),
            (3, None),
            (4, Some("")),
            (5, Some("a/b")),
        ]))
        .expect("written");
    writer.write(&batch(&[(6, Some("x"))])).expect("written");
    commit(sink.as_ref(), &prepare(writer.as_mut())).expect("committed");
    let (visible, hidden) = tree(&directory);
    assert!(hidden.is_empty());
    let directories: Vec<(&str, &str)> = visible
        .iter()
        .map(|(path, text)| (path.split('/').nth(1).expect("a partition"), text.as_str()))
        .collect();
    assert_eq!(
        directories,
        [
            ("b=__DEFAULT_PARTITION__", ""),
            ("b=__DEFAULT_PARTITION__", "3\n4\n"),
            ("b=a%2Fb", ""),
            ("b=a%2Fb", "5\n"),
            ("b=x", ""),
            ("b=x", "1\n2\n6\n"),
        ]
    );
    assert!(visible[0].0.ends_with("/_SUCCESS"), "{visible:?}");
}

#[test]
fn g8_22_the_success_file_s_name_and_g8_6_the_name_of_null() {
    let directory = TempDir::new().expect("a directory");
    let options = [
        ("sink.partition-commit.policy.kind", "success-file"),
        ("sink.partition-commit.success-file.name", "done"),
        ("partition.default-name", "none"),
    ];
    let sink = connectors().sink(&partitioned(&directory, &options)).expect("a sink");
    let mut writer = writer(sink.as_ref(), 1, 0);
    writer.write(&batch(&[(3, None)])).expect("written");
    let committables = prepare(writer.as_mut());
    assert_eq!(tree(&directory).0, []);
    commit(sink.as_ref(), &committables).expect("committed");
    let names: Vec<String> = tree(&directory).0.into_iter().map(|(path, _)| path).collect();
    assert_eq!(names[0], "out/b=none/done");
    assert_eq!(names.len(), 2);
}

#[test]
fn g8_28_changes_are_refused() {
    let directory = TempDir::new().expect("a directory");
    let sink = connectors().sink(&files_to(&directory, &[])).expect("a sink");
    let record = batch(&[(1, None)]).record;
    let error = writer(sink.as_ref(), 1, 0)
        .write(&Batch::changelog(record, vec![RowKind::Delete]))
        .expect_err("a deletion");
    assert!(error.message.contains("-D"), "{error}");
    assert_eq!(tree(&directory), (Vec::new(), Vec::new()));
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let directory = TempDir::new().expect("a directory");
    fs::write(directory.path().join("out"), "a file").expect("written");
    let sink = connectors().sink(&files_to(&directory, &[])).expect("a sink");
    let error = writer(sink.as_ref(), 1, 0).write(&batch(&[(1, None)])).expect_err("no directory");
    assert!(error.message.contains("out/part-"), "{error}");
}
