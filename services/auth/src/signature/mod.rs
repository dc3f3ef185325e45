//! AWS Signature Version 4, in the `Authorization` header and in the query.
//!
//! Verifying goes in two steps, because the first needs no secret and no body:
//! [`Claim::read`] finds out what a request claims and refuses what cannot be right;
//! [`Claim::verify`] checks the signature and gives the proof, a [`Verified`].
//!
//! The body is always a part of what is signed: `UNSIGNED-PAYLOAD` is S3's alone.
//! Session tokens are refused: nobody gives them out here.
//!
//! Codes and sentences are those of AWS's JSON 1.1 services (Kinesis, DynamoDB), where
//! they are known.

mod canonical;
mod claim;
mod error;
mod sign;
mod time;

pub use canonical::Request;
pub use claim::{Claim, Verified};
pub use error::SignatureError;
pub use sign::Signer;

/// The one algorithm there is.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// AWS: how far clocks may differ, and how long a signature in a header holds.
pub const SKEW_MS: i64 = 5 * 60 * 1000;
/// AWS: the longest that a signature in the query may hold, a week.
pub const LONGEST_EXPIRY_S: i64 = 7 * 24 * 60 * 60;
const TERMINATOR: &str = "aws4_request";
