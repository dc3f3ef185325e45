//! What can go wrong with a cluster, as far as a caller acts differently.

use std::path::PathBuf;

use millrace_domain::{ApplicationId, Generation};

#[derive(Debug, thiserror::Error)]
pub enum LauncherError {
    #[error("generation {generation} of application {application} is older than {newer}")]
    Superseded { application: ApplicationId, generation: Generation, newer: Generation },
    #[error(
        "generation {generation} of application {application} has ended and is not started twice"
    )]
    Ended { application: ApplicationId, generation: Generation },
    #[error("there is no cluster of generation {generation} of application {application}")]
    NoCluster { application: ApplicationId, generation: Generation },
    #[error("the cluster of generation {generation} has no job")]
    NoJob { generation: Generation },
    #[error("the code {artifact} is not in the artifact store")]
    NoCode { artifact: String },
    /// The cluster answered that it will not; trying again would give the same.
    #[error("{message}")]
    Refused { message: String },
    /// The cluster answered that something else is under way at this moment.
    #[error("{message}")]
    Busy { message: String },
    #[error("the cluster at {url} did not answer as expected: {problem}")]
    Answer { url: String, problem: String },
    #[error("the cluster could not be reached at {url}")]
    Http { url: String, source: reqwest::Error },
    #[error("cannot {doing} {}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
    #[error("the planner did not answer within {seconds} s")]
    CheckTimeout { seconds: u64 },
    #[error("the planner ended without a verdict: {problem}")]
    CheckFailed { problem: String },
}

impl LauncherError {
    /// Whether trying again would give the same.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            LauncherError::Superseded { .. }
                | LauncherError::Ended { .. }
                | LauncherError::NoCode { .. }
                | LauncherError::Refused { .. }
        )
    }

    /// The error and its causes, in one line: what an operation's record shows.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}
