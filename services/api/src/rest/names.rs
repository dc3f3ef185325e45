//! The members of the AWS surface by the names that they have here.
//!
//! Requests of this surface become the AWS surface's, and pass its validation. What it
//! finds is told by the names that the caller used.

/// Members whose name here is not theirs in lower camel case; an empty one is a level that
/// this surface has not.
const NAMES: &[(&str, &str)] = &[
    ("ApplicationName", "name"),
    ("ApplicationDescription", "description"),
    ("ApplicationConfiguration", "configuration"),
    ("ApplicationCodeConfiguration", "code"),
    ("CodeContent", ""),
    ("CodeContentType", "contentType"),
    ("TextContent", "text"),
    ("ZipFileContent", "zip"),
    ("S3ContentLocation", "s3"),
    ("BucketARN", "bucketArn"),
    ("FileKey", "key"),
    ("FlinkApplicationConfiguration", ""),
    ("CheckpointConfiguration", "checkpoints"),
    ("CheckpointingEnabled", "enabled"),
    ("CheckpointInterval", "intervalMs"),
    ("MinPauseBetweenCheckpoints", "minPauseMs"),
    ("MonitoringConfiguration", "monitoring"),
    ("ParallelismConfiguration", "parallelism"),
    ("ParallelismPerKPU", "parallelismPerKpu"),
    ("EnvironmentProperties", ""),
    ("EnvironmentPropertyUpdates", ""),
    ("PropertyGroupId", "name"),
    ("PropertyMap", "properties"),
    ("ApplicationSnapshotConfiguration", "snapshots"),
    ("SnapshotsEnabled", "enabled"),
    ("SnapshotMode", "mode"),
    ("ApplicationSystemRollbackConfiguration", "rollback"),
    ("RollbackEnabled", "enabled"),
    ("CloudWatchLoggingOption", ""),
    ("CloudWatchLoggingOptions", "loggingOptions"),
    ("CloudWatchLoggingOptionUpdates", "loggingOptions"),
    ("CloudWatchLoggingOptionId", "loggingOptionId"),
    ("LogStreamARN", "logStreamArn"),
    ("VpcConfiguration", ""),
    ("VpcConfigurationUpdates", "vpcConfigurations"),
    ("SubnetIdUpdates", "subnetIds"),
    ("SecurityGroupIdUpdates", "securityGroupIds"),
    ("RunConfiguration", ""),
    ("FlinkRunConfiguration", ""),
    ("ApplicationRestoreConfiguration", "restore"),
    ("ApplicationRestoreType", "type"),
    ("CurrentApplicationVersionId", "currentVersionId"),
    ("ApplicationVersionId", "versionId"),
    ("ConditionalToken", "If-Match"),
    ("CreateTimestamp", "createdAt"),
    ("SnapshotCreationTimestamp", "createdAt"),
    ("SnapshotDescription", "description"),
    ("ExportDestinationConfiguration", "to"),
    ("DestinationS3PrefixLocation", ""),
    ("ImportSourceConfiguration", "from"),
    ("SourceS3PrefixLocation", ""),
    ("KeyPrefix", "prefix"),
    ("SessionExpirationDurationInSeconds", "sessionSeconds"),
    ("SnapshotOperationId", "operationId"),
    ("SnapshotOperation", "operation"),
    ("SnapshotOperationStatus", "status"),
    ("SnapshotStatus", "status"),
    ("SnapshotInitiator", "initiator"),
    ("SourceApplicationName", "applicationName"),
    ("SnapshotInitiatorOperation", "operation"),
    ("OperationStatus", "status"),
    ("ApplicationMaintenanceConfiguration", ""),
    ("ApplicationMaintenanceWindowStartTime", "windowStart"),
    ("ResourceARN", "name"),
    ("TagKeys", "key"),
];

/// The path of a member, for example `ApplicationConfiguration.CodeContentTypeUpdate`.
pub fn of_path(path: &str) -> String {
    let parts: Vec<String> = path.split('.').map(of_part).filter(|it| !it.is_empty()).collect();
    parts.join(".")
}

/// One level, with its place in a list.
fn of_part(part: &str) -> String {
    let (name, place) = part.split_at(part.find('[').unwrap_or(part.len()));
    let listed = |name: &str| NAMES.iter().find(|(aws, _)| *aws == name).map(|(_, ours)| *ours);
    let plain = name.strip_suffix("Update").unwrap_or(name);
    match listed(name).or_else(|| listed(plain)) {
        Some("") => String::new(),
        Some(ours) => format!("{ours}{place}"),
        None => format!("{}{place}", lower_first(plain)),
    }
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::of_path;

    #[test]
    fn a_member_is_named_as_the_caller_named_it() {
        let check = |aws: &str, ours: &str| assert_eq!(of_path(aws), ours);
        check("ApplicationName", "name");
        check(
            "ApplicationConfigurationUpdate.ApplicationCodeConfigurationUpdate.CodeContentUpdate.TextContentUpdate",
            "configuration.code.text",
        );
        check(
            "ApplicationConfiguration.FlinkApplicationConfiguration.CheckpointConfiguration.CheckpointInterval",
            "configuration.checkpoints.intervalMs",
        );
        check("Tags[3].Key", "tags[3].key");
        check(
            "EnvironmentPropertyUpdates.PropertyGroups[0].PropertyMap",
            "propertyGroups[0].properties",
        );
        check("Limit", "limit");
        check("the request", "the request");
    }
}
