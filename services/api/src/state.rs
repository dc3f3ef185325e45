//! What the handlers are given.

use std::fmt;
use std::sync::Arc;

use millrace_auth::SealingKey;
use millrace_domain::{ApplicationId, Timestamp};
use millrace_store::Store;
use uuid::Uuid;

use crate::access::{Lately, Limits, Tokens};
use crate::artifacts::Artifacts;
use crate::jobs::Jobs;
use crate::s3_locations::S3Locations;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// Gives a random id, never the same twice.
pub type Ids = Arc<dyn Fn() -> Uuid + Send + Sync>;
/// Tells the controller that an application changed. Must not block; to lose one costs
/// latency only.
pub type Wake = Arc<dyn Fn(&ApplicationId) + Send + Sync>;

/// The API's settings.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// The account of who runs the service.
    pub account: String,
    /// The first of the Regions served.
    pub region: String,
    /// The Regions served: a signature for another one is refused.
    pub regions: Vec<String>,
    /// Where clients reach the service: what links to it begin with.
    pub public_url: String,
    /// Where in S3 code and snapshots may come from.
    pub s3_locations: S3Locations,
    /// Where in S3 snapshots may go.
    pub s3_exports: S3Locations,
    /// Whether there is an S3 to copy snapshots to and from.
    pub copies_snapshots: bool,
    /// The runtime environments offered, oldest first.
    pub runtimes: Vec<String>,
}

impl ApiConfig {
    /// The account and Region of a local service, offering `runtimes`.
    pub fn local(runtimes: impl IntoIterator<Item = impl Into<String>>) -> ApiConfig {
        ApiConfig {
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            regions: vec!["us-east-1".to_owned()],
            public_url: "http://127.0.0.1:8181".to_owned(),
            s3_locations: S3Locations::of_account("000000000000"),
            s3_exports: S3Locations::of_account("000000000000"),
            copies_snapshots: true,
            runtimes: runtimes.into_iter().map(Into::into).collect(),
        }
    }
}

/// The world as the handlers see it.
#[derive(Clone)]
pub struct ApiState {
    pub store: Store,
    pub artifacts: Arc<dyn Artifacts>,
    pub jobs: Arc<dyn Jobs>,
    pub wake: Wake,
    pub clock: Clock,
    pub ids: Ids,
    /// What the secrets of access keys are sealed under.
    pub sealing: Arc<SealingKey>,
    pub limits: Arc<Limits>,
    /// Access keys and policies.
    pub lately: Arc<Lately>,
    /// Who issues bearer tokens that the REST surface takes.
    pub tokens: Arc<dyn Tokens>,
    pub config: Arc<ApiConfig>,
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState").field("config", &self.config).finish_non_exhaustive()
    }
}
