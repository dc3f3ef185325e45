//! The 41 operations of the API, those served and those not (aws-api 1.1).

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
    /// The request's shape; `None`: known, and not served yet.
    pub input: Option<&'static Shape>,
    /// Changes something: a retry must not do it twice.
    pub mutates: bool,
    /// The service's errors that the model declares for it.
    pub errors: &'static [ErrorCode],
}

impl OperationSpec {
    /// The operation of this name, served or not.
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
        );
        // What is not served says so, whatever the model declares.
        if protocol || self.input.is_none() || self.errors.contains(&code) {
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
    OperationSpec { name, input: Some(input), mutates: false, errors }
}

const fn writes(
    name: &'static str,
    input: &'static Shape,
    errors: &'static [ErrorCode],
) -> OperationSpec {
    OperationSpec { name, input: Some(input), mutates: true, errors }
}

const fn later(name: &'static str, errors: &'static [ErrorCode]) -> OperationSpec {
    OperationSpec { name, input: None, mutates: false, errors }
}

/// All operations, by name.
pub static OPERATIONS: &[OperationSpec] = &[
    later("AddApplicationCloudWatchLoggingOption", &[RNF, RIU, IA, CM, IR, IAC]),
    later("AddApplicationInput", &[RNF, RIU, IA, CM, CV, IR]),
    later("AddApplicationInputProcessingConfiguration", &[RNF, RIU, IA, CM, IR]),
    later("AddApplicationOutput", &[RNF, RIU, IA, CM, IR]),
    later("AddApplicationReferenceDataSource", &[RNF, RIU, IA, CM, IR]),
    later("AddApplicationVpcConfiguration", &[RNF, RIU, IA, CM, IAC]),
    writes("CreateApplication", &shapes::CREATE_APPLICATION, &[CV, RIU, LE, IA, IR, TMT, CM, UO]),
    later("CreateApplicationPresignedUrl", &[RNF, RIU, IA]),
    writes("CreateApplicationSnapshot", &shapes::NAMED_SNAPSHOT, &[RIU, RNF, LE, IA, UO, IR, IAC]),
    later("CreateSnapshot", &[RIU, IA, IAC, LE, CM, TMT, UO]),
    writes("DeleteApplication", &shapes::DELETE_APPLICATION, &[CM, RNF, RIU, IA, IR, IAC]),
    later("DeleteApplicationCloudWatchLoggingOption", &[RNF, RIU, IA, CM, IR, IAC]),
    later("DeleteApplicationInputProcessingConfiguration", &[RNF, RIU, IA, CM, IR]),
    later("DeleteApplicationOutput", &[RNF, RIU, IA, CM, IR]),
    later("DeleteApplicationReferenceDataSource", &[RNF, RIU, IA, CM, IR]),
    writes(
        "DeleteApplicationSnapshot",
        &shapes::DELETE_APPLICATION_SNAPSHOT,
        &[RIU, IA, UO, IR, RNF, CM],
    ),
    later("DeleteApplicationVpcConfiguration", &[RNF, RIU, IA, CM, IAC]),
    later("DeleteSnapshot", &[RNF, RIU, IA, CM, UO]),
    reads("DescribeApplication", &shapes::DESCRIBE_APPLICATION, &[RNF, IA, IR]),
    reads("DescribeApplicationOperation", &shapes::DESCRIBE_APPLICATION_OPERATION, &[IA, RNF, UO]),
    reads("DescribeApplicationSnapshot", &shapes::NAMED_SNAPSHOT, &[RNF, IA, UO]),
    reads("DescribeApplicationVersion", &shapes::DESCRIBE_APPLICATION_VERSION, &[IA, RNF, UO]),
    later("DescribeSnapshot", &[RNF, IA, UO]),
    later("DescribeSnapshotOperation", &[RNF, IA, UO]),
    later("DiscoverInputSchema", &[IA, UDS, RPT, SU, IR, UO]),
    later("ExportSnapshot", &[RNF, RIU, IA, LE, CM, UO]),
    later("ImportSnapshot", &[RIU, IA, LE, CM, TMT, UO]),
    reads("ListApplicationOperations", &shapes::LIST_APPLICATION_OPERATIONS, &[IA, RNF, UO]),
    reads("ListApplicationSnapshots", &shapes::LIST_OF_APPLICATION, &[IA, UO]),
    reads("ListApplicationVersions", &shapes::LIST_OF_APPLICATION, &[IA, RNF, UO]),
    reads("ListApplications", &shapes::LIST_APPLICATIONS, &[IR]),
    later("ListSnapshotOperations", &[RNF, IA, UO]),
    later("ListSnapshots", &[IA, UO]),
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
    later("UpdateApplicationMaintenanceConfiguration", &[RNF, RIU, IA, CM, UO]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_41_operations_of_which_19_are_served() {
        assert_eq!(OPERATIONS.len(), 41);
        assert_eq!(OPERATIONS.iter().filter(|operation| operation.input.is_some()).count(), 19);
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
