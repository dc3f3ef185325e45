//! The built program as a user meets it: `serve`, the command line, logs, restarts; and
//! the repository's own promises (crate graph, documented commands, lint rules).
//!
//! Shared by the tests below `tests/`.

use std::path::Path;
use std::time::Duration;

use millrace_test_support::files::lines;
use millrace_test_support::time::until;

/// For anything that starts a process.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A script that doubles the amounts of a watched directory of csv files.
pub fn doubling(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "CREATE TABLE orders (id BIGINT, amount BIGINT) WITH (
    'connector' = 'filesystem', 'path' = '{directory}/in', 'format' = 'csv',
    'source.monitor-interval' = '50 ms');
CREATE TABLE doubled (id BIGINT, amount BIGINT) WITH (
    'connector' = 'filesystem', 'path' = '{directory}/out', 'format' = 'csv',
    'sink.rolling-policy.rollover-interval' = '200 ms',
    'sink.rolling-policy.check-interval' = '50 ms');
INSERT INTO doubled SELECT id, amount * 2 FROM orders;
"
    )
}

/// Waits until the finished files hold as many lines, and gives them sorted.
///
/// # Errors
/// There are not as many in time.
pub fn output(directory: &Path, count: usize) -> anyhow::Result<Vec<String>> {
    let out = directory.join("out");
    let mut found = until(&format!("{count} lines of output"), PATIENCE, || {
        let found = lines(&out)?;
        Ok((found.len() >= count).then_some(found))
    })?;
    found.sort();
    Ok(found)
}
