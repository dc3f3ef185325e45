//! Whether a script would have Flink read or write the service's own files.
//!
//! The embedded engine refuses such a table when it opens it. Flink knows nothing of that, so
//! the script is looked at before. A JAR cannot be looked at: it does what the server's user
//! may do, which is why somebody has to install Flink first.

use std::path::{Component, Path, PathBuf};

use super::script;

/// The first literal that leads into one of the `private` directories, or, as the value of
/// an option, to a directory that holds one.
pub fn offending(text: &str, private: &[PathBuf]) -> Option<String> {
    let private: Vec<PathBuf> = private.iter().map(|path| resolved(path)).collect();
    let leads = |literal: &script::Literal| {
        let Some(path) = path(&literal.text) else { return false };
        let path = resolved(path);
        private
            .iter()
            .any(|own| path.starts_with(own) || literal.is_option && own.starts_with(&path))
    };
    script::literals(text).into_iter().find(leads).map(|literal| literal.text)
}

/// A local path, plain or as a URI.
fn path(literal: &str) -> Option<&Path> {
    let text = literal.strip_prefix("file:").unwrap_or(literal);
    let slashes = text.bytes().take_while(|byte| *byte == b'/').count();
    (slashes > 0).then(|| Path::new(&text[slashes - 1..]))
}

/// Without links and dots, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        if let Ok(real) = ancestor.canonicalize() {
            let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
            return rest.components().fold(real, |mut real, part| {
                match part {
                    Component::ParentDir => drop(real.pop()),
                    Component::Normal(name) => real.push(name),
                    _ => {}
                }
                real
            });
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_in_above_or_linked_to_the_services_directory_is_found() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let data = root.path().join("data");
        std::fs::create_dir(&data).expect("writable");
        std::os::unix::fs::symlink(&data, root.path().join("link")).expect("writable");
        let check = |path: &str, want: bool| {
            let path = path.replace("ROOT", &root.path().display().to_string());
            let text = format!("CREATE TABLE t (a INT) WITH ('path' = '{path}')");
            assert_eq!(offending(&text, std::slice::from_ref(&data)).is_some(), want, "{path}");
        };
        check("ROOT/data/credentials", true);
        check("ROOT/link", true);
        check("ROOT", true);
        check("file://ROOT/data", true);
        check("file:ROOT/data/x", true);
        check("ROOT/other/../data/x", true);
        check("/", true);
        check("ROOT/other", false);
        check("ROOT/database", false);
        check("s3://bucket/data", false);
        let text = "INSERT INTO t SELECT SPLIT_INDEX(u, '/', 1) FROM s";
        assert_eq!(offending(text, &[data]), None);
    }
}
