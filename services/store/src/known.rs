//! Applications as they were last loaded.
//!
//! Whatever changes an application, or what belongs to it, counts its revision up in the
//! same transaction. So an application that is still at the revision it was loaded at is
//! the same, whoever else writes to the database: one small question instead of one for
//! each of its parts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millrace_domain::{ApplicationId, Revision};

use crate::load::Loaded;

/// Applications of one half; those of the older half go when the younger is full.
const HALF: usize = 16_384;

#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Arc<Mutex<Halves>>);

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<ApplicationId, Arc<Loaded>>,
    old: HashMap<ApplicationId, Arc<Loaded>>,
}

impl Known {
    /// The application, if it is known as of this revision.
    pub(crate) fn at(&self, id: &ApplicationId, revision: Revision) -> Option<Arc<Loaded>> {
        let mut halves = self.halves();
        let known = match halves.young.get(id) {
            Some(known) => Arc::clone(known),
            None => {
                let known = halves.old.remove(id)?;
                halves.put(Arc::clone(&known));
                known
            }
        };
        (known.application.revision == revision).then_some(known)
    }

    /// It was loaded, all parts as of one moment.
    pub(crate) fn note(&self, loaded: &Loaded) {
        self.halves().put(Arc::new(loaded.clone()));
    }

    fn halves(&self) -> MutexGuard<'_, Halves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    fn put(&mut self, loaded: Arc<Loaded>) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(loaded.application.id.clone(), loaded);
    }
}
