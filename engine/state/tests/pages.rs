//! The store of pages on disk against a map in memory: random changes, merges,
//! restores at another parallelism, and damage.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange};
use millrace_state::pages::{
    Background, MemoryPages, PageStore, Run, RunFormat, RunOptions, RunRef, RunSet, Runs, Tier,
};
use proptest::prelude::*;

const GROUPS: u16 = 8;
const ALL: KeyGroupRange = KeyGroupRange { start: 0, end: GROUPS };

type Pages = BTreeMap<(u16, Vec<u8>), Vec<u8>>;

/// So small that a few hundred pages make many runs, blocks and merges.
fn tiny(directory: &Path, name: &str, compress: bool) -> RunOptions {
    RunOptions {
        format: RunFormat { block_bytes: 200, compress, ..RunFormat::default() },
        write_buffer_bytes: 2_000,
        cache_bytes: 1_000,
        file_bytes: 1_500,
        merge_at: 3,
        ..RunOptions::new(directory.join(name), name)
    }
}

fn pages_of(set: &RunSet, range: KeyGroupRange) -> Pages {
    let mut pages = Pages::new();
    set.pages(range, &mut |group, key, value| {
        assert!(pages.insert((group.0, key.to_vec()), value.to_vec()).is_none());
    })
    .unwrap();
    pages
}

fn scanned(store: &mut dyn PageStore, group: u16, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = vec![];
    let mut visit = |key: &[u8], value: &[u8]| found.push((key.to_vec(), value.to_vec()));
    store.scan(KeyGroup(group), prefix, &mut visit).unwrap();
    found
}

/// At most so many pages from a key on.
fn walked(store: &mut dyn PageStore, group: u16, from: &[u8], most: usize) -> Vec<Vec<u8>> {
    let mut found = vec![];
    let mut visit = |key: &[u8], value: &[u8]| {
        found.push([key, value].concat());
        found.len() < most
    };
    store.walk(KeyGroup(group), from, &mut visit).unwrap();
    found
}

/// Every key of the universe, one by one and all at once.
fn check_reads(store: &mut dyn PageStore, model: &mut dyn PageStore, keys: &[(u16, Vec<u8>)]) {
    let mut wanted = BTreeMap::new();
    for (index, (group, key)) in keys.iter().enumerate() {
        let (mut one, mut other) = (vec![], vec![]);
        let is_there = store.read(KeyGroup(*group), key, &mut one).unwrap();
        assert_eq!(is_there, model.read(KeyGroup(*group), key, &mut other).unwrap());
        assert_eq!(one, other, "key {key:?} of group {group}");
        if is_there {
            wanted.insert(index, one);
        }
    }
    let asked: Vec<(KeyGroup, &[u8])> =
        keys.iter().map(|(group, key)| (KeyGroup(*group), key.as_slice())).collect();
    let mut found = BTreeMap::new();
    store
        .read_many(&asked, &mut |index, value| {
            assert!(found.insert(index, value.to_vec()).is_none());
        })
        .unwrap();
    assert_eq!(found, wanted);
}

#[derive(Clone, Debug)]
enum Step {
    /// Group, key, length of the value.
    Apply(Vec<(u16, u8, Option<u16>)>),
    Freeze,
    Settle,
    /// Goes on as so many subtasks.
    Rescale(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let change = (0..GROUPS, 0..60u8, prop::option::weighted(0.8, 0..60u16));
    let step = prop_oneof![
        6 => prop::collection::vec(change, 1..60).prop_map(Step::Apply),
        2 => Just(Step::Freeze),
        1 => Just(Step::Settle),
        1 => (1..4u16).prop_map(Step::Rescale),
    ];
    prop::collection::vec(step, 1..40)
}

/// Keys of different lengths, some of them prefixes of others.
fn key(number: u8) -> Vec<u8> {
    vec![number % 5; usize::from(number / 5)]
}

struct Subtasks {
    stores: Vec<Runs>,
    starts: usize,
    compress: bool,
    background: Background,
    directory: tempfile::TempDir,
}

impl Subtasks {
    fn new(compress: bool) -> Subtasks {
        let mut subtasks = Subtasks {
            stores: vec![],
            starts: 0,
            compress,
            background: Background::start(2),
            directory: tempfile::tempdir().unwrap(),
        };
        subtasks.rescale(1);
        subtasks
    }

    fn owner(&mut self, group: u16) -> &mut Runs {
        let parallelism = self.stores.len() as u16;
        let subtask =
            millrace_dataflow::key_group::subtask_of(KeyGroup(group), GROUPS, parallelism);
        &mut self.stores[usize::from(subtask)]
    }

    fn freeze(&mut self) -> Vec<RunSet> {
        self.stores.iter_mut().map(|store| store.freeze().unwrap()).collect()
    }

    fn rescale(&mut self, parallelism: u16) {
        let before = self.freeze();
        self.stores.clear();
        for subtask in 0..parallelism {
            let range = KeyGroupRange::of_subtask(GROUPS, parallelism, subtask);
            let restored = RunSet::restricted(&before, range).unwrap();
            self.starts += 1;
            let name = format!("s{}", self.starts);
            let options = tiny(self.directory.path(), &name, self.compress);
            self.stores.push(Runs::open(options, self.background.clone(), &restored).unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn the_store_is_a_map_whatever_is_frozen_merged_and_rescaled(
        steps in steps(), compress in any::<bool>(),
    ) {
        let (mut model, mut subtasks) = (MemoryPages::default(), Subtasks::new(compress));
        let universe: Vec<(u16, Vec<u8>)> =
            (0..GROUPS).flat_map(|group| (0..60).map(move |n| (group, key(n)))).collect();
        let mut frozen: Vec<(RunSet, KeyGroupRange, Pages)> = vec![];
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::Apply(changes) => for (group, number, value) in changes {
                    let value = value.map(|length| vec![at as u8; usize::from(length)]);
                    let change = (KeyGroup(*group), key(*number), value);
                    model.apply(&mut std::iter::once(change.clone())).unwrap();
                    subtasks.owner(*group).apply(&mut std::iter::once(change)).unwrap();
                },
                Step::Freeze => {
                    let parallelism = subtasks.stores.len() as u16;
                    for (subtask, set) in subtasks.freeze().into_iter().enumerate() {
                        let range =
                            KeyGroupRange::of_subtask(GROUPS, parallelism, subtask as u16);
                        let wanted = pages_of(&model.freeze().unwrap(), range);
                        frozen.push((set, range, wanted));
                    }
                }
                Step::Settle => {
                    subtasks.stores.iter_mut().for_each(|store| store.settle().unwrap());
                    prop_assert!(subtasks.stores.iter().all(|store| store.tiers() < 3));
                }
                Step::Rescale(parallelism) => subtasks.rescale(*parallelism),
            }
        }
        for group in 0..GROUPS {
            let own: Vec<_> = universe.iter().filter(|(of, _)| *of == group).cloned().collect();
            let store = subtasks.owner(group);
            check_reads(store, &mut model, &own);
            for prefix in [vec![], vec![1], vec![2, 2, 2], vec![9]] {
                prop_assert_eq!(
                    scanned(store, group, &prefix), scanned(&mut model, group, &prefix));
                for most in [1, 3, 1000] {
                    prop_assert_eq!(
                        walked(store, group, &prefix, most),
                        walked(&mut model, group, &prefix, most));
                }
            }
        }
        // Whatever came later, what was frozen is as it was.
        for (set, range, wanted) in frozen {
            prop_assert_eq!(pages_of(&set, range), wanted);
        }
    }
}

fn fill(store: &mut Runs, pages: u32) {
    let mut changes = (0..pages).map(|n| {
        let value = (n % 7 != 0).then(|| vec![n as u8; 20]);
        (KeyGroup((n % 8) as u16), n.to_be_bytes().to_vec(), value)
    });
    store.apply(&mut changes).unwrap();
}

/// All pages of a file that claims to be a run.
fn read_file(path: &Path) -> Result<Pages, String> {
    let run = Run::open(path, "the-run").map_err(|error| error.to_string())?;
    let tier = Tier { runs: vec![RunRef { run: Arc::new(run), groups: ALL }] };
    let (set, mut pages) = (RunSet::of(vec![Arc::new(tier)]), Pages::new());
    set.pages(ALL, &mut |group, key, value| {
        pages.insert((group.0, key.to_vec()), value.to_vec());
    })
    .map_err(|error| error.to_string())?;
    Ok(pages)
}

#[test]
fn a_run_with_any_byte_changed_or_cut_off_is_refused_by_name() {
    for compress in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let mut options = tiny(directory.path(), "s", compress);
        options.write_buffer_bytes = 1 << 20;
        options.file_bytes = 1 << 20;
        let mut store = Runs::open(options, Background::start(1), &RunSet::default()).unwrap();
        fill(&mut store, 60);
        let frozen = store.freeze().unwrap().tiers().unwrap();
        let good = fs::read(frozen[0].runs[0].run.path()).unwrap();
        let path = directory.path().join("copy");
        let check = |bytes: &[u8], what: String| {
            fs::write(&path, bytes).unwrap();
            let error = read_file(&path).expect_err(&what);
            assert!(error.contains("the-run"), "{what}: {error}");
        };
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            check(&bad, format!("byte {at}"));
        }
        (0..good.len()).for_each(|length| check(&good[..length], format!("{length} bytes")));
        fs::write(&path, &good).unwrap();
        assert_eq!(read_file(&path).unwrap().len(), 60 - 60usize.div_ceil(7));
    }
}

#[test]
fn files_that_nobody_holds_are_gone_and_those_that_a_set_holds_stay() {
    let directory = tempfile::tempdir().unwrap();
    let options = tiny(directory.path(), "s", false);
    let files = || fs::read_dir(directory.path().join("s")).unwrap().count();
    let background = Background::start(1);
    let mut store = Runs::open(options, background.clone(), &RunSet::default()).unwrap();
    fill(&mut store, 2_000);
    let frozen = store.freeze().unwrap();
    store.settle().unwrap();
    let before = pages_of(&frozen, ALL);
    for n in 0..2_000u32 {
        let gone = (KeyGroup((n % 8) as u16), n.to_be_bytes().to_vec(), None);
        store.apply(&mut std::iter::once(gone)).unwrap();
    }
    let empty = store.freeze().unwrap();
    store.settle().unwrap();
    assert_eq!(pages_of(&empty, ALL), Pages::new());
    assert_eq!(pages_of(&frozen, ALL), before);
    drop((frozen, empty));
    drop(store);
    background.wait();
    assert_eq!(files(), 0);
}

#[test]
fn a_key_that_is_there_costs_one_block_and_one_that_is_not_hardly_any() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = RunOptions::new(directory.path().join("s"), "s");
    (options.write_buffer_bytes, options.cache_bytes) = (1 << 20, 0);
    let mut store = Runs::open(options, Background::start(1), &RunSet::default()).unwrap();
    fill(&mut store, 100_000);
    store.freeze().unwrap().tiers().unwrap();
    let mut reads = |from: u32, want: bool| {
        let before = store.block_reads();
        for n in (from..from + 10_000).filter(|n| n % 7 != 0) {
            let found = store.read(KeyGroup((n % 8) as u16), &n.to_be_bytes(), &mut vec![]);
            assert_eq!(found.unwrap(), want);
        }
        store.block_reads() - before
    };
    let present = reads(20_000, true);
    let absent = reads(1_000_000, false);
    assert!((8_571..10_000).contains(&present), "{present} blocks for 8571 keys");
    assert!(absent < 1_500, "{absent} blocks for 8571 keys that are not there");
}
