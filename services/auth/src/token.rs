//! Bearer tokens: JWTs of identity providers that the service trusts (RFC 7519, 8725).
//!
//! A token names a user of an account; what the user may do is said by its policies, as if
//! it had signed with an access key. No token is ever the root. Only signatures of public
//! keys count: whoever can check a token cannot make one.

use std::collections::HashSet;

use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::principal::Principal;

/// Clocks differ by less.
const LEEWAY_S: i64 = 60;
/// Far longer than any token should be.
const LONGEST: usize = 16 * 1024;
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// An identity provider, and who its tokens stand for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Issuer {
    /// What its tokens have as `iss`.
    pub issuer: String,
    /// One of what its tokens have as `aud`.
    pub audience: String,
    /// Where its public keys are: a file's path, or an `https://` (on this machine also
    /// `http://`) URL of a JSON Web Key Set.
    pub keys: String,
    /// The account of all its users; without it, the claim `accountClaim` says which.
    #[serde(default)]
    pub account: Option<String>,
    #[serde(default)]
    pub account_claim: Option<String>,
    /// The claim that is the user's name.
    #[serde(default = "subject")]
    pub user_claim: String,
}

fn subject() -> String {
    "sub".to_owned()
}

/// Why a bearer token proves nothing. `Display` says no more than its holder knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the bearer token is no JSON Web Token")]
    Unreadable,
    #[error("the bearer token is signed with {algorithm}; a public key's signature is needed")]
    Algorithm { algorithm: String },
    #[error("no identity provider is trusted that issues as {issuer:?}")]
    Issuer { issuer: String },
    /// The provider may have new keys: fetch them, try again.
    #[error("the identity provider has no key {key:?}")]
    Key { key: String },
    #[error("the bearer token's signature is not that of its issuer")]
    Signature,
    #[error("the bearer token is for another audience than {audience:?}")]
    Audience { audience: String },
    #[error("the bearer token has expired, or has no expiry")]
    Expired,
    #[error("the bearer token is not valid yet")]
    Early,
    #[error("the bearer token's claim {claim:?} names no {what}: {problem}")]
    Claim { claim: String, what: &'static str, problem: String },
}

/// Why a configuration of issuers is none.
#[derive(Debug, thiserror::Error)]
pub enum InvalidIssuers {
    #[error("it is no list of issuers")]
    Json(#[from] serde_json::Error),
    #[error("{issuer:?} is there twice")]
    Twice { issuer: String },
    #[error("{issuer:?} must have either account or accountClaim")]
    Account { issuer: String },
    #[error("{issuer:?}: {source}")]
    Principal { issuer: String, source: crate::principal::InvalidPrincipal },
}

/// Reads a configuration: a JSON list of [`Issuer`]s.
///
/// # Errors
/// It is none, or one of the issuers says too much or too little.
pub fn issuers(json: &[u8]) -> Result<Vec<Issuer>, InvalidIssuers> {
    let all: Vec<Issuer> = serde_json::from_slice(json)?;
    let mut seen = HashSet::new();
    for one in &all {
        let issuer = one.issuer.clone();
        if !seen.insert(&one.issuer) {
            return Err(InvalidIssuers::Twice { issuer });
        }
        match (&one.account, &one.account_claim) {
            (Some(account), None) => {
                let root = Principal::root(account);
                root.map_err(|source| InvalidIssuers::Principal { issuer, source })?;
            }
            (None, Some(_)) => {}
            _ => return Err(InvalidIssuers::Account { issuer }),
        }
    }
    Ok(all)
}

/// What a token claims before anything of it is checked: for finding its issuer alone.
///
/// # Errors
/// It is no JWT.
pub fn claimed_issuer(token: &str) -> Result<String, TokenError> {
    if token.len() > LONGEST {
        return Err(TokenError::Unreadable);
    }
    let data = jsonwebtoken::dangerous::insecure_decode::<Map<String, Value>>(token);
    let claims = data.map_err(|_| TokenError::Unreadable)?.claims;
    claims.get("iss").and_then(Value::as_str).map(str::to_owned).ok_or(TokenError::Unreadable)
}

impl Issuer {
    /// Who the token stands for, by the issuer's public keys, at a time in milliseconds
    /// since the epoch.
    ///
    /// # Errors
    /// It proves nothing: why.
    pub fn verify(&self, token: &str, keys: &JwkSet, now_ms: i64) -> Result<Principal, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Unreadable)?;
        if token.len() > LONGEST {
            return Err(TokenError::Unreadable);
        }
        if !ALGORITHMS.contains(&header.alg) {
            return Err(TokenError::Algorithm { algorithm: format!("{:?}", header.alg) });
        }
        let key = key_for(keys, header.kid.as_deref(), header.alg)?;
        let key = DecodingKey::from_jwk(key).map_err(|_| TokenError::Signature)?;
        let data = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation(header.alg));
        let claims = data.map_err(|_| TokenError::Signature)?.claims;
        self.check(&claims, now_ms)?;
        self.principal(&claims)
    }

    fn check(&self, claims: &Map<String, Value>, now_ms: i64) -> Result<(), TokenError> {
        let text = |claim: &str| claims.get(claim).and_then(Value::as_str).unwrap_or_default();
        if text("iss") != self.issuer {
            return Err(TokenError::Issuer { issuer: text("iss").to_owned() });
        }
        let is_for = |value: &Value| value.as_str() == Some(&self.audience);
        let audience = claims.get("aud").is_some_and(|audience| match audience {
            Value::Array(all) => all.iter().any(is_for),
            one => is_for(one),
        });
        if !audience {
            return Err(TokenError::Audience { audience: self.audience.clone() });
        }
        // RFC 7519: a number of seconds, perhaps with a fraction.
        let time_ms = |claim: &str| claims.get(claim)?.as_f64().map(|s| (s * 1000.0) as i64);
        let leeway_ms = LEEWAY_S * 1000;
        if time_ms("exp").is_none_or(|exp| exp.saturating_add(leeway_ms) <= now_ms) {
            return Err(TokenError::Expired);
        }
        if time_ms("nbf").is_some_and(|nbf| nbf.saturating_sub(leeway_ms) > now_ms) {
            return Err(TokenError::Early);
        }
        Ok(())
    }

    fn principal(&self, claims: &Map<String, Value>) -> Result<Principal, TokenError> {
        let claimed = |claim: &str, what: &'static str| {
            let bad = |problem: &str| TokenError::Claim {
                claim: claim.to_owned(),
                what,
                problem: problem.to_owned(),
            };
            let found = claims.get(claim).ok_or_else(|| bad("it is not there"))?;
            found.as_str().map(str::to_owned).ok_or_else(|| bad("it is no text"))
        };
        let account = match (&self.account, &self.account_claim) {
            (Some(account), _) => account.clone(),
            (None, Some(claim)) => claimed(claim, "account")?,
            (None, None) => return Err(TokenError::Unreadable),
        };
        let user = claimed(&self.user_claim, "user")?;
        Principal::user(&account, &user).map_err(|error| TokenError::Claim {
            claim: self.user_claim.clone(),
            what: "user",
            problem: error.to_string(),
        })
    }
}

/// The signature alone: the rest is checked here, by the clock that is given.
fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims = HashSet::new();
    validation
}

/// The key that the token names; without a name, the only one that it can be.
fn key_for<'a>(
    keys: &'a JwkSet,
    id: Option<&str>,
    algorithm: Algorithm,
) -> Result<&'a Jwk, TokenError> {
    let mut fitting = keys.keys.iter().filter(|key| {
        let common = &key.common;
        let signs = common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
        let fits = common.key_algorithm.is_none_or(|it| is_same(it, algorithm));
        let named = id.is_none_or(|id| common.key_id.as_deref() == Some(id));
        signs && fits && named
    });
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key),
        _ => Err(TokenError::Key { key: id.unwrap_or_default().to_owned() }),
    }
}

fn is_same(one: KeyAlgorithm, other: Algorithm) -> bool {
    format!("{one:?}") == format!("{other:?}")
}
