//! The last minutes of each running job's metrics, noted in memory by each server for
//! itself.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millrace_api::{Jobs, Sample};
use millrace_domain::reading::JobReading;
use millrace_domain::{ApplicationId, Generation};
use millrace_store::Store;

use super::jobs::LocalJobs;

const EVERY: Duration = Duration::from_secs(5);
/// Ten minutes of them.
const KEPT: usize = 120;
/// Applications noted; more are left out.
const APPLICATIONS: usize = 1000;

/// What was noted, by application.
#[derive(Default)]
pub struct History {
    samples: Mutex<HashMap<ApplicationId, VecDeque<Sample>>>,
}

impl History {
    pub fn of(&self, application: &ApplicationId) -> Vec<Sample> {
        self.samples().get(application).into_iter().flatten().cloned().collect()
    }

    fn note(&self, application: &ApplicationId, reading: &JobReading) {
        let mut samples = self.samples();
        let of_application = samples.entry(application.clone()).or_default();
        of_application.push_back(added_up(reading));
        while of_application.len() > KEPT {
            of_application.pop_front();
        }
    }

    /// Forgets applications that have no job any more.
    fn keep(&self, jobs: &[(ApplicationId, Generation)]) {
        self.samples().retain(|application, _| jobs.iter().any(|(id, _)| id == application));
    }

    fn samples(&self) -> MutexGuard<'_, HashMap<ApplicationId, VecDeque<Sample>>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes until `shutdown` resolves. What cannot be read now is left out.
pub async fn sample(store: &Store, jobs: &LocalJobs, shutdown: impl Future<Output = ()>) {
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let note = async {
            match store.jobs().await {
                Ok(running) => note_all(jobs, &running).await,
                Err(error) => tracing::debug!(%error, "the running jobs could not be listed"),
            }
        };
        tokio::select! {
            () = &mut shutdown => return,
            () = note => {}
        }
    }
}

async fn note_all(jobs: &LocalJobs, running: &[(ApplicationId, Generation)]) {
    jobs.history.keep(running);
    for (application, generation) in running.iter().take(APPLICATIONS) {
        if let Some(reading) = jobs.reading(application, *generation).await {
            jobs.history.note(application, &reading);
        }
    }
}

/// The job's metrics, and the vertices' added up.
fn added_up(reading: &JobReading) -> Sample {
    let mut values: BTreeMap<String, f64> = reading.job.clone();
    for (name, value) in reading.vertices.iter().flat_map(|vertex| &vertex.metrics) {
        *values.entry(name.clone()).or_default() += value;
    }
    Sample { at: reading.at, generation: reading.generation, values }
}

#[cfg(test)]
mod tests {
    use millrace_domain::Timestamp;
    use millrace_domain::reading::VertexReading;

    use super::*;

    fn reading(at: i64, records: f64) -> JobReading {
        let vertex = |id: &str| VertexReading {
            id: id.to_owned(),
            name: id.to_owned(),
            parallelism: 1,
            status: "RUNNING".to_owned(),
            metrics: BTreeMap::from([("read-records".to_owned(), records)]),
        };
        JobReading {
            at: Timestamp(at),
            generation: Generation(1),
            job: BTreeMap::from([("uptime".to_owned(), 7.0)]),
            vertices: vec![vertex("a"), vertex("b")],
        }
    }

    #[test]
    fn the_last_minutes_are_kept_with_vertices_added_up() {
        let history = History::default();
        let id = ApplicationId::new("app").expect("a valid id");
        for at in 0..(KEPT as i64 + 3) {
            history.note(&id, &reading(at, 2.0));
        }
        let kept = history.of(&id);
        assert_eq!((kept.len(), kept[0].at), (KEPT, Timestamp(3)));
        assert_eq!(kept[0].values["read-records"], 4.0);
        assert_eq!(kept[0].values["uptime"], 7.0);
        history.keep(&[]);
        assert_eq!(history.of(&id), []);
    }
}
