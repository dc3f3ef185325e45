//! Compaction: which tiers become one, and the threads that do it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use parking_lot::Mutex;

use super::PageError;
use super::block::split_key;
use super::merge::{cursors, merge, read_past_cache};
use super::run::Run;
use super::tier::{RunRef, Tier};
use super::write::{RunFormat, RunWriter};
use std::ops::Range;
use std::path::Path;

use millrace_dataflow::key_group::KeyGroupRange;

/// All groups: a run that was just written is not restricted.
const ALL: KeyGroupRange = KeyGroupRange { start: 0, end: u16::MAX };

/// Which neighbours to merge, given the tiers' sizes, newest first; `None` while there
/// are fewer than `merge_at`.
///
/// Size-tiered: a tier joins those newer than it when it is no larger than they are
/// together, so that a page is written about log2(state / buffer) times. When no two
/// fit, the newest are merged until there are few enough.
pub(super) fn choose(sizes: &[u64], merge_at: usize) -> Option<Range<usize>> {
    let merge_at = merge_at.max(2);
    if sizes.len() < merge_at {
        return None;
    }
    for start in 0..sizes.len() - 1 {
        let (mut end, mut total) = (start + 1, sizes[start]);
        while end < sizes.len() && sizes[end] <= total {
            total += sizes[end];
            end += 1;
        }
        if end - start >= 2 {
            return Some(start..end);
        }
    }
    Some(0..sizes.len() - merge_at + 2)
}

/// Where new runs go and what they are called.
pub(super) struct Target<'a> {
    pub directory: &'a Path,
    pub format: RunFormat,
    pub file_bytes: u64,
    pub name: &'a dyn Fn() -> String,
    /// Asked now and then: true gives up.
    pub is_given_up: &'a dyn Fn() -> bool,
}

/// Cuts a sorted sequence into runs.
pub(super) struct TierWriter<'a> {
    target: &'a Target<'a>,
    writer: Option<RunWriter>,
    runs: Vec<RunRef>,
}

impl<'a> TierWriter<'a> {
    pub fn new(target: &'a Target<'a>) -> TierWriter<'a> {
        TierWriter { target, writer: None, runs: vec![] }
    }

    /// Full keys in order.
    pub fn put(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), PageError> {
        let Target { directory, format, file_bytes, name, .. } = self.target;
        if self.writer.as_ref().is_some_and(|writer| writer.bytes() >= *file_bytes) {
            self.end_run()?;
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(RunWriter::create(directory, name(), *format)?),
        };
        writer.put(key, value)
    }

    fn end_run(&mut self) -> Result<(), PageError> {
        if let Some(run) = self.writer.take().map(RunWriter::finish).transpose()?.flatten() {
            self.runs.push(RunRef { run: Arc::new(run), groups: ALL });
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<Tier, PageError> {
        self.end_run()?;
        Ok(Tier { runs: self.runs })
    }
}

/// One tier of several neighbours, newest first. Removed pages are forgotten when
/// nothing older is left (`is_oldest`). `None`: given up.
pub(super) fn merge_tiers(
    tiers: &[Arc<Tier>],
    is_oldest: bool,
    target: &Target<'_>,
) -> Result<Option<Tier>, PageError> {
    let mut load = |run: &Run, block| read_past_cache(run, block);
    let mut writer = TierWriter::new(target);
    let (mut group, mut given_up) = (None, false);
    merge(cursors(tiers, &[], &mut load)?, &mut load, &mut |key, value| {
        let now = split_key(key).0;
        if group.replace(now) != Some(now) && (target.is_given_up)() {
            given_up = true;
            return Ok(false);
        }
        if value.is_some() || !is_oldest {
            writer.put(key, value)?;
        }
        Ok(true)
    })?;
    if given_up { Ok(None) } else { writer.finish().map(Some) }
}

type Job = Box<dyn FnOnce() + Send>;

/// The threads that write and merge for all stores of a process. They end when the
/// last handle is gone.
#[derive(Clone, Debug)]
pub struct Background {
    writes: Sender<Job>,
    merges: Sender<Job>,
}

impl Background {
    /// So many threads that write, and as many that merge: a long merge must not keep
    /// buffers from being written.
    pub fn start(threads: usize) -> Background {
        let start = |name: &str| {
            let (sender, receiver) = channel::<Job>();
            let receiver = Arc::new(Mutex::new(receiver));
            for number in 0..threads.max(1) {
                spawn(format!("{name}-{number}"), Arc::clone(&receiver));
            }
            sender
        };
        Background { writes: start("pages-write"), merges: start("pages-merge") }
    }

    /// Waits until all that was handed over before is done (with one thread): for tests.
    pub fn wait(&self) {
        for jobs in [&self.writes, &self.merges] {
            let (done, waits) = channel::<()>();
            let _ = jobs.send(Box::new(move || drop(done)));
            let _ = waits.recv();
        }
    }

    pub(super) fn write(&self, job: Job) {
        // The thread ends after the last handle, and this is one.
        let _ = self.writes.send(job);
    }

    pub(super) fn merge(&self, job: Job) {
        let _ = self.merges.send(job);
    }
}

fn spawn(name: String, jobs: Arc<Mutex<Receiver<Job>>>) {
    let work = move || loop {
        let job = jobs.lock().recv();
        match job {
            Ok(job) => job(),
            Err(_) => return,
        }
    };
    std::thread::Builder::new()
        .name(name)
        .spawn(work)
        .expect("the system has room for one more thread");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_like_size_are_merged_and_never_too_many_stay() {
        let check = |sizes: &[u64], want| assert_eq!(choose(sizes, 4), want, "{sizes:?}");
        check(&[1, 1, 1], None);
        check(&[1, 1, 1, 1], Some(0..4));
        check(&[1, 1, 1, 100], Some(0..3));
        check(&[1, 2, 4, 8], Some(0..2));
        check(&[8, 1, 1, 100], Some(0..3));
        check(&[1, 2, 2, 100], Some(1..3));
        check(&[1, 2, 4, 8, 16], Some(0..3));
    }

    #[test]
    fn a_page_is_written_a_few_times_only() {
        let (mut sizes, mut written): (Vec<u64>, u64) = (vec![], 0);
        for _ in 0..1_000 {
            sizes.insert(0, 1);
            written += 1;
            while let Some(range) = choose(&sizes, 8) {
                let merged: u64 = sizes[range.clone()].iter().sum();
                written += merged;
                sizes.splice(range, [merged]);
            }
            assert!(sizes.len() < 8);
        }
        assert!(written < 10_000, "{written} for 1000");
    }
}
