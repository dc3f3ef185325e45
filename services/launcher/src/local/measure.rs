//! What care is decided from, out of a few questions to one job.

use std::collections::BTreeMap;

use millrace_domain::care::measure::{CPU_TIME, INPUTS, MAX_PARALLELISM, PENDING, WATERMARK};
use millrace_domain::reading::JobReading;
use millrace_domain::{Generation, Timestamp};
use serde_json::Value;

use super::reading::{JOB_METRICS, vertices};
use crate::error::LauncherError;
use crate::flink_rest::FlinkRest;

pub(crate) async fn job(
    rest: &FlinkRest,
    address: &str,
    job: &str,
    (generation, at): (Generation, Timestamp),
) -> Result<JobReading, LauncherError> {
    let details = rest.details(address, job).await?;
    let mut reading = JobReading {
        at,
        generation,
        job: named(JOB_METRICS, rest.job_metrics(address, job, JOB_METRICS).await?),
        vertices: vertices(&details),
    };
    // An engine that does not tell these is measured without.
    if let Ok(Some(nanoseconds)) = rest.cpu_time(address, CPU_TIME).await {
        reading.job.insert(CPU_TIME.to_owned(), nanoseconds);
    }
    reading.job.extend(max_parallelism(&details).map(|it| (MAX_PARALLELISM.to_owned(), it)));
    for vertex in &mut reading.vertices {
        let inputs = inputs(&details, &vertex.id) as f64;
        vertex.metrics.insert(INPUTS.to_owned(), inputs);
        let asked = [(WATERMARK, "min"), (PENDING, "sum")];
        if let Ok(values) = rest.vertex_metrics(address, (job, &vertex.id), asked).await {
            vertex.metrics.extend(named([WATERMARK, PENDING], values));
        }
    }
    Ok(reading)
}

fn named<const N: usize>(names: [&str; N], values: [Option<f64>; N]) -> BTreeMap<String, f64> {
    let named = names.into_iter().zip(values);
    named.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// The least of all tasks: of a job that says nothing of itself.
fn max_parallelism(details: &Value) -> Option<f64> {
    let of_vertices = details["vertices"].as_array().into_iter().flatten();
    let of_vertices = of_vertices.filter_map(|it| it["maxParallelism"].as_f64());
    let of_job = details["maxParallelism"].as_f64();
    of_job.into_iter().chain(of_vertices).filter(|it| *it > 0.0).min_by(f64::total_cmp)
}

fn inputs(details: &Value, vertex: &str) -> usize {
    let nodes = details["plan"]["nodes"].as_array().into_iter().flatten();
    let node = nodes.into_iter().find(|node| node["id"] == vertex);
    node.and_then(|node| node["inputs"].as_array()).map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_source_has_no_inputs_and_the_least_max_parallelism_counts() {
        let details = json!({
            "maxParallelism": -1,
            "vertices": [{ "maxParallelism": 128 }, { "maxParallelism": 16 }],
            "plan": { "nodes": [{ "id": "a" }, { "id": "b", "inputs": [{ "id": "a" }] }] }
        });
        assert_eq!((inputs(&details, "a"), inputs(&details, "b")), (0, 1));
        assert_eq!(max_parallelism(&details), Some(16.0));
        assert_eq!(max_parallelism(&json!({})), None);
    }
}
