//! Enhanced snapshots.

use super::*;

static PRINTABLE: Pattern = Pattern::new(r"[^\u0000-\u001F\u007F]*");

static SNAPSHOT_V2_NAME: Shape = matching(1, 100, &NAME);
static SNAPSHOT_V2_DESCRIPTION: Shape = matching(0, 1024, &PRINTABLE);
structure!(pub CREATE_SNAPSHOT {
    required "ApplicationName": APPLICATION_NAME,
    required "SnapshotName": SNAPSHOT_V2_NAME,
    optional "SnapshotDescription": SNAPSHOT_V2_DESCRIPTION,
    optional "Tags": TAGS,
});
structure!(pub DELETE_SNAPSHOT {
    required "SnapshotName": SNAPSHOT_V2_NAME,
    required "SnapshotCreationTimestamp": TIMESTAMP,
});
structure!(pub DESCRIBE_SNAPSHOT {
    required "SnapshotName": SNAPSHOT_V2_NAME,
});
structure!(pub DESCRIBE_SNAPSHOT_OPERATION {
    required "SnapshotName": SNAPSHOT_V2_NAME,
    required "SnapshotOperationId": OPERATION_ID,
});
static STORAGE_LOCATION_TYPE: Shape = Shape::Enum(&["S3"]);
structure!(SNAPSHOT_ENCRYPTION_CONFIGURATION {
    optional "KeyId": KEY_ID,
    required "KeyType": KEY_TYPE,
});
static KEY_PREFIX: Shape = text(1, 200);
structure!(S3_PREFIX_LOCATION {
    required "BucketARN": ANY_ARN,
    required "KeyPrefix": KEY_PREFIX,
});
structure!(EXPORT_DESTINATION_CONFIGURATION {
    required "DestinationType": STORAGE_LOCATION_TYPE,
    required "ExportRoleArn": ANY_ARN,
    optional "DestinationEncryptionConfiguration": SNAPSHOT_ENCRYPTION_CONFIGURATION,
    required "DestinationS3PrefixLocation": S3_PREFIX_LOCATION,
});
structure!(pub EXPORT_SNAPSHOT {
    required "SnapshotName": SNAPSHOT_V2_NAME,
    required "ExportDestinationConfiguration": EXPORT_DESTINATION_CONFIGURATION,
});
structure!(IMPORT_SOURCE_CONFIGURATION {
    required "SourceType": STORAGE_LOCATION_TYPE,
    required "ImportRoleArn": ANY_ARN,
    optional "SourceEncryptionConfiguration": SNAPSHOT_ENCRYPTION_CONFIGURATION,
    required "SourceS3PrefixLocation": S3_PREFIX_LOCATION,
});
static SNAPSHOT_FORMAT: Shape = Shape::Enum(&["CANONICAL"]);
structure!(pub IMPORT_SNAPSHOT {
    required "SnapshotName": SNAPSHOT_V2_NAME,
    required "ImportSourceConfiguration": IMPORT_SOURCE_CONFIGURATION,
    optional "DestinationEncryptionConfiguration": SNAPSHOT_ENCRYPTION_CONFIGURATION,
    optional "SnapshotDescription": SNAPSHOT_V2_DESCRIPTION,
    optional "SnapshotFormat": SNAPSHOT_FORMAT,
    optional "Tags": TAGS,
});
static SNAPSHOT_OPERATION: Shape = Shape::Enum(&[
    "CreateSnapshot",
    "DeleteSnapshot",
    "ImportSnapshot",
    "ExportSnapshot",
    "SystemCreateSnapshot",
]);
structure!(pub LIST_SNAPSHOT_OPERATIONS {
    required "SnapshotName": SNAPSHOT_V2_NAME,
    optional "SnapshotOperation": SNAPSHOT_OPERATION,
    optional "SnapshotOperationStatus": OPERATION_STATUS,
    optional "Limit": LIMIT,
    optional "NextToken": NEXT_TOKEN,
});
static SNAPSHOT_INITIATOR: Shape = Shape::Enum(&["USER", "SYSTEM"]);
static SNAPSHOT_INITIATOR_OPERATION: Shape =
    Shape::Enum(&["CreateSnapshot", "ImportSnapshot", "SystemCreateSnapshot"]);
static SNAPSHOT_STATUS: Shape = Shape::Enum(&["CREATING", "READY", "DELETING", "FAILED"]);
structure!(pub LIST_SNAPSHOTS {
    optional "SourceApplicationName": APPLICATION_NAME,
    optional "SnapshotInitiator": SNAPSHOT_INITIATOR,
    optional "SnapshotInitiatorOperation": SNAPSHOT_INITIATOR_OPERATION,
    optional "SnapshotStatus": SNAPSHOT_STATUS,
    optional "Limit": LIMIT,
    optional "NextToken": NEXT_TOKEN,
});
