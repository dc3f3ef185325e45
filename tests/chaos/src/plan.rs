//! What is done to the application, and when: all drawn from the seed.

use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub const RUNTIMES: [&str; 4] = ["FLINK-1_15", "FLINK-1_18", "FLINK-1_19", "FLINK-1_20"];

/// What the application reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Files that are dropped into a directory as the trial goes on.
    Files,
    /// A live nexmark stream, at parallelism 1.
    Nexmark,
}

/// Who gets SIGKILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    Engine,
    /// Started again after this long.
    Server(Duration),
    /// Both at once; the server is started again after this long.
    Both(Duration),
}

/// What is asked of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// To the next runtime, at this parallelism.
    Upgrade {
        parallelism: u16,
    },
    /// To code that fails on its first row, to be put back by the service.
    FailingUpdate,
    /// To code that cannot work.
    ImpossibleUpdate,
    Snapshot,
    Rollback,
    Stop,
    ForceStop,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Ask(Request),
    Kill(Victim),
}

#[derive(Clone, Debug)]
pub struct Step {
    /// Since the step before.
    pub after: Duration,
    pub action: Action,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub input: Input,
    pub parallelism: u16,
    pub runtime: usize,
    pub steps: Vec<Step>,
}

impl Plan {
    pub fn draw(seed: u64) -> Plan {
        let mut random = StdRng::seed_from_u64(seed);
        let input = if random.random_bool(0.3) { Input::Nexmark } else { Input::Files };
        let parallelism = if input == Input::Files { random.random_range(1..=3) } else { 1 };
        let runtime = random.random_range(0..2);
        let rounds = random.random_range(2..=4);
        let steps = (0..rounds).flat_map(|_| round(&mut random)).collect();
        Plan { seed, input, parallelism, runtime, steps }
    }
}

/// A request and a kill that may fall before it, inside it, or after it; sometimes a
/// kill alone, which then falls into a checkpoint or a commit, or a second kill while
/// the first is being recovered from.
fn round(random: &mut StdRng) -> Vec<Step> {
    let mut steps = Vec::new();
    if random.random_bool(0.8) {
        steps.push(Step { after: pause(random, 500), action: Action::Ask(request(random)) });
    }
    steps.push(Step { after: pause(random, 700), action: Action::Kill(victim(random)) });
    if random.random_bool(0.25) {
        steps.push(Step { after: pause(random, 300), action: Action::Kill(victim(random)) });
    }
    steps
}

fn request(random: &mut StdRng) -> Request {
    match random.random_range(0..12) {
        0..4 => Request::Upgrade { parallelism: random.random_range(1..=3) },
        4..6 => Request::FailingUpdate,
        6 => Request::ImpossibleUpdate,
        7..9 => Request::Snapshot,
        9 => Request::Rollback,
        10 => Request::Stop,
        _ => Request::ForceStop,
    }
}

fn victim(random: &mut StdRng) -> Victim {
    match random.random_range(0..5) {
        0..2 => Victim::Engine,
        2..4 => Victim::Server(pause(random, 400)),
        _ => Victim::Both(pause(random, 400)),
    }
}

fn pause(random: &mut StdRng, longest_ms: u64) -> Duration {
    Duration::from_millis(random.random_range(0..=longest_ms))
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runtime = RUNTIMES[self.runtime];
        writeln!(
            f,
            "seed {}: {:?}, {runtime}, parallelism {}",
            self.seed, self.input, self.parallelism
        )?;
        for step in &self.steps {
            writeln!(f, "  after {:4} ms {:?}", step.after.as_millis(), step.action)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Action, Plan};

    #[test]
    fn the_same_seed_draws_the_same_plan() {
        assert_eq!(Plan::draw(7).to_string(), Plan::draw(7).to_string());
        assert_ne!(Plan::draw(7).to_string(), Plan::draw(8).to_string());
    }

    #[test]
    fn two_hundred_seeds_ask_for_everything_and_kill_everyone() {
        let name = |action: &Action| {
            let text = format!("{action:?}");
            text.split(|c: char| c == ' ' || c == ')' || c.is_ascii_digit())
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let actions = (0..200).flat_map(|seed| Plan::draw(seed).steps);
        let kinds: BTreeSet<String> = actions.map(|step| name(&step.action)).collect();
        assert_eq!(kinds.len(), 10, "{kinds:?}");
    }
}
