//! VPC configurations and CloudWatch logging options: by themselves, or with a create or
//! an update.
//!
//! They are kept, versioned and shown, and change nothing about a job: jobs run in the
//! service's own network, and the service keeps their logs. So a change of them alone
//! makes a version and an operation that is SUCCESSFUL at once, and a running job goes on
//! under the new version.

use crate::application::Job;
use crate::change::{ApplicationWrite, Change};
use crate::commands::{Call, Command, ExpectedVersion, Facts};
use crate::configuration::{Configuration, LoggingOption, Version, VpcConfiguration};
use crate::ids::VersionId;
use crate::operation::{OperationKind, OperationRequest, OperationStatus};
use crate::quota;
use crate::reject::Reject;

/// What a call says about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionsPatch {
    pub add_vpcs: Vec<NewVpc>,
    pub update_vpcs: Vec<VpcUpdate>,
    pub delete_vpc: Option<String>,
    /// ARNs of log streams.
    pub add_logging: Vec<String>,
    pub update_logging: Vec<LoggingUpdate>,
    pub delete_logging: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVpc {
    pub subnet_ids: Vec<String>,
    pub security_group_ids: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcUpdate {
    pub id: String,
    pub subnet_ids: Option<Vec<String>>,
    pub security_group_ids: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggingUpdate {
    pub id: String,
    pub log_stream_arn: Option<String>,
}

impl OptionsPatch {
    /// The configuration with the options of `version`. A new one's id is the version that
    /// it came with and its number in it, as AWS gives them: `2.1`.
    ///
    /// # Errors
    /// An id is not there, a log stream is given twice, or there would be too many.
    pub fn onto(
        self,
        mut configuration: Configuration,
        version: VersionId,
    ) -> Result<Configuration, Reject> {
        let id = |at: usize| format!("{version}.{}", at + 1);
        self.update(&mut configuration)?;
        for (at, new) in self.add_vpcs.into_iter().enumerate() {
            let NewVpc { subnet_ids, security_group_ids } = new;
            let added = VpcConfiguration { id: id(at), subnet_ids, security_group_ids };
            configuration.vpcs.push(added);
        }
        for (at, log_stream_arn) in self.add_logging.into_iter().enumerate() {
            configuration.logging.push(LoggingOption { id: id(at), log_stream_arn });
        }
        check(&configuration)?;
        Ok(configuration)
    }

    fn update(&self, configuration: &mut Configuration) -> Result<(), Reject> {
        for update in &self.update_vpcs {
            let found = configuration.vpcs.iter_mut().find(|vpc| vpc.id == update.id);
            let vpc = found.ok_or_else(|| no_vpc(&update.id))?;
            vpc.subnet_ids = update.subnet_ids.clone().unwrap_or(vpc.subnet_ids.clone());
            vpc.security_group_ids =
                update.security_group_ids.clone().unwrap_or(vpc.security_group_ids.clone());
        }
        for update in &self.update_logging {
            let found = configuration.logging.iter_mut().find(|option| option.id == update.id);
            let option = found.ok_or_else(|| no_logging(&update.id))?;
            option.log_stream_arn =
                update.log_stream_arn.clone().unwrap_or(option.log_stream_arn.clone());
        }
        if let Some(id) = &self.delete_vpc {
            let at = configuration.vpcs.iter().position(|vpc| vpc.id == *id);
            configuration.vpcs.remove(at.ok_or_else(|| no_vpc(id))?);
        }
        if let Some(id) = &self.delete_logging {
            let at = configuration.logging.iter().position(|option| option.id == *id);
            configuration.logging.remove(at.ok_or_else(|| no_logging(id))?);
        }
        Ok(())
    }
}

fn no_vpc(id: &str) -> Reject {
    Reject::NoSuchOption { what: "VPC configuration", id: id.to_owned() }
}

fn no_logging(id: &str) -> Reject {
    Reject::NoSuchOption { what: "CloudWatch logging option", id: id.to_owned() }
}

fn check(configuration: &Configuration) -> Result<(), Reject> {
    let (vpcs, logging) = (configuration.vpcs.len(), &configuration.logging);
    if vpcs > quota::VPCS {
        let problem = format!("the application would have {vpcs}; {} is allowed", quota::VPCS);
        return Err(Reject::Invalid { member: "VpcConfiguration", problem });
    }
    if logging.len() > quota::LOGGING_OPTIONS {
        let max = quota::LOGGING_OPTIONS;
        let problem = format!("the application would have {}; {max} are allowed", logging.len());
        return Err(Reject::Invalid { member: "CloudWatchLoggingOption", problem });
    }
    for (at, option) in logging.iter().enumerate() {
        if logging[..at].iter().any(|earlier| earlier.log_stream_arn == option.log_stream_arn) {
            let problem = format!("{} is there already", option.log_stream_arn);
            return Err(Reject::Invalid { member: "LogStreamARN", problem });
        }
    }
    Ok(())
}

/// A change of these options and of nothing else.
#[derive(Clone, Debug)]
pub struct ChangeOptions {
    pub kind: OperationKind,
    pub expected: ExpectedVersion,
    pub patch: OptionsPatch,
}

impl ChangeOptions {
    /// The application at its next version, in the status that it had.
    ///
    /// # Errors
    /// The version is not the current one, the status does not allow an update, or what is
    /// asked for cannot be.
    pub fn decide(self, facts: &Facts<'_>, call: &Call) -> Result<Change, Reject> {
        self.expected.check(facts.application)?;
        facts.check_as(Command::Update, self.kind.name())?;
        let next = VersionId(facts.application.latest_version.0 + 1);
        let configuration = self.patch.onto(facts.version.configuration.clone(), next)?;
        let (status, request) = (facts.application.status, OperationRequest::default());
        let mut change = facts.begin(call, self.kind, status, next, request);
        for operation in &mut change.operations {
            operation.status = OperationStatus::Successful;
            operation.ended_at = Some(call.now);
        }
        if let ApplicationWrite::Put(application) = &mut change.application {
            application.open_operation = None;
            application.version_updated_from = Some(facts.application.version);
            application.latest_version = next;
            application.show_version(next);
            application.job = application.job.take().map(|job| Job { version: next, ..job });
        }
        change.new_version = Some(Version {
            id: next,
            configuration,
            created_at: call.now,
            ..facts.version.clone()
        });
        Ok(change)
    }
}
