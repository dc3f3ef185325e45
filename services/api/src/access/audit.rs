//! The audit log: what changes something is written down before it is done.

use std::future::Future;

use millrace_domain::Timestamp;
use millrace_store::{AuditEntry, AuditId};
use tracing::Instrument;

use super::{Caller, Wanted};
use crate::error::ApiError;
use crate::state::ApiState;

/// How the log names the end of a call that was not refused.
pub const SUCCESS: &str = "Success";

/// What is written down of a call. Nothing of its body: that may hold secrets.
#[derive(Clone, Debug)]
pub struct Audited {
    pub caller: Caller,
    /// The id that the answer carries.
    pub request_id: String,
    pub wanted: Vec<Wanted>,
}

/// Writes the call down, does it, and writes down how it ended. It is done also when its
/// client leaves meanwhile.
///
/// # Errors
/// It cannot be written down, and is not done; or what `work` says.
pub async fn audited<T: Send + 'static>(
    state: &ApiState,
    call: &Audited,
    work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    let id = begin(state, call).await?;
    let state = state.clone();
    let done = async move {
        let outcome = work.await;
        let said = outcome.as_ref().map_or_else(|error| error.code.name(), |_| SUCCESS);
        end(&state, id, said).await;
        outcome
    };
    match tokio::spawn(done.in_current_span()).await {
        Ok(outcome) => outcome,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(stopped) => Err(ApiError::internal(&stopped)),
        },
    }
}

/// Writes the call down, before it is done.
///
/// # Errors
/// It cannot be written down: then it must not be done.
pub async fn begin(state: &ApiState, call: &Audited) -> Result<AuditId, ApiError> {
    Ok(state.store.begin_audit(&entry(call, (state.clock)())).await?)
}

/// Writes down how it ended. The call has happened: it must not fail for this.
pub async fn end(state: &ApiState, id: AuditId, said: &str) {
    if let Err(error) = state.store.end_audit(id, said).await {
        tracing::error!(%error, outcome = said, "the audit log lacks the end of a call");
    }
}

/// Writes down a call that was refused.
///
/// # Errors
/// It cannot be written down.
pub async fn note(state: &ApiState, call: &Audited, said: &str) -> Result<(), ApiError> {
    let id = begin(state, call).await?;
    end(state, id, said).await;
    Ok(())
}

fn entry(call: &Audited, at: Timestamp) -> AuditEntry {
    let Audited { caller, request_id, wanted } = call;
    let resources: Vec<&str> = wanted.iter().map(|wanted| wanted.resource.as_str()).collect();
    AuditEntry {
        at,
        account: caller.account().to_owned(),
        region: caller.region.clone(),
        principal: caller.principal.to_string(),
        credential: caller.credential.clone(),
        request: request_id.clone(),
        action: wanted.first().map(|wanted| wanted.action.clone()).unwrap_or_default(),
        resource: resources.join(" "),
        outcome: String::new(),
    }
}
