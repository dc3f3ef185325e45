//! Local paths out of `path` options.

use std::path::{Path, PathBuf};

/// A plain path, `file:/path`, or `file://[localhost]/path`.
///
/// # Errors
/// Another scheme, or nothing at all.
pub fn of_option(text: &str) -> Result<PathBuf, String> {
    let text = text.trim();
    let local = match text.split_once(':') {
        Some(("file", rest)) => strip_authority(rest)?,
        Some((scheme, rest)) if rest.starts_with("//") => {
            return Err(format!(
                "path '{text}' has the scheme '{scheme}'; this engine reads and writes local files: \
                 use 'file:///directory' or '/directory'"
            ));
        }
        _ => text,
    };
    if local.is_empty() {
        return Err("option 'path' is empty; name a file or a directory".to_owned());
    }
    std::path::absolute(local).map_err(|error| format!("path '{text}' cannot be used: {error}"))
}

fn strip_authority(rest: &str) -> Result<&str, String> {
    let Some(after) = rest.strip_prefix("//") else { return Ok(rest) };
    let path = after.strip_prefix("localhost").unwrap_or(after);
    if path.starts_with('/') {
        return Ok(path);
    }
    Err(format!("path 'file://{after}' names a host; write 'file:///{after}' for a local file"))
}

/// A path as text, for messages, split ids and metadata.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g8_1_plain_paths_and_file_uris() {
        for text in ["/a/b", "file:/a/b", "file:///a/b", "file://localhost/a/b", " /a/b "] {
            assert_eq!(of_option(text), Ok(PathBuf::from("/a/b")), "{text}");
        }
        for text in ["s3://bucket/a", "hdfs:///a", "file://host/a", "", "file://"] {
            assert!(of_option(text).is_err(), "{text}");
        }
    }
}
