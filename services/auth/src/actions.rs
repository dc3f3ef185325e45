//! What is asked for by an operation: an action, and on what.

use crate::SERVICE;
use crate::policy::Pattern;
use crate::principal::Principal;

/// Reading what the job of an application logs: an action of ours, as AWS keeps logs in
/// another service.
pub const READ_LOGS: &str = "kinesisanalytics:ReadApplicationLogs";

/// The resources that an operation needs its action on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The application of `ApplicationName`.
    Application,
    /// The snapshot of `SnapshotName`, a resource of the account.
    Snapshot,
    /// Both: a snapshot is made of an application.
    ApplicationAndSnapshot,
    /// That of `ResourceARN`.
    Named,
    /// None: `*`.
    Everything,
}

use On::{Application, ApplicationAndSnapshot, Everything, Named, Snapshot};

/// AWS's service authorization reference for kinesisanalyticsv2: an action has the name of
/// its operation. CreateApplication is asked for on the ARN that the application will have
/// (the developer guide's table of permissions), so that a policy can say which names.
const OPERATIONS: &[(&str, On)] = &[
    ("AddApplicationCloudWatchLoggingOption", Application),
    ("AddApplicationInput", Application),
    ("AddApplicationInputProcessingConfiguration", Application),
    ("AddApplicationOutput", Application),
    ("AddApplicationReferenceDataSource", Application),
    ("AddApplicationVpcConfiguration", Application),
    ("CreateApplication", Application),
    ("CreateApplicationPresignedUrl", Application),
    ("CreateApplicationSnapshot", Application),
    ("CreateSnapshot", ApplicationAndSnapshot),
    ("DeleteApplication", Application),
    ("DeleteApplicationCloudWatchLoggingOption", Application),
    ("DeleteApplicationInputProcessingConfiguration", Application),
    ("DeleteApplicationOutput", Application),
    ("DeleteApplicationReferenceDataSource", Application),
    ("DeleteApplicationSnapshot", Application),
    ("DeleteApplicationVpcConfiguration", Application),
    ("DeleteSnapshot", Snapshot),
    ("DescribeApplication", Application),
    ("DescribeApplicationOperation", Application),
    ("DescribeApplicationSnapshot", Application),
    ("DescribeApplicationVersion", Application),
    ("DescribeSnapshot", Snapshot),
    ("DescribeSnapshotOperation", Snapshot),
    ("DiscoverInputSchema", Everything),
    ("ExportSnapshot", Snapshot),
    ("ImportSnapshot", Snapshot),
    ("ListApplicationOperations", Application),
    ("ListApplicationSnapshots", Application),
    ("ListApplicationVersions", Application),
    ("ListApplications", Everything),
    ("ListSnapshotOperations", Snapshot),
    ("ListSnapshots", Everything),
    ("ListTagsForResource", Named),
    ("RollbackApplication", Application),
    ("StartApplication", Application),
    ("StopApplication", Application),
    ("TagResource", Named),
    ("UntagResource", Named),
    ("UpdateApplication", Application),
    ("UpdateApplicationMaintenanceConfiguration", Application),
];

/// What an operation needs; `None` for one that is not known, which must be refused.
pub fn of(operation: &str) -> Option<On> {
    OPERATIONS.iter().find(|(name, _)| *name == operation).map(|(_, on)| *on)
}

/// The action of an operation.
pub fn name(operation: &str) -> String {
    format!("{SERVICE}:{operation}")
}

/// Every action there is.
pub fn all() -> impl Iterator<Item = String> {
    OPERATIONS.iter().map(|(operation, _)| name(operation)).chain([READ_LOGS.to_owned()])
}

/// Whether a pattern speaks about an action of ours.
pub(crate) fn any_matches(pattern: &Pattern) -> bool {
    let nobody = Principal::root("000000000000").expect("twelve digits");
    all().any(|action| pattern.matches_ignoring_case(&action, &nobody))
}
