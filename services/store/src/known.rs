//! Applications as they were last loaded.
//!
//! Whatever changes an application, or what belongs to it, counts its revision up in the
//! same transaction. So an application that is still at the revision it was loaded at is
//! the same, whoever else writes to the database: one small question instead of one for
//! each of its parts.
//!
//! Who holds the database alone ([`Store::held_alone`]) need not even ask that: all writes
//! pass through the [group](crate::group), which makes an application unknown between its
//! commit and its answer.
//!
//! [`Store::held_alone`]: crate::Store::held_alone

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millrace_domain::{ApplicationId, ApplicationName, Revision};

use crate::load::Loaded;

/// Bytes of one half, about; those of the older half go when the younger is full. So memory
/// stays within twice as much, however many snapshots are kept.
const HALF: usize = 64 << 20;
/// About what an application takes, and each of its snapshots.
const APPLICATION: usize = 4 << 10;
const SNAPSHOT: usize = 700;

#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Arc<Mutex<Halves>>);

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<ApplicationId, Arc<Loaded>>,
    old: HashMap<ApplicationId, Arc<Loaded>>,
    /// What the young ones take.
    bytes: usize,
    /// Of all that are in a half.
    names: HashMap<Name, ApplicationId>,
    /// How often something was made unknown.
    changes: u64,
}

/// Account, Region and name: unique among those that are there.
type Name = (String, String, ApplicationName);

/// What a write changes of applications.
#[derive(Clone, Debug)]
pub(crate) enum Touched {
    Nothing,
    Application(ApplicationId),
    /// Those that know a snapshot: not worth finding out which.
    All,
}

/// How things stood when a load began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(u64);

impl Known {
    /// The application, if it is known as of this revision.
    pub(crate) fn at(&self, id: &ApplicationId, revision: Revision) -> Option<Arc<Loaded>> {
        self.last(id).filter(|known| known.application.revision == revision)
    }

    /// The application as it was last loaded.
    pub(crate) fn last(&self, id: &ApplicationId) -> Option<Arc<Loaded>> {
        self.halves().last(id)
    }

    /// As [`Known::last`], by name.
    pub(crate) fn named(
        &self,
        account: &str,
        region: &str,
        name: &ApplicationName,
    ) -> Option<Arc<Loaded>> {
        let mut halves = self.halves();
        let name = (account.to_owned(), region.to_owned(), name.clone());
        let id = halves.names.get(&name)?.clone();
        halves.last(&id)
    }

    /// Before the first part is read.
    pub(crate) fn begin(&self) -> Ticket {
        Ticket(self.halves().changes)
    }

    /// It was loaded, all parts as of one moment; kept unless something was made unknown
    /// since it was begun: that may be newer.
    pub(crate) fn note(&self, loaded: &Loaded, begun: Ticket) {
        let mut halves = self.halves();
        if halves.changes == begun.0 {
            halves.put(Arc::new(loaded.clone()));
        }
    }

    /// It was, or may have been, changed.
    pub(crate) fn forget(&self, touched: &Touched) {
        let mut halves = self.halves();
        match touched {
            Touched::Nothing => return,
            Touched::Application(id) => halves.remove(id),
            Touched::All => *halves = Halves { changes: halves.changes, ..Halves::default() },
        }
        halves.changes += 1;
    }

    fn halves(&self) -> MutexGuard<'_, Halves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    fn last(&mut self, id: &ApplicationId) -> Option<Arc<Loaded>> {
        if let Some(known) = self.young.get(id) {
            return Some(Arc::clone(known));
        }
        let known = Arc::clone(self.old.get(id)?);
        self.put(Arc::clone(&known));
        Some(known)
    }

    fn put(&mut self, loaded: Arc<Loaded>) {
        if self.bytes >= HALF {
            self.bytes = 0;
            let gone = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            for (id, loaded) in gone {
                if !self.old.contains_key(&id) {
                    self.unname(&id, &loaded);
                }
            }
        }
        let application = &loaded.application;
        self.names.insert(name_of(&loaded), application.id.clone());
        self.bytes += bytes_of(&loaded);
        if let Some(before) = self.young.insert(application.id.clone(), loaded) {
            self.bytes -= bytes_of(&before);
        }
    }

    fn remove(&mut self, id: &ApplicationId) {
        let young = self.young.remove(id);
        self.bytes -= young.as_deref().map_or(0, bytes_of);
        let found = [young, self.old.remove(id)];
        for loaded in found.iter().flatten() {
            self.unname(id, loaded);
        }
    }

    /// Another application may have the name by now.
    fn unname(&mut self, id: &ApplicationId, loaded: &Loaded) {
        let name = name_of(loaded);
        if self.names.get(&name) == Some(id) {
            self.names.remove(&name);
        }
    }
}

fn bytes_of(loaded: &Loaded) -> usize {
    APPLICATION + SNAPSHOT * loaded.snapshots.len()
}

fn name_of(loaded: &Loaded) -> Name {
    let application = &loaded.application;
    (application.account.clone(), application.region.clone(), application.name.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use millrace_domain::change::ApplicationWrite;
    use millrace_domain::commands::{ConfigurationPatch, CreateApplication};
    use millrace_domain::quota::Quotas;
    use millrace_domain::{Snapshot, SnapshotName, SnapshotStatus, Timestamp, VersionId};

    use super::*;

    /// An application with so many snapshots.
    fn loaded(name: &str, snapshots: usize) -> Loaded {
        let id = ApplicationId::new(format!("id-{name}")).unwrap();
        let create = CreateApplication {
            id: id.clone(),
            account: "000000000000".into(),
            region: "us-east-1".into(),
            name: ApplicationName::new(name).unwrap(),
            description: String::new(),
            runtime_environment: "FLINK-1_20".into(),
            service_execution_role: "arn:role".into(),
            configuration: ConfigurationPatch::default(),
            tags: BTreeMap::new(),
        };
        let made = create.decide((0, &Quotas::AWS), &["FLINK-1_20"], Timestamp(0)).unwrap();
        let ApplicationWrite::Put(application) = made.application else { panic!("it is new") };
        let snapshot = |at: usize| Snapshot {
            application: id.clone(),
            name: SnapshotName::new(format!("s{at}")).unwrap(),
            status: SnapshotStatus::Ready,
            created_at: Timestamp(0),
            version: VersionId(1),
            runtime_environment: "FLINK-1_20".into(),
            location: None,
            automatic: true,
            enhanced: false,
        };
        Loaded {
            application: *application,
            versions: BTreeMap::new(),
            open_operation: None,
            snapshots: Arc::new((0..snapshots).map(snapshot).collect()),
        }
    }

    fn bytes(known: &Known) -> usize {
        let halves = known.halves();
        halves.young.values().chain(halves.old.values()).map(|loaded| bytes_of(loaded)).sum()
    }

    #[test]
    fn what_is_known_stays_within_two_halves_however_many_snapshots_there_are() {
        let known = Known::default();
        for at in 0..60 {
            let loaded = loaded(&format!("a{at}"), 10_000);
            known.note(&loaded, known.begin());
            assert!(bytes(&known) <= 2 * HALF + bytes_of(&loaded), "{}", bytes(&known));
            let name = ApplicationName::new(format!("a{at}")).unwrap();
            assert!(known.named("000000000000", "us-east-1", &name).is_some());
        }
        assert!(bytes(&known) > HALF);
        let first = ApplicationName::new("a0").unwrap();
        assert!(known.named("000000000000", "us-east-1", &first).is_none());
        let halves = known.halves();
        assert_eq!(halves.names.len(), halves.young.len() + halves.old.len());
    }

    #[test]
    fn an_application_that_grows_is_counted_once() {
        let known = Known::default();
        for snapshots in [0, 5, 3] {
            known.note(&loaded("a", snapshots), known.begin());
            assert_eq!(known.halves().bytes, APPLICATION + SNAPSHOT * snapshots);
        }
        known.forget(&Touched::Application(ApplicationId::new("id-a").unwrap()));
        assert_eq!(known.halves().bytes, 0);
    }
}
