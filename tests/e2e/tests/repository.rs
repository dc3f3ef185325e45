//! What the repository promises about itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use millrace_test_support::binary::source_root;
use millrace_test_support::cli::millrace;
use serde_json::Value;

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(source_root());
    command
}

/// Our crates, and for each which others of ours it uses when it is built.
fn crate_graph() -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"])
        .output()
        .context("cannot start cargo")?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    let uses = |package: &Value| {
        let dependencies = package["dependencies"].as_array().cloned().unwrap_or_default();
        let built = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
        built.map(name).filter(|name| ours.contains(name)).collect()
    };
    Ok(packages.iter().map(|package| (name(package), uses(package))).collect())
}

/// `UPDATE_GOLDEN=1` writes the graph as it is; the change then shows in review.
#[test]
fn the_crate_graph_changes_on_purpose() -> anyhow::Result<()> {
    let mut text = String::new();
    for (name, uses) in crate_graph()? {
        let uses: Vec<String> = uses.into_iter().collect();
        text.push_str(&format!("{name}: {}\n", uses.join(" ")).replace(": \n", ":\n"));
    }
    let golden = source_root().join("tests/golden/crate-graph.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &text)?;
    }
    let expected = std::fs::read_to_string(&golden)?;
    assert_eq!(
        text, expected,
        "if it is meant: UPDATE_GOLDEN=1 cargo xtask test 'test(crate_graph)'"
    );
    Ok(())
}

/// What each crate must never come to know, directly or through others.
#[test]
fn crates_do_not_know_what_they_must_not() -> anyhow::Result<()> {
    let engine = [
        "millrace-dataflow",
        "millrace-expr",
        "millrace-sql",
        "millrace-plan",
        "millrace-state",
        "millrace-runtime",
        "millrace-formats",
        "millrace-connectors",
        "millrace-worker",
    ];
    let services = [
        "millrace-api",
        "millrace-controller",
        "millrace-domain",
        "millrace-launcher",
        "millrace-store",
    ];
    let mut forbidden: Vec<(&str, &str)> = vec![
        ("millrace-launcher", "millrace-store"),
        ("millrace-launcher", "millrace-api"),
        ("millrace-controller", "millrace-api"),
        ("millrace-api", "millrace-controller"),
        ("millrace-api", "millrace-launcher"),
        ("millrace-store", "millrace-api"),
        ("millrace-store", "millrace-launcher"),
        ("millrace-api-spec", "millrace-domain"),
        ("millrace-domain", "millrace-api-spec"),
        ("millrace-sql", "millrace-runtime"),
        ("millrace-sql", "millrace-state"),
        ("millrace-sql", "millrace-connectors"),
        ("millrace-plan", "millrace-runtime"),
        ("millrace-plan", "millrace-state"),
        ("millrace-plan", "millrace-connectors"),
        ("millrace-state", "millrace-runtime"),
        ("millrace-state", "millrace-sql"),
        ("millrace-state", "millrace-plan"),
        ("millrace-runtime", "millrace-sql"),
        ("millrace-connectors", "millrace-runtime"),
        ("millrace-connectors", "millrace-sql"),
        ("millrace-formats", "millrace-connectors"),
        ("millrace-formats", "millrace-runtime"),
    ];
    for crate_of_the_engine in engine {
        forbidden.extend(services.map(|service| (crate_of_the_engine, service)));
        forbidden.extend(services.map(|service| (service, crate_of_the_engine)));
    }
    forbidden.extend(engine.iter().skip(1).map(|other| ("millrace-dataflow", *other)));
    let graph = crate_graph()?;
    for (knows, known) in forbidden {
        assert!(!reaches(&graph, knows, known), "{knows} must not know {known}");
    }
    Ok(())
}

fn reaches(graph: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    graph
        .get(from)
        .is_some_and(|uses| uses.iter().any(|next| next == to || reaches(graph, next, to)))
}

#[test]
fn the_build_holds_one_arrow_one_http_stack_and_one_rustls() -> anyhow::Result<()> {
    let lock = std::fs::read_to_string(source_root().join("Cargo.lock"))?;
    for single in ["arrow", "arrow-array", "datafusion-common", "http", "hyper", "rustls", "axum"] {
        let line = format!("name = \"{single}\"");
        assert_eq!(lock.lines().filter(|l| *l == line).count(), 1, "{single}");
    }
    Ok(())
}

/// The lines of a Markdown file that are indented or fenced code.
fn code_lines(markdown: &str) -> Vec<String> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            lines.push(line.trim().trim_start_matches("$ ").to_owned());
        }
    }
    lines
}

/// Each `millrace …` and `cargo xtask …` of the README names commands and options that
/// the programs have.
#[test]
fn the_readmes_commands_exist() -> anyhow::Result<()> {
    let readme = std::fs::read_to_string(source_root().join("README.md"))?;
    let xtask = std::fs::read_to_string(source_root().join("tests/xtask/src/main.rs"))?;
    let (mut programs, mut tasks) = (0, 0);
    for line in code_lines(&readme) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["millrace", rest @ ..] => {
                check_command(rest)?;
                programs += 1;
            }
            ["cargo", "xtask", task, ..] => {
                assert!(xtask.contains(&format!("Some(\"{task}\")")), "{line}");
                tasks += 1;
            }
            _ => {}
        }
    }
    assert!(programs > 5 && tasks >= 3, "the README shows {programs} commands, {tasks} tasks");
    Ok(())
}

fn check_command(words: &[&str]) -> anyhow::Result<()> {
    let is_name = |word: &&&str| word.chars().all(|c| c.is_ascii_lowercase());
    let depth = if words.first() == Some(&"serve") { 1 } else { 2 };
    let path: Vec<&str> = words.iter().take(depth).take_while(is_name).copied().collect();
    let help = millrace("", &[path.as_slice(), &["--help"]].concat())?;
    assert_eq!(help.code, 0, "millrace {}: {}", path.join(" "), help.stderr);
    for option in words.iter().filter(|word| word.starts_with("--")) {
        let option = option.split('=').next().unwrap_or(option);
        assert!(help.stdout.contains(option), "millrace {} has no {option}", path.join(" "));
    }
    Ok(())
}

/// Clocks, ids and randomness come in as arguments, and clippy says so.
#[test]
fn reading_the_clock_is_refused_by_clippy() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let root = directory.path();
    write_offender(root)?;
    std::fs::copy(source_root().join(".clippy.toml"), root.join(".clippy.toml"))?;
    let output = cargo()
        .current_dir(root)
        .env("CARGO_TARGET_DIR", root.join("target"))
        .args(["clippy", "--offline"])
        .output()
        .context("cannot start cargo clippy")?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "clippy let it pass: {said}");
    assert!(said.contains("take the time as an argument"), "{said}");
    Ok(())
}

fn write_offender(root: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(root.join("src"))?;
    std::fs::write(
        root.join("Cargo.toml"),
        "[package]\nname = \"offender\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [lints.clippy]\ndisallowed_methods = \"deny\"\n",
    )?;
    std::fs::write(
        root.join("src/main.rs"),
        "fn main() {\n    println!(\"{:?}\", std::time::SystemTime::now());\n}\n",
    )?;
    Ok(())
}
