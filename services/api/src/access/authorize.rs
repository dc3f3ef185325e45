//! Whether a caller may.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_api_spec::ErrorCode;
use millrace_auth::policy::{Ask, Context, NamedPolicy, Policy, decide, refusal};
use millrace_store::StoredPolicy;

use super::Caller;
use crate::error::ApiError;
use crate::state::ApiState;

/// An action on a resource, with what conditions look at.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// `kinesisanalytics:` and a name: `millrace_auth::actions`.
    pub action: String,
    /// An ARN, or `*`.
    pub resource: String,
    /// Of the resource as it is; none when there is no such one.
    pub resource_tags: BTreeMap<String, String>,
    /// Sent with the call.
    pub request_tags: BTreeMap<String, String>,
    /// Keys sent without values.
    pub removed_tag_keys: Vec<String>,
}

/// Asks the policies of the caller. Every `wanted` must be allowed.
///
/// # Errors
/// One is not: AWS's sentence, which tells nothing of what exists.
pub async fn authorize(
    state: &ApiState,
    caller: &Caller,
    wanted: &[Wanted],
) -> Result<(), ApiError> {
    if caller.principal.is_root() {
        return Ok(());
    }
    let policies = policies(state, caller).await?;
    for Wanted { action, resource, resource_tags, request_tags, removed_tag_keys } in wanted {
        let context = Context {
            region: &caller.region,
            now_ms: (state.clock)().0,
            resource_tags: resource_tags.clone(),
            request_tags: request_tags.clone(),
            removed_tag_keys: removed_tag_keys.clone(),
        };
        let ask = Ask { action, resource, context };
        let decision = decide(&caller.principal, &policies, &ask);
        if let Some(message) = refusal(&caller.principal, &ask, &decision) {
            tracing::info!(principal = %caller.principal, action, resource, ?decision, "denied");
            return Err(ApiError::new(ErrorCode::AccessDenied, message));
        }
    }
    Ok(())
}

/// A stored policy that cannot be read any more might hold a `Deny`: then nothing is
/// allowed.
async fn policies(state: &ApiState, caller: &Caller) -> Result<Arc<Vec<NamedPolicy>>, ApiError> {
    let now_ms = (state.clock)().0;
    if let Some(policies) = state.lately.policies.get(&caller.principal, now_ms) {
        return Ok(policies);
    }
    let stored = state.store.policies(&caller.principal).await?;
    let read = |stored: &StoredPolicy| {
        let policy = Policy::parse(&stored.document);
        let policy = policy.map_err(|error| ApiError::internal(&error))?;
        Ok(NamedPolicy { name: stored.name.clone(), policy })
    };
    let policies: Arc<Vec<NamedPolicy>> =
        Arc::new(stored.iter().map(read).collect::<Result<_, ApiError>>()?);
    state.lately.policies.put(caller.principal.clone(), Arc::clone(&policies), now_ms);
    Ok(policies)
}
