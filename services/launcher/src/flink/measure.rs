//! What a job on Flink measures, for care: Flink's names carry the operator before them.

use millrace_domain::care::measure::{PENDING, WATERMARK};
use millrace_domain::reading::JobReading;
use millrace_domain::{Generation, Timestamp};

use crate::error::LauncherError;
use crate::flink_rest::FlinkRest;
use crate::local::measure;

/// As of the embedded engine, and what its sources know to wait: `Source__orders[1].pendingRecords`.
pub(super) async fn job(
    rest: &FlinkRest,
    (address, job): (&str, &str),
    at: (Generation, Timestamp),
) -> Result<JobReading, LauncherError> {
    let mut reading = measure::job(rest, address, job, at).await?;
    for vertex in &mut reading.vertices {
        let place = (job, vertex.id.as_str());
        let names = rest.vertex_metric_names(address, place).await.unwrap_or_default();
        for (metric, how) in [(PENDING, "sum"), (WATERMARK, "min")] {
            if vertex.metrics.contains_key(metric) {
                continue;
            }
            let own = of_operators(&names, metric);
            if own.is_empty() {
                continue;
            }
            let values = rest.named_metrics(address, place, &own, how).await.unwrap_or_default();
            let value = match how {
                "sum" => (!values.is_empty()).then(|| values.iter().sum()),
                _ => values.into_iter().min_by(f64::total_cmp),
            };
            vertex.metrics.extend(value.map(|value| (metric.to_owned(), value)));
        }
    }
    Ok(reading)
}

fn of_operators(names: &[String], metric: &str) -> Vec<String> {
    let ends =
        |name: &&String| name.strip_suffix(metric).is_some_and(|operator| operator.ends_with('.'));
    names.iter().filter(ends).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::of_operators;

    #[test]
    fn a_metric_of_an_operator_ends_with_its_name() {
        let names = ["Source__a[1].pendingRecords", "pendingRecords", "x.notpendingRecords"];
        let names = names.map(str::to_owned);
        assert_eq!(of_operators(&names, "pendingRecords"), ["Source__a[1].pendingRecords"]);
    }
}
