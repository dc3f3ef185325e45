//! The API in process: a router over a store in a temporary directory, with a clock
//! that stands and ids that count.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod random;
pub mod schema;

use std::io::{Cursor, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{HeaderMap, Request};
use millrace_api::{
    ApiConfig, ApiState, ArtifactError, Artifacts, Jobs, Limits, LocalArtifacts, LogChunk, LogFrom,
    LogPlace, Looked, NoTokens, S3Object, router,
};
use millrace_auth::signature::Signer;
use millrace_auth::throttle::Rate;
use millrace_auth::{KeyStatus, NewAccessKey, Principal, SERVICE, SealingKey};
use millrace_domain::change::{ApplicationWrite, Change};
use millrace_domain::lifecycle::{
    CheckReport, CheckedOperator, Launch, PlannedOperator, RestoreFrom,
};
use millrace_domain::reading::JobReading;
use millrace_domain::{
    Application, ApplicationId, ApplicationName, ArtifactId, Generation, OperationStatus, Snapshot,
    Status, Timestamp,
};
use millrace_store::{Loaded, Store, StoredKey, StoredPolicy};
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

pub const ACCOUNT: &str = "000000000000";
pub const ROLE: &str = "arn:aws:iam::000000000000:role/millrace";
pub const SCRIPT: &str = "SELECT 1";
/// Calls that a principal may make at once, as the clock stands.
pub const BURST: u32 = 5_000;
const SEALING: [u8; 32] = [7; 32];

pub struct Api {
    pub router: Router,
    pub state: ApiState,
    /// The root's of [`ACCOUNT`]: what is sent is signed with it unless told otherwise.
    pub root: NewAccessKey,
    pub store: Store,
    pub artifacts: LocalArtifacts,
    pub now: Arc<AtomicI64>,
    pub wakes: Arc<AtomicUsize>,
    _directory: tempfile::TempDir,
}

/// Local artifacts with an S3 of one bucket, `code`, of two objects.
struct TestArtifacts(LocalArtifacts);

#[async_trait]
impl Artifacts for TestArtifacts {
    async fn put(&self, bytes: Bytes) -> Result<ArtifactId, ArtifactError> {
        self.0.put(bytes).await
    }

    async fn fetch_s3(&self, object: &S3Object, _: u64) -> Result<Bytes, ArtifactError> {
        match (object.bucket.as_str(), object.key.as_str()) {
            ("code", "main.sql") => Ok(Bytes::from_static(b"SELECT 2")),
            ("code", "app.zip") => Ok(zipped("main.sql", "SELECT 3").into()),
            (bucket, key) => Err(ArtifactError::Unreachable {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
                source: "NoSuchKey".into(),
            }),
        }
    }
}

/// Every job has a plan.
struct TestJobs;

#[async_trait]
impl Jobs for TestJobs {
    async fn plan(&self, _: &ApplicationId, generation: Generation) -> Option<String> {
        Some(format!("{{\"generation\":{generation}}}"))
    }

    async fn reading(&self, _: &ApplicationId, generation: Generation) -> Option<JobReading> {
        let job = std::collections::BTreeMap::from([("uptime".to_owned(), 5.0)]);
        Some(JobReading { at: Timestamp(0), generation, job, vertices: Vec::new() })
    }

    /// A cluster that says where it was looked at.
    async fn look(&self, _: &ApplicationId, generation: Generation, place: &str) -> Option<Looked> {
        let body = format!("{{\"generation\":{generation},\"place\":\"{place}\"}}").into();
        Some(Looked { status: 200, content_type: Some("application/json".to_owned()), body })
    }

    /// Three lines in the second generation.
    async fn log(&self, _: &ApplicationId, from: LogFrom) -> std::io::Result<Option<LogChunk>> {
        const LOG: &[u8] = b"one\nTwo\nthree";
        let place = match from {
            LogFrom::Tail { .. } => LogPlace { generation: Generation(2), offset: 0 },
            LogFrom::Place(place) => place,
        };
        let offset = usize::try_from(place.offset).expect("it is small").min(LOG.len());
        let bytes = Bytes::from_static(&LOG[offset..]);
        let next = LogPlace { offset: LOG.len() as u64, ..place };
        Ok(Some(LogChunk { bytes, place, next }))
    }

    /// So that what is followed ends.
    fn stopping(&self) -> bool {
        true
    }

    /// Refuses what restores state; plans an operator of the runtime's name.
    async fn check(&self, launch: &Launch) -> Result<CheckReport, String> {
        if launch.runtime == "FLINK-1_20" {
            return Err("it is asleep".to_owned());
        }
        let operator = |id: &str, name: &str| PlannedOperator {
            id: id.to_owned(),
            name: name.to_owned(),
            ..PlannedOperator::default()
        };
        let ok = launch.restore != RestoreFrom::Latest || launch.allow_non_restored_state;
        Ok(CheckReport {
            ok,
            message: if ok { String::new() } else { "Operator agg is dropped: x.".to_owned() },
            operators: vec![CheckedOperator {
                name: "agg".to_owned(),
                verdict: "dropped".to_owned(),
                ..CheckedOperator::default()
            }],
            plan: vec![operator("1", "Source"), operator(&launch.runtime, "Sink")],
            ..CheckReport::default()
        })
    }
}

pub fn zipped(name: &str, content: &str) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(content.as_bytes()).unwrap();
    writer.finish().unwrap().into_inner()
}

/// A reply: its HTTP status and its body.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Api {
    pub async fn new() -> Api {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("millrace.db")).await.unwrap().held_alone();
        let artifacts = LocalArtifacts::new(directory.path().join("artifacts"));
        let now = Arc::new(AtomicI64::new(1_795_356_204_683));
        let wakes = Arc::new(AtomicUsize::new(0));
        let ids = AtomicU64::new(1);
        let config = ApiConfig {
            regions: vec!["us-east-1".to_owned(), "eu-west-1".to_owned()],
            ..ApiConfig::local(["FLINK-1_15", "FLINK-1_18", "FLINK-1_19", "FLINK-1_20"])
        };
        let state = ApiState {
            store: store.clone(),
            artifacts: Arc::new(TestArtifacts(artifacts.clone())),
            jobs: Arc::new(TestJobs),
            wake: Arc::new({
                let wakes = wakes.clone();
                move |_| {
                    wakes.fetch_add(1, Ordering::SeqCst);
                }
            }),
            clock: Arc::new({
                let now = now.clone();
                move || Timestamp(now.load(Ordering::SeqCst))
            }),
            ids: Arc::new(move || Uuid::from_u64_pair(0, ids.fetch_add(1, Ordering::SeqCst))),
            sealing: Arc::new(SealingKey::new(&SEALING)),
            limits: Arc::new(Limits::new(Rate { per_second: 10, burst: BURST })),
            lately: Arc::default(),
            tokens: Arc::new(NoTokens),
            config: Arc::new(config),
        };
        let router = router(state.clone());
        let root = NewAccessKey::generate(&[1; 40]);
        let api = Api { router, state, root, store, artifacts, now, wakes, _directory: directory };
        api.add_key(&api.root, ACCOUNT, None).await;
        api
    }

    /// Makes an access key of an account's root or user.
    pub async fn key(&self, account: &str, user: Option<&str>, byte: u8) -> NewAccessKey {
        let key = NewAccessKey::generate(&[byte; 40]);
        self.add_key(&key, account, user).await;
        key
    }

    /// Lets time pass.
    pub fn pass(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }

    /// Puts a user's policy, and waits until it counts.
    pub async fn put_policy(&self, policy: &StoredPolicy) {
        self.store.put_policy(policy).await.unwrap();
        self.pass(1_000);
    }

    /// Sets the status of an access key, and waits until it counts.
    pub async fn set_key(&self, key: &NewAccessKey, status: KeyStatus) {
        assert!(self.store.set_access_key(&key.id, status).await.unwrap());
        self.pass(1_000);
    }

    async fn add_key(&self, key: &NewAccessKey, account: &str, user: Option<&str>) {
        let sealed = SealingKey::new(&SEALING).seal(&key.id, &key.secret, [0; 12]);
        let stored = StoredKey {
            id: key.id.clone(),
            owner: Principal::of(account, user).unwrap(),
            sealed,
            status: KeyStatus::Active,
            created_at: Timestamp(0),
        };
        assert!(self.store.add_access_key(&stored).await.unwrap());
    }

    /// Signs with `key` for `region` at the clock's time, and sends.
    pub async fn send_as(&self, key: &NewAccessKey, region: &str, request: Request<Body>) -> Reply {
        let at_ms = self.now.load(Ordering::SeqCst);
        self.send_as_is(signed(request, key, region, at_ms).await).await
    }

    /// A call signed with `key` for us-east-1.
    pub async fn call_as(&self, key: &NewAccessKey, operation: &str, body: Value) -> Reply {
        let request = request(operation).body(Body::from(body.to_string())).unwrap();
        self.send_as(key, "us-east-1", request).await
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        self.send_as(&self.root, "us-east-1", request).await
    }

    pub async fn send_as_is(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::String(text));
        Reply { status, headers, body }
    }

    pub async fn raw(&self, operation: &str, body: impl Into<Body>) -> Reply {
        self.send(request(operation).body(body.into()).unwrap()).await
    }

    pub async fn retryable(&self, operation: &str, invocation: &str, body: &Value) -> Reply {
        let request = request(operation).header("amz-sdk-invocation-id", invocation);
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// A request of the REST surface; a `null` body is none.
    pub async fn rest(&self, method: &str, path: &str, body: Value) -> Reply {
        self.rest_with(method, path, &[], body).await
    }

    pub async fn rest_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Value::Null => Body::empty(),
            body => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
        };
        self.send(request.body(body).unwrap()).await
    }

    /// The reply's body.
    #[track_caller]
    pub fn ok(&self, operation: &str, body: Value) -> impl Future<Output = Value> + '_ {
        let caller = std::panic::Location::caller();
        let operation = operation.to_owned();
        async move {
            let reply = self.raw(&operation, body.to_string()).await;
            assert_eq!(reply.status, 200, "{operation} at {caller}: {}", reply.body);
            reply.body
        }
    }

    /// Asserts the refusal: its code, and a part of its message.
    #[track_caller]
    pub fn refused<'a>(
        &'a self,
        operation: &str,
        body: Value,
        code: &'a str,
        part: &'a str,
    ) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        let operation = operation.to_owned();
        async move {
            let reply = self.raw(&operation, body.to_string()).await;
            let found = reply.body["__type"].as_str().unwrap_or("no error");
            let message = reply.body["message"].as_str().unwrap_or_default();
            assert!(
                found == code && message.contains(part),
                "{operation} at {caller}: {found}: {message}\nexpected {code}: {part}"
            );
            assert_eq!(reply.status, 400);
        }
    }

    pub async fn create(&self, name: &str) -> Value {
        self.ok("CreateApplication", creation(name)).await["ApplicationDetail"].clone()
    }

    pub async fn describe(&self, name: &str) -> Value {
        let described = self.ok("DescribeApplication", json!({ "ApplicationName": name })).await;
        described["ApplicationDetail"].clone()
    }

    pub async fn load(&self, name: &str) -> Loaded {
        let name = ApplicationName::new(name).unwrap();
        self.store.load_named(ACCOUNT, "us-east-1", &name).await.unwrap().expect("it is there")
    }

    /// Does what the controller would: ends the open operation well, and settles.
    pub async fn settle(&self, name: &str, status: Status) {
        self.edit(name, |application, _| {
            application.status = status;
            application.open_operation = None;
        })
        .await;
    }

    /// Writes what `edit` does to the application, and the snapshots it adds.
    pub async fn edit(&self, name: &str, edit: impl FnOnce(&mut Application, &mut Vec<Snapshot>)) {
        let loaded = self.load(name).await;
        let (mut application, mut snapshots) = (loaded.application.clone(), Vec::new());
        edit(&mut application, &mut snapshots);
        let ended = loaded.open_operation.filter(|_| application.open_operation.is_none());
        let ended = ended.map(|mut operation| {
            operation.status = OperationStatus::Successful;
            operation.ended_at = Some(Timestamp(self.now.load(Ordering::SeqCst)));
            operation
        });
        let change = Change {
            expected: Some(loaded.application.revision),
            application: ApplicationWrite::Put(Box::new(application)),
            new_version: None,
            operations: ended.into_iter().collect(),
            snapshots,
            deleted_snapshots: Vec::new(),
            enhanced: Vec::new(),
            wake_at: None,
            idempotency: None,
        };
        self.store.commit(&change, Timestamp(0)).await.unwrap();
    }
}

/// The request with the headers that a signature needs.
pub async fn signed(
    request: Request<Body>,
    key: &NewAccessKey,
    region: &str,
    at_ms: i64,
) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    parts.headers.insert("host", "millrace.test".parse().unwrap());
    parts.headers.insert("content-length", body.len().into());
    parts.headers.insert("x-amz-date", Signer::date(at_ms).parse().unwrap());
    let headers: Vec<(&str, &[u8])> =
        parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let request = millrace_auth::signature::Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &headers,
    };
    let signer = Signer { key: key.clone(), region: region.into(), service: SERVICE.into() };
    let authorization = signer.authorization(&request, &body, at_ms);
    parts.headers.insert("authorization", authorization.parse().unwrap());
    Request::from_parts(parts, Body::from(body))
}

pub fn request(operation: &str) -> http::request::Builder {
    Request::post("/")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("KinesisAnalytics_20180523.{operation}"))
}

/// The least request that creates an application which can start.
pub fn creation(name: &str) -> Value {
    json!({
        "ApplicationName": name,
        "RuntimeEnvironment": "FLINK-1_18",
        "ServiceExecutionRole": ROLE,
        "ApplicationConfiguration": { "ApplicationCodeConfiguration": {
            "CodeContentType": "PLAINTEXT",
            "CodeContent": { "TextContent": SCRIPT }
        } }
    })
}

pub fn arn(name: &str) -> String {
    format!("arn:aws:kinesisanalytics:us-east-1:{ACCOUNT}:application/{name}")
}

/// `whole` with the members of `more`.
pub fn with(mut whole: Value, more: Value) -> Value {
    let members = more.as_object().expect("an object").clone();
    whole.as_object_mut().expect("an object").extend(members);
    whole
}
