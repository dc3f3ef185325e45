//! The configuration keys a script may SET, and what their values must be
//! (section F of the dialect checklist).

use millrace_dataflow::settings::{parse_duration_ms, parse_size_bytes};

use crate::nearest;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Duration,
    Size,
    Boolean,
    /// At least this.
    Integer(i64),
    Number,
    OneOf(&'static [&'static str]),
    Text,
}

use Value::{Boolean, Duration, Integer, Number, OneOf, Size, Text};

const KNOWN: &[(&str, Value)] = &[
    ("table.exec.state.ttl", Duration),
    ("table.exec.mini-batch.enabled", Boolean),
    ("table.exec.mini-batch.allow-latency", Duration),
    ("table.exec.mini-batch.size", Integer(-1)),
    ("table.exec.source.idle-timeout", Duration),
    ("table.exec.source.cdc-events-duplicate", Boolean),
    ("table.exec.sink.not-null-enforcer", OneOf(&["ERROR", "DROP"])),
    ("table.exec.sink.type-length-enforcer", OneOf(&["IGNORE", "TRIM_PAD"])),
    ("table.exec.sink.upsert-materialize", OneOf(&["NONE", "AUTO", "FORCE"])),
    ("table.exec.sink.keyed-shuffle", OneOf(&["NONE", "AUTO", "FORCE"])),
    ("table.exec.sink.rowtime-inserter", OneOf(&["ENABLED", "DISABLED"])),
    ("table.exec.resource.default-parallelism", Integer(-1)),
    ("table.exec.async-lookup.buffer-capacity", Integer(1)),
    ("table.exec.async-lookup.timeout", Duration),
    ("table.exec.async-lookup.output-mode", OneOf(&["ORDERED", "ALLOW_UNORDERED"])),
    ("table.exec.deduplicate.insert-update-after-sensitive-enabled", Boolean),
    ("table.exec.deduplicate.mini-batch.compact-changes-enabled", Boolean),
    ("table.exec.interval-join.min-cleanup-interval", Duration),
    ("table.exec.rank.topn-cache-size", Integer(1)),
    ("table.exec.window-agg.buffer-size-limit", Integer(1)),
    ("table.exec.legacy-cast-behaviour", OneOf(&["DISABLED", "ENABLED"])),
    ("table.exec.uid.generation", OneOf(&["PLAN_ONLY", "ALWAYS", "DISABLED"])),
    ("table.exec.uid.format", Text),
    ("table.exec.simplify-operator-name-enabled", Boolean),
    ("table.optimizer.agg-phase-strategy", OneOf(&["AUTO", "TWO_PHASE", "ONE_PHASE"])),
    // Accepted, and the plan stays as it is: splitting distinct values by bucket spreads
    // the state of a hot key over subtasks. Here the first of two phases sends each
    // distinct value of a mini-batch once, and one lookup serves all calls over a column.
    // The results are the same.
    ("table.optimizer.distinct-agg.split.enabled", Boolean),
    ("table.optimizer.distinct-agg.split.bucket-num", Integer(1)),
    ("table.optimizer.non-deterministic-update.strategy", OneOf(&["IGNORE", "TRY_RESOLVE"])),
    ("table.optimizer.reuse-sub-plan-enabled", Boolean),
    ("table.optimizer.reuse-source-enabled", Boolean),
    ("table.optimizer.join-reorder-enabled", Boolean),
    ("table.optimizer.source.predicate-pushdown-enabled", Boolean),
    ("table.local-time-zone", Text),
    ("table.dml-sync", Boolean),
    ("table.dynamic-table-options.enabled", Boolean),
    ("table.sql-dialect", OneOf(&["default", "hive"])),
    ("table.builtin-catalog-name", Text),
    ("table.builtin-database-name", Text),
    ("table.display.max-column-width", Integer(1)),
    ("execution.runtime-mode", OneOf(&["STREAMING", "BATCH", "AUTOMATIC"])),
    ("parallelism.default", Integer(1)),
    ("pipeline.name", Text),
    ("pipeline.max-parallelism", Integer(-1)),
    ("pipeline.auto-watermark-interval", Duration),
    ("pipeline.object-reuse", Boolean),
    ("pipeline.operator-chaining", Boolean),
    ("pipeline.operator-chaining.enabled", Boolean),
    ("pipeline.global-job-parameters", Text),
    ("execution.buffer-timeout", Duration),
    ("execution.buffer-timeout.interval", Duration),
    ("execution.buffer-timeout.enabled", Boolean),
    ("execution.attached", Boolean),
    ("execution.target", Text),
    ("execution.savepoint.path", Text),
    ("execution.savepoint.ignore-unclaimed-state", Boolean),
    ("execution.savepoint-restore-mode", OneOf(&["NO_CLAIM", "CLAIM", "LEGACY"])),
    ("execution.checkpointing.interval", Duration),
    ("execution.checkpointing.mode", OneOf(&["EXACTLY_ONCE", "AT_LEAST_ONCE"])),
    ("execution.checkpointing.timeout", Duration),
    ("execution.checkpointing.min-pause", Duration),
    ("execution.checkpointing.max-concurrent-checkpoints", Integer(1)),
    ("execution.checkpointing.tolerable-failed-checkpoints", Integer(0)),
    (
        "execution.checkpointing.externalized-checkpoint-retention",
        OneOf(&["DELETE_ON_CANCELLATION", "RETAIN_ON_CANCELLATION", "NO_EXTERNALIZED_CHECKPOINTS"]),
    ),
    ("execution.checkpointing.unaligned", Boolean),
    ("execution.checkpointing.unaligned.enabled", Boolean),
    ("execution.checkpointing.unaligned.forced", Boolean),
    ("execution.checkpointing.unaligned.max-subtasks-per-channel-state-file", Integer(1)),
    ("execution.checkpointing.aligned-checkpoint-timeout", Duration),
    ("execution.checkpointing.alignment-timeout", Duration),
    ("execution.checkpointing.checkpoints-after-tasks-finish.enabled", Boolean),
    ("execution.checkpointing.snapshot-compression", Boolean),
    ("execution.checkpointing.dir", Text),
    ("execution.checkpointing.savepoint-dir", Text),
    ("execution.checkpointing.num-retained", Integer(1)),
    ("execution.checkpointing.incremental", Boolean),
    ("execution.checkpointing.storage", Text),
    ("state.checkpoints.dir", Text),
    ("state.checkpoints.num-retained", Integer(1)),
    ("state.savepoints.dir", Text),
    ("state.checkpoint-storage", Text),
    ("state.storage.fs.memory-threshold", Size),
    ("state.backend", Text),
    ("state.backend.type", Text),
    ("state.backend.incremental", Boolean),
    ("state.backend.local-recovery", Boolean),
    ("restart-strategy", Text),
    ("restart-strategy.type", Text),
    ("restart-strategy.fixed-delay.attempts", Integer(0)),
    ("restart-strategy.fixed-delay.delay", Duration),
    ("restart-strategy.failure-rate.max-failures-per-interval", Integer(1)),
    ("restart-strategy.failure-rate.failure-rate-interval", Duration),
    ("restart-strategy.failure-rate.delay", Duration),
    ("restart-strategy.exponential-delay.initial-backoff", Duration),
    ("restart-strategy.exponential-delay.max-backoff", Duration),
    ("restart-strategy.exponential-delay.backoff-multiplier", Number),
    ("restart-strategy.exponential-delay.reset-backoff-threshold", Duration),
    ("restart-strategy.exponential-delay.jitter-factor", Number),
    ("taskmanager.numberOfTaskSlots", Integer(1)),
    ("taskmanager.network.memory.buffer-debloat.enabled", Boolean),
    ("taskmanager.network.memory.buffer-debloat.target", Duration),
    ("taskmanager.network.memory.buffer-debloat.period", Duration),
    ("taskmanager.network.memory.buffer-debloat.samples", Integer(1)),
    ("taskmanager.network.memory.buffer-debloat.threshold-percentages", Integer(0)),
    ("sql-client.execution.result-mode", Text),
    ("sql-client.execution.max-table-result.rows", Integer(-1)),
    ("sql-client.verbose", Boolean),
];

/// Keys that Flink has in families and this engine accepts without a use for them.
const ACCEPTED_PREFIXES: [&str; 9] = [
    "table.optimizer.",
    "table.exec.emit.",
    "table.exec.sort.",
    "table.plan.",
    "table.generated-code.",
    "state.backend.rocksdb.",
    "state.backend.changelog.",
    "taskmanager.",
    "python.",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    Good,
    /// The value is wrong: a sentence.
    Bad(String),
    /// The key is not known: a sentence and perhaps near ones.
    Unknown {
        message: String,
        hint: Option<String>,
    },
}

/// Checks one setting. `millrace.` keys are our own and always pass.
pub fn check(key: &str, value: &str) -> Checked {
    match KNOWN.iter().find(|(known, _)| *known == key) {
        Some((_, kind)) => match complaint(*kind, value.trim()) {
            Some(complaint) => Checked::Bad(format!("setting '{key}': {complaint}")),
            None => Checked::Good,
        },
        None if key.starts_with("millrace.") => Checked::Good,
        None if ACCEPTED_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) => Checked::Good,
        None => Checked::Unknown {
            message: format!("the setting '{key}' is not known and has no effect"),
            hint: suggestion(key),
        },
    }
}

fn suggestion(key: &str) -> Option<String> {
    let near = nearest::nearest(key, KNOWN.iter().map(|(known, _)| *known));
    let near = near.first()?;
    Some(format!("did you mean '{near}'?"))
}

fn complaint(kind: Value, value: &str) -> Option<String> {
    match kind {
        Duration => parse_duration_ms(value).err().map(|error| error.to_string()),
        Size => parse_size_bytes(value).err().map(|error| error.to_string()),
        Boolean => (!value.eq_ignore_ascii_case("true") && !value.eq_ignore_ascii_case("false"))
            .then(|| format!("'{value}' is neither true nor false")),
        Integer(least) => match value.parse::<i64>() {
            Ok(number) if number >= least => None,
            Ok(number) => Some(format!("{number} is less than {least}")),
            Err(_) => Some(format!("'{value}' is no whole number")),
        },
        Number => value.parse::<f64>().err().map(|_| format!("'{value}' is no number")),
        OneOf(choices) => (!choices.iter().any(|choice| choice.eq_ignore_ascii_case(value)))
            .then(|| format!("'{value}' is none of {}", choices.join(", "))),
        Text => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_settings_are_checked_by_their_kind() {
        for (key, value, expected) in [
            ("table.exec.state.ttl", "1 h", Checked::Good),
            ("table.exec.mini-batch.enabled", "TRUE", Checked::Good),
            ("table.exec.sink.not-null-enforcer", "drop", Checked::Good),
            ("state.backend.rocksdb.thread.num", "4", Checked::Good),
            ("millrace.anything", "x", Checked::Good),
            (
                "parallelism.default",
                "0",
                Checked::Bad("setting 'parallelism.default': 0 is less than 1".into()),
            ),
            (
                "table.dml-sync",
                "yes",
                Checked::Bad("setting 'table.dml-sync': 'yes' is neither true nor false".into()),
            ),
            (
                "table.exec.state.tll",
                "1 h",
                Checked::Unknown {
                    message: "the setting 'table.exec.state.tll' is not known and has no effect"
                        .into(),
                    hint: Some("did you mean 'table.exec.state.ttl'?".into()),
                },
            ),
        ] {
            assert_eq!(check(key, value), expected, "{key}={value}");
        }
        assert!(matches!(check("execution.checkpointing.interval", "soon"), Checked::Bad(_)));
    }
}
