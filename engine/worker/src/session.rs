//! One engine process's job: planned at once, started now or when told.

use std::sync::Arc;

use millrace_connectors::Connectors;
use millrace_dataflow::RuntimeLevel;
use millrace_runtime::memory::MemoryLimits;
use millrace_runtime::view::JobView;
use millrace_runtime::{Clock, Command, Connections, JobHandle, JobSpec, Outcome};
use millrace_state::durable::DurableFiles;
use millrace_state::{CheckpointStore, RestoreRequest};
use tokio::sync::{Mutex, watch};

use crate::description::JobDescription;
use crate::edge;
use crate::memory;
use crate::planning::{self, Planned};

/// Everything of a start that can be done before the application is claimed.
pub struct Prepared {
    planned: Planned,
    connections: Connections,
    store: CheckpointStore,
    memory: MemoryLimits,
}

pub struct Session {
    pub description: JobDescription,
    pub level: RuntimeLevel,
    pub clock: Arc<dyn Clock>,
    pub started_at_ms: i64,
    /// The application's snapshots.
    pub store: CheckpointStore,
    /// `None` once the job was started.
    prepared: Mutex<Option<Prepared>>,
    job: std::sync::RwLock<Option<Arc<JobHandle>>>,
    outcome: watch::Sender<Option<Outcome>>,
}

/// The job cannot be started. `Display` is what the caller is told.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the job was started already")]
    Already,
}

impl Session {
    /// Plans the script and opens its tables.
    ///
    /// # Errors
    /// What is wrong, one problem a line.
    pub fn prepare(description: JobDescription) -> Result<Session, Vec<String>> {
        let level = description.level().map_err(|message| vec![message])?;
        let script = std::fs::read_to_string(&description.script).map_err(|error| {
            vec![format!("cannot read the script {}: {error}", description.script.display())]
        })?;
        let connectors = Connectors::builder().owner(&description.application).build();
        let planned = planning::plan(&script, level, &description.settings, &connectors)
            .map_err(|problems| problems.iter().map(planning::one_line).collect::<Vec<_>>())?;
        let connections = Connections::open(&planned.script.graph, &connectors)
            .map_err(|error| vec![error.to_string()])?;
        let objects = Arc::new(DurableFiles::new());
        let store = CheckpointStore::new(
            objects,
            &description.state,
            &description.application,
            edge::new_id(),
        )
        .map_err(|error| vec![millrace_state::chain(&error)])?;
        let given = description.memory_bytes;
        let memory = memory::limits(&planned.script.settings, given, description.parallelism)
            .map_err(|error| vec![error.to_string()])?;
        let clock = edge::MachineClock::shared();
        Ok(Session {
            started_at_ms: clock.now_ms(),
            clock,
            level,
            description,
            store: store.clone(),
            prepared: Mutex::new(Some(Prepared { planned, connections, store, memory })),
            job: std::sync::RwLock::new(None),
            outcome: watch::channel(None).0,
        })
    }

    /// Starts the job; answers its id.
    ///
    /// # Errors
    /// It was started already.
    pub async fn start(
        &self,
        restore: RestoreRequest,
        allow_non_restored_state: bool,
    ) -> Result<String, StartError> {
        let prepared = self.prepared.lock().await.take().ok_or(StartError::Already)?;
        let id = edge::new_id();
        let handle = Arc::new(JobHandle::start(JobSpec {
            id: id.clone(),
            name: self.description.name.clone(),
            application: self.description.application.clone(),
            generation: self.description.generation,
            graph: prepared.planned.script.graph,
            parallelism: self.description.parallelism,
            settings: prepared.planned.settings,
            memory: prepared.memory,
            restore,
            allow_non_restored_state,
            hold_commits: self.description.hold_commits,
            connections: prepared.connections,
            create_operator: planning::create_operator(),
            store: prepared.store,
            io: tokio::runtime::Handle::current(),
            clock: Arc::clone(&self.clock),
            random: Arc::new(edge::chance),
            // A top-level SELECT has nobody to read it here.
            on_rows: Arc::new(|_, _| {}),
        }));
        self.pass_on_outcome(handle.outcome());
        *self.job.write().expect("no holder panics") = Some(handle);
        Ok(id)
    }

    fn pass_on_outcome(&self, mut of_job: watch::Receiver<Option<Outcome>>) {
        let sender = self.outcome.clone();
        tokio::spawn(async move {
            let outcome = match of_job.wait_for(Option::is_some).await {
                Ok(outcome) => outcome.clone(),
                Err(_) => Some(Outcome::Failed("the coordinator died".into())),
            };
            sender.send_replace(outcome);
        });
    }

    pub fn job(&self) -> Option<Arc<JobHandle>> {
        self.job.read().expect("no holder panics").clone()
    }

    pub fn view(&self) -> Option<JobView> {
        self.job().map(|job| job.view())
    }

    /// Set once the job has ended.
    pub fn outcome(&self) -> watch::Receiver<Option<Outcome>> {
        self.outcome.subscribe()
    }

    /// Cancels the job, if there is one that runs, and waits until it has ended.
    pub async fn cancel(&self) {
        let Some(job) = self.job() else { return };
        if job.send(Command::Cancel).is_ok() {
            let mut outcome = self.outcome();
            // The sender lives as long as the session.
            let _ = outcome.wait_for(Option::is_some).await;
        }
    }
}
