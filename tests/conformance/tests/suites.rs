//! One test per Python suite, so that the runner shows and times each.

use millrace_conformance::run_suite;

#[test]
fn test_lifecycle() -> anyhow::Result<()> {
    run_suite("test_lifecycle")
}

#[test]
fn test_validation() -> anyhow::Result<()> {
    run_suite("test_validation")
}

#[test]
fn test_aws_cli() -> anyhow::Result<()> {
    run_suite("test_aws_cli")
}

#[test]
fn test_flights() -> anyhow::Result<()> {
    run_suite("test_flights")
}

#[test]
fn test_s3() -> anyhow::Result<()> {
    run_suite("test_s3")
}

#[test]
fn test_snapshots() -> anyhow::Result<()> {
    run_suite("test_snapshots")
}

#[test]
fn test_transfers() -> anyhow::Result<()> {
    run_suite("test_transfers")
}

#[test]
fn test_model() -> anyhow::Result<()> {
    run_suite("test_model")
}

#[test]
fn test_access() -> anyhow::Result<()> {
    run_suite("test_access")
}

#[test]
fn test_rest() -> anyhow::Result<()> {
    run_suite("test_rest")
}

#[test]
fn test_terraform() -> anyhow::Result<()> {
    run_suite("test_terraform.OneApply")
}

/// Each of its two dozen commands takes ten seconds.
#[test]
#[ignore = "takes minutes: cargo xtask test-long"]
fn test_terraform_story() -> anyhow::Result<()> {
    run_suite("test_terraform.Story")
}

#[test]
fn test_logs() -> anyhow::Result<()> {
    run_suite("test_logs")
}
