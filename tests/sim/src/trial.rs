//! A trial: one life after another, and what is visible at the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use millrace_dataflow::RuntimeLevel;
use millrace_runtime::{Command, JobHandle, Outcome, Reply};
use millrace_state::CheckpointStore;
use millrace_state::fault::MortalStore;
use millrace_state::log::EntryKind;
use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::connector::{Crashes, Sim, World};
use crate::faults::{FlakyStore, Trips};
use crate::input::Input;
use crate::plan::{Ending, Life, StoreFault, Trial};
use crate::scripts::SCRIPTS;
use crate::start::Start;

/// An engine that has not ended after this many milliseconds hangs.
const PATIENCE_MS: u32 = 60_000;

/// Runs the trial of a seed.
///
/// # Errors
/// What is visible at the end is not what the undisturbed run gives, an engine ended
/// as it must not, or its state cannot be read; with the plan of the trial.
pub fn run(seed: u64, io: &tokio::runtime::Handle) -> anyhow::Result<()> {
    let trial = Trial::draw(seed);
    let script = &SCRIPTS[trial.script];
    check(&trial, io).with_context(|| format!("seed {seed}, {}: {trial:#?}", script.name))
}

fn check(trial: &Trial, io: &tokio::runtime::Handle) -> anyhow::Result<()> {
    let expected = undisturbed(trial, io)?;
    ensure!(!expected.is_empty(), "the undisturbed run gives no row: it would show nothing");
    let disturbed = World::new(inputs(trial));
    let run = Run { trial, io, world: Arc::new(disturbed), memory: Arc::new(InMemory::new()) };
    run.live()?;
    run.check_state()?;
    let difference = difference(&expected, &run.world.total());
    ensure!(difference.is_empty(), "visible rows differ:\n{}", difference.join("\n"));
    Ok(())
}

fn inputs(trial: &Trial) -> BTreeMap<&'static str, Input> {
    let draw = |salt: u64| Input::draw(trial.seed.wrapping_mul(31) + salt, trial.rows);
    let mut ordered = Input::draw(trial.seed.wrapping_mul(31) + 3, trial.rows);
    ordered.sort();
    BTreeMap::from([("events", draw(1)), ("others", draw(2)), ("ordered", ordered)])
}

fn undisturbed(
    trial: &Trial,
    io: &tokio::runtime::Handle,
) -> anyhow::Result<BTreeMap<String, i64>> {
    let world = Arc::new(World::new(inputs(trial)));
    let crashes = Arc::new(Crashes { pace: 1_000, ..Crashes::default() });
    let job = Start {
        script: &SCRIPTS[trial.script].text(),
        level: RuntimeLevel::Flink1_18,
        parallelism: 1,
        generation: 1,
        settings: &[],
        budget_bytes: u64::MAX,
        sim: Sim { world: Arc::clone(&world), crashes },
        objects: Arc::new(InMemory::new()),
        io,
    };
    let outcome = end_of(job.start()?)?;
    ensure!(outcome == Outcome::Finished, "the undisturbed run ended with {outcome:?}");
    Ok(world.total())
}

struct Run<'a> {
    trial: &'a Trial,
    io: &'a tokio::runtime::Handle,
    world: Arc<World>,
    /// What survives every engine.
    memory: Arc<dyn ObjectStore>,
}

impl Run<'_> {
    fn live(&self) -> anyhow::Result<()> {
        let text = SCRIPTS[self.trial.script].text();
        let mut zombies = vec![];
        let last = self.trial.lives.len();
        for (index, life) in self.trial.lives.iter().enumerate() {
            let job = self.start(&text, life, index as u64 + 1)?;
            if index + 1 < last {
                end(job, life, &mut zombies).with_context(|| format!("life {}", index + 1))?;
                continue;
            }
            let outcome = end_of(job).context("the last life")?;
            ensure!(outcome == Outcome::Finished, "the last life ended with {outcome:?}");
        }
        for zombie in zombies {
            let outcome = end_of(zombie).context("a zombie")?;
            let is_possible = !matches!(outcome, Outcome::Canceled);
            ensure!(is_possible, "a zombie ended with {outcome:?}");
        }
        Ok(())
    }

    fn start(&self, script: &str, life: &Life, generation: u64) -> anyhow::Result<JobHandle> {
        let memory = Arc::clone(&self.memory);
        let objects: Arc<dyn ObjectStore> = match life.store {
            StoreFault::None => memory,
            StoreFault::Dies(at, death) => Arc::new(MortalStore::new(memory, at, death)),
            StoreFault::Fails(failing, seed) => Arc::new(FlakyStore::new(memory, seed, failing)),
        };
        let [polls, writes, commits] = life.crashes.clone().map(Trips::at);
        let crashes = Arc::new(Crashes { polls, writes, commits, pace: life.pace });
        Start {
            script,
            level: life.level,
            parallelism: life.parallelism,
            generation,
            settings: &life.settings,
            budget_bytes: life.budget_bytes,
            sim: Sim { world: Arc::clone(&self.world), crashes },
            objects,
            io: self.io,
        }
        .start()
    }

    /// Every snapshot that the log still names can be read, byte for byte. The removal of
    /// old ones goes on for a while after the last engine has ended.
    fn check_state(&self) -> anyhow::Result<()> {
        let mut result = Ok(());
        for _ in 0..20 {
            result = self.io.block_on(self.read_all());
            if result.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        result
    }

    async fn read_all(&self) -> anyhow::Result<()> {
        let store = CheckpointStore::new(Arc::clone(&self.memory), "/app", "app", "checker")?;
        for entry in store.entries().await? {
            let EntryKind::Checkpoint { location, .. } = &entry.kind else { continue };
            let loaded = store.load(location, RuntimeLevel::Flink1_20).await;
            loaded.with_context(|| format!("entry {} names {location}", entry.sequence))?;
        }
        Ok(())
    }
}

/// Lets a life end as it is planned. It may always end by itself, before or because of
/// what is done to it.
fn end(job: JobHandle, life: &Life, zombies: &mut Vec<JobHandle>) -> anyhow::Result<()> {
    wait_until(&job, || job.view().checkpoints.completed >= life.checkpoints)?;
    match life.ending {
        Ending::Alone => {}
        Ending::Zombie => {
            zombies.push(job);
            return Ok(());
        }
        // The answer does not matter: whether it was done shows at the end.
        Ending::Stop => {
            ask(&job, |reply| Command::Stop { target: None, drain: false, level: None, reply });
        }
        Ending::SavepointThenCancel => {
            ask(&job, |reply| Command::Savepoint { target: None, level: None, reply });
            let _ = job.send(Command::Cancel);
        }
        Ending::Cancel => drop(job.send(Command::Cancel)),
    }
    let outcome = end_of(job)?;
    let is_possible = !matches!(outcome, Outcome::Fenced(_)) || !zombies.is_empty();
    ensure!(is_possible, "fenced by nobody: {outcome:?}");
    Ok(())
}

/// Waits for an answer, or for the end of the job without one.
fn ask(job: &JobHandle, command: impl FnOnce(Reply) -> Command) {
    let (reply, answer) = tokio::sync::oneshot::channel();
    if job.send(command(reply)).is_ok() {
        let _ = answer.blocking_recv();
    }
}

fn end_of(job: JobHandle) -> anyhow::Result<Outcome> {
    wait_until(&job, || false)?;
    Ok(job.wait())
}

/// Until the condition holds or the job has ended.
fn wait_until(job: &JobHandle, condition: impl Fn() -> bool) -> anyhow::Result<()> {
    let outcome = job.outcome();
    for _ in 0..PATIENCE_MS {
        if outcome.borrow().is_some() || condition() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    bail!("the engine hangs: {:?}", job.view());
}

/// Rows whose number differs, as text.
fn difference(expected: &BTreeMap<String, i64>, seen: &BTreeMap<String, i64>) -> Vec<String> {
    let mut rows: Vec<&String> = expected.keys().chain(seen.keys()).collect();
    rows.sort_unstable();
    rows.dedup();
    let count = |total: &BTreeMap<String, i64>, row: &String| total.get(row).copied().unwrap_or(0);
    rows.into_iter()
        .map(|row| (row, count(expected, row), count(seen, row)))
        .filter(|(_, expected, seen)| expected != seen)
        .map(|(row, expected, seen)| format!("{row}: {expected} expected, {seen} seen"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_and_a_repeated_row_are_differences() {
        let total = |rows: &[(&str, i64)]| -> BTreeMap<String, i64> {
            rows.iter().map(|(row, count)| ((*row).to_owned(), *count)).collect()
        };
        let expected = total(&[("a", 1), ("b", 1), ("c", 2)]);
        assert_eq!(difference(&expected, &expected), Vec::<String>::new());
        let seen = total(&[("b", 2), ("c", 2), ("d", -1)]);
        let wanted = ["a: 1 expected, 0 seen", "b: 1 expected, 2 seen", "d: 0 expected, -1 seen"];
        assert_eq!(difference(&expected, &seen), wanted);
    }
}
