//! Turns what the subtasks handed over into state files and a manifest: pure.

use bytes::Bytes;
use millrace_dataflow::graph::StateLayout;
use millrace_dataflow::{CheckpointId, Generation, OperatorId};

use crate::block::EntryBuffer;
use crate::manifest::{
    FileMeta, Manifest, OperatorState, Section, SinkState, SnapshotKind, SourceState,
    layout_digest, level_of_format,
};

/// All that one checkpoint holds.
#[derive(Debug)]
pub struct SnapshotContent {
    /// 1 to 4; see [`crate::manifest`].
    pub format: u32,
    /// `execution.checkpointing.snapshot-compression`; formats from 2 on obey it.
    pub compress: bool,
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
    pub source: Option<SourceState>,
    pub sink: Option<SinkState>,
}

/// State files by index of [`Manifest::files`].
#[derive(Debug)]
pub struct Encoded {
    pub manifest: Manifest,
    pub files: Vec<Bytes>,
}

/// The snapshot in its format.
pub fn encode(content: SnapshotContent) -> Encoded {
    let mut files = FileSet::new(content.format);
    let compress = content.compress && content.format >= 2;
    let operators = content
        .operators
        .into_iter()
        .enumerate()
        .map(|(index, operator)| {
            encode_operator(index, operator, content.format, compress, &mut files)
        })
        .collect();
    let (files, metas) = files.finish();
    let manifest = Manifest {
        format: content.format,
        runtime: level_of_format(content.format).map_or_else(String::new, |l| l.to_string()),
        application: content.application,
        generation: content.generation,
        checkpoint: content.checkpoint,
        kind: content.kind,
        created_at_ms: content.created_at_ms,
        max_parallelism: content.max_parallelism,
        held: content.held,
        operators,
        files: metas,
    };
    Encoded { manifest, files }
}

fn encode_operator(
    index: usize,
    operator: OperatorContent,
    format: u32,
    compress: bool,
    files: &mut FileSet,
) -> OperatorState {
    let entries = operator.subtasks.iter().map(|(_, buffer)| buffer.entries()).sum();
    let sections = operator
        .subtasks
        .iter()
        .filter(|(_, buffer)| !buffer.is_empty())
        .map(|(subtask, buffer)| files.add(index, *subtask, buffer, compress))
        .collect();
    OperatorState {
        id: operator.id,
        name: operator.name,
        layout_digest: layout_digest(&operator.layout),
        kind: operator.layout.kind,
        layout: (format >= 2).then_some(operator.layout.layout),
        state_ttl_ms: (format >= 3).then_some(operator.state_ttl_ms),
        parallelism: operator.parallelism,
        entries,
        sections,
        source: operator.source,
        sink: operator.sink,
    }
}

/// A file per operator and subtask; from format 4 on one file in all.
struct FileSet {
    merge: bool,
    files: Vec<(String, Vec<u8>)>,
}

impl FileSet {
    fn new(format: u32) -> FileSet {
        FileSet { merge: format >= 4, files: vec![] }
    }

    fn add(
        &mut self,
        operator: usize,
        subtask: u16,
        buffer: &EntryBuffer,
        compress: bool,
    ) -> Section {
        if !self.merge || self.files.is_empty() {
            let name =
                if self.merge { "state".into() } else { format!("state-{operator}-{subtask}") };
            self.files.push((name, vec![]));
        }
        let file = self.files.len() - 1;
        let bytes = &mut self.files[file].1;
        let offset = bytes.len() as u64;
        Section { subtask, file, offset, blocks: buffer.encode(compress, bytes) }
    }

    fn finish(self) -> (Vec<Bytes>, Vec<FileMeta>) {
        self.files
            .into_iter()
            .map(|(name, bytes)| {
                let meta =
                    FileMeta { name, length: bytes.len() as u64, crc32: crc32fast::hash(&bytes) };
                (Bytes::from(bytes), meta)
            })
            .unzip()
    }
}
