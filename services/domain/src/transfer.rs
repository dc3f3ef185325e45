//! Exports of enhanced snapshots to S3, and imports from there.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::commands::check_tags;
use crate::enhanced::{
    EnhancedRequest, EnhancedSnapshot, ImportSource, SnapshotOperation, SnapshotOperationKind,
    SnapshotSource, begun, check_name,
};
use crate::ids::{ApplicationId, EnhancedSnapshotName, OperationId, Timestamp};
use crate::reject::Reject;
use crate::snapshot::SnapshotStatus;

/// AWS: characters of a `KeyPrefix`. That of an export has room for what is appended, so
/// that an import can name it.
const PREFIX_CHARACTERS: usize = 200;

/// A bucket and a prefix of keys in it, as a call gave them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct S3Prefix {
    pub bucket: String,
    pub prefix: String,
}

impl S3Prefix {
    /// # Errors
    /// The prefix has an empty part, one that a directory takes for a way (`.`, `..`), or a
    /// control character.
    pub fn new(bucket: String, prefix: String) -> Result<S3Prefix, Reject> {
        let place = S3Prefix { bucket, prefix };
        let odd = |part: &str| matches!(part, "" | "." | "..") || part.contains(char::is_control);
        if place.root().split('/').any(odd) {
            let problem = "it must be names with / between them: snapshots/orders".to_owned();
            return Err(Reject::Invalid { member: "KeyPrefix", problem });
        }
        Ok(place)
    }

    /// The key of a file below it.
    pub fn key(&self, file: &str) -> String {
        format!("{}/{file}", self.root())
    }

    /// Where an export of this operation goes. AWS: a unique prefix is appended.
    pub fn exported(&self, operation: &OperationId) -> S3Prefix {
        S3Prefix { bucket: self.bucket.clone(), prefix: self.key(operation.as_str()) }
    }

    fn root(&self) -> &str {
        self.prefix.strip_suffix('/').unwrap_or(&self.prefix)
    }
}

impl fmt::Display for S3Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.root())
    }
}

/// A snapshot of the account, to be made of what is in S3.
#[derive(Clone, Debug)]
pub struct ImportSnapshot {
    pub account: String,
    pub region: String,
    pub name: EnhancedSnapshotName,
    pub description: String,
    pub tags: BTreeMap<String, String>,
    pub from: S3Prefix,
}

impl ImportSnapshot {
    /// A snapshot CREATING, and the operation that brings its files. The store refuses a
    /// name that is taken.
    ///
    /// # Errors
    /// The name is reserved, or there are too many tags.
    pub fn decide(self, id: OperationId, now: Timestamp) -> Result<EnhancedRequest, Reject> {
        check_name(&self.name)?;
        check_tags(self.tags.len())?;
        let kind = SnapshotOperationKind::ImportSnapshot;
        let snapshot = EnhancedSnapshot {
            account: self.account,
            region: self.region,
            name: self.name,
            description: self.description,
            status: SnapshotStatus::Creating,
            created_at: now,
            initiator: kind,
            source: SnapshotSource::Import(ImportSource {
                holder: holder(&id),
                from: self.from.clone(),
            }),
            location: None,
            size_bytes: None,
            tags: self.tags,
        };
        let operation = begun(&snapshot, kind, id, None, now);
        let operation = SnapshotOperation { place: Some(self.from), ..operation };
        Ok(EnhancedRequest { snapshot, operation })
    }
}

/// No application's: those have no such prefix. Characters that an application's id cannot
/// have are left out; what is left of a UUID is all of it.
fn holder(operation: &OperationId) -> ApplicationId {
    let plain = operation.as_str().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-');
    let id: String = "import-".chars().chain(plain).take(64).collect();
    ApplicationId::new(id).expect("letters, digits and hyphens, at most 64")
}

impl EnhancedSnapshot {
    /// The operation that copies its files. The store refuses a second one at a time.
    ///
    /// # Errors
    /// It is not READY, or the prefix has no room for what is appended to it.
    pub fn export(
        &self,
        to: S3Prefix,
        id: OperationId,
        now: Timestamp,
    ) -> Result<SnapshotOperation, Reject> {
        if self.status != SnapshotStatus::Ready {
            return Err(Reject::EnhancedStatus {
                name: self.name.clone(),
                status: self.status.name(),
                next: "only a READY snapshot can be exported",
            });
        }
        let most = PREFIX_CHARACTERS - 1 - id.as_str().len().min(PREFIX_CHARACTERS - 2);
        if to.root().chars().count() > most {
            let problem = format!(
                "it must have at most {most} characters: the operation's id is appended to it"
            );
            return Err(Reject::Invalid { member: "KeyPrefix", problem });
        }
        let operation = begun(self, SnapshotOperationKind::ExportSnapshot, id, None, now);
        Ok(SnapshotOperation { place: Some(to), ..operation })
    }
}

impl SnapshotOperation {
    /// Where an export has put the files, once it is SUCCESSFUL.
    pub fn exported(&self) -> Option<S3Prefix> {
        let done = self.status == crate::operation::OperationStatus::Successful;
        let is_export = self.kind == SnapshotOperationKind::ExportSnapshot;
        self.place.as_ref().filter(|_| done && is_export).map(|place| place.exported(&self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> OperationId {
        OperationId::new(text).expect("a valid id")
    }

    #[test]
    fn a_prefix_is_names_and_no_ways() {
        let check = |prefix: &str, expected: Option<&str>| {
            let place = S3Prefix::new("b".to_owned(), prefix.to_owned()).ok();
            let exported = place.map(|place| place.exported(&id("op")).to_string());
            assert_eq!(exported.as_deref(), expected, "{prefix}");
        };
        check("a", Some("s3://b/a/op"));
        check("a/b/", Some("s3://b/a/b/op"));
        for bad in ["/", "/a", "a//b", "a/../b", ".", "a/.", "a\n"] {
            check(bad, None);
        }
    }

    #[test]
    fn an_import_has_files_of_its_own_and_a_free_name() {
        let import = |name: &str| ImportSnapshot {
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            name: EnhancedSnapshotName::new(name).expect("a valid name"),
            description: String::new(),
            tags: BTreeMap::new(),
            from: S3Prefix { bucket: "b".to_owned(), prefix: "p".to_owned() },
        };
        let made = import("s").decide(id("1-2_3"), Timestamp(5)).expect("it is allowed");
        assert_eq!(made.snapshot.source.holder().as_str(), "import-1-23");
        assert_eq!(made.operation.place, Some(import("s").from));
        assert!(import("SystemSnapshot").decide(id("1"), Timestamp(5)).is_err());

        // Stored before there were imports, and stored now.
        let json = serde_json::to_string(&made.snapshot.source).expect("text keys");
        let read: SnapshotSource = serde_json::from_str(&json).expect("as it was written");
        assert_eq!(read, made.snapshot.source);
    }

    #[test]
    fn an_export_needs_a_ready_snapshot_and_room_for_its_id() {
        let place = |length: usize| S3Prefix { bucket: "b".into(), prefix: "p".repeat(length) };
        let import = ImportSnapshot {
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            name: EnhancedSnapshotName::new("s").expect("a valid name"),
            description: String::new(),
            tags: BTreeMap::new(),
            from: place(1),
        };
        let made = import.decide(id("i"), Timestamp(1)).expect("it is allowed");
        let export = |made: &EnhancedRequest, length| {
            let uuid = "00000000-0000-0000-0000-000000000001";
            made.snapshot.export(place(length), id(uuid), Timestamp(2))
        };
        assert!(matches!(export(&made, 1), Err(Reject::EnhancedStatus { .. })));
        let ready = made.settled(Ok("/s".to_owned()), Timestamp(2)).sized(7);
        assert_eq!(ready.snapshot.size_bytes, Some(7));
        let begun = export(&ready, 163).expect("there is room");
        assert_eq!(begun.exported(), None, "it is not done");
        let done = begun.ended(None, Timestamp(3)).exported().expect("it is done");
        assert_eq!(done.prefix.len(), 200);
        assert!(matches!(export(&ready, 164), Err(Reject::Invalid { member: "KeyPrefix", .. })));
    }
}
