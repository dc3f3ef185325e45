//! Which access key the command line signs with.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use millrace_auth::credentials::{self, DEFAULT_PROFILE};
use millrace_auth::{AccessKeyId, NewAccessKey, SecretKey};
use serde_json::Value;

use super::args::AppArguments;
use crate::place;

/// In this order: the profile named; the credentials file of the data directory named; that
/// of the server at this endpoint, if it is one of this machine in a usual place; the AWS
/// environment; AWS's shared credentials file.
///
/// # Errors
/// There is none, or what there is holds no access key.
pub fn find(arguments: &AppArguments) -> anyhow::Result<NewAccessKey> {
    if let Some(profile) = &arguments.profile {
        let path = shared_file().context("there is no HOME to look for ~/.aws/credentials in")?;
        return read(&path, profile);
    }
    if let Some(directory) = &arguments.data_dir {
        return read(&directory.join(place::CREDENTIALS), DEFAULT_PROFILE);
    }
    let serving = |directory: &PathBuf| serves(directory, &arguments.endpoint);
    let own = place::usual().into_iter().find(serving);
    if let Some(path) = own.map(|own| own.join(place::CREDENTIALS)).filter(|path| path.exists()) {
        return read(&path, DEFAULT_PROFILE);
    }
    if let Some(key) = of_environment()? {
        return Ok(key);
    }
    if let Some(path) = shared_file().filter(|path| path.exists()) {
        return read(&path, DEFAULT_PROFILE);
    }
    bail!(
        "there is no access key to sign with; a server writes one to the file credentials in its \
         data directory: name that with --data-dir DIR, or set AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY"
    )
}

fn read(path: &Path, profile: &str) -> anyhow::Result<NewAccessKey> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the access key in {}", path.display()))?;
    credentials::read(&text, profile).with_context(|| format!("in {}", path.display()))
}

/// Whether the server that notes its address in `directory` is the one at `endpoint`.
fn serves(directory: &Path, endpoint: &str) -> bool {
    let Ok(note) = std::fs::read_to_string(directory.join("server.json")) else { return false };
    let note: Value = serde_json::from_str(&note).unwrap_or_default();
    let Some(address) = note["address"].as_str() else { return false };
    let asked = endpoint.trim_end_matches('/').strip_prefix("http://").unwrap_or_default();
    let (asked, own) = (asked.rsplit_once(':'), address.rsplit_once(':'));
    let (Some((host, port)), Some((own_host, own_port))) = (asked, own) else { return false };
    let local = ["127.0.0.1", "localhost", "[::1]"].contains(&host);
    let everywhere = ["0.0.0.0", "[::]"].contains(&own_host);
    port == own_port
        && (host == own_host || local && everywhere || local && own_host == "127.0.0.1")
}

fn of_environment() -> anyhow::Result<Option<NewAccessKey>> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (id, secret) = (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY"));
    let (Some(id), Some(secret)) = (id, secret) else { return Ok(None) };
    let id = AccessKeyId::new(id).context("AWS_ACCESS_KEY_ID")?;
    let secret = SecretKey::new(secret).context("AWS_SECRET_ACCESS_KEY")?;
    Ok(Some(NewAccessKey { id, secret }))
}

fn shared_file() -> Option<PathBuf> {
    let named = std::env::var_os("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".aws/credentials"));
    named.or_else(home)
}

#[cfg(test)]
mod tests {
    use super::serves;

    #[test]
    fn a_server_is_known_by_its_address() {
        let check = |address: &str, endpoint: &str, expected: bool| {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let note = serde_json::json!({"pid": 1, "address": address}).to_string();
            std::fs::write(directory.path().join("server.json"), note).expect("writable");
            assert_eq!(serves(directory.path(), endpoint), expected, "{address} {endpoint}");
        };
        check("127.0.0.1:8181", "http://127.0.0.1:8181", true);
        check("127.0.0.1:8181", "http://localhost:8181/", true);
        check("0.0.0.0:8181", "http://127.0.0.1:8181", true);
        check("127.0.0.1:8181", "http://127.0.0.1:8182", false);
        check("127.0.0.1:8181", "https://millrace.example", false);
        check("10.0.0.1:8181", "http://127.0.0.1:8181", false);
        assert!(!serves(std::path::Path::new("/absent"), "http://127.0.0.1:8181"));
    }
}
