//! What the command line asks for.

use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    Nexmark,
    Json,
    Latency,
    Scaling,
    State,
}

impl Suite {
    pub fn name(self) -> &'static str {
        match self {
            Suite::Nexmark => "nexmark",
            Suite::Json => "json",
            Suite::Latency => "latency",
            Suite::Scaling => "scaling",
            Suite::State => "state",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Options {
    pub suite: Suite,
    /// None: all.
    pub queries: Vec<String>,
    /// Of each run of either engine; none: as many as suit the script.
    pub events: Option<u64>,
    /// Events a second of event time.
    pub rate: u64,
    pub parallelism: Vec<u16>,
    pub rounds: usize,
    /// State backends, each with both engines.
    pub backends: Vec<String>,
    /// Whether Flink runs too.
    pub flink: bool,
    pub checkpoint_interval: String,
    pub engine: Option<PathBuf>,
    /// Where each run adds its line.
    pub record: Option<PathBuf>,
    /// The commit that is measured.
    pub build: String,
}

pub const USAGE: &str = "\
usage: cargo xtask bench [SUITE] [OPTION...]
       cargo xtask bench publish    (tests/bench/RESULTS.md from the recorded runs)

  SUITE                   nexmark (default), json, latency, scaling, state
  --queries q0,q5         only these (default: all that both engines can run)
  --events N              events of each run (default: some that keep Flink busy for 25 to 50 s)
  --rate N                events a second of event time (default 1000000)
  --parallelism 1,4       each of these (default 1; scaling: 1,2,4)
  --rounds R              median of R runs (default 3)
  --backend B,...         of both engines: rocksdb, hashmap (default: both)
  --flink yes|no          whether Flink runs, too (default: yes; only nexmark and json)
  --checkpoints INTERVAL  of both engines (default '30 s')
  --engine PATH           a built millrace-engine (default: built now, in release)
  --record FILE           add a line for each run (tests/bench/results)";

impl Options {
    pub fn parse(arguments: &[String]) -> Result<Options, String> {
        let mut options = Options {
            suite: Suite::Nexmark,
            queries: Vec::new(),
            events: None,
            rate: 1_000_000,
            parallelism: Vec::new(),
            rounds: 3,
            backends: vec!["rocksdb".to_owned(), "hashmap".to_owned()],
            flink: true,
            checkpoint_interval: "30 s".to_owned(),
            engine: None,
            record: None,
            build: super::record::build(),
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if let Some(suite) = suite(argument) {
                options.suite = suite;
                continue;
            }
            let value = rest.next().ok_or_else(|| format!("{argument}?\n{USAGE}"))?;
            options.set(argument, value)?;
        }
        if options.parallelism.is_empty() {
            let scaling = options.suite == Suite::Scaling;
            options.parallelism = if scaling { vec![1, 2, 4] } else { vec![1] };
        }
        options.flink &= matches!(options.suite, Suite::Nexmark | Suite::Json);
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number = || value.replace('_', "").parse::<u64>().ok().filter(|number| *number > 0);
        let wrong = || format!("{name} cannot be '{value}'\n{USAGE}");
        let list = || value.split(',').map(str::to_owned);
        match name {
            "--queries" => self.queries = list().collect(),
            "--events" => self.events = Some(number().ok_or_else(wrong)?),
            "--rate" => self.rate = number().ok_or_else(wrong)?,
            "--rounds" => self.rounds = number().ok_or_else(wrong)? as usize,
            "--parallelism" => {
                let all: Result<Vec<u16>, _> = list().map(|one| one.parse()).collect();
                self.parallelism = all.map_err(|_| wrong())?;
            }
            "--backend" => {
                self.backends = list().collect();
                if self.backends.iter().any(|one| one != "rocksdb" && one != "hashmap") {
                    return Err(wrong());
                }
            }
            "--flink" => {
                self.flink = match value {
                    "yes" => true,
                    "no" => false,
                    _ => return Err(wrong()),
                };
            }
            "--checkpoints" => value.clone_into(&mut self.checkpoint_interval),
            "--engine" => self.engine = Some(value.into()),
            "--record" => self.record = Some(value.into()),
            _ => return Err(format!("{name}?\n{USAGE}")),
        }
        Ok(())
    }

    /// The settings that both engines get.
    pub fn settings(&self) -> [(&str, &str); 7] {
        [
            ("execution.checkpointing.interval", &self.checkpoint_interval),
            ("state.backend.incremental", "true"),
            ("table.local-time-zone", "UTC"),
            ("table.exec.mini-batch.enabled", "true"),
            ("table.exec.mini-batch.allow-latency", "2 s"),
            ("table.exec.mini-batch.size", "50000"),
            ("table.optimizer.distinct-agg.split.enabled", "true"),
        ]
    }
}

fn suite(name: &str) -> Option<Suite> {
    [Suite::Nexmark, Suite::Json, Suite::Latency, Suite::Scaling, Suite::State]
        .into_iter()
        .find(|suite| suite.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn a_command_line_is_read_and_a_wrong_one_is_answered_with_the_usage() {
        let options = parse("scaling --queries q0,q5 --events 1_000 --backend hashmap").unwrap();
        assert_eq!((options.suite, options.events), (Suite::Scaling, Some(1_000)));
        assert_eq!((options.queries.len(), options.parallelism.as_slice()), (2, &[1, 2, 4][..]));
        assert_eq!(
            (options.backends.as_slice(), options.flink),
            (&["hashmap".to_owned()][..], false)
        );
        assert!(parse("").unwrap().flink && !parse("json --flink no").unwrap().flink);
        for wrong in
            ["--events 0", "--events", "--what 1", "--backend none", "--parallelism a", "--flink 1"]
        {
            assert!(parse(wrong).unwrap_err().contains("usage"), "{wrong}");
        }
    }
}
