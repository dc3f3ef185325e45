//! Links to a job's dashboard: who has one may look, until it runs out.
//!
//! A token is its claims and an HMAC-SHA256 over them, under a key that is derived from the
//! one that secrets are sealed under. So every replica knows every token, none is stored,
//! and one that was changed by a bit is none. A link opens a session within minutes; the
//! session's token is another one, and neither serves as the other.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::access_key::AccessKeyId;
use crate::principal::Principal;

/// What the key of links is derived by: no other use of the key may say the same.
const DERIVATION: &[u8] = b"millrace dashboard links 1";
/// Far longer than any token of ours.
const LONGEST: usize = 2_000;

/// The key that tokens are signed with. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct LinkKey(hmac::Key);

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// To be followed once it is given, and never stored.
    Link,
    /// What a browser shows with each request.
    Session,
}

/// Who may look at what, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The application's own key, never used again for another.
    pub application: String,
    pub name: String,
    pub region: String,
    pub principal: Principal,
    /// The access key that asked for it: disabled, it takes its links along.
    pub credential: AccessKeyId,
    /// The session ends then, in milliseconds since the epoch.
    pub ends_ms: i64,
}

/// As it is signed.
#[derive(Serialize, Deserialize)]
struct Claims {
    purpose: Purpose,
    application: String,
    name: String,
    region: String,
    account: String,
    user: Option<String>,
    credential: String,
    ends_ms: i64,
    /// The token itself is good until then.
    valid_ms: i64,
}

/// Why a token opens nothing; which of the reasons is nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the link is not valid, or no longer")]
pub struct InvalidToken;

impl LinkKey {
    /// Derived from the key that secrets are sealed under.
    pub(crate) fn derived(key: &[u8]) -> LinkKey {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derived = hmac::sign(&root, DERIVATION);
        LinkKey(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// A token, good until `valid_ms`.
    pub fn sign(&self, purpose: Purpose, grant: &Grant, valid_ms: i64) -> String {
        let claims = Claims {
            purpose,
            application: grant.application.clone(),
            name: grant.name.clone(),
            region: grant.region.clone(),
            account: grant.principal.account().to_owned(),
            user: grant.principal.user_name().map(str::to_owned),
            credential: grant.credential.as_str().to_owned(),
            ends_ms: grant.ends_ms,
            valid_ms,
        };
        let claims = serde_json::to_vec(&claims).expect("claims have text keys");
        let text = URL_SAFE_NO_PAD.encode(claims);
        let tag = hmac::sign(&self.0, text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// What a token grants at `now_ms`.
    ///
    /// # Errors
    /// It was signed with another key, for another purpose, or has run out.
    pub fn open(&self, purpose: Purpose, token: &str, now_ms: i64) -> Result<Grant, InvalidToken> {
        let (text, tag) =
            token.split_once('.').filter(|_| token.len() <= LONGEST).ok_or(InvalidToken)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| InvalidToken)?;
        hmac::verify(&self.0, text.as_bytes(), &tag).map_err(|_| InvalidToken)?;
        let claims = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidToken)?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| InvalidToken)?;
        let is_good =
            claims.purpose == purpose && now_ms < claims.valid_ms && now_ms < claims.ends_ms;
        let principal = Principal::of(&claims.account, claims.user.as_deref());
        match (is_good, principal, AccessKeyId::new(claims.credential)) {
            (true, Ok(principal), Ok(credential)) => Ok(Grant {
                application: claims.application,
                name: claims.name,
                region: claims.region,
                principal,
                credential,
                ends_ms: claims.ends_ms,
            }),
            _ => Err(InvalidToken),
        }
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_key::{NewAccessKey, RANDOM_BYTES};
    use crate::seal::{KEY_BYTES, SealingKey};

    fn grant() -> Grant {
        Grant {
            application: "id".into(),
            name: "orders".into(),
            region: "us-east-1".into(),
            principal: Principal::user("000000000000", "alice").expect("a user"),
            credential: NewAccessKey::generate(&[3; RANDOM_BYTES]).id,
            ends_ms: 100,
        }
    }

    #[test]
    fn a_token_opens_what_it_was_signed_for_until_it_runs_out() {
        let key = SealingKey::new(&[7; KEY_BYTES]).links().clone();
        let token = key.sign(Purpose::Link, &grant(), 50);
        assert!(token.len() < 600, "{} characters", token.len());
        assert_eq!(key.open(Purpose::Link, &token, 49), Ok(grant()));
        assert_eq!(key.open(Purpose::Link, &token, 50), Err(InvalidToken));
        assert_eq!(key.open(Purpose::Session, &token, 49), Err(InvalidToken));
        let long = key.sign(Purpose::Session, &grant(), 500);
        assert_eq!(key.open(Purpose::Session, &long, 99), Ok(grant()));
        assert_eq!(key.open(Purpose::Session, &long, 100), Err(InvalidToken), "the session ended");
        let other = SealingKey::new(&[8; KEY_BYTES]);
        assert_eq!(other.links().open(Purpose::Link, &token, 49), Err(InvalidToken));
    }

    #[test]
    fn a_token_with_any_character_changed_is_none() {
        let key = SealingKey::new(&[7; KEY_BYTES]).links().clone();
        let token = key.sign(Purpose::Link, &grant(), 50);
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert_eq!(key.open(Purpose::Link, &changed, 1), Err(InvalidToken), "{at}");
            assert_eq!(key.open(Purpose::Link, &token[..at], 1), Err(InvalidToken), "{at}");
        }
        assert_eq!(key.open(Purpose::Link, &format!("{token}{token}"), 1), Err(InvalidToken));
    }
}
