//! How fast the store of pages is. Run it alone:
//! `cargo nextest run --release -E 'test(ten_million_pages)' --run-ignored only --no-capture`.

use std::time::Instant;

use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange, key_group};
use millrace_state::pages::{Background, PageStore, RunOptions, RunSet, Runs};

const GROUPS: u16 = 128;

fn key(number: u64) -> (KeyGroup, Vec<u8>) {
    let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (key_group(hash ^ (hash >> 31), GROUPS), hash.to_be_bytes().to_vec())
}

fn page(number: u64, version: u8) -> Vec<u8> {
    let mut page = vec![];
    let (_, key) = key(number);
    millrace_state::pages::put_entry(&mut page, 0, &key, &[version; 40]);
    page
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4 / 1024
}

/// CPU seconds of the whole process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn timed<T>(what: &str, count: u64, act: impl FnOnce() -> T) -> T {
    #[expect(clippy::disallowed_methods, reason = "this measures")]
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let result = act();
    let seconds = start.elapsed().as_secs_f64();
    let (rate, resident) = (count as f64 / seconds / 1e6, resident_mb());
    let cpu = cpu_seconds() - cpu;
    println!(
        "{what}: {count} in {seconds:.2} s ({cpu:.2} s of CPU), {rate:.2} M/s, {resident} MB resident"
    );
    result
}

#[test]
#[ignore = "takes a minute and two gigabytes of disk"]
fn ten_million_pages() {
    let count: u64 = std::env::var("PAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000_000);
    let directory = tempfile::tempdir().unwrap();
    let background = Background::start(1);
    let options = RunOptions::new(directory.path().join("a"), "a");
    let mut store = Runs::open(options, background.clone(), &RunSet::default()).unwrap();
    let put = |store: &mut Runs, numbers: &mut dyn Iterator<Item = u64>, version| {
        let mut changes = numbers.map(|number| {
            let (group, key) = key(number);
            (group, key, Some(page(number, version)))
        });
        store.apply(&mut changes).unwrap();
    };
    // A stride that meets every number once, in no order.
    let scattered = |n: u64| n.wrapping_mul(7_368_787) % count;

    timed("load", count, || put(&mut store, &mut (0..count), 0));
    let full = timed("freeze and write", 1, || {
        let set = store.freeze().unwrap();
        set.tiers().unwrap();
        set
    });
    timed("merge to the end", 1, || store.settle().unwrap());
    drop(full);
    println!("tiers: {}, bytes of pages: {}", store.tiers(), store.bytes());

    let reads = count / 10;
    let before = store.block_reads();
    let mut out = vec![];
    timed("read at random", reads, || {
        for n in 0..reads {
            let (group, key) = key(scattered(n));
            out.clear();
            assert!(store.read(group, &key, &mut out).unwrap());
        }
    });
    println!("blocks read: {:.3} a page", (store.block_reads() - before) as f64 / reads as f64);
    let before = store.block_reads();
    timed("read what is not there", reads, || {
        for n in 0..reads {
            let (group, key) = key(count + n);
            assert!(!store.read(group, &key, &mut out).unwrap());
        }
    });
    println!("blocks read: {:.3} a page", (store.block_reads() - before) as f64 / reads as f64);
    timed("read 1000 at once", reads, || {
        for start in (0..reads).step_by(1_000) {
            let keys: Vec<_> = (start..start + 1_000).map(|n| key(scattered(n))).collect();
            let keys: Vec<(KeyGroup, &[u8])> =
                keys.iter().map(|(g, k)| (*g, k.as_slice())).collect();
            let mut found = 0;
            store.read_many(&keys, &mut |_, _| found += 1).unwrap();
            assert_eq!(found, 1_000);
        }
    });
    timed("read and update at random", reads, || {
        for n in 0..reads {
            let number = scattered(n + reads);
            let (group, key) = key(number);
            out.clear();
            assert!(store.read(group, &key, &mut out).unwrap());
            store.apply(&mut std::iter::once((group, key, Some(page(number, 1))))).unwrap();
        }
    });
    store.settle().unwrap();

    let names = |set: &RunSet| {
        let tiers = set.tiers().unwrap();
        let runs = tiers.iter().flat_map(|tier| tier.runs.iter());
        runs.map(|part| (part.run.name().to_owned(), part.run.length())).collect::<Vec<_>>()
    };
    let base = store.freeze().unwrap();
    let known = names(&base);
    put(&mut store, &mut (0..count / 100).map(scattered), 2);
    let frozen = timed("freeze after 1 % changed", 1, || store.freeze().unwrap());
    let now = timed("until written", 1, || names(&frozen));
    let new: u64 = now.iter().filter(|run| !known.contains(run)).map(|run| run.1).sum();
    let whole: u64 = now.iter().map(|run| run.1).sum();
    println!("checkpoint: {new} bytes are new of {whole}");

    timed("merge all pages for a savepoint", count, || {
        let (mut pages, all) = (0, KeyGroupRange { start: 0, end: GROUPS });
        frozen.pages(all, &mut |_, _, _| pages += 1).unwrap();
        assert_eq!(pages, count);
    });
    let mut halves = timed("open as two subtasks", 1, || {
        [0, 1].map(|subtask| {
            let range = KeyGroupRange::of_subtask(GROUPS, 2, subtask);
            let set = RunSet::restricted(std::slice::from_ref(&frozen), range).unwrap();
            let name = format!("h{subtask}");
            let options = RunOptions::new(directory.path().join(&name), name);
            Runs::open(options, background.clone(), &set).unwrap()
        })
    });
    let (group, key) = key(scattered(5));
    let found = halves.iter_mut().map(|half| half.read(group, &key, &mut vec![]).unwrap());
    assert_eq!(found.filter(|found| *found).count(), 1);
}
