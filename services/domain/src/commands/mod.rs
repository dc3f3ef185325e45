//! What may be asked of an application: each command is a pure function of facts to a
//! [`Change`] or a [`Reject`].
//!
//! A command opens an operation and leaves the application in the status that says so;
//! the controller does the work and closes it. Only creation, tags and the deletion of
//! a snapshot open none.

mod care;
mod create;
mod delete;
mod enhanced;
mod maintenance;
mod merge;
mod options;
mod rollback;
mod snapshot;
mod start;
mod stop;
mod tag;
mod update;

pub use care::Renewal;
pub use create::CreateApplication;
pub use enhanced::CreateSnapshot;
pub use merge::{
    CheckpointPatch, CodeLocationPatch, ConfigurationPatch, MonitoringPatch, ParallelismPatch,
    merge_code_location,
};
pub use options::{ChangeOptions, LoggingUpdate, NewVpc, OptionsPatch, VpcUpdate};
pub use start::check_restore;
pub use tag::check_count as check_tags;
pub use update::{ExpectedVersion, UpdateApplication};

use crate::application::{Application, Status};
use crate::change::{ApplicationWrite, Change};
use crate::configuration::Version;
use crate::enhanced::EnhancedRequest;
use crate::ids::{OperationId, Timestamp, VersionId};
use crate::lifecycle::Evidence;
use crate::operation::{Operation, OperationKind, OperationRequest, OperationStatus};
use crate::quota::Quotas;
use crate::reject::Reject;
use crate::snapshot::{Snapshot, SnapshotStatus};

/// What a command is decided from, loaded as of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub application: &'a Application,
    /// The version that Describe shows.
    pub version: &'a Version,
    pub open_operation: Option<&'a Operation>,
    pub snapshots: &'a [Snapshot],
    /// Of the application's account.
    pub quotas: &'a Quotas,
}

/// What the world gives to a command: the time, and the id of the operation it opens.
#[derive(Clone, Debug)]
pub struct Call {
    pub operation: OperationId,
    pub now: Timestamp,
}

/// The commands that need the application in a certain status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    Start,
    Stop,
    ForceStop,
    Update,
    Rollback,
    Delete,
    CreateSnapshot,
    DeleteSnapshot,
    Tag,
    Maintain,
}

impl Command {
    pub const ALL: [Command; 10] = [
        Command::Start,
        Command::Stop,
        Command::ForceStop,
        Command::Update,
        Command::Rollback,
        Command::Delete,
        Command::CreateSnapshot,
        Command::DeleteSnapshot,
        Command::Tag,
        Command::Maintain,
    ];

    /// As the caller knows it.
    pub fn name(self) -> &'static str {
        match self {
            Command::Start => "StartApplication",
            Command::Stop => "StopApplication",
            Command::ForceStop => "StopApplication with Force",
            Command::Update => "UpdateApplication",
            Command::Rollback => "RollbackApplication",
            Command::Delete => "DeleteApplication",
            Command::CreateSnapshot => "CreateApplicationSnapshot",
            Command::DeleteSnapshot => "DeleteApplicationSnapshot",
            Command::Tag => "tagging",
            Command::Maintain => "UpdateApplicationMaintenanceConfiguration",
        }
    }

    /// The statuses in which the command is legal (aws-api 2.1). ROLLED_BACK is a
    /// stopped application at its old version: what READY allows, it allows.
    pub fn allowed(self) -> &'static [Status] {
        use Status::{
            Autoscaling, ForceStopping, Maintenance, Ready, RolledBack, RollingBack, Running,
            Starting, Stopping, Updating,
        };
        match self {
            Command::Start => &[Ready, RolledBack],
            Command::Stop | Command::CreateSnapshot => &[Running],
            Command::ForceStop => &[Starting, Updating, Stopping, Autoscaling, Running],
            Command::Update | Command::Delete => &[Ready, Running, RolledBack],
            Command::Rollback => &[Updating, Autoscaling, Running],
            // AWS: in another status, ResourceInUseException.
            Command::Maintain => &[Ready, Running],
            Command::DeleteSnapshot | Command::Tag => &[
                Ready,
                Starting,
                Running,
                Updating,
                Stopping,
                ForceStopping,
                RollingBack,
                RolledBack,
                Autoscaling,
                Maintenance,
            ],
        }
    }

    /// Whether the command takes the place of an operation in progress, which ends
    /// CANCELLED: a force-stop of any, a rollback of an update.
    pub fn replaces(self, open: OperationKind) -> bool {
        match self {
            Command::ForceStop => true,
            Command::Rollback => open == OperationKind::UpdateApplication,
            // Tags and the maintenance window belong to no operation.
            Command::Tag | Command::Maintain => true,
            _ => false,
        }
    }
}

impl Facts<'_> {
    /// # Errors
    /// The application's status or its open operation does not allow the command.
    pub fn check(&self, command: Command) -> Result<(), Reject> {
        self.check_as(command, command.name())
    }

    /// As [`Facts::check`], of a call that the caller knows by another name.
    fn check_as(&self, command: Command, name: &'static str) -> Result<(), Reject> {
        let status = self.application.status;
        if !command.allowed().contains(&status) {
            let allowed = command.allowed();
            return Err(Reject::Status { command: name, status, allowed });
        }
        match self.open_operation {
            Some(open) if !command.replaces(open.kind) => {
                Err(Reject::OperationOpen { command: name, open: open.kind })
            }
            _ => Ok(()),
        }
    }

    fn check_version(&self, given: VersionId) -> Result<(), Reject> {
        let current = self.application.version;
        if given == current { Ok(()) } else { Err(Reject::StaleVersion { given, current }) }
    }

    /// The application in `status` with a new operation open, an earlier one cancelled.
    /// `to` is the version that the operation leads to.
    fn begin(
        &self,
        call: &Call,
        kind: OperationKind,
        status: Status,
        to: VersionId,
        request: OperationRequest,
    ) -> Change {
        let mut application = self.application.clone();
        application.status = status;
        application.open_operation = Some(call.operation.clone());
        application.updated_at = call.now;
        let opened = Operation {
            application: application.id.clone(),
            id: call.operation.clone(),
            kind,
            status: OperationStatus::InProgress,
            started_at: call.now,
            ended_at: None,
            from_version: self.application.version,
            to_version: to,
            request,
            failure: None,
            evidence: Evidence::at_begin(self.application),
        };
        let mut change = self.change(application, call.now);
        if let Some(open) = self.open_operation {
            change.operations.push(cancelled(open, call.now));
            change.snapshots.extend(self.abandoned(open));
            change.enhanced.extend(abandoned_enhanced(open, call.now));
        }
        change.operations.push(opened);
        change
    }

    /// The snapshot that a cancelled operation was taking: nobody completes it.
    fn abandoned(&self, open: &Operation) -> Option<Snapshot> {
        let name = open.request.snapshot.as_ref()?;
        let snapshot = self.snapshot(name).ok()?;
        (snapshot.status == SnapshotStatus::Creating)
            .then(|| Snapshot { status: SnapshotStatus::Failed, ..snapshot.clone() })
    }

    /// A change that writes `application` and wakes the controller: waking it for
    /// nothing costs a look, not waking it costs the wait.
    fn change(&self, application: Application, now: Timestamp) -> Change {
        Change {
            expected: Some(self.application.revision),
            application: ApplicationWrite::Put(Box::new(application)),
            new_version: None,
            operations: Vec::new(),
            snapshots: Vec::new(),
            deleted_snapshots: Vec::new(),
            enhanced: Vec::new(),
            wake_at: Some(now),
            idempotency: None,
        }
    }
}

/// The enhanced snapshot that a cancelled operation was taking.
fn abandoned_enhanced(open: &Operation, now: Timestamp) -> Option<EnhancedRequest> {
    let cause = "The operation was cancelled before the snapshot was taken".to_owned();
    let mut request = open.request.enhanced.as_ref()?.settled(Err(cause), now);
    request.operation.status = OperationStatus::Cancelled;
    Some(request)
}

fn cancelled(open: &Operation, now: Timestamp) -> Operation {
    Operation { status: OperationStatus::Cancelled, ended_at: Some(now), ..open.clone() }
}

/// Refuses a runtime environment that is not among those offered.
fn check_offered(offered: &[&str], name: &str) -> Result<(), Reject> {
    if offered.contains(&name) {
        return Ok(());
    }
    Err(Reject::RuntimeNotOffered { name: name.to_owned(), offered: offered.join(", ") })
}
