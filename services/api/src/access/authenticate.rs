//! From a signed request to its caller.

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Request;
use http::request::Parts;
use millrace_api_spec::ErrorCode;
use millrace_auth::signature::{Claim, Request as Signed};
use millrace_auth::{AccessKeyId, KeyStatus, SERVICE, SecretKey};
use millrace_store::StoredKey;

use super::Caller;
use crate::error::ApiError;
use crate::state::ApiState;

/// The largest body of a route behind [`require_signature`].
const BODY_LIMIT: usize = 1024 * 1024;

/// A request's claim with the access key that it names: it may be used, and whether it was
/// is not known yet.
pub struct Claimed {
    claim: Claim,
    key: StoredKey,
    secret: SecretKey,
}

/// Reads the claim of a request. Its body is not needed: who has no key sends none.
///
/// # Errors
/// There is no signature, it cannot be right, or its key is unknown or disabled.
pub async fn claimed(state: &ApiState, parts: &Parts) -> Result<Claimed, ApiError> {
    let now_ms = (state.clock)().0;
    let claim = with_signed(parts, |request| Claim::read(request, SERVICE, now_ms))?;
    let key = usable_key(state, claim.key(), now_ms).await?;
    let opened = state.sealing.open(&key.id, &key.sealed);
    let secret = opened.map_err(|error| ApiError::internal(&error))?;
    Ok(Claimed { claim, key, secret })
}

async fn usable_key(
    state: &ApiState,
    id: &AccessKeyId,
    now_ms: i64,
) -> Result<StoredKey, ApiError> {
    if let Some(key) = state.lately.keys.get(id, now_ms) {
        return Ok(key);
    }
    let key = state.store.access_key(id).await?;
    let usable = key.filter(|key| key.status == KeyStatus::Active);
    let key = usable.ok_or_else(unrecognized)?;
    state.lately.keys.put(id.clone(), key.clone(), now_ms);
    Ok(key)
}

impl Claimed {
    /// The account that is claimed.
    pub fn account(&self) -> &str {
        self.key.owner.account()
    }

    /// Checks the signature over the request and its whole body.
    ///
    /// # Errors
    /// It is another one, or for a Region that is not served.
    pub fn verify(self, state: &ApiState, parts: &Parts, body: &[u8]) -> Result<Caller, ApiError> {
        let Claimed { claim, key, secret } = self;
        let verified = with_signed(parts, |request| claim.verify(request, body, &secret))?;
        if !state.config.regions.contains(&verified.region) {
            let message = format!(
                "Credential should be scoped to a valid region, not '{}': this service serves {}",
                verified.region,
                state.config.regions.join(", ")
            );
            return Err(ApiError::new(ErrorCode::InvalidSignature, message));
        }
        let (region, credential) = (verified.region, key.id.to_string());
        Ok(Caller { principal: key.owner, region, credential })
    }
}

/// A layer for routes of small bodies: verifies the signature, counts the call, and leaves
/// the [`Caller`] in the request's extensions.
pub async fn require_signature(
    State(state): State<ApiState>,
    request: Request<Body>,
    next: Next,
) -> Response {
    match verified(&state, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

async fn verified(state: &ApiState, request: Request<Body>) -> Result<Request<Body>, ApiError> {
    let (mut parts, body) = request.into_parts();
    let claimed = claimed(state, &parts).await?;
    let body = to_bytes(body, BODY_LIMIT).await.map_err(|_| {
        let message = format!("the request's body is larger than {BODY_LIMIT} bytes, or broke off");
        ApiError::new(ErrorCode::RequestTooLarge, message)
    })?;
    let caller = claimed.verify(state, &parts, &body)?;
    state.limits.count(&caller.principal, (state.clock)().0)?;
    parts.extensions.insert(caller);
    Ok(Request::from_parts(parts, Body::from(body)))
}

fn with_signed<T>(parts: &Parts, look: impl FnOnce(&Signed<'_>) -> T) -> T {
    let headers: Vec<(&str, &[u8])> =
        parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    look(&Signed {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &headers,
    })
}

/// AWS's own words; the same for a key that is disabled and one that never was.
fn unrecognized() -> ApiError {
    let message = "The security token included in the request is invalid.";
    ApiError::new(ErrorCode::UnrecognizedClient, message)
}
