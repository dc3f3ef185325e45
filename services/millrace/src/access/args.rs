//! The command lines of `keys`, `policy` and `audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use millrace_auth::{AccessKeyId, Principal};

use crate::output::Format;
use crate::place::{self, Place};

#[derive(Args)]
pub struct KeysArguments {
    #[command(flatten)]
    pub place: Place,
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub output: Format,
    #[command(subcommand)]
    pub command: KeysCommand,
}

#[derive(Subcommand)]
pub enum KeysCommand {
    /// Make an access key and print it as AWS's credentials file has it; its secret is not
    /// shown again
    Create(OwnerArguments),
    /// Show all access keys, without their secrets
    List {
        /// Those of this account alone
        #[arg(long, value_parser = place::account)]
        account: Option<String>,
    },
    /// Refuse a key from now on
    Disable {
        #[arg(value_parser = key_id)]
        id: AccessKeyId,
    },
    /// Take a disabled key again
    Enable {
        #[arg(value_parser = key_id)]
        id: AccessKeyId,
    },
    /// Delete a key for ever
    Delete {
        #[arg(value_parser = key_id)]
        id: AccessKeyId,
    },
}

#[derive(Args)]
pub struct OwnerArguments {
    /// The account, new ones too
    #[arg(long, env = "MILLRACE_ACCOUNT", default_value = "000000000000", value_parser = place::account)]
    account: String,
    /// A user of it, who may do what its policies allow [default: the root, who may do
    /// everything]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

impl OwnerArguments {
    /// # Errors
    /// It is no user's name.
    pub fn owner(&self) -> anyhow::Result<Principal> {
        Ok(Principal::of(&self.account, self.user.as_deref())?)
    }
}

#[derive(Args)]
pub struct PolicyArguments {
    #[command(flatten)]
    pub place: Place,
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub output: Format,
    #[command(subcommand)]
    pub command: PolicyCommand,
}

#[derive(Subcommand)]
pub enum PolicyCommand {
    /// Give a user a policy, in the place of the one of this name
    Put {
        #[command(flatten)]
        user: UserArguments,
        name: String,
        /// The policy in IAM's JSON form; - reads it from stdin
        file: PathBuf,
    },
    /// Print a policy as it was put
    Get {
        #[command(flatten)]
        user: UserArguments,
        name: String,
    },
    /// Show which policies users have
    List {
        /// Those of this account alone
        #[arg(long, value_parser = place::account)]
        account: Option<String>,
    },
    /// Take a policy from a user
    Delete {
        #[command(flatten)]
        user: UserArguments,
        name: String,
    },
    /// Say whether a user may do something, and which policy decides; exit code 1 if not
    Simulate(SimulateArguments),
}

#[derive(Args)]
pub struct UserArguments {
    #[arg(long, env = "MILLRACE_ACCOUNT", default_value = "000000000000", value_parser = place::account)]
    account: String,
    #[arg(long, value_name = "NAME")]
    user: String,
}

impl UserArguments {
    /// # Errors
    /// It is no user's name.
    pub fn user(&self) -> anyhow::Result<Principal> {
        Ok(Principal::user(&self.account, &self.user)?)
    }
}

#[derive(Args)]
pub struct SimulateArguments {
    #[command(flatten)]
    pub user: UserArguments,
    /// As kinesisanalytics:StartApplication
    #[arg(long)]
    pub action: String,
    /// An ARN
    #[arg(long, default_value = "*")]
    pub resource: String,
    /// A tag that the resource has, as KEY=VALUE
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub tags: Vec<String>,
    /// A tag that the call sends, as KEY=VALUE
    #[arg(long = "request-tag", value_name = "KEY=VALUE")]
    pub request_tags: Vec<String>,
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    pub region: String,
    /// Ask this policy instead of those that the user has
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

#[derive(Args)]
pub struct AuditArguments {
    #[command(flatten)]
    pub place: Place,
    /// Calls on this account alone
    #[arg(long, value_parser = place::account)]
    pub account: Option<String>,
    /// The newest so many
    #[arg(long, default_value = "50")]
    pub limit: u32,
    /// `json` prints one object a line, oldest first
    #[arg(long, value_enum, default_value = "text")]
    pub output: Format,
}

fn key_id(text: &str) -> Result<AccessKeyId, String> {
    AccessKeyId::new(text).map_err(|error| error.to_string())
}
