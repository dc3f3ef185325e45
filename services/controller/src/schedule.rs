//! Which applications this replica looks at, and when next. Only in memory: lost, it costs
//! a look at each.

use std::collections::{BTreeSet, HashMap};

use millrace_domain::lifecycle::Settings;
use millrace_domain::{ApplicationId, Generation, Revision, Timestamp};

/// One application's place in the schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    busy: bool,
    /// Its place in the queue.
    queued: Option<(Urgency, Timestamp)>,
    /// A wake-up came while it was busy: its result is not the last word.
    woken: bool,
    failures: u32,
    lease: Option<Lease>,
    rest: Option<Rest>,
}

/// What comes before what: a service with much to look after must not keep a change
/// waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// Something changed, or is under way.
    Work,
    /// It ran when last looked at, and probably still does.
    Rest,
}

/// A lease as it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub until: Timestamp,
    /// The life of this replica that it was taken in.
    pub life: u64,
}

/// An application that needs nothing while it is at this revision and its job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    pub revision: Revision,
    pub generation: Generation,
}

#[derive(Debug, Default)]
pub(crate) struct Schedule {
    entries: HashMap<ApplicationId, Entry>,
    /// Those that wait for a time, by time.
    work: BTreeSet<(Timestamp, ApplicationId)>,
    rests: BTreeSet<(Timestamp, ApplicationId)>,
}

impl Schedule {
    /// Takes the next application for a look: the most urgent one whose time has come.
    pub(crate) fn take(&mut self, now: Timestamp) -> Option<ApplicationId> {
        let due = |queue: &BTreeSet<(Timestamp, ApplicationId)>| {
            queue.first().filter(|(at, _)| *at <= now).map(|(_, id)| id.clone())
        };
        let id = due(&self.work).or_else(|| due(&self.rests))?;
        self.dequeue(&id);
        let entry = self.entries.get_mut(&id).expect("what is queued has an entry");
        entry.busy = true;
        entry.woken = false;
        Some(id)
    }

    /// The store says that it is due, at this revision.
    pub(crate) fn found(&mut self, id: &ApplicationId, revision: Revision, now: Timestamp) {
        let entry = self.entries.entry(id.clone()).or_default();
        if entry.rest.is_some_and(|rest| rest.revision != revision) {
            return self.wake(id, now);
        }
        if !entry.busy && entry.queued.is_none() {
            self.queue(id, Urgency::Work, now);
        }
    }

    /// Looks again no earlier than then; `None`: when somebody says so.
    pub(crate) fn put_back(
        &mut self,
        id: &ApplicationId,
        urgency: Urgency,
        not_before: Option<Timestamp>,
    ) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.busy = false;
        match (entry.woken, not_before) {
            (true, _) => self.queue(id, Urgency::Work, Timestamp(i64::MIN)),
            (false, Some(at)) => self.queue(id, urgency, at),
            (false, None) => {}
        }
    }

    fn queue(&mut self, id: &ApplicationId, urgency: Urgency, at: Timestamp) {
        self.dequeue(id);
        if let Some(entry) = self.entries.get_mut(id) {
            entry.queued = Some((urgency, at));
            self.of(urgency).insert((at, id.clone()));
        }
    }

    fn dequeue(&mut self, id: &ApplicationId) {
        let queued = self.entries.get_mut(id).and_then(|entry| entry.queued.take());
        if let Some((urgency, at)) = queued {
            self.of(urgency).remove(&(at, id.clone()));
        }
    }

    fn of(&mut self, urgency: Urgency) -> &mut BTreeSet<(Timestamp, ApplicationId)> {
        match urgency {
            Urgency::Work => &mut self.work,
            Urgency::Rest => &mut self.rests,
        }
    }

    pub(crate) fn succeeded(&mut self, id: &ApplicationId) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.failures = 0;
        }
    }

    /// When to try again after one more failure.
    pub(crate) fn failed(
        &mut self,
        id: &ApplicationId,
        settings: &Settings,
        now: Timestamp,
    ) -> Timestamp {
        let entry = self.entries.entry(id.clone()).or_default();
        entry.failures = entry.failures.saturating_add(1);
        Timestamp(now.0.saturating_add(settings.backoff_ms(entry.failures)))
    }

    /// Something was stored for it.
    pub(crate) fn wake(&mut self, id: &ApplicationId, now: Timestamp) {
        let entry = self.entries.entry(id.clone()).or_default();
        entry.rest = None;
        if entry.busy {
            entry.woken = true;
        } else {
            self.queue(id, Urgency::Work, now);
        }
    }

    pub(crate) fn forget(&mut self, id: &ApplicationId) {
        self.dequeue(id);
        self.entries.remove(id);
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        let first = [self.work.first(), self.rests.first()].into_iter().flatten();
        first.map(|(at, _)| *at).min()
    }

    /// What was found out about it at rest.
    pub(crate) fn rest(&self, id: &ApplicationId) -> Option<Rest> {
        self.entries.get(id).filter(|entry| !entry.woken).and_then(|entry| entry.rest)
    }

    pub(crate) fn set_rest(&mut self, id: &ApplicationId, rest: Option<Rest>) {
        if let Some(entry) = self.entries.get_mut(id) {
            // A wake-up came after what this look has seen.
            entry.rest = rest.filter(|_| !entry.woken);
        }
    }

    pub(crate) fn lease(&self, id: &ApplicationId) -> Option<Lease> {
        self.entries.get(id).and_then(|entry| entry.lease)
    }

    pub(crate) fn set_lease(&mut self, id: &ApplicationId, lease: Option<Lease>) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.lease = lease;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ApplicationId {
        ApplicationId::new(name).expect("a valid id")
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp(ms)
    }

    #[test]
    fn one_look_at_a_time_and_none_before_its_time() {
        let mut schedule = Schedule::default();
        schedule.found(&id("a"), Revision(1), at(0));
        assert_eq!(schedule.take(at(0)), Some(id("a")));
        schedule.found(&id("a"), Revision(1), at(0));
        assert_eq!(schedule.take(at(0)), None, "it is being looked at");
        schedule.put_back(&id("a"), Urgency::Work, Some(at(10)));
        schedule.found(&id("a"), Revision(1), at(5));
        assert_eq!(schedule.next(), Some(at(10)));
        assert_eq!(schedule.take(at(9)), None);
        assert_eq!(schedule.take(at(10)), Some(id("a")));
    }

    #[test]
    fn a_wake_up_during_a_look_is_not_lost() {
        let mut schedule = Schedule::default();
        schedule.wake(&id("a"), at(0));
        assert_eq!(schedule.take(at(0)), Some(id("a")));
        schedule.wake(&id("a"), at(0));
        schedule.put_back(&id("a"), Urgency::Work, Some(at(1000)));
        assert_eq!(schedule.take(at(0)), Some(id("a")), "at once");
        schedule.put_back(&id("a"), Urgency::Work, None);
        assert_eq!(schedule.next(), None);
        schedule.wake(&id("a"), at(5));
        assert_eq!(schedule.take(at(5)), Some(id("a")));
    }

    #[test]
    fn what_changed_goes_before_what_rests() {
        let mut schedule = Schedule::default();
        for name in ["a", "b", "c"] {
            schedule.wake(&id(name), at(0));
            schedule.take(at(0)).expect("it is due");
            schedule.put_back(&id(name), Urgency::Rest, Some(at(1)));
        }
        schedule.wake(&id("c"), at(9));
        let order: Vec<_> = std::iter::from_fn(|| schedule.take(at(10))).collect();
        assert_eq!(order, [id("c"), id("a"), id("b")]);
    }

    #[test]
    fn a_rest_ends_with_a_wake_up_or_another_revision() {
        let mut schedule = Schedule::default();
        let rest = Rest { revision: Revision(3), generation: Generation(1) };
        let check = |schedule: &mut Schedule, revision, still| {
            schedule.wake(&id("a"), at(0));
            schedule.take(at(0)).expect("it is due");
            schedule.set_rest(&id("a"), Some(rest));
            schedule.put_back(&id("a"), Urgency::Rest, Some(at(1000)));
            schedule.found(&id("a"), Revision(revision), at(5));
            assert_eq!(schedule.rest(&id("a")).is_some(), still);
            assert_eq!(schedule.take(at(5)).is_none(), still);
            schedule.put_back(&id("a"), Urgency::Work, None);
        };
        check(&mut schedule, 3, true);
        check(&mut schedule, 4, false);
        schedule.set_rest(&id("a"), Some(rest));
        schedule.wake(&id("a"), at(5));
        assert_eq!(schedule.rest(&id("a")), None);
    }
}
