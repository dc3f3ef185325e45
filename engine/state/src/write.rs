//! Turns what the subtasks handed over into state files and a manifest; reads runs, and does no
//! other I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use millrace_dataflow::graph::StateLayout;
use millrace_dataflow::key_group::KeyGroupRange;
use millrace_dataflow::{CheckpointId, Generation, OperatorId};

use crate::block::{EntryBuffer, Parts};
use crate::location::SHARED;
use crate::manifest::{
    FileMeta, Manifest, OperatorState, RunMeta, RunPart, Section, SinkState, SnapshotKind,
    SourceState, SubtaskRuns, layout_digest, level_of_format,
};
use crate::pages::{PageError, Run, RunRef, RunSet, Tier};

/// A piece of a state file has at least so many bytes, unless it is the last one.
const PIECE: usize = 8 << 20;

/// All that one checkpoint holds.
#[derive(Debug)]
pub struct SnapshotContent {
    /// 1 to 4; see [`crate::manifest`].
    pub format: u32,
    /// `execution.checkpointing.snapshot-compression`; formats from 2 on obey it.
    pub compress: bool,
    /// A checkpoint refers to runs instead of holding their pages as entries; savepoints
    /// never do (`state.backend.incremental`, row F5.2).
    pub incremental: bool,
    pub application: String,
    pub generation: Generation,
    pub checkpoint: CheckpointId,
    pub kind: SnapshotKind,
    pub created_at_ms: i64,
    pub max_parallelism: u16,
    pub held: bool,
    pub operators: Vec<OperatorContent>,
}

#[derive(Debug)]
pub struct OperatorContent {
    pub id: OperatorId,
    pub name: String,
    pub layout: StateLayout,
    pub state_ttl_ms: i64,
    pub parallelism: u16,
    /// Subtask and what it wrote.
    pub subtasks: Vec<(u16, EntryBuffer)>,
    /// Subtask and its pages, beside what it wrote.
    pub runs: Vec<(u16, RunSet)>,
    pub source: Option<SourceState>,
    pub sink: Option<SinkState>,
}

/// State files by index of [`Manifest::files`], runs by that of [`Manifest::runs`].
#[derive(Debug)]
pub struct Encoded {
    pub manifest: Manifest,
    pub files: Vec<Bytes>,
    pub runs: Vec<Arc<Run>>,
}

/// Some bytes of a state file: those of one file follow each other, and files too.
#[derive(Debug)]
pub struct Piece {
    pub file: String,
    /// One after another.
    pub bytes: Vec<Bytes>,
}

/// Takes pieces; an error ends the encoding.
pub type PutPiece<'a> = &'a mut dyn FnMut(Piece) -> Result<(), PageError>;

/// The snapshot in its format, with all its state files in memory.
///
/// # Errors
/// A run cannot be read.
pub fn encode(content: SnapshotContent) -> Result<Encoded, PageError> {
    let mut files: Vec<(String, Vec<u8>)> = vec![];
    let (manifest, runs) = encode_into(content, &mut |piece| {
        let bytes = piece.bytes.concat();
        match files.last_mut().filter(|(name, _)| *name == piece.file) {
            Some((_, file)) => file.extend_from_slice(&bytes),
            None => files.push((piece.file, bytes)),
        }
        Ok(())
    })?;
    let files = files.into_iter().map(|(_, bytes)| bytes.into()).collect();
    Ok(Encoded { manifest, files, runs })
}

/// The snapshot in its format, its state files piece by piece. Waits for runs that are
/// still being written, and reads those that become entries.
///
/// # Errors
/// A run cannot be read; or those of `put`.
pub fn encode_into(
    content: SnapshotContent,
    put: PutPiece<'_>,
) -> Result<(Manifest, Vec<Arc<Run>>), PageError> {
    let mut encoder = Encoder {
        format: content.format,
        compress: content.compress && content.format >= 2,
        groups: KeyGroupRange { start: 0, end: content.max_parallelism },
        files: FileSet::new(content.format, put),
        runs: (content.incremental && content.kind != SnapshotKind::Savepoint)
            .then(RunList::default),
    };
    let operators = content.operators.into_iter().enumerate();
    let operators: Vec<OperatorState> = operators
        .map(|(index, operator)| encoder.operator(index, operator))
        .collect::<Result<_, _>>()?;
    let metas = encoder.files.finish()?;
    let runs = encoder.runs.map_or_else(Vec::new, |list| list.runs);
    let kind = if runs.is_empty() { content.kind } else { SnapshotKind::IncrementalCheckpoint };
    let manifest = Manifest {
        format: content.format,
        runtime: level_of_format(content.format).map_or_else(String::new, |l| l.to_string()),
        application: content.application,
        generation: content.generation,
        checkpoint: content.checkpoint,
        kind,
        created_at_ms: content.created_at_ms,
        max_parallelism: content.max_parallelism,
        held: content.held,
        operators,
        files: metas,
        shared: (!runs.is_empty()).then(|| SHARED.to_owned()),
        runs: runs.iter().map(|run| run_meta(run)).collect(),
    };
    Ok((manifest, runs))
}

fn run_meta(run: &Run) -> RunMeta {
    RunMeta { name: run.name().to_owned(), length: run.length(), crc32: run.crc32() }
}

/// Bytes of the whole state, runs that were stored before among them.
pub(crate) fn state_bytes(manifest: &Manifest) -> u64 {
    let runs = manifest.runs.iter().map(|run| run.length);
    manifest.files.iter().map(|file| file.length).chain(runs).sum()
}

/// What one subtask of an operator has in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubtaskBytes {
    pub operator: OperatorId,
    pub subtask: u16,
    /// That were written: runs that were stored before are none of them.
    pub bytes: u64,
    /// Of all that it refers to; a run that two subtasks refer to counts for both.
    pub state_bytes: u64,
}

/// By operator and subtask; `put`: the names of the runs that were written.
pub(crate) fn subtask_bytes(manifest: &Manifest, put: &[String]) -> Vec<SubtaskBytes> {
    let mut all = vec![];
    for operator in &manifest.operators {
        let mut of: BTreeMap<u16, (u64, u64)> = BTreeMap::new();
        for section in &operator.sections {
            let length: u64 = section.blocks.iter().map(|block| block.length).sum();
            let (bytes, state_bytes) = of.entry(section.subtask).or_default();
            (*bytes, *state_bytes) = (*bytes + length, *state_bytes + length);
        }
        for runs in &operator.runs {
            let (bytes, state_bytes) = of.entry(runs.subtask).or_default();
            let named: BTreeSet<usize> = runs.tiers.iter().flatten().map(|part| part.run).collect();
            for run in named.into_iter().filter_map(|run| manifest.runs.get(run)) {
                *state_bytes += run.length;
                *bytes += if put.contains(&run.name) { run.length } else { 0 };
            }
        }
        all.extend(of.into_iter().map(|(subtask, (bytes, state_bytes))| SubtaskBytes {
            operator: operator.id.clone(),
            subtask,
            bytes,
            state_bytes,
        }));
    }
    all
}

/// Subtask, what it wrote, and its pages that become entries.
type SubtaskState = (u16, EntryBuffer, RunSet);

struct Encoder<'a> {
    format: u32,
    compress: bool,
    /// All of them.
    groups: KeyGroupRange,
    files: FileSet<'a>,
    /// `None`: runs become entries.
    runs: Option<RunList>,
}

impl Encoder<'_> {
    fn operator(
        &mut self,
        index: usize,
        operator: OperatorContent,
    ) -> Result<OperatorState, PageError> {
        let (subtasks, runs) = self.subtasks(operator.subtasks, operator.runs)?;
        let mut sections = vec![];
        for (subtask, buffer, pages) in subtasks {
            if !buffer.is_empty() || !pages.is_empty() {
                sections.push(self.section(index, subtask, buffer, &pages)?);
            }
        }
        let blocks = sections.iter().flat_map(|section| &section.blocks);
        let format = self.format;
        Ok(OperatorState {
            id: operator.id,
            name: operator.name,
            layout_digest: layout_digest(&operator.layout),
            kind: operator.layout.kind,
            layout: (format >= 2).then_some(operator.layout.layout),
            state_ttl_ms: (format >= 3).then_some(operator.state_ttl_ms),
            parallelism: operator.parallelism,
            entries: blocks.map(|block| u64::from(block.entries)).sum(),
            sections,
            runs,
            source: operator.source,
            sink: operator.sink,
        })
    }

    /// What goes into sections, entries and pages, and what the manifest refers to.
    fn subtasks(
        &mut self,
        subtasks: Vec<(u16, EntryBuffer)>,
        mut runs: Vec<(u16, RunSet)>,
    ) -> Result<(Vec<SubtaskState>, Vec<SubtaskRuns>), PageError> {
        let mut referred = vec![];
        if let Some(list) = &mut self.runs {
            for (subtask, set) in runs.drain(..) {
                let tiers = set.tiers()?.iter().map(|tier| list.add(tier)).collect();
                referred.push(SubtaskRuns { subtask, tiers });
            }
            referred.retain(|runs| !runs.tiers.is_empty());
        }
        let pages_of = |subtask: u16| {
            let own = runs.iter().find(|(of, _)| *of == subtask);
            own.map(|(_, set)| set.clone()).unwrap_or_default()
        };
        let subtasks =
            subtasks.into_iter().map(|(subtask, buffer)| (subtask, buffer, pages_of(subtask)));
        Ok((subtasks.collect(), referred))
    }

    /// One block a key group.
    fn section(
        &mut self,
        operator: usize,
        subtask: u16,
        buffer: EntryBuffer,
        pages: &RunSet,
    ) -> Result<Section, PageError> {
        let file = self.files.file(operator, subtask)?;
        let (offset, compress) = (self.files.position(), self.compress);
        let files = &mut self.files;
        let mut blocks = vec![];
        buffer.each_group(pages, self.groups, &mut |group, body| {
            let at = files.position() - offset;
            blocks.push(body.encode(group, compress, at, &mut files.pending));
            files.write_when_enough()
        })?;
        Ok(Section { subtask, file, offset, blocks })
    }
}

/// The runs of a snapshot, each once.
#[derive(Default)]
struct RunList {
    runs: Vec<Arc<Run>>,
    places: HashMap<String, usize>,
}

impl RunList {
    fn add(&mut self, tier: &Tier) -> Vec<RunPart> {
        let part = |part: &RunRef| {
            let next = self.runs.len();
            let run = *self.places.entry(part.run.name().to_owned()).or_insert(next);
            if run == next {
                self.runs.push(Arc::clone(&part.run));
            }
            let KeyGroupRange { start, end } = part.span();
            RunPart { run, start, end }
        };
        tier.runs.iter().map(part).collect()
    }
}

/// A file per operator and subtask; from format 4 on one file in all.
struct FileSet<'a> {
    merge: bool,
    /// The last one is being written.
    metas: Vec<FileMeta>,
    checksum: crc32fast::Hasher,
    pending: Parts,
    put: PutPiece<'a>,
}

impl<'a> FileSet<'a> {
    fn new(format: u32, put: PutPiece<'a>) -> FileSet<'a> {
        let checksum = crc32fast::Hasher::new();
        FileSet { merge: format >= 4, metas: vec![], checksum, pending: Parts::default(), put }
    }

    /// The file that a subtask's section goes to.
    fn file(&mut self, operator: usize, subtask: u16) -> Result<usize, PageError> {
        if !self.merge || self.metas.is_empty() {
            self.end_file()?;
            let name =
                if self.merge { "state".into() } else { format!("state-{operator}-{subtask}") };
            self.metas.push(FileMeta { name, length: 0, crc32: 0 });
        }
        Ok(self.metas.len() - 1)
    }

    /// Within the file.
    fn position(&self) -> u64 {
        self.metas.last().map_or(0, |meta| meta.length) + self.pending.len() as u64
    }

    fn write_when_enough(&mut self) -> Result<(), PageError> {
        if self.pending.len() >= PIECE { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), PageError> {
        let Some(meta) = self.metas.last_mut() else { return Ok(()) };
        meta.length += self.pending.len() as u64;
        let bytes = self.pending.take();
        bytes.iter().for_each(|part| self.checksum.update(part));
        (self.put)(Piece { file: meta.name.clone(), bytes })
    }

    fn end_file(&mut self) -> Result<(), PageError> {
        self.write()?;
        let checksum = std::mem::take(&mut self.checksum).finalize();
        if let Some(meta) = self.metas.last_mut() {
            meta.crc32 = checksum;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<FileMeta>, PageError> {
        self.end_file()?;
        Ok(self.metas)
    }
}
