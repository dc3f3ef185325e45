//! Policies in IAM's JSON form, and what they decide.
//!
//! A user may do what a statement of one of its policies allows and none denies; nothing
//! else. The root of an account may do everything in it (IAM: identity policies do not
//! hold for the root).
//!
//! What this service cannot evaluate, it refuses when the policy is put, with the place and
//! what is wrong: an operator or key that is passed over could only surprise, and a
//! condition that never holds makes a `Deny` do nothing.

mod condition;
mod document;
mod error;
mod pattern;
mod strict;

use std::collections::BTreeMap;

pub use document::Policy;
pub use error::PolicyError;
pub(crate) use pattern::Pattern;

use crate::principal::Principal;

/// AWS: characters of a managed policy, white space counted here too.
pub const LONGEST: usize = 6_144;

/// A policy with the name that it was put under.
#[derive(Clone, Debug)]
pub struct NamedPolicy {
    pub name: String,
    pub policy: Policy,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// `kinesisanalytics:` and the name of an operation.
    pub action: &'a str,
    /// An ARN, or `*` where an action has no resource.
    pub resource: &'a str,
    pub context: Context<'a>,
}

/// What conditions look at.
#[derive(Clone, Debug, Default)]
pub struct Context<'a> {
    pub region: &'a str,
    /// Milliseconds since the epoch.
    pub now_ms: i64,
    /// The tags that the resource has; none when there is no such resource.
    pub resource_tags: BTreeMap<String, String>,
    /// The tags that the call sends.
    pub request_tags: BTreeMap<String, String>,
    /// The keys that a call sends without values, as UntagResource does.
    pub removed_tag_keys: Vec<String>,
}

/// What was decided, and by what: `policy` is a name, `statement` a `Sid` or a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The root of the account asks.
    Root,
    Allowed {
        policy: String,
        statement: String,
    },
    /// A `Deny` holds, whatever else allows.
    Denied {
        policy: String,
        statement: String,
    },
    /// Nothing allows it.
    NotAllowed,
}

impl Decision {
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Root | Decision::Allowed { .. })
    }
}

/// Whether `principal`, whose `policies` these are, may do what it asks for.
pub fn decide(principal: &Principal, policies: &[NamedPolicy], ask: &Ask<'_>) -> Decision {
    if principal.is_root() {
        return Decision::Root;
    }
    let mut allowed = Decision::NotAllowed;
    for NamedPolicy { name, policy } in policies {
        for statement in policy.that_hold(principal, ask) {
            let (policy, sid) = (name.clone(), statement.name.clone());
            if statement.denies {
                return Decision::Denied { policy, statement: sid };
            }
            if allowed == Decision::NotAllowed {
                allowed = Decision::Allowed { policy, statement: sid };
            }
        }
    }
    allowed
}

/// The sentence for a caller who may not; `None` for one who may. AWS's own words.
pub fn refusal(principal: &Principal, ask: &Ask<'_>, decision: &Decision) -> Option<String> {
    let because = match decision {
        Decision::Root | Decision::Allowed { .. } => return None,
        Decision::Denied { .. } => "with an explicit deny in an identity-based policy".to_owned(),
        Decision::NotAllowed => {
            format!("because no identity-based policy allows the {} action", ask.action)
        }
    };
    Some(format!(
        "User: {principal} is not authorized to perform: {} on resource: {} {because}",
        ask.action, ask.resource
    ))
}
