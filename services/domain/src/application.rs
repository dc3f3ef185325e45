//! The application: one row, its status and its job.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use crate::care::Care;
use crate::configuration::{RunConfiguration, Version};
use crate::ids::{
    ApplicationId, ApplicationName, Generation, OperationId, Revision, Timestamp, VersionId,
};
use crate::maintenance::WindowStart;

/// AWS: `ApplicationStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
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
    Deleting,
}

impl Status {
    pub const ALL: [Status; 11] = [
        Status::Ready,
        Status::Starting,
        Status::Running,
        Status::Updating,
        Status::Stopping,
        Status::ForceStopping,
        Status::RollingBack,
        Status::RolledBack,
        Status::Autoscaling,
        Status::Maintenance,
        Status::Deleting,
    ];

    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ready => "READY",
            Status::Starting => "STARTING",
            Status::Running => "RUNNING",
            Status::Updating => "UPDATING",
            Status::Stopping => "STOPPING",
            Status::ForceStopping => "FORCE_STOPPING",
            Status::RollingBack => "ROLLING_BACK",
            Status::RolledBack => "ROLLED_BACK",
            Status::Autoscaling => "AUTOSCALING",
            Status::Maintenance => "MAINTENANCE",
            Status::Deleting => "DELETING",
        }
    }
}

/// An application as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Application {
    pub id: ApplicationId,
    pub account: String,
    pub region: String,
    pub name: ApplicationName,
    pub description: String,
    pub status: Status,
    /// The version that Describe shows and the next start runs.
    pub version: VersionId,
    /// The greatest version handed out.
    pub latest_version: VersionId,
    /// AWS: `ApplicationVersionUpdatedFrom`: what a rollback returns to.
    pub version_updated_from: Option<VersionId>,
    pub version_rolled_back_from: Option<VersionId>,
    pub version_rolled_back_to: Option<VersionId>,
    /// AWS: `ConditionalToken`: changes with every change of the version.
    pub conditional_token: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The job that exists or is meant to; `None` when stopped.
    pub job: Option<Job>,
    /// The greatest generation handed out; 0 before the first start.
    pub generation: Generation,
    /// The operation IN_PROGRESS: at most one.
    pub open_operation: Option<OperationId>,
    pub tags: BTreeMap<String, String>,
    /// As set; `None`: the Region's.
    pub maintenance_start: Option<WindowStart>,
    /// What the service looks after by itself.
    pub care: Care,
    /// As loaded; the store refuses a change made from an older one.
    pub revision: Revision,
}

impl Application {
    /// Makes `version` the one that Describe shows and the next start runs, with the
    /// conditional token that belongs to it. Whoever sets [`Application::version`] goes
    /// through here, after setting [`Application::latest_version`].
    pub fn show_version(&mut self, version: VersionId) {
        self.version = version;
        let facts = format!("{}/{version}/{}", self.id, self.latest_version);
        self.conditional_token = hex::encode(Md5::digest(facts));
    }

    /// When maintenance may happen.
    pub fn maintenance_window(&self) -> WindowStart {
        self.maintenance_start.unwrap_or_else(|| WindowStart::of_region(&self.region))
    }

    /// AWS: `CurrentParallelism`: that of the job, where it is of `version`.
    pub fn current_parallelism(&self, version: &Version) -> u32 {
        let of_version = self.job.as_ref().filter(|job| job.version == version.id);
        let scaled = of_version.and_then(|job| job.parallelism);
        scaled.unwrap_or(version.configuration.parallelism.parallelism)
    }

    /// AWS: `arn:aws:kinesisanalytics:REGION:ACCOUNT:application/NAME`.
    pub fn arn(&self) -> String {
        let Application { region, account, name, .. } = self;
        format!("arn:aws:kinesisanalytics:{region}:{account}:application/{name}")
    }
}

/// The job of an application: which version, in which generation, started how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub generation: Generation,
    pub version: VersionId,
    pub run: RunConfiguration,
    pub started_at: Timestamp,
    /// Starts in a row that followed a crash: the exponent of the back-off. A start by an
    /// operation is 0.
    #[serde(default)]
    pub restarts: u32,
    /// At which parallelism it runs; `None`: at that of its version. Scaling sets it, and a
    /// start, update or rollback takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<u32>,
}
