//! What an application's code is, and what of it a cluster is given.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use millrace_domain::configuration::PropertyGroup;
use millrace_domain::lifecycle::Launch;
use serde_json::json;

use super::configuration::SETTINGS_GROUP;
use super::{driver, private, script};
use crate::error::LauncherError;

/// AWS: how a zip with a Python program says what to run.
const PYTHON_GROUP: &str = "kinesis.analytics.flink.run.options";
/// What every zip, and so every JAR, begins with.
const ZIP: &[u8; 4] = b"PK\x03\x04";

pub(crate) const NO_PYTHON: &str = "programs in Python (kinesis.analytics.flink.run.options) are not run yet: \
     use a SQL script or a JAR";

/// What the code of an application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKind {
    /// A script in Flink's SQL.
    Script,
    Jar,
    /// A zip with a program in Python.
    Python,
}

/// # Errors
/// The artifact is not there.
pub fn kind(artifact: &Path, launch: &Launch) -> Result<CodeKind, LauncherError> {
    let mut first = [0; ZIP.len()];
    let read = fs::File::open(artifact).and_then(|mut file| match file.read_exact(&mut first) {
        // Shorter than a zip can be.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
        read => read,
    });
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(LauncherError::NoCode { artifact: launch.artifact.to_string() });
        }
        Err(source) => {
            return Err(LauncherError::Io { doing: "read", path: artifact.to_owned(), source });
        }
        Ok(()) => {}
    }
    let python =
        group(&launch.properties, PYTHON_GROUP).is_some_and(|it| it.contains_key("python"));
    Ok(match (&first == ZIP, python) {
        (false, _) => CodeKind::Script,
        (true, true) => CodeKind::Python,
        (true, false) => CodeKind::Jar,
    })
}

/// Of a property group; `None`: there is no such group.
pub(super) fn group<'a>(
    groups: &'a [PropertyGroup],
    id: &str,
) -> Option<&'a BTreeMap<String, String>> {
    groups.iter().find(|group| group.id == id).map(|group| &group.properties)
}

/// The settings that the user makes, by Flink's keys.
pub(super) fn own_settings(launch: &Launch) -> BTreeMap<String, String> {
    group(&launch.properties, SETTINGS_GROUP).cloned().unwrap_or_default()
}

/// AWS: `/etc/flink/application_properties.json`, in the form of its API. The groups that
/// speak to the service are among them, as on AWS.
pub(super) fn properties(launch: &Launch) -> Vec<u8> {
    let groups = launch
        .properties
        .iter()
        .map(|group| json!({ "PropertyGroupId": group.id, "PropertyMap": group.properties }));
    serde_json::Value::from_iter(groups).to_string().into_bytes()
}

/// What a cluster runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Code {
    pub jar: Vec<u8>,
    pub arguments: Vec<String>,
    pub is_script: bool,
}

/// Why code is not run, with its place in the script; line 0 is the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub line: u64,
    pub column: u64,
    pub message: String,
}

impl Refused {
    pub(super) fn whole(message: impl Into<String>) -> Refused {
        Refused { line: 0, column: 0, message: message.into() }
    }
}

/// # Errors
/// The artifact cannot be read; or, within, it is not run.
pub(super) fn code(
    artifact: &Path,
    launch: &Launch,
    service: &[PathBuf],
) -> Result<Result<Code, Refused>, LauncherError> {
    let kind = kind(artifact, launch)?;
    let bytes = fs::read(artifact).map_err(|source| LauncherError::Io {
        doing: "read",
        path: artifact.to_owned(),
        source,
    })?;
    Ok(match kind {
        CodeKind::Jar => Ok(Code { jar: bytes, arguments: Vec::new(), is_script: false }),
        CodeKind::Python => {
            Err(Refused::whole("Programs in Python are not run yet: use a SQL script or a JAR"))
        }
        CodeKind::Script => of_script(&String::from_utf8_lossy(&bytes), service),
    })
}

fn of_script(text: &str, service: &[PathBuf]) -> Result<Code, Refused> {
    if let Some(path) = private::offending(text, service) {
        return Err(Refused::whole(format!(
            "path '{path}' leads into the service's own directory: keep tables elsewhere"
        )));
    }
    let script = script::read(text).map_err(|error| Refused {
        line: error.line,
        column: error.column,
        message: error.message,
    })?;
    let jar = driver::jar(&script)
        .ok_or_else(|| Refused::whole("the script has too many statements for Flink"))?;
    Ok(Code { jar, arguments: driver::arguments(&script), is_script: true })
}
