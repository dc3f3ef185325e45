//! Exports, imports and deletions: who may do them, who has them, and what forgets them.

use millrace_domain::configuration::Restore;
use millrace_domain::operation::OperationRequest;
use millrace_domain::quota::Quotas;
use millrace_domain::transfer::{ImportSnapshot, S3Prefix};
use millrace_store::SnapshotWork;

use super::*;

const ACCOUNT_SNAPSHOTS: u64 = Quotas::AWS.account_snapshots;

fn import(name: &str, id: &str) -> EnhancedRequest {
    let import = ImportSnapshot {
        account: ACCOUNT.into(),
        region: REGION.into(),
        name: EnhancedSnapshotName::new(name).unwrap(),
        description: String::new(),
        tags: BTreeMap::new(),
        from: S3Prefix::new("b".into(), "p".into()).unwrap(),
    };
    import.decide(OperationId::new(id).unwrap(), NOW).unwrap()
}

async fn taken(store: &Store, kind: WorkKind, now: Timestamp) -> Vec<SnapshotWork> {
    store.take_snapshot_work(kind, (now, Timestamp(now.0 + 5_000)), 100).await.unwrap()
}

async fn one(store: &Store, kind: WorkKind, now: Timestamp) -> SnapshotWork {
    let mut all = taken(store, kind, now).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// Two replicas, one import: what the slower one writes counts for nothing.
async fn an_import_is_of_one_attempt_at_a_time(fixture: Fixture) {
    let (store, other) = (&fixture.store, fixture.database.open().await);
    let (owner, begun) = (Owner { account: ACCOUNT, region: REGION }, import("s", "op-1"));
    store.begin_import(&begun, None, NOW).await.unwrap();
    let again = other.begin_import(&import("s", "op-2"), None, NOW).await.unwrap_err();
    assert!(matches!(again, CommitError::SnapshotNameTaken { .. }), "{again:?}");

    let slow = one(store, WorkKind::Transfers, NOW).await;
    assert_eq!((slow.attempt, &slow.operation), (1, &begun.operation));
    assert!(taken(&other, WorkKind::Transfers, NOW).await.is_empty(), "it is held");
    assert!(store.keep_snapshot_work(&slow, Timestamp(NOW.0 + 9_000)).await.unwrap());
    assert!(taken(&other, WorkKind::Transfers, LATER).await.is_empty(), "it is kept");
    let fast = one(&other, WorkKind::Transfers, Timestamp(NOW.0 + 9_000)).await;
    assert_eq!(fast.attempt, 2);

    let settled = |at: &str| begun.settled(Ok(at.to_owned()), LATER).sized(9);
    let late = store.end_import(&slow, &settled("/1"), LATER).await.unwrap_err();
    assert!(matches!(late, CommitError::Stale), "{late:?}");
    assert!(!store.keep_snapshot_work(&slow, LATER).await.unwrap());
    other.end_import(&fast, &settled("/2"), LATER).await.unwrap();
    let twice = other.end_import(&fast, &settled("/2"), LATER).await.unwrap_err();
    assert!(matches!(twice, CommitError::Stale), "{twice:?}");
    let kept = store.enhanced_snapshot(owner, &begun.snapshot.name).await.unwrap().unwrap();
    assert_eq!(kept, settled("/2").snapshot);
    let operation = store.snapshot_operation(owner, &kept.name, "op-1").await.unwrap().unwrap();
    assert_eq!(operation, settled("/2").operation);
}

async fn an_export_is_one_at_a_time_and_a_deletion_waits_for_it(fixture: Fixture) {
    let store = &fixture.store;
    let begun = import("s", "op-1");
    store.begin_import(&begun, None, NOW).await.unwrap();
    let work = one(store, WorkKind::Transfers, NOW).await;
    let ready = begun.settled(Ok("/s".into()), NOW);
    store.end_import(&work, &ready, NOW).await.unwrap();
    let export = |id: &str| {
        let to = S3Prefix::new("b".into(), "q".into()).unwrap();
        ready.snapshot.export(to, OperationId::new(id).unwrap(), NOW).unwrap()
    };
    store.begin_export(&ready.snapshot, &export("op-2"), None, NOW).await.unwrap();
    let second = store.begin_export(&ready.snapshot, &export("op-3"), None, NOW).await;
    assert!(matches!(second, Err(CommitError::ExportOpen { .. })), "{second:?}");

    let deletion = ready.snapshot.delete(NOW, OperationId::new("op-4").unwrap(), NOW).unwrap();
    store.commit_enhanced(&deletion, SnapshotStatus::Ready, None, NOW).await.unwrap();
    let third = store.begin_export(&ready.snapshot, &export("op-5"), None, NOW).await;
    assert!(matches!(third, Err(CommitError::Stale)), "it is DELETING: {third:?}");
    assert!(taken(store, WorkKind::Deletions, NOW).await.is_empty(), "it is being exported");
    let work = one(store, WorkKind::Transfers, NOW).await;
    let ended = work.operation.clone().ended(None, NOW);
    store.end_export(&work, &ended, NOW).await.unwrap();
    assert_eq!(one(store, WorkKind::Deletions, NOW).await.operation.id.as_str(), "op-4");
}

/// What failed comes after what was not tried, and later.
async fn failing_work_holds_up_no_other(fixture: Fixture) {
    let store = &fixture.store;
    for number in 0..10 {
        let begun = import(&format!("s-{number}"), &format!("op-{number}"));
        store.begin_import(&begun, None, NOW).await.unwrap();
    }
    let eleventh = store.begin_import(&import("t", "op-t"), None, NOW).await;
    assert!(matches!(eleventh, Err(CommitError::TransfersReached { max: 10 })), "{eleventh:?}");
    for work in taken(store, WorkKind::Transfers, NOW).await {
        if work.operation.id.as_str() == "op-9" {
            let ended = begun_of(&work).settled(Ok("/s".into()), NOW);
            store.end_import(&work, &ended, NOW).await.unwrap();
        } else {
            store.put_back_snapshot_work(&work, LATER).await.unwrap();
        }
    }
    store.begin_import(&import("t", "op-t"), None, NOW).await.unwrap();
    assert_eq!(one(store, WorkKind::Transfers, NOW).await.operation.id.as_str(), "op-t");
    let again = taken(store, WorkKind::Transfers, LATER).await;
    assert_eq!(again.len(), 9 + 1, "those put back, and the one whose hold ran out");
    assert!(again.iter().filter(|work| work.failures == 1 && work.attempt == 2).count() == 9);
}

fn begun_of(work: &SnapshotWork) -> EnhancedRequest {
    EnhancedRequest { snapshot: work.snapshot.clone(), operation: work.operation.clone() }
}

async fn a_snapshot_that_an_engine_took_is_measured_once(fixture: Fixture) {
    let (store, begun) = (&fixture.store, import("s", "op-1"));
    store.begin_import(&begun, None, NOW).await.unwrap();
    assert!(store.unmeasured_snapshots(9).await.unwrap().is_empty(), "it is not READY");
    let work = one(store, WorkKind::Transfers, NOW).await;
    store.end_import(&work, &begun.settled(Ok("/s".into()), NOW), NOW).await.unwrap();
    let [snapshot] = store.unmeasured_snapshots(9).await.unwrap().try_into().unwrap();
    store.set_snapshot_size(&snapshot, 77).await.unwrap();
    assert!(store.unmeasured_snapshots(9).await.unwrap().is_empty());
    let owner = Owner { account: ACCOUNT, region: REGION };
    let found = store.enhanced_snapshot(owner, &snapshot.name).await.unwrap().unwrap();
    assert_eq!(found.size_bytes, Some(77));
}

/// A snapshot of no application, READY at `location`.
async fn kept_at(store: &Store, location: &str) -> EnhancedRequest {
    let begun = import("s", "op-made");
    store.begin_import(&begun, None, NOW).await.unwrap();
    let work = one(store, WorkKind::Transfers, NOW).await;
    let ready = begun.settled(Ok(location.into()), NOW);
    store.end_import(&work, &ready, NOW).await.unwrap();
    ready
}

/// StartApplication from the snapshot at `location`.
fn start_from(loaded: &Loaded, location: &str) -> Change {
    let arn = "arn:s".to_owned();
    let restore = Restore::Enhanced { arn, location: location.to_owned() };
    let run = RunConfiguration { restore, ..RunConfiguration::default() };
    begin(loaded, OperationKind::StartApplication, Some(run))
}

fn begin(loaded: &Loaded, kind: OperationKind, run: Option<RunConfiguration>) -> Change {
    let application = &loaded.application;
    let operation = Operation {
        application: application.id.clone(),
        id: OperationId::new("op-start").unwrap(),
        kind,
        status: OperationStatus::InProgress,
        started_at: NOW,
        ended_at: None,
        from_version: VersionId(1),
        to_version: VersionId(1),
        request: OperationRequest { run, ..OperationRequest::default() },
        failure: None,
        evidence: serde_json::Value::Null,
    };
    let open = Application { open_operation: Some(operation.id.clone()), ..application.clone() };
    Change { operations: vec![operation], ..put(open, application.revision) }
}

fn ended(loaded: &Loaded) -> Change {
    let operation = Operation {
        status: OperationStatus::Successful,
        ended_at: Some(NOW),
        ..loaded.open_operation.clone().unwrap()
    };
    let application = Application { open_operation: None, ..loaded.application.clone() };
    Change { operations: vec![operation], ..put(application, loaded.application.revision) }
}

fn deletion(of: &EnhancedRequest) -> EnhancedRequest {
    of.snapshot.delete(NOW, OperationId::new("op-delete").unwrap(), NOW).unwrap()
}

async fn a_snapshot_that_a_start_reads_is_not_deleted(fixture: Fixture) {
    let (store, location) = (&fixture.store, "/kept/\"s\"");
    let kept = kept_at(store, location).await;
    let loaded = fixture.create("a").await;
    store.commit(&start_from(&loaded, location), NOW).await.unwrap();
    let delete =
        async || store.commit_enhanced(&deletion(&kept), SnapshotStatus::Ready, None, NOW).await;
    let used = delete().await.unwrap_err();
    assert_eq!(used.to_string(), "snapshot s is used by StartApplication of application a");
    // What the controller writes meanwhile is of the same operation.
    let loaded = fixture.load("a").await;
    let step = Change {
        operations: loaded.open_operation.clone().into_iter().collect(),
        ..put(loaded.application.clone(), loaded.application.revision)
    };
    store.commit(&step, NOW).await.unwrap();
    store.commit(&ended(&fixture.load("a").await), NOW).await.unwrap();
    delete().await.unwrap();
    let gone = store.commit(&start_from(&fixture.load("a").await, location), NOW).await;
    assert!(matches!(gone, Err(CommitError::SnapshotGone)), "{gone:?}");
}

/// Whichever comes first, the other sees it.
async fn a_start_and_a_deletion_exclude_each_other(fixture: Fixture) {
    let (store, other) = (&fixture.store, fixture.database.open().await);
    let kept = kept_at(store, "/kept/s").await;
    let start = start_from(&fixture.create("a").await, "/kept/s");
    let deletion = deletion(&kept);
    let (started, deleted) = tokio::join!(
        store.commit(&start, NOW),
        other.commit_enhanced(&deletion, SnapshotStatus::Ready, None, NOW)
    );
    match (&started, &deleted) {
        (Ok(_), Err(CommitError::SnapshotUsed { .. })) => {}
        (Err(CommitError::SnapshotGone), Ok(())) => {}
        both => panic!("{both:?}"),
    }
}

async fn a_snapshot_that_an_update_may_go_back_to_is_not_deleted(fixture: Fixture) {
    let (store, location) = (&fixture.store, "/kept/s");
    let kept = kept_at(store, location).await;
    let loaded = fixture.create("a").await;
    let row = Snapshot {
        location: Some(location.into()),
        enhanced: true,
        ..snapshot("way-back", SnapshotStatus::Ready)
    };
    let known = Change {
        snapshots: vec![row],
        ..put(loaded.application.clone(), loaded.application.revision)
    };
    store.commit(&known, NOW).await.unwrap();
    let loaded = fixture.load("a").await;
    store.commit(&begin(&loaded, OperationKind::UpdateApplication, None), NOW).await.unwrap();
    let deletion = deletion(&kept);
    let delete = async || store.commit_enhanced(&deletion, SnapshotStatus::Ready, None, NOW).await;
    let used = delete().await.unwrap_err();
    assert!(matches!(used, CommitError::SnapshotUsed { .. }), "{used:?}");

    store.commit(&ended(&fixture.load("a").await), NOW).await.unwrap();
    let before = fixture.load("a").await;
    delete().await.unwrap();
    let late = begin(&before, OperationKind::RollbackApplication, None);
    let late = store.commit(&late, NOW).await.unwrap_err();
    assert!(matches!(late, CommitError::Stale), "decided with the snapshot: {late:?}");
    assert!(fixture.load("a").await.snapshots.is_empty());
}

async fn history_is_forgotten_but_the_newest_and_the_open_stay(fixture: Fixture) {
    let store = &fixture.store;
    for name in ["a", "b"] {
        let mut loaded = fixture.create(name).await;
        for number in 0..3 {
            let mut begun = begin(&loaded, OperationKind::StartApplication, None);
            begun.operations[0].id = OperationId::new(format!("op-{number}")).unwrap();
            let ApplicationWrite::Put(application) = &mut begun.application else { unreachable!() };
            application.open_operation = Some(begun.operations[0].id.clone());
            store.commit(&begun, NOW).await.unwrap();
            loaded = fixture.load(name).await;
            if (name, number) != ("b", 2) {
                store.commit(&ended(&loaded), NOW).await.unwrap();
                loaded = fixture.load(name).await;
            }
        }
    }
    assert_eq!(store.forget_operations(NOW).await.unwrap(), 0, "nothing ended before");
    assert_eq!(store.forget_operations(LATER).await.unwrap(), 4);
    for name in ["a", "b"] {
        let left = store.operations(&id(name), OperationFilter::default(), None, 9).await.unwrap();
        let left: Vec<_> = left.items.iter().map(|it| it.id.to_string()).collect();
        assert_eq!(left, ["op-2"], "{name}");
    }
    assert!(store.forget_events(NOW).await.unwrap() == 0);
    assert!(store.forget_events(LATER).await.unwrap() > 0);
    assert!(store.events(&id("a"), None, 9).await.unwrap().items.is_empty());

    kept_at(store, "/kept").await;
    store.begin_import(&import("t", "op-open"), None, NOW).await.unwrap();
    assert_eq!(store.forget_snapshot_operations(LATER).await.unwrap(), 1);
    let groups = store.snapshot_groups().await.unwrap();
    assert_eq!(groups.len(), 1, "{groups:?}");
    let of_group = store.snapshots_of_group(&groups[0]).await.unwrap();
    let names: Vec<_> = of_group.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["t", "s"], "newest first");
}

/// Those that the service takes are taken all the same.
async fn an_account_has_so_many_snapshots_that_it_asked_for(fixture: Fixture) {
    let store = &fixture.store;
    let loaded = fixture.create("a").await;
    let snapshot = |number: u64, kind| {
        let made = import(&format!("s-{number}"), &format!("op-{number}"));
        let snapshot = EnhancedSnapshot { initiator: kind, ..made.snapshot };
        EnhancedRequest { snapshot, ..made }
    };
    let imported = |number| snapshot(number, SnapshotOperationKind::ImportSnapshot);
    let many = Change {
        enhanced: (0..ACCOUNT_SNAPSHOTS).map(imported).collect(),
        ..put(loaded.application.clone(), loaded.application.revision)
    };
    store.commit(&many, NOW).await.unwrap();
    let loaded = fixture.load("a").await;
    let one_more = |enhanced| Change {
        enhanced: vec![enhanced],
        ..put(loaded.application.clone(), loaded.application.revision)
    };
    let refused = store.commit(&one_more(imported(ACCOUNT_SNAPSHOTS)), NOW).await;
    assert!(matches!(refused, Err(CommitError::SnapshotsReached { .. })), "{refused:?}");
    let system = snapshot(ACCOUNT_SNAPSHOTS, SnapshotOperationKind::SystemCreateSnapshot);
    store.commit(&one_more(system), NOW).await.unwrap();
}

on_both! {
    an_account_has_so_many_snapshots_that_it_asked_for,
    history_is_forgotten_but_the_newest_and_the_open_stay,
    a_snapshot_that_a_start_reads_is_not_deleted,
    a_start_and_a_deletion_exclude_each_other,
    a_snapshot_that_an_update_may_go_back_to_is_not_deleted,
    an_import_is_of_one_attempt_at_a_time,
    an_export_is_one_at_a_time_and_a_deletion_waits_for_it,
    failing_work_holds_up_no_other,
    a_snapshot_that_an_engine_took_is_measured_once,
}
