//! Processor time of this process, as Flink's task managers count it.

use axum::Json;
use axum::extract::Query;

use super::Answer;
use super::metrics::{MetricsQuery, selected};

/// `GET /taskmanagers/metrics` (row I1.32), of the one there is. Flink:
/// `Status.JVM.CPU.Time`, in nanoseconds.
pub async fn of_task_managers(Query(query): Query<MetricsQuery>) -> Answer {
    let time = cpu_time_ns();
    let metrics = time.map(|ns| ("Status.JVM.CPU.Time".to_owned(), ns.to_string()));
    let mut rows = selected(metrics.into_iter().collect(), query);
    for row in rows.as_array_mut().into_iter().flatten() {
        // One task manager: its value is each aggregate.
        let Some(value) = row["value"].as_str().and_then(|it| it.parse::<f64>().ok()) else {
            continue;
        };
        *row = serde_json::json!({
            "id": row["id"], "min": value, "max": value, "avg": value, "sum": value,
        });
    }
    Ok(Json(rows))
}

/// `None` where the system does not tell.
fn cpu_time_ns() -> Option<u64> {
    time_of(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// Linux: proc(5): fields 14 and 15 are user and system time, in ticks of 10 ms. The second
/// field is in parentheses, and may hold any character.
fn time_of(stat: &str) -> Option<u64> {
    const TICK_NS: u64 = 10_000_000;
    let (_, rest) = stat.rsplit_once(") ")?;
    let ticks: Vec<u64> =
        rest.split(' ').skip(11).take(2).map_while(|text| text.parse().ok()).collect();
    let [user, system] = ticks[..] else { return None };
    Some((user + system).saturating_mul(TICK_NS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_that_of_the_user_and_of_the_system() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 8 9 20 0 5 0 99";
        assert_eq!(time_of(stat), Some(2_000_000_000));
        assert_eq!(time_of("7 (a) S 1"), None);
        assert_eq!(time_of(""), None);
        assert!(cpu_time_ns().is_some(), "Linux tells");
    }
}
