//! The command line of `millrace app`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::output::Format;

#[derive(Args)]
pub struct AppArguments {
    /// Where the server is
    #[arg(long, global = true, env = "MILLRACE_ENDPOINT", default_value = "http://127.0.0.1:8181")]
    pub endpoint: String,
    /// The Region to speak to
    #[arg(long, global = true, env = "AWS_REGION", default_value = "us-east-1")]
    pub region: String,
    /// The data directory of the server, for its access key; needed when it is on this
    /// machine and in no usual place
    #[arg(long, global = true, env = "MILLRACE_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Sign with this profile of AWS's shared credentials file
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub output: Format,
    #[command(subcommand)]
    pub command: AppCommand,
}

#[derive(Subcommand)]
pub enum AppCommand {
    /// Create an application from a SQL script or a zip
    Create(CreateArguments),
    /// Show one application
    Describe { name: String },
    /// Show all applications
    List,
    /// Start a stopped application
    Start(StartArguments),
    /// Stop a running application, with a snapshot unless forced
    Stop(StopArguments),
    /// Change code, runtime or settings; a running application is changed in place
    Update(UpdateArguments),
    /// Go back to the version before the last update
    Rollback(Target),
    /// Delete an application, also a running one
    Delete(Target),
    /// List, create or delete snapshots
    Snapshots(SnapshotArguments),
    /// Show the operations of an application, or one of them
    Operations { name: String, id: Option<String> },
    /// Show the versions of an application, or one of them
    Versions { name: String, id: Option<u64> },
    /// Show or choose by which rule an application is scaled
    Scaling(ScalingArguments),
    /// Print what happened to an application, or what happens
    Events(EventArguments),
    /// Print what the job of an application logs
    Logs(LogArguments),
    /// Print a link to the dashboard of the running job: whoever has it may look
    Dashboard(DashboardArguments),
    /// `millrace top`
    #[command(skip)]
    Top(TopArguments),
    /// `millrace snapshot`
    #[command(skip)]
    Snapshot(TransferCommand),
}

#[derive(Args)]
pub struct DashboardArguments {
    pub name: String,
    /// How long the link's session lasts, in seconds; it begins within three minutes
    #[arg(long, value_name = "SECONDS", default_value_t = 43_200)]
    pub session: u64,
}

#[derive(Args)]
pub struct TransferArguments {
    #[command(subcommand)]
    pub command: TransferCommand,
}

#[derive(Subcommand)]
pub enum TransferCommand {
    /// Show the snapshots of the account
    List,
    /// Take a snapshot of a running application whose snapshots are `enhanced`
    Create(KeepArguments),
    /// Delete a snapshot
    Delete {
        name: String,
        /// Return as soon as the request is accepted
        #[arg(long)]
        no_wait: bool,
    },
    /// Copy a snapshot to S3, below a prefix of its own that is printed
    Export(ExportArguments),
    /// Make a snapshot of what an export has written
    Import(ImportArguments),
}

#[derive(Args)]
pub struct KeepArguments {
    pub name: String,
    /// The application
    #[arg(long = "of", value_name = "APPLICATION")]
    pub application: String,
    #[command(flatten)]
    pub label: LabelArguments,
    /// Return as soon as the request is accepted
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Args)]
pub struct LabelArguments {
    #[arg(long, default_value = "")]
    pub description: String,
    /// A tag as KEY=VALUE
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub tags: Vec<String>,
}

#[derive(Args)]
pub struct ExportArguments {
    pub name: String,
    /// Where to: s3://BUCKET/PREFIX
    pub place: String,
    #[command(flatten)]
    pub transfer: TransferSettings,
}

#[derive(Args)]
pub struct ImportArguments {
    pub name: String,
    /// Where from, as the export printed it: s3://BUCKET/PREFIX
    pub place: String,
    #[command(flatten)]
    pub label: LabelArguments,
    #[command(flatten)]
    pub transfer: TransferSettings,
}

#[derive(Args)]
pub struct TransferSettings {
    /// The role to read or write S3 with; any ARN serves, as the server uses its own key
    #[arg(long, default_value = "arn:aws:iam::000000000000:role/millrace")]
    pub role: String,
    /// Return as soon as the request is accepted
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Args)]
pub struct ScalingArguments {
    pub name: String,
    /// cpu is AWS's rule; rate goes by what each operator could process
    #[arg(long, value_enum)]
    pub rule: Option<ScalingRule>,
    /// With --rule rate: how busy the busiest operator shall be, in percent [default: 70]
    #[arg(long, value_name = "PERCENT", requires = "rule")]
    pub target: Option<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScalingRule {
    Cpu,
    Rate,
}

#[derive(Args)]
pub struct EventArguments {
    pub name: String,
    /// Go on as more happens
    #[arg(short, long)]
    pub follow: bool,
}

#[derive(Args)]
pub struct LogArguments {
    pub name: String,
    /// Go on as more is logged
    #[arg(short, long)]
    pub follow: bool,
    /// How many of the last lines
    #[arg(long, value_name = "LINES", default_value_t = 1000)]
    pub tail: u32,
    /// Only lines with this text, in upper or lower case
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Of an earlier generation of the job
    #[arg(long)]
    pub generation: Option<u64>,
}

/// A command of `millrace app` that may be given without `app`.
#[derive(Args)]
pub struct Shortcut<A: Args> {
    /// Where the server is
    #[arg(long, global = true, env = "MILLRACE_ENDPOINT", default_value = "http://127.0.0.1:8181")]
    endpoint: String,
    /// The Region to speak to
    #[arg(long, global = true, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
    /// The data directory of the server, for its access key
    #[arg(long, global = true, env = "MILLRACE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Sign with this profile of AWS's shared credentials file
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    #[arg(long, global = true, value_enum, default_value = "text")]
    output: Format,
    #[command(flatten)]
    arguments: A,
}

impl<A: Args> Shortcut<A> {
    pub fn of_app(self, command: impl FnOnce(A) -> AppCommand) -> AppArguments {
        let Shortcut { endpoint, region, data_dir, profile, output, arguments } = self;
        AppArguments { endpoint, region, data_dir, profile, output, command: command(arguments) }
    }
}

#[derive(Args)]
pub struct TopArguments {
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub every: u64,
    /// How many tables [default: without end on a terminal, else one]
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

#[derive(Args)]
pub struct Target {
    pub name: String,
    /// Return as soon as the request is accepted
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Args)]
#[group(required = false, multiple = false)]
pub struct CodeArguments {
    /// A file with the Flink SQL script
    #[arg(long, value_name = "FILE")]
    pub sql: Option<PathBuf>,
    /// A zip with main.sql
    #[arg(long, value_name = "FILE")]
    pub zip: Option<PathBuf>,
    /// A JAR with a program for Apache Flink
    #[arg(long, value_name = "FILE")]
    pub jar: Option<PathBuf>,
    /// An object with the code: s3://BUCKET/KEY, a zip when it ends in .zip or .jar
    #[arg(long, value_name = "URL")]
    pub s3: Option<String>,
}

/// What a version says beside its code and runtime.
#[derive(Args)]
pub struct SettingArguments {
    #[arg(long)]
    pub parallelism: Option<u32>,
    /// Milliseconds between checkpoints
    #[arg(long, value_name = "MS")]
    pub checkpoint_interval: Option<u64>,
    /// Put the old version back by itself when an update fails
    #[arg(long, value_enum, value_name = "on|off")]
    pub system_rollback: Option<Switch>,
    /// Take a snapshot on stop and update; `enhanced`: of the account, which outlives the
    /// application, and for good
    #[arg(long = "snapshots", value_enum, value_name = "on|off|enhanced")]
    pub snapshots: Option<SnapshotSwitch>,
    /// What runs the job: the embedded engine, Apache Flink, or whichever suits the code
    #[arg(long, value_enum, value_name = "auto|embedded|flink")]
    pub engine: Option<EngineName>,
    /// A property as GROUP.KEY=VALUE; all groups are replaced by those given
    #[arg(long = "property", value_name = "GROUP.KEY=VALUE")]
    pub properties: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    Auto,
    Embedded,
    Flink,
}

impl EngineName {
    pub fn word(self) -> &'static str {
        match self {
            EngineName::Auto => "auto",
            EngineName::Embedded => "embedded",
            EngineName::Flink => "flink",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SnapshotSwitch {
    On,
    Off,
    Enhanced,
}

#[derive(Args)]
pub struct CreateArguments {
    pub name: String,
    #[command(flatten)]
    pub code: CodeArguments,
    /// The Flink version whose dialect and state format the application uses
    #[arg(long, default_value = "FLINK-1_20")]
    pub runtime: String,
    #[arg(long, default_value = "")]
    pub description: String,
    /// The service execution role; any ARN serves on one machine
    #[arg(long, default_value = "arn:aws:iam::000000000000:role/millrace")]
    pub role: String,
    #[command(flatten)]
    pub settings: SettingArguments,
    /// A tag as KEY=VALUE
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub tags: Vec<String>,
    /// Start it once it is created
    #[arg(long)]
    pub start: bool,
    /// Return as soon as the request is accepted
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Args)]
pub struct StartArguments {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub restore: RestoreArguments,
}

#[derive(Args)]
pub struct RestoreArguments {
    /// Start empty
    #[arg(long, conflicts_with = "from_snapshot")]
    pub skip_restore: bool,
    /// Start from this snapshot, by its name or its ARN, instead of the newest
    #[arg(long, value_name = "SNAPSHOT")]
    pub from_snapshot: Option<String>,
    /// Leave out state that no operator of the script takes
    #[arg(long)]
    pub allow_non_restored_state: bool,
}

#[derive(Args)]
pub struct StopArguments {
    #[command(flatten)]
    pub target: Target,
    /// At once and without a snapshot
    #[arg(long)]
    pub force: bool,
}

#[derive(Args)]
pub struct UpdateArguments {
    #[command(flatten)]
    pub target: Target,
    /// Only say what the update would do and whether it can
    #[arg(long)]
    pub check: bool,
    #[command(flatten)]
    pub code: CodeArguments,
    /// The runtime to change to
    #[arg(long)]
    pub runtime: Option<String>,
    #[command(flatten)]
    pub settings: SettingArguments,
    #[command(flatten)]
    pub restore: RestoreArguments,
}

#[derive(Args)]
pub struct SnapshotArguments {
    pub name: String,
    /// Take a snapshot under this name
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "delete")]
    pub create: Option<String>,
    /// Delete the snapshot of this name
    #[arg(long, value_name = "SNAPSHOT")]
    pub delete: Option<String>,
    /// Return as soon as the request is accepted
    #[arg(long)]
    pub no_wait: bool,
}
