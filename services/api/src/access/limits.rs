//! How much of the service one tenant may take.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use millrace_api_spec::ErrorCode;
use millrace_auth::Principal;
use millrace_auth::throttle::{Rate, Throttle};

use crate::error::ApiError;

/// Calls of one account worked on at once: a quarter of all, so that one that sends slowly
/// or much leaves room for the others.
const AT_ONCE: usize = 16;

/// Of those, calls with code in their bodies: each takes several times 72 MiB of memory.
const UPLOADS: usize = 2;
/// Answers of one account that go on and on, as a log that is followed.
const STREAMS: usize = 32;
/// One of so many calls may change something.
const CHANGES: u32 = 10;

/// Counts calls: how often each principal calls, and how many calls of an account are in
/// the works.
#[derive(Debug)]
pub struct Limits {
    calls: Mutex<Throttle<Principal>>,
    /// Of those, the calls that change something.
    changes: Mutex<Throttle<Principal>>,
    in_work: Mutex<HashMap<(Work, String), usize>>,
}

/// What takes a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Work {
    Call,
    Upload,
    Stream,
}

/// A call's place among those of its account, given back when dropped.
#[derive(Debug)]
#[must_use]
pub struct Place {
    limits: Arc<Limits>,
    of: (Work, String),
}

impl Limits {
    /// `rate` holds for each principal by itself; for calls that change something a tenth
    /// of it: they write, and are kept in the audit log.
    pub fn new(rate: Rate) -> Limits {
        let tenth = |number: u32| (number / CHANGES).max(1);
        let changes = Rate { per_second: tenth(rate.per_second), burst: tenth(rate.burst) };
        Limits {
            calls: Mutex::new(Throttle::new(rate)),
            changes: Mutex::new(Throttle::new(changes)),
            in_work: Mutex::default(),
        }
    }

    /// Counts a call of a principal that is proven: nobody can use up another's calls.
    ///
    /// # Errors
    /// It calls too often.
    pub fn count(&self, principal: &Principal, now_ms: i64) -> Result<(), ApiError> {
        count(&self.calls, principal, now_ms)
    }

    /// Counts a call that changes something, beside [`Limits::count`].
    ///
    /// # Errors
    /// The principal makes too many of them.
    pub fn count_change(&self, principal: &Principal, now_ms: i64) -> Result<(), ApiError> {
        count(&self.changes, principal, now_ms)
    }

    /// A place for a call of `account`.
    ///
    /// # Errors
    /// All of its places are taken.
    pub fn enter(self: &Arc<Self>, account: &str) -> Result<Place, ApiError> {
        self.take(Work::Call, account, AT_ONCE)
    }

    /// A place for a body of `account`'s that is large.
    ///
    /// # Errors
    /// All of its places are taken.
    pub fn enter_upload(self: &Arc<Self>, account: &str) -> Result<Place, ApiError> {
        self.take(Work::Upload, account, UPLOADS)
    }

    /// A place for an answer to `account` that goes on and on.
    ///
    /// # Errors
    /// All of its places are taken.
    pub fn enter_stream(self: &Arc<Self>, account: &str) -> Result<Place, ApiError> {
        self.take(Work::Stream, account, STREAMS)
    }

    fn take(self: &Arc<Self>, work: Work, account: &str, most: usize) -> Result<Place, ApiError> {
        let of = (work, account.to_owned());
        let mut in_work = self.in_work.lock().unwrap_or_else(PoisonError::into_inner);
        let count = in_work.entry(of.clone()).or_default();
        if *count >= most {
            return Err(throttled("Rate exceeded: too many calls of this account at once"));
        }
        *count += 1;
        Ok(Place { limits: self.clone(), of })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut in_work = self.limits.in_work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = in_work.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                in_work.remove(&self.of);
            }
        }
    }
}

fn count(
    calls: &Mutex<Throttle<Principal>>,
    principal: &Principal,
    now_ms: i64,
) -> Result<(), ApiError> {
    let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
    if calls.allows(principal.clone(), now_ms) { Ok(()) } else { Err(throttled("Rate exceeded")) }
}

fn throttled(message: &str) -> ApiError {
    ApiError::new(ErrorCode::Throttling, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_a_tenth_of_all_calls() {
        let limits = Limits::new(Rate { per_second: 10, burst: 30 });
        let root = Principal::root("000000000000").unwrap();
        let left =
            |count: &dyn Fn() -> Result<(), ApiError>| (0..100).filter(|_| count().is_ok()).count();
        assert_eq!(left(&|| limits.count_change(&root, 0)), 3);
        assert_eq!(left(&|| limits.count(&root, 0)), 30);
        assert_eq!(left(&|| limits.count_change(&root, 1_000)), 1);
        assert_eq!(left(&|| limits.count(&root, 1_000)), 10);
    }

    #[test]
    fn an_account_has_its_places_and_takes_nobody_elses() {
        let limits = Arc::new(Limits::new(Rate { per_second: 1, burst: 1 }));
        let mut places: Vec<Place> = (0..AT_ONCE).map(|_| limits.enter("a").unwrap()).collect();
        assert_eq!(limits.enter("a").unwrap_err().code, ErrorCode::Throttling);
        let other = (limits.enter("b").unwrap(), limits.enter_stream("a").unwrap());
        places.pop();
        places.push(limits.enter("a").unwrap());
        assert!(limits.enter("a").is_err());
        drop((places, other));
        assert!(limits.in_work.lock().unwrap().is_empty());
    }
}
