//! Enhanced snapshots through the router: legality, lists, tags, restore, deletion.

mod support;

use millrace_domain::change::{ApplicationWrite, Change};
use millrace_domain::configuration::Restore;
use millrace_domain::{OperationStatus, Status, Timestamp};
use millrace_store::WorkKind;
use serde_json::{Value, json};
use support::{Api, creation, with};

const CREATED: u64 = 1_795_356_204;

fn enhanced(name: &str) -> Value {
    let mut request = with(creation(name), json!({ "RuntimeEnvironment": "FLINK-1_20" }));
    request["ApplicationConfiguration"]["ApplicationSnapshotConfiguration"] =
        json!({ "SnapshotsEnabled": true, "SnapshotMode": "ENHANCED_SNAPSHOTS" });
    request
}

fn take(application: &str, name: &str) -> Value {
    json!({ "ApplicationName": application, "SnapshotName": name })
}

fn named(name: &str) -> Value {
    json!({ "SnapshotName": name })
}

fn arn(name: &str) -> String {
    format!("arn:aws:kinesisanalytics:us-east-1:000000000000:snapshot/{name}")
}

fn names(list: &Value) -> Vec<&str> {
    let all = list["SnapshotInfoList"].as_array().unwrap().iter();
    all.map(|one| one["SnapshotName"].as_str().unwrap()).collect()
}

impl Api {
    async fn running(&self, name: &str) {
        self.ok("CreateApplication", enhanced(name)).await;
        self.edit(name, |application, _| application.status = Status::Running).await;
    }

    /// What the controller writes at the end of a CreateSnapshot.
    async fn end(&self, application: &str, outcome: Result<&str, &str>) {
        let loaded = self.load(application).await;
        let mut operation = loaded.open_operation.unwrap();
        let request = operation.request.enhanced.clone().unwrap();
        let now = Timestamp(1_795_356_210_000);
        operation.status = OperationStatus::Successful;
        operation.ended_at = Some(now);
        let mut application = loaded.application.clone();
        application.open_operation = None;
        let change = Change {
            expected: Some(loaded.application.revision),
            application: ApplicationWrite::Put(Box::new(application)),
            new_version: None,
            operations: vec![operation],
            snapshots: vec![],
            deleted_snapshots: vec![],
            enhanced: vec![request.settled(outcome.map(str::to_owned).map_err(str::to_owned), now)],
            wake_at: None,
            idempotency: None,
        };
        self.store.commit(&change, now).await.unwrap();
    }
}

#[tokio::test]
async fn a_snapshot_is_created_described_listed_and_deleted_by_itself() {
    let api = Api::new().await;
    api.running("app").await;
    let request = with(take("app", "s"), json!({ "SnapshotDescription": "before the sale" }));
    let made = api.retryable("CreateSnapshot", "i", &request).await;
    assert_eq!(made.status, 200, "{}", made.body);
    assert_eq!(made.body["SnapshotArn"], arn("s"));
    assert_eq!(made.body["SnapshotStatus"], "CREATING");
    assert_eq!(made.body["SnapshotOperationStatus"], "IN_PROGRESS");
    let again = api.retryable("CreateSnapshot", "i", &request).await;
    assert_eq!(again.body, made.body, "a retry");
    assert_eq!(api.describe("app").await["ApplicationStatus"], "RUNNING");
    let delete = with(named("s"), json!({ "SnapshotCreationTimestamp": CREATED }));
    api.refused("DeleteSnapshot", delete.clone(), "ResourceInUseException", "CREATING").await;

    api.end("app", Ok("/snapshots/s")).await;
    let described = api.ok("DescribeSnapshot", named("s")).await;
    let details = &described["SnapshotInfoDetails"];
    assert_eq!(
        *details,
        json!({
            "SnapshotName": "s", "SnapshotArn": arn("s"), "SnapshotStatus": "READY",
            "SnapshotCreationTimestamp": CREATED, "SnapshotInitiator": "USER",
            "SnapshotInitiatorOperation": "CreateSnapshot", "SnapshotFormat": "CANONICAL",
            "SnapshotDescription": "before the sale", "RuntimeEnvironment": "FLINK-1_20",
            "SnapshotSizeInBytes": 0, "SnapshotEncryptionConfigurationDescription": { "KeyType": "AWS_OWNED_KEY" },
            "SnapshotSourceDescription": { "SourceApplicationDescription": {
                "ApplicationName": "app", "ApplicationCreationTimestamp": CREATED,
                "ApplicationVersionId": 1 } }
        })
    );
    let operation =
        |of: &Value| with(named("s"), json!({ "SnapshotOperationId": of["SnapshotOperationId"] }));
    let ended = api.ok("DescribeSnapshotOperation", operation(&made.body)).await;
    let ended = &ended["SnapshotOperationInfoDetails"];
    assert_eq!(ended["SnapshotOperationStatus"], "SUCCESSFUL");
    assert_eq!((&ended["StartTime"], &ended["EndTime"]), (&json!(CREATED), &json!(CREATED + 6)));

    let wrong = with(named("s"), json!({ "SnapshotCreationTimestamp": 7 }));
    api.refused("DeleteSnapshot", wrong, "InvalidArgumentException", "Timestamp").await;
    let deleted = api.retryable("DeleteSnapshot", "d", &delete).await;
    assert_eq!(deleted.body["SnapshotStatus"], "DELETING", "{}", deleted.body);
    assert_eq!(api.retryable("DeleteSnapshot", "d", &delete).await.body, deleted.body, "a retry");
    api.refused("DeleteSnapshot", delete, "ResourceInUseException", "DELETING").await;
    let now = Timestamp(1_795_356_220_000);
    let open = api.store.take_snapshot_work(WorkKind::Deletions, (now, now), 10).await.unwrap();
    let work = open.into_iter().next().expect("one");
    let ended = work.operation.clone().ended(None, now);
    api.store.end_deletion(&work, &ended, now).await.unwrap();
    api.refused("DescribeSnapshot", named("s"), "ResourceNotFoundException", "s").await;
    // What was done to it is still to be seen.
    let ended = api.ok("DescribeSnapshotOperation", operation(&deleted.body)).await;
    assert_eq!(ended["SnapshotOperationInfoDetails"]["SnapshotOperationStatus"], "SUCCESSFUL");
    let operations = api.ok("ListSnapshotOperations", named("s")).await;
    let kinds: Vec<_> = operations["SnapshotOperationInfoList"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["SnapshotOperation"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["DeleteSnapshot", "CreateSnapshot"]);
    api.refused("ListSnapshotOperations", named("t"), "ResourceNotFoundException", "t").await;
}

#[tokio::test]
async fn a_snapshot_needs_a_running_application_of_the_mode_and_a_name_of_its_own() {
    let api = Api::new().await;
    api.ok("CreateApplication", enhanced("app")).await;
    let check = async |application: &str, name: &str, code: &str, part: &str| {
        api.refused("CreateSnapshot", take(application, name), code, part).await;
    };
    check("app", "s", "ResourceInUseException", "READY").await;
    check("app", "SystemSnapshot-1", "InvalidArgumentException", "reserved").await;
    api.create("old").await;
    api.edit("old", |application, _| application.status = Status::Running).await;
    check("old", "s", "InvalidApplicationConfigurationException", "FLINK-1_20").await;
    let legacy = with(creation("legacy"), json!({ "RuntimeEnvironment": "FLINK-1_20" }));
    api.ok("CreateApplication", legacy).await;
    api.edit("legacy", |application, _| application.status = Status::Running).await;
    check("legacy", "s", "InvalidApplicationConfigurationException", "LEGACY").await;
    api.edit("app", |application, _| application.status = Status::Running).await;
    let code = "InvalidApplicationConfigurationException";
    api.refused("CreateApplicationSnapshot", take("app", "s"), code, "use CreateSnapshot").await;

    api.ok("CreateSnapshot", take("app", "s")).await;
    check("app", "t", "ResourceInUseException", "in progress").await;
    api.end("app", Err("disk full")).await;
    // Also while FAILED, and for another application.
    check("app", "s", "ResourceInUseException", "another name").await;
    api.running("other").await;
    check("other", "s", "ResourceInUseException", "another name").await;
    let listed = api.ok("ListSnapshotOperations", named("s")).await;
    let id = &listed["SnapshotOperationInfoList"][0]["SnapshotOperationId"];
    let failed = with(named("s"), json!({ "SnapshotOperationId": id }));
    let failed = api.ok("DescribeSnapshotOperation", failed).await;
    let failed = &failed["SnapshotOperationInfoDetails"];
    assert_eq!(failed["SnapshotOperationStatus"], "FAILED");
    let cause = &failed["SnapshotOperationFailureDetails"]["ErrorInfo"]["ErrorString"];
    assert_eq!(cause, "disk full");
}

#[tokio::test]
async fn a_force_stop_leaves_the_snapshot_failed_and_its_operation_cancelled() {
    let api = Api::new().await;
    api.running("app").await;
    let made = api.ok("CreateSnapshot", take("app", "s")).await;
    api.ok("StopApplication", json!({ "ApplicationName": "app", "Force": true })).await;
    let described = api.ok("DescribeSnapshot", named("s")).await;
    assert_eq!(described["SnapshotInfoDetails"]["SnapshotStatus"], "FAILED");
    let operation = with(named("s"), json!({ "SnapshotOperationId": made["SnapshotOperationId"] }));
    let ended = api.ok("DescribeSnapshotOperation", operation).await;
    assert_eq!(ended["SnapshotOperationInfoDetails"]["SnapshotOperationStatus"], "CANCELLED");
}

#[tokio::test]
async fn the_mode_goes_forward_only_and_with_the_runtime_there_is() {
    let api = Api::new().await;
    api.create("old").await;
    let mode = |name: &str, mode: &str, more: Value| {
        let configuration = json!({ "ApplicationSnapshotConfigurationUpdate": {
            "SnapshotsEnabledUpdate": true, "SnapshotModeUpdate": mode } });
        with(
            json!({ "ApplicationName": name, "CurrentApplicationVersionId": 1,
                "ApplicationConfigurationUpdate": configuration }),
            more,
        )
    };
    let runtime = json!({ "RuntimeEnvironmentUpdate": "FLINK-1_20" });
    let code = "InvalidArgumentException";
    let early = mode("old", "ENHANCED_SNAPSHOTS", runtime);
    api.refused("UpdateApplication", early, code, "update the runtime first").await;
    api.ok("CreateApplication", enhanced("new")).await;
    let back = mode("new", "APPLICATION_SNAPSHOTS_LEGACY", json!({}));
    api.refused("UpdateApplication", back, code, "RollbackApplication").await;
    let shown = api.describe("new").await["ApplicationConfigurationDescription"].clone();
    let shown = &shown["ApplicationSnapshotConfigurationDescription"];
    assert_eq!(*shown, json!({ "SnapshotsEnabled": true, "SnapshotMode": "ENHANCED_SNAPSHOTS" }));
}

#[tokio::test]
async fn another_application_is_restored_by_arn() {
    let api = Api::new().await;
    api.running("app").await;
    api.ok("CreateSnapshot", take("app", "s")).await;
    api.ok("CreateApplication", enhanced("other")).await;
    let start = |name: &str, restore: Value| {
        let restore =
            with(json!({ "ApplicationRestoreType": "RESTORE_FROM_CUSTOM_SNAPSHOT" }), restore);
        json!({ "ApplicationName": name,
            "RunConfiguration": { "ApplicationRestoreConfiguration": restore } })
    };
    let by_arn = |name: &str| json!({ "SnapshotArn": arn(name) });
    let check = async |name: &str, restore: Value, code: &str, part: &str| {
        api.refused("StartApplication", start(name, restore), code, part).await;
    };
    check("other", by_arn("s"), "ResourceInUseException", "CREATING").await;
    api.end("app", Ok("/snapshots/s")).await;
    check("other", by_arn("none"), "ResourceNotFoundException", "none").await;
    let ia = "InvalidArgumentException";
    check("other", json!({ "SnapshotArn": "arn:aws:s3:::x" }), ia, "SnapshotArn").await;
    check("other", json!({ "SnapshotName": "s" }), ia, "give SnapshotArn").await;
    let both = json!({ "SnapshotName": "s", "SnapshotArn": arn("s") });
    check("other", both, ia, "not both").await;
    api.create("legacy").await;
    check("legacy", by_arn("s"), ia, "LEGACY").await;
    api.ok("StartApplication", start("other", by_arn("s"))).await;
    let run = api.load("other").await.open_operation.unwrap().request.run.unwrap();
    let location = "/snapshots/s".to_owned();
    assert_eq!(run.restore, Restore::Enhanced { arn: arn("s"), location });
}

#[tokio::test]
async fn snapshots_are_filtered_one_way_at_a_time_tagged_and_kept_apart_from_the_old_kind() {
    let api = Api::new().await;
    for name in ["a", "b"] {
        api.running(name).await;
        let tags = json!({ "Tags": [{ "Key": "k", "Value": name }] });
        api.ok("CreateSnapshot", with(take(name, &format!("of-{name}")), tags)).await;
    }
    api.end("a", Ok("/snapshots/a")).await;
    let list = async |filter: Value| api.ok("ListSnapshots", filter).await;
    assert_eq!(names(&list(json!({})).await), ["of-b", "of-a"], "newest first");
    assert_eq!(names(&list(json!({ "SourceApplicationName": "a" })).await), ["of-a"]);
    assert_eq!(names(&list(json!({ "SnapshotStatus": "CREATING" })).await), ["of-b"]);
    assert!(names(&list(json!({ "SnapshotInitiator": "SYSTEM" })).await).is_empty());
    let made = json!({ "SnapshotInitiatorOperation": "CreateSnapshot" });
    assert_eq!(names(&list(made).await).len(), 2);
    let two = json!({ "SnapshotInitiator": "USER", "SnapshotStatus": "READY" });
    api.refused("ListSnapshots", two, "InvalidArgumentException", "one filter").await;
    let page = list(json!({ "Limit": 1 })).await;
    let rest = list(json!({ "Limit": 1, "NextToken": page["NextToken"] })).await;
    assert_eq!((names(&page), names(&rest)), (vec!["of-b"], vec!["of-a"]));
    let old = api.ok("ListApplicationSnapshots", json!({ "ApplicationName": "a" })).await;
    assert_eq!(old["SnapshotSummaries"], json!([]));

    let resource = |more: Value| with(json!({ "ResourceARN": arn("of-a") }), more);
    api.ok("TagResource", resource(json!({ "Tags": [{ "Key": "l", "Value": "1" }] }))).await;
    api.ok("UntagResource", resource(json!({ "TagKeys": ["k"] }))).await;
    let listed = api.ok("ListTagsForResource", resource(json!({}))).await;
    assert_eq!(listed["Tags"], json!([{ "Key": "l", "Value": "1" }]));
}
