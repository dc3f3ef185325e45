//! Names of the files a sink writes (rows G8.26, G8.27).
//!
//! A file is `.part-<id>-<subtask>-<n>.inprogress.g<generation>.<attempt>.<owner>`
//! until the checkpoint that holds its rows is visible, and `part-<id>-<subtask>-<n>`
//! afterwards. The id is the writer's own, so no two writers ever share a name.

use millrace_dataflow::message::Generation;
use uuid::Uuid;

/// Who writes: told apart from other jobs and tables in the same directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(u64);

impl Owner {
    /// Of a table of a job.
    pub fn of(job: &str, table: &str) -> Owner {
        // FNV-1a: stable between releases, as the name outlives the process.
        let bytes = job.bytes().chain([0]).chain(table.bytes());
        Owner(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        }))
    }
}

/// Which start of the job a file was written in; ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Start {
    pub generation: Generation,
    pub attempt: u32,
}

pub fn visible(writer: Uuid, subtask: u16, number: u64) -> String {
    format!("part-{writer}-{subtask}-{number}")
}

pub fn hidden(visible: &str, start: Start, owner: Owner) -> String {
    format!(".{visible}.inprogress.g{}.{}.{:016x}", start.generation, start.attempt, owner.0)
}

/// Whose hidden file this is and from which start; `None` for any other file.
pub fn read_hidden(name: &str) -> Option<(Start, Owner)> {
    let (part, rest) = name.strip_prefix(".part-")?.split_once(".inprogress.g")?;
    let mut fields = rest.split('.');
    let generation = Generation(fields.next()?.parse().ok()?);
    let attempt = fields.next()?.parse().ok()?;
    let owner = Owner(u64::from_str_radix(fields.next()?, 16).ok()?);
    (fields.next().is_none() && !part.is_empty()).then_some((Start { generation, attempt }, owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_names_say_whose_they_are() {
        let owner = Owner::of("job", "table");
        let start = Start { generation: Generation(3), attempt: 1 };
        let name = hidden(&visible(Uuid::from_u64_pair(1, 2), 4, 5), start, owner);
        assert_eq!(read_hidden(&name), Some((start, owner)));
        assert_ne!(owner, Owner::of("job", "other"));
        assert_ne!(owner, Owner::of("jobtable", ""));
        for other in
            [".part-x", "part-x", ".part-x.inprogress.gx.1.1", ".part-a.inprogress.g1.1", ".hidden"]
        {
            assert_eq!(read_hidden(other), None, "{other}");
        }
    }
}
