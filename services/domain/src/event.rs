//! What happened to an application, told from each stored change.
//!
//! Events are written in the transaction of the change that they tell of: none is told that
//! did not happen, none is missing of what did.

use serde::{Deserialize, Serialize};

use crate::application::{Application, Job, Status};
use crate::change::{ApplicationWrite, Change};
use crate::ids::{Generation, OperationId, Timestamp, VersionId};
use crate::operation::{Operation, OperationStatus};

/// How many are kept of one application.
pub const KEPT: u32 = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventKind {
    ApplicationCreated,
    StatusChanged,
    /// Another version is shown, or a new one made.
    VersionChanged,
    OperationBegan,
    OperationEnded,
    /// A generation of the job was begun.
    JobStarted,
    JobStopped,
    SnapshotChanged,
    /// The application would be scaled, and a bound is in the way.
    ScalingHeld,
    TroubleBegan,
    TroubleEnded,
}

impl EventKind {
    pub const ALL: [EventKind; 11] = [
        EventKind::ApplicationCreated,
        EventKind::StatusChanged,
        EventKind::VersionChanged,
        EventKind::OperationBegan,
        EventKind::OperationEnded,
        EventKind::JobStarted,
        EventKind::JobStopped,
        EventKind::SnapshotChanged,
        EventKind::ScalingHeld,
        EventKind::TroubleBegan,
        EventKind::TroubleEnded,
    ];

    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::ApplicationCreated => "ApplicationCreated",
            EventKind::StatusChanged => "StatusChanged",
            EventKind::VersionChanged => "VersionChanged",
            EventKind::OperationBegan => "OperationBegan",
            EventKind::OperationEnded => "OperationEnded",
            EventKind::JobStarted => "JobStarted",
            EventKind::JobStopped => "JobStopped",
            EventKind::SnapshotChanged => "SnapshotChanged",
            EventKind::ScalingHeld => "ScalingHeld",
            EventKind::TroubleBegan => "TroubleBegan",
            EventKind::TroubleEnded => "TroubleEnded",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub at: Timestamp,
    pub kind: EventKind,
    pub detail: EventDetail,
}

/// The application after it, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventDetail {
    /// One sentence for people.
    pub message: String,
    pub status: Status,
    pub version: VersionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<Generation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// What `change` makes happen to the application that was `before`; nothing of a deletion,
/// which takes the events with it.
pub fn events(before: Option<&Application>, change: &Change, now: Timestamp) -> Vec<Event> {
    let ApplicationWrite::Put(after) = &change.application else { return Vec::new() };
    let teller = Teller { after, now };
    let ended = change.operations.iter().filter(|it| it.ended_at.is_some());
    let began = change.operations.iter().filter(|it| {
        let known = before.and_then(|before| before.open_operation.as_ref());
        known != Some(&it.id)
    });
    let told = [
        teller.created(before),
        began.map(|it| teller.began(it)).collect(),
        teller.version(before),
        teller.job(before),
        teller.snapshots(change),
        ended.map(|it| teller.ended(it)).collect(),
        teller.status(before),
        teller.care(before),
    ];
    told.into_iter().flatten().collect()
}

struct Teller<'a> {
    after: &'a Application,
    now: Timestamp,
}

impl Teller<'_> {
    fn event(&self, kind: EventKind, message: String) -> Event {
        let detail = EventDetail {
            message,
            status: self.after.status,
            version: self.after.version,
            generation: self.after.job.as_ref().map(|job| job.generation),
            operation: None,
            snapshot: None,
        };
        Event { at: self.now, kind, detail }
    }

    fn created(&self, before: Option<&Application>) -> Vec<Event> {
        let message = format!("The application {} was created", self.after.name);
        let created = || self.event(EventKind::ApplicationCreated, message);
        before.is_none().then(created).into_iter().collect()
    }

    fn began(&self, operation: &Operation) -> Event {
        let message = match &operation.request.reason {
            Some(reason) => format!("{} began: {reason}", operation.kind.name()),
            None => format!("{} began", operation.kind.name()),
        };
        self.of_operation(EventKind::OperationBegan, message, operation)
    }

    fn ended(&self, operation: &Operation) -> Event {
        let (kind, status) = (operation.kind.name(), operation.status.name());
        let message = match (&operation.failure, operation.status) {
            (Some(failure), OperationStatus::Failed) => {
                format!("{kind} ended {status}: {}", failure.message)
            }
            _ => format!("{kind} ended {status}"),
        };
        self.of_operation(EventKind::OperationEnded, message, operation)
    }

    fn of_operation(&self, kind: EventKind, message: String, operation: &Operation) -> Event {
        let mut event = self.event(kind, message);
        event.detail.operation = Some(operation.id.clone());
        event
    }

    fn version(&self, before: Option<&Application>) -> Vec<Event> {
        let Some(before) = before.filter(|it| it.version != self.after.version) else {
            return Vec::new();
        };
        let (from, to) = (before.version, self.after.version);
        vec![self.event(EventKind::VersionChanged, format!("Version {to} in place of {from}"))]
    }

    fn job(&self, before: Option<&Application>) -> Vec<Event> {
        let old = before.and_then(|before| before.job.as_ref());
        let generation = |job: Option<&Job>| job.map(|job| job.generation);
        match (&self.after.job, old) {
            (Some(job), _) if generation(old) != Some(job.generation) => {
                let (number, version) = (job.generation, job.version);
                let again = match job.restarts {
                    0 => String::new(),
                    times => format!(", restart {times} in a row"),
                };
                let scaled = match job.parallelism {
                    Some(parallelism) => format!(", at parallelism {parallelism}"),
                    None => String::new(),
                };
                let message =
                    format!("Generation {number} of the job, at version {version}{scaled}{again}");
                vec![self.event(EventKind::JobStarted, message)]
            }
            (None, Some(job)) => {
                let message = format!("Generation {} of the job ended", job.generation);
                vec![self.event(EventKind::JobStopped, message)]
            }
            _ => Vec::new(),
        }
    }

    fn snapshots(&self, change: &Change) -> Vec<Event> {
        let own = change.snapshots.iter().filter(|it| !it.enhanced);
        let own = own.map(|it| (it.name.to_string(), it.status.name()));
        let gone = change.deleted_snapshots.iter().map(|name| (name.to_string(), "DELETED"));
        let account = change.enhanced.iter().map(|it| &it.snapshot);
        let account = account.map(|it| (it.name.to_string(), it.status.name()));
        let told = own.chain(gone).chain(account).map(|(name, status)| {
            let message = format!("Snapshot {name} is {status}");
            let mut event = self.event(EventKind::SnapshotChanged, message);
            event.detail.snapshot = Some(name);
            event
        });
        told.collect()
    }

    fn care(&self, before: Option<&Application>) -> Vec<Event> {
        let Some(before) = before.map(|it| &it.care) else { return Vec::new() };
        let after = &self.after.care;
        let held = after.held.as_ref();
        let held = held.filter(|it| before.held.as_ref().is_none_or(|old| old.bound != it.bound));
        let held = held.map(|it| self.event(EventKind::ScalingHeld, it.reason.clone()));
        let new = after.episodes.iter().filter(|(it, _)| !before.episodes.contains_key(it));
        let new = new.map(|(trouble, it)| {
            self.event(EventKind::TroubleBegan, format!("{trouble:?} began: {}", it.message))
        });
        let over = before.episodes.iter().filter(|(it, _)| !after.episodes.contains_key(it));
        let over = over.map(|(trouble, it)| {
            let seconds = self.now.0.saturating_sub(it.since.0) / 1000;
            self.event(EventKind::TroubleEnded, format!("{trouble:?} ended after {seconds} s"))
        });
        held.into_iter().chain(new).chain(over).collect()
    }

    fn status(&self, before: Option<&Application>) -> Vec<Event> {
        let Some(before) = before.filter(|it| it.status != self.after.status) else {
            return Vec::new();
        };
        let (from, to) = (before.status.name(), self.after.status.name());
        vec![self.event(EventKind::StatusChanged, format!("{from} became {to}"))]
    }
}
