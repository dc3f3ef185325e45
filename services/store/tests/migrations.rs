//! A database of an earlier release, with data in it, is brought to this one's schema and
//! read as that release meant it, on both databases.
//!
//! `fixtures/NNNN.sql` is what the release whose last migration has that number left behind.
//! They are never changed; a release that changes how something is stored adds one.

use std::borrow::Cow;
use std::fs;

use millrace_domain::change::{ApplicationWrite, Change};
use millrace_domain::configuration::SnapshotMode;
use millrace_domain::{
    ApplicationName, OperationKind, OperationStatus, SnapshotStatus, Status, Timestamp, VersionId,
};
use millrace_store::{CommitError, Loaded, OperationFilter, Store};
use millrace_test_support::postgres::Postgres;
use sqlx::any::install_default_drivers;
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, Connection, Executor};

const ACCOUNT: &str = "000000000000";
const REGION: &str = "us-east-1";
const NOW: Timestamp = Timestamp(1_800_000_000_000);

static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");

/// The database as it was after the migrations up to `last`, with its data.
async fn leave_behind(url: &str, all: &Migrator, last: i64) {
    install_default_drivers();
    let mut database = AnyConnection::connect(url).await.expect("it opens");
    let mut then = Migrator::DEFAULT;
    let of_then = all.iter().filter(|migration| migration.version <= last).cloned();
    then.migrations = Cow::Owned(of_then.collect());
    assert_eq!(then.iter().count() as i64, last);
    then.run(&mut database).await.expect("they run");
    let data = format!("{}/tests/fixtures/{last:04}.sql", env!("CARGO_MANIFEST_DIR"));
    let data = fs::read_to_string(data).expect("a fixture");
    database.execute(sqlx::AssertSqlSafe(data)).await.expect("the data goes in");
    database.close().await.expect("it closes");
}

async fn of_sqlite(last: i64) -> (Store, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("millrace.db");
    leave_behind(&format!("sqlite://{}?mode=rwc", file.display()), &SQLITE, last).await;
    (Store::open(&file).await.expect("it is brought to this schema"), directory)
}

#[tokio::test]
async fn sqlite_of_release_3_is_read_as_it_was_meant() {
    let (store, _directory) = of_sqlite(3).await;
    is_read_as_release_3_meant_it(store).await;
}

#[tokio::test]
async fn postgresql_of_release_3_is_read_as_it_was_meant() {
    let Some(server) = Postgres::start().expect("it starts") else { return };
    server.psql("CREATE DATABASE earlier").expect("a database");
    let url = server.url_of("earlier");
    leave_behind(&url, &POSTGRES, 3).await;
    is_read_as_release_3_meant_it(Store::connect(&url).await.expect("it is migrated")).await;
}

async fn load(store: &Store, name: &str) -> Loaded {
    let name = ApplicationName::new(name).expect("a name");
    let loaded = store.load_named(ACCOUNT, REGION, &name).await.expect("it is readable");
    loaded.expect("it is there")
}

async fn is_read_as_release_3_meant_it(store: Store) {
    for (name, status, version, runtime) in [
        ("ready", Status::Ready, 1, "FLINK-1_20"),
        ("running", Status::Updating, 3, "FLINK-1_20"),
        ("stopped", Status::Ready, 1, "FLINK-1_18"),
        ("broken", Status::Ready, 1, "FLINK-1_20"),
    ] {
        let loaded = load(&store, name).await;
        assert_eq!(loaded.application.status, status, "{name}");
        assert_eq!(loaded.application.version, VersionId(version), "{name}");
        let current = loaded.current_version().expect("it has one");
        assert_eq!(current.runtime_environment, runtime, "{name}");
        // What that release did not know is as it is for a new application.
        assert_eq!(current.configuration.snapshot_mode, SnapshotMode::Legacy, "{name}");
        assert_eq!((current.configuration.vpcs.len(), current.configuration.logging.len()), (0, 0));
        assert_eq!(loaded.application.maintenance_start, None, "{name}");
    }
    an_update_under_way_goes_on(&store).await;
    history_is_there(&store).await;
    answers_are_given_again(&store).await;
    it_can_be_changed(&store).await;
}

async fn an_update_under_way_goes_on(store: &Store) {
    let running = load(store, "running").await;
    let open = running.open_operation.as_ref().expect("the update is open");
    assert_eq!(
        (open.kind, open.status),
        (OperationKind::UpdateApplication, OperationStatus::InProgress)
    );
    assert_eq!((open.from_version, open.to_version), (VersionId(2), VersionId(3)));
    let job = running.application.job.as_ref().expect("its job runs");
    assert_eq!((job.generation.0, job.version), (2, VersionId(2)));
    assert_eq!(running.versions.len(), 2, "the version that runs and the one that shall");
    assert_eq!(running.versions[&VersionId(2)].configuration.property_groups[0].id, "G");
    let due = store.due("a replica", NOW, 10).await.expect("it answers");
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].application, running.application.id);
}

async fn history_is_there(store: &Store) {
    let running = load(store, "running").await;
    let names: Vec<(&str, bool)> =
        running.snapshots.iter().map(|it| (it.name.as_str(), it.automatic)).collect();
    assert_eq!(names, [("first", false), ("system-0a5236e5-adee-47e4-9782-87b1351ecac9", true)]);
    assert!(running.snapshots.iter().all(|it| it.status == SnapshotStatus::Ready && !it.enhanced));
    let broken = load(store, "broken").await.application.id;
    let page =
        store.operations(&broken, OperationFilter::default(), None, 10).await.expect("it answers");
    let failure = page.items[0].failure.as_ref().expect("why it failed");
    assert!(failure.message.contains("Object 'nosuch' not found"), "{}", failure.message);
}

async fn answers_are_given_again(store: &Store) {
    let (invocation, digest) = (
        "5822c52d-a29c-41a1-817c-209cc2fd9a63",
        "5a15da17d08c636209498e1356c6d87ac37795ae5d9fd81fc0470fcec4ee4100",
    );
    let answered = store.answered(ACCOUNT, invocation, digest).await.expect("it answers");
    assert!(answered.expect("kept").response.contains("\"ApplicationName\":\"ready\""));
}

/// New rows come behind the old ones.
async fn it_can_be_changed(store: &Store) {
    let ready = load(store, "ready").await;
    let mut application = ready.application.clone();
    application.description = "later".to_owned();
    let expected = Some(application.revision);
    let change = Change {
        expected,
        application: ApplicationWrite::Put(Box::new(application)),
        new_version: None,
        operations: Vec::new(),
        snapshots: Vec::new(),
        deleted_snapshots: Vec::new(),
        enhanced: Vec::new(),
        wake_at: None,
        idempotency: None,
    };
    store.commit(&change, NOW).await.expect("it is written");
    assert_eq!(load(store, "ready").await.application.description, "later");
    let again = store.commit(&change, NOW).await;
    assert!(matches!(again, Err(CommitError::Stale)), "{again:?}");
}
