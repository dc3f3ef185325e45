//! What was looked up of late (Flink: FLIP-221, `DefaultLookupCache`).

use std::sync::Arc;

use hashlink::LruCache;
use millrace_dataflow::graph::PartialCache as Config;

/// The rows of a key, each encoded with the columns that go on.
pub type Found = Arc<[Box<[u8]>]>;

pub struct Cache {
    config: Config,
    keys: LruCache<Box<[u8]>, Entry>,
    bytes: usize,
}

struct Entry {
    found: Found,
    written_ms: i64,
    used_ms: i64,
}

/// About what the cache needs for a key beside its bytes.
const ENTRY_BYTES: usize = 96;

impl Cache {
    pub fn new(config: Config) -> Cache {
        Cache { config, keys: LruCache::new_unbounded(), bytes: 0 }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn memory_bytes(&self) -> usize {
        self.bytes
    }

    /// What is known of a key that is not out of date.
    pub fn get(&mut self, key: &[u8], now_ms: i64) -> Option<Found> {
        let config = self.config;
        let entry = self.keys.get_mut(key)?;
        let since = |from: i64, limit: Option<i64>| limit.is_some_and(|ms| now_ms - from >= ms);
        let is_old = since(entry.written_ms, config.expire_after_write_ms)
            || since(entry.used_ms, config.expire_after_access_ms);
        if !is_old {
            entry.used_ms = now_ms;
            return Some(Arc::clone(&entry.found));
        }
        self.remove(key);
        None
    }

    pub fn put(&mut self, key: Box<[u8]>, found: Found, now_ms: i64) {
        if found.is_empty() && !self.config.missing_keys {
            return;
        }
        self.remove(&key);
        self.bytes += bytes_of(&key, &found);
        self.keys.insert(key, Entry { found, written_ms: now_ms, used_ms: now_ms });
        while self.config.max_rows.is_some_and(|most| self.keys.len() as u64 > most) {
            if let Some((key, entry)) = self.keys.remove_lru() {
                self.bytes -= bytes_of(&key, &entry.found);
            }
        }
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(entry) = self.keys.remove(key) {
            self.bytes -= bytes_of(key, &entry.found);
        }
    }
}

fn bytes_of(key: &[u8], found: &Found) -> usize {
    ENTRY_BYTES
        + key.len()
        + found.iter().map(|row| row.len() + size_of::<Box<[u8]>>()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: Config = Config {
        max_rows: None,
        expire_after_write_ms: None,
        expire_after_access_ms: None,
        missing_keys: true,
    };

    fn found(rows: &[&str]) -> Found {
        rows.iter().map(|row| row.as_bytes().into()).collect()
    }

    #[test]
    fn g7_8_a_key_goes_when_its_time_or_its_turn_has_come() {
        let mut cache =
            Cache::new(Config { expire_after_write_ms: Some(100), max_rows: Some(2), ..CONFIG });
        cache.put(b"a"[..].into(), found(&["x"]), 0);
        cache.put(b"b"[..].into(), found(&[]), 50);
        assert_eq!(cache.get(b"a", 99), Some(found(&["x"])));
        cache.put(b"c"[..].into(), found(&["z", "y"]), 60);
        assert_eq!(cache.get(b"b", 60), None, "least recently used of three");
        assert_eq!(cache.get(b"a", 100), None, "written 100 ms ago");
        assert_eq!(cache.get(b"c", 159), Some(found(&["z", "y"])));
        assert_eq!(cache.len(), 1);
        cache.remove(b"c");
        assert_eq!(cache.memory_bytes(), 0);
    }

    #[test]
    fn g7_8_use_keeps_a_key_and_missing_ones_are_kept_when_told_so() {
        let mut cache = Cache::new(Config { expire_after_access_ms: Some(10), ..CONFIG });
        cache.put(b"a"[..].into(), found(&["x"]), 0);
        (1..10).for_each(|step| assert!(cache.get(b"a", step * 9).is_some()));
        assert_eq!(cache.get(b"a", 91), None);
        cache.put(b"n"[..].into(), found(&[]), 0);
        assert_eq!(cache.get(b"n", 1), Some(found(&[])));
        let mut cache = Cache::new(Config { missing_keys: false, ..CONFIG });
        cache.put(b"n"[..].into(), found(&[]), 0);
        assert_eq!(cache.get(b"n", 1), None);
    }
}
