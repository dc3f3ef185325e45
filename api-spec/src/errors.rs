//! The error catalogue.

/// The codes that this service answers with. The first ones are the service's own, the
/// last ones belong to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    CodeValidation,
    ConcurrentModification,
    InvalidApplicationConfiguration,
    InvalidArgument,
    InvalidRequest,
    LimitExceeded,
    ResourceInUse,
    ResourceNotFound,
    ResourceProvisionedThroughputExceeded,
    ServiceUnavailable,
    TooManyTags,
    UnableToDetectSchema,
    UnsupportedOperation,
    /// The body is not what the protocol says: malformed, or a value of another type.
    Serialization,
    UnknownOperation,
    RequestTooLarge,
    InternalFailure,
    /// The request is not signed.
    MissingAuthenticationToken,
    /// The signature is not whole.
    IncompleteSignature,
    /// There is no such access key, or it is disabled.
    UnrecognizedClient,
    /// The signature is another one, too old, or for another Region or service.
    InvalidSignature,
    AccessDenied,
    /// More calls than the caller may make: SDKs wait and try again.
    Throttling,
}

impl ErrorCode {
    /// The `__type` of the error body, which is where clients read it.
    pub const fn name(self) -> &'static str {
        match self {
            ErrorCode::CodeValidation => "CodeValidationException",
            ErrorCode::ConcurrentModification => "ConcurrentModificationException",
            ErrorCode::InvalidApplicationConfiguration => {
                "InvalidApplicationConfigurationException"
            }
            ErrorCode::InvalidArgument => "InvalidArgumentException",
            ErrorCode::InvalidRequest => "InvalidRequestException",
            ErrorCode::LimitExceeded => "LimitExceededException",
            ErrorCode::ResourceInUse => "ResourceInUseException",
            ErrorCode::ResourceNotFound => "ResourceNotFoundException",
            ErrorCode::ResourceProvisionedThroughputExceeded => {
                "ResourceProvisionedThroughputExceededException"
            }
            ErrorCode::ServiceUnavailable => "ServiceUnavailableException",
            ErrorCode::TooManyTags => "TooManyTagsException",
            ErrorCode::UnableToDetectSchema => "UnableToDetectSchemaException",
            ErrorCode::UnsupportedOperation => "UnsupportedOperationException",
            ErrorCode::Serialization => "SerializationException",
            ErrorCode::UnknownOperation => "UnknownOperationException",
            ErrorCode::RequestTooLarge => "RequestEntityTooLargeException",
            ErrorCode::InternalFailure => "InternalFailure",
            ErrorCode::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            ErrorCode::IncompleteSignature => "IncompleteSignatureException",
            ErrorCode::UnrecognizedClient => "UnrecognizedClientException",
            ErrorCode::InvalidSignature => "InvalidSignatureException",
            ErrorCode::AccessDenied => "AccessDeniedException",
            ErrorCode::Throttling => "ThrottlingException",
        }
    }

    /// HTTP: 400 for whatever the caller can mend, also what is not found or not allowed
    /// (AWS); SDKs retry a 5xx.
    pub fn http_status(self) -> u16 {
        match self {
            ErrorCode::ServiceUnavailable | ErrorCode::InternalFailure => 500,
            ErrorCode::RequestTooLarge => 413,
            _ => 400,
        }
    }
}
