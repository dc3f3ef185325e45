//! Deletions of enhanced snapshots over the real store: done again until they are recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_controller::Deletions;
use millrace_domain::change::ApplicationWrite;
use millrace_domain::enhanced::{
    EnhancedRequest, EnhancedSnapshot, SnapshotOperationKind, SnapshotSource, begun,
};
use millrace_domain::{
    Change, EnhancedSnapshotName, OperationId, OperationStatus, SnapshotStatus, Timestamp,
    VersionId,
};
use millrace_launcher::Launcher;
use millrace_store::{Owner, Store};

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
        source: SnapshotSource {
            application: of.id,
            name: of.name,
            created_at: of.created_at,
            version: VersionId(1),
            runtime_environment: "FLINK-1_20".to_owned(),
        },
        location: None,
        tags: BTreeMap::new(),
    };
    let id = OperationId::new("create").expect("a valid id");
    let kind = SnapshotOperationKind::CreateSnapshot;
    let operation = begun(&snapshot, kind, id, None, Timestamp(0));
    EnhancedRequest { snapshot, operation }.settled(Ok(LOCATION.to_owned()), Timestamp(1))
}

#[tokio::test]
async fn a_deletion_that_was_cut_off_after_its_files_ends_in_the_next_round() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(&directory.path().join("millrace.db")).await.expect("it opens");
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
    store.commit(&change, Timestamp(1)).await.expect("it is new");
    let id = OperationId::new("delete").expect("a valid id");
    let deletion = taken.snapshot.delete(Timestamp(0), id, Timestamp(2)).expect("it is READY");
    let expected = SnapshotStatus::Ready;
    store.commit_enhanced(&deletion, expected, None, Timestamp(2)).await.expect("it was READY");
    let twice = store.commit_enhanced(&deletion, expected, None, Timestamp(2)).await;
    assert!(twice.is_err(), "it is DELETING");

    let world = World::default();
    // As far as a server came that was killed then.
    world.delete_snapshot(&application().id, LOCATION).await.expect("the fakes answer");
    let deletions = Deletions {
        store: store.clone(),
        launcher: Arc::new(world),
        clock: Arc::new(|| Timestamp(3)),
    };
    deletions.round().await.expect("the store answers");
    deletions.round().await.expect("nothing is left to do");
    let of = application();
    let owner = Owner { account: &of.account, region: &of.region };
    let name = &taken.snapshot.name;
    assert_eq!(store.enhanced_snapshot(owner, name).await.expect("it answers"), None);
    let ended = store.snapshot_operation(owner, name, "delete").await.expect("it answers");
    let ended = ended.expect("operations outlive their snapshot");
    assert_eq!((ended.status, ended.ended_at), (OperationStatus::Successful, Some(Timestamp(3))));
    assert!(store.open_deletions(10).await.expect("it answers").is_empty());
}
