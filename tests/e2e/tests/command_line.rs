//! `millrace app …` from creation to deletion, as a person and as a program read it.

use std::path::Path;

use millrace_e2e::{doubling, output};
use millrace_test_support::cli::{Ran, millrace_at, millrace_at_home};
use millrace_test_support::files::drop_file;
use millrace_test_support::{Server, ServerOptions};
use serde_json::Value;

struct Story {
    server: Server,
}

impl Story {
    fn app(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        self.server.millrace(&[&["app"], arguments].concat())
    }

    /// Exit code 0, or the test ends with what was printed.
    fn done(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let ran = self.app(arguments)?;
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        Ok(ran.stdout)
    }

    fn snapshot(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let ran = self.server.millrace(&[&["snapshot"], arguments].concat())?;
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        Ok(ran.stdout)
    }

    fn enhanced(&self, name: &str) -> anyhow::Result<()> {
        self.done(&["update", name, "--snapshots", "enhanced"]).map(drop)
    }

    fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.done(&[arguments, &["--output", "json"]].concat())?)?)
    }
}

fn script(directory: &Path, name: &str, text: &str) -> anyhow::Result<String> {
    let path = directory.join(name);
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}

#[test]
fn the_whole_story() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let work = directory.path();
    let server = Server::start(&work.join("data"), &ServerOptions::default())?;
    let story = Story { server };
    let good = script(work, "good.sql", &doubling(work))?;
    let bad = script(work, "bad.sql", &doubling(work).replace("amount * 2", "nothing"))?;
    drop_file(&work.join("in"), "1.csv", "1,10\n")?;

    let created = story.done(&[
        "create",
        "orders",
        "--sql",
        &good,
        "--runtime",
        "FLINK-1_15",
        "--checkpoint-interval",
        "200",
        "--property",
        "group.key=value",
        "--tag",
        "team=a",
    ])?;
    assert!(created.contains("millrace app start orders"), "{created}");
    let started = story.done(&["start", "orders"])?;
    assert!(started.contains("SUCCESSFUL") && started.contains("RUNNING"), "{started}");
    assert_eq!(output(work, 1)?, ["1,20"]);
    assert!(story.done(&["list"])?.contains("orders  RUNNING"));

    let upgraded = story.done(&["update", "orders", "--runtime", "FLINK-1_18"])?;
    assert!(upgraded.contains("version 2 on FLINK-1_18"), "{upgraded}");

    let refused = story.app(&["update", "orders", "--sql", &bad])?;
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("nothing") && refused.stderr.contains("RUNNING"),
        "{}",
        refused.stderr
    );

    story.done(&["snapshots", "orders", "--create", "mine"])?;
    assert!(story.done(&["snapshots", "orders"])?.contains("mine"));
    story.done(&["snapshots", "orders", "--delete", "mine"])?;

    let operations = story.json(&["operations", "orders"])?;
    let failed = operations.as_array().expect("a list").iter();
    assert_eq!(failed.filter(|o| o["OperationStatus"] == "FAILED").count(), 1, "{operations}");
    assert!(story.json(&["versions", "orders"])?.as_array().is_some_and(|v| v.len() >= 2));
    let version = story.json(&["versions", "orders", "1"])?;
    assert_eq!(version["RuntimeEnvironment"], "FLINK-1_15");

    drop_file(&work.join("in"), "2.csv", "2,20\n")?;
    assert_eq!(output(work, 2)?, ["1,20", "2,40"]);
    assert_eq!(story.json(&["stop", "orders"])?["OperationStatus"], "SUCCESSFUL");
    assert_eq!(story.json(&["describe", "orders"])?["ApplicationStatus"], "READY");
    assert_eq!(story.json(&["delete", "orders"])?["Deleted"], true);
    assert_eq!(story.json(&["list"])?, serde_json::json!([]));
    Ok(())
}

/// Out to a directory that stands for S3, and into another server.
#[test]
fn a_snapshot_goes_from_one_server_to_another() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let work = directory.path();
    std::fs::create_dir_all(work.join("s3/backups"))?;
    let more = vec!["--s3-directory".to_owned(), work.join("s3").display().to_string()];
    let options = ServerOptions { more, ..ServerOptions::default() };
    let story = Story { server: Server::start(&work.join("one"), &options)? };
    let script = script(work, "orders.sql", &doubling(work))?;
    drop_file(&work.join("in"), "1.csv", "1,10\n")?;
    story.done(&["create", "orders", "--sql", &script, "--checkpoint-interval", "200"])?;
    story.enhanced("orders")?;
    story.done(&["start", "orders"])?;
    assert_eq!(output(work, 1)?, ["1,20"]);
    story.snapshot(&["create", "mine", "--of", "orders", "--tag", "team=a"])?;
    assert!(story.snapshot(&["list"])?.contains("mine  READY   orders"));
    story.snapshot(&["delete", "mine"])?;
    story.done(&["stop", "orders"])?;
    let listed = story.snapshot(&["list", "--output", "json"])?;
    let listed: Value = serde_json::from_str(&listed)?;
    let name = listed[0]["SnapshotName"].as_str().expect("the stop took one");
    let exported = story.snapshot(&["export", name, "s3://backups/orders"])?;
    let place = exported.trim().rsplit(' ').next().expect("the place is last");
    assert!(place.starts_with("s3://backups/orders/"), "{exported}");
    let nowhere = story.server.millrace(&["snapshot", "export", name, "s3://none/x"])?;
    assert!(nowhere.code == 1 && nowhere.stderr.contains("there is no bucket none"), "{nowhere:?}");
    drop(story);

    let story = Story { server: Server::start(&work.join("two"), &options)? };
    let imported = story.snapshot(&["import", "from-one", place, "--tag", "team=a"])?;
    assert!(imported.contains("snapshot/from-one"), "{imported}");
    assert!(story.snapshot(&["list"])?.contains("from-one  READY"));
    story.done(&["create", "orders", "--sql", &script, "--checkpoint-interval", "200"])?;
    story.enhanced("orders")?;
    drop_file(&work.join("in"), "2.csv", "2,20\n")?;
    let arn = imported.trim().rsplit(' ').next().expect("the ARN is last");
    story.done(&["start", "orders", "--from-snapshot", arn])?;
    assert_eq!(output(work, 2)?, ["1,20", "2,40"]);
    Ok(())
}

#[test]
fn errors_end_with_what_to_do_next() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let server = Server::start(directory.path(), &ServerOptions::default())?;
    let nobody = millrace_at("127.0.0.1:1", Some(directory.path()), &["app", "list"])?;
    assert_eq!(nobody.code, 1);
    assert!(nobody.stderr.contains("start one with `millrace serve`"), "{}", nobody.stderr);
    let no_key = millrace_at(&server.address, Some(Path::new("/absent")), &["app", "list"])?;
    assert_eq!(no_key.code, 1);
    assert!(no_key.stderr.contains("cannot read the access key in /absent"), "{}", no_key.stderr);
    let story = Story { server };
    let absent = story.app(&["describe", "none"])?;
    assert_eq!(absent.code, 1);
    assert!(absent.stderr.contains("next: `millrace app list`"), "{}", absent.stderr);
    let file = story.app(&["create", "a", "--sql", "/absent.sql"])?;
    assert!(file.stderr.contains("cannot read /absent.sql"), "{}", file.stderr);
    let nothing = story.app(&["create", "a"])?;
    assert_eq!(nothing.code, 0, "{}", nothing.stderr);
    let empty = story.app(&["update", "a"])?;
    assert!(empty.stderr.contains("nothing to update: give"), "{}", empty.stderr);
    Ok(())
}

/// The data directory is the usual one below the home: nothing is said on the command line.
#[test]
fn a_laptop_needs_no_further_step() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let data = home.path().join(".local/share/millrace");
    let server = Server::start(&data, &ServerOptions::default())?;
    let endpoint = format!("http://{}", server.address);
    let listed = millrace_at_home(
        home.path(),
        &["app", "list", "--output", "json", "--endpoint", &endpoint],
    )?;
    assert_eq!((listed.code, listed.stdout.trim()), (0, "[]"), "{}", listed.stderr);
    let keys = millrace_at_home(home.path(), &["keys", "list"])?;
    assert!(keys.stdout.contains("arn:aws:iam::000000000000:root  Active"), "{}", keys.stdout);

    // Another home has no access key, and is told where to find one.
    let stranger = tempfile::tempdir()?;
    let refused = millrace_at_home(stranger.path(), &["app", "list", "--endpoint", &endpoint])?;
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("there is no access key to sign with"), "{}", refused.stderr);
    let nothing = millrace_at_home(stranger.path(), &["keys", "list"])?;
    assert!(nothing.stderr.contains("no server has its data in"), "{}", nothing.stderr);
    Ok(())
}
