//! Where the state of an application is, when Flink wrote it: retained checkpoints and
//! savepoints, each a directory with `_metadata`.
//!
//! Checkpoints of generation g are below `state/flink/g<g>/checkpoints/<job>/chk-<n>`. A
//! savepoint's directory begins with six digits of its job's id, and the id of a job with its
//! generation, so that a savepoint tells its generation wherever it was put. Within one
//! generation Flink numbers checkpoints and savepoints together: the greater one is newer.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use millrace_domain::{ApplicationId, Generation};

/// The file that makes a directory a snapshot.
pub const METADATA: &str = "_metadata";
/// Flink: the first four bytes of `_metadata`.
const MAGIC: u32 = 0x4960_672d;
/// Where the generation is in the ids of other jobs.
const WARM_UP: &str = "ffffff";
/// Digits of a job id that a savepoint's directory shows.
const SHOWN: usize = 6;

/// A checkpoint or a savepoint that can be restored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Saved {
    pub generation: Generation,
    pub checkpoint: u64,
    pub directory: PathBuf,
}

/// The id of the job of a generation: always the same, so that one that is submitted twice
/// is one job. 32 hexadecimal digits, of which the first six are the generation's last.
pub fn job_id(application: &ApplicationId, generation: Generation) -> String {
    // FNV-1a, 64 bits: apart from any other application's, and never all zeros.
    let hash = application.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:06x}{:010x}{hash:016x}", generation.0 & 0xff_ffff, generation.0 & 0xff_ffff_ffff)
}

/// The id of another job of the same cluster, whose checkpoints are never restored.
pub fn warm_up_id(job: &str) -> String {
    format!("{WARM_UP}{}", &job[SHOWN..])
}

/// Whether a directory is one of Flink's snapshots.
pub fn is_saved(directory: &Path) -> bool {
    checkpoint_number(directory).is_some()
}

/// A location as Flink writes it (`file:/x`) or as it is stored here, as a path.
pub fn path_of(location: &str) -> &Path {
    let path = location.strip_prefix("file:").unwrap_or(location);
    // `file:///x` and `file:/x` are the same.
    let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    Path::new(path)
}

/// Where an application's state is.
#[derive(Clone, Debug)]
pub struct StateFiles {
    /// `applications/<id>/state`
    pub state: PathBuf,
    /// `snapshots/<id>`: savepoints that outlive the application.
    pub kept: PathBuf,
}

impl StateFiles {
    pub fn checkpoints(&self, generation: Generation) -> PathBuf {
        self.state.join("flink").join(format!("g{generation}")).join("checkpoints")
    }

    pub fn savepoints(&self) -> PathBuf {
        self.state.join("savepoints")
    }

    /// The newest of all generations from `since` on.
    pub fn newest(&self, since: Option<Generation>) -> Option<Saved> {
        let since = since.unwrap_or(Generation(0));
        let all = self.retained().into_iter().chain(self.saved());
        all.filter(|saved| saved.generation >= since).max()
    }

    /// Where checkpoints of older generations are than the newest that has any: nothing is
    /// restored from there any more, and nothing newer refers to them (Flink restores without
    /// claiming: its first checkpoint after that is whole).
    pub fn outlived(&self) -> Vec<(Generation, PathBuf)> {
        let Some(newest) = self.newest(None) else { return Vec::new() };
        let generations = children(&self.state.join("flink")).into_iter().filter_map(|path| {
            let number = name(&path)?.strip_prefix('g')?.parse().ok()?;
            Some((Generation(number), path))
        });
        generations.filter(|(generation, _)| *generation < newest.generation).collect()
    }

    /// Which generation wrote a snapshot of this application.
    pub fn generation_of(&self, saved: &Path) -> Option<Generation> {
        let of_checkpoint = || {
            let rest = saved.strip_prefix(self.state.join("flink")).ok()?;
            let first = rest.components().next()?.as_os_str().to_str()?;
            first.strip_prefix('g')?.parse().ok().map(Generation)
        };
        of_checkpoint().or_else(|| generation_of(name(saved)?))
    }

    fn retained(&self) -> Vec<Saved> {
        let generations = children(&self.state.join("flink")).into_iter().filter_map(|path| {
            let number = name(&path)?.strip_prefix('g')?.parse().ok()?;
            Some((Generation(number), path.join("checkpoints")))
        });
        let mut found = Vec::new();
        for (generation, checkpoints) in generations {
            let jobs = children(&checkpoints).into_iter();
            let jobs = jobs.filter(|job| name(job).is_some_and(|job| !job.starts_with(WARM_UP)));
            let of_jobs = jobs.flat_map(|job| children(&job));
            found.extend(of_jobs.filter_map(|directory| saved(generation, directory)));
        }
        found
    }

    fn saved(&self) -> Vec<Saved> {
        let places = [self.savepoints(), self.kept.clone()];
        let named = places.iter().flat_map(|place| children(place));
        let directories = named.flat_map(|snapshot| children(&snapshot));
        directories
            .filter_map(|directory| saved(generation_of(name(&directory)?)?, directory))
            .collect()
    }
}

fn saved(generation: Generation, directory: PathBuf) -> Option<Saved> {
    let checkpoint = checkpoint_number(&directory)?;
    Some(Saved { generation, checkpoint, directory })
}

/// `savepoint-00002a-1f0c9a`: of generation 42.
fn generation_of(name: &str) -> Option<Generation> {
    let digits = name.strip_prefix("savepoint-")?.get(..SHOWN)?;
    u64::from_str_radix(digits, 16).ok().map(Generation)
}

/// Flink (`Checkpoints.storeCheckpointMetadata`): magic number, version of the format, then
/// the checkpoint's id. A file that is cut off has none.
fn checkpoint_number(directory: &Path) -> Option<u64> {
    let mut header = [0_u8; 16];
    fs::File::open(directory.join(METADATA)).ok()?.read_exact(&mut header).ok()?;
    let (magic, rest) = header.split_first_chunk::<4>()?;
    let number = rest.last_chunk::<8>()?;
    (u32::from_be_bytes(*magic) == MAGIC).then(|| u64::from_be_bytes(*number))
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(directory: &Path, checkpoint: u64) {
        fs::create_dir_all(directory).expect("writable");
        let mut bytes = MAGIC.to_be_bytes().to_vec();
        bytes.extend(4_u32.to_be_bytes());
        bytes.extend(checkpoint.to_be_bytes());
        fs::write(directory.join(METADATA), bytes).expect("writable");
    }

    #[test]
    fn the_newest_is_of_the_newest_generation_then_of_the_greatest_number() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let files = StateFiles { state: root.path().join("state"), kept: root.path().join("kept") };
        let check = |since: Option<u64>, want: Option<(u64, u64)>| {
            let found = files.newest(since.map(Generation));
            assert_eq!(found.map(|it| (it.generation.0, it.checkpoint)), want);
        };
        check(None, None);
        write(&files.checkpoints(Generation(9)).join("job/chk-7"), 7);
        check(None, Some((9, 7)));
        write(&files.savepoints().join("a/savepoint-000009-abc"), 8);
        check(None, Some((9, 8)));
        write(&files.kept.join("b/savepoint-00000a-abc"), 3);
        check(None, Some((10, 3)));
        write(&files.checkpoints(Generation(11)).join("ffffff00/chk-1"), 1);
        write(&files.checkpoints(Generation(8)).join("job/chk-99"), 99);
        check(Some(10), Some((10, 3)));
        check(Some(11), None);
        let cut = files.checkpoints(Generation(12)).join("job/chk-1");
        fs::create_dir_all(&cut).expect("writable");
        fs::write(cut.join(METADATA), [0x49, 0x60]).expect("writable");
        check(None, Some((10, 3)));
        let mut outlived: Vec<u64> = files.outlived().into_iter().map(|(it, _)| it.0).collect();
        outlived.sort_unstable();
        assert_eq!(outlived, [8, 9]);
    }

    #[test]
    fn a_job_is_known_by_its_application_and_generation() {
        let id = |application: &str, generation| {
            let application = ApplicationId::new(application).expect("an id");
            job_id(&application, Generation(generation))
        };
        let one = id("a", 42);
        assert_eq!(one.len(), 32);
        assert!(one.starts_with("00002a"), "{one}");
        assert_ne!(one, id("b", 42));
        assert_ne!(one, id("a", 43));
        assert_eq!(generation_of(&format!("savepoint-{}-x", &one[..6])), Some(Generation(42)));
        assert_eq!(generation_of("chk-1"), None);
    }

    #[test]
    fn a_location_is_a_path_however_it_is_written() {
        for text in ["/a/b", "file:/a/b", "file:///a/b"] {
            assert_eq!(path_of(text), Path::new("/a/b"));
        }
    }
}
