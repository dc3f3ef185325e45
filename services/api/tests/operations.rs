//! Each operation through the router: what it answers, and what it refuses.

mod support;

use std::sync::atomic::Ordering;

use millrace_domain::configuration::RunConfiguration;
use millrace_domain::operation::Failure;
use millrace_domain::{
    Generation, Job, Snapshot, SnapshotName, SnapshotStatus, Status, Timestamp, VersionId,
};
use serde_json::{Value, json};
use support::{Api, ROLE, arn, creation, with};

fn named(name: &str) -> Value {
    json!({ "ApplicationName": name })
}

fn update(version: u64, more: Value) -> Value {
    with(json!({ "ApplicationName": "app", "CurrentApplicationVersionId": version }), more)
}

fn job(version: u64) -> Job {
    serde_json::from_value(json!({
        "generation": Generation(1),
        "version": VersionId(version),
        "run": RunConfiguration::default(),
        "started_at": Timestamp(0),
    }))
    .expect("the job's own form")
}

impl Api {
    /// An application RUNNING at version 1.
    async fn running(&self) {
        self.create("app").await;
        self.ok("StartApplication", named("app")).await;
        self.edit("app", |application, _| {
            application.status = Status::Running;
            application.open_operation = None;
            application.job = Some(job(1));
        })
        .await;
    }

    async fn add_snapshot(&self, name: &str, status: SnapshotStatus) {
        self.edit("app", |application, snapshots| {
            snapshots.push(Snapshot {
                application: application.id.clone(),
                name: SnapshotName::new(name).unwrap(),
                status,
                created_at: Timestamp(1_795_356_300_900),
                version: VersionId(1),
                runtime_environment: "FLINK-1_18".into(),
                location: Some("file:///s".into()),
                automatic: false,
                enhanced: false,
            });
        })
        .await;
    }
}

#[tokio::test]
async fn an_application_that_is_not_there_is_not_found() {
    let api = Api::new().await;
    let cases = [
        ("DescribeApplication", json!({})),
        ("DeleteApplication", json!({ "CreateTimestamp": 1 })),
        ("StartApplication", json!({})),
        ("StopApplication", json!({})),
        (
            "UpdateApplication",
            json!({ "CurrentApplicationVersionId": 1, "RuntimeEnvironmentUpdate": "FLINK-1_18" }),
        ),
        ("RollbackApplication", json!({ "CurrentApplicationVersionId": 1 })),
        ("CreateApplicationSnapshot", json!({ "SnapshotName": "s" })),
        ("DescribeApplicationSnapshot", json!({ "SnapshotName": "s" })),
        (
            "DeleteApplicationSnapshot",
            json!({ "SnapshotName": "s", "SnapshotCreationTimestamp": 1 }),
        ),
        ("ListApplicationVersions", json!({})),
        ("DescribeApplicationVersion", json!({ "ApplicationVersionId": 1 })),
        ("ListApplicationOperations", json!({})),
        ("DescribeApplicationOperation", json!({ "OperationId": "o" })),
    ];
    for (operation, more) in cases {
        let request = with(named("nobody"), more);
        api.refused(operation, request, "ResourceNotFoundException", "nobody").await;
    }
    for (operation, more) in [
        ("ListTagsForResource", json!({})),
        ("TagResource", json!({ "Tags": [{ "Key": "k" }] })),
        ("UntagResource", json!({ "TagKeys": ["k"] })),
    ] {
        let request = with(json!({ "ResourceARN": arn("nobody") }), more);
        api.refused(operation, request, "ResourceNotFoundException", "nobody").await;
    }
    // It declares no ResourceNotFoundException.
    api.refused("ListApplicationSnapshots", named("nobody"), "InvalidArgumentException", "nobody")
        .await;
}

#[tokio::test]
async fn a_start_answers_its_operation_and_shows_the_run_configuration_while_there_is_a_job() {
    let api = Api::new().await;
    api.running().await;
    let started = api.ok("ListApplicationOperations", named("app")).await;
    let info = &started["ApplicationOperationInfoList"][0];
    assert_eq!(
        (&info["Operation"], &info["OperationStatus"]),
        (&json!("StartApplication"), &json!("SUCCESSFUL"))
    );
    let described = api.describe("app").await;
    assert_eq!(described["ApplicationVersionId"], 1, "a start makes no version");
    assert_eq!(
        described["ApplicationConfigurationDescription"]["RunConfigurationDescription"],
        json!({
            "ApplicationRestoreConfigurationDescription": {
                "ApplicationRestoreType": "RESTORE_FROM_LATEST_SNAPSHOT" },
            "FlinkRunConfigurationDescription": { "AllowNonRestoredState": false }
        })
    );
    api.refused("StartApplication", named("app"), "ResourceInUseException", "RUNNING").await;
    api.ok("StopApplication", named("app")).await;
    assert_eq!(api.describe("app").await["ApplicationStatus"], "STOPPING");
    api.edit("app", |application, _| {
        application.status = Status::Ready;
        application.job = None;
        application.open_operation = None;
    })
    .await;
    let stopped = api.describe("app").await;
    assert!(
        stopped["ApplicationConfigurationDescription"].get("RunConfigurationDescription").is_none()
    );
}

#[tokio::test]
async fn a_restore_names_its_snapshot_or_none() {
    let api = Api::new().await;
    api.create("app").await;
    let start = |restore: Value| {
        with(
            named("app"),
            json!({ "RunConfiguration": { "ApplicationRestoreConfiguration": restore } }),
        )
    };
    let custom = "RESTORE_FROM_CUSTOM_SNAPSHOT";
    let cases = [
        (
            json!({ "ApplicationRestoreType": custom }),
            "InvalidArgumentException",
            "SnapshotName is required",
        ),
        (
            json!({ "ApplicationRestoreType": "SKIP_RESTORE_FROM_SNAPSHOT", "SnapshotName": "s" }),
            "InvalidArgumentException",
            "needs",
        ),
        (
            json!({ "ApplicationRestoreType": custom, "SnapshotArn": "arn:s" }),
            "InvalidArgumentException",
            "SnapshotArn",
        ),
        (
            json!({ "ApplicationRestoreType": custom, "SnapshotName": "none" }),
            "ResourceNotFoundException",
            "none",
        ),
    ];
    for (restore, code, part) in cases {
        api.refused("StartApplication", start(restore), code, part).await;
    }
    let skip = json!({ "ApplicationRestoreType": "SKIP_RESTORE_FROM_SNAPSHOT" });
    let answer = api.ok("StartApplication", start(skip)).await;
    let operation = with(named("app"), answer);
    let details = api.ok("DescribeApplicationOperation", operation).await;
    let details = &details["ApplicationOperationInfoDetails"];
    assert_eq!(details["OperationStatus"], "IN_PROGRESS");
    assert!(details.get("EndTime").is_none());
}

#[tokio::test]
async fn an_application_without_code_cannot_start() {
    let api = Api::new().await;
    let bare = json!({
        "ApplicationName": "app", "RuntimeEnvironment": "FLINK-1_18", "ServiceExecutionRole": ROLE
    });
    api.ok("CreateApplication", bare).await;
    let code = "InvalidApplicationConfigurationException";
    api.refused("StartApplication", named("app"), code, "no code").await;
}

#[tokio::test]
async fn an_update_answers_the_next_version_and_its_operation() {
    let api = Api::new().await;
    api.running().await;
    api.now.fetch_add(5_000, Ordering::SeqCst);
    let request = update(
        1,
        json!({
            "RuntimeEnvironmentUpdate": "FLINK-1_19",
            "ApplicationConfigurationUpdate": {
                "ApplicationCodeConfigurationUpdate": {
                    "CodeContentUpdate": { "TextContentUpdate": "SELECT 5" } },
                "FlinkApplicationConfigurationUpdate": {
                    "ParallelismConfigurationUpdate": {
                        "ConfigurationTypeUpdate": "CUSTOM", "ParallelismUpdate": 4,
                        "ParallelismPerKPUUpdate": 2, "AutoScalingEnabledUpdate": false },
                    "CheckpointConfigurationUpdate": { "ConfigurationTypeUpdate": "DEFAULT" } },
                "EnvironmentPropertyUpdates": { "PropertyGroups": [
                    { "PropertyGroupId": "g", "PropertyMap": { "k": "v" } } ] },
                "ApplicationSnapshotConfigurationUpdate": { "SnapshotsEnabledUpdate": false },
                "ApplicationSystemRollbackConfigurationUpdate": { "RollbackEnabledUpdate": true }
            }
        }),
    );
    let answer = api.ok("UpdateApplication", request).await;
    let detail = &answer["ApplicationDetail"];
    assert_eq!(*detail, api.describe("app").await);
    assert_eq!(
        (&detail["ApplicationStatus"], &detail["ApplicationVersionId"]),
        (&json!("UPDATING"), &json!(2))
    );
    assert_eq!(detail["ApplicationVersionUpdatedFrom"], 1);
    assert_eq!(detail["RuntimeEnvironment"], "FLINK-1_19");
    assert_eq!(detail["LastUpdateTimestamp"], 1_795_356_209);
    let shown = &detail["ApplicationConfigurationDescription"];
    let parallelism =
        &shown["FlinkApplicationConfigurationDescription"]["ParallelismConfigurationDescription"];
    assert_eq!(
        (&parallelism["Parallelism"], &parallelism["ParallelismPerKPU"]),
        (&json!(4), &json!(2))
    );
    assert_eq!(
        shown["EnvironmentPropertyDescriptions"]["PropertyGroupDescriptions"],
        json!([{ "PropertyGroupId": "g", "PropertyMap": { "k": "v" } }])
    );
    assert_eq!(shown["ApplicationSnapshotConfigurationDescription"]["SnapshotsEnabled"], false);
    assert_eq!(shown["ApplicationSystemRollbackConfigurationDescription"]["RollbackEnabled"], true);

    let operation = with(named("app"), json!({ "OperationId": answer["OperationId"] }));
    let details = api.ok("DescribeApplicationOperation", operation).await;
    assert_eq!(
        details["ApplicationOperationInfoDetails"]["ApplicationVersionChangeDetails"],
        json!({ "ApplicationVersionUpdatedFrom": 1, "ApplicationVersionUpdatedTo": 2 })
    );
    let second = update(2, json!({ "RuntimeEnvironmentUpdate": "FLINK-1_19" }));
    api.refused("UpdateApplication", second, "ResourceInUseException", "UPDATING").await;
}

#[tokio::test]
async fn an_update_is_held_to_the_version_it_was_made_for() {
    let api = Api::new().await;
    let token = api.create("app").await["ConditionalToken"].clone();
    let change = json!({ "RuntimeEnvironmentUpdate": "FLINK-1_19" });
    let with_token = |token: Value| {
        with(named("app"), with(json!({ "ConditionalToken": token }), change.clone()))
    };
    let code = "ConcurrentModificationException";
    api.refused("UpdateApplication", update(2, change.clone()), code, "at version 1").await;
    api.refused("UpdateApplication", with_token(json!("c3RhbGU=")), code, "ConditionalToken").await;
    let none = with(named("app"), change.clone());
    api.refused("UpdateApplication", none, "InvalidArgumentException", "one of the two").await;
    let empty = update(1, json!({}));
    api.refused("UpdateApplication", empty, "InvalidArgumentException", "no change").await;
    api.ok("UpdateApplication", with_token(token.clone())).await;
    api.settle("app", Status::Ready).await;
    api.refused("UpdateApplication", with_token(token), code, "ConditionalToken").await;
}

#[tokio::test]
async fn a_key_alone_updates_the_s3_location() {
    let api = Api::new().await;
    let code = json!({ "ApplicationCodeConfiguration": {
        "CodeContentType": "PLAINTEXT",
        "CodeContent": { "S3ContentLocation": {
            "BucketARN": "arn:aws:s3:::code", "FileKey": "main.sql", "ObjectVersion": "v1" } } } });
    api.ok("CreateApplication", with(creation("app"), json!({ "ApplicationConfiguration": code })))
        .await;
    let to = |key: &str, kind: Value| {
        update(
            1,
            json!({ "ApplicationConfigurationUpdate": {
        "ApplicationCodeConfigurationUpdate": {
            "CodeContentTypeUpdate": kind,
            "CodeContentUpdate": { "S3ContentLocationUpdate": { "FileKeyUpdate": key } } } } }),
        )
    };
    let missing = to("gone.sql", Value::Null);
    api.refused("UpdateApplication", missing, "InvalidArgumentException", "fileKey: gone.sql")
        .await;
    let answer = api.ok("UpdateApplication", to("app.zip", json!("ZIPFILE"))).await;
    let shown = &answer["ApplicationDetail"]["ApplicationConfigurationDescription"]["ApplicationCodeConfigurationDescription"];
    assert_eq!(shown["CodeContentType"], "ZIPFILE");
    assert_eq!(
        shown["CodeContentDescription"]["S3ApplicationCodeLocationDescription"],
        json!({ "BucketARN": "arn:aws:s3:::code", "FileKey": "app.zip" })
    );
}

#[tokio::test]
async fn a_rollback_goes_to_the_version_before() {
    let api = Api::new().await;
    api.running().await;
    let rollback = |version: u64| update(version, json!({}));
    api.refused("RollbackApplication", rollback(1), "InvalidRequestException", "no version").await;
    api.ok("UpdateApplication", update(1, json!({ "RuntimeEnvironmentUpdate": "FLINK-1_19" })))
        .await;
    api.settle("app", Status::Running).await;
    api.refused("RollbackApplication", rollback(1), "ConcurrentModificationException", "2").await;
    api.refused("RollbackApplication", rollback(2), "InvalidRequestException", "READY snapshot")
        .await;
    api.add_snapshot("before", SnapshotStatus::Ready).await;
    let answer = api.ok("RollbackApplication", rollback(2)).await;
    let detail = &answer["ApplicationDetail"];
    assert_eq!(detail["ApplicationStatus"], "ROLLING_BACK");
    assert_eq!(
        (&detail["ApplicationVersionId"], &detail["RuntimeEnvironment"]),
        (&json!(1), &json!("FLINK-1_18"))
    );
    assert_eq!(detail["ApplicationVersionRolledBackFrom"], 2);
    assert_eq!(detail["ApplicationVersionRolledBackTo"], 1);
    assert!(answer["OperationId"].is_string());
    let versions = api.ok("ListApplicationVersions", named("app")).await;
    assert_eq!(
        versions["ApplicationVersionSummaries"],
        json!([
            { "ApplicationVersionId": 2, "ApplicationStatus": "ROLLED_BACK" },
            { "ApplicationVersionId": 1, "ApplicationStatus": "ROLLING_BACK" }
        ])
    );
    let second = with(named("app"), json!({ "ApplicationVersionId": 2 }));
    let second = api.ok("DescribeApplicationVersion", second).await;
    assert_eq!(second["ApplicationVersionDetail"]["RuntimeEnvironment"], "FLINK-1_19");
    assert!(second["ApplicationVersionDetail"].get("ConditionalToken").is_none());
    let none = with(named("app"), json!({ "ApplicationVersionId": 3 }));
    api.refused("DescribeApplicationVersion", none, "ResourceNotFoundException", "no version 3")
        .await;
}

#[tokio::test]
async fn a_force_stop_takes_the_place_of_the_operation_in_progress() {
    let api = Api::new().await;
    api.create("app").await;
    let start = api.ok("StartApplication", named("app")).await;
    api.refused("StopApplication", named("app"), "ResourceInUseException", "STARTING").await;
    let forced = with(named("app"), json!({ "Force": true }));
    api.ok("StopApplication", forced).await;
    assert_eq!(api.describe("app").await["ApplicationStatus"], "FORCE_STOPPING");
    let cancelled = api.ok("DescribeApplicationOperation", with(named("app"), start)).await;
    let cancelled = &cancelled["ApplicationOperationInfoDetails"];
    assert_eq!(cancelled["OperationStatus"], "CANCELLED");
    assert_eq!(cancelled["EndTime"], 1_795_356_204);
}

#[tokio::test]
async fn a_running_application_is_deleted_by_the_second_of_its_creation() {
    let api = Api::new().await;
    api.running().await;
    let delete = |time: Value| with(named("app"), json!({ "CreateTimestamp": time }));
    let code = "InvalidArgumentException";
    api.refused("DeleteApplication", delete(json!(1_795_356_205)), code, "CreateTimestamp").await;
    // Whole from the aws cli and Terraform, a fraction from boto3.
    let answer = api.ok("DeleteApplication", delete(json!(1_795_356_204.2))).await;
    assert_eq!(answer, json!({}));
    assert_eq!(api.describe("app").await["ApplicationStatus"], "DELETING");
    let again = delete(json!(1_795_356_204));
    api.refused("DeleteApplication", again, "ResourceInUseException", "DELETING").await;
}

#[tokio::test]
async fn snapshots_are_created_described_listed_and_deleted() {
    let api = Api::new().await;
    api.create("app").await;
    let named_s = with(named("app"), json!({ "SnapshotName": "s" }));
    let code = "ResourceInUseException";
    api.refused("CreateApplicationSnapshot", named_s.clone(), code, "RUNNING").await;
    api.edit("app", |application, _| application.status = Status::Running).await;
    assert_eq!(api.ok("CreateApplicationSnapshot", named_s.clone()).await, json!({}));
    let described = api.ok("DescribeApplicationSnapshot", named_s.clone()).await;
    assert_eq!(
        described["SnapshotDetails"],
        json!({
            "SnapshotName": "s", "SnapshotStatus": "CREATING", "ApplicationVersionId": 1,
            "SnapshotCreationTimestamp": 1_795_356_204, "RuntimeEnvironment": "FLINK-1_18"
        })
    );
    assert_eq!(api.describe("app").await["ApplicationStatus"], "RUNNING");
    let second = with(named("app"), json!({ "SnapshotName": "t" }));
    api.refused("CreateApplicationSnapshot", second, code, "in progress").await;
    api.settle("app", Status::Running).await;
    api.refused("CreateApplicationSnapshot", named_s.clone(), code, "already").await;
    let delete = |name: &str, time: u64| {
        with(named("app"), json!({ "SnapshotName": name, "SnapshotCreationTimestamp": time }))
    };
    let created = 1_795_356_204;
    api.refused("DeleteApplicationSnapshot", delete("s", created), code, "CREATING").await;
    api.add_snapshot("r", SnapshotStatus::Ready).await;
    let wrong = delete("r", created);
    api.refused("DeleteApplicationSnapshot", wrong, "InvalidArgumentException", "time").await;
    let none = delete("none", created);
    api.refused("DeleteApplicationSnapshot", none, "ResourceNotFoundException", "none").await;
    api.ok("DeleteApplicationSnapshot", delete("r", 1_795_356_300)).await;
    let listed = api.ok("ListApplicationSnapshots", named("app")).await;
    let shown: Vec<_> = listed["SnapshotSummaries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["SnapshotName"].as_str().unwrap(), one["SnapshotStatus"].as_str().unwrap()))
        .collect();
    assert_eq!(shown, [("r", "DELETING"), ("s", "CREATING")]);
    let none = with(named("app"), json!({ "SnapshotName": "none" }));
    api.refused("DescribeApplicationSnapshot", none, "ResourceNotFoundException", "none").await;
}

#[tokio::test]
async fn a_failed_operation_says_why_and_names_its_rollback() {
    let api = Api::new().await;
    api.running().await;
    let answer = api
        .ok("UpdateApplication", update(1, json!({ "RuntimeEnvironmentUpdate": "FLINK-1_19" })))
        .await;
    let loaded = api.load("app").await;
    let mut operation = loaded.open_operation.clone().unwrap();
    operation.status = millrace_domain::OperationStatus::Failed;
    operation.ended_at = Some(Timestamp(1_795_356_210_000));
    operation.failure = Some(Failure {
        message: format!("The job failed: {}", "ü".repeat(600)),
        rollback_operation: Some(millrace_domain::OperationId::new("back").unwrap()),
    });
    let mut application = loaded.application.clone();
    application.open_operation = None;
    let change = millrace_domain::Change {
        expected: Some(loaded.application.revision),
        application: millrace_domain::change::ApplicationWrite::Put(Box::new(application)),
        new_version: None,
        operations: vec![operation],
        snapshots: vec![],
        deleted_snapshots: vec![],
        enhanced: Vec::new(),
        wake_at: None,
        idempotency: None,
    };
    api.store.commit(&change, Timestamp(0)).await.unwrap();
    let request = with(named("app"), json!({ "OperationId": answer["OperationId"] }));
    let details = api.ok("DescribeApplicationOperation", request).await;
    let details = &details["ApplicationOperationInfoDetails"];
    assert_eq!(
        (&details["OperationStatus"], &details["EndTime"]),
        (&json!("FAILED"), &json!(1_795_356_210))
    );
    let failure = &details["OperationFailureDetails"];
    assert_eq!(failure["RollbackOperationId"], "back");
    let text = failure["ErrorInfo"]["ErrorString"].as_str().unwrap();
    assert!(text.starts_with("The job failed: ") && text.chars().count() == 512, "{text}");
}

#[tokio::test]
async fn tags_are_added_replaced_listed_and_removed() {
    let api = Api::new().await;
    let tags = json!([{ "Key": "a", "Value": "1" }, { "Key": "b" }]);
    api.ok("CreateApplication", with(creation("app"), json!({ "Tags": tags }))).await;
    let resource = || json!({ "ResourceARN": arn("app") });
    let tagged = with(
        resource(),
        json!({ "Tags": [{ "Key": "a", "Value": "2" }, { "Key": "c", "Value": "3" }] }),
    );
    assert_eq!(api.ok("TagResource", tagged).await, json!({}));
    api.ok("UntagResource", with(resource(), json!({ "TagKeys": ["b", "none"] }))).await;
    let listed = api.ok("ListTagsForResource", resource()).await;
    assert_eq!(listed["Tags"], json!([{ "Key": "a", "Value": "2" }, { "Key": "c", "Value": "3" }]));
    assert_eq!(api.describe("app").await["ApplicationVersionId"], 1, "tags make no version");

    let many: Vec<Value> = (0..49).map(|at| json!({ "Key": format!("k{at}") })).collect();
    let many = with(resource(), json!({ "Tags": many }));
    api.refused("TagResource", many, "TooManyTagsException", "51 tags").await;
    let twice = with(resource(), json!({ "Tags": [{ "Key": "x" }, { "Key": "x" }] }));
    api.refused("TagResource", twice, "InvalidArgumentException", "twice").await;
    for (other, code) in [
        ("arn:aws:s3:::bucket", "InvalidArgumentException"),
        (
            "arn:aws:kinesisanalytics:us-east-1:111111111111:application/app",
            "ResourceNotFoundException",
        ),
    ] {
        api.refused("ListTagsForResource", json!({ "ResourceARN": other }), code, "ResourceARN")
            .await;
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let api = Api::new().await;
    for name in ["c", "a", "b", "a.b", "a-b"] {
        api.create(name).await;
    }
    let mut names = Vec::new();
    let mut request = json!({ "Limit": 2 });
    loop {
        let page = api.ok("ListApplications", request.clone()).await;
        let shown = page["ApplicationSummaries"].as_array().unwrap();
        assert!(shown.len() <= 2);
        names.extend(shown.iter().map(|one| one["ApplicationName"].as_str().unwrap().to_owned()));
        match page.get("NextToken") {
            Some(token) => request["NextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(names, ["a", "a-b", "a.b", "b", "c"]);

    api.create("app").await;
    for _ in 0..3 {
        api.ok("StartApplication", named("app")).await;
        api.settle("app", Status::Ready).await;
    }
    let first =
        api.ok("ListApplicationOperations", with(named("app"), json!({ "Limit": 2 }))).await;
    assert_eq!(first["ApplicationOperationInfoList"].as_array().unwrap().len(), 2);
    let rest = with(named("app"), json!({ "Limit": 2, "NextToken": first["NextToken"] }));
    let rest = api.ok("ListApplicationOperations", rest).await;
    assert_eq!(rest["ApplicationOperationInfoList"].as_array().unwrap().len(), 1);
    assert!(rest.get("NextToken").is_none());
    let bad = with(named("app"), json!({ "NextToken": "nonsense" }));
    for operation in
        ["ListApplicationOperations", "ListApplicationVersions", "ListApplicationSnapshots"]
    {
        api.refused(operation, bad.clone(), "InvalidArgumentException", "NextToken").await;
    }
    // It declares no InvalidArgumentException.
    let bad = json!({ "Limit": 51 });
    api.refused("ListApplications", bad, "InvalidRequestException", "Limit").await;
}

#[tokio::test]
async fn operations_are_filtered() {
    let api = Api::new().await;
    api.running().await;
    let count = async |more: Value| {
        let listed = api.ok("ListApplicationOperations", with(named("app"), more)).await;
        listed["ApplicationOperationInfoList"].as_array().unwrap().len()
    };
    assert_eq!(count(json!({})).await, 1);
    assert_eq!(count(json!({ "Operation": "StartApplication" })).await, 1);
    assert_eq!(count(json!({ "Operation": "Maintenance" })).await, 0);
    assert_eq!(count(json!({ "OperationStatus": "SUCCESSFUL" })).await, 1);
    assert_eq!(count(json!({ "OperationStatus": "FAILED" })).await, 0);
    let none = with(named("app"), json!({ "OperationId": "not ours!" }));
    api.refused("DescribeApplicationOperation", none, "ResourceNotFoundException", "app").await;
}

#[tokio::test]
async fn the_sql_operations_name_what_is_wrong_first_and_then_that_they_are_discontinued() {
    let api = Api::new().await;
    api.create("app").await;
    let delete = |name: &str, version: u64| {
        with(named(name), json!({ "CurrentApplicationVersionId": version, "OutputId": "1.1" }))
    };
    let operation = "DeleteApplicationOutput";
    let code = "UnsupportedOperationException";
    api.refused(operation, delete("app", 1), code, "SQL-1_0").await;
    let stale = "ConcurrentModificationException";
    api.refused(operation, delete("app", 2), stale, "at version 1").await;
    api.refused(operation, delete("none", 1), "ResourceNotFoundException", "none").await;
    let discover = json!({ "ServiceExecutionRole": ROLE });
    api.refused("DiscoverInputSchema", discover, code, "CREATE TABLE").await;
    assert_eq!(api.describe("app").await["ApplicationVersionId"], 1);
}

#[tokio::test]
async fn the_plan_of_a_running_job_is_among_the_details() {
    let api = Api::new().await;
    let plan = async |details: bool| {
        let request = with(named("app"), json!({ "IncludeAdditionalDetails": details }));
        let detail = api.ok("DescribeApplication", request).await["ApplicationDetail"].clone();
        let shown = &detail["ApplicationConfigurationDescription"];
        shown["FlinkApplicationConfigurationDescription"]["JobPlanDescription"].clone()
    };
    api.create("app").await;
    assert_eq!(plan(true).await, Value::Null, "nothing runs");
    api.edit("app", |application, _| {
        application.status = Status::Running;
        application.job = Some(job(1));
    })
    .await;
    assert_eq!(plan(true).await, "{\"generation\":1}");
    assert_eq!(plan(false).await, Value::Null);
}
