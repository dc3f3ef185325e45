//! One call: who asks, and how a change of an application is decided and committed.

use millrace_api_spec::ErrorCode;
use millrace_domain::change::{ApplicationWrite, IdempotencyRecord};
use millrace_domain::commands::{self, Facts};
use millrace_domain::enhanced::EnhancedRequest;
use millrace_domain::quota::Quotas;
use millrace_domain::{
    Application, ApplicationId, ApplicationName, Change, OperationId, Reject, Timestamp, Version,
};
use millrace_store::{CommitError, Loaded, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::access::Caller;
use crate::error::ApiError;
use crate::state::ApiState;

/// How often a change is decided anew when another one came between. Each time one of
/// the others got on, so the last attempt fails only under a storm of them.
const ATTEMPTS: u32 = 8;

/// A request that has passed its validation, with who asks.
#[derive(Debug)]
pub struct Call {
    pub state: ApiState,
    pub account: String,
    pub region: String,
    pub caller: Caller,
    /// For a mutation by an SDK: the same for every retry.
    pub invocation: Option<String>,
    /// Of the caller, the operation's name and the body.
    pub digest: String,
}

/// What a mutation did: what it is answered from.
#[derive(Debug)]
pub struct Changed<'a> {
    pub application: &'a Application,
    /// The version that the application now shows.
    pub version: &'a Version,
    /// The operation that was opened.
    pub operation: Option<&'a OperationId>,
    /// The enhanced snapshot that was made.
    pub enhanced: Option<&'a EnhancedRequest>,
}

impl Call {
    /// The answer given to an earlier attempt of this call.
    pub async fn answered_before(&self) -> Result<Option<String>, ApiError> {
        let Some(invocation) = &self.invocation else { return Ok(None) };
        let earlier = self.state.store.answered(&self.account, invocation, &self.digest).await?;
        Ok(earlier.map(|record| record.response))
    }

    /// The application of this name.
    pub async fn application(&self, name: &str) -> Result<Application, ApiError> {
        let name = ApplicationName::new(name)?;
        let found = self.state.store.application(&self.account, &self.region, &name).await?;
        found.ok_or_else(|| ApiError::no_application(name.as_str()))
    }

    /// The application of this name with all that is decided from.
    pub async fn load(&self, name: &str) -> Result<Loaded, ApiError> {
        let name = ApplicationName::new(name)?;
        let found = self.state.store.load_named(&self.account, &self.region, &name).await?;
        found.ok_or_else(|| ApiError::no_application(name.as_str()))
    }

    /// The time and the operation id that a command takes.
    pub fn issue(&self) -> commands::Call {
        let operation = OperationId::new((self.state.ids)().to_string());
        commands::Call {
            operation: operation.expect("a UUID is an operation id"),
            now: (self.state.clock)(),
        }
    }

    /// What a command is decided from.
    ///
    /// # Errors
    /// The application lacks its own version.
    pub fn facts<'a>(&'a self, loaded: &'a Loaded) -> Result<Facts<'a>, ApiError> {
        Ok(Facts {
            application: &loaded.application,
            version: current_version(loaded)?,
            open_operation: loaded.open_operation.as_ref(),
            snapshots: &loaded.snapshots,
            quotas: self.quotas(),
        })
    }

    /// Of the caller's account.
    pub fn quotas(&self) -> &Quotas {
        self.state.store.quotas_of(&self.account)
    }

    /// The runtimes offered, as commands take them.
    pub fn runtimes(&self) -> Vec<&str> {
        self.state.config.runtimes.iter().map(String::as_str).collect()
    }

    /// Load, decide, commit, answer; decided anew when another change came between.
    pub async fn change<R: Serialize>(
        &self,
        name: &str,
        decide: impl Fn(&Facts<'_>) -> Result<Change, Reject>,
        answer: impl Fn(&Changed<'_>) -> R,
    ) -> Result<String, ApiError> {
        for _ in 0..ATTEMPTS {
            let loaded = self.load(name).await?;
            let mut change = decide(&self.facts(&loaded)?)?;
            let response = encode(&answer(&changed(&change, &loaded)?));
            match self.commit(&mut change, response).await {
                Err(Uncommitted::Stale) => {}
                Err(Uncommitted::Failed(error)) => return Err(error),
                Ok(response) => return Ok(response),
            }
        }
        Err(ApiError::new(
            ErrorCode::ConcurrentModification,
            "the application keeps changing: try again",
        ))
    }

    /// The answer as a retry of this call would find it.
    pub fn record(&self, response: &str, now: Timestamp) -> Option<IdempotencyRecord> {
        self.invocation.as_ref().map(|invocation_id| IdempotencyRecord {
            account: self.account.clone(),
            invocation_id: invocation_id.clone(),
            request_digest: self.digest.clone(),
            response: response.to_owned(),
            created_at: now,
        })
    }

    /// Commits `change` with its answer, then wakes the controller. Nothing that can
    /// fail comes after the commit: a client would take the failure for one of the call.
    pub async fn commit(
        &self,
        change: &mut Change,
        response: String,
    ) -> Result<String, Uncommitted> {
        let now = (self.state.clock)();
        change.idempotency = self.record(&response, now);
        match self.state.store.commit(change, now).await {
            Ok(_) => {
                log(change);
                (self.state.wake)(written(change));
                Ok(response)
            }
            Err(CommitError::AlreadyDone(earlier)) => Ok(earlier.response),
            Err(CommitError::Stale) => Err(Uncommitted::Stale),
            Err(CommitError::NameTaken) => Err(Uncommitted::Failed(ApiError::new(
                ErrorCode::ResourceInUse,
                "an application of this name exists in this account and Region: \
                 choose another name",
            ))),
            Err(error @ CommitError::SnapshotNameTaken { .. }) => {
                let message = format!("{error}: choose another name, or delete that one first");
                Err(Uncommitted::Failed(ApiError::new(ErrorCode::ResourceInUse, message)))
            }
            Err(
                error @ (CommitError::QuotaReached { .. } | CommitError::SnapshotsReached { .. }),
            ) => {
                let error = ApiError::new(ErrorCode::LimitExceeded, error.to_string());
                Err(Uncommitted::Failed(error))
            }
            Err(error @ CommitError::SnapshotGone) => {
                let message = format!("{error}: describe it, and choose another");
                Err(Uncommitted::Failed(ApiError::new(ErrorCode::ResourceInUse, message)))
            }
            Err(
                error @ (CommitError::ExportOpen { .. }
                | CommitError::TransfersReached { .. }
                | CommitError::SnapshotUsed { .. }),
            ) => Err(Uncommitted::Failed(ApiError::internal(&error))),
            Err(CommitError::Store(error)) => Err(Uncommitted::Failed(error.into())),
        }
    }
}

/// Why nothing was committed.
#[derive(Debug)]
pub enum Uncommitted {
    /// Another change came between: decide anew.
    Stale,
    Failed(ApiError),
}

/// The version that the application shows.
pub fn current_version(loaded: &Loaded) -> Result<&Version, ApiError> {
    version_of(loaded, &loaded.application)
}

fn version_of<'a>(loaded: &'a Loaded, application: &Application) -> Result<&'a Version, ApiError> {
    loaded.versions.get(&application.version).ok_or_else(|| {
        let value = format!("{} without its row", application.version);
        let missing = StoreError::Inconsistent { table: "applications", column: "version", value };
        ApiError::from(missing)
    })
}

fn changed<'a>(change: &'a Change, loaded: &'a Loaded) -> Result<Changed<'a>, ApiError> {
    let application = match &change.application {
        ApplicationWrite::Put(application) => application.as_ref(),
        ApplicationWrite::Delete(_) => &loaded.application,
    };
    let version = match &change.new_version {
        Some(version) => version,
        None => version_of(loaded, application)?,
    };
    let operation = change.operations.last().map(|operation| &operation.id);
    Ok(Changed { application, version, operation, enhanced: change.enhanced.last() })
}

fn log(change: &Change) {
    let ApplicationWrite::Put(application) = &change.application else { return };
    tracing::info!(
        application.name = %application.name,
        application.status = application.status.name(),
        application.version = application.version.0,
        operation.id = change.operations.last().map(|operation| operation.id.as_str()),
        "committed"
    );
}

fn written(change: &Change) -> &ApplicationId {
    match &change.application {
        ApplicationWrite::Put(application) => &application.id,
        ApplicationWrite::Delete(id) => id,
    }
}

/// The request as its wire type. Validation has passed, so a failure here is a
/// difference of ours between shape and type, told as what it is to the caller: a
/// request that cannot be read.
pub fn decode<T: DeserializeOwned>(request: Value) -> Result<T, ApiError> {
    serde_json::from_value(request).map_err(|error| {
        tracing::error!(%error, "a valid request does not fit its wire type");
        ApiError::new(ErrorCode::Serialization, "the request cannot be read")
    })
}

/// The reply's body.
pub fn encode<R: Serialize>(response: &R) -> String {
    serde_json::to_string(response).expect("wire types have text keys only")
}
