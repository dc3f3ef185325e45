//! CreateApplication: what it fills in, where code comes from, what it refuses.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;
use serde_json::{Value, json};
use support::{Api, ROLE, SCRIPT, creation, with, zipped};

#[tokio::test]
async fn a_new_application_is_described_with_its_defaults() {
    let api = Api::new().await;
    let bare = json!({
        "ApplicationName": "app", "RuntimeEnvironment": "FLINK-1_18", "ServiceExecutionRole": ROLE
    });
    let created = api.ok("CreateApplication", bare).await;
    assert_eq!(created["ApplicationDetail"], api.describe("app").await);
    let expected = expect![[r#"
        {
          "ApplicationARN": "arn:aws:kinesisanalytics:us-east-1:000000000000:application/app",
          "ApplicationName": "app",
          "RuntimeEnvironment": "FLINK-1_18",
          "ApplicationStatus": "READY",
          "ApplicationVersionId": 1,
          "ApplicationDescription": "",
          "ServiceExecutionRole": "arn:aws:iam::000000000000:role/millrace",
          "CreateTimestamp": 1795356204,
          "LastUpdateTimestamp": 1795356204,
          "ApplicationConfigurationDescription": {
            "FlinkApplicationConfigurationDescription": {
              "CheckpointConfigurationDescription": {
                "ConfigurationType": "DEFAULT",
                "CheckpointingEnabled": true,
                "CheckpointInterval": 60000,
                "MinPauseBetweenCheckpoints": 5000
              },
              "MonitoringConfigurationDescription": {
                "ConfigurationType": "DEFAULT",
                "MetricsLevel": "APPLICATION",
                "LogLevel": "INFO"
              },
              "ParallelismConfigurationDescription": {
                "ConfigurationType": "DEFAULT",
                "Parallelism": 1,
                "ParallelismPerKPU": 1,
                "CurrentParallelism": 1,
                "AutoScalingEnabled": true
              }
            },
            "ApplicationSnapshotConfigurationDescription": {
              "SnapshotsEnabled": true,
              "SnapshotMode": "APPLICATION_SNAPSHOTS_LEGACY"
            },
            "ApplicationSystemRollbackConfigurationDescription": {
              "RollbackEnabled": false
            }
          },
          "ApplicationMaintenanceConfigurationDescription": {
            "ApplicationMaintenanceWindowStartTime": "03:00",
            "ApplicationMaintenanceWindowEndTime": "11:00"
          },
          "ApplicationVersionCreateTimestamp": 1795356204,
          "ConditionalToken": "8f24bffe14745c50e491122bcbe4a863",
          "ApplicationMode": "STREAMING"
        }"#]];
    let shown = serde_json::to_string_pretty(&created["ApplicationDetail"]).unwrap();
    expected.assert_eq(&shown);
}

#[tokio::test]
async fn code_arrives_as_text_as_zip_and_from_s3() {
    let api = Api::new().await;
    let create = |name: &str, kind: &str, content: Value| {
        let code = json!({ "CodeContentType": kind, "CodeContent": content });
        let configuration = json!({ "ApplicationCodeConfiguration": code });
        with(creation(name), json!({ "ApplicationConfiguration": configuration }))
    };
    let zip = zipped("main.sql", "SELECT 9");
    let at = |key: &str| json!({ "S3ContentLocation": { "BucketARN": "arn:aws:s3:::code", "FileKey": key } });
    let sent = [
        ("text", create("text", "PLAINTEXT", json!({ "TextContent": SCRIPT })), SCRIPT),
        (
            "zip",
            create("zip", "ZIPFILE", json!({ "ZipFileContent": STANDARD.encode(&zip) })),
            "SELECT 9",
        ),
        ("s3", create("s3", "PLAINTEXT", at("main.sql")), "SELECT 2"),
        ("s3-zip", create("s3-zip", "ZIPFILE", at("app.zip")), "SELECT 3"),
    ];
    for (name, request, script) in sent {
        api.ok("CreateApplication", request).await;
        let loaded = api.load(name).await;
        let code = loaded.current_version().unwrap().configuration.code.clone().unwrap();
        let kept = std::fs::read_to_string(api.artifacts.path(&code.artifact)).unwrap();
        assert_eq!(kept, script, "{name}");
    }
    let shown = api.describe("text").await["ApplicationConfigurationDescription"].clone();
    assert_eq!(
        shown["ApplicationCodeConfigurationDescription"],
        json!({
            "CodeContentType": "PLAINTEXT",
            "CodeContentDescription": {
                "TextContent": SCRIPT, "CodeMD5": "b1698e52a0f16203489454196a0c6307", "CodeSize": 8
            }
        })
    );
    let shown = api.describe("s3").await["ApplicationConfigurationDescription"].clone();
    assert_eq!(
        shown["ApplicationCodeConfigurationDescription"]["CodeContentDescription"]["S3ApplicationCodeLocationDescription"],
        json!({ "BucketARN": "arn:aws:s3:::code", "FileKey": "main.sql" })
    );
}

#[tokio::test]
async fn code_that_cannot_be_had_is_refused_and_nothing_is_created() {
    let api = Api::new().await;
    let create = |kind: &str, content: Value| {
        let code = json!({ "CodeContentType": kind, "CodeContent": content });
        let configuration = json!({ "ApplicationCodeConfiguration": code });
        with(creation("app"), json!({ "ApplicationConfiguration": configuration }))
    };
    let zip = |bytes: &[u8]| json!({ "ZipFileContent": STANDARD.encode(bytes) });
    let cases = [
        (create("ZIPFILE", zip(b"no zip")), "CodeValidationException", "cannot be opened"),
        (create("ZIPFILE", zip(&zipped("job.jar", "x"))), "CodeValidationException", "no main.sql"),
        (create("ZIPFILE", zip(&zipped("../main.sql", "x"))), "CodeValidationException", "outside"),
        (create("PLAINTEXT", zip(b"")), "InvalidArgumentException", "needs the CodeContentType"),
        (create("ZIPFILE", json!({ "TextContent": "x" })), "InvalidArgumentException", "PLAINTEXT"),
        (create("PLAINTEXT", json!({})), "InvalidArgumentException", "CodeContent must have"),
        (
            create(
                "PLAINTEXT",
                json!({ "S3ContentLocation": {
                "BucketARN": "arn:aws:s3:::code", "FileKey": "gone.sql" } }),
            ),
            "InvalidArgumentException",
            "Please check the role provided or validity of S3 location you provided. We are unable \
             to get the specified fileKey: gone.sql in the specified bucket: code",
        ),
        (
            create(
                "PLAINTEXT",
                json!({ "S3ContentLocation": {
                "BucketARN": "arn:aws:sqs:::code", "FileKey": "main.sql" } }),
            ),
            "InvalidArgumentException",
            "does not name a bucket",
        ),
    ];
    for (request, code, part) in cases {
        api.refused("CreateApplication", request, code, part).await;
    }
    let listed = api.ok("ListApplications", json!({})).await;
    assert_eq!(listed["ApplicationSummaries"], json!([]));
}

#[tokio::test]
async fn what_is_not_served_is_refused_by_name() {
    let api = Api::new().await;
    let configured = |configuration: Value| {
        with(creation("app"), json!({ "ApplicationConfiguration": configuration }))
    };
    let unsupported = "UnsupportedOperationException";
    let cases = [
        (
            with(creation("app"), json!({ "ApplicationMode": "INTERACTIVE" })),
            unsupported,
            "INTERACTIVE",
        ),
        (
            with(creation("app"), json!({ "RuntimeEnvironment": "SQL-1_0" })),
            "InvalidArgumentException",
            "offered are FLINK-1_15",
        ),
        (
            with(creation("app"), json!({ "RuntimeEnvironment": "ZEPPELIN-FLINK-3_0" })),
            "InvalidArgumentException",
            "offered are",
        ),
        (
            configured(
                json!({ "SqlApplicationConfiguration": { "ReferenceDataSources": [{ "TableName": "t",
                "ReferenceSchema": { "RecordFormat": { "RecordFormatType": "CSV" },
                    "RecordColumns": [{ "Name": "n", "SqlType": "INT" }] } }] } }),
            ),
            unsupported,
            "SQL-1_0",
        ),
        (
            configured(
                json!({ "ZeppelinApplicationConfiguration": { "MonitoringConfiguration": { "LogLevel": "INFO" } } }),
            ),
            unsupported,
            "Studio",
        ),
        (
            configured(
                json!({ "ApplicationEncryptionConfiguration": { "KeyType": "CUSTOMER_MANAGED_KEY" } }),
            ),
            unsupported,
            "AWS_OWNED_KEY",
        ),
        (
            configured(
                json!({ "ApplicationSnapshotConfiguration": { "SnapshotsEnabled": true, "SnapshotMode": "ENHANCED_SNAPSHOTS" } }),
            ),
            "InvalidArgumentException",
            "FLINK-1_20",
        ),
    ];
    for (request, code, part) in cases {
        api.refused("CreateApplication", request, code, part).await;
    }
    // What asks for nothing is accepted.
    let empty = configured(json!({
        "SqlApplicationConfiguration": {}, "VpcConfigurations": [],
        "ApplicationEncryptionConfiguration": { "KeyType": "AWS_OWNED_KEY" }
    }));
    api.ok("CreateApplication", with(empty, json!({ "CloudWatchLoggingOptions": [] }))).await;
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let api = Api::new().await;
    api.create("app").await;
    api.refused("CreateApplication", creation("app"), "ResourceInUseException", "name").await;
}
