//! Where snapshots are: absolute directories now, other schemes later.

use object_store::path::Path;

use crate::error::StateError;

/// The object path of an absolute directory or `file:` URI.
///
/// # Errors
/// The text is relative, has another scheme, or holds `.`/`..` segments.
pub fn parse(location: &str) -> Result<Path, StateError> {
    let bad = |reason: &str| StateError::BadLocation {
        location: location.to_owned(),
        reason: reason.to_owned(),
    };
    let plain = match location.split_once("://") {
        Some(("file", rest)) => rest,
        Some((scheme, _)) => {
            return Err(bad(&format!(
                "scheme {scheme} is not supported; use an absolute directory"
            )));
        }
        None => location.strip_prefix("file:").unwrap_or(location),
    };
    if !plain.starts_with('/') {
        return Err(bad("it must be an absolute directory"));
    }
    let trimmed = plain.trim_end_matches('/').trim_end_matches("/_metadata");
    Path::parse(trimmed).map_err(|error| bad(&error.to_string()))
}

/// Where the runs of an application's checkpoints lie, seen from a checkpoint's
/// directory (Flink's name).
pub const SHARED: &str = "../../shared";

/// A directory named relative to another.
///
/// # Errors
/// It leads out of the root, or a segment is no name.
pub fn resolve(from: &Path, relative: &str) -> Result<Path, StateError> {
    let bad = |reason: String| StateError::BadLocation { location: relative.to_owned(), reason };
    let mut segments: Vec<&str> =
        from.as_ref().split('/').filter(|part| !part.is_empty()).collect();
    for segment in relative.split('/') {
        match segment {
            ".." if segments.pop().is_none() => return Err(bad("it leads out of the root".into())),
            ".." => {}
            name => segments.push(name),
        }
    }
    Path::parse(segments.join("/")).map_err(|error| bad(error.to_string()))
}

/// The text that [`parse`] reads back.
pub fn display(path: &Path) -> String {
    format!("/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h1_9_a_path_may_name_the_directory_or_its_metadata() {
        let check = |text: &str, path: &str| assert_eq!(parse(text).unwrap().as_ref(), path);
        check("/a/b", "a/b");
        check("/a/b/", "a/b");
        check("/a/b/_metadata", "a/b");
        check("file:///a/b", "a/b");
        check("file:/a/b", "a/b");
    }

    #[test]
    fn a_relative_directory_is_found_from_the_one_that_names_it() {
        let from = parse("/a/checkpoints/chk-1").unwrap();
        let check = |relative: &str, want: Option<&str>| {
            let found = resolve(&from, relative).ok();
            assert_eq!(found.as_ref().map(AsRef::as_ref), want, "{relative}");
        };
        check(SHARED, Some("a/shared"));
        check("../x", Some("a/checkpoints/x"));
        check("../../../../x", None);
    }

    #[test]
    fn other_locations_are_refused_with_the_reason() {
        let check = |text: &str, part: &str| {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        check("a/b", "absolute");
        check("s3://bucket/a", "scheme s3");
        check("/a/../b", "..");
    }
}
