//! What the service begins by itself.

use crate::application::{Application, Status};
use crate::care::{Care, ScalingRule};
use crate::change::{ApplicationWrite, Change};
use crate::commands::{Call, Command, Facts};
use crate::ids::Timestamp;
use crate::operation::{OperationKind, OperationRequest};
use crate::reject::Reject;

/// The running version again, at another parallelism or on another release of its engine.
/// Makes no version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// AWS: AUTOSCALING while it lasts.
    Scale { parallelism: u32, reason: String },
    /// AWS: MAINTENANCE while it lasts. The parallelism stays.
    Upgrade { reason: String },
}

impl Renewal {
    fn kind(&self) -> OperationKind {
        match self {
            Renewal::Scale { .. } => OperationKind::Autoscaling,
            Renewal::Upgrade { .. } => OperationKind::Maintenance,
        }
    }
}

impl Facts<'_> {
    /// The application with what was seen of it; `None`: nothing new was.
    pub fn tended(&self, care: Care, now: Timestamp) -> Option<Change> {
        let news = care != self.application.care;
        news.then(|| self.change(Application { care, ..self.application.clone() }, now))
    }

    /// The application scaled by `rule` from now on. Makes no version, and touches no job.
    ///
    /// # Errors
    /// The application is being deleted, or the target is none that can be held.
    pub fn set_scaling(&self, rule: ScalingRule, now: Timestamp) -> Result<Change, Reject> {
        self.check_as(Command::Tag, "setting the rule of scaling")?;
        if let ScalingRule::Rate { target_percent } = rule
            && !(10..=95).contains(&target_percent)
        {
            let problem = format!("{target_percent} is not from 10 to 95, in percent");
            return Err(Reject::Invalid { member: "targetUtilization", problem });
        }
        let mut application = self.application.clone();
        application.care = Care { scaling: rule, held: None, ..application.care };
        application.updated_at = now;
        Ok(self.change(application, now))
    }

    /// The application AUTOSCALING or in MAINTENANCE, at the version that it has.
    ///
    /// # Errors
    /// It is not RUNNING that version, or has an operation open.
    pub fn renew(&self, renewal: Renewal, call: &Call) -> Result<Change, Reject> {
        let command = renewal.kind().name();
        let running = self.application.job.as_ref().filter(|job| job.version == self.version.id);
        let (Some(job), Status::Running) = (running, self.application.status) else {
            let status = self.application.status;
            return Err(Reject::Status { command, status, allowed: &[Status::Running] });
        };
        if let Some(open) = self.open_operation {
            return Err(Reject::OperationOpen { command, open: open.kind });
        }
        let (kind, configured) =
            (renewal.kind(), self.version.configuration.parallelism.parallelism);
        let (status, parallelism, reason) = match renewal {
            Renewal::Scale { parallelism, reason } => {
                let scaled = Some(parallelism).filter(|wanted| *wanted != configured);
                (Status::Autoscaling, scaled, reason)
            }
            Renewal::Upgrade { reason } => (Status::Maintenance, job.parallelism, reason),
        };
        let request =
            OperationRequest { parallelism, reason: Some(reason), ..OperationRequest::default() };
        let mut change = self.begin(call, kind, status, self.application.version, request);
        // Nothing that the user set is another.
        if let ApplicationWrite::Put(application) = &mut change.application {
            application.updated_at = self.application.updated_at;
        }
        Ok(change)
    }
}
