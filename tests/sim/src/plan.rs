//! What happens in a trial: all drawn from its seed.

use millrace_dataflow::RuntimeLevel;
use millrace_state::fault::Death;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::scripts::SCRIPTS;

const LEVELS: [RuntimeLevel; 4] = [
    RuntimeLevel::Flink1_15,
    RuntimeLevel::Flink1_18,
    RuntimeLevel::Flink1_19,
    RuntimeLevel::Flink1_20,
];

/// What becomes of the object store under one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    None,
    /// Every call fails from this one on.
    Dies(u64, Death),
    /// Of 1000 calls, drawn with this seed.
    Fails(u32, u64),
}

/// How an engine's time ends, once it has completed some checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The next engine starts while this one goes on.
    Zombie,
    Cancel,
    Stop,
    /// A savepoint, and then a cancel: the next one starts from the latest.
    SavepointThenCancel,
    /// Nothing is done to it.
    Alone,
}

/// One engine.
#[derive(Clone, Debug)]
pub struct Life {
    pub parallelism: u16,
    pub level: RuntimeLevel,
    pub settings: Vec<(&'static str, &'static str)>,
    /// Bytes that tables over pages may take; no bound for others.
    pub budget_bytes: u64,
    pub store: StoreFault,
    /// Counts at which reading, writing and committing crash.
    pub crashes: [Vec<u64>; 3],
    pub pace: u64,
    pub ending: Ending,
    /// Completed checkpoints before the end.
    pub checkpoints: u64,
}

#[derive(Clone, Debug)]
pub struct Trial {
    pub seed: u64,
    /// Index into [`SCRIPTS`].
    pub script: usize,
    pub rows: i64,
    /// The last one lives in peace.
    pub lives: Vec<Life>,
}

impl Trial {
    pub fn draw(seed: u64) -> Trial {
        let mut random = StdRng::seed_from_u64(seed);
        let mut level = random.random_range(0..LEVELS.len());
        let choices = Choices::draw(&mut random);
        let mut lives: Vec<Life> = vec![];
        for _ in 0..random.random_range(1..=4) {
            lives.push(Life::draw(&mut random, LEVELS[level], &choices));
            // A start from the latest state never goes to an earlier level here.
            level = (level + usize::from(random.random_bool(0.3))).min(LEVELS.len() - 1);
        }
        lives.push(Life::in_peace(&mut random, LEVELS[level], &choices));
        // Every script comes up equally often.
        let script = (seed % SCRIPTS.len() as u64) as usize;
        Trial { seed, script, rows: random.random_range(50..400), lives }
    }
}

/// What all engines of a trial share.
struct Choices {
    compress: bool,
    max_parallelism: &'static str,
    /// `table.optimizer.agg-phase-strategy`: rows in flight fit the plan that they were
    /// written under, so it is one for all.
    phases: &'static str,
}

impl Choices {
    fn draw(random: &mut StdRng) -> Choices {
        let max_parallelism = ["4", "5", "16", "128"][random.random_range(0..4)];
        let phases = ["ONE_PHASE", "AUTO", "TWO_PHASE"][random.random_range(0..3)];
        Choices { compress: random.random_bool(0.5), max_parallelism, phases }
    }
}

impl Life {
    fn draw(random: &mut StdRng, level: RuntimeLevel, choices: &Choices) -> Life {
        let store = match random.random_range(0..4) {
            0 | 1 => StoreFault::None,
            2 => {
                let death = if random.random_bool(0.5) { Death::Before } else { Death::After };
                StoreFault::Dies(random.random_range(1..60), death)
            }
            _ => StoreFault::Fails(random.random_range(5..120), random.random()),
        };
        let ending = match random.random_range(0..5) {
            0 => Ending::Zombie,
            1 => Ending::Cancel,
            2 => Ending::Stop,
            3 => Ending::SavepointThenCancel,
            _ => Ending::Alone,
        };
        let mut crashes = [vec![], vec![], vec![]];
        for (counts, range) in crashes.iter_mut().zip([200, 60, 12]) {
            let some = random.random_range(0..3);
            *counts = (0..some).map(|_| random.random_range(0..range)).collect();
        }
        let mut life = Life::in_peace(random, level, choices);
        life.settings
            .push(("restart-strategy.type", ["none", "fixed-delay"][random.random_range(0..2)]));
        Life { store, crashes, ending, checkpoints: random.random_range(0..5), ..life }
    }

    fn in_peace(random: &mut StdRng, level: RuntimeLevel, choices: &Choices) -> Life {
        let mut settings = vec![
            ("execution.checkpointing.interval", "10 ms"),
            ("execution.checkpointing.tolerable-failed-checkpoints", "1000"),
            ("restart-strategy.fixed-delay.attempts", "20"),
            ("restart-strategy.fixed-delay.delay", "1 ms"),
            ("pipeline.max-parallelism", choices.max_parallelism),
            ("pipeline.auto-watermark-interval", ["0", "1 ms", "5 ms"][random.random_range(0..3)]),
        ];
        if choices.compress {
            settings.push(("execution.checkpointing.snapshot-compression", "true"));
        }
        settings.extend(backend(random));
        settings.extend(barriers(random));
        settings.extend(mini_batch(random, choices.phases));
        Life {
            budget_bytes: [0, 4_000, 100_000][random.random_range(0..3)],
            parallelism: random.random_range(1..=4),
            level,
            settings,
            store: StoreFault::None,
            crashes: [vec![], vec![], vec![]],
            pace: random.random_range(2..6),
            ending: Ending::Alone,
            checkpoints: 0,
        }
    }
}

/// Each start may keep its state elsewhere.
fn backend(random: &mut StdRng) -> Vec<(&'static str, &'static str)> {
    match random.random_range(0..3) {
        0 => vec![],
        1 => vec![("state.backend.type", "rocksdb")],
        _ => vec![("state.backend.type", "rocksdb"), ("state.backend.incremental", "true")],
    }
}

/// Whether barriers overtake rows, and when.
fn barriers(random: &mut StdRng) -> Vec<(&'static str, &'static str)> {
    let timeout = "execution.checkpointing.aligned-checkpoint-timeout";
    match random.random_range(0..3) {
        0 => vec![],
        1 => vec![("execution.checkpointing.unaligned", "true")],
        _ => vec![("execution.checkpointing.unaligned", "true"), (timeout, "2 ms")],
    }
}

/// Mini-batches come and go where aggregates have one phase with and without them.
fn mini_batch(random: &mut StdRng, phases: &'static str) -> Vec<(&'static str, &'static str)> {
    if random.random_bool(0.5) && phases == "ONE_PHASE" {
        return vec![];
    }
    vec![
        ("table.exec.mini-batch.enabled", "true"),
        ("table.exec.mini-batch.allow-latency", ["1 ms", "20 ms"][random.random_range(0..2)]),
        ("table.exec.mini-batch.size", ["3", "50", "5000"][random.random_range(0..3)]),
        ("table.optimizer.agg-phase-strategy", phases),
    ]
}
