//! Access keys and policies as the store told them a moment ago: calls come by the thousand,
//! and both change seldom.
//!
//! A key that is disabled, or a policy that is changed, counts from a second later at the
//! latest, whichever process changed it (AWS: changes of IAM become visible with time).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use millrace_auth::policy::NamedPolicy;
use millrace_auth::{AccessKeyId, Principal};
use millrace_store::StoredKey;

/// How long an answer is good for.
const GOOD_FOR_MS: i64 = 1_000;
/// Of each kind; more than principals call within a second.
const MOST: usize = 4_096;

/// See the module.
#[derive(Debug, Default)]
pub struct Lately {
    pub(super) keys: Answers<AccessKeyId, StoredKey>,
    pub(super) policies: Answers<Principal, Arc<Vec<NamedPolicy>>>,
}

/// Answers, each with the time at which it was asked for.
#[derive(Debug)]
pub(super) struct Answers<K, V>(Mutex<HashMap<K, (V, i64)>>);

impl<K, V> Default for Answers<K, V> {
    fn default() -> Answers<K, V> {
        Answers(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Answers<K, V> {
    /// None: it must be asked for. So it is when the clock was set back.
    pub(super) fn get(&self, key: &K, now_ms: i64) -> Option<V> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, asked_ms) = answers.get(key)?;
        (0..GOOD_FOR_MS).contains(&now_ms.saturating_sub(*asked_ms)).then(|| value.clone())
    }

    /// `asked_ms`: before the store was asked.
    pub(super) fn put(&self, key: K, value: V, asked_ms: i64) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            answers.clear();
        }
        answers.insert(key, (value, asked_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_good_for_a_second_of_a_clock_that_goes_on() {
        let answers: Answers<u32, &str> = Answers::default();
        answers.put(1, "a", 10_000);
        let check = |now_ms: i64, want: Option<&str>| {
            assert_eq!(answers.get(&1, now_ms), want, "at {now_ms}");
        };
        check(10_000, Some("a"));
        check(10_999, Some("a"));
        check(11_000, None);
        check(9_999, None);
        assert_eq!(answers.get(&2, 10_000), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let answers: Answers<usize, usize> = Answers::default();
        (0..3 * MOST).for_each(|key| answers.put(key, key, 0));
        assert!(answers.0.lock().unwrap().len() <= MOST);
        assert_eq!(answers.get(&(3 * MOST - 1), 0), Some(3 * MOST - 1));
    }
}
