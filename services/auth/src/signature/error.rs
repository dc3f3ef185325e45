//! Why a signature is refused.

/// One sentence for the caller, which holds nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is none.
    #[error(
        "Request is missing Authentication Token: sign it with an access key \
         (AWS Signature Version 4)"
    )]
    Missing,
    /// Its parts are not all there, or not of their form.
    #[error("{0}")]
    Incomplete(String),
    /// It does not fit the request, the service or the time.
    #[error("{0}")]
    Invalid(String),
    #[error(
        "The security token included in the request is invalid: this service gives out no \
         session tokens, sign with an access key and without X-Amz-Security-Token"
    )]
    SessionToken,
}

impl SignatureError {
    /// AWS's own words for a signature that is another one.
    pub(super) fn mismatch() -> SignatureError {
        SignatureError::Invalid(
            "The request signature we calculated does not match the signature you provided. \
             Check your AWS Secret Access Key and signing method."
                .to_owned(),
        )
    }
}
