//! What is published: tests/bench/RESULTS.md, made of the recorded runs alone.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use super::record::{self, Figure, Records, Run};
use super::report::{Pair, Runs, geometric_mean, median};
use super::{OURS, THEIRS};
use crate::process::{Outcome, root};

/// Writes the page.
///
/// # Errors
/// A record is damaged, or the page cannot be written.
pub fn publish() -> Outcome {
    let path = page_path();
    fs::write(&path, page()?)
        .map_err(|cause| format!("cannot write {}: {cause}", path.display()))?;
    println!("written: {}", path.display());
    Ok(())
}

fn page_path() -> PathBuf {
    root().join("tests/bench/RESULTS.md")
}

fn page() -> Result<String, String> {
    let folder = root().join("tests/bench/results");
    let entries = fs::read_dir(&folder)
        .map_err(|cause| format!("cannot read {}: {cause}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    let (mut runs, mut figures) = (Vec::new(), Vec::new());
    for file in files {
        match record::read(&file)? {
            Records::Runs(more) => runs.extend(more),
            Records::Figures(more) => figures.extend(more),
        }
    }
    Ok(text(&runs) + &scaling(&runs) + &other_figures(&figures))
}

/// A table a suite and parallelism: scripts down, figures across.
fn other_figures(figures: &[Figure]) -> String {
    let mut text = String::new();
    let kinds: BTreeSet<(&str, u16)> =
        figures.iter().map(|figure| (figure.suite.as_str(), figure.parallelism)).collect();
    for kind in kinds {
        let of: Vec<&Figure> = figures
            .iter()
            .filter(|figure| (figure.suite.as_str(), figure.parallelism) == kind)
            .collect();
        figures_section(&mut text, kind, &of);
    }
    text
}

fn in_order<'a>(figures: &[&'a Figure], field: fn(&Figure) -> &str) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for figure in figures {
        if !seen.contains(&field(figure)) {
            seen.push(field(figure));
        }
    }
    seen
}

fn figures_section(text: &mut String, (suite, parallelism): (&str, u16), figures: &[&Figure]) {
    let mut put = |line: String| writeln!(text, "{line}").expect("a string takes all");
    let names = in_order(figures, |figure| &figure.name);
    let (builds, machines) =
        (in_order(figures, |figure| &figure.build), in_order(figures, |figure| &figure.machine));
    put(format!("\n## {suite}, parallelism {parallelism}\n"));
    put(format!("{}; built from {}.\n", machines.join(", "), builds.join(", ")));
    put(format!("| | runs | {} |", names.join(" | ")));
    put(format!("|---|---|{}", "---|".repeat(names.len())));
    for script in in_order(figures, |figure| &figure.script) {
        let values = |name: &str| {
            let of = figures.iter().filter(|it| it.script == script && it.name == name);
            of.map(|figure| figure.value).collect::<Vec<_>>()
        };
        let runs = names.iter().map(|name| values(name).len()).max().unwrap_or(0);
        let cells = names.iter().map(|name| {
            median(values(name).into_iter()).map_or("".to_owned(), |value| format!("{value:.1}"))
        });
        put(format!("| {script} | {runs} | {} |", cells.collect::<Vec<_>>().join(" | ")));
    }
}

/// Events a second by the clock, of ours alone, at each parallelism.
fn scaling(runs: &[Run]) -> String {
    let of: Vec<&Run> = runs.iter().filter(|run| run.suite == "scaling").collect();
    let parallelisms: BTreeSet<u16> = of.iter().map(|run| run.parallelism).collect();
    let backends: BTreeSet<&str> = of.iter().map(|run| run.backend.as_str()).collect();
    let mut text = String::new();
    for backend in backends.into_iter().rev() {
        let mut put = |line: String| writeln!(text, "{line}").expect("a string takes all");
        put(format!("\n## scaling, state backend `{backend}`\n"));
        put("Thousands of events a second by the clock; times what one slot does.\n".to_owned());
        let slots = parallelisms.iter().map(|slots| format!("{slots} slots | times"));
        put(format!("| query | {} |", slots.collect::<Vec<_>>().join(" | ")));
        put(format!("|---|{}", "---|".repeat(parallelisms.len() * 2)));
        for script in scripts(&of) {
            let rate = |parallelism: u16| {
                let same = of.iter().filter(|run| {
                    (run.script.as_str(), run.parallelism) == (script, parallelism)
                        && run.backend == backend
                });
                median(same.map(|run| run.events as f64 / 1e3 / run.measured.wall_s))
            };
            let one = parallelisms.first().and_then(|least| rate(*least));
            let cells = parallelisms.iter().map(|slots| match (rate(*slots), one) {
                (Some(rate), Some(one)) => format!("{rate:.0} | {:.1}", rate / one),
                _ => " | ".to_owned(),
            });
            put(format!("| {script} | {} |", cells.collect::<Vec<_>>().join(" | ")));
        }
    }
    text
}

fn text(runs: &[Run]) -> String {
    let mut text = HEAD.to_owned();
    let kinds: BTreeSet<(&str, u16)> =
        runs.iter().map(|run| (run.suite.as_str(), run.parallelism)).collect();
    for (suite, parallelism) in kinds.into_iter().filter(|(suite, _)| *suite != "scaling") {
        let of: Vec<&Run> = runs
            .iter()
            .filter(|run| (run.suite.as_str(), run.parallelism) == (suite, parallelism))
            .collect();
        section(&mut text, suite, parallelism, &of);
    }
    text
}

const HEAD: &str = "\
# Measured

Made by `cargo xtask bench publish` from the runs in `results/`, one line a run; a test compares.
How to read the figures: `README.md`. Each is a median; a ratio is ours to Flink's, or Flink's to
ours where less is better (memory). `k/CPU-s` is thousands of events a second of CPU time.
";

fn section(text: &mut String, suite: &str, parallelism: u16, runs: &[&Run]) {
    let set = |field: fn(&Run) -> &str| -> String {
        let all: BTreeSet<&str> = runs.iter().map(|run| field(run)).collect();
        all.into_iter().collect::<Vec<_>>().join(", ")
    };
    let backends: BTreeSet<&str> = runs.iter().map(|run| run.backend.as_str()).collect();
    writeln!(
        text,
        "\n## {suite}, parallelism {parallelism}\n\n{}; built from {}.",
        set(|run| &run.machine),
        set(|run| &run.build)
    )
    .expect("a string takes all");
    for backend in backends.into_iter().rev() {
        let of: Vec<&Run> = runs.iter().filter(|run| run.backend == backend).copied().collect();
        table(text, backend, &of);
    }
}

/// In the order of a script's number, then of its name.
fn scripts<'a>(runs: &[&'a Run]) -> Vec<&'a str> {
    let mut names: Vec<&str> = runs.iter().map(|run| run.script.as_str()).collect();
    let number = |name: &str| name.trim_start_matches('q').parse::<u32>().unwrap_or(u32::MAX);
    names.sort_by_key(|name| (number(name), *name));
    names.dedup();
    names
}

fn table(text: &mut String, backend: &str, runs: &[&Run]) {
    let mut put = |line: String| writeln!(text, "{line}").expect("a string takes all");
    put(format!("\nState backend `{backend}`:\n"));
    put("| query | events | runs | k/CPU-s | Flink | ratio | ratio by the clock | MiB | Flink | \
         ratio |"
        .to_owned());
    put("|---|---|---|---|---|---|---|---|---|---|".to_owned());
    let mut ratios = Vec::new();
    for script in scripts(runs) {
        let of: Vec<&Run> = runs.iter().filter(|run| run.script == script).copied().collect();
        let Some(pair) = pair(backend, &of) else { continue };
        let (Some(theirs), Some(found)) = (&pair.theirs, all_ratios(&pair)) else { continue };
        let whole = |value: Option<f64>| value.map_or("?".to_owned(), |v| format!("{v:.0}"));
        let [cpu, wall, memory] = found;
        put(format!(
            "| {script} | {} | {} | {} | {} | {cpu:.1} | {wall:.1} | {} | {} | {memory:.1} |",
            of[0].events,
            pair.ours.count().min(theirs.count()),
            whole(pair.ours.per_cpu()),
            whole(theirs.per_cpu()),
            whole(pair.ours.peak_mib()),
            whole(theirs.peak_mib()),
        ));
        ratios.push(found);
    }
    let mean = |at: usize| geometric_mean(ratios.iter().map(|found| found[at])).unwrap_or(0.0);
    let least = ratios.iter().map(|found| found[0]).fold(f64::INFINITY, f64::min);
    put(format!(
        "| geometric mean | | | | | {:.1} | {:.1} | | | {:.1} |\n\nThe lowest ratio is {least:.1}.",
        mean(0),
        mean(1),
        mean(2)
    ));
}

/// By CPU time, by the clock, of memory.
fn all_ratios(pair: &Pair) -> Option<[f64; 3]> {
    let theirs = pair.theirs.as_ref()?;
    let wall = pair.ours.per_wall()? / theirs.per_wall()?;
    Some([pair.ratio()?, wall, pair.memory_ratio()?])
}

/// The newest size of a script alone: runs over other numbers of events are none of it.
fn pair(backend: &str, runs: &[&Run]) -> Option<Pair> {
    let events = runs.last()?.events;
    let of = |engine: &str| {
        let mut all = Runs::new(events);
        let same = runs.iter().filter(|run| run.engine == engine && run.events == events);
        same.for_each(|run| all.add(Ok(run.measured)));
        all
    };
    Some(Pair { backend: backend.to_owned(), ours: of(OURS), theirs: Some(of(THEIRS)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Measured;

    fn run(engine: &str, cpu_s: f64) -> Run {
        Run {
            suite: "nexmark".to_owned(),
            script: "q5".to_owned(),
            events: 1_000_000,
            parallelism: 1,
            backend: "hashmap".to_owned(),
            engine: engine.to_owned(),
            measured: Measured { wall_s: cpu_s * 2.0, cpu_s, peak_mib: 100.0 },
            build: "b".to_owned(),
            machine: "m".to_owned(),
        }
    }

    #[test]
    fn medians_and_ratios_are_in_the_table() {
        let runs =
            [run(OURS, 1.0), run(THEIRS, 8.0), run(OURS, 3.0), run(THEIRS, 8.0), run(OURS, 2.0)];
        let text = text(&runs);
        assert!(
            text.contains("| q5 | 1000000 | 2 | 500 | 125 | 4.0 | 4.0 | 100 | 100 | 1.0 |"),
            "{text}"
        );
        assert!(text.contains("The lowest ratio is 4.0."));
    }

    #[test]
    fn scaling_is_told_by_the_clock() {
        let mut runs = [run(OURS, 1.0), run(OURS, 0.5)];
        for (run, parallelism) in runs.iter_mut().zip([1, 2]) {
            (run.suite, run.parallelism) = ("scaling".to_owned(), parallelism);
        }
        assert!(scaling(&runs).contains("| q5 | 500 | 1.0 | 1000 | 2.0 |"), "{}", scaling(&runs));
    }

    #[test]
    fn other_figures_are_in_tables_too() {
        let figure = |name: &str, value: f64| Figure {
            suite: "latency".to_owned(),
            script: "keyed".to_owned(),
            parallelism: 1,
            name: name.to_owned(),
            value,
            build: "b".to_owned(),
            machine: "m".to_owned(),
        };
        let text = other_figures(&[figure("p50", 3.0), figure("p99", 9.0), figure("p50", 5.0)]);
        assert!(text.contains("| | runs | p50 | p99 |\n|---|---|---|---|\n"), "{text}");
        assert!(text.contains("| keyed | 2 | 4.0 | 9.0 |"), "{text}");
    }

    #[test]
    fn what_is_published_is_what_was_recorded() {
        let want = page().expect("the records are read");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(page_path(), &want).expect("the page is written");
        }
        let found = fs::read_to_string(page_path()).expect("the page is there");
        assert_eq!(found, want, "run `cargo xtask bench publish`");
    }
}
