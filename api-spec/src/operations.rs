//! The 41 operations of the API (aws-api 1.1).

use crate::errors::ErrorCode;
use crate::errors::ErrorCode::{
    CodeValidation as CV, ConcurrentModification as CM, InvalidApplicationConfiguration as IAC,
    InvalidArgument as IA, InvalidRequest as IR, LimitExceeded as LE, ResourceInUse as RIU,
    ResourceNotFound as RNF, ResourceProvisionedThroughputExceeded as RPT,
    ServiceUnavailable as SU, TooManyTags as TMT, UnableToDetectSchema as UDS,
    UnsupportedOperation as UO,
};
use crate::shape::Shape;
use crate::shapes;

/// `X-Amz-Target` is this, a dot, and the operation's name.
pub const TARGET_PREFIX: &str = "KinesisAnalytics_20180523";

/// One operation of the API.
#[derive(Debug)]
pub struct OperationSpec {
    pub name: &'static str,
    /// The request's shape.
    pub input: &'static Shape,
    /// Changes something: a retry must not do it twice.
    pub mutates: bool,
    /// The service's errors that the model declares for it.
    pub errors: &'static [ErrorCode],
}

impl OperationSpec {
    /// The operation of this name.
    pub fn named(name: &str) -> Option<&'static OperationSpec> {
        OPERATIONS.iter().find(|operation| operation.name == name)
    }

    /// `code`, or what the operation declares in its stead: clients know the declared
    /// ones. ListApplications has no InvalidArgument, ListApplicationSnapshots no
    /// ResourceNotFound.
    pub fn declared(&self, code: ErrorCode) -> ErrorCode {
        let protocol = matches!(
            code,
            ErrorCode::Serialization
                | ErrorCode::UnknownOperation
                | ErrorCode::RequestTooLarge
                | ErrorCode::InternalFailure
                | ErrorCode::MissingAuthenticationToken
                | ErrorCode::IncompleteSignature
                | ErrorCode::UnrecognizedClient
                | ErrorCode::InvalidSignature
                | ErrorCode::AccessDenied
                | ErrorCode::Throttling
        );
        // What this service does not do says so, whatever the model declares.
        if protocol || code == UO || self.errors.contains(&code) {
            return code;
        }
        [IA, IR].into_iter().find(|other| self.errors.contains(other)).unwrap_or(code)
    }
}

const fn reads(
    name: &'static str,
    input: &'static Shape,
    errors: &'static [ErrorCode],
) -> OperationSpec {
    OperationSpec { name, input, mutates: false, errors }
}

const fn writes(
    name: &'static str,
    input: &'static Shape,
    errors: &'static [ErrorCode],
) -> OperationSpec {
    OperationSpec { name, input, mutates: true, errors }
}

/// All operations, by name.
pub static OPERATIONS: &[OperationSpec] = &[
    writes(
        "AddApplicationCloudWatchLoggingOption",
        &shapes::ADD_APPLICATION_CLOUD_WATCH_LOGGING_OPTION,
        &[RNF, RIU, IA, CM, IR, IAC],
    ),
    reads("AddApplicationInput", &shapes::ADD_APPLICATION_INPUT, &[RNF, RIU, IA, CM, CV, IR]),
    reads(
        "AddApplicationInputProcessingConfiguration",
        &shapes::ADD_APPLICATION_INPUT_PROCESSING_CONFIGURATION,
        &[RNF, RIU, IA, CM, IR],
    ),
    reads("AddApplicationOutput", &shapes::ADD_APPLICATION_OUTPUT, &[RNF, RIU, IA, CM, IR]),
    reads(
        "AddApplicationReferenceDataSource",
        &shapes::ADD_APPLICATION_REFERENCE_DATA_SOURCE,
        &[RNF, RIU, IA, CM, IR],
    ),
    writes(
        "AddApplicationVpcConfiguration",
        &shapes::ADD_APPLICATION_VPC_CONFIGURATION,
        &[RNF, RIU, IA, CM, IAC],
    ),
    writes("CreateApplication", &shapes::CREATE_APPLICATION, &[CV, RIU, LE, IA, IR, TMT, CM, UO]),
    reads(
        "CreateApplicationPresignedUrl",
        &shapes::CREATE_APPLICATION_PRESIGNED_URL,
        &[RNF, RIU, IA],
    ),
    writes("CreateApplicationSnapshot", &shapes::NAMED_SNAPSHOT, &[RIU, RNF, LE, IA, UO, IR, IAC]),
    writes("CreateSnapshot", &shapes::CREATE_SNAPSHOT, &[RIU, IA, IAC, LE, CM, TMT, UO]),
    writes("DeleteApplication", &shapes::DELETE_APPLICATION, &[CM, RNF, RIU, IA, IR, IAC]),
    writes(
        "DeleteApplicationCloudWatchLoggingOption",
        &shapes::DELETE_APPLICATION_CLOUD_WATCH_LOGGING_OPTION,
        &[RNF, RIU, IA, CM, IR, IAC],
    ),
    reads(
        "DeleteApplicationInputProcessingConfiguration",
        &shapes::DELETE_APPLICATION_INPUT_PROCESSING_CONFIGURATION,
        &[RNF, RIU, IA, CM, IR],
    ),
    reads("DeleteApplicationOutput", &shapes::DELETE_APPLICATION_OUTPUT, &[RNF, RIU, IA, CM, IR]),
    reads(
        "DeleteApplicationReferenceDataSource",
        &shapes::DELETE_APPLICATION_REFERENCE_DATA_SOURCE,
        &[RNF, RIU, IA, CM, IR],
    ),
    writes(
        "DeleteApplicationSnapshot",
        &shapes::DELETE_APPLICATION_SNAPSHOT,
        &[RIU, IA, UO, IR, RNF, CM],
    ),
    writes(
        "DeleteApplicationVpcConfiguration",
        &shapes::DELETE_APPLICATION_VPC_CONFIGURATION,
        &[RNF, RIU, IA, CM, IAC],
    ),
    writes("DeleteSnapshot", &shapes::DELETE_SNAPSHOT, &[RNF, RIU, IA, CM, UO]),
    reads("DescribeApplication", &shapes::DESCRIBE_APPLICATION, &[RNF, IA, IR]),
    reads("DescribeApplicationOperation", &shapes::DESCRIBE_APPLICATION_OPERATION, &[IA, RNF, UO]),
    reads("DescribeApplicationSnapshot", &shapes::NAMED_SNAPSHOT, &[RNF, IA, UO]),
    reads("DescribeApplicationVersion", &shapes::DESCRIBE_APPLICATION_VERSION, &[IA, RNF, UO]),
    reads("DescribeSnapshot", &shapes::DESCRIBE_SNAPSHOT, &[RNF, IA, UO]),
    reads("DescribeSnapshotOperation", &shapes::DESCRIBE_SNAPSHOT_OPERATION, &[RNF, IA, UO]),
    reads("DiscoverInputSchema", &shapes::DISCOVER_INPUT_SCHEMA, &[IA, UDS, RPT, SU, IR, UO]),
    writes("ExportSnapshot", &shapes::EXPORT_SNAPSHOT, &[RNF, RIU, IA, LE, CM, UO]),
    writes("ImportSnapshot", &shapes::IMPORT_SNAPSHOT, &[RIU, IA, LE, CM, TMT, UO]),
    reads("ListApplicationOperations", &shapes::LIST_APPLICATION_OPERATIONS, &[IA, RNF, UO]),
    reads("ListApplicationSnapshots", &shapes::LIST_OF_APPLICATION, &[IA, UO]),
    reads("ListApplicationVersions", &shapes::LIST_OF_APPLICATION, &[IA, RNF, UO]),
    reads("ListApplications", &shapes::LIST_APPLICATIONS, &[IR]),
    reads("ListSnapshotOperations", &shapes::LIST_SNAPSHOT_OPERATIONS, &[RNF, IA, UO]),
    reads("ListSnapshots", &shapes::LIST_SNAPSHOTS, &[IA, UO]),
    reads("ListTagsForResource", &shapes::LIST_TAGS_FOR_RESOURCE, &[RNF, IA, CM]),
    writes("RollbackApplication", &shapes::ROLLBACK_APPLICATION, &[RNF, IA, RIU, IR, CM, UO]),
    writes("StartApplication", &shapes::START_APPLICATION, &[RNF, RIU, IA, IAC, IR, UO]),
    writes("StopApplication", &shapes::STOP_APPLICATION, &[RNF, RIU, IA, IR, IAC, CM]),
    writes("TagResource", &shapes::TAG_RESOURCE, &[RNF, RIU, TMT, IA, CM]),
    writes("UntagResource", &shapes::UNTAG_RESOURCE, &[RNF, RIU, TMT, IA, CM]),
    writes(
        "UpdateApplication",
        &shapes::UPDATE_APPLICATION,
        &[CV, RNF, RIU, IA, CM, IR, IAC, LE, UO],
    ),
    writes(
        "UpdateApplicationMaintenanceConfiguration",
        &shapes::UPDATE_APPLICATION_MAINTENANCE_CONFIGURATION,
        &[RNF, RIU, IA, CM, UO],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_41_operations() {
        assert_eq!(OPERATIONS.len(), 41);
        assert!(OPERATIONS.is_sorted_by_key(|operation| operation.name));
    }

    #[test]
    fn an_undeclared_code_gives_way_to_a_declared_one() {
        let check = |operation: &str, code: ErrorCode, expected: ErrorCode| {
            let spec = OperationSpec::named(operation).expect("in the table");
            assert_eq!(spec.declared(code), expected, "{operation}");
        };
        check("ListApplications", IA, IR);
        check("ListApplicationSnapshots", RNF, IA);
        check("StartApplication", CM, IA);
        check("UpdateApplication", CM, CM);
        check("ListApplications", ErrorCode::InternalFailure, ErrorCode::InternalFailure);
    }
}
