//! One engine: planned, connected and started as the real one does it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::anyhow;
use millrace_dataflow::{Generation, RuntimeLevel};
use millrace_plan::{PlanOptions, plan_script};
use millrace_runtime::memory::MemoryLimits;
use millrace_runtime::{Clock, Connections, JobHandle, JobSpec, RuntimeSettings, operators};
use millrace_state::{CheckpointStore, RestoreRequest};
use object_store::ObjectStore;

use crate::connector::{Sim, SimCatalog};

/// What an engine is started with.
pub struct Start<'a> {
    pub script: &'a str,
    pub level: RuntimeLevel,
    pub parallelism: u16,
    pub generation: u64,
    pub settings: &'a [(&'static str, &'static str)],
    pub budget_bytes: u64,
    pub sim: Sim,
    pub objects: Arc<dyn ObjectStore>,
    pub io: &'a tokio::runtime::Handle,
}

impl Start<'_> {
    /// # Errors
    /// The script or a setting is refused: a fault of the trial, not of the engine.
    pub fn start(self) -> anyhow::Result<JobHandle> {
        let settings = self.settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let settings: BTreeMap<String, String> = settings.collect();
        let options = PlanOptions { level: self.level, settings };
        let planned = plan_script(self.script, &options, &SimCatalog::default())
            .map_err(|problems| anyhow!("the script is refused: {problems:?}"))?;
        let settings = RuntimeSettings::parse(&planned.settings, self.level)?;
        let owner = format!("engine {}", self.generation);
        // Every other generation reads its snapshot part by part.
        let most_held = if self.generation.is_multiple_of(2) { 0 } else { u64::MAX };
        let store =
            CheckpointStore::new(self.objects, "/app", "app", owner)?.holding_at_most(most_held);
        Ok(JobHandle::start(JobSpec {
            id: format!("{:032x}", self.generation),
            name: "sim".into(),
            application: "app".into(),
            generation: Generation(self.generation),
            connections: Connections::open(&planned.graph, &self.sim)?,
            graph: planned.graph,
            parallelism: self.parallelism,
            settings,
            memory: MemoryLimits { budget_bytes: self.budget_bytes, ..MemoryLimits::NONE },
            restore: RestoreRequest::Latest,
            allow_non_restored_state: false,
            hold_commits: false,
            create_operator: Arc::new(|node, inputs| {
                operators::create(&node.operator, inputs, &node.output, &node.name)
            }),
            store,
            io: self.io.clone(),
            clock: Arc::new(WallClock::default()),
            random: Arc::new(|| 0.0),
            on_rows: Arc::new(|_, _| {}),
        }))
    }
}

struct WallClock {
    start: Instant,
}

impl Default for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the engines' threads run in real time")]
    fn default() -> WallClock {
        WallClock { start: Instant::now() }
    }
}

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the engines' threads run in real time")]
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
