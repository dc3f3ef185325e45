//! `millrace runtimes`: the releases of Apache Flink that a server can run applications on.
//!
//! Whoever installs one decides that JARs may run on this machine: the code in them does
//! what the server's user may do (services/design/flink-runtime.md).

mod fetch;
mod index;
mod install;
mod unpack;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use millrace_domain::runtime_environment::{CATALOGUE, RuntimeKind, Standing};
use millrace_launcher::flink::java::{self, Java};
use millrace_launcher::flink::{Distribution, Distributions, OLDEST, Release};
use serde_json::json;

use crate::place;

#[derive(Args)]
pub struct RuntimesArguments {
    /// The data directory of the server [default: ~/.local/share/millrace]
    #[arg(long, global = true, env = "MILLRACE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show which runtimes there are, and what serves each
    List {
        /// For programs
        #[arg(long, default_value = "text", value_parser = ["text", "json"])]
        output: String,
    },
    /// Install a release of Apache Flink: 1.20 is the newest 1.20.x
    Install(install::InstallArguments),
    /// Remove an installed release; applications that need it do not start any more
    Remove {
        /// 1.18.1
        release: String,
    },
}

pub fn run(arguments: RuntimesArguments) -> anyhow::Result<ExitCode> {
    let data_dir = place::data_dir(arguments.data_dir.as_deref())?;
    let releases = Distributions::of_data_directory(&data_dir);
    match arguments.command {
        Command::List { output } if output == "json" => list_json(&releases)?,
        Command::List { .. } => list(&releases)?,
        Command::Install(install) => install::install(&releases, &install)?,
        Command::Remove { release } => remove(&releases, &release)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A runtime environment and what serves it here.
struct Served {
    runtime: &'static str,
    embedded: bool,
    flink: Option<Distribution>,
}

fn served(releases: &Distributions) -> anyhow::Result<Vec<Served>> {
    let flink = CATALOGUE
        .iter()
        .filter(|entry| entry.kind == RuntimeKind::Flink && entry.standing != Standing::Retired);
    flink
        .map(|entry| {
            Ok(Served {
                runtime: entry.name,
                embedded: entry.standing == Standing::Offered,
                flink: releases.serving(entry.name)?,
            })
        })
        .collect()
}

fn list(releases: &Distributions) -> anyhow::Result<()> {
    println!("{:<12} {:<10} {:<10} WHERE", "RUNTIME", "EMBEDDED", "FLINK");
    for served in served(releases)? {
        let embedded = if served.embedded { "yes" } else { "-" };
        let (release, home) = match &served.flink {
            Some(found) => (found.release.to_string(), found.home.display().to_string()),
            None => ("-".to_owned(), String::new()),
        };
        println!("{:<12} {embedded:<10} {release:<10} {home}", served.runtime);
    }
    for unused in unused(releases)? {
        println!("{:<12} {:<10} {:<10} {}", "-", "-", unused.release, unused.home.display());
    }
    match java::find() {
        Ok(java) => eprintln!("Java {} at {}", java.version, java.program.display()),
        Err(missing) => eprintln!("{missing}"),
    }
    Ok(())
}

fn list_json(releases: &Distributions) -> anyhow::Result<()> {
    let runtimes: Vec<serde_json::Value> = served(releases)?
        .into_iter()
        .map(|served| {
            json!({
                "runtime": served.runtime,
                "embedded": served.embedded,
                "flink": served.flink.as_ref().map(|it| it.release.to_string()),
                "home": served.flink.as_ref().map(|it| it.home.clone()),
            })
        })
        .collect();
    let installed: Vec<String> =
        releases.installed()?.iter().map(|it| it.release.to_string()).collect();
    let java = java::find().ok();
    println!(
        "{:#}",
        json!({
            "runtimes": runtimes,
            "installed": installed,
            "java": java.map(|it: Java| it.version),
        })
    );
    Ok(())
}

/// Installed, and no runtime environment is served by it: there is a newer one of its line,
/// or AWS has no such runtime.
fn unused(releases: &Distributions) -> anyhow::Result<Vec<Distribution>> {
    let used: Vec<Release> =
        served(releases)?.into_iter().filter_map(|it| Some(it.flink?.release)).collect();
    let mut found = releases.installed()?;
    found.retain(|it| !used.contains(&it.release));
    Ok(found)
}

/// Renamed first: half a release is never found.
fn remove(releases: &Distributions, release: &str) -> anyhow::Result<()> {
    let release = parsed(release)?;
    let directory = releases.directory(release);
    let aside = releases.root().join(format!(".removing-flink-{release}"));
    if !directory.exists() {
        bail!("Flink {release} is not installed; `millrace runtimes list` shows what is");
    }
    if aside.exists() {
        std::fs::remove_dir_all(&aside)?;
    }
    std::fs::rename(&directory, &aside)
        .with_context(|| format!("cannot remove {}", directory.display()))?;
    std::fs::remove_dir_all(&aside)
        .with_context(|| format!("cannot remove {}", aside.display()))?;
    eprintln!("Flink {release} was removed");
    Ok(())
}

/// A whole release number that can be driven.
fn parsed(text: &str) -> anyhow::Result<Release> {
    let release = Release::parse(text)
        .with_context(|| format!("{text:?} is not a release of Flink, like 1.18.1"))?;
    check_line(release)?;
    Ok(release)
}

fn check_line(release: Release) -> anyhow::Result<()> {
    if release.line() < OLDEST {
        bail!(
            "Flink {release} is too old to be driven: {}.{} is the first that is",
            OLDEST.0,
            OLDEST.1
        );
    }
    Ok(())
}
