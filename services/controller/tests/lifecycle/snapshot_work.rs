//! Work on enhanced snapshots over the real store: done again until it is recorded, by one
//! attempt at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use millrace_controller::{FilesError, Kept, SnapshotFiles, SnapshotWorker, WorkSettings};
use millrace_domain::change::ApplicationWrite;
use millrace_domain::enhanced::{
    EnhancedRequest, EnhancedSnapshot, SnapshotOperation, SnapshotOperationKind, SnapshotSource,
    SourceApplication, begun,
};
use millrace_domain::transfer::{ImportSnapshot, S3Prefix};
use millrace_domain::{
    ApplicationId, Change, EnhancedSnapshotName, OperationId, OperationStatus, SnapshotStatus,
    Timestamp, VersionId,
};
use millrace_launcher::Launcher;
use millrace_store::{Owner, Store, WorkKind};

use crate::sim::{application, version};
use crate::world::World;

const LOCATION: &str = "/snapshots/s";

fn taken() -> EnhancedRequest {
    let of = application();
    let snapshot = EnhancedSnapshot {
        account: of.account,
        region: of.region,
        name: EnhancedSnapshotName::new("s").expect("a valid name"),
        description: String::new(),
        status: SnapshotStatus::Creating,
        created_at: Timestamp(0),
        initiator: SnapshotOperationKind::CreateSnapshot,
        source: SnapshotSource::Application(SourceApplication {
            application: of.id,
            name: of.name,
            created_at: of.created_at,
            version: VersionId(1),
            runtime_environment: "FLINK-1_20".to_owned(),
        }),
        location: None,
        size_bytes: None,
        tags: BTreeMap::new(),
    };
    let id = OperationId::new("create").expect("a valid id");
    let kind = SnapshotOperationKind::CreateSnapshot;
    let operation = begun(&snapshot, kind, id, None, Timestamp(0));
    EnhancedRequest { snapshot, operation }.settled(Ok(LOCATION.to_owned()), Timestamp(1))
}

/// Files that are a set of names; some places do not work.
#[derive(Default)]
struct Files {
    there: Mutex<BTreeSet<String>>,
    /// What was done, in order.
    done: Mutex<Vec<String>>,
    /// How often a place that holds `flaky` has failed.
    failures: Mutex<u64>,
    /// Imports wait for it before they end.
    gate: tokio::sync::Mutex<()>,
}

impl Files {
    fn note(&self, what: String) {
        self.done.lock().expect("no test panics with it").push(what);
    }

    fn check(&self, place: &S3Prefix) -> Result<(), FilesError> {
        let error = |is_final| FilesError { message: format!("{place} is bad"), is_final };
        if place.prefix.contains("damaged") {
            return Err(error(true));
        }
        if place.prefix.contains("away") {
            return Err(error(false));
        }
        let mut failures = self.failures.lock().expect("no test panics with it");
        if place.prefix.contains("flaky") && *failures < 2 {
            *failures += 1;
            return Err(error(false));
        }
        Ok(())
    }
}

#[async_trait]
impl SnapshotFiles for Files {
    async fn export(&self, location: &str, to: &S3Prefix) -> Result<(), FilesError> {
        self.check(to)?;
        self.note(format!("{location} to {to}"));
        Ok(())
    }

    async fn import(
        &self,
        from: &S3Prefix,
        holder: &ApplicationId,
        attempt: u64,
    ) -> Result<Kept, FilesError> {
        let location = format!("/{holder}/{attempt}");
        self.there.lock().expect("no test panics with it").insert(location.clone());
        let _open = self.gate.lock().await;
        let checked = self.check(from);
        if checked.is_err() {
            self.discard(holder, attempt).await;
        }
        checked.map(|()| Kept { location, size_bytes: 5 })
    }

    async fn discard(&self, holder: &ApplicationId, attempt: u64) {
        let location = format!("/{holder}/{attempt}");
        self.there.lock().expect("no test panics with it").remove(&location);
    }

    async fn size(&self, _: &str) -> Result<u64, FilesError> {
        Ok(11)
    }
}

/// A store, files, and a clock that the test moves.
struct Place {
    store: Store,
    files: Arc<Files>,
    world: World,
    now: Arc<AtomicI64>,
    _directory: tempfile::TempDir,
}

impl Place {
    async fn new() -> Place {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("millrace.db");
        Place {
            store: Store::open(&file).await.expect("it opens"),
            files: Arc::default(),
            world: World::default(),
            now: Arc::new(AtomicI64::new(10)),
            _directory: directory,
        }
    }

    fn worker(&self) -> SnapshotWorker {
        let now = self.now.clone();
        SnapshotWorker {
            store: self.store.clone(),
            launcher: Arc::new(self.world.clone()),
            files: self.files.clone(),
            clock: Arc::new(move || Timestamp(now.load(Ordering::SeqCst))),
            settings: WorkSettings { hold: Duration::from_millis(300), ..WorkSettings::default() },
        }
    }

    /// Round after round, a minute between them.
    async fn rounds(&self, count: usize) {
        for _ in 0..count {
            self.worker().round().await.expect("the store answers");
            self.now.fetch_add(60_000, Ordering::SeqCst);
        }
    }

    /// READY, of a stored application.
    async fn taken(&self) -> EnhancedSnapshot {
        let taken = taken();
        let change = Change {
            expected: None,
            application: ApplicationWrite::Put(Box::new(application())),
            new_version: Some(version("good")),
            operations: Vec::new(),
            snapshots: Vec::new(),
            deleted_snapshots: Vec::new(),
            enhanced: vec![taken.clone()],
            wake_at: None,
            idempotency: None,
        };
        self.store.commit(&change, Timestamp(1)).await.expect("it is new");
        taken.snapshot
    }

    async fn import(&self, name: &str, from: &str) -> EnhancedRequest {
        let import = ImportSnapshot {
            account: application().account,
            region: application().region,
            name: EnhancedSnapshotName::new(name).expect("a valid name"),
            description: String::new(),
            tags: BTreeMap::new(),
            from: place(from),
        };
        let id = OperationId::new(format!("import-{name}")).expect("a valid id");
        let begun = import.decide(id, Timestamp(5)).expect("it is allowed");
        self.store.begin_import(&begun, None, Timestamp(5)).await.expect("it is new");
        begun
    }

    async fn export(&self, snapshot: &EnhancedSnapshot, id: &str, to: &str) -> SnapshotOperation {
        let id = OperationId::new(id).expect("a valid id");
        let export = snapshot.export(place(to), id, Timestamp(5)).expect("it is READY");
        let begun = self.store.begin_export(snapshot, &export, None, Timestamp(5)).await;
        begun.expect("it is the only one");
        export
    }

    async fn delete(&self, snapshot: &EnhancedSnapshot, id: &str) {
        let id = OperationId::new(id).expect("a valid id");
        let at = snapshot.created_at;
        let deletion = snapshot.delete(at, id, Timestamp(6)).expect("it is READY");
        let expected = SnapshotStatus::Ready;
        let begun = self.store.commit_enhanced(&deletion, expected, None, Timestamp(6)).await;
        begun.expect("it was READY");
    }

    async fn snapshot(&self, name: &EnhancedSnapshotName) -> Option<EnhancedSnapshot> {
        let of = application();
        let owner = Owner { account: &of.account, region: &of.region };
        self.store.enhanced_snapshot(owner, name).await.expect("it answers")
    }

    async fn operation(&self, of: &SnapshotOperation) -> SnapshotOperation {
        let owner = Owner { account: &of.account, region: &of.region };
        let found = self.store.snapshot_operation(owner, &of.snapshot, of.id.as_str()).await;
        found.expect("it answers").expect("operations outlive their snapshot")
    }

    fn files(&self) -> Vec<String> {
        self.files.there.lock().expect("no test panics with it").iter().cloned().collect()
    }
}

fn place(prefix: &str) -> S3Prefix {
    S3Prefix::new("b".to_owned(), prefix.to_owned()).expect("a valid prefix")
}

#[tokio::test]
async fn a_deletion_that_was_cut_off_after_its_files_ends_in_the_next_round() {
    let place = Place::new().await;
    let snapshot = place.taken().await;
    place.delete(&snapshot, "delete").await;
    // As far as a server came that was killed then.
    place.world.delete_snapshot(&application().id, LOCATION).await.expect("the fakes answer");
    place.rounds(2).await;
    assert_eq!(place.snapshot(&snapshot.name).await, None);
    let of = application();
    let owner = Owner { account: &of.account, region: &of.region };
    let ended = place.store.snapshot_operation(owner, &snapshot.name, "delete").await;
    let ended = ended.expect("it answers").expect("operations outlive their snapshot");
    assert_eq!((ended.status, ended.ended_at), (OperationStatus::Successful, Some(Timestamp(10))));
}

#[tokio::test]
async fn an_export_copies_below_its_own_prefix_and_then_the_snapshot_may_go() {
    let place = Place::new().await;
    let snapshot = place.taken().await;
    let export = place.export(&snapshot, "one", "flaky/backup").await;
    place.delete(&snapshot, "delete").await;
    place.rounds(1).await;
    assert_eq!(
        place.operation(&export).await.status,
        OperationStatus::InProgress,
        "it failed once"
    );
    assert!(place.snapshot(&snapshot.name).await.is_some(), "its deletion waits for the export");
    place.rounds(3).await;
    let ended = place.operation(&export).await;
    assert_eq!(ended.status, OperationStatus::Successful);
    let done = place.files.done.lock().expect("no test panics with it").clone();
    assert_eq!(done, [format!("{LOCATION} to s3://b/flaky/backup/one")]);
    assert_eq!(place.snapshot(&snapshot.name).await, None);
}

#[tokio::test]
async fn an_import_is_ready_with_the_end_of_its_operation_or_failed_and_nothing_is_left() {
    let place = Place::new().await;
    let check = async |from: &str, rounds: usize, status: SnapshotStatus, cause: Option<&str>| {
        let begun = place.import(from, from).await;
        place.rounds(rounds).await;
        let snapshot = place.snapshot(&begun.snapshot.name).await.expect("it has a row");
        let operation = place.operation(&begun.operation).await;
        assert_eq!((snapshot.status, operation.failure.as_deref()), (status, cause), "{from}");
        assert_eq!(snapshot.location.is_some(), status == SnapshotStatus::Ready, "{from}");
        assert_eq!(operation.ended_at.is_some(), status != SnapshotStatus::Creating, "{from}");
    };
    check("good", 1, SnapshotStatus::Ready, None).await;
    check("flaky", 1, SnapshotStatus::Creating, None).await;
    place.rounds(2).await;
    check("damaged", 1, SnapshotStatus::Failed, Some("s3://b/damaged is bad")).await;
    check("away", 7, SnapshotStatus::Creating, None).await;
    place.rounds(1).await;
    let name = EnhancedSnapshotName::new("away").expect("a valid name");
    let given_up = place.snapshot(&name).await.expect("it has a row");
    assert_eq!(given_up.status, SnapshotStatus::Failed, "eight attempts are enough");
    assert_eq!(place.files(), ["/import-import-flaky/3", "/import-import-good/1"]);
}

/// Killed after it had copied everything: another attempt begins anew.
#[tokio::test]
async fn an_import_goes_on_after_its_server_was_killed() {
    let place = Place::new().await;
    let begun = place.import("s", "good").await;
    let now = Timestamp(place.now.load(Ordering::SeqCst));
    let until = Timestamp(now.0 + 300);
    let work = place.store.take_snapshot_work(WorkKind::Transfers, (now, until), 1).await;
    let work = work.expect("it answers").remove(0);
    place
        .files
        .import(
            &work.operation.place.expect("it has one"),
            &begun.snapshot.source.holder().clone(),
            1,
        )
        .await
        .expect("the fakes answer");
    place.rounds(1).await;
    let snapshot = place.snapshot(&begun.snapshot.name).await.expect("it has a row");
    assert_eq!(snapshot.status, SnapshotStatus::Creating, "the dead one's hold has not run out");
    place.rounds(1).await;
    let snapshot = place.snapshot(&begun.snapshot.name).await.expect("it has a row");
    assert_eq!(snapshot.location.as_deref(), Some("/import-import-s/2"));
}

/// One that hung while another did its work removes what it brought, and writes nothing.
#[tokio::test]
async fn an_import_that_was_overtaken_clears_up() {
    let place = Place::new().await;
    let begun = place.import("s", "good").await;
    let closed = place.files.gate.lock().await;
    let slow = tokio::spawn({
        let worker = place.worker();
        async move { worker.round().await }
    });
    while place.files().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // As another replica whose clock is ahead.
    let (now, until) = (Timestamp(1_000_000), Timestamp(2_000_000));
    let taken = place.store.take_snapshot_work(WorkKind::Transfers, (now, until), 1).await;
    let work = taken.expect("it answers").remove(0);
    assert_eq!(work.attempt, 2);
    let settled = begun.settled(Ok("/fast".to_owned()), now).sized(1);
    place.store.end_import(&work, &settled, now).await.expect("it is the newest");
    drop(closed);
    slow.await.expect("it does not panic").expect("the store answers");
    let snapshot = place.snapshot(&begun.snapshot.name).await.expect("it has a row");
    assert_eq!(snapshot.location.as_deref(), Some("/fast"));
    assert!(place.files().is_empty(), "{:?}", place.files());
}

#[tokio::test]
async fn a_snapshot_of_an_engine_is_measured() {
    let place = Place::new().await;
    let snapshot = place.taken().await;
    assert_eq!(snapshot.size_bytes, None);
    place.rounds(1).await;
    let measured = place.snapshot(&snapshot.name).await.expect("it has a row");
    assert_eq!(measured.size_bytes, Some(11));
}

/// More than one round takes: those that fail come after those that were not tried.
#[tokio::test]
async fn a_hundred_deletions_that_fail_hold_up_no_other() {
    let place = Place::new().await;
    place.taken().await;
    let mut all = Vec::new();
    for number in 0..101 {
        let begun = taken();
        let name = EnhancedSnapshotName::new(format!("s-{number}")).expect("a valid name");
        let location = if number < 100 { format!("/stuck/{number}") } else { "/fine".to_owned() };
        let id = OperationId::new(format!("make-{number}")).expect("a valid id");
        let operation = SnapshotOperation { id, snapshot: name.clone(), ..begun.operation };
        let snapshot = EnhancedSnapshot { name, location: Some(location), ..begun.snapshot };
        all.push(EnhancedRequest { snapshot, operation });
    }
    let loaded = place.store.load(&application().id).await.expect("it answers");
    let loaded = loaded.expect("it was created");
    let change = Change {
        expected: Some(loaded.application.revision),
        application: ApplicationWrite::Put(Box::new(loaded.application)),
        new_version: None,
        operations: Vec::new(),
        snapshots: Vec::new(),
        deleted_snapshots: Vec::new(),
        enhanced: all.clone(),
        wake_at: None,
        idempotency: None,
    };
    place.store.commit(&change, Timestamp(1)).await.expect("it is the newest");
    for (number, request) in all.iter().enumerate() {
        place.delete(&request.snapshot, &format!("delete-{number}")).await;
    }
    place.worker().round().await.expect("the store answers");
    place.worker().round().await.expect("the store answers");
    assert_eq!(place.snapshot(&all[100].snapshot.name).await, None, "it went at once");
    let stuck = place.snapshot(&all[0].snapshot.name).await.expect("it has a row");
    assert_eq!(stuck.status, SnapshotStatus::Deleting);
}
