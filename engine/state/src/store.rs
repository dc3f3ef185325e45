//! The checkpoint protocol's only I/O: the log, the snapshots, and their removal,
//! over an object store.
//!
//! Guarantees: an entry exists whole or not at all (one conditional create); a
//! snapshot's files are written before its manifest, and its manifest before the
//! entry that names it; removal goes the other way round.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt};
use millrace_dataflow::{CheckpointId, CommitPermit, Generation, RuntimeLevel};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::error::StateError;
use crate::location;
use crate::log::{self, Claim, Created, Entry, EntryKind, RestoreRequest, Restored};
use crate::manifest::{self, FileMeta, METADATA, Manifest};
use crate::pages::{PageError, Run};
use crate::read::{self, LoadedSnapshot, ReadFiles, file_name};
use crate::retention;
use crate::shared::{Pins, SharedRuns};
use crate::write::{self, Encoded, Piece, SnapshotContent, SubtaskBytes};

/// How many requests are under way at once.
const CONCURRENCY: usize = 16;
/// Files that are checked at once.
const CHECKS: usize = 4;
/// Bytes of a file that is checked, read by one request.
const CHECKED_AT_ONCE: u64 = 8 << 20;
/// State files that together are larger stay where they are while they are restored.
const MOST_HELD: u64 = 64 << 20;
/// How often a create is repeated when its outcome stays open.
const CREATE_ATTEMPTS: usize = 5;

/// The checkpoints of one application, below one directory.
#[derive(Clone, Debug)]
pub struct CheckpointStore {
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) root: Path,
    application: String,
    owner: String,
    pub(crate) shared: Arc<SharedRuns>,
    most_held: u64,
}

/// What came of writing a snapshot.
#[derive(Debug)]
pub struct Written {
    /// That were written: runs that were stored before cost nothing (Flink's
    /// `checkpointed_size`).
    pub bytes: u64,
    /// Of the whole state (Flink's `state_size`).
    pub state_bytes: u64,
    /// The same by operator and subtask, those without any left out.
    pub subtasks: Vec<SubtaskBytes>,
    /// To be kept until the snapshot's entry is in the log.
    pub pins: Pins,
}

/// The right to write the log as one generation; lost when another takes it.
#[derive(Debug)]
pub struct Claimed {
    pub generation: Generation,
    /// Sequence of the `generation` entry: unique among all starts.
    pub sequence: u64,
    pub restores: Restored,
    /// Claims of the same generation before this one.
    pub earlier_claims: u32,
    /// The greatest checkpoint id seen in the log.
    pub last_checkpoint: CheckpointId,
    next: u64,
}

/// A checkpoint that has just become visible.
#[derive(Debug)]
pub struct Published {
    pub permit: CommitPermit,
    pub sequence: u64,
}

/// What a `checkpoint` entry says beside its place.
#[derive(Clone, Debug)]
pub struct NewCheckpoint {
    pub checkpoint: CheckpointId,
    pub savepoint: bool,
    pub location: String,
    pub held: bool,
}

impl CheckpointStore {
    /// `root` as [`location::parse`] reads it; `owner` differs between processes.
    ///
    /// # Errors
    /// The root is no usable location.
    pub fn new(
        objects: Arc<dyn ObjectStore>,
        root: &str,
        application: impl Into<String>,
        owner: impl Into<String>,
    ) -> Result<CheckpointStore, StateError> {
        let root = location::parse(root)?;
        let (application, owner) = (application.into(), owner.into());
        let (shared, most_held) = (Arc::default(), MOST_HELD);
        Ok(CheckpointStore { objects, root, application, owner, shared, most_held })
    }

    /// Snapshots whose state files have more than so many bytes together are not held in
    /// memory while they are restored; 64 MiB unless told.
    pub fn holding_at_most(self, most_held: u64) -> CheckpointStore {
        CheckpointStore { most_held, ..self }
    }

    /// All entries in order of sequence.
    ///
    /// # Errors
    /// The store cannot be read, or an entry is no entry.
    pub async fn entries(&self) -> Result<Vec<Entry>, StateError> {
        let directory = self.root.clone().join("log");
        let listed = self.objects.list(Some(&directory));
        let found: Vec<Option<Entry>> = listed
            .map_err(|source| store_error("list the checkpoint log", source))
            .map_ok(|meta| self.read_entry(meta.location))
            .try_buffer_unordered(CONCURRENCY)
            .try_collect()
            .await?;
        let mut entries: Vec<Entry> = found.into_iter().flatten().collect();
        entries.sort_by_key(|entry| entry.sequence);
        Ok(entries)
    }

    /// Takes the application for a generation, and says what to restore.
    ///
    /// # Errors
    /// A greater generation is there, or the store fails.
    pub async fn claim(
        &self,
        generation: Generation,
        request: &RestoreRequest,
        now_ms: i64,
    ) -> Result<Claimed, StateError> {
        loop {
            let entries = self.entries().await?;
            let (sequence, restores, earlier_claims) =
                match log::decide_claim(&entries, generation, request) {
                    Claim::Superseded { newer } => {
                        return Err(StateError::Superseded { generation, newer });
                    }
                    Claim::Append { sequence, restores, earlier_claims } => {
                        (sequence, restores, earlier_claims)
                    }
                };
            let kind = EntryKind::Generation { restores: restores.clone() };
            let entry = self.entry(sequence, generation, now_ms, kind);
            if self.create(&entry).await?.is_none() && self.is_last(sequence).await? {
                let last_checkpoint = log::last_checkpoint(&entries);
                let next = sequence + 1;
                return Ok(Claimed {
                    generation,
                    sequence,
                    restores,
                    earlier_claims,
                    last_checkpoint,
                    next,
                });
            }
        }
    }

    /// Whether a claim is where it should be. Between the look at the log and the create
    /// others may have gone on, and retention may have made its place free again: an
    /// entry there fences nobody.
    async fn is_last(&self, sequence: u64) -> Result<bool, StateError> {
        let entries = self.entries().await?;
        Ok(entries.last().is_none_or(|last| last.sequence <= sequence))
    }

    /// Makes a checkpoint visible: the only place where the right to commit comes from.
    ///
    /// # Errors
    /// [`StateError::Fenced`] when another engine has written the log since.
    pub async fn publish(
        &self,
        claimed: &mut Claimed,
        new: NewCheckpoint,
        now_ms: i64,
    ) -> Result<Published, StateError> {
        let NewCheckpoint { checkpoint, savepoint, location, held } = new;
        let kind = EntryKind::Checkpoint { checkpoint, savepoint, location, held };
        let entry = self.entry(claimed.next, claimed.generation, now_ms, kind);
        if let Some(winner) = self.create(&entry).await? {
            return Err(StateError::Fenced {
                generation: claimed.generation,
                by: winner.describe(),
            });
        }
        claimed.next += 1;
        let permit = CommitPermit::for_visible_checkpoint(claimed.generation, checkpoint);
        Ok(Published { permit, sequence: entry.sequence })
    }

    /// Catches up after a publication whose answer was lost: the last entry of this
    /// very claim that it did not know of.
    ///
    /// # Errors
    /// [`StateError::Fenced`] when another wrote it, or the store fails.
    pub async fn catch_up(&self, claimed: &mut Claimed) -> Result<Option<Entry>, StateError> {
        let mut adopted = None;
        while let Some(entry) = self.read_entry(self.entry_path(claimed.next)).await? {
            let is_ours = entry.owner == self.owner
                && entry.generation == claimed.generation
                && matches!(entry.kind, EntryKind::Checkpoint { .. });
            if !is_ours {
                let (generation, by) = (claimed.generation, entry.describe());
                return Err(StateError::Fenced { generation, by });
            }
            claimed.next += 1;
            adopted = Some(entry);
        }
        Ok(adopted)
    }

    /// Makes sure that nobody has written the log since, and gives the right to
    /// commit again what the restored checkpoint prepared.
    ///
    /// # Errors
    /// [`StateError::Fenced`], or the store fails.
    pub async fn confirm(
        &self,
        claimed: &Claimed,
        restored: CheckpointId,
    ) -> Result<CommitPermit, StateError> {
        match self.read_entry(self.entry_path(claimed.next)).await? {
            Some(entry) => {
                Err(StateError::Fenced { generation: claimed.generation, by: entry.describe() })
            }
            None => Ok(CommitPermit::for_visible_checkpoint(claimed.generation, restored)),
        }
    }

    /// The directory for a checkpoint of the claim with this sequence: no two claims
    /// share one.
    pub fn checkpoint_location(&self, claim: u64, checkpoint: CheckpointId) -> String {
        let name = format!("chk-{checkpoint}-{claim}");
        location::display(&self.root.clone().join("checkpoints").join(name))
    }

    /// Where a savepoint for `target` goes: there itself when nothing is there yet,
    /// else in a directory of its own below (row H1.9). Without a target below the
    /// application's own directory.
    ///
    /// # Errors
    /// The target is no usable location, or the store fails.
    pub async fn savepoint_location(
        &self,
        claim: u64,
        checkpoint: CheckpointId,
        target: Option<&str>,
    ) -> Result<String, StateError> {
        let short: String = self.application.chars().take(6).collect();
        let name = format!("savepoint-{short}-{checkpoint}-{claim}");
        let Some(target) = target else {
            return Ok(location::display(&self.root.clone().join("savepoints").join(name)));
        };
        let target = location::parse(target)?;
        let mut listed = self.objects.list(Some(&target));
        let taken = listed
            .try_next()
            .await
            .map_err(|source| store_error("list the savepoint's target", source))?
            .is_some();
        Ok(location::display(&if taken { target.join(name) } else { target }))
    }

    /// Writes the runs that are not there yet and the state files, then the manifest.
    ///
    /// # Errors
    /// The store fails, or a manifest is there already.
    pub async fn write_snapshot(
        &self,
        location: &str,
        encoded: Encoded,
    ) -> Result<Written, StateError> {
        let directory = location::parse(location)?;
        let mut puts = vec![];
        for (meta, bytes) in encoded.manifest.files.iter().zip(encoded.files) {
            let path = directory.clone().join(meta.name.as_str());
            puts.push(self.write_file(path, bytes.into()).boxed());
        }
        futures::stream::iter(puts).buffer_unordered(CONCURRENCY).try_collect::<Vec<_>>().await?;
        self.finish_snapshot(directory, &encoded.manifest, &encoded.runs).await
    }

    /// As [`CheckpointStore::write_snapshot`], while it is being encoded on another
    /// thread: no more than some pieces of the state files are in memory.
    ///
    /// # Errors
    /// As there, or a run cannot be read.
    pub async fn write_content(
        &self,
        location: &str,
        content: SnapshotContent,
    ) -> Result<Written, StateError> {
        let directory = location::parse(location)?;
        let (sender, pieces) = tokio::sync::mpsc::channel(2);
        let encoding = tokio::task::spawn_blocking(move || {
            write::encode_into(content, &mut |piece| {
                sender.blocking_send(piece).map_err(|_| given_up())
            })
        });
        let put = self.put_pieces(&directory, pieces).await;
        let encoded = encoding.await.expect("encoding does not panic");
        // If the store failed, that is why the encoding was given up.
        put?;
        let (manifest, runs) = encoded?;
        self.finish_snapshot(directory, &manifest, &runs).await
    }

    /// Puts the runs that are not there yet, then the manifest.
    async fn finish_snapshot(
        &self,
        directory: Path,
        manifest: &Manifest,
        runs: &[Arc<Run>],
    ) -> Result<Written, StateError> {
        let (pins, put) = self.put_runs(runs).await?;
        let of_put = manifest.runs.iter().filter(|run| put.contains(&run.name));
        let run_bytes: u64 = of_put.map(|run| run.length).sum();
        let file_bytes: u64 = manifest.files.iter().map(|file| file.length).sum();
        let state_bytes = write::state_bytes(manifest);
        let subtasks = write::subtask_bytes(manifest, &put);
        let path = directory.join(METADATA);
        let bytes = Bytes::from(manifest::encode(manifest));
        self.objects
            .put_opts(&path, bytes.into(), PutOptions::from(PutMode::Create))
            .await
            .map_err(|source| store_error(&format!("write /{path}"), source))?;
        Ok(Written { bytes: run_bytes + file_bytes, state_bytes, subtasks, pins })
    }

    /// Small files many at once, large ones in parts.
    async fn put_pieces(
        &self,
        directory: &Path,
        mut pieces: tokio::sync::mpsc::Receiver<Piece>,
    ) -> Result<(), StateError> {
        let mut small = tokio::task::JoinSet::new();
        let mut next = pieces.recv().await;
        while let Some(first) = next.take() {
            let path = directory.clone().join(first.file.as_str());
            next = pieces.recv().await;
            if next.as_ref().is_some_and(|piece| piece.file == first.file) {
                next = self.put_parts(&path, first, next, &mut pieces).await?;
                continue;
            }
            let store = self.clone();
            small.spawn(async move { store.write_file(path, payload(first)).await });
            if small.len() >= CONCURRENCY {
                joined(small.join_next().await)?;
            }
        }
        while let Some(done) = small.join_next().await {
            joined(Some(done))?;
        }
        Ok(())
    }

    /// One file; the first piece of the next one.
    async fn put_parts(
        &self,
        path: &Path,
        first: Piece,
        mut next: Option<Piece>,
        pieces: &mut tokio::sync::mpsc::Receiver<Piece>,
    ) -> Result<Option<Piece>, StateError> {
        let failed = |source| store_error(&format!("write /{path}"), source);
        let mut upload = self.objects.put_multipart(path).await.map_err(failed)?;
        let file = first.file.clone();
        upload.put_part(payload(first)).await.map_err(failed)?;
        while let Some(piece) = next.take_if(|piece| piece.file == file) {
            upload.put_part(payload(piece)).await.map_err(failed)?;
            next = pieces.recv().await;
        }
        upload.complete().await.map_err(failed)?;
        Ok(next)
    }

    async fn write_file(&self, path: Path, bytes: PutPayload) -> Result<(), StateError> {
        let put = self.objects.put(&path, bytes).await;
        put.map(drop).map_err(|source| store_error(&format!("write /{path}"), source))
    }

    /// The manifest alone, for an engine of `level`.
    ///
    /// # Errors
    /// It is missing, damaged, or of a later format.
    pub async fn read_manifest(
        &self,
        location: &str,
        level: RuntimeLevel,
    ) -> Result<Manifest, StateError> {
        let path = location::parse(location)?.join(METADATA);
        let bytes = match self.get(&path).await? {
            Some(bytes) => bytes,
            None => return Err(StateError::NoSnapshot { location: location.to_owned() }),
        };
        manifest::decode(&bytes, &location::display(&path), level)
    }

    /// The manifest, with every file and run there and of its length: enough to say before
    /// a stop that a snapshot can be read.
    ///
    /// # Errors
    /// As [`CheckpointStore::read_manifest`], or a file is missing or has another length.
    pub async fn inspect(
        &self,
        location: &str,
        level: RuntimeLevel,
    ) -> Result<Manifest, StateError> {
        let manifest = self.read_manifest(location, level).await?;
        let directory = location::parse(location)?;
        for meta in &manifest.files {
            let damaged = |reason: String| StateError::damaged(file_name(location, meta), reason);
            let path = directory.clone().join(meta.name.as_str());
            match self.objects.head(&path).await {
                Ok(found) if found.size == meta.length => {}
                Ok(found) => {
                    let (has, wants) = (found.size, meta.length);
                    return Err(damaged(format!("it has {has} bytes and should have {wants}")));
                }
                Err(object_store::Error::NotFound { .. }) => {
                    return Err(damaged("it is missing".into()));
                }
                Err(source) => return Err(store_error(&format!("look at /{path}"), source)),
            }
        }
        self.look_at_runs(location, &manifest).await?;
        Ok(manifest)
    }

    /// The whole snapshot, every byte checked; of runs that they are there, since their
    /// bytes are checked as they are fetched.
    ///
    /// # Errors
    /// As [`CheckpointStore::read_manifest`], or a file is missing or damaged.
    pub async fn load(
        &self,
        location: &str,
        level: RuntimeLevel,
    ) -> Result<LoadedSnapshot, StateError> {
        let manifest = self.read_manifest(location, level).await?;
        self.look_at_runs(location, &manifest).await?;
        let directory = location::parse(location)?;
        let location = location::display(&directory);
        let total: u64 = manifest.files.iter().map(|file| file.length).sum();
        if total > self.most_held {
            return self.load_stored(directory, location, manifest).await;
        }
        let gets = manifest.files.iter().map(|meta| {
            let path = directory.clone().join(meta.name.as_str());
            let name = file_name(&location, meta);
            async move {
                self.get(&path).await?.ok_or_else(|| StateError::damaged(name, "it is missing"))
            }
        });
        let files = futures::stream::iter(gets).buffered(CONCURRENCY).try_collect().await?;
        LoadedSnapshot::verified(manifest, location, files)
    }

    /// Checks the files without holding them.
    async fn load_stored(
        &self,
        directory: Path,
        location: String,
        manifest: Manifest,
    ) -> Result<LoadedSnapshot, StateError> {
        let checks = manifest.files.iter().map(|meta| {
            let (path, name) = (directory.clone().join(meta.name.as_str()), meta);
            let location = &location;
            async move {
                let reason = self.check_file(&path, meta).await?;
                reason.map_or(Ok(()), |reason| {
                    Err(StateError::damaged(file_name(location, name), reason))
                })
            }
        });
        let checks = futures::stream::iter(checks).buffered(CHECKS);
        checks.try_collect::<Vec<()>>().await?;
        let files = StoredFiles {
            objects: Arc::clone(&self.objects),
            directory,
            location: location.clone(),
            runtime: tokio::runtime::Handle::current(),
        };
        LoadedSnapshot::stored(manifest, location, Arc::new(files))
    }

    /// Why the file is not the one that was written, if so.
    async fn check_file(&self, path: &Path, meta: &FileMeta) -> Result<Option<String>, StateError> {
        let doing = || format!("read {}", location::display(path));
        let length = match self.objects.head(path).await {
            Ok(found) => found.size,
            Err(object_store::Error::NotFound { .. }) => return Ok(Some("it is missing".into())),
            Err(source) => return Err(store_error(&doing(), source)),
        };
        let mut hasher = crc32fast::Hasher::new();
        // Large pieces: a stream of a local file has a task for every few KiB.
        for start in (0..length.min(meta.length)).step_by(CHECKED_AT_ONCE as usize) {
            let end = length.min(meta.length).min(start + CHECKED_AT_ONCE);
            match self.objects.get_range(path, start..end).await {
                Ok(bytes) => hasher.update(&bytes),
                // Whoever writes here has just retired it.
                Err(object_store::Error::NotFound { .. }) => {
                    return Ok(Some("it is missing".into()));
                }
                Err(source) => return Err(store_error(&doing(), source)),
            }
        }
        Ok(read::odd_file(meta, length, hasher.finalize()))
    }

    /// Removes what [`retention::expired`] names, entries before files, so that no
    /// entry ever names a directory that is going; then the runs that nothing refers to
    /// any more ([`crate::shared`]).
    ///
    /// # Errors
    /// The store fails; what is left is removed the next time.
    pub async fn retire(&self, claimed_next: u64, retained: usize) -> Result<usize, StateError> {
        let mut entries = self.entries().await?;
        entries.retain(|entry| entry.sequence < claimed_next);
        let expired = retention::expired(&entries, retained);
        for sequence in &expired.sequences {
            self.delete(self.entry_path(*sequence)).await?;
        }
        for location in &expired.locations {
            self.remove_snapshot(location).await?;
        }
        self.collect_runs(claimed_next).await?;
        Ok(expired.sequences.len())
    }

    /// Removes a snapshot's files, the manifest first.
    ///
    /// # Errors
    /// The store fails.
    pub async fn remove_snapshot(&self, location: &str) -> Result<(), StateError> {
        let directory = location::parse(location)?;
        self.delete(directory.clone().join(METADATA)).await?;
        let listed: Vec<_> = self
            .objects
            .list(Some(&directory))
            .try_collect()
            .await
            .map_err(|source| store_error("list an old checkpoint", source))?;
        for meta in listed {
            self.delete(meta.location).await?;
        }
        Ok(())
    }

    pub(crate) async fn remove_entry(&self, sequence: u64) -> Result<(), StateError> {
        self.delete(self.entry_path(sequence)).await
    }

    pub(crate) async fn remove_file(&self, path: Path) -> Result<(), StateError> {
        self.delete(path).await
    }

    fn entry(&self, sequence: u64, generation: Generation, at_ms: i64, kind: EntryKind) -> Entry {
        let (application, owner) = (self.application.clone(), self.owner.clone());
        Entry { sequence, application, generation, owner, at_ms, kind }
    }

    fn entry_path(&self, sequence: u64) -> Path {
        self.root.clone().join("log").join(format!("{sequence:020}.json"))
    }

    /// The one conditional create: `None` when it is won, else the entry that is
    /// there. An error that leaves the outcome open is settled by reading it back.
    async fn create(&self, entry: &Entry) -> Result<Option<Box<Entry>>, StateError> {
        let path = self.entry_path(entry.sequence);
        let bytes = Bytes::from(serde_json::to_vec(entry).expect("an entry is plain data"));
        let mut last = None;
        for _ in 0..CREATE_ATTEMPTS {
            let options = PutOptions::from(PutMode::Create);
            match self.objects.put_opts(&path, bytes.clone().into(), options).await {
                Ok(_) => return Ok(None),
                Err(object_store::Error::AlreadyExists { .. }) => {}
                Err(source) => last = Some(source),
            }
            match log::judge_create(entry, self.read_entry(path.clone()).await?) {
                Created::Open => {}
                Created::Won => return Ok(None),
                Created::Lost { to } => return Ok(Some(to)),
            }
        }
        let source = last.unwrap_or(object_store::Error::NotImplemented {
            operation: "conditional create".into(),
            implementer: "this object store".into(),
        });
        Err(store_error(&format!("create log entry {}", entry.sequence), source))
    }

    /// `None` when retention has removed it.
    async fn read_entry(&self, path: Path) -> Result<Option<Entry>, StateError> {
        let Some(bytes) = self.get(&path).await? else { return Ok(None) };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| StateError::damaged(location::display(&path), error.to_string()))
    }

    async fn get(&self, path: &Path) -> Result<Option<Bytes>, StateError> {
        let doing = || format!("read {}", location::display(path));
        match self.objects.get(path).await {
            Ok(found) => {
                found.bytes().await.map(Some).map_err(|source| store_error(&doing(), source))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(store_error(&doing(), source)),
        }
    }

    pub(crate) async fn delete(&self, path: Path) -> Result<(), StateError> {
        match self.objects.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(store_error(&format!("delete /{path}"), source)),
        }
    }
}

/// Files that were checked, read again part by part.
#[derive(Debug)]
struct StoredFiles {
    objects: Arc<dyn ObjectStore>,
    directory: Path,
    location: String,
    runtime: tokio::runtime::Handle,
}

impl ReadFiles for StoredFiles {
    fn read(&self, meta: &FileMeta, range: Range<u64>) -> Result<Bytes, StateError> {
        let path = self.directory.clone().join(meta.name.as_str());
        match self.runtime.block_on(self.objects.get_range(&path, range)) {
            Ok(bytes) => Ok(bytes),
            Err(object_store::Error::NotFound { .. }) => {
                Err(StateError::damaged(file_name(&self.location, meta), "it is missing"))
            }
            Err(source) => Err(store_error(&format!("read {}", location::display(&path)), source)),
        }
    }
}

fn payload(piece: Piece) -> PutPayload {
    piece.bytes.into_iter().collect()
}

type Joined = Result<Result<(), StateError>, tokio::task::JoinError>;

fn joined(done: Option<Joined>) -> Result<(), StateError> {
    done.map_or(Ok(()), |done| done.expect("writing a file does not panic"))
}

/// What the encoding ends with when nobody takes its pieces any more.
fn given_up() -> PageError {
    let source = std::io::ErrorKind::BrokenPipe.into();
    PageError::Disk { doing: "write the snapshot: the store has failed".into(), source }
}

impl Claimed {
    /// The sequence that the next entry of this claim would have.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }
}

pub(crate) fn store_error(doing: &str, source: object_store::Error) -> StateError {
    StateError::Store { doing: format!("cannot {doing}"), source }
}
