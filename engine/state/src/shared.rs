//! Runs that several checkpoints of an application share: `<root>/shared` (Flink's name).
//!
//! Flow: a checkpoint puts the runs that are not there yet, then its manifest, then its
//! log entry; a start fetches those of its key groups; retention removes what nothing
//! refers to any more.
//!
//! Guarantees: no run goes that a checkpoint of the log refers to, the base of the last
//! start, or a checkpoint under way. Whoever dies between two steps leaves at most runs
//! that nobody refers to, and the next retention removes them.
//!
//! How: a run's name begins with the sequence of the claim that wrote it, and an engine
//! removes only what its own and earlier claims wrote: a newer engine's runs are in
//! manifests that it may not see yet. Within a process runs of a checkpoint under way
//! are pinned from before it looks which are there until its entry is in the log.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt};
use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::key_group::KeyGroupRange;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parking_lot::Mutex;

use crate::error::StateError;
use crate::location;
use crate::log::{self, EntryKind, Restored};
use crate::manifest::{Manifest, OperatorState, RunMeta};
use crate::pages::{PageError, Run, RunRef, RunSet, Tier, intersection};
use crate::store::{CheckpointStore, store_error};

/// Runs on their way at once, each with all its bytes in memory.
const RUNS_AT_ONCE: usize = 2;

/// What this process knows of the shared directory.
#[derive(Debug, Default)]
pub(crate) struct SharedRuns {
    /// Read: runs are being put. Written: some are being removed.
    gate: tokio::sync::RwLock<()>,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// By name: are there.
    stored: HashSet<String>,
    /// By name: how many checkpoints under way need it.
    pins: HashMap<String, usize>,
}

/// Holds the runs of a checkpoint under way. To be kept until its entry is in the log,
/// or it is given up.
#[derive(Debug, Default)]
pub struct Pins {
    known: Arc<Mutex<Known>>,
    names: Vec<String>,
}

impl Pins {
    fn new(known: &Arc<Mutex<Known>>, names: Vec<String>) -> Pins {
        let mut locked = known.lock();
        for name in &names {
            *locked.pins.entry(name.clone()).or_default() += 1;
        }
        Pins { known: Arc::clone(known), names }
    }
}

/// Where fetched runs go.
#[derive(Clone, Copy, Debug)]
pub struct FetchTarget<'a> {
    /// Of the subtask alone.
    pub directory: &'a FilePath,
    /// As that of the runs that the subtask writes: begins the names of those that come
    /// from another application, whose names mean nothing in this one.
    pub prefix: &'a str,
}

impl Drop for Pins {
    fn drop(&mut self) {
        let mut known = self.known.lock();
        for name in &self.names {
            let left = known.pins.get_mut(name).map(|count| {
                *count -= 1;
                *count
            });
            if left == Some(0) {
                known.pins.remove(name);
            }
        }
    }
}

/// The claim that wrote a run, by its name.
fn claim_of(name: &str) -> Option<u64> {
    name.split('-').next()?.parse().ok()
}

impl CheckpointStore {
    fn shared_directory(&self) -> Path {
        self.root.clone().join("shared")
    }

    /// Puts those of a checkpoint's runs that are not there yet; their names.
    pub(crate) async fn put_runs(
        &self,
        runs: &[Arc<Run>],
    ) -> Result<(Pins, Vec<String>), StateError> {
        if runs.is_empty() {
            return Ok((Pins::default(), vec![]));
        }
        let _putting = self.shared.gate.read().await;
        let names = runs.iter().map(|run| run.name().to_owned()).collect();
        let pins = Pins::new(&self.shared.known, names);
        let missing: Vec<Arc<Run>> = {
            let known = self.shared.known.lock();
            runs.iter().filter(|run| !known.stored.contains(run.name())).cloned().collect()
        };
        let mut puts = vec![];
        for run in missing {
            puts.push(self.put_run(run).boxed());
        }
        let puts = futures::stream::iter(puts).buffer_unordered(RUNS_AT_ONCE);
        Ok((pins, puts.try_collect().await?))
    }

    async fn put_run(&self, run: Arc<Run>) -> Result<String, StateError> {
        let name = run.name().to_owned();
        let bytes = tokio::task::spawn_blocking(move || run.read_whole()).await;
        let bytes = bytes.expect("reading a file does not panic")?;
        let path = self.shared_directory().join(name.as_str());
        let put = self.objects.put(&path, Bytes::from(bytes).into()).await;
        put.map_err(|source| store_error(&format!("write /{path}"), source))?;
        self.shared.known.lock().stored.insert(name.clone());
        Ok(name)
    }

    /// Every run of a manifest is there and of its length.
    pub(crate) async fn look_at_runs(
        &self,
        location: &str,
        manifest: &Manifest,
    ) -> Result<(), StateError> {
        let Some(shared) = &manifest.shared else { return Ok(()) };
        let directory = location::resolve(&location::parse(location)?, shared)?;
        let mut looks = vec![];
        for run in &manifest.runs {
            looks.push(self.look_at_run(&directory, run).boxed());
        }
        futures::stream::iter(looks).buffer_unordered(16).try_collect::<Vec<()>>().await?;
        Ok(())
    }

    async fn look_at_run(&self, directory: &Path, run: &RunMeta) -> Result<(), StateError> {
        let path = directory.clone().join(run.name.as_str());
        let damaged = |reason: String| StateError::damaged(location::display(&path), reason);
        match self.objects.head(&path).await {
            Ok(found) if found.size == run.length => Ok(()),
            Ok(found) => {
                let (has, wants) = (found.size, run.length);
                Err(damaged(format!("it has {has} bytes and should have {wants}")))
            }
            Err(object_store::Error::NotFound { .. }) => Err(damaged("it is missing".into())),
            Err(source) => Err(store_error(&format!("look at /{path}"), source)),
        }
    }

    /// Fetches the pages of some key groups of an operator: its runs into the target's
    /// directory, every byte compared with the manifest's checksum.
    ///
    /// # Errors
    /// A run is missing or damaged, or the disk fails.
    pub async fn fetch_runs(
        &self,
        location: &str,
        manifest: &Manifest,
        operator: &OperatorState,
        groups: KeyGroupRange,
        target: FetchTarget<'_>,
    ) -> Result<RunSet, StateError> {
        let Some(shared) = &manifest.shared else { return Ok(RunSet::default()) };
        let from = location::resolve(&location::parse(location)?, shared)?;
        let mut fetched: HashMap<usize, Arc<Run>> = HashMap::new();
        let mut tiers = vec![];
        for parts in operator.runs.iter().flat_map(|runs| &runs.tiers) {
            let mut tier = Tier::default();
            for part in parts {
                let counts = KeyGroupRange { start: part.start, end: part.end };
                let wanted = intersection(counts, groups);
                if wanted.start >= wanted.end {
                    continue;
                }
                let run = match fetched.entry(part.run) {
                    Entry::Occupied(run) => Arc::clone(run.get()),
                    Entry::Vacant(place) => {
                        let meta = &manifest.runs[part.run];
                        let run = self.fetch_run(&from, meta, target).await?;
                        Arc::clone(place.insert(Arc::new(run)))
                    }
                };
                tier.runs.push(RunRef { run, groups: wanted });
            }
            tiers.push(Arc::new(tier));
        }
        Ok(RunSet::of(tiers))
    }

    async fn fetch_run(
        &self,
        from: &Path,
        meta: &RunMeta,
        target: FetchTarget<'_>,
    ) -> Result<Run, StateError> {
        let is_own = *from == self.shared_directory();
        let called = if is_own {
            meta.name.clone()
        } else {
            format!("{}-from-{}", target.prefix, meta.name)
        };
        let path = from.clone().join(meta.name.as_str());
        let name = location::display(&path);
        let reading = |source| store_error(&format!("read {name}"), source);
        let got = match self.objects.get(&path).await {
            Err(object_store::Error::NotFound { .. }) => {
                return Err(StateError::damaged(name, "it is missing"));
            }
            got => got.map_err(reading)?,
        };
        let mut copy = Copy::create(target.directory, &called)?;
        let mut chunks = got.into_stream();
        while let Some(chunk) = chunks.next().await {
            copy.write(&chunk.map_err(reading)?)?;
        }
        let local =
            copy.finish(meta).map_err(|reason| StateError::damaged(name.clone(), reason))?;
        let run = Run::open_checked(&local, &called, meta.crc32)
            .map_err(|error| StateError::damaged(name, crate::error::chain(&error)))?;
        if is_own {
            self.shared.known.lock().stored.insert(called);
        }
        Ok(run)
    }

    /// Removes the runs of this claim and of earlier ones that nothing refers to; does nothing while runs are being put. How many went.
    ///
    /// # Errors
    /// The store fails, or a manifest that must be there cannot be read: then nothing
    /// is removed.
    pub(crate) async fn collect_runs(&self, next_sequence: u64) -> Result<usize, StateError> {
        let Ok(_removing) = self.shared.gate.try_write() else { return Ok(0) };
        let listed: Vec<Path> = (self.objects.list(Some(&self.shared_directory())))
            .map_ok(|meta| meta.location)
            .try_collect()
            .await
            .map_err(|source| store_error("list the shared runs", source))?;
        let written_before =
            |path: &Path| claim_of(path.filename()?).map(|claim| claim < next_sequence);
        let mut candidates: Vec<Path> =
            listed.into_iter().filter(|path| written_before(path) == Some(true)).collect();
        if candidates.is_empty() {
            return Ok(0);
        }
        // Before the log is read: what is published meanwhile was pinned until then.
        let mut needed: HashSet<String> = self.shared.known.lock().pins.keys().cloned().collect();
        for (location, must_be_there) in referring(&self.entries().await?) {
            match self.read_manifest(&location, newest_level()).await {
                Ok(manifest) => needed.extend(manifest.runs.into_iter().map(|run| run.name)),
                Err(StateError::NoSnapshot { .. }) if !must_be_there => {}
                Err(error) => return Err(error),
            }
        }
        candidates.retain(|path| path.filename().is_some_and(|name| !needed.contains(name)));
        for path in &candidates {
            let name = path.filename().unwrap_or_default();
            self.shared.known.lock().stored.remove(name);
            self.delete(path.clone()).await?;
        }
        Ok(candidates.len())
    }
}

/// Snapshots that may refer to shared runs, and whether they must be there: what the
/// last start restored may have been retired since.
fn referring(entries: &[log::Entry]) -> Vec<(String, bool)> {
    let checkpoints = entries.iter().filter_map(|entry| match &entry.kind {
        EntryKind::Checkpoint { location, .. } => Some((location.clone(), true)),
        EntryKind::Generation { .. } => None,
    });
    let base = entries.iter().rev().find_map(|entry| match &entry.kind {
        EntryKind::Generation { restores } => Some(restores),
        EntryKind::Checkpoint { .. } => None,
    });
    let base = match base {
        Some(Restored::Checkpoint { location, .. } | Restored::Snapshot { location }) => {
            Some((location.clone(), false))
        }
        Some(Restored::None) | None => None,
    };
    let savepoints: HashSet<&str> = entries.iter().filter_map(savepoint).collect();
    checkpoints
        .chain(base)
        .filter(|(location, _)| !savepoints.contains(location.as_str()))
        .collect()
}

/// The location of a savepoint: it holds all its state itself, and may be deleted by
/// whoever asked for it.
fn savepoint(entry: &log::Entry) -> Option<&str> {
    match &entry.kind {
        EntryKind::Checkpoint { location, savepoint: true, .. } => Some(location),
        _ => None,
    }
}

fn newest_level() -> RuntimeLevel {
    RuntimeLevel::ALL.into_iter().fold(RuntimeLevel::Flink1_15, RuntimeLevel::max)
}

/// A file that is written and checked on the way.
struct Copy {
    path: PathBuf,
    file: std::fs::File,
    checksum: crc32fast::Hasher,
    length: u64,
}

impl Copy {
    fn create(directory: &FilePath, name: &str) -> Result<Copy, PageError> {
        let path = directory.join(name);
        let file = std::fs::create_dir_all(directory).and_then(|()| std::fs::File::create(&path));
        let file = file.map_err(|source| disk("create", &path, source))?;
        Ok(Copy { path, file, checksum: crc32fast::Hasher::new(), length: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PageError> {
        self.checksum.update(bytes);
        self.length += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|source| disk("write", &self.path, source))
    }

    /// The file, if it is what the manifest says; else it goes.
    fn finish(self, meta: &RunMeta) -> Result<PathBuf, String> {
        let wrong = if self.length != meta.length {
            Some(format!("it has {} bytes and should have {}", self.length, meta.length))
        } else {
            let fits = self.checksum.finalize() == meta.crc32;
            (!fits).then(|| "its checksum does not fit its bytes".to_owned())
        };
        match wrong {
            None => Ok(self.path),
            Some(reason) => {
                let _ = std::fs::remove_file(&self.path);
                Err(reason)
            }
        }
    }
}

fn disk(doing: &str, path: &FilePath, source: std::io::Error) -> PageError {
    PageError::Disk { doing: format!("{doing} {}", path.display()), source }
}
