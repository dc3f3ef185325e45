//! Metrics out of Flink's JSON.

use millrace_domain::reading::VertexReading;
use serde_json::Value;

/// Of the job as a whole, by Flink's names.
pub(crate) const JOB_METRICS: [&str; 8] = [
    "uptime",
    "numRestarts",
    "numberOfCompletedCheckpoints",
    "numberOfFailedCheckpoints",
    "lastCheckpointDuration",
    "lastCheckpointSize",
    "lastCheckpointFullSize",
    "commitsHeld",
];

/// The vertices of `/jobs/:id`, with those of their metrics that are numbers.
pub(crate) fn vertices(details: &Value) -> Vec<VertexReading> {
    details["vertices"].as_array().into_iter().flatten().map(vertex).collect()
}

fn vertex(vertex: &Value) -> VertexReading {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metrics = vertex["metrics"].as_object().into_iter().flatten();
    VertexReading {
        id: text(&vertex["id"]),
        name: text(&vertex["name"]),
        parallelism: vertex["parallelism"].as_u64().unwrap_or(0),
        status: text(&vertex["status"]),
        metrics: metrics.filter_map(|(name, it)| Some((name.clone(), it.as_f64()?))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::vertices;

    #[test]
    fn a_vertex_has_its_numbers() {
        let details = json!({ "vertices": [{
            "id": "v", "name": "Source", "parallelism": 2, "status": "RUNNING",
            "metrics": { "read-records": 3, "read-records-complete": true, "busy": 0.5 }
        }] });
        let found = vertices(&details);
        assert_eq!(found[0].name, "Source");
        assert_eq!(found[0].metrics.len(), 2);
        assert_eq!(found[0].metrics["busy"], 0.5);
        assert_eq!(vertices(&json!({})), []);
    }
}
