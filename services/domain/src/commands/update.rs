//! UpdateApplication.

use crate::application::{Application, Status};
use crate::change::{ApplicationWrite, Change};
use crate::commands::enhanced::check_change_of_mode;
use crate::commands::{
    Call, ChangeOptions, Command, ConfigurationPatch, Facts, OptionsPatch, check_offered,
    check_restore,
};
use crate::configuration::{RunConfiguration, Version};
use crate::ids::VersionId;
use crate::operation::{OperationKind, OperationRequest};
use crate::reject::Reject;

/// What the caller believes the application to be at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedVersion {
    pub version: Option<VersionId>,
    pub token: Option<String>,
}

/// An update, as asked for.
#[derive(Clone, Debug, Default)]
pub struct UpdateApplication {
    pub expected: ExpectedVersion,
    pub runtime_environment: Option<String>,
    pub service_execution_role: Option<String>,
    pub configuration: ConfigurationPatch,
    /// How the new version's job restores; AWS: what is left out is the default again.
    pub run: RunConfiguration,
}

impl ExpectedVersion {
    /// # Errors
    /// Neither is given, or one that is given is not the current one.
    pub fn check(&self, application: &Application) -> Result<(), Reject> {
        let current = application.version;
        match (self.version, &self.token) {
            (None, None) => Err(Reject::NoVersionNorToken),
            (Some(given), _) if given != current => Err(Reject::StaleVersion { given, current }),
            (_, Some(token)) if *token != application.conditional_token => Err(Reject::StaleToken),
            _ => Ok(()),
        }
    }
}

impl UpdateApplication {
    /// What does not depend on the new code: worth asking before fetching it.
    ///
    /// # Errors
    /// As [`UpdateApplication::decide`].
    pub fn check(&self, facts: &Facts<'_>, offered: &[&str]) -> Result<(), Reject> {
        self.expected.check(facts.application)?;
        facts.check(Command::Update)?;
        check_runtime(facts, offered, self.runtime_environment.as_deref())?;
        check_restore(&self.run, facts)
    }

    /// The application UPDATING at its next version. Also a stopped one: the operation
    /// ends when the new code has passed its check.
    ///
    /// # Errors
    /// The version is not the current one, the status does not allow it, or what is
    /// asked for cannot be.
    pub fn decide(
        self,
        facts: &Facts<'_>,
        offered: &[&str],
        call: &Call,
    ) -> Result<Change, Reject> {
        self.check(facts, offered)?;
        if self.asks_for_options_only() {
            let (expected, patch) = (self.expected, self.configuration.options);
            let kind = OperationKind::UpdateApplication;
            return ChangeOptions { kind, expected, patch }.decide(facts, call);
        }
        let next = VersionId(facts.application.latest_version.0 + 1);
        let version = self.version(facts, next, call)?;
        let request = OperationRequest { run: Some(self.run), ..OperationRequest::default() };
        let mut change =
            facts.begin(call, OperationKind::UpdateApplication, Status::Updating, next, request);
        if let ApplicationWrite::Put(application) = &mut change.application {
            application.version_updated_from = Some(facts.application.version);
            application.latest_version = next;
            application.show_version(next);
        }
        change.new_version = Some(version);
        Ok(change)
    }

    /// Those change nothing about a job, so it goes on.
    fn asks_for_options_only(&self) -> bool {
        let options = &self.configuration.options;
        *options != OptionsPatch::default()
            && self.configuration
                == ConfigurationPatch { options: options.clone(), ..ConfigurationPatch::default() }
            && self.runtime_environment.is_none()
            && self.service_execution_role.is_none()
            && self.run == RunConfiguration::default()
    }

    fn version(&self, facts: &Facts<'_>, id: VersionId, call: &Call) -> Result<Version, Reject> {
        let current = facts.version;
        let patch = self.configuration.clone();
        check_change_of_mode(
            current.configuration.snapshot_mode,
            patch.snapshot_mode,
            &current.runtime_environment,
        )?;
        let options = patch.options.clone();
        let configuration = options.onto(patch.onto(&current.configuration, facts.quotas)?, id)?;
        let choose = |new: &Option<String>, old: &String| new.as_ref().unwrap_or(old).clone();
        Ok(Version {
            id,
            runtime_environment: choose(&self.runtime_environment, &current.runtime_environment),
            service_execution_role: choose(
                &self.service_execution_role,
                &current.service_execution_role,
            ),
            configuration,
            created_at: call.now,
        })
    }
}

/// AWS: in-place upgrades go forward; the way back is RollbackApplication. `offered` is
/// in the order of the releases.
fn check_runtime(facts: &Facts<'_>, offered: &[&str], wanted: Option<&str>) -> Result<(), Reject> {
    let Some(wanted) = wanted else { return Ok(()) };
    check_offered(offered, wanted)?;
    let current = facts.version.runtime_environment.as_str();
    let place = |name: &str| offered.iter().position(|offered| *offered == name);
    if place(wanted) < place(current) {
        let problem = format!(
            "{wanted} is older than the application's {current}: \
             an update only goes forward, RollbackApplication goes back"
        );
        return Err(Reject::Invalid { member: "RuntimeEnvironmentUpdate", problem });
    }
    Ok(())
}
