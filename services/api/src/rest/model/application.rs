//! Applications and their versions.

use millrace_api_spec::wire;
use millrace_domain::care::ScalingRule;
use millrace_domain::configuration::{Restore as DomainRestore, RunConfiguration};
use millrace_domain::runtime_environment::{CATALOGUE, Standing};
use millrace_domain::{self as domain, Version as DomainVersion};
use millrace_store::Listed;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

use super::words::{ApplicationStatus, RestoreType, ScalingRuleName, of_domain, text};
use super::{Configuration, ConfigurationPatch, Tags, time};
use crate::calls::Changed;

/// Any ARN serves on one machine.
const ANY_ROLE: &str = "arn:aws:iam::000000000000:role/millrace";

/// A new application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateApplication {
    #[schema(min_length = 1, max_length = 128, pattern = "^[a-zA-Z0-9_.-]+$")]
    pub name: String,
    #[schema(schema_with = runtimes)]
    pub runtime_environment: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// An ARN; where the service runs without AWS it names nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 2048, pattern = "^arn:")]
    pub service_execution_role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<ConfigurationPatch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_configurations: Option<Vec<NewVpcConfiguration>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging_options: Option<Vec<NewLoggingOption>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewVpcConfiguration {
    #[schema(min_items = 1, max_items = 16)]
    pub subnet_ids: Vec<String>,
    #[schema(min_items = 1, max_items = 5)]
    pub security_group_ids: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewLoggingOption {
    #[schema(min_length = 1, max_length = 2048, pattern = "^arn:")]
    pub log_stream_arn: String,
}

/// A change of code, runtime or settings. What is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateApplication {
    /// The version that the caller has seen; or send its token in `If-Match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 999_999_999)]
    pub current_version_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = runtimes)]
    pub runtime_environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 2048, pattern = "^arn:")]
    pub service_execution_role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<ConfigurationPatch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_configurations: Option<Vec<VpcConfigurationPatch>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging_options: Option<Vec<LoggingOptionPatch>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VpcConfigurationPatch {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet_ids: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_group_ids: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoggingOptionPatch {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_stream_arn: Option<String>,
}

/// Where a start takes its state from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Restore {
    /// Without it: the snapshot named, else the newest there is.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<RestoreType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_name: Option<String>,
    /// Of an enhanced snapshot, which may be another application's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_arn: Option<String>,
    /// Leave out state that no operator of the code takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_non_restored_state: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartApplication {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StopApplication {
    /// At once and without a snapshot, in place of whatever operation is in progress.
    #[serde(default)]
    pub force: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollbackApplication {
    /// The version that the caller has seen; or send its token in `If-Match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 999_999_999)]
    pub current_version_id: Option<u64>,
}

/// Which part of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// How many at most; 50 when left out.
    #[param(minimum = 1, maximum = 50)]
    pub limit: Option<u32>,
    /// Of the answer before.
    #[param(pattern = "^[0-9]{1,18}$")]
    pub next_token: Option<String>,
}

/// Which part of the applications.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ApplicationsQuery {
    /// How many at most; 50 when left out.
    #[param(minimum = 1, maximum = 50)]
    pub limit: Option<u32>,
    /// Of the answer before.
    #[param(min_length = 1, max_length = 128, pattern = "^[a-zA-Z0-9_.-]+$")]
    pub next_token: Option<String>,
}

/// The names of the runtimes that are offered.
fn runtimes() -> Object {
    let offered = CATALOGUE.iter().filter(|runtime| runtime.standing == Standing::Offered);
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(offered.map(|runtime| runtime.name)))
        .description(Some("The Flink version whose dialect and state format it uses."))
        .build()
}

impl CreateApplication {
    pub fn into_wire(self) -> wire::CreateApplicationRequest {
        let mut configuration = self.configuration.map(ConfigurationPatch::for_create);
        if let Some(vpcs) = self.vpc_configurations {
            configuration.get_or_insert_default().vpc_configurations =
                Some(vpcs.into_iter().map(NewVpcConfiguration::into_wire).collect());
        }
        wire::CreateApplicationRequest {
            application_name: self.name,
            runtime_environment: self.runtime_environment,
            service_execution_role: self
                .service_execution_role
                .unwrap_or_else(|| ANY_ROLE.to_owned()),
            application_description: self.description,
            application_configuration: configuration,
            cloud_watch_logging_options: self
                .logging_options
                .map(|options| options.into_iter().map(NewLoggingOption::into_wire).collect()),
            // An empty map asks for none; AWS has no empty list here.
            tags: self.tags.filter(|tags| !tags.0.is_empty()).map(Tags::into_wire),
            application_mode: None,
        }
    }
}

impl NewVpcConfiguration {
    pub fn into_wire(self) -> wire::VpcConfiguration {
        wire::VpcConfiguration {
            subnet_ids: self.subnet_ids,
            security_group_ids: self.security_group_ids,
        }
    }
}

impl NewLoggingOption {
    pub fn into_wire(self) -> wire::CloudWatchLoggingOption {
        wire::CloudWatchLoggingOption { log_stream_arn: self.log_stream_arn }
    }
}

impl UpdateApplication {
    /// `current` is what the application has; `expected` what the caller has seen, by
    /// version or token.
    pub fn into_wire(
        self,
        name: String,
        token: Option<String>,
        current: Option<&domain::configuration::Configuration>,
    ) -> wire::UpdateApplicationRequest {
        let mut configuration = self.configuration.map(|patch| patch.for_update(current));
        if let Some(vpcs) = self.vpc_configurations {
            let update = |it: VpcConfigurationPatch| wire::VpcConfigurationUpdate {
                vpc_configuration_id: it.id,
                subnet_id_updates: it.subnet_ids,
                security_group_id_updates: it.security_group_ids,
            };
            configuration.get_or_insert_default().vpc_configuration_updates =
                Some(vpcs.into_iter().map(update).collect());
        }
        let option = |it: LoggingOptionPatch| wire::CloudWatchLoggingOptionUpdate {
            cloud_watch_logging_option_id: it.id,
            log_stream_arn_update: it.log_stream_arn,
        };
        wire::UpdateApplicationRequest {
            application_name: name,
            current_application_version_id: self.current_version_id,
            // An empty one asks for nothing.
            application_configuration_update: configuration
                .filter(|it| *it != wire::ApplicationConfigurationUpdate::default()),
            service_execution_role_update: self.service_execution_role,
            run_configuration_update: self.restore.map(Restore::into_wire),
            cloud_watch_logging_option_updates: self
                .logging_options
                .map(|options| options.into_iter().map(option).collect()),
            conditional_token: token,
            runtime_environment_update: self.runtime_environment,
        }
    }
}

impl Restore {
    pub fn into_wire(self) -> wire::RunConfiguration {
        let named = self.snapshot_name.is_some() || self.snapshot_arn.is_some();
        let kind = self.kind.unwrap_or(match named {
            true => RestoreType::RestoreFromCustomSnapshot,
            false => RestoreType::RestoreFromLatestSnapshot,
        });
        wire::RunConfiguration {
            flink_run_configuration: self
                .allow_non_restored_state
                .map(|allow| wire::FlinkRunConfiguration { allow_non_restored_state: Some(allow) }),
            sql_run_configurations: None,
            application_restore_configuration: Some(wire::ApplicationRestoreConfiguration {
                application_restore_type: text(&kind),
                snapshot_name: self.snapshot_name,
                snapshot_arn: self.snapshot_arn,
            }),
        }
    }

    pub fn of(run: &RunConfiguration) -> Restore {
        let (kind, snapshot_name, snapshot_arn) = match &run.restore {
            DomainRestore::Skip => (RestoreType::SkipRestoreFromSnapshot, None, None),
            DomainRestore::Latest => (RestoreType::RestoreFromLatestSnapshot, None, None),
            DomainRestore::Custom(name) => {
                (RestoreType::RestoreFromCustomSnapshot, Some(name.to_string()), None)
            }
            DomainRestore::Enhanced { arn, .. } => {
                (RestoreType::RestoreFromCustomSnapshot, None, Some(arn.clone()))
            }
        };
        Restore {
            kind: Some(kind),
            snapshot_name,
            snapshot_arn,
            allow_non_restored_state: Some(run.allow_non_restored_state),
        }
    }
}

/// An application as of its current version.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    pub name: String,
    pub arn: String,
    pub status: ApplicationStatus,
    pub description: String,
    pub version_id: u64,
    /// Changes with every change of the version; the entity tag.
    pub conditional_token: String,
    pub runtime_environment: String,
    pub service_execution_role: String,
    pub configuration: Configuration,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// What a rollback returns to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_updated_from: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_rolled_back_from: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_rolled_back_to: Option<u64>,
    /// The operation in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_operation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// What runs the job, and why; only where one application is described.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs_on: Option<RunsOn>,
    pub maintenance_window: MaintenanceWindow,
    /// That of the job: automatic scaling changes it, and no version.
    pub current_parallelism: u32,
    pub scaling: Scaling,
    pub tags: Tags,
}

/// What decides about the parallelism, where automatic scaling is enabled.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scaling {
    pub rule: ScalingRuleName,
    /// Of `RATE`: how busy the busiest operator shall be, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_utilization: Option<u8>,
    /// Why it is not scaled though the rule asks for it: a bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
}

impl Scaling {
    fn of(care: &domain::care::Care) -> Scaling {
        let (rule, target_utilization) = match care.scaling {
            ScalingRule::Cpu => (ScalingRuleName::Cpu, None),
            ScalingRule::Rate { target_percent } => (ScalingRuleName::Rate, Some(target_percent)),
        };
        let held = care.held.as_ref().map(|held| held.reason.clone());
        Scaling { rule, target_utilization, held }
    }
}

/// The job that exists or is meant to.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Counts the starts of the application's job; a greater one fences a smaller.
    pub generation: u64,
    pub version_id: u64,
    #[schema(format = DateTime)]
    pub started_at: String,
    /// Starts in a row that followed a crash.
    pub restarts: u32,
    pub restore: Restore,
}

/// What runs a job.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunsOn {
    /// `embedded` or `flink`.
    pub engine: String,
    /// Of Apache Flink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Why this engine.
    pub reason: String,
}

impl RunsOn {
    pub fn of(found: crate::jobs::RunsOn) -> RunsOn {
        RunsOn { engine: found.engine.to_owned(), release: found.release, reason: found.reason }
    }
}

/// Eight hours of each day, in UTC.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceWindow {
    /// `HH:MM`.
    pub start: String,
    /// `HH:MM`.
    pub end: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSummary {
    pub name: String,
    pub arn: String,
    pub status: ApplicationStatus,
    pub version_id: u64,
    pub runtime_environment: String,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// Applications by name.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationList {
    pub applications: Vec<ApplicationSummary>,
    /// For what follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// What a change left, and the operation that works on it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedApplication {
    /// To be followed below `…/operations`; absent when nothing is left to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<String>,
    pub application: Application,
}

/// What an application said at one of its versions.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    pub version_id: u64,
    /// The application's; of a version that is not the current one `ROLLED_BACK` or `READY`.
    pub status: ApplicationStatus,
    pub runtime_environment: String,
    pub service_execution_role: String,
    pub configuration: Configuration,
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// Versions, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionList {
    pub versions: Vec<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

impl Application {
    pub fn of(application: &domain::Application, version: &DomainVersion) -> Application {
        let window = application.maintenance_window();
        Application {
            name: application.name.to_string(),
            arn: application.arn(),
            status: of_domain(application.status.name()),
            description: application.description.clone(),
            version_id: version.id.0,
            conditional_token: application.conditional_token.clone(),
            runtime_environment: version.runtime_environment.clone(),
            service_execution_role: version.service_execution_role.clone(),
            configuration: Configuration::of(&version.configuration),
            created_at: time(application.created_at),
            updated_at: time(application.updated_at),
            version_updated_from: application.version_updated_from.map(|id| id.0),
            version_rolled_back_from: application.version_rolled_back_from.map(|id| id.0),
            version_rolled_back_to: application.version_rolled_back_to.map(|id| id.0),
            open_operation_id: application.open_operation.as_ref().map(ToString::to_string),
            job: application.job.as_ref().map(job),
            runs_on: None,
            maintenance_window: MaintenanceWindow { start: window.start(), end: window.end() },
            current_parallelism: application.current_parallelism(version),
            scaling: Scaling::of(&application.care),
            tags: Tags(application.tags.clone()),
        }
    }
}

fn job(job: &domain::Job) -> Job {
    Job {
        generation: job.generation.0,
        version_id: job.version.0,
        started_at: time(job.started_at),
        restarts: job.restarts,
        restore: Restore::of(&job.run),
    }
}

impl ApplicationSummary {
    pub fn of(listed: &Listed) -> ApplicationSummary {
        let application = &listed.application;
        ApplicationSummary {
            name: application.name.to_string(),
            arn: application.arn(),
            status: of_domain(application.status.name()),
            version_id: application.version.0,
            runtime_environment: listed.runtime_environment.clone(),
            created_at: time(application.created_at),
            updated_at: time(application.updated_at),
        }
    }
}

impl ChangedApplication {
    pub fn of(changed: &Changed<'_>) -> ChangedApplication {
        ChangedApplication {
            operation_id: changed.operation.map(ToString::to_string),
            application: Application::of(changed.application, changed.version),
        }
    }
}

impl Version {
    pub fn of(version: &DomainVersion, status: domain::Status) -> Version {
        Version {
            version_id: version.id.0,
            status: of_domain(status.name()),
            runtime_environment: version.runtime_environment.clone(),
            service_execution_role: version.service_execution_role.clone(),
            configuration: Configuration::of(&version.configuration),
            created_at: time(version.created_at),
        }
    }
}
