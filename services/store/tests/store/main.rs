//! The store on a database in a temporary directory, and on a PostgreSQL server.

use std::sync::Arc;

use std::collections::BTreeMap;

use millrace_domain::change::{ApplicationWrite, Change, IdempotencyRecord};
use millrace_domain::commands::{Call, ConfigurationPatch, CreateApplication, Facts};
use millrace_domain::configuration::RunConfiguration;
use millrace_domain::enhanced::{
    EnhancedRequest, EnhancedSnapshot, SnapshotOperation, SnapshotOperationKind, SnapshotSource,
    SourceApplication,
};
use millrace_domain::quota::{QuotaBook, Quotas};
use millrace_domain::{
    Application, ApplicationId, ApplicationName, EnhancedSnapshotName, Generation, Job, Operation,
    OperationId, OperationKind, OperationStatus, Revision, Snapshot, SnapshotName, SnapshotStatus,
    Status, Timestamp, VersionId,
};
use millrace_store::{CommitError, Loaded, OperationFilter, Owner, Store, WorkKind};
use millrace_test_support::postgres::Postgres;

const NOW: Timestamp = Timestamp(1_000_000);
const LATER: Timestamp = Timestamp(1_005_000);
const ACCOUNT: &str = "000000000000";
const REGION: &str = "us-east-1";

struct Fixture {
    store: Store,
    database: Database,
}

enum Database {
    Sqlite(tempfile::TempDir),
    Postgres(Postgres),
}

impl Database {
    /// A store of its own, as another process has one.
    async fn open(&self) -> Store {
        match self {
            Database::Sqlite(directory) => Store::open(&directory.path().join("millrace.db")).await,
            Database::Postgres(server) => Store::connect(&server.url()).await,
        }
        .unwrap()
    }

    /// Behind the store's back.
    async fn execute(&self, statement: &str) {
        match self {
            Database::Sqlite(directory) => {
                let file = directory.path().join("millrace.db");
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
                let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
                let statement = sqlx::AssertSqlSafe(statement.to_owned());
                sqlx::query(statement).execute(&pool).await.unwrap();
            }
            Database::Postgres(server) => drop(server.psql(statement).unwrap()),
        }
    }
}

async fn on(database: Database) -> Fixture {
    Fixture { store: database.open().await, database }
}

macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::on(super::Database::Sqlite(tempfile::tempdir().unwrap())).await).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                let Some(server) = millrace_test_support::postgres::Postgres::start().unwrap() else {
                    return;
                };
                super::$test(super::on(super::Database::Postgres(server)).await).await;
            })*
        }
    };
}

mod snapshot_work;

fn creation(name: &str) -> Change {
    let create = CreateApplication {
        id: id(name),
        account: ACCOUNT.into(),
        region: REGION.into(),
        name: ApplicationName::new(name).unwrap(),
        description: "d".into(),
        runtime_environment: "FLINK-1_18".into(),
        service_execution_role: "arn:role".into(),
        configuration: ConfigurationPatch::default(),
        tags: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
    };
    create.decide((0, &Quotas::AWS), &["FLINK-1_18"], NOW).unwrap()
}

fn id(name: &str) -> ApplicationId {
    ApplicationId::new(format!("id-{name}")).unwrap()
}

fn put(application: Application, expected: Revision) -> Change {
    Change {
        expected: Some(expected),
        application: ApplicationWrite::Put(Box::new(application)),
        new_version: None,
        operations: Vec::new(),
        snapshots: Vec::new(),
        deleted_snapshots: Vec::new(),
        enhanced: Vec::new(),
        wake_at: None,
        idempotency: None,
    }
}

fn snapshot(name: &str, status: SnapshotStatus) -> Snapshot {
    Snapshot {
        application: id("a"),
        name: SnapshotName::new(name).unwrap(),
        status,
        created_at: NOW,
        version: VersionId(1),
        runtime_environment: "FLINK-1_18".into(),
        location: Some("file:///s".into()),
        automatic: true,
        enhanced: false,
    }
}

impl Fixture {
    async fn create(&self, name: &str) -> Loaded {
        self.store.commit(&creation(name), NOW).await.unwrap();
        self.load(name).await
    }

    async fn load(&self, name: &str) -> Loaded {
        self.store.load(&id(name)).await.unwrap().expect("it was created")
    }

    /// Stops, as a command that any status but READY allows; the revision moves on.
    async fn begin(&self, loaded: &Loaded, operation: &str) -> Change {
        let mut application = loaded.application.clone();
        application.status = Status::Running;
        let facts = Facts {
            application: &application,
            version: loaded.current_version().unwrap(),
            open_operation: None,
            snapshots: &loaded.snapshots,
            quotas: self.store.quotas_of(&application.account),
        };
        let operation = OperationId::new(operation).unwrap();
        facts.stop(false, &Call { operation, now: NOW }).unwrap()
    }
}

async fn what_is_committed_is_loaded_again(fixture: Fixture) {
    let change = creation("a");
    assert_eq!(fixture.store.commit(&change, NOW).await.unwrap(), Revision(1));
    let loaded = fixture.load("a").await;
    let ApplicationWrite::Put(written) = &change.application else { panic!("a creation") };
    assert_eq!(loaded.application, **written);
    assert_eq!(loaded.current_version(), change.new_version.as_ref());

    let mut change = fixture.begin(&loaded, "op-1").await;
    change.snapshots.push(snapshot("s", SnapshotStatus::Creating));
    if let ApplicationWrite::Put(application) = &mut change.application {
        let job = serde_json::json!({
            "generation": 3, "version": 1, "run": RunConfiguration::default(), "started_at": NOW
        });
        application.job = Some(serde_json::from_value(job).unwrap());
        application.tags.clear();
    }
    assert_eq!(fixture.store.commit(&change, NOW).await.unwrap(), Revision(2));
    let loaded = fixture.load("a").await;
    let ApplicationWrite::Put(written) = change.application else { panic!("a put") };
    assert_eq!(loaded.application, Application { revision: Revision(2), ..*written });
    assert_eq!(loaded.open_operation.as_ref(), change.operations.first());
    assert_eq!(*loaded.snapshots, change.snapshots);
}

async fn a_change_from_an_older_revision_is_stale_and_writes_nothing(fixture: Fixture) {
    let loaded = fixture.create("a").await;
    let first = fixture.begin(&loaded, "op-1").await;
    let mut second = fixture.begin(&loaded, "op-2").await;
    second.snapshots.push(snapshot("s", SnapshotStatus::Creating));
    fixture.store.commit(&first, NOW).await.unwrap();
    let refused = fixture.store.commit(&second, NOW).await;
    assert!(matches!(refused, Err(CommitError::Stale)), "{refused:?}");
    let loaded = fixture.load("a").await;
    assert_eq!(loaded.open_operation.map(|open| open.id.to_string()).as_deref(), Some("op-1"));
    assert!(loaded.snapshots.is_empty());
}

async fn of_two_writers_at_one_revision_exactly_one_wins(fixture: Fixture) {
    let other = fixture.database.open().await;
    for round in 0..20 {
        let loaded = match round {
            0 => fixture.create("a").await,
            _ => fixture.load("a").await,
        };
        let change = put(loaded.application.clone(), loaded.application.revision);
        let (one, two) =
            tokio::join!(fixture.store.commit(&change, NOW), other.commit(&change, NOW));
        assert_eq!(u8::from(one.is_ok()) + u8::from(two.is_ok()), 1, "{one:?} {two:?}");
    }
}

async fn a_name_is_taken_once_in_an_account_and_region(fixture: Fixture) {
    fixture.create("a").await;
    let again = |account: &str, region: &str| {
        let mut change = creation("a");
        if let ApplicationWrite::Put(application) = &mut change.application {
            application.id = ApplicationId::new(format!("{account}-{region}")).unwrap();
            application.account = account.into();
            application.region = region.into();
        }
        change
    };
    let refused = fixture.store.commit(&again(ACCOUNT, REGION), NOW).await;
    assert!(matches!(refused, Err(CommitError::NameTaken)), "{refused:?}");
    fixture.store.commit(&again(ACCOUNT, "eu-west-1"), NOW).await.unwrap();
    fixture.store.commit(&again("111111111111", REGION), NOW).await.unwrap();
}

async fn the_quota_holds_for_creations_decided_at_once(fixture: Fixture) {
    let book =
        format!(r#"{{"applications": 1, "accounts": {{"{ACCOUNT}": {{"applications": 4}}}}}}"#);
    let store = fixture.store.with_quotas(Arc::new(QuotaBook::read(&book).unwrap()));
    for at in 0..3 {
        store.commit(&creation(&format!("app-{at}")), NOW).await.unwrap();
    }
    assert_eq!(store.count_applications(ACCOUNT, REGION).await.unwrap(), 3);
    let (one, two) = (creation("one"), creation("two"));
    let (one, two) = tokio::join!(store.commit(&one, NOW), store.commit(&two, NOW));
    let full = |result: &Result<Revision, CommitError>| {
        matches!(result, Err(CommitError::QuotaReached { max: 4 }))
    };
    assert!(one.is_ok() != two.is_ok() && (full(&one) || full(&two)), "{one:?} {two:?}");
}

async fn a_committed_call_is_found_again_also_after_the_application_is_gone(fixture: Fixture) {
    let loaded = fixture.create("a").await;
    let record = IdempotencyRecord {
        account: ACCOUNT.into(),
        invocation_id: "i".into(),
        request_digest: "d".into(),
        response: "{}".into(),
        created_at: NOW,
    };
    let delete = Change {
        application: ApplicationWrite::Delete(id("a")),
        idempotency: Some(record.clone()),
        ..put(loaded.application.clone(), loaded.application.revision)
    };
    fixture.store.commit(&delete, NOW).await.unwrap();
    assert!(fixture.store.load(&id("a")).await.unwrap().is_none());
    assert_eq!(fixture.store.answered(ACCOUNT, "i", "d").await.unwrap(), Some(record.clone()));
    assert_eq!(fixture.store.answered(ACCOUNT, "i", "other").await.unwrap(), None);
    let again = fixture.store.commit(&delete, NOW).await;
    assert!(matches!(again, Err(CommitError::AlreadyDone(found)) if *found == record));
    // The name is free again, and nothing of the old application is left.
    let new = fixture.create("a").await;
    assert!(new.snapshots.is_empty());
}

async fn answers_are_forgotten_after_a_day(fixture: Fixture) {
    let day_ms = 24 * 60 * 60 * 1000;
    let creation_with = |name: &str, at: i64| Change {
        idempotency: Some(IdempotencyRecord {
            account: ACCOUNT.into(),
            invocation_id: name.into(),
            request_digest: "d".into(),
            response: "{}".into(),
            created_at: Timestamp(at),
        }),
        ..creation(name)
    };
    fixture.store.commit(&creation_with("a", 0), Timestamp(0)).await.unwrap();
    fixture.store.commit(&creation_with("b", day_ms), Timestamp(day_ms)).await.unwrap();
    assert!(fixture.store.answered(ACCOUNT, "a", "d").await.unwrap().is_some());
    let later = day_ms + 1;
    fixture.store.commit(&creation_with("c", later), Timestamp(later)).await.unwrap();
    assert!(fixture.store.answered(ACCOUNT, "a", "d").await.unwrap().is_none());
    assert!(fixture.store.answered(ACCOUNT, "b", "d").await.unwrap().is_some());
}

async fn wake_ups_come_in_their_order_and_are_not_lost(fixture: Fixture) {
    let store = &fixture.store;
    for (name, at) in [("a", Some(300)), ("b", Some(100)), ("c", None), ("d", Some(900))] {
        let change = Change { wake_at: at.map(Timestamp), ..creation(name) };
        store.commit(&change, NOW).await.unwrap();
    }
    let due = |now: i64, limit: u32| async move {
        let due = store.due("one", Timestamp(now), limit).await.unwrap();
        due.into_iter().map(|due| due.application).collect::<Vec<_>>()
    };
    assert_eq!(due(99, 10).await, []);
    assert_eq!(due(300, 10).await, [id("b"), id("a")]);
    assert_eq!(due(300, 1).await, [id("b")]);
    assert_eq!(store.next_wake_up().await.unwrap(), Some(Timestamp(100)));

    store.set_wake_up(&id("b"), Revision(1), None).await.unwrap();
    assert_eq!(store.next_wake_up().await.unwrap(), Some(Timestamp(300)));
    // Someone changed `a` since: what they asked for stays.
    let loaded = fixture.load("a").await;
    let change = Change {
        wake_at: Some(Timestamp(50)),
        ..put(loaded.application.clone(), loaded.application.revision)
    };
    store.commit(&change, NOW).await.unwrap();
    store.set_wake_up(&id("a"), loaded.application.revision, None).await.unwrap();
    assert_eq!(store.next_wake_up().await.unwrap(), Some(Timestamp(50)));
}

async fn a_lease_has_one_holder_until_it_ends(fixture: Fixture) {
    fixture.create("a").await;
    let store = &fixture.store;
    let acquire = |holder: &'static str, now: i64, until: i64| async move {
        store.acquire_lease(&id("a"), holder, Timestamp(now), Timestamp(until)).await.unwrap()
    };
    assert!(acquire("one", 0, 100).await);
    assert!(!acquire("two", 50, 150).await, "the other holds it");
    assert!(acquire("one", 50, 200).await, "its holder renews it");
    assert!(!acquire("two", 199, 300).await);
    assert!(acquire("two", 200, 300).await, "it ended");
    store.release_lease(&id("a"), "one").await.unwrap();
    assert!(!acquire("one", 250, 400).await, "only its holder gives it back");
    store.release_lease(&id("a"), "two").await.unwrap();
    assert!(acquire("one", 250, 400).await);
    let gone = ApplicationId::new("gone").unwrap();
    assert!(!store.acquire_lease(&gone, "one", NOW, NOW).await.unwrap());
}

async fn leases_hold_while_their_replica_lives(fixture: Fixture) {
    let store = &fixture.store;
    for name in ["a", "b"] {
        let change = Change { wake_at: Some(Timestamp(0)), ..creation(name) };
        store.commit(&change, NOW).await.unwrap();
    }
    let acquire = |holder: &'static str, name: &'static str, now: i64| async move {
        let (now, until) = (Timestamp(now), Timestamp(now + 10));
        store.acquire_lease(&id(name), holder, now, until).await.unwrap()
    };
    let due = |holder: &'static str, now: i64| async move {
        let due = store.due(holder, Timestamp(now), 10).await.unwrap();
        due.into_iter().map(|due| due.application).collect::<Vec<_>>()
    };
    assert!(acquire("one", "a", 0).await && acquire("one", "b", 0).await);
    store.heartbeat("one", Timestamp(0), Timestamp(100)).await.unwrap();
    assert!(!acquire("two", "a", 50).await, "its holder lives");
    assert_eq!(due("two", 50).await, [], "nothing that another looks after");
    assert_eq!(due("one", 50).await, [id("a"), id("b")]);
    store.heartbeat("one", Timestamp(60), Timestamp(160)).await.unwrap();
    assert!(!acquire("two", "a", 159).await, "one row renews all");
    assert_eq!(due("two", 160).await, [id("a"), id("b")], "it was not heard of again");
    assert!(acquire("two", "a", 160).await);
    assert!(!acquire("one", "a", 165).await, "it is the other's by now");
    store.retire("one").await.unwrap();
    assert_eq!(due("three", 165).await, [id("b")], "given back at once");
    assert!(acquire("three", "b", 165).await);
}

async fn lists_are_read_in_parts_without_loss_or_repeat(fixture: Fixture) {
    for name in ["b", "a", "c"] {
        fixture.create(name).await;
    }
    let mut names = Vec::new();
    let mut after = None;
    while let [listed] =
        fixture.store.applications(ACCOUNT, REGION, after.as_ref(), 1).await.unwrap().as_slice()
    {
        assert_eq!(listed.runtime_environment, "FLINK-1_18");
        names.push(listed.application.name.to_string());
        after = Some(listed.application.name.clone());
    }
    assert_eq!(names, ["a", "b", "c"]);

    for operation in ["op-1", "op-2", "op-3"] {
        let loaded = fixture.load("a").await;
        fixture.store.commit(&fixture.begin(&loaded, operation).await, NOW).await.unwrap();
    }
    let mut ids = Vec::new();
    let mut before = None;
    loop {
        let filter = OperationFilter::default();
        let page = fixture.store.operations(&id("a"), filter, before, 2).await.unwrap();
        ids.extend(page.items.iter().map(|operation| operation.id.to_string()));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(ids, ["op-3", "op-2", "op-1"], "newest first");
}

async fn operations_are_filtered_by_kind_and_status(fixture: Fixture) {
    let loaded = fixture.create("a").await;
    fixture.store.commit(&fixture.begin(&loaded, "op-1").await, NOW).await.unwrap();
    let count = |kind, status| {
        let filter = OperationFilter { kind, status };
        let store = fixture.store.clone();
        async move { store.operations(&id("a"), filter, None, 50).await.unwrap().items.len() }
    };
    assert_eq!(count(None, None).await, 1);
    assert_eq!(count(Some(OperationKind::StopApplication), None).await, 1);
    assert_eq!(count(Some(OperationKind::StartApplication), None).await, 0);
    assert_eq!(count(None, Some(OperationStatus::InProgress)).await, 1);
    assert_eq!(count(None, Some(OperationStatus::Failed)).await, 0);
}

async fn snapshots_are_replaced_by_name_and_deleted(fixture: Fixture) {
    let loaded = fixture.create("a").await;
    let with = |application: &Application, snapshots: Vec<Snapshot>, deleted: Vec<&str>| Change {
        snapshots,
        deleted_snapshots: deleted.iter().map(|name| SnapshotName::new(*name).unwrap()).collect(),
        ..put(application.clone(), application.revision)
    };
    let two =
        vec![snapshot("s", SnapshotStatus::Creating), snapshot("t", SnapshotStatus::Creating)];
    fixture.store.commit(&with(&loaded.application, two, vec![]), NOW).await.unwrap();
    let loaded = fixture.load("a").await;
    let ready = vec![snapshot("s", SnapshotStatus::Ready)];
    fixture.store.commit(&with(&loaded.application, ready, vec!["t"]), NOW).await.unwrap();
    let loaded = fixture.load("a").await;
    assert_eq!(*loaded.snapshots, [snapshot("s", SnapshotStatus::Ready)]);
    let name = SnapshotName::new("t").unwrap();
    assert_eq!(fixture.store.snapshot(&id("a"), &name).await.unwrap(), None);
}

async fn a_store_opened_again_has_everything(Fixture { store, database }: Fixture) {
    store.commit(&creation("a"), NOW).await.unwrap();
    store.close().await;
    let store = database.open().await;
    assert!(store.load(&id("a")).await.unwrap().is_some());
    assert_eq!(store.application_ids().await.unwrap(), [id("a")]);
}

/// What is known of an application is of its revision alone, whoever changed it since.
async fn what_another_process_commits_is_loaded(fixture: Fixture) {
    fixture.create("a").await;
    let other = fixture.database.open().await;
    let load = async |store: &Store| store.load(&id("a")).await.unwrap();
    let first = load(&fixture.store).await.expect("it was created");
    assert_eq!(load(&other).await, Some(first.clone()));
    assert_eq!(load(&fixture.store).await, Some(first.clone()), "as it was");
    let changed = Application { description: "e".into(), ..first.application.clone() };
    let change = Change {
        snapshots: vec![snapshot("s", SnapshotStatus::Ready)],
        ..put(changed, first.application.revision)
    };
    other.commit(&change, NOW).await.unwrap();
    let name = ApplicationName::new("a").unwrap();
    let named = fixture.store.load_named(ACCOUNT, REGION, &name).await.unwrap().expect("there");
    assert_eq!((named.application.description.as_str(), named.snapshots.len()), ("e", 1));
    assert_eq!(load(&other).await, Some(named.clone()));
    let gone = Change {
        application: ApplicationWrite::Delete(id("a")),
        ..put(named.application.clone(), named.application.revision)
    };
    other.commit(&gone, NOW).await.unwrap();
    assert_eq!(load(&fixture.store).await, None);
}

async fn a_row_that_is_not_ours_is_named(fixture: Fixture) {
    fixture.create("a").await;
    let sleep = "UPDATE applications SET status = 'SLEEPING', revision = revision + 1";
    fixture.database.execute(sleep).await;
    let error = fixture.store.load(&id("a")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "table applications holds \"SLEEPING\" in status: not a value this release knows"
    );
}

/// Two who decided from one status: one goes on.
async fn an_enhanced_snapshot_outlives_its_application_and_goes_once(fixture: Fixture) {
    let loaded = fixture.create("a").await;
    let (owner, name) =
        (Owner { account: ACCOUNT, region: REGION }, EnhancedSnapshotName::new("s").unwrap());
    let snapshot = EnhancedSnapshot {
        account: ACCOUNT.into(),
        region: REGION.into(),
        name: name.clone(),
        description: "before the change".into(),
        status: SnapshotStatus::Ready,
        created_at: NOW,
        initiator: SnapshotOperationKind::CreateSnapshot,
        source: SnapshotSource::Application(SourceApplication {
            application: id("a"),
            name: ApplicationName::new("a").unwrap(),
            created_at: NOW,
            version: VersionId(1),
            runtime_environment: "FLINK-1_20".into(),
        }),
        size_bytes: Some(7),
        location: Some("file:///s".into()),
        tags: BTreeMap::new(),
    };
    let operation = |id: &str, kind| SnapshotOperation {
        id: OperationId::new(id).unwrap(),
        account: ACCOUNT.into(),
        region: REGION.into(),
        snapshot: name.clone(),
        kind,
        status: OperationStatus::Successful,
        started_at: NOW,
        ended_at: Some(NOW),
        failure: None,
        application: None,
        place: None,
    };
    let made = Change {
        enhanced: vec![EnhancedRequest {
            snapshot: snapshot.clone(),
            operation: operation("op-1", SnapshotOperationKind::CreateSnapshot),
        }],
        ..put(loaded.application.clone(), loaded.application.revision)
    };
    fixture.store.commit(&made, NOW).await.unwrap();
    let loaded = fixture.load("a").await;
    let gone = Change {
        application: ApplicationWrite::Delete(id("a")),
        ..put(loaded.application.clone(), loaded.application.revision)
    };
    fixture.store.commit(&gone, NOW).await.unwrap();
    let found = fixture.store.enhanced_snapshot(owner, &name).await.unwrap();
    assert_eq!(found, Some(snapshot.clone()));

    let other = fixture.database.open().await;
    let delete = |id: &str| snapshot.delete(NOW, OperationId::new(id).unwrap(), NOW).unwrap();
    let (one, two) = (delete("op-2"), delete("op-3"));
    let (one, two) = tokio::join!(
        fixture.store.commit_enhanced(&one, SnapshotStatus::Ready, None, NOW),
        other.commit_enhanced(&two, SnapshotStatus::Ready, None, NOW)
    );
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    let open = other.take_snapshot_work(WorkKind::Deletions, (NOW, LATER), 5).await.unwrap();
    let [work] = open.as_slice() else { panic!("{open:?}") };
    let ended = work.operation.clone().ended(None, NOW);
    fixture.store.end_deletion(work, &ended, NOW).await.unwrap();
    assert_eq!(other.enhanced_snapshot(owner, &name).await.unwrap(), None);
    let page = other.snapshot_operations(owner, &name, (None, None), None, 10).await.unwrap();
    assert_eq!(page.items.len(), 2, "what was done to it is still known");
}

on_both! {
    events_are_told_with_the_changes_and_the_last_ones_kept,
    an_enhanced_snapshot_outlives_its_application_and_goes_once,
    what_is_committed_is_loaded_again,
    a_change_from_an_older_revision_is_stale_and_writes_nothing,
    of_two_writers_at_one_revision_exactly_one_wins,
    a_name_is_taken_once_in_an_account_and_region,
    the_quota_holds_for_creations_decided_at_once,
    a_committed_call_is_found_again_also_after_the_application_is_gone,
    answers_are_forgotten_after_a_day,
    wake_ups_come_in_their_order_and_are_not_lost,
    a_lease_has_one_holder_until_it_ends,
    leases_hold_while_their_replica_lives,
    lists_are_read_in_parts_without_loss_or_repeat,
    operations_are_filtered_by_kind_and_status,
    snapshots_are_replaced_by_name_and_deleted,
    a_store_opened_again_has_everything,
    what_another_process_commits_is_loaded,
    a_row_that_is_not_ours_is_named,
}

async fn events_are_told_with_the_changes_and_the_last_ones_kept(fixture: Fixture) {
    let told = async |after: u64| -> Vec<(u64, String)> {
        let events = fixture.store.events_after(&id("a"), after, 5000).await.unwrap();
        events.into_iter().map(|it| (it.sequence, it.event.detail.message)).collect()
    };
    let loaded = fixture.create("a").await;
    fixture.create("b").await;
    let change = fixture.begin(&loaded, "op-1").await;
    fixture.store.commit(&change, NOW).await.unwrap();
    // Stale: nothing is told of what was not done.
    fixture.store.commit(&change, NOW).await.unwrap_err();
    let events = told(0).await;
    let messages: Vec<&str> = events.iter().map(|(_, message)| message.as_str()).collect();
    assert_eq!(
        messages,
        ["The application a was created", "StopApplication began", "READY became STOPPING"]
    );
    assert_eq!(told(events[1].0).await, events[2..]);
    let page = fixture.store.events(&id("a"), None, 2).await.unwrap();
    let newest: Vec<u64> = page.items.iter().map(|it| it.sequence).collect();
    assert_eq!((newest, page.next), (vec![events[2].0, events[1].0], Some(events[1].0)));

    for round in 0..1010 {
        let mut application = fixture.load("a").await.application;
        let revision = application.revision;
        application.job = Some(Job {
            generation: Generation(round + 1),
            version: VersionId(1),
            run: RunConfiguration::default(),
            started_at: NOW,
            restarts: 0,
            parallelism: None,
        });
        fixture.store.commit(&put(application, revision), NOW).await.unwrap();
    }
    assert_eq!(told(0).await.len(), 1000);
    let other = fixture.store.events_after(&id("b"), 0, 10).await.unwrap();
    assert_eq!(other.len(), 1);
    let revision = fixture.load("a").await.application.revision;
    let gone = Change {
        application: ApplicationWrite::Delete(id("a")),
        ..put(fixture.load("a").await.application, revision)
    };
    fixture.store.commit(&gone, NOW).await.unwrap();
    assert_eq!(told(0).await, []);
}
