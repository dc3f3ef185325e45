//! The local launcher with a tiny engine: processes that outlive it, and are never confused.

mod engine;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use millrace_domain::lifecycle::{Launch, Observed, Outcome, RestoreFrom, SnapshotRequest};
use millrace_domain::{ApplicationId, ArtifactId, Generation, SnapshotName, Timestamp};
use millrace_launcher::{Launcher, LauncherError, LocalLauncher, LocalSettings};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_000);
const G1: Generation = Generation(1);
const G2: Generation = Generation(2);

/// A data directory with the engine's script in it.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("artifacts")).expect("it is empty");
        for script in ["good", "exits", "silent"] {
            let artifact = directory.path().join("artifacts").join(artifact(script).as_str());
            std::fs::write(artifact, script).expect("it is writable");
        }
        let binary = std::env::current_exe().expect("this test");
        let text = format!(
            "case $1 in\n\
             check) cat \"$(dirname \"$3\")/../../../../verdict\";;\n\
             run) exec '{}' engine::fake_engine --exact --nocapture -- \"$@\";;\n\
             esac\n",
            binary.display()
        );
        std::fs::write(directory.path().join("engine.sh"), text).expect("it is writable");
        Place { directory }
    }

    fn launcher(&self) -> LocalLauncher {
        let mut settings = LocalSettings::new(self.directory.path().to_owned(), "/bin/sh".into());
        settings.arguments = vec![self.file("engine.sh")];
        settings.check_timeout = Duration::from_secs(10);
        LocalLauncher::new(settings).expect("a client")
    }

    fn file(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn run_file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join("applications/app/run/g1").join(name)
    }

    async fn start(&self, launcher: &LocalLauncher, launch: &Launch) {
        launcher.start(launch, NOW).await.expect("it starts");
    }
}

fn artifact(script: &str) -> ArtifactId {
    let text = script.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    ArtifactId::new(text).expect("hex digits")
}

fn app() -> ApplicationId {
    ApplicationId::new("app").expect("a valid id")
}

fn launch(generation: Generation, script: &str, standby: bool) -> Launch {
    Launch {
        application: app(),
        name: "flights".to_owned(),
        generation,
        runtime: "FLINK-1_18".to_owned(),
        artifact: artifact(script),
        restore: RestoreFrom::Latest,
        since_generation: None,
        allow_non_restored_state: false,
        parallelism: 1,
        kpus: 1,
        settings: BTreeMap::new(),
        properties: Vec::new(),
        hold_commits: false,
        standby,
        log_level: "INFO".to_owned(),
    }
}

/// Observes until it is as wanted.
async fn wait_for(
    launcher: &LocalLauncher,
    generation: Generation,
    wanted: impl Fn(&Observed) -> bool,
) -> Observed {
    for _ in 0..2_000 {
        let mut seen = launcher.observe(&app(), NOW).await.expect("observable");
        let observed = seen.remove(&generation).unwrap_or(Observed::Absent);
        if wanted(&observed) {
            return observed;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("generation {generation} never was as wanted");
}

#[tokio::test]
async fn an_engine_starts_runs_and_is_stopped() {
    let place = Place::new();
    let launcher = place.launcher();
    assert_eq!(launcher.observe(&app(), NOW).await.expect("observable"), BTreeMap::new());
    place.start(&launcher, &launch(G1, "good", false)).await;
    let running = wait_for(&launcher, G1, Observed::is_running).await;
    let Observed::Running(health) = running else { panic!("{running:?}") };
    assert_eq!((health.uptime_ms, health.checkpoints_completed, health.held), (1234, 0, false));
    launcher.trigger_checkpoint(&app(), G1).await.expect("accepted");
    wait_for(&launcher, G1, |o| matches!(o, Observed::Running(h) if h.checkpoints_completed == 1))
        .await;
    launcher.stop(&app(), G1).await.expect("it stops");
    launcher.stop(&app(), G1).await.expect("twice is once");
    let seen = launcher.observe(&app(), NOW).await.expect("observable");
    assert!(matches!(seen[&G1], Observed::Exited { code: None, .. }), "{seen:?}");
}

#[tokio::test]
async fn a_new_server_finds_the_engines_of_the_old_one() {
    let place = Place::new();
    let first = place.launcher();
    place.start(&first, &launch(G1, "good", false)).await;
    wait_for(&first, G1, Observed::is_running).await;
    drop(first);
    let second = place.launcher();
    wait_for(&second, G1, Observed::is_running).await;
    second.start(&launch(G1, "good", false), NOW).await.expect("it is there already");
    second.stop(&app(), G1).await.expect("it stops");
    let seen = second.observe(&app(), NOW).await.expect("observable");
    assert!(!seen[&G1].is_alive(), "{seen:?}");
}

#[tokio::test]
async fn an_engine_whose_start_was_not_written_down_is_found_too() {
    let place = Place::new();
    let first = place.launcher();
    place.start(&first, &launch(G1, "good", false)).await;
    wait_for(&first, G1, Observed::is_running).await;
    std::fs::remove_file(place.run_file("process.json")).expect("it was written");
    let second = place.launcher();
    wait_for(&second, G1, Observed::is_running).await;
    second.stop(&app(), G1).await.expect("it stops");
}

#[tokio::test]
async fn a_pid_that_belongs_to_another_process_is_left_alone() {
    let place = Place::new();
    let launcher = place.launcher();
    place.start(&launcher, &launch(G1, "exits", false)).await;
    wait_for(&launcher, G1, |o| matches!(o, Observed::Exited { .. })).await;
    // Now the files name this very test process, with another start time.
    std::fs::remove_file(place.run_file("ended.json")).expect("it was written");
    let text = format!(r#"{{"pid":{},"kernel_start":1,"started_at_ms":0}}"#, std::process::id());
    std::fs::write(place.run_file("process.json"), text).expect("it is writable");
    let second = place.launcher();
    second.stop(&app(), G1).await.expect("nothing to stop");
    let seen = second.observe(&app(), NOW).await.expect("observable");
    assert!(matches!(seen[&G1], Observed::Exited { code: None, .. }), "{seen:?}");
}

#[tokio::test]
async fn the_last_words_of_an_engine_are_its_cause() {
    let place = Place::new();
    let launcher = place.launcher();
    place.start(&launcher, &launch(G1, "exits", false)).await;
    let exited = wait_for(&launcher, G1, |o| matches!(o, Observed::Exited { .. })).await;
    let cause = "Table orders is not there".to_owned();
    assert_eq!(exited, Observed::Exited { code: Some(1), cause });
}

#[tokio::test]
async fn stale_decisions_start_nothing() {
    let place = Place::new();
    let launcher = place.launcher();
    place.start(&launcher, &launch(G2, "exits", false)).await;
    wait_for(&launcher, G2, |o| matches!(o, Observed::Exited { .. })).await;
    let again = launcher.start(&launch(G2, "good", false), NOW).await;
    assert!(matches!(again, Err(LauncherError::Ended { .. })), "{again:?}");
    let older = launcher.start(&launch(G1, "good", false), NOW).await;
    assert!(matches!(older, Err(LauncherError::Superseded { newer: G2, .. })), "{older:?}");
    assert!(again.is_err_and(|error| error.is_final()));
}

#[tokio::test]
async fn an_engine_gets_no_variable_that_is_not_listed() {
    let place = Place::new();
    let launcher = place.launcher();
    place.start(&launcher, &launch(G1, "good", false)).await;
    wait_for(&launcher, G1, Observed::is_running).await;
    let text = std::fs::read_to_string(place.run_file("environment")).expect("it was written");
    let names: Vec<&str> = text.lines().collect();
    // The shell between adds its own.
    let listed = [
        "PATH",
        "LANG",
        "LC_ALL",
        "TZ",
        "RUST_LOG",
        "RUST_BACKTRACE",
        // Names directories to stay out of, and nothing in them.
        "MILLRACE_PRIVATE_DIRECTORIES",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
    ];
    let others: Vec<_> = names.iter().filter(|name| !listed.contains(name)).collect();
    assert!(others.is_empty() && names.contains(&"PATH"), "{others:?}");
    launcher.stop(&app(), G1).await.expect("it stops");
}

#[tokio::test]
async fn a_standby_gets_its_job_and_stops_with_a_savepoint_in_an_older_format() {
    let place = Place::new();
    let launcher = place.launcher();
    let held = Launch { hold_commits: true, ..launch(G1, "good", true) };
    place.start(&launcher, &held).await;
    wait_for(&launcher, G1, |o| *o == Observed::Staged).await;
    let restore = RestoreFrom::Snapshot { location: "/s".to_owned() };
    launcher.run_job(&app(), G1, &restore, false).await.expect("accepted");
    launcher.run_job(&app(), G1, &restore, false).await.expect("twice is once");
    wait_for(&launcher, G1, |o| matches!(o, Observed::Running(h) if h.held)).await;
    launcher.release_commits(&app(), G1).await.expect("accepted");
    wait_for(&launcher, G1, |o| matches!(o, Observed::Running(h) if !h.held)).await;
    let request = |stop| SnapshotRequest {
        generation: G1,
        name: SnapshotName::new("mine").expect("a valid name"),
        stop,
        keep: false,
        level: Some("FLINK-1_15".to_owned()),
        trigger: None,
    };
    let refused = launcher.take_snapshot(&app(), &request(false)).await;
    assert!(
        matches!(&refused, Err(LauncherError::Refused { message }) if message == "No disk"),
        "{refused:?}"
    );
    let taken = launcher.take_snapshot(&app(), &request(true)).await.expect("accepted");
    let location = place.file("applications/app/state/savepoints/mine#FLINK-1_15");
    assert_eq!(taken, Outcome::SnapshotTaken { location: location.clone() });
    wait_for(&launcher, G1, |o| *o == Observed::Finished { savepoint: Some(location.clone()) })
        .await;
    launcher.stop(&app(), G1).await.expect("it stops");
}

#[tokio::test]
async fn an_engine_that_does_not_listen_is_starting_and_can_be_stopped() {
    let place = Place::new();
    let launcher = place.launcher();
    place.start(&launcher, &launch(G1, "silent", false)).await;
    let seen = launcher.observe(&app(), NOW).await.expect("observable");
    assert_eq!(seen[&G1], Observed::Starting { since: NOW });
    launcher.stop(&app(), G1).await.expect("it is killed");
}

#[tokio::test]
async fn the_planner_s_verdict_is_read() {
    let place = Place::new();
    let launcher = place.launcher();
    let answer = |text: &str| std::fs::write(place.file("verdict"), text).expect("writable");
    answer(r#"{"ok":true}"#);
    let verdict = launcher.check(&launch(G1, "good", false)).await.expect("a verdict");
    assert!(verdict.ok);
    answer(
        r#"{"ok":false,"diagnostics":[{"severity":"error","line":1,"column":2,"message":"no"}]}"#,
    );
    let verdict = launcher.check(&launch(G1, "good", false)).await.expect("a verdict");
    assert_eq!((verdict.ok, verdict.message.as_str()), (false, "Line 1, column 2: no."));
    answer("");
    let failed = launcher.check(&launch(G1, "good", false)).await;
    assert!(matches!(failed, Err(LauncherError::CheckFailed { .. })), "{failed:?}");
    let left = std::fs::read_dir(place.file("applications/app/run")).expect("it is there").count();
    assert_eq!(left, 0, "a check leaves nothing");
    let missing = Launch { artifact: artifact("none"), ..launch(G1, "good", false) };
    let failed = launcher.check(&missing).await;
    assert!(matches!(failed, Err(LauncherError::NoCode { .. })), "{failed:?}");
}

#[tokio::test]
async fn only_files_of_the_application_are_deleted() {
    let place = Place::new();
    let launcher = place.launcher();
    let savepoints = place.file("applications/app/state/savepoints");
    let mine = Path::new(&savepoints).join("mine");
    std::fs::create_dir_all(&mine).expect("writable");
    for bad in ["/etc", &savepoints, &format!("{savepoints}/../.."), "relative"] {
        let refused = launcher.delete_snapshot(&app(), bad).await;
        assert!(matches!(refused, Err(LauncherError::Refused { .. })), "{bad}");
    }
    launcher.delete_snapshot(&app(), &mine.display().to_string()).await.expect("deleted");
    launcher.delete_snapshot(&app(), &mine.display().to_string()).await.expect("twice is once");
    assert!(!mine.exists());
    launcher.delete_application(&app()).await.expect("deleted");
    assert!(!Path::new(&place.file("applications/app")).exists());
}

#[tokio::test]
async fn files_of_old_runs_go_and_those_of_what_lives_stay() {
    let place = Place::new();
    let launcher = place.launcher();
    place.start(&launcher, &launch(G1, "good", false)).await;
    wait_for(&launcher, G1, Observed::is_running).await;
    for number in 2..=5 {
        let generation = Generation(number);
        place.start(&launcher, &launch(generation, "exits", false)).await;
        wait_for(&launcher, generation, |o| matches!(o, Observed::Exited { .. })).await;
    }
    let run = place.directory.path().join("applications/app/run");
    let left = || {
        let entries = std::fs::read_dir(&run).expect("it is there");
        let names = entries.map(|entry| entry.expect("readable").file_name());
        let mut names: Vec<String> =
            names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(launcher.remove_old_runs(&app(), 2).await.expect("removable"), 2);
    assert_eq!(left(), ["g1", "g4", "g5"], "the first lives");
    assert_eq!(launcher.remove_old_runs(&app(), 2).await.expect("removable"), 0);
    // None of those that went is started again.
    let stale = launcher.start(&launch(G2, "good", false), NOW).await;
    assert!(matches!(stale, Err(LauncherError::Superseded { .. })), "{stale:?}");
    launcher.stop(&app(), G1).await.expect("it stops");
    assert_eq!(launcher.remove_old_runs(&app(), 0).await.expect("removable"), 2);
    assert_eq!(left(), ["g5"], "the newest fences");
}
