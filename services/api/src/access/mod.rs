//! Who asks, and whether they may.
//!
//! Flow of a call: [`claimed`] reads what its signature claims and finds the access key,
//! before the body is read; [`Claimed::verify`] checks it over the body and gives the
//! [`Caller`]; [`Limits`] count it; [`authorize`] asks the caller's policies. A call that
//! changes something is in the audit log before any of it is done ([`audited`]).
//!
//! The REST surface takes bearer tokens of trusted identity providers, too ([`presented`]).
//!
//! Any route can be put behind [`require_signature`], which leaves the [`Caller`] in the
//! request's extensions; another way to prove who asks puts one there too.

mod audit;
mod authenticate;
mod authorize;
mod bearer;
mod lately;
mod limits;
mod resources;

pub use audit::{Audited, SUCCESS, audited, begin, end, note};
pub use authenticate::{Claimed, claimed, require_signature};
pub use authorize::{Wanted, authorize};
pub use bearer::{NoTokens, NotProven, Presented, Tokens, presented};
pub use lately::Lately;
pub use limits::{Limits, Place};
use millrace_auth::Principal;
pub(crate) use resources::wanted;

/// Who asks: proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub principal: Principal,
    /// The Region asked: one of those served.
    pub region: String,
    /// Names the credential that proved it, as the id of an access key; no secret.
    pub credential: String,
}

impl Caller {
    /// Whose resources these are.
    pub fn account(&self) -> &str {
        self.principal.account()
    }
}
