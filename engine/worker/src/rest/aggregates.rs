//! Metrics brought together over subtasks, jobs or task managers (row I1.32).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::metrics::{Metric, job_metrics, subtask_metrics};
use super::vertices::find_vertex;
use super::{Answer, Error, find_job};
use crate::session::Session;

#[derive(Debug, Default, Deserialize)]
pub struct AggregateQuery {
    get: Option<String>,
    /// Any of `min`, `max`, `avg`, `sum`; all when absent.
    agg: Option<String>,
    /// Subtasks to look at: `0,2-4`; all when absent.
    subtasks: Option<String>,
}

/// `.../vertices/:id/subtasks/metrics`.
pub async fn of_subtasks(
    State(session): State<Arc<Session>>,
    Path((id, vertex)): Path<(String, String)>,
    Query(query): Query<AggregateQuery>,
) -> Answer {
    let (_, view) = find_job(&session, &id)?;
    let vertex = find_vertex(&view, &vertex)?;
    let now = session.clock.monotonic_ns();
    let wanted = query.subtasks.as_deref().map(ranges).transpose()?;
    let looked_at = vertex.subtasks.iter().enumerate().filter(|(index, _)| {
        wanted.as_ref().is_none_or(|ranges| ranges.iter().any(|range| range.contains(index)))
    });
    aggregated(looked_at.map(|(_, subtask)| subtask_metrics(subtask, now)), &query)
}

/// `/jobs/metrics`: of the one job.
pub async fn of_jobs(
    State(session): State<Arc<Session>>,
    Query(query): Query<AggregateQuery>,
) -> Answer {
    let now = session.clock.now_ms();
    aggregated(session.view().iter().map(|view| job_metrics(view, now)), &query)
}

/// `0,2-4`, as Flink writes ranges of subtasks.
fn ranges(text: &str) -> Result<Vec<std::ops::RangeInclusive<usize>>, Error> {
    let bad = || Error::bad_request(format!("subtasks {text:?} is not a list such as 0,2-4"));
    let number = |text: &str| text.trim().parse::<usize>().map_err(|_| bad());
    text.split(',')
        .map(|part| match part.split_once('-') {
            Some((first, last)) => Ok(number(first)?..=number(last)?),
            None => number(part).map(|one| one..=one),
        })
        .collect()
}

/// Without `get` the names alone. A metric that is not a number anywhere is left out.
fn aggregated(sources: impl Iterator<Item = Vec<Metric>>, query: &AggregateQuery) -> Answer {
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, value) in sources.flatten() {
        if let Ok(value) = value.parse() {
            values.entry(name).or_default().push(value);
        }
    }
    let Some(wanted) = &query.get else {
        return Ok(Json(values.keys().map(|name| json!({ "id": name })).collect()));
    };
    let kinds: Vec<&str> =
        query.agg.as_deref().unwrap_or("min,max,avg,sum").split(',').map(str::trim).collect();
    let wanted: Vec<&str> = wanted.split(',').collect();
    let found = values.iter().filter(|(name, _)| wanted.contains(&name.as_str()));
    let rows: Result<Vec<Value>, Error> =
        found.map(|(name, values)| one(name, values, &kinds)).collect();
    Ok(Json(rows?.into()))
}

fn one(name: &str, values: &[f64], kinds: &[&str]) -> Result<Value, Error> {
    let sum: f64 = values.iter().sum();
    let mut row = Map::from_iter([("id".to_owned(), Value::from(name))]);
    for kind in kinds {
        let value = match *kind {
            "min" => values.iter().copied().fold(f64::INFINITY, f64::min),
            "max" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            "avg" => sum / values.len() as f64,
            "sum" => sum,
            other => {
                return Err(Error::bad_request(format!(
                    "agg {other:?} is not offered; use min, max, avg or sum"
                )));
            }
        };
        row.insert((*kind).to_owned(), value.into());
    }
    Ok(row.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(get: Option<&str>, agg: Option<&str>) -> AggregateQuery {
        let [get, agg] = [get, agg].map(|text| text.map(str::to_owned));
        AggregateQuery { get, agg, subtasks: None }
    }

    #[test]
    fn i1_32_numbers_are_brought_together_by_name() {
        let metrics = |value: &str| {
            vec![("a".to_owned(), value.to_owned()), ("path".to_owned(), "n/a".to_owned())]
        };
        let check = |query: AggregateQuery, expected: Value| {
            let found =
                aggregated([metrics("1"), metrics("4")].into_iter(), &query).expect("known");
            assert_eq!(found.0, expected);
        };
        check(query(None, None), json!([{"id": "a"}]));
        let all = json!([{"id": "a", "min": 1.0, "max": 4.0, "avg": 2.5, "sum": 5.0}]);
        check(query(Some("a,path,b"), None), all);
        check(query(Some("a"), Some("max")), json!([{"id": "a", "max": 4.0}]));
        assert!(aggregated([metrics("1")].into_iter(), &query(Some("a"), Some("median"))).is_err());
    }

    #[test]
    fn subtasks_come_as_ranges() {
        assert_eq!(ranges("0,2-4").expect("a list"), [0..=0, 2..=4]);
        assert!(ranges("a").is_err() && ranges("1-").is_err());
    }
}
