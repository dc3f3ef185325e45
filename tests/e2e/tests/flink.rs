//! Applications on Apache Flink, through the API. One short test where Flink was downloaded
//! already; the others take minutes, and run with `cargo xtask test-long`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use millrace_e2e::{doubling, output};
use millrace_test_support::files::{difference, drop_file, lines};
use millrace_test_support::time::{now, until};
use millrace_test_support::{Server, ServerOptions, engines, flink};
use serde_json::{Value, json};

/// JVMs start in seconds; on a busy machine in many.
const PATIENCE: Duration = Duration::from_secs(240);

/// An application on Flink: its code as AWS's API takes it.
fn create(name: &str, runtime: &str, code: Value, engine: &str) -> Value {
    json!({
        "ApplicationName": name,
        "RuntimeEnvironment": runtime,
        "ServiceExecutionRole": "arn:aws:iam::000000000000:role/test",
        "ApplicationConfiguration": {
            "ApplicationCodeConfiguration": code,
            "ApplicationSystemRollbackConfiguration": {"RollbackEnabled": true},
            "EnvironmentProperties": {"PropertyGroups": [
                {"PropertyGroupId": "millrace.runtime", "PropertyMap": {"engine": engine}},
            ]},
            "FlinkApplicationConfiguration": {"CheckpointConfiguration": {
                "ConfigurationType": "CUSTOM", "CheckpointingEnabled": true,
                "CheckpointInterval": 1000, "MinPauseBetweenCheckpoints": 500,
            }},
        },
    })
}

fn text(sql: &str) -> Value {
    json!({"CodeContentType": "PLAINTEXT", "CodeContent": {"TextContent": sql}})
}

/// Waits for an update, and gives how it ended and how long it took.
fn update(server: &Server, name: &str, change: Value) -> anyhow::Result<(Value, f64)> {
    let aws = server.aws();
    let version = aws.describe(name)?["ApplicationVersionId"].clone();
    let mut input = json!({"ApplicationName": name, "CurrentApplicationVersionId": version});
    for (key, value) in change.as_object().into_iter().flatten() {
        input[key] = value.clone();
    }
    let begun = now();
    let answer = aws.call("UpdateApplication", input)?;
    let id = answer["OperationId"].as_str().unwrap_or_default().to_owned();
    let details = aws.settled(name, &id, PATIENCE)?;
    Ok((details, begun.elapsed().as_secs_f64()))
}

fn new_text(sql: &str) -> Value {
    json!({"ApplicationConfigurationUpdate": {"ApplicationCodeConfigurationUpdate": {
        "CodeContentTypeUpdate": "PLAINTEXT", "CodeContentUpdate": {"TextContentUpdate": sql}}}})
}

fn new_jar(jar: &[u8]) -> Value {
    json!({"ApplicationConfigurationUpdate": {"ApplicationCodeConfigurationUpdate": {
        "CodeContentTypeUpdate": "ZIPFILE",
        "CodeContentUpdate": {"ZipFileContentUpdate": STANDARD.encode(jar)}}}})
}

fn failure(details: &Value) -> String {
    assert_eq!(details["OperationStatus"], "FAILED", "{details}");
    let error = &details["OperationFailureDetails"]["ErrorInfo"]["ErrorString"];
    error.as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_script_runs_on_flink_and_a_bad_update_leaves_it_alone() -> anyhow::Result<()> {
    let Some(home) = flink::downloaded() else { return Ok(()) };
    let directory = tempfile::tempdir()?;
    let work = directory.path();
    let server = Server::start(&work.join("data"), &ServerOptions::default())?;
    flink::install(&server, &home)?;
    drop_file(&work.join("in"), "1.csv", "1,10\n")?;
    let sql = doubling(work);
    server.aws().call("CreateApplication", create("orders", "FLINK-1_18", text(&sql), "flink"))?;
    let begun = now();
    server.aws().complete("StartApplication", json!({"ApplicationName": "orders"}), PATIENCE)?;
    eprintln!("started in {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(output(work, 1)?, ["1,20"]);
    let jvms = engines::running(&server.data_dir);
    assert_eq!(jvms.len(), 2, "a JobManager and a TaskManager");

    let bad = sql.replace("amount * 2", "price * 2");
    let (details, took) = update(&server, "orders", new_text(&bad))?;
    let told = failure(&details);
    assert!(told.starts_with("Line 8, column 32: Column 'price' not found"), "{told}");
    eprintln!("refused in {took:.1} s: {told}");
    assert_eq!(engines::running(&server.data_dir), jvms, "nothing was stopped");
    drop_file(&work.join("in"), "2.csv", "2,20\n")?;
    assert_eq!(output(work, 2)?, ["1,20", "2,40"]);

    // A table of the service's own files is refused as on the embedded engine.
    let private =
        sql.replace(&work.join("in").display().to_string(), &server.data_dir.display().to_string());
    let (details, _) = update(&server, "orders", new_text(&private))?;
    assert!(failure(&details).contains("the service's own directory"), "{details}");

    server.aws().complete("StopApplication", json!({"ApplicationName": "orders"}), PATIENCE)?;
    assert!(engines::running(&server.data_dir).is_empty());
    Ok(())
}

/// Drops numbered rows, one file each, until it is told to stop.
struct Feed {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: Option<thread::JoinHandle<anyhow::Result<()>>>,
}

impl Feed {
    fn begin(directory: &Path) -> Feed {
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (input, stopped, counted) = (directory.join("in"), stop.clone(), count.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                drop_file(&input, &format!("{number:06}.csv"), &format!("{number},{number}\n"))?;
                thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        });
        Feed { stop, count, thread: Some(thread) }
    }

    /// How many rows there are.
    fn end(mut self) -> anyhow::Result<u64> {
        self.stop.store(true, Ordering::SeqCst);
        let thread = self.thread.take().expect("it is taken here alone");
        thread.join().expect("it does not panic")?;
        Ok(self.count.load(Ordering::SeqCst))
    }
}

/// Waits for every row, each once, with the factor of the version that wrote it.
fn check_rows(work: &Path, rows: u64) -> anyhow::Result<()> {
    let found = until("every row", PATIENCE, || {
        let found = lines(&work.join("out"))?;
        Ok((found.len() as u64 >= rows).then_some(found))
    })?;
    let id = |line: &String| line.split(',').next().unwrap_or_default().to_owned();
    let found: Vec<String> = found.iter().map(id).collect();
    let wanted: Vec<String> = (0..rows).map(|number| number.to_string()).collect();
    assert_eq!(difference(&wanted, &found), Vec::<String>::new());
    Ok(())
}

/// The longest time without a new row that ends after `since`.
fn longest_gap(since: Instant, times: &[(Instant, usize)]) -> f64 {
    let mut last = since;
    let mut longest = 0.0_f64;
    let mut count = 0;
    for (at, rows) in times.iter().filter(|(at, _)| *at >= since) {
        if *rows > count {
            longest = longest.max((*at - last).as_secs_f64());
            (last, count) = (*at, *rows);
        }
    }
    longest
}

/// Watches how many rows are out.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<Vec<(Instant, usize)>>>,
}

impl Watch {
    fn begin(work: &Path) -> Watch {
        let stop = Arc::new(AtomicBool::new(false));
        let (out, stopped) = (work.join("out"), stop.clone());
        let thread = thread::spawn(move || {
            let mut seen = Vec::new();
            while !stopped.load(Ordering::SeqCst) {
                seen.push((now(), lines(&out).map_or(0, |lines| lines.len())));
                thread::sleep(Duration::from_millis(50));
            }
            seen
        });
        Watch { stop, thread: Some(thread) }
    }

    fn end(mut self) -> Vec<(Instant, usize)> {
        self.stop.store(true, Ordering::SeqCst);
        let thread = self.thread.take().expect("it is taken here alone");
        thread.join().expect("it does not panic")
    }
}

#[test]
fn a_runtime_is_upgraded_in_place_while_rows_flow_and_none_is_lost() -> anyhow::Result<()> {
    let Some(home) = flink::long() else { return Ok(()) };
    let directory = tempfile::tempdir()?;
    let work = directory.path();
    let mut server = Server::start(&work.join("data"), &ServerOptions::default())?;
    flink::install(&server, &home)?;
    flink::install(&server, &flink::release("1.20.3")?)?;
    let sql = doubling(work);
    server.aws().call("CreateApplication", create("orders", "FLINK-1_18", text(&sql), "flink"))?;
    let feed = Feed::begin(work);
    server.aws().complete("StartApplication", json!({"ApplicationName": "orders"}), PATIENCE)?;
    let watch = Watch::begin(work);
    let (began, change) = (now(), json!({"RuntimeEnvironmentUpdate": "FLINK-1_20"}));
    let (details, took) = update(&server, "orders", change)?;
    assert_eq!(details["OperationStatus"], "SUCCESSFUL", "{details}");
    thread::sleep(Duration::from_secs(3));
    let gap = longest_gap(began, &watch.end());
    eprintln!("upgraded in {took:.1} s, without a new row for {gap:.1} s");

    // A snapshot of the running job; the server dies; its successor stops and starts the job.
    let snapshot = json!({"ApplicationName": "orders", "SnapshotName": "kept"});
    server.aws().call("CreateApplicationSnapshot", snapshot.clone())?;
    until("a READY snapshot", PATIENCE, || {
        let answer = server.aws().call("DescribeApplicationSnapshot", snapshot.clone())?;
        Ok((answer["SnapshotDetails"]["SnapshotStatus"] == "READY").then_some(()))
    })?;
    let jvms = engines::running(&server.data_dir);
    server.kill()?;
    let data = server.data_dir.clone();
    let next = Server::start(&data, &ServerOptions::default())?;
    server.forget();
    assert_eq!(next.aws().describe("orders")?["ApplicationStatus"], "RUNNING");
    assert_eq!(engines::running(&data), jvms, "the cluster was taken over, not replaced");
    next.aws().complete("StopApplication", json!({"ApplicationName": "orders"}), PATIENCE)?;
    next.aws().complete("StartApplication", json!({"ApplicationName": "orders"}), PATIENCE)?;

    // A TaskManager that is killed takes its cluster along, and the next one goes on.
    let first = engines::running(&data);
    engines::kill(*first.last().expect("two processes"), rustix::process::Signal::KILL);
    let rows = feed.end()?;
    check_rows(work, rows)?;
    next.aws().complete(
        "StopApplication",
        json!({"ApplicationName": "orders", "Force": true}),
        PATIENCE,
    )?;
    assert!(engines::running(&data).is_empty());
    next.aws().call(
        "DeleteApplicationSnapshot",
        json!({"ApplicationName": "orders",
        "SnapshotName": "kept", "SnapshotCreationTimestamp":
            next.aws().call("DescribeApplicationSnapshot", snapshot)?
                ["SnapshotDetails"]["SnapshotCreationTimestamp"]}),
    )?;
    Ok(())
}

/// Counts the lines of each key in state; `VALUE` is the type of the count, `UID` the operator.
const COUNTING: &str = r#"
import java.io.File;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.serialization.SimpleStringEncoder;
import org.apache.flink.api.common.state.*;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.connector.file.src.reader.TextLineInputFormat;
import org.apache.flink.core.fs.Path;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.*;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.filesystem.rollingpolicies.OnCheckpointRollingPolicy;
import org.apache.flink.util.Collector;

public class Counting {
    public static class Count extends KeyedProcessFunction<String, String, String> {
        private transient ValueState<VALUE> count;
        @Override public void open(Configuration configuration) {
            count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", VALUE.class));
        }
        @Override public void processElement(String line, Context context, Collector<String> out) throws Exception {
            VALUE before = count.value();
            VALUE after = NEXT;
            count.update(after);
            out.collect("PREFIX" + line.split(",")[0] + "," + after);
        }
    }
    public static void main(String[] arguments) throws Exception {
        String place = System.getenv("MILLRACE_APPLICATION_PROPERTIES");
        String work = null;
        for (JsonNode group : new ObjectMapper().readTree(new File(place))) {
            if (group.get("PropertyGroupId").asText().equals("files")) {
                work = group.get("PropertyMap").get("work").asText();
            }
        }
        StreamExecutionEnvironment flink = StreamExecutionEnvironment.getExecutionEnvironment();
        FileSource<String> source = FileSource
            .forRecordStreamFormat(new TextLineInputFormat(), new Path(work + "/in"))
            .monitorContinuously(Duration.ofMillis(100)).build();
        FileSink<String> sink = FileSink
            .forRowFormat(new Path(work + "/out"), new SimpleStringEncoder<String>())
            .withRollingPolicy(OnCheckpointRollingPolicy.build()).build();
        flink.fromSource(source, WatermarkStrategy.noWatermarks(), "lines").uid("lines")
            .keyBy(line -> line.split(",")[0])
            .process(new Count()).uid("UID").name("count")
            .sinkTo(sink).uid("files");
        flink.execute("counting");
    }
}
"#;

/// What differs between versions of the program.
struct Variant {
    value: &'static str,
    next: &'static str,
    uid: &'static str,
    prefix: &'static str,
}

const FIRST: Variant =
    Variant { value: "Long", next: "before == null ? 1L : before + 1", uid: "count", prefix: "" };

fn counting(home: &Path, work: &Path, variant: &Variant) -> anyhow::Result<Vec<u8>> {
    let source = COUNTING
        .replace("VALUE", variant.value)
        .replace("NEXT", variant.next)
        .replace("UID", variant.uid)
        .replace("PREFIX", variant.prefix);
    flink::jar(home, "Counting", &source, &tempfile::tempdir_in(work)?.keep())
}

/// Waits until the finished files hold such a line.
fn row(work: &Path, line: &str) -> anyhow::Result<()> {
    until(&format!("the row {line}"), PATIENCE, || {
        Ok(lines(&work.join("out"))?.iter().any(|found| found == line).then_some(()))
    })
}

#[test]
fn a_jar_with_keyed_state_is_updated_refused_and_put_back() -> anyhow::Result<()> {
    let Some(home) = flink::long() else { return Ok(()) };
    let directory = tempfile::tempdir()?;
    let work = directory.path();
    let server = Server::start(&work.join("data"), &ServerOptions::default())?;
    flink::install(&server, &home)?;
    let jar = counting(&home, work, &FIRST)?;
    let code = json!({"CodeContentType": "ZIPFILE",
        "CodeContent": {"ZipFileContent": STANDARD.encode(&jar)}});
    let mut request = create("counting", "FLINK-1_18", code, "auto");
    let groups =
        &mut request["ApplicationConfiguration"]["EnvironmentProperties"]["PropertyGroups"];
    let files = json!({"PropertyGroupId": "files", "PropertyMap": {"work": work}});
    groups.as_array_mut().expect("a list").push(files);
    // Longer than the stability window: what fails within it has shown nothing.
    request["ApplicationConfiguration"]["FlinkApplicationConfiguration"]["CheckpointConfiguration"]
        ["MinPauseBetweenCheckpoints"] = json!(1000);
    server.aws().call("CreateApplication", request)?;
    drop_file(&work.join("in"), "1.csv", "a\nb\na\n")?;
    server.aws().complete("StartApplication", json!({"ApplicationName": "counting"}), PATIENCE)?;
    row(work, "a,2")?;

    // The state goes along.
    let second = Variant { prefix: "v2 ", ..FIRST };
    let (details, took) = update(&server, "counting", new_jar(&counting(&home, work, &second)?))?;
    assert_eq!(details["OperationStatus"], "SUCCESSFUL", "{details}");
    eprintln!("updated in {took:.1} s");
    drop_file(&work.join("in"), "2.csv", "a\n")?;
    row(work, "v2 a,3")?;

    // Its state belongs to no operator: refused, and nothing is stopped.
    let jvms = engines::running(&server.data_dir);
    let renamed = Variant { uid: "other", ..FIRST };
    let (details, took) = update(&server, "counting", new_jar(&counting(&home, work, &renamed)?))?;
    let told = failure(&details);
    assert!(told.contains("state of operator count -> "), "{told}");
    assert_eq!(engines::running(&server.data_dir), jvms, "nothing was stopped");
    eprintln!("refused in {took:.1} s: {told}");

    // Only a task finds out that its state has another type: put back.
    let retyped = Variant { value: "String", next: "\"x\" + before", ..FIRST };
    let (details, took) = update(&server, "counting", new_jar(&counting(&home, work, &retyped)?))?;
    let told = failure(&details);
    // Flink names the task only for as long as it has it.
    assert!(told.contains("cannot read the state of") && told.contains("its type"), "{told}");
    let rollback = &details["OperationFailureDetails"]["RollbackOperationId"];
    let rollback = rollback.as_str().unwrap_or_else(|| panic!("a rollback: {details}"));
    let put_back = server.aws().settled("counting", rollback, PATIENCE)?;
    assert_eq!(put_back["OperationStatus"], "SUCCESSFUL", "{put_back}");
    eprintln!("failed in {took:.1} s: {told}");
    drop_file(&work.join("in"), "3.csv", "a\nb\n")?;
    row(work, "v2 a,4")?;
    row(work, "v2 b,2")?;
    let all: Vec<String> =
        ["a,1", "a,2", "b,1", "v2 a,3", "v2 a,4", "v2 b,2"].map(str::to_owned).into();
    assert_eq!(difference(&all, &lines(&work.join("out"))?), Vec::<String>::new());
    Ok(())
}

#[test]
fn a_script_that_the_embedded_engine_refuses_runs_on_flink_and_says_why() -> anyhow::Result<()> {
    let Some(home) = flink::long() else { return Ok(()) };
    let directory = tempfile::tempdir()?;
    let work = directory.path();
    let server = Server::start(&work.join("data"), &ServerOptions::default())?;
    let sql = doubling(work).replace("amount * 2", "CAST(CHAR_LENGTH(UUID()) AS BIGINT) + amount");
    server.aws().call("CreateApplication", create("orders", "FLINK-1_18", text(&sql), "auto"))?;
    let start = || -> anyhow::Result<Value> {
        let answer = server.aws().call("StartApplication", json!({"ApplicationName": "orders"}))?;
        server.aws().settled("orders", answer["OperationId"].as_str().unwrap_or_default(), PATIENCE)
    };
    // Without Flink: the embedded engine's own refusal.
    let told = failure(&start()?);
    assert!(told.contains("UUID"), "{told}");

    flink::install(&server, &home)?;
    drop_file(&work.join("in"), "1.csv", "1,10\n")?;
    let details = start()?;
    assert_eq!(details["OperationStatus"], "SUCCESSFUL", "{details}");
    assert_eq!(output(work, 1)?, ["1,46"]);

    // Its state is Flink's now: the other engine does not read it, and nothing is stopped.
    let ran = server.millrace(&["app", "update", "orders", "--engine", "embedded"])?;
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("was written by Apache Flink"), "{}", ran.stderr);
    let ran = server.millrace(&[
        "app",
        "update",
        "orders",
        "--check",
        "--checkpoint-interval",
        "2000",
    ])?;
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("runs on Apache Flink 1.18.1"), "{}", ran.stdout);
    let (_, shown) = server.aws().rest("GET", "/v1/applications/orders", &Value::Null)?;
    let runs_on = &shown["runsOn"];
    assert_eq!((&runs_on["engine"], &runs_on["release"]), (&json!("flink"), &json!("1.18.1")));
    let reason = runs_on["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("the embedded engine refuses the script"), "{shown}");
    Ok(())
}
