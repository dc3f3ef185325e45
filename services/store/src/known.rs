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

/// Applications of one half; those of the older half go when the younger is full.
const HALF: usize = 16_384;

#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Arc<Mutex<Halves>>);

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<ApplicationId, Arc<Loaded>>,
    old: HashMap<ApplicationId, Arc<Loaded>>,
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
        if self.young.len() >= HALF {
            let gone = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            for (id, loaded) in gone {
                if !self.old.contains_key(&id) {
                    self.unname(&id, &loaded);
                }
            }
        }
        let application = &loaded.application;
        self.names.insert(name_of(&loaded), application.id.clone());
        self.young.insert(application.id.clone(), loaded);
    }

    fn remove(&mut self, id: &ApplicationId) {
        let found = [self.young.remove(id), self.old.remove(id)];
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

fn name_of(loaded: &Loaded) -> Name {
    let application = &loaded.application;
    (application.account.clone(), application.region.clone(), application.name.clone())
}
