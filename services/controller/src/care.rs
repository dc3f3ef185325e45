//! Looks after running jobs: measures each once a minute, and begins what that asks for.
//!
//! Contract. Every replica measures for itself, in memory; what it decides it commits by
//! compare-and-set, so that of several that decide the same one does it. Nothing is lost
//! with a replica but the minutes that it alone measured: decisions come later for it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millrace_domain::care::health::{Pulse, Pulses};
use millrace_domain::care::measure::{MAX_PARALLELISM, Measure};
use millrace_domain::care::window::Window;
use millrace_domain::care::{Seen, Tended, tend};
use millrace_domain::commands::{Call, Facts};
use millrace_domain::configuration::ParallelismConfiguration;
use millrace_domain::quota::{QuotaBook, Quotas};
use millrace_domain::reading::JobReading;
use millrace_domain::{
    ApplicationId, Change, Job, Operation, OperationId, OperationKind, Reject, Timestamp, Version,
};
use millrace_launcher::Launcher;
use tokio::task::JoinSet;

use crate::Clock;
use crate::records::{RecordError, Records, Stored};

/// Applications measured at once.
const AT_ONCE: usize = 16;
/// Looks at the clock in one period.
const LOOKS: u32 = 12;

#[derive(Clone, Debug)]
pub struct CareSettings {
    /// Between two samples: what the rules call a minute.
    pub period: Duration,
    /// The installed release of the engine; `None`: running ones are not compared with it.
    pub release: Option<String>,
    pub quotas: Arc<QuotaBook>,
}

impl Default for CareSettings {
    fn default() -> CareSettings {
        CareSettings { period: Duration::from_secs(60), release: None, quotas: Arc::default() }
    }
}

/// Measures running jobs and decides, for ever.
#[derive(Clone)]
pub struct Carer {
    records: Arc<dyn Records>,
    launcher: Arc<dyn Launcher>,
    clock: Clock,
    ids: Arc<dyn Fn() -> OperationId + Send + Sync>,
    settings: CareSettings,
    watched: Arc<Mutex<HashMap<ApplicationId, Watch>>>,
}

/// What is remembered of one application.
#[derive(Clone, Debug, Default)]
struct Watch {
    window: Window,
    pulses: Pulses,
    last: Option<JobReading>,
}

/// What is asked of the store and of the engine, before anything is decided.
struct Asked {
    reading: Option<JobReading>,
    release: Option<String>,
    /// Where that is not the service's own.
    installed: Option<String>,
    last_scaling: Option<Operation>,
    last_maintenance: Option<Operation>,
}

impl Carer {
    pub fn new(
        (records, launcher): (Arc<dyn Records>, Arc<dyn Launcher>),
        clock: Clock,
        ids: Arc<dyn Fn() -> OperationId + Send + Sync>,
        settings: CareSettings,
    ) -> Carer {
        Carer { records, launcher, clock, ids, settings, watched: Arc::default() }
    }

    /// A round in each period until `shutdown` resolves.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        let mut done = self.minute();
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                () = tokio::time::sleep(self.settings.period / LOOKS) => {}
            }
            if self.minute() == done {
                continue;
            }
            done = self.minute();
            tokio::select! {
                () = &mut shutdown => return,
                () = self.round() => {}
            }
        }
    }

    /// Every application that has a job, once.
    pub async fn round(&self) {
        let running = match self.records.with_jobs().await {
            Ok(running) => running,
            Err(error) => return tracing::warn!(%error, "the running jobs could not be listed"),
        };
        self.watched().retain(|id, _| running.contains(id));
        let mut tending = JoinSet::new();
        for id in running {
            if tending.len() >= AT_ONCE {
                let _ = tending.join_next().await;
            }
            let carer = self.clone();
            tending.spawn(async move { carer.tend_logged(&id).await });
        }
        while tending.join_next().await.is_some() {}
    }

    async fn tend_logged(&self, id: &ApplicationId) {
        match self.tend(id).await {
            // Overtaken: what was measured is kept, the next minute decides anew.
            Ok(()) | Err(RecordError::Stale) => {}
            Err(error) => {
                tracing::warn!(application.id = %id, %error, "an application was not tended");
            }
        }
    }

    async fn tend(&self, id: &ApplicationId) -> Result<(), RecordError> {
        let Some(stored) = self.records.load(id).await? else { return Ok(()) };
        let Some(job) = stored.application.job.clone() else { return Ok(()) };
        let Some(version) = stored.versions.get(&job.version).cloned() else { return Ok(()) };
        let now = (self.clock)();
        let asked = self.ask(&stored, &job, now).await?;
        let watch = self.note(&stored, (&job, &version), asked.reading.as_ref(), now);
        let installed = asked.installed.as_deref().or(self.settings.release.as_deref());
        let release = asked.release.as_deref().zip(installed);
        let tended = tend(&Seen {
            application: &stored.application,
            version: &version,
            window: &watch.window,
            pulses: &watch.pulses,
            max_parallelism: asked.reading.as_ref().and_then(max_parallelism),
            most_kpus: self.settings.quotas.of(&stored.application.account).kpus,
            release,
            last_scaling: asked.last_scaling.as_ref(),
            last_maintenance: asked.last_maintenance.as_ref(),
            now,
            period_ms: self.period_ms(),
        });
        self.store(&stored, &version, tended, now).await
    }

    async fn ask(&self, stored: &Stored, job: &Job, now: Timestamp) -> Result<Asked, RecordError> {
        let id = &stored.application.id;
        let reading = self.launcher.measure(id, job.generation, now).await;
        if let Err(error) = &reading {
            tracing::debug!(application.id = %id, error = %error.chain(), "no measure");
        }
        let open = stored.application.maintenance_window().opened(now).is_some();
        let release = match (&self.settings.release, open) {
            (Some(_), true) => self.launcher.release(id, job.generation).await.ok(),
            _ => None,
        };
        let installed = match &release {
            Some(_) => self.launcher.installed(id, job.generation).await.unwrap_or_default(),
            None => None,
        };
        Ok(Asked {
            reading: reading.ok(),
            release,
            installed,
            last_scaling: self.records.newest(id, OperationKind::Autoscaling).await?,
            last_maintenance: self.records.newest(id, OperationKind::Maintenance).await?,
        })
    }

    /// What is known now of the job, this minute included.
    fn note(
        &self,
        stored: &Stored,
        (job, version): (&Job, &Version),
        reading: Option<&JobReading>,
        now: Timestamp,
    ) -> Watch {
        let parallelism = stored.application.current_parallelism(version);
        let configured = &version.configuration.parallelism;
        let kpus = ParallelismConfiguration { parallelism, ..configured.clone() }.kpus();
        let mut watched = self.watched();
        let watch = watched.entry(stored.application.id.clone()).or_default();
        watch.window.look_at(version.id, parallelism);
        watch.pulses.note(match reading {
            Some(reading) => Pulse::of(reading, job),
            None => Pulse::silent(now, job),
        });
        if let Some((before, reading)) = watch.last.as_ref().zip(reading)
            && let Some(measure) = Measure::between(before, reading, kpus)
        {
            watch.window.note(now.0.div_euclid(self.period_ms()), measure);
        }
        watch.last = reading.cloned();
        watch.clone()
    }

    async fn store(
        &self,
        stored: &Stored,
        version: &Version,
        Tended { care, begin }: Tended,
        now: Timestamp,
    ) -> Result<(), RecordError> {
        let facts = Facts {
            application: &stored.application,
            version,
            open_operation: stored.operation.as_ref(),
            snapshots: &stored.snapshots,
            quotas: self.settings.quotas.of(&stored.application.account),
        };
        if let Some(change) = facts.tended(care, now) {
            self.records.commit(&change, now).await?;
        }
        let Some(renewal) = begin else { return Ok(()) };
        tracing::info!(application.name = %stored.application.name, ?renewal, "begins by itself");
        let call = Call { operation: (self.ids)(), now };
        // What was stored of its care just now made another revision.
        let Some(stored) = self.records.load(&stored.application.id).await? else { return Ok(()) };
        let quotas = self.settings.quotas.of(&stored.application.account);
        let Some(change) = begun(&stored, quotas, |facts| facts.renew(renewal, &call)) else {
            return Ok(());
        };
        self.records.commit(&change, now).await
    }

    fn minute(&self) -> i64 {
        (self.clock)().0.div_euclid(self.period_ms())
    }

    fn period_ms(&self) -> i64 {
        i64::try_from(self.settings.period.as_millis()).unwrap_or(i64::MAX).max(1)
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<ApplicationId, Watch>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `None`: it is not possible any more.
fn begun(
    stored: &Stored,
    quotas: &Quotas,
    decide: impl FnOnce(&Facts<'_>) -> Result<Change, Reject>,
) -> Option<Change> {
    let facts = Facts {
        application: &stored.application,
        version: stored.versions.get(&stored.application.version)?,
        open_operation: stored.operation.as_ref(),
        snapshots: &stored.snapshots,
        quotas,
    };
    decide(&facts).ok()
}

fn max_parallelism(reading: &JobReading) -> Option<u32> {
    reading.job.get(MAX_PARALLELISM).map(|it| it.clamp(1.0, f64::from(u32::MAX)) as u32)
}
