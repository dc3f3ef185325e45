//! Two engines, one log: never do both commit.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use millrace_dataflow::{CheckpointId, Generation};
use millrace_state::fault::{Death, MortalStore};
use millrace_state::store::NewCheckpoint;
use millrace_state::{CheckpointStore, Claimed, EntryKind, RestoreRequest, Restored, StateError};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn store(objects: &Arc<dyn ObjectStore>, owner: &str) -> CheckpointStore {
    CheckpointStore::new(Arc::clone(objects), "/app/state", "app", owner).unwrap()
}

fn checkpoint(id: u64) -> NewCheckpoint {
    NewCheckpoint {
        checkpoint: CheckpointId(id),
        savepoint: false,
        location: format!("/app/state/checkpoints/{id}"),
        held: false,
    }
}

/// One engine of the model: what it restored, and the checkpoints it committed.
struct Engine {
    store: CheckpointStore,
    claimed: Claimed,
    next: u64,
    committed: Vec<u64>,
    fenced: bool,
}

impl Engine {
    async fn start(
        store: CheckpointStore,
        generation: u64,
    ) -> std::result::Result<Engine, StateError> {
        let claimed = store.claim(Generation(generation), &RestoreRequest::Latest, 0).await?;
        let next = claimed.last_checkpoint.0 + 1;
        Ok(Engine { store, claimed, next, committed: vec![], fenced: false })
    }

    async fn checkpoint(&mut self) {
        let id = self.next;
        self.next += 1;
        match self.store.publish(&mut self.claimed, checkpoint(id), 0).await {
            Ok(published) => self.committed.push(published.permit.checkpoint().0),
            Err(error) => self.fenced = error.is_fenced(),
        }
    }
}

#[tokio::test]
async fn whatever_the_interleaving_each_restore_sees_every_commit_before_it() {
    for seed in 0..300 {
        let mut rng = StdRng::seed_from_u64(seed);
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let mut engines: Vec<Engine> = vec![];
        let mut generation = 0;
        for step in 0..40 {
            if engines.is_empty() || rng.random_range(0..8) == 0 {
                generation += rng.random_range(0..2);
                let owner = format!("process {step}");
                if let Ok(engine) = Engine::start(store(&objects, &owner), generation).await {
                    let seen = match engine.claimed.restores {
                        Restored::Checkpoint { checkpoint, .. } => checkpoint.0,
                        _ => 0,
                    };
                    let committed = engines.iter().flat_map(|e| &e.committed).max();
                    assert_eq!(seen, committed.copied().unwrap_or(0), "seed {seed} step {step}");
                    engines.push(engine);
                }
                continue;
            }
            let at = rng.random_range(0..engines.len());
            let newest = engines.len() - 1;
            engines[at].checkpoint().await;
            assert_eq!(engines[at].fenced, at != newest, "seed {seed} step {step}");
        }
        let mut by_id: BTreeMap<u64, usize> = BTreeMap::new();
        for id in engines.iter().flat_map(|engine| &engine.committed) {
            *by_id.entry(*id).or_default() += 1;
        }
        assert!(by_id.values().all(|times| *times == 1), "seed {seed}: {by_id:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_for_one_sequence_has_one_winner() {
    for _ in 0..50 {
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let old = Engine::start(store(&objects, "old"), 1).await.unwrap();
        let tasks = (2..6u64).map(|generation| {
            let store = store(&objects, &format!("process {generation}"));
            tokio::spawn(async move { Engine::start(store, generation).await })
        });
        let started: Vec<_> = futures::future::join_all(tasks).await;
        let mut engines: Vec<Engine> =
            started.into_iter().filter_map(|result| result.unwrap().ok()).collect();
        engines.push(old);
        let mut winners = 0;
        for engine in &mut engines {
            engine.checkpoint().await;
            winners += engine.committed.len();
        }
        assert_eq!(winners, 1);
        assert!(engines.iter().any(
            |engine| engine.claimed.generation == Generation(5) && !engine.committed.is_empty()
        ));
    }
}

type Meanwhile = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Lets something happen between a claimant's look at the log and its first create.
struct Slow {
    inner: Arc<dyn ObjectStore>,
    meanwhile: Mutex<Option<Meanwhile>>,
}

impl fmt::Debug for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slow({})", self.inner)
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slow({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Slow {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile().await;
        }
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_claim_whose_place_retention_has_freed_is_made_again() {
    let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let old = Engine::start(store(&memory, "old"), 1).await.unwrap();
    let old = Arc::new(tokio::sync::Mutex::new(old));
    old.lock().await.checkpoint().await;
    let running = Arc::clone(&old);
    let meanwhile: Meanwhile = Box::new(move || {
        Box::pin(async move {
            let mut old = running.lock().await;
            for _ in 0..3 {
                old.checkpoint().await;
            }
            old.store.retire(old.claimed.next_sequence(), 1).await.unwrap();
        })
    });
    let meanwhile = Mutex::new(Some(meanwhile));
    let slow: Arc<dyn ObjectStore> = Arc::new(Slow { inner: Arc::clone(&memory), meanwhile });
    let new = Engine::start(store(&slow, "new"), 2).await.unwrap();
    let Restored::Checkpoint { checkpoint, .. } = new.claimed.restores else { panic!("nothing") };
    assert_eq!(checkpoint, CheckpointId(4), "the newest");
    let mut old = old.lock().await;
    old.checkpoint().await;
    assert!(old.fenced, "by the claim, wherever it was made first");
}

#[tokio::test]
async fn the_same_generation_started_twice_leaves_the_later_one() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let mut first = Engine::start(store(&objects, "first"), 3).await.unwrap();
    let mut second = Engine::start(store(&objects, "second"), 3).await.unwrap();
    first.checkpoint().await;
    second.checkpoint().await;
    assert!(first.fenced && first.committed.is_empty());
    assert_eq!(second.committed, [1]);
    assert_eq!(second.claimed.earlier_claims, 1);
}

#[tokio::test]
async fn a_store_that_dies_at_any_call_never_leaves_half_a_publication() {
    for death in [Death::Before, Death::After] {
        for at in 1..12 {
            let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let mut first = Engine::start(store(&memory, "first"), 1).await.unwrap();
            first.checkpoint().await;
            let mortal: Arc<dyn ObjectStore> =
                Arc::new(MortalStore::new(Arc::clone(&memory), at, death));
            if let Ok(mut dying) = Engine::start(store(&mortal, "dying"), 2).await {
                dying.checkpoint().await;
                dying.checkpoint().await;
            }
            // Whatever happened, the next start goes on from a state that is whole.
            let next = Engine::start(store(&memory, "next"), 3).await.unwrap();
            assert!(matches!(next.claimed.restores, Restored::Checkpoint { .. }));
            let entries = store(&memory, "reader").entries().await.unwrap();
            let sequences: Vec<u64> = entries.iter().map(|entry| entry.sequence).collect();
            let expected: Vec<u64> = (1..=entries.len() as u64).collect();
            assert_eq!(sequences, expected, "{death:?} at {at}");
            let starts = entries.iter().filter(|e| matches!(e.kind, EntryKind::Generation { .. }));
            assert!(starts.count() >= 2);
        }
    }
}
