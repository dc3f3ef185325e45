//! CreateApplication.

use std::collections::BTreeMap;

use crate::application::{Application, Status};
use crate::change::{ApplicationWrite, Change};
use crate::commands::enhanced::check_change_of_mode;
use crate::commands::{ConfigurationPatch, check_offered, tag};
use crate::configuration::{Configuration, SnapshotMode, Version};
use crate::ids::{ApplicationId, ApplicationName, Generation, Revision, Timestamp, VersionId};
use crate::quota::Quotas;
use crate::reject::Reject;

/// A new application, as asked for.
#[derive(Clone, Debug)]
pub struct CreateApplication {
    pub id: ApplicationId,
    pub account: String,
    pub region: String,
    pub name: ApplicationName,
    pub description: String,
    pub runtime_environment: String,
    pub service_execution_role: String,
    /// What differs from the defaults.
    pub configuration: ConfigurationPatch,
    pub tags: BTreeMap<String, String>,
}

impl CreateApplication {
    /// The application, READY at version 1. `existing` counts those that the account
    /// has in the Region, of as many as its `quotas` say; `offered` names the runtimes to be
    /// had.
    ///
    /// # Errors
    /// A quota is reached, the runtime is not offered, or a setting cannot be.
    pub fn decide(
        self,
        (existing, quotas): (u64, &Quotas),
        offered: &[&str],
        now: Timestamp,
    ) -> Result<Change, Reject> {
        check_offered(offered, &self.runtime_environment)?;
        tag::check_count(self.tags.len())?;
        if existing >= quotas.applications {
            let what = format!("the account has {existing} applications in {}", self.region);
            return Err(Reject::Quota { what, max: quotas.applications });
        }
        let patch = self.configuration.clone();
        check_change_of_mode(SnapshotMode::Legacy, patch.snapshot_mode, &self.runtime_environment)?;
        let options = patch.options.clone();
        let configuration =
            options.onto(patch.onto(&Configuration::default(), quotas)?, VersionId(1))?;
        let version = Version {
            id: VersionId(1),
            runtime_environment: self.runtime_environment.clone(),
            service_execution_role: self.service_execution_role.clone(),
            configuration,
            created_at: now,
        };
        Ok(Change {
            expected: None,
            application: ApplicationWrite::Put(Box::new(self.application(now))),
            new_version: Some(version),
            operations: Vec::new(),
            snapshots: Vec::new(),
            deleted_snapshots: Vec::new(),
            enhanced: Vec::new(),
            wake_at: None,
            idempotency: None,
        })
    }

    fn application(self, now: Timestamp) -> Application {
        let mut application = Application {
            id: self.id,
            account: self.account,
            region: self.region,
            name: self.name,
            description: self.description,
            status: Status::Ready,
            version: VersionId(1),
            latest_version: VersionId(1),
            version_updated_from: None,
            version_rolled_back_from: None,
            version_rolled_back_to: None,
            conditional_token: String::new(),
            created_at: now,
            updated_at: now,
            job: None,
            generation: Generation(0),
            open_operation: None,
            tags: self.tags,
            maintenance_start: None,
            care: Default::default(),
            revision: Revision(1),
        };
        application.show_version(VersionId(1));
        application
    }
}
