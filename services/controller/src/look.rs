//! One look at one application: facts, one step, one change.

use std::sync::Arc;

use millrace_domain::lifecycle::{Facts, Observed, Outcome, Settings, Step, apply, plan};
use millrace_domain::{ApplicationId, Revision, Status, Timestamp};
use millrace_launcher::{Launcher, LauncherError};

use crate::Clock;
use crate::perform::perform;
use crate::records::{RecordError, Records};
use crate::schedule::Rest;

/// Looks at applications. Keeps nothing between two looks.
#[derive(Clone)]
pub struct Looker {
    pub records: Arc<dyn Records>,
    pub launcher: Arc<dyn Launcher>,
    pub settings: Settings,
    pub clock: Clock,
}

/// What a look led to.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    /// A step was done: look again at once.
    Did(&'static str),
    /// Nothing before then; `None`: nothing until something is stored. At rest, only its
    /// job needs to be looked at again.
    Waits { until: Option<Timestamp>, seen: Revision, rest: Option<Rest> },
    /// An effect outside an operation did not work: look again after a back-off.
    Failed(String),
    /// The application is gone.
    Gone,
}

#[derive(Debug, thiserror::Error)]
pub enum LookError {
    #[error("the application could not be loaded or stored")]
    Records(#[from] RecordError),
    #[error("its clusters could not be observed")]
    Observe(#[from] LauncherError),
}

impl Looker {
    /// Loads, observes, plans, does one step, commits.
    ///
    /// # Errors
    /// The store or the clusters could not be read. A failed effect is no error: it is
    /// recorded, with its back-off, on the operation.
    pub async fn look(&self, id: &ApplicationId) -> Result<Look, LookError> {
        let Some(facts) = self.facts(id).await? else { return Ok(Look::Gone) };
        let step = plan(&facts, (self.clock)());
        if let Step::Wait { until, why } = step {
            tracing::trace!(application.name = %facts.application.name, why, "waiting");
            let (seen, rest) = (facts.application.revision, rest(&facts));
            return Ok(Look::Waits { until, seen, rest });
        }
        let outcome = self.perform(&facts, &step).await;
        log(&facts, &step, &outcome);
        self.record(&facts, &step, outcome).await
    }

    /// Whether the job of an application at rest still runs as it did: then there is
    /// nothing to decide, and nothing to load.
    ///
    /// # Errors
    /// Its clusters could not be observed.
    pub async fn still_rests(&self, id: &ApplicationId, rest: Rest) -> Result<bool, LookError> {
        let clusters = self.launcher.observe(id, (self.clock)()).await?;
        Ok(clusters.get(&rest.generation).is_some_and(runs))
    }

    /// Everything that a decision is made from; `None`: the application is gone.
    pub async fn facts(&self, id: &ApplicationId) -> Result<Option<Facts>, LookError> {
        let Some(stored) = self.records.load(id).await? else { return Ok(None) };
        let clusters = self.launcher.observe(id, (self.clock)()).await?;
        Ok(Some(Facts {
            application: stored.application,
            operation: stored.operation,
            versions: stored.versions,
            snapshots: stored.snapshots.to_vec(),
            clusters,
            settings: self.settings,
        }))
    }

    pub async fn perform(&self, facts: &Facts, step: &Step) -> Outcome {
        perform(self.launcher.as_ref(), &facts.application.id, step, (self.clock)()).await
    }

    /// Commits what the outcome writes, if it writes anything.
    pub async fn record(
        &self,
        facts: &Facts,
        step: &Step,
        outcome: Outcome,
    ) -> Result<Look, LookError> {
        if let (None, Outcome::Error { message: text } | Outcome::Refused { cause: text }) =
            (&facts.operation, &outcome)
        {
            return Ok(Look::Failed(text.clone()));
        }
        let is_news = step.is_recorded() || facts.evidence().errors.is_some();
        if outcome == Outcome::Done && !is_news {
            return Ok(Look::Did(step.name()));
        }
        let now = (self.clock)();
        match self.records.commit(&apply(facts, step, outcome, now), now).await {
            // Overtaken: what was decided is forgotten, the next look decides anew.
            Ok(()) | Err(RecordError::Stale) => Ok(Look::Did(step.name())),
            Err(error) => Err(error.into()),
        }
    }
}

/// A RUNNING application whose job runs, with nothing under way.
fn rest(facts: &Facts) -> Option<Rest> {
    let job = facts.application.job.as_ref()?;
    let rests = facts.operation.is_none()
        && facts.application.status == Status::Running
        && runs(facts.observed(job.generation));
    rests.then_some(Rest { revision: facts.application.revision, generation: job.generation })
}

fn runs(observed: &Observed) -> bool {
    matches!(observed, Observed::Running(health) if !health.held)
}

fn log(facts: &Facts, step: &Step, outcome: &Outcome) {
    let operation = facts.operation.as_ref().map(|operation| operation.id.as_str());
    let (name, generation) = (facts.application.name.as_str(), facts.application.generation.0);
    match outcome {
        Outcome::Error { message: cause } | Outcome::Refused { cause } => tracing::warn!(
            application.name = name,
            operation.id = operation,
            generation,
            step = step.name(),
            cause,
            "a step did not work"
        ),
        _ => tracing::info!(
            application.name = name,
            operation.id = operation,
            generation,
            step = step.name(),
            "step done"
        ),
    }
}
