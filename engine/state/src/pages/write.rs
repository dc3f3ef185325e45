//! Writes runs: pages in order of key in, files out.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::PageError;
use super::block::{BlockBuilder, frame};
use super::bloom::{self, Bloom};
use super::run::{Footer, Index, MAGIC, Run, disk_error};

/// Bytes that go to the file at once.
const CHUNK: usize = 1 << 20;

/// How runs are written.
#[derive(Clone, Copy, Debug)]
pub struct RunFormat {
    /// Of a data block before compression.
    pub block_bytes: usize,
    pub bloom_bits_per_key: usize,
    /// zstd, level 1.
    pub compress: bool,
}

impl Default for RunFormat {
    fn default() -> RunFormat {
        RunFormat { block_bytes: 16 << 10, bloom_bits_per_key: 10, compress: false }
    }
}

pub(super) struct RunWriter {
    format: RunFormat,
    /// Holds the file and its name; what it is to find is filled in at the end.
    run: Run,
    checksum: crc32fast::Hasher,
    pending: Vec<u8>,
    block: BlockBuilder,
    last: Vec<u8>,
    hashes: Vec<u64>,
}

impl RunWriter {
    pub fn create(
        directory: &Path,
        name: String,
        format: RunFormat,
    ) -> Result<RunWriter, PageError> {
        let path = directory.join(&name);
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|source| disk_error("create", &path, source))?;
        let run = Run {
            number: Run::next_number(),
            name,
            path,
            file,
            length: 0,
            crc32: 0,
            footer: Footer::default(),
            index: Index::default(),
            bloom: Bloom::default(),
        };
        Ok(RunWriter {
            format,
            run,
            checksum: crc32fast::Hasher::new(),
            pending: MAGIC.to_vec(),
            block: BlockBuilder::default(),
            last: vec![],
            hashes: vec![],
        })
    }

    /// `key` is a full key, greater than the one before.
    pub fn put(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), PageError> {
        debug_assert!(self.hashes.is_empty() || self.last.as_slice() < key);
        if self.hashes.is_empty() {
            self.run.index.first = key.to_vec();
        }
        let footer = &mut self.run.footer;
        footer.entries += 1;
        footer.removed += u64::from(value.is_none());
        footer.bytes += (key.len() - 2 + value.map_or(0, <[u8]>::len)) as u64;
        self.block.put(key, value);
        self.hashes.push(bloom::hash(key));
        self.last.clear();
        self.last.extend_from_slice(key);
        if self.block.bytes() >= self.format.block_bytes { self.end_block() } else { Ok(()) }
    }

    /// About the length of the file so far.
    pub fn bytes(&self) -> u64 {
        self.at() + self.block.bytes() as u64
    }

    fn at(&self) -> u64 {
        self.run.length + self.pending.len() as u64
    }

    fn end_block(&mut self) -> Result<(), PageError> {
        let at = self.at();
        self.block.finish(self.format.compress, &mut self.pending);
        self.run.index.push(&self.last, at, (self.at() - at) as u32);
        if self.pending.len() >= CHUNK { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), PageError> {
        self.checksum.update(&self.pending);
        let written = self.run.file.write_all(&self.pending);
        written.map_err(|source| disk_error("write", &self.run.path, source))?;
        self.run.length += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// The run, open; `None` when nothing was put.
    pub fn finish(mut self) -> Result<Option<Run>, PageError> {
        if self.hashes.is_empty() {
            return Ok(None);
        }
        if self.block.bytes() > 0 {
            self.end_block()?;
        }
        self.run.footer.index_at = self.at();
        let (index, blocks) = (self.run.index.encode(), self.run.index.blocks() as u32);
        frame(&index, blocks, true, &mut self.pending);
        self.run.footer.bloom_at = self.at();
        self.run.footer.index_length = self.at() - self.run.footer.index_at;
        self.run.bloom = Bloom::build(&self.hashes, self.format.bloom_bits_per_key);
        frame(&self.run.bloom.encode(), 0, false, &mut self.pending);
        self.run.footer.bloom_length = self.at() - self.run.footer.bloom_at;
        let footer = self.run.footer.encode();
        self.pending.extend_from_slice(&footer);
        self.write()?;
        self.run.crc32 = self.checksum.finalize();
        Ok(Some(self.run))
    }
}
