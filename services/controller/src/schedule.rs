//! Which applications this replica looks at, and when next. Only in memory: lost, it costs
//! a look at each.

use std::collections::HashMap;

use millrace_domain::lifecycle::Settings;
use millrace_domain::{ApplicationId, Timestamp};

/// One application's place in the schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    busy: bool,
    not_before: Option<Timestamp>,
    /// A wake-up came while it was busy: its result is not the last word.
    woken: bool,
    failures: u32,
    lease_until: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(crate) struct Schedule {
    entries: HashMap<ApplicationId, Entry>,
}

impl Schedule {
    /// Takes the application for a look, unless it is being looked at or waits.
    pub(crate) fn take(&mut self, id: &ApplicationId, now: Timestamp) -> bool {
        let entry = self.entries.entry(id.clone()).or_default();
        if entry.busy || entry.not_before.is_some_and(|at| at > now) {
            return false;
        }
        entry.busy = true;
        entry.woken = false;
        true
    }

    /// Looks again no earlier than then; `None`: when its wake-up in the store says so.
    pub(crate) fn put_back(&mut self, id: &ApplicationId, not_before: Option<Timestamp>) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        entry.busy = false;
        entry.not_before = if entry.woken { None } else { not_before };
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

    pub(crate) fn wake(&mut self, id: &ApplicationId) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.not_before = None;
            entry.woken = true;
        }
    }

    pub(crate) fn wake_all(&mut self) {
        for entry in self.entries.values_mut() {
            entry.not_before = None;
            entry.woken = true;
        }
    }

    pub(crate) fn forget(&mut self, id: &ApplicationId) {
        self.entries.remove(id);
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        let waiting = self.entries.values().filter(|entry| !entry.busy);
        waiting.filter_map(|entry| entry.not_before).min()
    }

    pub(crate) fn lease_until(&self, id: &ApplicationId) -> Option<Timestamp> {
        self.entries.get(id).and_then(|entry| entry.lease_until)
    }

    pub(crate) fn set_lease(&mut self, id: &ApplicationId, until: Option<Timestamp>) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.lease_until = until;
        }
    }

    pub(crate) fn leased(&self) -> Vec<ApplicationId> {
        let leased = self.entries.iter().filter(|(_, entry)| entry.lease_until.is_some());
        leased.map(|(id, _)| id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> ApplicationId {
        ApplicationId::new("a").expect("a valid id")
    }

    #[test]
    fn one_look_at_a_time_and_none_before_its_time() {
        let mut schedule = Schedule::default();
        assert!(schedule.take(&id(), Timestamp(0)));
        assert!(!schedule.take(&id(), Timestamp(0)), "it is being looked at");
        schedule.put_back(&id(), Some(Timestamp(10)));
        assert_eq!(schedule.next(), Some(Timestamp(10)));
        assert!(!schedule.take(&id(), Timestamp(9)));
        assert!(schedule.take(&id(), Timestamp(10)));
    }

    #[test]
    fn a_wake_up_during_a_look_is_not_lost() {
        let mut schedule = Schedule::default();
        assert!(schedule.take(&id(), Timestamp(0)));
        schedule.wake(&id());
        schedule.put_back(&id(), Some(Timestamp(1_000)));
        assert!(schedule.take(&id(), Timestamp(1)));
    }

    #[test]
    fn failures_back_off_until_one_success() {
        let (mut schedule, settings) = (Schedule::default(), Settings::default());
        let mut waits = Vec::new();
        for _ in 0..3 {
            waits.push(schedule.failed(&id(), &settings, Timestamp(0)).0);
        }
        schedule.succeeded(&id());
        waits.push(schedule.failed(&id(), &settings, Timestamp(0)).0);
        assert_eq!(waits, [100, 200, 400, 100]);
    }
}
