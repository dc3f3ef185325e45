//! What the store promises, in a few maps.

use std::collections::BTreeMap;

use millrace_domain::change::{ApplicationWrite, IdempotencyRecord};
use millrace_domain::{
    Application, ApplicationId, Change, Operation, Revision, Snapshot, Timestamp, Version,
    VersionId,
};

use crate::actions::Refusal;

/// An application and what belongs to it; lists in the order of insertion.
#[derive(Clone, Debug)]
pub struct Rows {
    pub application: Application,
    pub versions: BTreeMap<VersionId, Version>,
    pub operations: Vec<Operation>,
    pub snapshots: Vec<Snapshot>,
    pub wake_at: Option<Timestamp>,
    pub lease: Option<(String, Timestamp)>,
}

#[derive(Debug, Default)]
pub struct Model {
    pub rows: BTreeMap<ApplicationId, Rows>,
    pub answers: Vec<IdempotencyRecord>,
    /// Until when each replica lives.
    pub alive: BTreeMap<String, Timestamp>,
}

impl Model {
    pub fn named(&self, account: &str, name: &str) -> Option<&Rows> {
        let mut all = self.rows.values();
        all.find(|rows| {
            rows.application.account == account && rows.application.name.as_str() == name
        })
    }

    /// Whether no other living replica than `holder` has the lease.
    pub fn is_free(&self, rows: &Rows, holder: &str, now: Timestamp) -> bool {
        rows.lease.as_ref().is_none_or(|(one, until)| {
            let lives = self.alive.get(one).is_some_and(|until| *until > now);
            one == holder || (*until <= now && !lives)
        })
    }

    pub fn of_account(&self, account: &str) -> Vec<&Rows> {
        let mut all: Vec<&Rows> =
            self.rows.values().filter(|rows| rows.application.account == account).collect();
        all.sort_by(|a, b| a.application.name.cmp(&b.application.name));
        all
    }

    pub fn answer(&self, record: &IdempotencyRecord) -> Option<&IdempotencyRecord> {
        self.answers.iter().find(|one| {
            (&one.account, &one.invocation_id, &one.request_digest)
                == (&record.account, &record.invocation_id, &record.request_digest)
        })
    }

    pub fn commit(&mut self, change: &Change) -> Result<Revision, Refusal> {
        if let Some(answer) = change.idempotency.as_ref().and_then(|record| self.answer(record)) {
            return Err(Refusal::AlreadyDone(answer.response.clone()));
        }
        let revision = match &change.application {
            ApplicationWrite::Put(application) => self.put(change, application)?,
            ApplicationWrite::Delete(id) => {
                let found = self.rows.get(id).map(|rows| rows.application.revision);
                if found.is_none() || found != change.expected {
                    return Err(Refusal::Stale);
                }
                self.rows.remove(id);
                found.map(|revision| Revision(revision.0 + 1)).ok_or(Refusal::Stale)?
            }
        };
        self.answers.extend(change.idempotency.clone());
        Ok(revision)
    }

    fn put(&mut self, change: &Change, application: &Application) -> Result<Revision, Refusal> {
        let revision = match change.expected {
            None if self.named(&application.account, application.name.as_str()).is_some() => {
                return Err(Refusal::NameTaken);
            }
            None => Revision(1),
            Some(expected) => {
                let found = self.rows.get(&application.id).map(|rows| rows.application.revision);
                if found != Some(expected) {
                    return Err(Refusal::Stale);
                }
                Revision(expected.0 + 1)
            }
        };
        let stored = Application { revision, ..application.clone() };
        let rows = self.rows.entry(application.id.clone()).or_insert_with(|| Rows {
            application: stored.clone(),
            versions: BTreeMap::new(),
            operations: Vec::new(),
            snapshots: Vec::new(),
            wake_at: None,
            lease: None,
        });
        rows.application = stored;
        rows.take(change);
        Ok(revision)
    }
}

impl Rows {
    fn take(&mut self, change: &Change) {
        self.versions.extend(change.new_version.clone().map(|version| (version.id, version)));
        for operation in &change.operations {
            match self.operations.iter_mut().find(|one| one.id == operation.id) {
                Some(one) => *one = operation.clone(),
                None => self.operations.push(operation.clone()),
            }
        }
        self.snapshots.retain(|one| !change.deleted_snapshots.contains(&one.name));
        for snapshot in &change.snapshots {
            match self.snapshots.iter_mut().find(|one| one.name == snapshot.name) {
                Some(one) => *one = snapshot.clone(),
                None => self.snapshots.push(snapshot.clone()),
            }
        }
        self.wake_at = change.wake_at;
    }
}
