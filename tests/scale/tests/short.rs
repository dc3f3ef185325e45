//! A short run: every call answered, every update carried out.

use std::process::Command;

use serde_json::Value;

#[test]
fn every_application_runs_what_its_last_update_said() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace-scale"));
    command.args(["run", "--applications", "60", "--reads", "100", "--updates", "10"]);
    let output = command.args(["--seconds", "3", "--idle-seconds", "1"]).output().unwrap();
    let (out, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{errors}");
    let phases: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = phases.iter().filter_map(|phase| phase["phase"].as_str()).collect();
    assert_eq!(names, ["create", "start", "idle", "read and update", "check"]);
    let load = &phases[3];
    assert_eq!((&load["reads"]["count"], &load["updates"]["count"]), (&300.into(), &30.into()));
    // The last ones may not have been looked at yet.
    let looked_at = load["reconcile_lag"]["count"].as_u64();
    assert!(looked_at.is_some_and(|looked_at| (25..=30).contains(&looked_at)), "{load}");
    assert_eq!(phases[4]["applications"], 60);
}
