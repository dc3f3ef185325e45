//! ExportSnapshot and ImportSnapshot through both surfaces: legality, what is shown, retries.

mod support;

use millrace_domain::Timestamp;
use millrace_domain::enhanced::EnhancedRequest;
use millrace_store::{SnapshotWork, WorkKind};
use serde_json::{Value, json};
use support::{Api, with};

const ROLE: &str = "arn:aws:iam::000000000000:role/any";
const NOW: Timestamp = Timestamp(1_795_356_210_000);

fn place(bucket: &str, prefix: &str) -> Value {
    json!({ "BucketARN": format!("arn:aws:s3:::{bucket}"), "KeyPrefix": prefix })
}

fn import(name: &str, prefix: &str) -> Value {
    json!({ "SnapshotName": name, "ImportSourceConfiguration": {
        "SourceType": "S3", "ImportRoleArn": ROLE,
        "SourceS3PrefixLocation": place("backups", prefix) } })
}

fn export(name: &str, prefix: &str) -> Value {
    json!({ "SnapshotName": name, "ExportDestinationConfiguration": {
        "DestinationType": "S3", "ExportRoleArn": ROLE,
        "DestinationS3PrefixLocation": place("backups", prefix) } })
}

impl Api {
    async fn work(&self) -> SnapshotWork {
        let taken = self.store.take_snapshot_work(WorkKind::Transfers, (NOW, NOW), 9).await;
        let mut taken = taken.unwrap();
        assert_eq!(taken.len(), 1, "{taken:?}");
        taken.remove(0)
    }

    /// What the worker writes at the end of an import.
    async fn imported(&self, outcome: Result<&str, &str>) {
        let work = self.work().await;
        let begun =
            EnhancedRequest { snapshot: work.snapshot.clone(), operation: work.operation.clone() };
        let outcome = outcome.map(str::to_owned).map_err(str::to_owned);
        self.store.end_import(&work, &begun.settled(outcome, NOW).sized(512), NOW).await.unwrap();
    }

    async fn operation(&self, name: &str, of: &Value) -> Value {
        let request = json!({
            "SnapshotName": name, "SnapshotOperationId": of["SnapshotOperationId"] });
        let shown = self.ok("DescribeSnapshotOperation", request).await;
        shown["SnapshotOperationInfoDetails"].clone()
    }
}

#[tokio::test]
async fn a_snapshot_is_imported_exported_and_deleted() {
    let api = Api::new().await;
    let more = json!({ "SnapshotDescription": "from before", "SnapshotFormat": "CANONICAL",
        "Tags": [{ "Key": "k", "Value": "v" }] });
    let request = with(import("s", "old/op/"), more);
    let made = api.retryable("ImportSnapshot", "i", &request).await;
    assert_eq!(made.status, 200, "{}", made.body);
    assert_eq!(
        (&made.body["SnapshotStatus"], &made.body["SnapshotOperationStatus"]),
        (&json!("CREATING"), &json!("IN_PROGRESS"))
    );
    assert_eq!(api.retryable("ImportSnapshot", "i", &request).await.body, made.body, "a retry");
    let code = "ResourceInUseException";
    api.refused("ImportSnapshot", import("s", "other"), code, "another name").await;
    api.refused("ExportSnapshot", export("s", "new"), code, "CREATING").await;
    let begun = api.operation("s", &made.body).await;
    assert_eq!(begun["SnapshotOperation"], "ImportSnapshot");

    api.imported(Ok("/snapshots/s")).await;
    let details = api.ok("DescribeSnapshot", json!({ "SnapshotName": "s" })).await;
    let details = &details["SnapshotInfoDetails"];
    assert_eq!(
        *details,
        json!({
            "SnapshotName": "s", "SnapshotArn": made.body["SnapshotArn"],
            "SnapshotStatus": "READY", "SnapshotCreationTimestamp": 1_795_356_204,
            "SnapshotInitiator": "USER", "SnapshotInitiatorOperation": "ImportSnapshot",
            "SnapshotFormat": "CANONICAL", "SnapshotDescription": "from before",
            "SnapshotSizeInBytes": 512,
            "SnapshotEncryptionConfigurationDescription": { "KeyType": "AWS_OWNED_KEY" },
            "SnapshotSourceDescription": { "S3PrefixLocation": place("backups", "old/op/") }
        })
    );
    let ended = api.operation("s", &made.body).await;
    assert_eq!(ended["SnapshotOperationStatus"], "SUCCESSFUL");
    let source = &ended["SnapshotSourceLocationDescription"];
    assert_eq!(
        *source,
        json!({ "LocationType": "S3", "S3PrefixLocation": place("backups", "old/op/") })
    );
    let made_by = json!({ "SnapshotInitiatorOperation": "ImportSnapshot" });
    let listed = api.ok("ListSnapshots", made_by).await;
    assert_eq!(listed["SnapshotInfoList"][0]["SnapshotName"], "s");
    assert_eq!(listed["SnapshotInfoList"][0].get("SourceApplicationName"), None);

    let request = export("s", "new");
    let exported = api.retryable("ExportSnapshot", "e", &request).await;
    assert_eq!(exported.body["SnapshotOperationStatus"], "IN_PROGRESS", "{}", exported.body);
    assert_eq!(api.retryable("ExportSnapshot", "e", &request).await.body, exported.body);
    let code = "LimitExceededException";
    api.refused("ExportSnapshot", export("s", "more"), code, "being exported").await;
    let begun = api.operation("s", &exported.body).await;
    assert_eq!(begun.get("SnapshotDestinationLocationDescription"), None, "it is not done");
    let work = api.work().await;
    let done = work.operation.clone().ended(None, NOW);
    api.store.end_export(&work, &done, NOW).await.unwrap();
    let ended = api.operation("s", &exported.body).await;
    let id = exported.body["SnapshotOperationId"].as_str().unwrap();
    let destination = &ended["SnapshotDestinationLocationDescription"]["S3PrefixLocation"];
    assert_eq!(
        *destination,
        with(place("backups", "new"), json!({ "ExportedPrefix": format!("new/{id}") }))
    );
    let delete = json!({ "SnapshotName": "s", "SnapshotCreationTimestamp": 1_795_356_204 });
    assert_eq!(api.ok("DeleteSnapshot", delete).await["SnapshotStatus"], "DELETING");
}

#[tokio::test]
async fn an_import_that_failed_says_why_and_keeps_its_name() {
    let api = Api::new().await;
    let made = api.ok("ImportSnapshot", import("s", "p")).await;
    api.imported(Err("The snapshot at s3://backups/p is damaged: state is missing")).await;
    let ended = api.operation("s", &made).await;
    let error = &ended["SnapshotOperationFailureDetails"]["ErrorInfo"]["ErrorString"];
    assert!(error.as_str().unwrap().contains("state is missing"), "{error}");
    let restore = json!({ "ApplicationRestoreConfiguration": {
        "ApplicationRestoreType": "RESTORE_FROM_CUSTOM_SNAPSHOT",
        "SnapshotArn": made["SnapshotArn"] } });
    api.create("app").await;
    let start = json!({ "ApplicationName": "app", "RunConfiguration": restore });
    api.refused("StartApplication", start, "ResourceInUseException", "FAILED").await;
    let code = "ResourceInUseException";
    api.refused("ImportSnapshot", import("s", "q"), code, "delete that one first").await;
}

#[tokio::test]
async fn what_cannot_be_copied_is_refused_at_once() {
    let api = Api::new().await;
    let check = async |operation: &str, request: Value, code: &str, part: &str| {
        api.refused(operation, request, code, part).await;
    };
    let ia = "InvalidArgumentException";
    check("ImportSnapshot", import("SystemSnapshot", "p"), ia, "reserved").await;
    check("ImportSnapshot", import("s", "a/../b"), ia, "KeyPrefix").await;
    check("ExportSnapshot", export("s", "a"), "ResourceNotFoundException", "s").await;
    let mut role = import("s", "a");
    role["ImportSourceConfiguration"]["SourceS3PrefixLocation"]["BucketARN"] = ROLE.into();
    check("ImportSnapshot", role, ia, "does not name a bucket").await;
    let mut own = import("s", "a");
    own["DestinationEncryptionConfiguration"] =
        json!({ "KeyType": "CUSTOMER_MANAGED_KEY", "KeyId": "k" });
    let unsupported = "UnsupportedOperationException";
    check("ImportSnapshot", own, unsupported, "CUSTOMER_MANAGED_KEY").await;
    let mut named = export("s", "a");
    named["ExportDestinationConfiguration"]["DestinationEncryptionConfiguration"] =
        json!({ "KeyType": "AWS_OWNED_KEY", "KeyId": "k" });
    check("ExportSnapshot", named, ia, "KeyId").await;
    api.ok("ImportSnapshot", import("s", "a")).await;
    api.imported(Ok("/s")).await;
    check("ExportSnapshot", export("s", &"p".repeat(164)), ia, "at most 163").await;
}

/// The service copies with its own key: who runs it says where.
#[tokio::test]
async fn another_account_copies_nothing_where_it_may_not() {
    let api = Api::new().await;
    let key = api.key("111111111111", None, 9).await;
    for (operation, request, part) in [
        ("ImportSnapshot", import("s", "a"), "--s3-allow"),
        ("ExportSnapshot", export("s", "a"), "--s3-export"),
    ] {
        let reply = api.call_as(&key, operation, request).await;
        let message = reply.body["message"].as_str().unwrap_or_default();
        assert!(reply.status == 400 && message.contains(part), "{operation}: {}", reply.body);
    }
}

#[tokio::test]
async fn the_rest_surface_does_the_same() {
    let api = Api::new().await;
    let from = json!({ "bucketArn": "arn:aws:s3:::backups", "prefix": "old" });
    let body = json!({ "name": "s", "from": from, "tags": { "k": "v" } });
    let made = api.rest("POST", "/v1/snapshots:import", body).await;
    assert_eq!(made.status, 202, "{}", made.body);
    assert_eq!(made.body["snapshot"]["source"], json!({ "importedFrom": from }));
    api.imported(Ok("/s")).await;
    let shown = api.rest("GET", "/v1/snapshots/s", Value::Null).await;
    assert_eq!((&shown.body["status"], &shown.body["sizeBytes"]), (&json!("READY"), &json!(512)));

    let to = json!({ "bucketArn": "arn:aws:s3:::backups", "prefix": "new" });
    let body = json!({ "to": to });
    let exported = api.rest("POST", "/v1/snapshots/s/exports", body.clone()).await;
    assert_eq!((exported.status, &exported.body["operation"]), (202, &json!("ExportSnapshot")));
    let again = api.rest("POST", "/v1/snapshots/s/exports", body).await;
    assert_eq!((again.status, &again.body["code"]), (429, &json!("LimitExceededException")));
    let work = api.work().await;
    let done = work.operation.clone().ended(None, NOW);
    api.store.end_export(&work, &done, NOW).await.unwrap();
    let path = format!("/v1/snapshots/s/operations/{}", work.operation.id);
    let shown = api.rest("GET", &path, Value::Null).await;
    assert_eq!(shown.body["place"], to);
    assert_eq!(shown.body["exportedPrefix"], format!("new/{}", work.operation.id));
    let odd = json!({ "to": { "bucketArn": "x", "prefix": "" } });
    let refused = api.rest("POST", "/v1/snapshots/s/exports", odd).await;
    let paths: Vec<_> =
        refused.body["errors"].as_array().unwrap().iter().map(|e| e["path"].clone()).collect();
    assert_eq!(paths, ["to.bucketArn", "to.prefix"]);
}
