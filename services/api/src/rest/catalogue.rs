//! Which errors each operation answers with.

use std::collections::BTreeMap;

use millrace_api_spec::{ErrorCode, OperationSpec};

use super::problem::{self, Kind, of_code};
use super::updates_check;

/// Operations of this surface whose AWS operation has another name.
const NAMED_OTHERWISE: &[(&str, &str)] = &[
    ("checkUpdate", "UpdateApplication"),
    ("listApplicationTags", "ListTagsForResource"),
    ("tagApplication", "TagResource"),
    ("untagApplication", "UntagResource"),
    ("listSnapshotTags", "ListTagsForResource"),
    ("tagSnapshot", "TagResource"),
    ("untagSnapshot", "UntagResource"),
];

/// Who asks is not known, may not, or asks too often.
const OF_ACCESS: [ErrorCode; 6] = [
    ErrorCode::MissingAuthenticationToken,
    ErrorCode::IncompleteSignature,
    ErrorCode::UnrecognizedClient,
    ErrorCode::InvalidSignature,
    ErrorCode::AccessDenied,
    ErrorCode::Throttling,
];

/// What the document knows of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    pub id: &'a str,
    /// It names a resource in its path.
    pub has_path: bool,
    pub has_condition: bool,
    pub mutates: bool,
}

/// The errors of an operation, by status: what AWS declares for it, what this surface adds,
/// and what any request may meet.
pub fn errors(of: Described<'_>) -> BTreeMap<u16, Vec<Kind>> {
    let mut kinds: Vec<Kind> = declared(of.id).into_iter().map(of_code).collect();
    let always = [
        ErrorCode::InvalidArgument,
        ErrorCode::Serialization,
        ErrorCode::InternalFailure,
        ErrorCode::ServiceUnavailable,
    ];
    kinds.extend(always.map(of_code));
    kinds.extend(OF_ACCESS.map(of_code));
    // A body that an operation does not read is still too large, or not JSON.
    kinds.extend([of_code(ErrorCode::RequestTooLarge), problem::MEDIA]);
    if of.id == "checkUpdate" {
        kinds.push(updates_check::UNAVAILABLE);
    }
    if matches!(of.id, "listEvents" | "readLogs") {
        kinds.push(of_code(ErrorCode::LimitExceeded));
    }
    if of.has_path || of.id == "createSnapshot" {
        kinds.push(of_code(ErrorCode::ResourceNotFound));
    }
    if of.has_condition {
        kinds.push(problem::PRECONDITION);
    }
    if of.mutates {
        let more = [ErrorCode::ConcurrentModification, ErrorCode::UnsupportedOperation];
        kinds.extend(more.map(of_code));
    }
    let mut by_status: BTreeMap<u16, Vec<Kind>> = BTreeMap::new();
    for kind in kinds {
        let of_status = by_status.entry(kind.status).or_default();
        if !of_status.contains(&kind) {
            of_status.push(kind);
        }
    }
    by_status
}

/// Of the AWS operation that does the same.
fn declared(id: &str) -> Vec<ErrorCode> {
    let other = NAMED_OTHERWISE.iter().find(|(ours, _)| *ours == id).map(|(_, aws)| *aws);
    let name = other.map_or_else(|| upper_first(id), str::to_owned);
    OperationSpec::named(&name).map(|spec| spec.errors.to_vec()).unwrap_or_default()
}

fn upper_first(id: &str) -> String {
    let mut letters = id.chars();
    letters.next().map(|it| it.to_ascii_uppercase()).into_iter().chain(letters).collect()
}
