//! What happens next to an application: `plan(&facts, now) -> Step`, and what the outcome
//! of a step writes: `apply(&facts, &step, outcome, now) -> Change`. Both are pure.
//!
//! Contract. `plan` learns nothing but the facts: what is stored and what was observed.
//! Every step is idempotent, so a crash before it, after it, or between its effect and its
//! [`Change`](crate::Change) leads to the same next step. A decision that a later step
//! depends on (a generation, "commits may be released") is stored before the effect.
//! An operation ends in the same change as the status of its application settles
//! (Terraform polls the operation, then expects READY or RUNNING).
//!
//! ```text
//!                      ┌───────────────────────── FORCE_STOPPING ◄── Stop(Force) from any but READY
//!                      ▼                                │
//!   (create) ──► READY ──Start──► STARTING ──healthy──► RUNNING ◄─────────────┐
//!                 ▲ ▲ ▲               │ failed             │                   │
//!                 │ │ └───────────────┘                    ├─Stop──► STOPPING ─┤ savepoint failed
//!                 │ └──── stopped ◄────────────────────────┼──────────┘        │
//!                 │                                        ├─Update─► UPDATING ┤ healthy, or refused
//!                 │  READY ──Update──► UPDATING ──► READY  │             │     │ before the stop
//!                 │                                        ├─Rollback─┐  │ failed after the stop,
//!                 │                                        │          ▼  ▼     │ rollback enabled
//!                 └── failed ◄─────────────────────────────┼──── ROLLING_BACK ─┘ healthy
//!                                                          └─Delete (also from READY)─► DELETING ─► gone
//! ```
//!
//! Decisions where AWS is silent or where its answer misleads:
//!
//! * An update that fails after the stop without rollback enabled: the new job is
//!   cancelled, the application is READY and describes the old version again, and the
//!   operation is FAILED with the cause first. AWS leaves it RUNNING without processing;
//!   then a client reads RUNNING with the configuration it asked for and sees no
//!   drift. Stopped at the old version, nothing is lost (the next start continues from the
//!   last checkpoint) and the next plan shows the difference.
//! * An update whose old job was already broken does not wait for a savepoint that cannot
//!   be had: the new version starts from the last checkpoint. There is then no snapshot to
//!   go back to, so a failure ends as without rollback.
//! * A failed system rollback ends READY at the old version, with both causes.
//! * A rollback of an application that was not running ends READY, not ROLLED_BACK:
//!   clients take any other status for an error.
//! * With snapshots disabled a stop and an update still take the final state, without a
//!   snapshot row: a later start neither loses nor repeats a row.

mod apply;
mod evidence;
mod facts;
mod launch;
mod plan;
mod report;
mod step;

pub use apply::apply;
pub use evidence::{
    CheckEvidence, ErrorEvidence, Evidence, SnapshotEvidence, StartEvidence, system_rollback_id,
};
pub use facts::{Facts, Health, Observed, Settings};
pub use launch::{Launch, RestoreFrom};
pub use plan::plan;
pub use report::{CheckDiagnostic, CheckReport, CheckedOperator, PlannedOperator};
pub use step::{CheckVerdict, Ending, Outcome, SnapshotRequest, Start, StartSlot, Step};
