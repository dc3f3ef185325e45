//! Which command is legal in which status, in one table.

use std::fmt::Write;

use millrace_domain::Status;
use millrace_domain::commands::Command;

/// Changes on purpose only: put what the failing test prints in its place.
const GOLDEN: &str = include_str!("golden/legality.txt");

fn table() -> String {
    let mut table = format!("{:<16}", "");
    for command in Command::ALL {
        write!(table, " {}", short(command)).expect("a String takes all");
    }
    for status in Status::ALL {
        write!(table, "\n{:<16}", status.name()).expect("a String takes all");
        for command in Command::ALL {
            let mark = if command.allowed().contains(&status) { "yes" } else { "-" };
            write!(table, " {mark:<width$}", width = short(command).len())
                .expect("a String takes all");
        }
    }
    let lines: Vec<&str> = table.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

fn short(command: Command) -> &'static str {
    match command {
        Command::ForceStop => "StopApplication(Force)",
        Command::Tag => "Tag/UntagResource",
        other => other.name(),
    }
}

#[test]
fn the_legality_of_commands_by_status_is_the_documented_one() {
    let table = table();
    assert_eq!(table, GOLDEN, "the table is now:\n{table}");
}
