//! The other way to prove who asks: a bearer token. Only the REST surface takes one; the
//! AWS surface knows signatures alone.

use async_trait::async_trait;
use http::header;
use http::request::Parts;
use millrace_api_spec::ErrorCode;
use millrace_auth::Principal;
use millrace_auth::token::TokenError;

use super::Caller;
use super::authenticate::{Claimed, claimed};
use crate::error::ApiError;
use crate::state::ApiState;

/// Names the Region that a request with a token is for.
const REGION: &str = "millrace-region";
const SCHEME: &str = "bearer ";

/// Who issues tokens, and who their users are.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Who the token stands for at a time in milliseconds since the epoch, and the name of
    /// its issuer.
    ///
    /// # Errors
    /// It proves nothing, or that cannot be told.
    async fn verify(&self, token: &str, now_ms: i64) -> Result<(Principal, String), NotProven>;
}

/// Why a token is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the keys of the token's issuer cannot be had now: try again")]
    Unavailable,
}

/// Nobody is trusted.
#[derive(Clone, Copy, Debug)]
pub struct NoTokens;

#[async_trait]
impl Tokens for NoTokens {
    async fn verify(&self, token: &str, _: i64) -> Result<(Principal, String), NotProven> {
        let issuer = millrace_auth::token::claimed_issuer(token)?;
        Err(TokenError::Issuer { issuer }.into())
    }
}

/// What a request presents to prove who asks.
pub enum Presented {
    /// Not checked before the whole body is there.
    Signature(Box<Claimed>),
    Token(Caller),
}

/// Reads what a request presents: its body is not needed.
///
/// # Errors
/// There is nothing, it cannot be right, or it proves nothing.
pub async fn presented(state: &ApiState, parts: &Parts) -> Result<Presented, ApiError> {
    match token(parts) {
        Some(token) => Ok(Presented::Token(caller(state, parts, token).await?)),
        None => Ok(Presented::Signature(Box::new(claimed(state, parts).await?))),
    }
}

impl Presented {
    /// The account that is claimed.
    pub fn account(&self) -> &str {
        match self {
            Presented::Signature(claimed) => claimed.account(),
            Presented::Token(caller) => caller.account(),
        }
    }

    /// The caller, proven.
    ///
    /// # Errors
    /// The signature is not one of this request with this body.
    pub fn verify(self, state: &ApiState, parts: &Parts, body: &[u8]) -> Result<Caller, ApiError> {
        match self {
            Presented::Signature(claimed) => claimed.verify(state, parts, body),
            Presented::Token(caller) => Ok(caller),
        }
    }
}

fn token(parts: &Parts) -> Option<&str> {
    let text = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let scheme = text.get(..SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| text[SCHEME.len()..].trim())
}

async fn caller(state: &ApiState, parts: &Parts, token: &str) -> Result<Caller, ApiError> {
    let verified = state.tokens.verify(token, (state.clock)().0).await;
    let (principal, issuer) = verified.map_err(|error| {
        let code = match error {
            NotProven::Token(_) => ErrorCode::UnrecognizedClient,
            NotProven::Unavailable => ErrorCode::ServiceUnavailable,
        };
        ApiError::new(code, error.to_string())
    })?;
    Ok(Caller { principal, region: region(state, parts)?, credential: format!("jwt:{issuer}") })
}

fn region(state: &ApiState, parts: &Parts) -> Result<String, ApiError> {
    let regions = &state.config.regions;
    let Some(wanted) = parts.headers.get(REGION) else { return Ok(state.config.region.clone()) };
    let found = regions.iter().find(|region| region.as_bytes() == wanted.as_bytes());
    found.cloned().ok_or_else(|| {
        let message = format!("{REGION} must be one that is served: {}", regions.join(", "));
        ApiError::new(ErrorCode::InvalidArgument, message)
    })
}
