//! Automatic care: what the service decides by itself about a running job.
//!
//! Every decision is a function of what was measured, once a minute, and of the time. What
//! is measured is kept in memory by each replica for itself: one that begins anew decides
//! later, never otherwise. What was decided is stored: an operation with its reason, a
//! reason not to scale, the episodes of trouble under way. So each is told once, whoever
//! saw it.

pub mod bounds;
pub mod cpu_rule;
pub mod health;
pub mod measure;
pub mod rate_rule;
mod tend;
pub mod window;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::Timestamp;
use bounds::Bounds;
use health::Trouble;
pub use tend::{Seen, Tended, tend};
use window::Window;

/// What is stored of an application's care.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Care {
    pub scaling: ScalingRule,
    /// The rule would scale, and a bound is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Troubles under way.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub episodes: BTreeMap<Trouble, Episode>,
}

impl Care {
    pub fn is_in_restart_loop(&self) -> bool {
        self.episodes.contains_key(&Trouble::RestartLoop)
    }
}

/// How it is decided at which parallelism an application with automatic scaling runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "rule")]
pub enum ScalingRule {
    /// AWS's: by the processor's use, twofold or half.
    #[default]
    Cpu,
    /// By what each operator could process, and by what waits for it.
    Rate {
        /// How busy the busiest operator shall be, in percent.
        target_percent: u8,
    },
}

/// Why an application is not scaled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The same for as long as the same bound prevents the same.
    pub bound: String,
    /// With the numbers as they were at first.
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    pub since: Timestamp,
    /// What was seen when it began.
    pub message: String,
}

/// What the rule says.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Keep,
    Scale { parallelism: u32, reason: String },
    Held(Held),
}

impl ScalingRule {
    /// What to do in this minute.
    pub fn decide(self, window: &Window, minute: i64, bounds: &Bounds) -> Verdict {
        match self {
            ScalingRule::Cpu => cpu_rule::decide(&cpu_rule::AWS, window, minute, bounds),
            ScalingRule::Rate { target_percent } => {
                rate_rule::decide(f64::from(target_percent) / 100.0, window, minute, bounds)
            }
        }
    }
}
