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
