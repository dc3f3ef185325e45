//! How long snapshots, operations, events and files of past runs are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use crate::configuration::Version;
use crate::ids::{SnapshotName, Timestamp, VersionId};
use crate::lifecycle::Facts;
use crate::snapshot::{Snapshot, SnapshotStatus};

/// Ninety days: AWS lists operations of snapshots for as long.
pub const DAYS_90_MS: i64 = 90 * 24 * 60 * 60 * 1000;

/// What the service forgets by itself. Nothing that a rollback, a start or an operation
/// under way needs is ever forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Ended operations of applications, and events, older than this.
    pub history_ms: i64,
    /// Files of generations of a job beyond the newest so many.
    pub runs: usize,
    /// Snapshots that the service took, in stops, updates and rollbacks.
    pub automatic: Keep,
    /// Snapshots that were asked for by name, and imported ones.
    pub named: Keep,
    /// Snapshots with one of these tags are kept. Those of an application have its tags.
    pub tags: Vec<TagRule>,
}

impl Default for Retention {
    /// All snapshots, as on AWS.
    fn default() -> Retention {
        Retention {
            history_ms: DAYS_90_MS,
            runs: 20,
            automatic: Keep::default(),
            named: Keep::default(),
            tags: Vec::new(),
        }
    }
}

/// Which snapshots of one application are kept: both must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// The newest so many; `None`: any number.
    pub count: Option<u32>,
    /// Those not older than this; `None`: of any age.
    pub age_ms: Option<i64>,
}

/// A tag: a key, with any value or with this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRule {
    pub key: String,
    pub value: Option<String>,
}

/// A text that is no tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no tag: write KEY or KEY=VALUE")]
pub struct InvalidTagRule(String);

impl FromStr for TagRule {
    type Err = InvalidTagRule;

    fn from_str(text: &str) -> Result<TagRule, InvalidTagRule> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (text, None),
        };
        match key.is_empty() {
            true => Err(InvalidTagRule(text.to_owned())),
            false => Ok(TagRule { key: key.to_owned(), value }),
        }
    }
}

impl TagRule {
    fn fits(&self, tags: &BTreeMap<String, String>) -> bool {
        let found = tags.get(&self.key);
        found.is_some_and(|found| self.value.as_ref().is_none_or(|value| value == found))
    }
}

/// A snapshot as it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub status: SnapshotStatus,
    pub created_at: Timestamp,
    pub automatic: bool,
    pub location: Option<&'a str>,
    pub tags: &'a BTreeMap<String, String>,
}

impl Retention {
    /// Whether any snapshot may ever go.
    pub fn forgets_snapshots(&self) -> bool {
        [self.automatic, self.named].into_iter().any(|keep| keep != Keep::default())
    }

    /// Which of the snapshots of one application go now, by their places. `needed` are the
    /// locations that must stay: they count among those kept.
    pub fn expired(
        &self,
        all: &[Candidate<'_>],
        needed: &BTreeSet<String>,
        now: Timestamp,
    ) -> Vec<usize> {
        let mut expired = Vec::new();
        for automatic in [true, false] {
            let keep = if automatic { self.automatic } else { self.named };
            let settled = |it: &Candidate<'_>| {
                matches!(it.status, SnapshotStatus::Ready | SnapshotStatus::Failed)
            };
            let of_kind = |at: &usize| all[*at].automatic == automatic && settled(&all[*at]);
            let mut places: Vec<usize> = (0..all.len()).filter(of_kind).collect();
            places.sort_by_key(|at| std::cmp::Reverse(all[*at].created_at));
            let gone = places.into_iter().enumerate().filter(|(rank, at)| {
                let it = &all[*at];
                let beyond = keep.count.is_some_and(|count| *rank >= count as usize);
                let age_ms = now.0.saturating_sub(it.created_at.0);
                let old = keep.age_ms.is_some_and(|most| age_ms > most);
                (beyond || old) && !self.stays(it, needed)
            });
            expired.extend(gone.map(|(_, at)| at));
        }
        expired
    }

    fn stays(&self, it: &Candidate<'_>, needed: &BTreeSet<String>) -> bool {
        it.location.is_some_and(|location| needed.contains(location))
            || self.tags.iter().any(|rule| rule.fits(it.tags))
    }

    /// The application's own snapshots that go now: none while an operation is under way.
    pub fn expired_snapshots(
        &self,
        facts: &Kept<'_>,
        tags: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Vec<SnapshotName> {
        let Some(needed) = facts.needed() else { return Vec::new() };
        let own: Vec<&Snapshot> = facts.snapshots.iter().filter(|it| !it.enhanced).collect();
        let candidates: Vec<Candidate<'_>> = own
            .iter()
            .map(|it| Candidate {
                status: it.status,
                created_at: it.created_at,
                automatic: it.automatic,
                location: it.location.as_deref(),
                tags,
            })
            .collect();
        let expired = self.expired(&candidates, &needed, now);
        expired.into_iter().map(|at| own[at].name.clone()).collect()
    }
}

/// What of an application decides which snapshots it needs.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    pub application: &'a crate::application::Application,
    pub versions: &'a BTreeMap<VersionId, Version>,
    pub snapshots: &'a [Snapshot],
}

impl Kept<'_> {
    /// The locations that a start or a rollback would read; `None` while an operation is
    /// under way, which may need any.
    ///
    /// A start goes on from the newest state, which of a stopped job is its savepoint. A
    /// rollback reads the newest one that the version gone back to wrote in its own format.
    pub fn needed(&self) -> Option<BTreeSet<String>> {
        if self.application.open_operation.is_some() {
            return None;
        }
        let ready = || self.snapshots.iter().filter(|it| it.status == SnapshotStatus::Ready);
        let newest = ready().max_by_key(|it| it.created_at);
        let application = self.application;
        let back = [
            Some(application.version),
            application.job.as_ref().map(|job| job.version),
            application.version_updated_from,
            application.version_rolled_back_from,
            application.version_rolled_back_to,
        ];
        let of_version = back.into_iter().flatten().filter_map(|id| {
            let runtime = &self.versions.get(&id)?.runtime_environment;
            ready()
                .filter(|it| it.version == id && it.runtime_environment == *runtime)
                .max_by_key(|it| it.created_at)
        });
        Some(of_version.chain(newest).filter_map(|it| it.location.clone()).collect())
    }
}

impl<'a> From<&'a Facts> for Kept<'a> {
    fn from(facts: &'a Facts) -> Kept<'a> {
        Kept {
            application: &facts.application,
            versions: &facts.versions,
            snapshots: &facts.snapshots,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(100_000);

    /// Ages, each `a` (automatic) or `n` (named), with a tag after a colon; locations are
    /// their places.
    fn check(retention: &Retention, snapshots: &str, needed: &[usize], expected: &[usize]) {
        let tagged: Vec<(bool, i64, BTreeMap<String, String>)> = snapshots
            .split(' ')
            .map(|text| {
                let (text, tag) = text.split_once(':').unwrap_or((text, ""));
                let tags = tag.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
                let age = text[1..].parse().expect("an age");
                (text.starts_with('a'), age, tags.into_iter().collect())
            })
            .collect();
        let locations: Vec<String> = (0..tagged.len()).map(|at| at.to_string()).collect();
        let candidates: Vec<Candidate<'_>> = tagged
            .iter()
            .zip(&locations)
            .map(|((automatic, age, tags), location)| Candidate {
                status: SnapshotStatus::Ready,
                created_at: Timestamp(NOW.0 - age),
                automatic: *automatic,
                location: Some(location),
                tags,
            })
            .collect();
        let needed = needed.iter().map(ToString::to_string).collect();
        let mut expired = retention.expired(&candidates, &needed, NOW);
        expired.sort_unstable();
        assert_eq!(expired, expected, "{snapshots}");
    }

    #[test]
    fn snapshots_go_by_count_by_age_and_by_kind() {
        let all = Retention::default();
        check(&all, "a1 a99999 n99999", &[], &[]);
        let two = Retention { automatic: Keep { count: Some(2), age_ms: None }, ..all.clone() };
        check(&two, "a1 a3 a2 n9 n8 n7", &[], &[1]);
        check(&two, "a4 a3 a2 a1", &[0], &[1]);
        let young = Retention { named: Keep { count: None, age_ms: Some(10) }, ..all.clone() };
        check(&young, "n10 n11 a50", &[], &[1]);
        let both = Keep { count: Some(1), age_ms: Some(10) };
        check(&Retention { automatic: both, ..all.clone() }, "a11", &[], &[0]);
        check(&Retention { automatic: both, ..all.clone() }, "a11", &[0], &[]);
        assert!(!all.forgets_snapshots() && two.forgets_snapshots());
    }

    #[test]
    fn a_tag_keeps_a_snapshot() {
        let tags = ["keep", "team=a"].map(|text| text.parse().expect("a tag")).to_vec();
        let none = Keep { count: Some(0), age_ms: None };
        let retention = Retention { automatic: none, named: none, tags, ..Retention::default() };
        check(&retention, "n1:keep=x n2:team=a n3:team=b a4:keep=", &[], &[2]);
        assert!("".parse::<TagRule>().is_err() && "=x".parse::<TagRule>().is_err());
    }

    #[test]
    fn what_is_under_way_is_left_alone() {
        let none = Keep { count: Some(0), age_ms: Some(0) };
        let retention = Retention { automatic: none, ..Retention::default() };
        let tags = BTreeMap::new();
        let of = |status| Candidate {
            status,
            created_at: Timestamp(0),
            automatic: true,
            location: None,
            tags: &tags,
        };
        let all = [SnapshotStatus::Creating, SnapshotStatus::Deleting, SnapshotStatus::Failed];
        let expired = retention.expired(&all.map(of), &BTreeSet::new(), NOW);
        assert_eq!(expired, [2]);
    }
}
