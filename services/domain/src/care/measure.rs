//! What a job did between two readings.

use crate::ids::{Generation, Timestamp};
use crate::reading::{JobReading, VertexReading};

/// Flink's names of what is read.
pub const CPU_TIME: &str = "Status.JVM.CPU.Time";
pub const MAX_PARALLELISM: &str = "maxParallelism";
pub const WATERMARK: &str = "currentInputWatermark";
pub const PENDING: &str = "pendingRecords";
/// Ours: how many tasks feed this one.
pub const INPUTS: &str = "inputs";

/// One minute of a job, or about.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    pub at: Timestamp,
    pub generation: Generation,
    /// Of the processors that the job's KPUs stand for, in percent.
    pub cpu_percent: Option<f64>,
    pub vertices: Vec<VertexMeasure>,
}

/// Of all subtasks of a task together.
#[derive(Clone, Debug, PartialEq)]
pub struct VertexMeasure {
    pub name: String,
    /// No other task feeds it.
    pub is_source: bool,
    pub parallelism: u32,
    /// Of the time: 1 is all subtasks, always.
    pub busy: f64,
    pub back_pressured: f64,
    /// Read, or made by a source, each second.
    pub records_per_second: f64,
    /// Known to wait at a source.
    pub pending: Option<f64>,
}

impl Measure {
    /// `None`: the two are not of one undisturbed run, or no time is between them.
    pub fn between(before: &JobReading, after: &JobReading, kpus: u32) -> Option<Measure> {
        let elapsed_ms = after.at.0.checked_sub(before.at.0).filter(|ms| *ms > 0)? as f64;
        let restarts = |reading: &JobReading| reading.job.get("numRestarts").copied();
        if before.generation != after.generation || restarts(before) != restarts(after) {
            return None;
        }
        let pairs = after.vertices.iter().filter_map(|after| {
            let before = before.vertices.iter().find(|before| before.id == after.id)?;
            Some((before, after))
        });
        let vertices: Option<Vec<VertexMeasure>> =
            pairs.map(|(before, after)| vertex(before, after, elapsed_ms)).collect();
        let cpu = |reading: &JobReading| reading.job.get(CPU_TIME).copied();
        let cpu_ms = cpu(before).zip(cpu(after)).map(|(from, to)| (to - from) / 1e6);
        let vertices = vertices?;
        let of_kpus = cpu_ms
            .filter(|ms| *ms >= 0.0)
            .map(|ms| 100.0 * ms / elapsed_ms / f64::from(kpus.max(1)));
        Some(Measure {
            at: after.at,
            generation: after.generation,
            // An engine that does not tell: its busiest task, as if on a processor of its own.
            cpu_percent: of_kpus.or_else(|| busiest(&vertices).map(|it| 100.0 * it.busy)),
            vertices,
        })
    }
}

/// The task that is nearest to its limit.
pub fn busiest(vertices: &[VertexMeasure]) -> Option<&VertexMeasure> {
    vertices.iter().max_by(|one, other| one.busy.total_cmp(&other.busy))
}

/// `None`: it counts anew.
fn vertex(before: &VertexReading, after: &VertexReading, ms: f64) -> Option<VertexMeasure> {
    let value = |of: &VertexReading, name: &str| of.metrics.get(name).copied().unwrap_or(0.0);
    let grown = |name: &str| Some(value(after, name) - value(before, name)).filter(|it| *it >= 0.0);
    let subtasks = u32::try_from(after.parallelism).unwrap_or(u32::MAX).max(1);
    let share = |name: &str| Some((grown(name)? / ms / f64::from(subtasks)).clamp(0.0, 1.0));
    let (read, written) = (grown("read-records")?, grown("write-records")?);
    let is_source = value(after, INPUTS) == 0.0;
    Some(VertexMeasure {
        name: after.name.clone(),
        is_source,
        parallelism: subtasks,
        busy: share("accumulated-busy-time")?,
        back_pressured: share("accumulated-backpressured-time")?,
        records_per_second: if is_source { read.max(written) } else { read } * 1000.0 / ms,
        pending: after.metrics.get(PENDING).copied(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn reading(at: i64, generation: u64, cpu_ns: f64, vertex: [f64; 4]) -> JobReading {
        let [read, written, busy, held] = vertex;
        let metrics = [
            ("read-records", read),
            ("write-records", written),
            ("accumulated-busy-time", busy),
            ("accumulated-backpressured-time", held),
            (INPUTS, 1.0),
        ];
        JobReading {
            at: Timestamp(at),
            generation: Generation(generation),
            job: BTreeMap::from([(CPU_TIME.to_owned(), cpu_ns)]),
            vertices: vec![VertexReading {
                id: "v".to_owned(),
                name: "Agg".to_owned(),
                parallelism: 2,
                status: "RUNNING".to_owned(),
                metrics: metrics.into_iter().map(|(name, it)| (name.to_owned(), it)).collect(),
            }],
        }
    }

    #[test]
    fn a_minute_is_what_grew_between_two_readings() {
        let before = reading(0, 1, 1e9, [100.0, 0.0, 1_000.0, 0.0]);
        let after = reading(60_000, 1, 91e9, [6_100.0, 10.0, 61_000.0, 30_000.0]);
        let measure = Measure::between(&before, &after, 2).expect("one run");
        // 90 s of processor time in 60 s, on two processors.
        assert_eq!(measure.cpu_percent, Some(75.0));
        let vertex = &measure.vertices[0];
        assert_eq!((vertex.busy, vertex.back_pressured), (0.5, 0.25));
        assert_eq!((vertex.records_per_second, vertex.is_source), (100.0, false));
    }

    #[test]
    fn what_is_no_undisturbed_run_measures_nothing() {
        let before = reading(0, 1, 0.0, [100.0, 0.0, 1_000.0, 0.0]);
        let check = |after: JobReading| assert_eq!(Measure::between(&before, &after, 1), None);
        check(reading(60_000, 2, 0.0, [100.0, 0.0, 1_000.0, 0.0]));
        check(reading(0, 1, 0.0, [100.0, 0.0, 1_000.0, 0.0]));
        check(reading(60_000, 1, 0.0, [5.0, 0.0, 1_000.0, 0.0]));
        let mut restarted = reading(60_000, 1, 0.0, [100.0, 0.0, 1_000.0, 0.0]);
        restarted.job.insert("numRestarts".to_owned(), 1.0);
        check(restarted);
    }

    #[test]
    fn without_processor_time_the_busiest_task_counts() {
        let mut before = reading(0, 1, 0.0, [100.0, 0.0, 0.0, 0.0]);
        let mut after = reading(1_000, 1, 0.0, [100.0, 0.0, 1_600.0, 0.0]);
        before.job.clear();
        after.job.clear();
        let measure = Measure::between(&before, &after, 1).expect("one run");
        assert_eq!(measure.cpu_percent, Some(80.0));
    }

    /// A measure with these tasks: name, busy, back-pressured, records each second.
    pub fn measured(parallelism: u32, tasks: &[(&str, f64, f64, f64)]) -> Measure {
        let vertex = |(number, task): (usize, &(&str, f64, f64, f64))| VertexMeasure {
            name: task.0.to_owned(),
            is_source: number == 0,
            parallelism,
            busy: task.1,
            back_pressured: task.2,
            records_per_second: task.3,
            pending: None,
        };
        Measure {
            at: Timestamp(0),
            generation: Generation(1),
            cpu_percent: None,
            vertices: tasks.iter().enumerate().map(vertex).collect(),
        }
    }
}
