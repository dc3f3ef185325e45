//! A call that is sent again, and calls that come at once.

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use millrace_api_spec::operations::OPERATIONS;
use millrace_domain::{
    Application, Snapshot, SnapshotName, SnapshotStatus, Status, Timestamp, VersionId,
};
use serde_json::{Value, json};
use support::{Api, creation, signed, with};

fn upgrade(runtime: &str) -> Value {
    json!({
        "ApplicationName": "app", "CurrentApplicationVersionId": 1,
        "RuntimeEnvironmentUpdate": runtime
    })
}

fn at(version: u64, more: Value) -> Value {
    with(json!({ "ApplicationName": "app", "CurrentApplicationVersionId": version }), more)
}

fn ready(application: &Application) -> Snapshot {
    Snapshot {
        application: application.id.clone(),
        name: SnapshotName::new("ready").unwrap(),
        status: SnapshotStatus::Ready,
        created_at: Timestamp(1_500),
        version: VersionId(1),
        runtime_environment: "FLINK-1_18".into(),
        location: None,
        automatic: true,
        enhanced: false,
    }
}

#[tokio::test]
async fn a_retry_of_a_mutation_gets_the_first_answer_and_does_nothing() {
    let api = Api::new().await;
    let created = api.create("app").await;
    let arn = created["ApplicationARN"].clone();
    let snapshot = json!({ "ApplicationName": "app", "SnapshotName": "s" });
    let named = json!({ "ApplicationName": "app" });
    // (the call, the status it is made in)
    let calls = [
        ("CreateApplication", creation("other"), Status::Ready),
        ("StartApplication", named.clone(), Status::Ready),
        ("CreateApplicationSnapshot", snapshot, Status::Running),
        ("UpdateApplication", upgrade("FLINK-1_19"), Status::Running),
        (
            "RollbackApplication",
            json!({ "ApplicationName": "app", "CurrentApplicationVersionId": 2 }),
            Status::Running,
        ),
        (
            "DeleteApplicationSnapshot",
            json!({ "ApplicationName": "app", "SnapshotName": "ready", "SnapshotCreationTimestamp": 1 }),
            Status::Running,
        ),
        ("StopApplication", named, Status::Running),
        ("TagResource", json!({ "ResourceARN": arn, "Tags": [{ "Key": "k" }] }), Status::Ready),
        ("UntagResource", json!({ "ResourceARN": arn, "TagKeys": ["k"] }), Status::Ready),
        (
            "AddApplicationVpcConfiguration",
            at(1, json!({ "VpcConfiguration": { "SubnetIds": ["s"], "SecurityGroupIds": ["g"] } })),
            Status::Ready,
        ),
        (
            "AddApplicationCloudWatchLoggingOption",
            at(3, json!({ "CloudWatchLoggingOption": { "LogStreamARN": "arn:x" } })),
            Status::Ready,
        ),
        (
            "DeleteApplicationVpcConfiguration",
            at(4, json!({ "VpcConfigurationId": "3.1" })),
            Status::Running,
        ),
        (
            "DeleteApplicationCloudWatchLoggingOption",
            at(5, json!({ "CloudWatchLoggingOptionId": "4.1" })),
            Status::Ready,
        ),
        (
            "UpdateApplicationMaintenanceConfiguration",
            json!({ "ApplicationName": "app", "ApplicationMaintenanceConfigurationUpdate": {
                "ApplicationMaintenanceWindowStartTimeUpdate": "05:00" } }),
            Status::Ready,
        ),
        (
            "DeleteApplication",
            json!({ "ApplicationName": "app", "CreateTimestamp": created["CreateTimestamp"] }),
            Status::Ready,
        ),
    ];
    let mut covered: BTreeSet<&str> = calls.iter().map(|(operation, ..)| *operation).collect();
    // In `snapshots.rs` and `transfers.rs`.
    covered.extend(["CreateSnapshot", "DeleteSnapshot", "ExportSnapshot", "ImportSnapshot"]);
    let mutations = OPERATIONS.iter().filter(|operation| operation.mutates);
    assert_eq!(covered, mutations.map(|operation| operation.name).collect());
    for (operation, request, status) in calls {
        api.settle("app", status).await;
        api.edit("app", |application, snapshots| snapshots.push(ready(application))).await;
        let first = api.retryable(operation, operation, &request).await;
        assert_eq!(first.status, 200, "{operation}: {}", first.body);
        let revision = api.load("app").await.application.revision;
        let wakes = api.wakes.load(Ordering::SeqCst);
        // The answer to the first was lost on the way; time went on.
        api.now.fetch_add(3_000, Ordering::SeqCst);
        let again = api.retryable(operation, operation, &request).await;
        assert_eq!((again.status, &again.body), (200, &first.body), "{operation}");
        assert_eq!(api.load("app").await.application.revision, revision, "{operation}");
        assert_eq!(api.wakes.load(Ordering::SeqCst), wakes, "{operation}");
    }
}

#[tokio::test]
async fn the_same_invocation_with_another_request_is_another_call() {
    let api = Api::new().await;
    api.create("app").await;
    let first = api.retryable("UpdateApplication", "i", &upgrade("FLINK-1_19")).await;
    assert_eq!(first.status, 200);
    let other = api.retryable("UpdateApplication", "i", &upgrade("FLINK-1_18")).await;
    assert_eq!(other.body["__type"], "ConcurrentModificationException");
}

#[tokio::test]
async fn a_call_that_was_refused_is_decided_anew() {
    let api = Api::new().await;
    api.create("app").await;
    let stop = json!({ "ApplicationName": "app" });
    let refused = api.retryable("StopApplication", "i", &stop).await;
    assert_eq!(refused.body["__type"], "ResourceInUseException");
    api.settle("app", Status::Running).await;
    assert_eq!(api.retryable("StopApplication", "i", &stop).await.status, 200);
}

#[tokio::test]
async fn each_mutation_wakes_the_controller_and_no_read_does() {
    let api = Api::new().await;
    api.create("app").await;
    let before = api.wakes.load(Ordering::SeqCst);
    api.describe("app").await;
    assert_eq!(api.wakes.load(Ordering::SeqCst), before);
    api.ok("StartApplication", json!({ "ApplicationName": "app" })).await;
    assert_eq!(api.wakes.load(Ordering::SeqCst), before + 1);
    assert_eq!(api.store.due("one", Timestamp(i64::MAX), 9).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_updates_at_one_version_exactly_one_wins() {
    for _ in 0..10 {
        let api = Api::new().await;
        api.create("app").await;
        let calls = (0..8).map(|_| {
            let router = api.router.clone();
            let request = http::Request::post("/")
                .header("content-type", "application/x-amz-json-1.1")
                .header("x-amz-target", "KinesisAnalytics_20180523.UpdateApplication")
                .body(axum::body::Body::from(upgrade("FLINK-1_19").to_string()))
                .unwrap();
            let (key, now_ms) = (api.root.clone(), api.now.load(Ordering::SeqCst));
            tokio::spawn(async move {
                let request = signed(request, &key, "us-east-1", now_ms).await;
                tower::ServiceExt::oneshot(router, request).await
            })
        });
        let mut won = 0;
        for call in calls.collect::<Vec<_>>() {
            let response = call.await.unwrap().unwrap();
            let status = response.status().as_u16();
            let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
            let text = String::from_utf8_lossy(&body).into_owned();
            match status {
                200 => won += 1,
                _ => assert!(text.contains("ConcurrentModificationException"), "{text}"),
            }
        }
        assert_eq!(won, 1);
        assert_eq!(api.describe("app").await["ApplicationVersionId"], 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_one_call_sent_twice_at_once_one_is_done_and_both_are_answered() {
    for _ in 0..10 {
        let api = Api::new().await;
        api.create("app").await;
        let request = upgrade("FLINK-1_19");
        let (one, two) = tokio::join!(
            api.retryable("UpdateApplication", "i", &request),
            api.retryable("UpdateApplication", "i", &request)
        );
        assert_eq!((one.status, two.status), (200, 200), "{one:?} {two:?}");
        assert_eq!(one.body, two.body);
        assert_eq!(api.describe("app").await["ApplicationVersionId"], 2);
    }
}
