//! What the SQL front end may know of connectors: data only, no client library.

use crate::level::RuntimeLevel;
use crate::lookup::LookupCache;
use crate::table::TableSpec;
use crate::types::DataType;

/// The connectors this engine was built with.
pub trait ConnectorCatalog: Send + Sync {
    fn connector(&self, name: &str) -> Option<&ConnectorDescriptor>;

    /// Names in alphabetical order, for messages.
    fn names(&self) -> Vec<&str>;

    /// Checks every option of a table as Flink does when the table is first used:
    /// unknown keys, missing keys, bad values, formats included.
    ///
    /// # Errors
    /// The first problem, with the option that caused it.
    fn check_options(
        &self,
        table: &TableSpec,
        usage: TableUsage,
        level: RuntimeLevel,
    ) -> Result<(), OptionError>;

    /// How the table answers lookups (row B6.14).
    ///
    /// # Errors
    /// Its connector has none, or an option of them cannot be used.
    fn lookup(&self, table: &TableSpec) -> Result<LookupCache, OptionError> {
        Err(OptionError {
            key: Some("connector".to_owned()),
            message: format!("table '{}' cannot be looked up by key", table.name),
        })
    }

    /// The changes a sink accepts or a source produces, given its options (a format
    /// may widen them).
    fn changelog_mode(&self, table: &TableSpec, usage: TableUsage) -> ChangelogMode;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableUsage {
    Source,
    Sink,
}

/// Which row kinds flow. `Insert` is always among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangelogMode {
    pub update_before: bool,
    pub update_after: bool,
    pub delete: bool,
}

impl ChangelogMode {
    pub const INSERT_ONLY: ChangelogMode =
        ChangelogMode { update_before: false, update_after: false, delete: false };
    pub const ALL: ChangelogMode =
        ChangelogMode { update_before: true, update_after: true, delete: true };
    pub const UPSERT: ChangelogMode =
        ChangelogMode { update_before: false, update_after: true, delete: true };

    pub fn is_insert_only(self) -> bool {
        self == ChangelogMode::INSERT_ONLY
    }
}

/// A connector as data.
#[derive(Clone, Debug)]
pub struct ConnectorDescriptor {
    pub name: &'static str,
    pub source: bool,
    pub sink: bool,
    /// First level that has it.
    pub since: RuntimeLevel,
    pub metadata: Vec<MetadataKey>,
}

/// A metadata key that a connector can read.
#[derive(Clone, Debug)]
pub struct MetadataKey {
    pub key: &'static str,
    pub data_type: DataType,
}

/// An option that cannot be used. `Display` is one sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OptionError {
    /// The offending key, for the diagnostic to point at; `None` when one is missing.
    pub key: Option<String>,
    pub message: String,
}

/// Makes the connectors of a job graph real.
pub trait ConnectorFactory: Send + Sync {
    /// # Errors
    /// The table cannot be served as asked, for example a directory that cannot be
    /// listed. Options were checked before.
    fn source(
        &self,
        scan: &crate::source::ScanSpec,
    ) -> Result<Box<dyn crate::source::Source>, crate::source::SourceError>;
    /// # Errors
    /// The table cannot be looked up in, or not as asked.
    fn lookup_source(
        &self,
        spec: &crate::lookup::LookupSpec,
    ) -> Result<Box<dyn crate::lookup::LookupSource>, crate::source::SourceError> {
        let message = format!("rows of table '{}' cannot be looked up", spec.scan.table.name);
        Err(crate::source::SourceError::Failed { message, source: None })
    }
    fn sink(&self, table: &TableSpec)
    -> Result<Box<dyn crate::sink::Sink>, crate::sink::SinkError>;
}
