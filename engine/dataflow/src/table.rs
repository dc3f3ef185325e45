//! What a connector is told about the table it serves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::types::{DataType, Schema};

/// A table as its connector sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSpec {
    /// `catalog.database.table`.
    pub name: String,
    /// `WITH (...)`, with OPTIONS hints merged over it. Never logged: may hold secrets.
    pub options: BTreeMap<String, String>,
    /// The physical columns in declaration order: the format's fields.
    pub physical: Schema,
    /// Metadata columns in declaration order.
    pub metadata: Vec<MetadataColumn>,
    /// `PARTITIONED BY`, as indices into `physical`.
    pub partition_keys: Vec<usize>,
    /// `PRIMARY KEY ... NOT ENFORCED`, as indices into `physical`.
    pub primary_key: Vec<usize>,
}

/// `c TYPE METADATA [FROM 'key'] [VIRTUAL]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataColumn {
    pub name: String,
    /// The connector's name for it, for example `file.path`.
    pub key: String,
    pub data_type: DataType,
    /// Read only: no part of an INSERT.
    pub is_virtual: bool,
}

/// One column that a source must produce, in the order asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProducedColumn {
    /// Index into [`TableSpec::physical`].
    Physical(usize),
    /// Index into [`TableSpec::metadata`]; produced in the connector's own type for
    /// that key ([`crate::catalog::MetadataKey::data_type`]); the plan casts it.
    Metadata(usize),
}
