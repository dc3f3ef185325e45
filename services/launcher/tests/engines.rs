//! Which engine runs a launch, and what is said when none can. No JVM is started here.

use std::collections::BTreeMap;
use std::path::Path;

use millrace_domain::configuration::PropertyGroup;
use millrace_domain::lifecycle::{Launch, RestoreFrom};
use millrace_domain::{ApplicationId, ArtifactId, Generation, Timestamp};
use millrace_launcher::flink::FlinkSettings;
use millrace_launcher::{Engines, Launcher, LauncherError, LocalSettings};
use tempfile::TempDir;

const SCRIPT: &str = "aa";
const JAR: &str = "bb";

/// A data directory with a script and a JAR, whose embedded planner takes every script.
struct Place {
    directory: TempDir,
    engines: Engines,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let data = directory.path().to_owned();
        write(&data.join("artifacts").join(SCRIPT), b"INSERT INTO t SELECT 1");
        write(&data.join("artifacts").join(JAR), b"PK\x03\x04...");
        write(&data.join("engine.sh"), b"echo '{\"ok\":true}'");
        let mut embedded = LocalSettings::new(data.clone(), "/bin/sh".into());
        embedded.arguments = vec![data.join("engine.sh").display().to_string()];
        let engines = Engines::new(embedded, FlinkSettings::new(data)).expect("clients");
        Place { directory, engines }
    }

    fn state(&self, name: &str, bytes: &[u8]) {
        let state = self.directory.path().join("applications/app/state");
        write(&state.join(name), bytes);
    }

    /// `None`: it can run. `engine`: of the property group, when there is one.
    async fn refusal(&self, artifact: &str, engine: Option<&str>) -> Option<String> {
        let verdict = self.engines.check(&launch(artifact, engine)).await.expect("a verdict");
        (!verdict.ok).then_some(verdict.message)
    }

    async fn check(&self, artifact: &str, engine: Option<&str>, want: Option<&str>) {
        let found = self.refusal(artifact, engine).await;
        match (&found, want) {
            (None, None) => {}
            (Some(found), Some(want)) if found.contains(want) => {}
            _ => panic!("{artifact} {engine:?}: {found:?}, not {want:?}"),
        }
    }
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("writable");
    std::fs::write(path, bytes).expect("writable");
}

fn launch(artifact: &str, engine: Option<&str>) -> Launch {
    let group = |engine: &str| PropertyGroup {
        id: "millrace.runtime".to_owned(),
        properties: BTreeMap::from([("engine".to_owned(), engine.to_owned())]),
    };
    Launch {
        application: ApplicationId::new("app").expect("a valid id"),
        name: "flights".to_owned(),
        generation: Generation(1),
        runtime: "FLINK-1_18".to_owned(),
        artifact: ArtifactId::new(artifact).expect("hexadecimal"),
        restore: RestoreFrom::Latest,
        since_generation: None,
        allow_non_restored_state: false,
        parallelism: 1,
        kpus: 1,
        settings: BTreeMap::new(),
        properties: engine.map(group).into_iter().collect(),
        hold_commits: false,
        standby: false,
        log_level: "INFO".to_owned(),
    }
}

/// As Flink begins it: the magic number, a version, the checkpoint's number.
const METADATA: [u8; 16] = [0x49, 0x60, 0x67, 0x2d, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 7];

#[tokio::test]
async fn the_code_decides_where_nobody_asks() {
    let place = Place::new();
    place.check(SCRIPT, None, None).await;
    place.check(SCRIPT, Some("auto"), None).await;
    place.check(SCRIPT, Some("embedded"), None).await;
    let missing = "no release of Apache Flink 1.18 is installed: whoever runs the service \
                   installs one with `millrace runtimes install 1.18`";
    place.check(JAR, None, Some(missing)).await;
    place.check(SCRIPT, Some("flink"), Some(missing)).await;
    place.check(JAR, Some("embedded"), Some("the embedded engine runs SQL scripts")).await;
    let mut python = launch(JAR, None);
    python.properties.push(PropertyGroup {
        id: "kinesis.analytics.flink.run.options".to_owned(),
        properties: BTreeMap::from([("python".to_owned(), "main.py".to_owned())]),
    });
    let verdict = place.engines.check(&python).await.expect("a verdict");
    assert!(verdict.message.contains("programs in Python"), "{verdict:?}");
    place.check(JAR, Some("fast"), Some("it must be auto, embedded or flink")).await;
}

#[tokio::test]
async fn state_stays_with_the_engine_that_wrote_it() {
    let place = Place::new();
    place.state("checkpoints/c1/_metadata", b"{}");
    place.check(SCRIPT, None, None).await;
    place.check(SCRIPT, Some("flink"), Some("was written by the embedded engine")).await;

    let place = Place::new();
    place.state("savepoints/stop/savepoint-000001-abc/_metadata", &METADATA);
    place.check(SCRIPT, Some("embedded"), Some("was written by Apache Flink")).await;
    // Not embedded, though its planner would take the script.
    place.check(SCRIPT, None, Some("no release of Apache Flink")).await;
    // Nothing is restored: nothing is in the way.
    let fresh = Launch { restore: RestoreFrom::None, ..launch(SCRIPT, Some("embedded")) };
    assert!(place.engines.check(&fresh).await.expect("a verdict").ok);
}

#[tokio::test]
async fn what_cannot_run_is_not_started() {
    let place = Place::new();
    let started = place.engines.start(&launch(JAR, None), Timestamp(1)).await;
    assert!(matches!(started, Err(LauncherError::Refused { .. })), "{started:?}");
    let gone = place.engines.start(&launch("cc", None), Timestamp(1)).await;
    assert!(matches!(gone, Err(LauncherError::NoCode { .. })), "{gone:?}");
}
