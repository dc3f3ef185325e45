//! Parameters in path and headers, as the document shows them; [`super::asked::Asked`]
//! reads them.
#![allow(dead_code, reason = "these describe what Asked reads")]

use utoipa::{IntoParams, ToSchema};

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfApplication {
    /// The application's name.
    #[param(min_length = 1, max_length = 128, pattern = "^[a-zA-Z0-9_.-]+$")]
    name: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfSnapshot {
    /// The snapshot's name.
    #[param(min_length = 1, max_length = 256, pattern = "^[a-zA-Z0-9_.-]+$")]
    snapshot: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfAccountSnapshot {
    /// The snapshot's name.
    #[param(min_length = 1, max_length = 100, pattern = "^[a-zA-Z0-9_.-]+$")]
    snapshot: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TagKeys {
    /// A key; give one or more.
    #[param(min_items = 1, max_items = 200)]
    key: Vec<TagKey>,
}

#[derive(ToSchema)]
#[schema(min_length = 1, max_length = 128)]
pub struct TagKey(String);

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfVersion {
    /// The version's number.
    #[param(minimum = 1, maximum = 999_999_999)]
    version: u64,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfOperation {
    /// The operation's id.
    #[param(min_length = 1, max_length = 64)]
    operation: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfOption {
    /// The option's id.
    #[param(min_length = 1, max_length = 50, pattern = "^[a-zA-Z0-9_.-]+$")]
    id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Once {
    /// The same for every retry of one request, which is then done once and answered as the
    /// first time, for a day. With another request it is another key.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfMatch {
    /// The entity tag that describing the application showed, in quotes; `*` is any. Answers
    /// 412 when the application has another by now.
    #[param(rename = "If-Match", pattern = r#"^(\*|"[^"]+")$"#)]
    if_match: Option<String>,
}
