//! CreateSnapshot.

use std::collections::BTreeMap;

use crate::change::Change;
use crate::commands::{Call, Command, Facts, tag};
use crate::configuration::SnapshotMode;
use crate::enhanced::{
    EnhancedRequest, EnhancedSnapshot, SnapshotOperationKind, SnapshotSource, SourceApplication,
    begun, check_name,
};
use crate::ids::{EnhancedSnapshotName, SnapshotName};
use crate::operation::{OperationKind, OperationRequest};
use crate::reject::Reject;
use crate::runtime_environment::has_enhanced_snapshots;
use crate::snapshot::SnapshotStatus;

/// A snapshot of the account, as asked for.
#[derive(Clone, Debug)]
pub struct CreateSnapshot {
    pub name: EnhancedSnapshotName,
    pub description: String,
    pub tags: BTreeMap<String, String>,
}

impl CreateSnapshot {
    /// A snapshot CREATING, and the operation of the application that takes it: it is the
    /// snapshot's too, under the same id. The store refuses a name that is taken.
    ///
    /// # Errors
    /// The name is reserved, there are too many tags, or the application is not RUNNING
    /// or does not make enhanced snapshots.
    pub fn decide(self, facts: &Facts<'_>, call: &Call) -> Result<Change, Reject> {
        check_name(&self.name)?;
        tag::check_count(self.tags.len())?;
        facts.check_as(Command::CreateSnapshot, "CreateSnapshot")?;
        check_mode(facts)?;
        let request = self.request(facts, call);
        let asked = OperationRequest {
            // Unique among the application's, as the operation is.
            snapshot: SnapshotName::new(format!("enhanced-{}", call.operation)).ok(),
            enhanced: Some(Box::new(request.clone())),
            ..OperationRequest::default()
        };
        let (status, to) = (facts.application.status, facts.application.version);
        let mut change = facts.begin(call, OperationKind::CreateSnapshot, status, to, asked);
        change.enhanced.push(request);
        Ok(change)
    }

    fn request(self, facts: &Facts<'_>, call: &Call) -> EnhancedRequest {
        let (application, version) = (facts.application, facts.version);
        let snapshot = EnhancedSnapshot {
            account: application.account.clone(),
            region: application.region.clone(),
            name: self.name,
            description: self.description,
            status: SnapshotStatus::Creating,
            created_at: call.now,
            initiator: SnapshotOperationKind::CreateSnapshot,
            source: SnapshotSource::Application(SourceApplication {
                application: application.id.clone(),
                name: application.name.clone(),
                created_at: application.created_at,
                version: version.id,
                runtime_environment: version.runtime_environment.clone(),
            }),
            location: None,
            size_bytes: None,
            tags: self.tags,
        };
        let kind = SnapshotOperationKind::CreateSnapshot;
        let operation = begun(&snapshot, kind, call.operation.clone(), None, call.now);
        EnhancedRequest { snapshot, operation }
    }
}

fn check_mode(facts: &Facts<'_>) -> Result<(), Reject> {
    let configuration = &facts.version.configuration;
    if !has_enhanced_snapshots(&facts.version.runtime_environment) {
        return Err(Reject::Configuration(
            "the application's runtime has no enhanced snapshots: update it to FLINK-1_20",
        ));
    }
    if configuration.snapshot_mode != SnapshotMode::Enhanced {
        return Err(Reject::Configuration(
            "the application's SnapshotMode is APPLICATION_SNAPSHOTS_LEGACY: set it to \
             ENHANCED_SNAPSHOTS with UpdateApplication, or use CreateApplicationSnapshot",
        ));
    }
    if !configuration.snapshots_enabled {
        return Err(Reject::Configuration(
            "snapshots are disabled for the application: enable them with \
             UpdateApplication in ApplicationSnapshotConfigurationUpdate",
        ));
    }
    Ok(())
}

/// AWS: ENHANCED_SNAPSHOTS needs FLINK-1_20 or later, judged by the runtime there is, and
/// only a rollback goes back to the legacy mode.
pub(super) fn check_change_of_mode(
    current: SnapshotMode,
    asked: Option<SnapshotMode>,
    runtime_environment: &str,
) -> Result<(), Reject> {
    let refuse = |problem: &str| {
        Err(Reject::Invalid { member: "SnapshotMode", problem: problem.to_owned() })
    };
    match (current, asked) {
        (SnapshotMode::Enhanced, Some(SnapshotMode::Legacy)) => {
            refuse("ENHANCED_SNAPSHOTS is for good: RollbackApplication alone goes back")
        }
        (SnapshotMode::Legacy, Some(SnapshotMode::Enhanced))
            if !has_enhanced_snapshots(runtime_environment) =>
        {
            refuse("ENHANCED_SNAPSHOTS needs FLINK-1_20 or later: update the runtime first")
        }
        _ => Ok(()),
    }
}
