//! `millrace serve` as a process: where it listens, who may, how it ends, what it finds
//! again.

use millrace_e2e::{PATIENCE, doubling, output};
use millrace_test_support::cli::millrace;
use millrace_test_support::files::drop_file;
use millrace_test_support::time::until;
use millrace_test_support::{Server, ServerOptions, engines, http};
use serde_json::{Value, json};

fn create(name: &str, sql: &str) -> Value {
    json!({
        "ApplicationName": name,
        "RuntimeEnvironment": "FLINK-1_18",
        "ServiceExecutionRole": "arn:aws:iam::000000000000:role/test",
        "ApplicationConfiguration": {
            "ApplicationCodeConfiguration":
                {"CodeContentType": "PLAINTEXT", "CodeContent": {"TextContent": sql}},
            "FlinkApplicationConfiguration": {"CheckpointConfiguration": {
                "ConfigurationType": "CUSTOM", "CheckpointingEnabled": true,
                "CheckpointInterval": 200, "MinPauseBetweenCheckpoints": 0,
            }},
        },
    })
}

#[test]
fn it_says_how_to_reach_it_and_stops_when_told() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let mut server = Server::start(directory.path(), &ServerOptions::default())?;
    let said = std::fs::read_to_string(&server.log)?;
    let line = format!("AWS_ENDPOINT_URL_KINESIS_ANALYTICS_V2=http://{}", server.address);
    assert!(said.contains(&line), "{said}");
    assert!(said.contains("aws kinesisanalyticsv2 list-applications"), "{said}");
    assert_eq!(
        server.aws().call("ListApplications", json!({}))?,
        json!({"ApplicationSummaries": []})
    );
    assert_eq!(server.stop()?.code(), Some(0));
    Ok(())
}

#[test]
fn a_second_server_on_one_data_directory_is_refused() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let first = Server::start(directory.path(), &ServerOptions::default())?;
    let second = millrace(
        "",
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            &directory.path().display().to_string(),
        ],
    )?;
    assert_eq!(second.code, 1);
    assert!(
        second.stderr.contains("another millrace serve uses the data directory"),
        "{}",
        second.stderr
    );
    // The first was not disturbed.
    first.aws().call("ListApplications", json!({}))?;
    Ok(())
}

#[test]
fn a_taken_port_is_named_with_what_to_do() -> anyhow::Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let directory = tempfile::tempdir()?;
    let address = taken.local_addr()?.to_string();
    let ran = millrace(
        "",
        &["serve", "--listen", &address, "--data-dir", &directory.path().display().to_string()],
    )?;
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains(&address) && ran.stderr.contains("--listen"), "{}", ran.stderr);
    Ok(())
}

#[test]
fn a_job_runs_on_while_the_server_is_killed_and_the_next_server_finds_it() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let mut server = Server::start(&directory.path().join("data"), &ServerOptions::default())?;
    let work = directory.path();
    drop_file(&work.join("in"), "1.csv", "1,10\n")?;
    server.aws().call("CreateApplication", create("orders", &doubling(work)))?;
    server.aws().complete("StartApplication", json!({"ApplicationName": "orders"}), PATIENCE)?;
    let running = engines::running(&server.data_dir);
    assert_eq!(running.len(), 1);

    server.kill()?;
    drop_file(&work.join("in"), "2.csv", "2,20\n")?;
    assert_eq!(output(work, 2)?, ["1,20", "2,40"]);

    let data = server.data_dir.clone();
    let mut next = Server::start(&data, &ServerOptions::default())?;
    server.forget();
    assert_eq!(next.aws().describe("orders")?["ApplicationStatus"], "RUNNING");
    assert_eq!(engines::running(&data), running, "the engine was taken over, not replaced");

    // A graceful stop leaves it running as well.
    assert_eq!(next.stop()?.code(), Some(0));
    assert_eq!(engines::running(&data), running);
    let last = Server::start(&data, &ServerOptions::default())?;
    next.forget();
    drop_file(&work.join("in"), "3.csv", "3,30\n")?;
    assert_eq!(output(work, 3)?, ["1,20", "2,40", "3,60"]);
    last.aws().complete("StopApplication", json!({"ApplicationName": "orders"}), PATIENCE)?;
    Ok(())
}

#[test]
fn a_killed_engine_is_started_again_and_repeats_no_row() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let work = directory.path();
    let server = Server::start(&work.join("data"), &ServerOptions::default())?;
    drop_file(&work.join("in"), "1.csv", "1,10\n")?;
    server.aws().call("CreateApplication", create("orders", &doubling(work)))?;
    server.aws().complete("StartApplication", json!({"ApplicationName": "orders"}), PATIENCE)?;
    assert_eq!(output(work, 1)?, ["1,20"]);
    let first = engines::running(&server.data_dir);
    assert_eq!(engines::kill_all(&server.data_dir), 1);
    drop_file(&work.join("in"), "2.csv", "2,20\n")?;
    assert_eq!(output(work, 2)?, ["1,20", "2,40"]);
    assert_ne!(engines::running(&server.data_dir), first);
    Ok(())
}

#[test]
fn an_application_nobody_started_survives_kill_9() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let mut server = Server::start(directory.path(), &ServerOptions::default())?;
    let created =
        server.aws().call("CreateApplication", create("a", &doubling(directory.path())))?;
    server.kill()?;
    let next = Server::start(directory.path(), &ServerOptions::default())?;
    assert_eq!(next.aws().describe("a")?, created["ApplicationDetail"]);
    Ok(())
}

#[test]
fn logs_can_be_read_and_an_unknown_name_is_an_error() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let work = directory.path();
    let server = Server::start(&work.join("data"), &ServerOptions::default())?;
    let unsigned = http::request(&server.address, "GET", "/v1/applications/none/logs", &[], "")?;
    assert_eq!(unsigned.status, 401);
    assert!(unsigned.body.contains("MissingAuthenticationToken"), "{}", unsigned.body);
    let absent = server.millrace(&["app", "logs", "none"])?;
    assert_eq!(absent.code, 1);
    assert!(absent.stderr.contains("ResourceNotFoundException"), "{}", absent.stderr);

    server.aws().call("CreateApplication", create("orders", &doubling(work)))?;
    server.aws().complete("StartApplication", json!({"ApplicationName": "orders"}), PATIENCE)?;
    let text = until("something logged", PATIENCE, || {
        let ran = server.millrace(&["app", "logs", "orders"])?;
        Ok(Some(ran.stdout).filter(|text| !text.is_empty()))
    })?;
    assert!(text.lines().count() > 0);
    Ok(())
}

/// What a tenant writes may read files: those of the server are none of its business.
#[test]
fn a_script_cannot_read_the_servers_own_files() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let work = directory.path();
    let server = Server::start(&work.join("data"), &ServerOptions::default())?;
    std::os::unix::fs::symlink(&server.data_dir, work.join("link"))?;
    for (name, path) in [("plain", "data/credentials"), ("link", "link"), ("above", "")] {
        let path = work.join(path).display().to_string();
        let sql = doubling(work).replace(&work.join("in").display().to_string(), &path);
        assert!(sql.contains(&format!("'{path}'")), "{sql}");
        server.aws().call("CreateApplication", create(name, &sql))?;
        let answer = server.aws().call("StartApplication", json!({"ApplicationName": name}))?;
        let id = answer["OperationId"].as_str().unwrap_or_default().to_owned();
        let details = server.aws().settled(name, &id, PATIENCE)?;
        assert_eq!(details["OperationStatus"], "FAILED", "{name}: {details}");
        assert!(details.to_string().contains("the service's own directory"), "{name}: {details}");
    }
    Ok(())
}
