//! Why a policy is refused.

/// A text that is no policy, or one that this service cannot hold to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", place(.at))]
pub struct PolicyError {
    /// As `Statement[0].Action`; empty for the whole.
    pub at: String,
    pub problem: String,
}

impl PolicyError {
    pub(super) fn new(at: impl Into<String>, problem: impl Into<String>) -> PolicyError {
        PolicyError { at: at.into(), problem: problem.into() }
    }
}

fn place(at: &str) -> String {
    if at.is_empty() { String::new() } else { format!("{at}: ") }
}
