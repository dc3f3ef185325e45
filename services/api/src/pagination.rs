//! Parts of a list.

use millrace_api_spec::ErrorCode;
use millrace_store::Page;

use crate::error::ApiError;

/// AWS: at most, and when nothing is asked for.
const LIMIT: u32 = 50;

/// How many a call asks for.
pub fn limit(asked: Option<u32>) -> u32 {
    asked.unwrap_or(LIMIT).clamp(1, LIMIT)
}

/// The place that a token of ours names.
pub fn place(token: Option<&str>) -> Result<Option<u64>, ApiError> {
    let Some(token) = token else { return Ok(None) };
    token.parse().map(Some).map_err(|_| {
        let message = "NextToken is not one that this list gave: begin the list again";
        ApiError::new(ErrorCode::InvalidArgument, message)
    })
}

/// The token for what follows a page.
pub fn token<T>(page: &Page<T>) -> Option<String> {
    page.next.map(|place| place.to_string())
}
