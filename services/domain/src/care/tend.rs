//! From what was seen of an application to what is stored of it, and what is begun.

use crate::application::{Application, Status};
use crate::care::bounds::Bounds;
use crate::care::health::{Pulses, Sign, Trouble};
use crate::care::window::Window;
use crate::care::{Care, Episode, Verdict};
use crate::commands::Renewal;
use crate::configuration::{Configuration, Version};
use crate::ids::Timestamp;
use crate::operation::{Operation, OperationStatus};

/// After a scaling that failed the next is not tried for so many minutes: each costs a
/// restart.
const MINUTES_AFTER_FAILURE: i64 = 60;

/// All that care is decided from.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub application: &'a Application,
    /// Of its job.
    pub version: &'a Version,
    pub window: &'a Window,
    pub pulses: &'a Pulses,
    /// Key groups of its state.
    pub max_parallelism: Option<u32>,
    /// Kinesis Processing Units that the application may have.
    pub most_kpus: u64,
    /// The release of its engine, and the one installed; `None` where it was not asked.
    pub release: Option<(&'a str, &'a str)>,
    /// The newest of each kind.
    pub last_scaling: Option<&'a Operation>,
    pub last_maintenance: Option<&'a Operation>,
    pub now: Timestamp,
    /// Between two samples: a minute.
    pub period_ms: i64,
}

/// What follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Tended {
    pub care: Care,
    pub begin: Option<Renewal>,
}

/// Nothing is begun while anything else is under way, or while the job fails.
pub fn tend(seen: &Seen<'_>) -> Tended {
    let mut care = seen.application.care.clone();
    note_troubles(&mut care, seen);
    let free = seen.application.status == Status::Running
        && seen.application.open_operation.is_none()
        && seen.version.id == seen.application.version
        && !care.episodes.contains_key(&Trouble::RestartLoop);
    if !free {
        return Tended { care, begin: None };
    }
    let begin = maintenance(seen).or_else(|| scaling(&mut care, seen));
    Tended { care, begin }
}

fn note_troubles(care: &mut Care, seen: &Seen<'_>) {
    let interval_ms = checkpoint_interval_ms(&seen.version.configuration);
    for (trouble, sign) in seen.pulses.signs(interval_ms, seen.period_ms) {
        match sign {
            Sign::Trouble(message) => {
                let began = Episode { since: seen.now, message };
                care.episodes.entry(trouble).or_insert(began);
            }
            Sign::Well => drop(care.episodes.remove(&trouble)),
            Sign::Unclear => {}
        }
    }
}

fn checkpoint_interval_ms(configuration: &Configuration) -> Option<i64> {
    let checkpoint = &configuration.checkpoint;
    checkpoint.enabled.then(|| i64::try_from(checkpoint.interval_ms).unwrap_or(i64::MAX))
}

/// In its window, once in each.
fn maintenance(seen: &Seen<'_>) -> Option<Renewal> {
    let (running, installed) = seen.release.filter(|(running, installed)| running != installed)?;
    let opened = seen.application.maintenance_window().opened(seen.now)?;
    if seen.last_maintenance.is_some_and(|last| last.started_at >= opened) {
        return None;
    }
    let reason = format!("The engine is {running:?}, and {installed:?} is installed");
    Some(Renewal::Upgrade { reason })
}

fn scaling(care: &mut Care, seen: &Seen<'_>) -> Option<Renewal> {
    let configured = &seen.version.configuration.parallelism;
    if !configured.auto_scaling_enabled {
        care.held = None;
        return None;
    }
    let current = seen.application.current_parallelism(seen.version);
    let bounds = Bounds::of(configured, current, seen.max_parallelism, seen.most_kpus);
    let minute = seen.now.0.div_euclid(seen.period_ms.max(1));
    match care.scaling.decide(seen.window, minute, &bounds) {
        Verdict::Keep => {
            care.held = None;
            None
        }
        Verdict::Held(held) => {
            // The numbers are those of when it was held first.
            let same = care.held.as_ref().is_some_and(|before| before.bound == held.bound);
            if !same {
                care.held = Some(held);
            }
            None
        }
        Verdict::Scale { parallelism, reason } => {
            care.held = None;
            (!failed_lately(seen)).then_some(Renewal::Scale { parallelism, reason })
        }
    }
}

fn failed_lately(seen: &Seen<'_>) -> bool {
    let patience_ms = seen.period_ms.saturating_mul(MINUTES_AFTER_FAILURE);
    seen.last_scaling.is_some_and(|last| {
        last.status == OperationStatus::Failed
            && last.ended_at.is_some_and(|at| seen.now.0.saturating_sub(at.0) < patience_ms)
    })
}
