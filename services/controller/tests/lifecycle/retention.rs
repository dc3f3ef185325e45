//! Sweeps over the real store: what goes is what nothing needs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millrace_controller::Sweeper;
use millrace_domain::change::ApplicationWrite;
use millrace_domain::enhanced::{
    EnhancedRequest, EnhancedSnapshot, SnapshotOperationKind, SnapshotSource, SourceApplication,
    begun,
};
use millrace_domain::retention::{Keep, Retention};
use millrace_domain::{
    Application, Change, EnhancedSnapshotName, OperationId, Snapshot, SnapshotName, SnapshotStatus,
    Timestamp, VersionId,
};
use millrace_store::{Owner, Store};

use crate::sim::{application, version};
use crate::world::World;

const NOW: i64 = 1_000_000;

struct Place {
    store: Store,
    _directory: tempfile::TempDir,
}

fn change(application: Application, expected: Option<millrace_domain::Revision>) -> Change {
    Change {
        expected,
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

fn own(name: &str, at: i64, automatic: bool) -> Snapshot {
    Snapshot {
        application: application().id,
        name: SnapshotName::new(name).expect("a valid name"),
        status: SnapshotStatus::Ready,
        created_at: Timestamp(at),
        version: VersionId(1),
        runtime_environment: version("good").runtime_environment,
        location: Some(format!("/own/{name}")),
        automatic,
        enhanced: false,
    }
}

fn account(name: &str, at: i64, kind: SnapshotOperationKind, tag: &str) -> EnhancedRequest {
    let of = application();
    let snapshot = EnhancedSnapshot {
        account: of.account,
        region: of.region,
        name: EnhancedSnapshotName::new(name).expect("a valid name"),
        description: String::new(),
        status: SnapshotStatus::Creating,
        created_at: Timestamp(at),
        initiator: kind,
        source: SnapshotSource::Application(SourceApplication {
            application: of.id,
            name: of.name,
            created_at: of.created_at,
            version: VersionId(1),
            runtime_environment: "FLINK-1_20".to_owned(),
        }),
        location: None,
        size_bytes: None,
        tags: BTreeMap::from([(tag.to_owned(), String::new())]),
    };
    let id = OperationId::new(format!("make-{name}")).expect("a valid id");
    let operation = begun(&snapshot, kind, id, None, Timestamp(at));
    let settled = EnhancedRequest { snapshot, operation };
    settled.settled(Ok(format!("/account/{name}")), Timestamp(at))
}

impl Place {
    async fn new(snapshots: Vec<Snapshot>, enhanced: Vec<EnhancedRequest>) -> Place {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = Store::open(&directory.path().join("millrace.db"))
            .await
            .expect("it opens")
            .held_alone();
        let made = Change {
            new_version: Some(version("good")),
            snapshots,
            enhanced,
            ..change(application(), None)
        };
        store.commit(&made, Timestamp(1)).await.expect("it is new");
        Place { store, _directory: directory }
    }

    async fn sweep(&self, retention: Retention) -> u64 {
        let ids = AtomicU64::new(1);
        let id = move || {
            let number = ids.fetch_add(1, Ordering::SeqCst);
            OperationId::new(format!("sweep-{number}")).expect("a valid id")
        };
        let sweeper = Sweeper {
            store: self.store.clone(),
            launcher: Arc::new(World::default()),
            clock: Arc::new(|| Timestamp(NOW)),
            ids: Arc::new(id),
            retention,
        };
        sweeper.sweep().await.expect("the store answers").snapshots
    }

    /// The names of those that are READY still.
    async fn ready(&self) -> Vec<String> {
        let loaded = self.store.load(&application().id).await.expect("it answers");
        let loaded = loaded.expect("it was created");
        let own = loaded.snapshots.iter().filter(|it| !it.enhanced);
        let own = own.filter(|it| it.status == SnapshotStatus::Ready).map(|it| it.name.to_string());
        let of = application();
        let owner = Owner { account: &of.account, region: &of.region };
        let filter = millrace_store::SnapshotFilter {
            status: Some(SnapshotStatus::Ready),
            ..millrace_store::SnapshotFilter::default()
        };
        let account = self.store.enhanced_snapshots(owner, &filter, None, 50).await;
        let account = account.expect("it answers").items;
        let mut names: Vec<String> =
            own.chain(account.iter().map(|it| it.name.to_string())).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn snapshots_beyond_the_newest_go_but_not_those_that_a_start_needs() {
    let own = vec![own("a1", 1, true), own("a2", 2, true), own("a3", 3, true), own("n1", 1, false)];
    let place = Place::new(own, Vec::new()).await;
    assert_eq!(place.sweep(Retention::default()).await, 0, "all are kept unless it is said");
    let two = Keep { count: Some(2), age_ms: None };
    assert_eq!(place.sweep(Retention { automatic: two, ..Retention::default() }).await, 1);
    assert_eq!(place.ready().await, ["a2", "a3", "n1"]);
    // Far too old, and the newest state there is.
    let none = Keep { count: Some(0), age_ms: Some(0) };
    let strict = Retention { automatic: none, named: none, ..Retention::default() };
    assert_eq!(place.sweep(strict.clone()).await, 2);
    assert_eq!(place.ready().await, ["a3"]);
    assert_eq!(place.sweep(strict).await, 0);
}

#[tokio::test]
async fn snapshots_of_the_account_go_by_their_own_tags_and_kinds() {
    let system = SnapshotOperationKind::SystemCreateSnapshot;
    let asked = SnapshotOperationKind::CreateSnapshot;
    let all = vec![
        account("s1", 1, system, "x"),
        account("s2", 2, system, "keep"),
        account("s3", 3, system, "x"),
        account("u1", 1, asked, "x"),
    ];
    let place = Place::new(Vec::new(), all).await;
    let young = Keep { count: None, age_ms: Some(10) };
    let tags = vec!["keep".parse().expect("a tag")];
    let retention = Retention { automatic: young, tags, ..Retention::default() };
    assert_eq!(place.sweep(retention.clone()).await, 2);
    assert_eq!(place.ready().await, ["s2", "u1"]);
    assert_eq!(place.sweep(retention).await, 0, "they are DELETING");
}

#[tokio::test]
async fn nothing_goes_while_an_operation_is_open() {
    let place = Place::new(vec![own("a1", 1, true), own("a2", 2, true)], Vec::new()).await;
    let loaded = place.store.load(&application().id).await.expect("it answers");
    let open = loaded.expect("it was created").application;
    let revision = open.revision;
    let open =
        Application { open_operation: Some(OperationId::new("open").expect("a valid id")), ..open };
    place
        .store
        .commit(&change(open, Some(revision)), Timestamp(2))
        .await
        .expect("it is the newest");
    let none = Keep { count: Some(0), age_ms: None };
    assert_eq!(place.sweep(Retention { automatic: none, ..Retention::default() }).await, 0);
    assert_eq!(place.ready().await, ["a1", "a2"]);
}
