//! Where the service keeps what it has: what `serve` and the commands for who runs it
//! share.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use millrace_auth::Principal;
use millrace_store::Store;

/// What a data directory has besides.
pub const DATABASE: &str = "millrace.db";
pub const CREDENTIALS: &str = "credentials";
/// Where services keep data that no user owns.
const SYSTEM: &str = "/var/lib/millrace";

/// Where the data of a server is, running or not.
#[derive(Args)]
pub struct Place {
    /// The data directory of the server [default: ~/.local/share/millrace]
    #[arg(long, global = true, env = "MILLRACE_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The server's database, if it is not a file there
    #[arg(
        long,
        global = true,
        env = "MILLRACE_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database_url: Option<String>,
    /// The key that secrets are sealed under [default: a file in the data directory]
    #[arg(long, global = true, env = "MILLRACE_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

impl Place {
    pub fn data_dir(&self) -> anyhow::Result<PathBuf> {
        data_dir(self.data_dir.as_deref())
    }

    /// The store of a server that was started once. It may run meanwhile: what is changed
    /// here holds for its next call.
    ///
    /// # Errors
    /// There is none, or it cannot be opened.
    pub async fn store(&self) -> anyhow::Result<Store> {
        if let Some(url) = &self.database_url {
            return Store::connect(url).await.context("cannot open the database");
        }
        let directory = self.data_dir()?;
        let database = directory.join(DATABASE);
        if !database.is_file() {
            bail!(
                "no server has its data in {}; start one with `millrace serve`, or name another \
                 directory with --data-dir",
                directory.display()
            );
        }
        Store::open(&database).await.context("cannot open the database")
    }
}

/// The data directory: `given`, or that of the user.
///
/// # Errors
/// There is no home to have one in.
pub fn data_dir(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(directory) = given {
        return Ok(directory.to_owned());
    }
    let base = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    let base = base.context("there is no HOME to keep data in; give --data-dir DIR")?;
    Ok(base.join("millrace"))
}

/// Where a server of this machine may have its data when nobody says.
pub fn usual() -> Vec<PathBuf> {
    data_dir(None).ok().into_iter().chain([PathBuf::from(SYSTEM)]).collect()
}

/// For the command line: 12 digits.
pub fn account(text: &str) -> Result<String, String> {
    Principal::root(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::account;

    #[test]
    fn accounts_are_twelve_digits() {
        assert!(account("000000000000").is_ok());
        assert!(account("12345678901").is_err());
        assert!(account("12345678901x").is_err());
    }
}
