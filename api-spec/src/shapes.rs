//! The shapes of the requests served (aws-api 1.1, 1.2, 1.4).

use crate::shape::{Member, Pattern, Shape, matching, optional, required, secret, text};

static NAME: Pattern = Pattern::new("[a-zA-Z0-9_.-]+");
static ARN: Pattern = Pattern::new("arn:.*");
/// The model writes `[a-zA-Z0-9-_+/=]+`; the hyphen is a hyphen.
static TOKEN: Pattern = Pattern::new("[a-zA-Z0-9_+/=-]+");

static APPLICATION_NAME: Shape = matching(1, 128, &NAME);
static SNAPSHOT_NAME: Shape = matching(1, 256, &NAME);
static ID: Shape = matching(1, 50, &NAME);
static ANY_ARN: Shape = matching(1, 2048, &ARN);
static CONDITIONAL_TOKEN: Shape = matching(1, 512, &TOKEN);
static DESCRIPTION: Shape = text(0, 1024);
static FILE_KEY: Shape = text(1, 1024);
static OBJECT_VERSION: Shape = text(0, 1024);
static NEXT_TOKEN: Shape = text(1, 512);
static OPERATION: Shape = text(1, 64);
static OPERATION_ID: Shape = text(1, 64);
static SNAPSHOT_ARN: Shape = text(1, 2048);
static KEY_ID: Shape = text(1, 2048);
static TAG_KEY: Shape = text(1, 128);
static TAG_VALUE: Shape = secret(0, 256);
static PROPERTY_KEY: Shape = text(1, 2048);
static PROPERTY_VALUE: Shape = secret(1, 2048);
static TEXT_CONTENT: Shape = secret(0, 102_400);
static ZIP_CONTENT: Shape = Shape::Blob { max: 52_428_800 };
static BOOLEAN: Shape = Shape::Boolean;
static TIMESTAMP: Shape = Shape::Timestamp;
static LIMIT: Shape = Shape::Integer { min: 1, max: 50 };
static VERSION_ID: Shape = Shape::Long { min: 1, max: 999_999_999 };
static PARALLELISM: Shape = Shape::Integer { min: 1, max: i32::MAX as i64 };
static CHECKPOINT_INTERVAL: Shape = Shape::Long { min: 1, max: i64::MAX };
static MIN_PAUSE: Shape = Shape::Long { min: 0, max: i64::MAX };

static RUNTIME_ENVIRONMENT: Shape = Shape::Enum(&[
    "SQL-1_0",
    "FLINK-1_6",
    "FLINK-1_8",
    "ZEPPELIN-FLINK-1_0",
    "FLINK-1_11",
    "FLINK-1_13",
    "ZEPPELIN-FLINK-2_0",
    "FLINK-1_15",
    "ZEPPELIN-FLINK-3_0",
    "FLINK-1_18",
    "FLINK-1_19",
    "FLINK-1_20",
    "FLINK-2_2",
    "FLINK-2_3",
]);
static APPLICATION_MODE: Shape = Shape::Enum(&["STREAMING", "INTERACTIVE"]);
static CODE_CONTENT_TYPE: Shape = Shape::Enum(&["PLAINTEXT", "ZIPFILE"]);
static CONFIGURATION_TYPE: Shape = Shape::Enum(&["DEFAULT", "CUSTOM"]);
static METRICS_LEVEL: Shape = Shape::Enum(&["APPLICATION", "TASK", "OPERATOR", "PARALLELISM"]);
static LOG_LEVEL: Shape = Shape::Enum(&["INFO", "WARN", "ERROR", "DEBUG"]);
static SNAPSHOT_MODE: Shape = Shape::Enum(&["APPLICATION_SNAPSHOTS_LEGACY", "ENHANCED_SNAPSHOTS"]);
static KEY_TYPE: Shape = Shape::Enum(&["AWS_OWNED_KEY", "CUSTOMER_MANAGED_KEY"]);
static OPERATION_STATUS: Shape = Shape::Enum(&["IN_PROGRESS", "CANCELLED", "SUCCESSFUL", "FAILED"]);
static RESTORE_TYPE: Shape = Shape::Enum(&[
    "SKIP_RESTORE_FROM_SNAPSHOT",
    "RESTORE_FROM_LATEST_SNAPSHOT",
    "RESTORE_FROM_CUSTOM_SNAPSHOT",
]);

/// `static NAME: Shape = structure { * required, optional }`, members by the wire's names.
macro_rules! structure {
    ($(#[$doc:meta])* $vis:vis $name:ident { $($kind:ident $member:literal: $shape:expr),* $(,)? }) => {
        $(#[$doc])*
        $vis static $name: Shape = {
            static MEMBERS: &[Member] = &[$($kind($member, &$shape)),*];
            Shape::Structure(MEMBERS)
        };
    };
}

// Below the macro, which they use.
mod options;
mod snapshots;
mod sql;
mod studio;

pub use options::*;
pub use snapshots::*;
pub use sql::*;
pub use studio::*;

structure!(S3_LOCATION {
    required "BucketARN": ANY_ARN,
    required "FileKey": FILE_KEY,
    optional "ObjectVersion": OBJECT_VERSION,
});
structure!(S3_LOCATION_UPDATE {
    optional "BucketARNUpdate": ANY_ARN,
    optional "FileKeyUpdate": FILE_KEY,
    optional "ObjectVersionUpdate": OBJECT_VERSION,
});
structure!(CODE_CONTENT {
    optional "TextContent": TEXT_CONTENT,
    optional "ZipFileContent": ZIP_CONTENT,
    optional "S3ContentLocation": S3_LOCATION,
});
structure!(CODE_CONTENT_UPDATE {
    optional "TextContentUpdate": TEXT_CONTENT,
    optional "ZipFileContentUpdate": ZIP_CONTENT,
    optional "S3ContentLocationUpdate": S3_LOCATION_UPDATE,
});
structure!(CODE {
    optional "CodeContent": CODE_CONTENT,
    required "CodeContentType": CODE_CONTENT_TYPE,
});
structure!(CODE_UPDATE {
    optional "CodeContentTypeUpdate": CODE_CONTENT_TYPE,
    optional "CodeContentUpdate": CODE_CONTENT_UPDATE,
});
structure!(CHECKPOINT {
    required "ConfigurationType": CONFIGURATION_TYPE,
    optional "CheckpointingEnabled": BOOLEAN,
    optional "CheckpointInterval": CHECKPOINT_INTERVAL,
    optional "MinPauseBetweenCheckpoints": MIN_PAUSE,
});
structure!(CHECKPOINT_UPDATE {
    optional "ConfigurationTypeUpdate": CONFIGURATION_TYPE,
    optional "CheckpointingEnabledUpdate": BOOLEAN,
    optional "CheckpointIntervalUpdate": CHECKPOINT_INTERVAL,
    optional "MinPauseBetweenCheckpointsUpdate": MIN_PAUSE,
});
structure!(MONITORING {
    required "ConfigurationType": CONFIGURATION_TYPE,
    optional "MetricsLevel": METRICS_LEVEL,
    optional "LogLevel": LOG_LEVEL,
});
structure!(MONITORING_UPDATE {
    optional "ConfigurationTypeUpdate": CONFIGURATION_TYPE,
    optional "MetricsLevelUpdate": METRICS_LEVEL,
    optional "LogLevelUpdate": LOG_LEVEL,
});
structure!(PARALLELISM_CONFIGURATION {
    required "ConfigurationType": CONFIGURATION_TYPE,
    optional "Parallelism": PARALLELISM,
    optional "ParallelismPerKPU": PARALLELISM,
    optional "AutoScalingEnabled": BOOLEAN,
});
structure!(PARALLELISM_UPDATE {
    optional "ConfigurationTypeUpdate": CONFIGURATION_TYPE,
    optional "ParallelismUpdate": PARALLELISM,
    optional "ParallelismPerKPUUpdate": PARALLELISM,
    optional "AutoScalingEnabledUpdate": BOOLEAN,
});
structure!(FLINK {
    optional "CheckpointConfiguration": CHECKPOINT,
    optional "MonitoringConfiguration": MONITORING,
    optional "ParallelismConfiguration": PARALLELISM_CONFIGURATION,
});
structure!(FLINK_UPDATE {
    optional "CheckpointConfigurationUpdate": CHECKPOINT_UPDATE,
    optional "MonitoringConfigurationUpdate": MONITORING_UPDATE,
    optional "ParallelismConfigurationUpdate": PARALLELISM_UPDATE,
});

static PROPERTY_MAP: Shape =
    Shape::Map { key: &PROPERTY_KEY, value: &PROPERTY_VALUE, min: 1, max: 50 };
structure!(PROPERTY_GROUP {
    required "PropertyGroupId": ID,
    required "PropertyMap": PROPERTY_MAP,
});
static PROPERTY_GROUPS: Shape = Shape::List { of: &PROPERTY_GROUP, min: 0, max: 50 };
structure!(ENVIRONMENT_PROPERTIES { required "PropertyGroups": PROPERTY_GROUPS });

structure!(SNAPSHOT_CONFIGURATION {
    required "SnapshotsEnabled": BOOLEAN,
    optional "SnapshotMode": SNAPSHOT_MODE,
});
structure!(SNAPSHOT_CONFIGURATION_UPDATE {
    required "SnapshotsEnabledUpdate": BOOLEAN,
    optional "SnapshotModeUpdate": SNAPSHOT_MODE,
});
structure!(ROLLBACK_CONFIGURATION { required "RollbackEnabled": BOOLEAN });
structure!(ROLLBACK_CONFIGURATION_UPDATE { required "RollbackEnabledUpdate": BOOLEAN });
structure!(ENCRYPTION { optional "KeyId": KEY_ID, required "KeyType": KEY_TYPE });
structure!(ENCRYPTION_UPDATE {
    optional "KeyIdUpdate": KEY_ID,
    required "KeyTypeUpdate": KEY_TYPE,
});
structure!(CONFIGURATION {
    optional "SqlApplicationConfiguration": SQL_APPLICATION_CONFIGURATION,
    optional "FlinkApplicationConfiguration": FLINK,
    optional "EnvironmentProperties": ENVIRONMENT_PROPERTIES,
    optional "ApplicationCodeConfiguration": CODE,
    optional "ApplicationSnapshotConfiguration": SNAPSHOT_CONFIGURATION,
    optional "ApplicationSystemRollbackConfiguration": ROLLBACK_CONFIGURATION,
    optional "VpcConfigurations": VPC_CONFIGURATIONS,
    optional "ZeppelinApplicationConfiguration": ZEPPELIN_APPLICATION_CONFIGURATION,
    optional "ApplicationEncryptionConfiguration": ENCRYPTION,
});
structure!(CONFIGURATION_UPDATE {
    optional "SqlApplicationConfigurationUpdate": SQL_APPLICATION_CONFIGURATION_UPDATE,
    optional "ApplicationCodeConfigurationUpdate": CODE_UPDATE,
    optional "FlinkApplicationConfigurationUpdate": FLINK_UPDATE,
    optional "EnvironmentPropertyUpdates": ENVIRONMENT_PROPERTIES,
    optional "ApplicationSnapshotConfigurationUpdate": SNAPSHOT_CONFIGURATION_UPDATE,
    optional "ApplicationSystemRollbackConfigurationUpdate": ROLLBACK_CONFIGURATION_UPDATE,
    optional "VpcConfigurationUpdates": VPC_CONFIGURATION_UPDATES,
    optional "ZeppelinApplicationConfigurationUpdate": ZEPPELIN_APPLICATION_CONFIGURATION_UPDATE,
    optional "ApplicationEncryptionConfigurationUpdate": ENCRYPTION_UPDATE,
});
structure!(FLINK_RUN { optional "AllowNonRestoredState": BOOLEAN });
structure!(RESTORE {
    required "ApplicationRestoreType": RESTORE_TYPE,
    optional "SnapshotName": SNAPSHOT_NAME,
    optional "SnapshotArn": SNAPSHOT_ARN,
});
structure!(RUN_CONFIGURATION {
    optional "FlinkRunConfiguration": FLINK_RUN,
    optional "SqlRunConfigurations": SQL_RUN_CONFIGURATIONS,
    optional "ApplicationRestoreConfiguration": RESTORE,
});
structure!(RUN_CONFIGURATION_UPDATE {
    optional "FlinkRunConfiguration": FLINK_RUN,
    optional "ApplicationRestoreConfiguration": RESTORE,
});
structure!(TAG { required "Key": TAG_KEY, optional "Value": TAG_VALUE });
static TAGS: Shape = Shape::List { of: &TAG, min: 1, max: 200 };
static TAG_KEYS: Shape = Shape::List { of: &TAG_KEY, min: 1, max: 200 };

structure!(pub CREATE_APPLICATION {
    required "ApplicationName": APPLICATION_NAME,
    optional "ApplicationDescription": DESCRIPTION,
    required "RuntimeEnvironment": RUNTIME_ENVIRONMENT,
    required "ServiceExecutionRole": ANY_ARN,
    optional "ApplicationConfiguration": CONFIGURATION,
    optional "CloudWatchLoggingOptions": CLOUD_WATCH_LOGGING_OPTIONS,
    optional "Tags": TAGS,
    optional "ApplicationMode": APPLICATION_MODE,
});
structure!(pub DESCRIBE_APPLICATION {
    required "ApplicationName": APPLICATION_NAME,
    optional "IncludeAdditionalDetails": BOOLEAN,
});
structure!(pub LIST_APPLICATIONS {
    optional "Limit": LIMIT,
    optional "NextToken": APPLICATION_NAME,
});
structure!(pub DELETE_APPLICATION {
    required "ApplicationName": APPLICATION_NAME,
    required "CreateTimestamp": TIMESTAMP,
});
structure!(pub START_APPLICATION {
    required "ApplicationName": APPLICATION_NAME,
    optional "RunConfiguration": RUN_CONFIGURATION,
});
structure!(pub STOP_APPLICATION {
    required "ApplicationName": APPLICATION_NAME,
    optional "Force": BOOLEAN,
});
structure!(pub UPDATE_APPLICATION {
    required "ApplicationName": APPLICATION_NAME,
    optional "CurrentApplicationVersionId": VERSION_ID,
    optional "ApplicationConfigurationUpdate": CONFIGURATION_UPDATE,
    optional "ServiceExecutionRoleUpdate": ANY_ARN,
    optional "RunConfigurationUpdate": RUN_CONFIGURATION_UPDATE,
    optional "CloudWatchLoggingOptionUpdates": CLOUD_WATCH_LOGGING_OPTION_UPDATES,
    optional "ConditionalToken": CONDITIONAL_TOKEN,
    optional "RuntimeEnvironmentUpdate": RUNTIME_ENVIRONMENT,
});
structure!(pub ROLLBACK_APPLICATION {
    required "ApplicationName": APPLICATION_NAME,
    required "CurrentApplicationVersionId": VERSION_ID,
});
structure!(
    /// CreateApplicationSnapshot and DescribeApplicationSnapshot.
    pub NAMED_SNAPSHOT {
        required "ApplicationName": APPLICATION_NAME,
        required "SnapshotName": SNAPSHOT_NAME,
    }
);
structure!(pub DELETE_APPLICATION_SNAPSHOT {
    required "ApplicationName": APPLICATION_NAME,
    required "SnapshotName": SNAPSHOT_NAME,
    required "SnapshotCreationTimestamp": TIMESTAMP,
});
structure!(
    /// ListApplicationSnapshots and ListApplicationVersions.
    pub LIST_OF_APPLICATION {
        required "ApplicationName": APPLICATION_NAME,
        optional "Limit": LIMIT,
        optional "NextToken": NEXT_TOKEN,
    }
);
structure!(pub DESCRIBE_APPLICATION_VERSION {
    required "ApplicationName": APPLICATION_NAME,
    required "ApplicationVersionId": VERSION_ID,
});
structure!(pub LIST_APPLICATION_OPERATIONS {
    required "ApplicationName": APPLICATION_NAME,
    optional "Limit": LIMIT,
    optional "NextToken": NEXT_TOKEN,
    optional "Operation": OPERATION,
    optional "OperationStatus": OPERATION_STATUS,
});
structure!(pub DESCRIBE_APPLICATION_OPERATION {
    required "ApplicationName": APPLICATION_NAME,
    required "OperationId": OPERATION_ID,
});
structure!(pub TAG_RESOURCE { required "ResourceARN": ANY_ARN, required "Tags": TAGS });
structure!(pub UNTAG_RESOURCE { required "ResourceARN": ANY_ARN, required "TagKeys": TAG_KEYS });
structure!(pub LIST_TAGS_FOR_RESOURCE { required "ResourceARN": ANY_ARN });
