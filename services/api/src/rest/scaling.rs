//! `/v1/applications/{name}/scaling`.

use millrace_domain::care::ScalingRule;
use millrace_domain::commands::Facts;
use serde::Deserialize;
use utoipa::ToSchema;

use super::asked::Asked;
use super::model::ChangedApplication;
use super::model::words::ScalingRuleName;
use super::params::{OfApplication, Once};
use super::problem::Problem;
use super::reply::{self, Answer};

/// What decides about the parallelism of an application with automatic scaling.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetScaling {
    pub rule: ScalingRuleName,
    /// Of `RATE`: how busy the busiest operator shall be, in percent; 70 without.
    #[schema(minimum = 10, maximum = 95)]
    pub target_utilization: Option<u8>,
}

impl SetScaling {
    fn rule(&self) -> Result<ScalingRule, Problem> {
        const TARGET: u8 = 70;
        match (self.rule, self.target_utilization) {
            (ScalingRuleName::Cpu, None) => Ok(ScalingRule::Cpu),
            (ScalingRuleName::Cpu, Some(_)) => {
                Err(Problem::invalid("targetUtilization is of the rule RATE alone"))
            }
            (ScalingRuleName::Rate, target) => {
                Ok(ScalingRule::Rate { target_percent: target.unwrap_or(TARGET) })
            }
        }
    }
}

/// Set by which rule an application is scaled. Makes no version.
///
/// `CPU` is AWS's: the processor's use above 75 % for 15 minutes doubles the parallelism,
/// below 10 % for six hours halves it. `RATE` goes by what each operator could process and
/// what waits for it. Both only where automatic scaling is enabled.
#[utoipa::path(
    put, path = "/v1/applications/{name}/scaling", operation_id = "setScaling",
    tag = "lifecycle", params(OfApplication, Once), request_body = SetScaling,
    responses((status = 200, description = "It is set.", body = ChangedApplication))
)]
pub async fn set(asked: Asked) -> Answer {
    asked.may("UpdateApplication").await?;
    let body: SetScaling = asked.body()?;
    let rule = body.rule()?;
    let now = (asked.call.state.clock)();
    let name = asked.path("name");
    let decide = |facts: &Facts<'_>| facts.set_scaling(rule, now);
    let set = asked.call.change(&name, decide, ChangedApplication::of);
    Ok(reply::json(http::StatusCode::OK, asked.once("UpdateApplication", set).await?))
}
