//! What Flink says when something does not work, in one sentence that names the thing.
//!
//! Flink answers with stack traces: an outer failure, then `Caused by:` again and again. Some
//! causes are told better than Flink does; of the others the innermost message is taken.

use super::distribution::Release;

const CHARACTERS: usize = 400;
/// An operator that the trace does not name.
const UNNAMED: &str = "an operator";

/// One exception of a stack trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Thrown<'a> {
    class: &'a str,
    message: &'a str,
}

/// The sentence for a stack trace, without a full stop at its end.
pub fn sentence(trace: &str, release: Release) -> String {
    let thrown = thrown(trace);
    let known = thrown.iter().rev().find_map(|it| known(*it, trace, release));
    let text = known.unwrap_or_else(|| innermost(&thrown, trace));
    let text: String = text.trim().trim_end_matches('.').chars().take(CHARACTERS).collect();
    match text.is_empty() {
        true => "Flink gave no cause".to_owned(),
        false => text,
    }
}

/// The sentence with the task where it began, where an operator has no name in it.
pub fn with_task(sentence: String, task: Option<&str>) -> String {
    match task {
        Some(task) => sentence.replacen(UNNAMED, &format!("task {task}"), 1),
        None => sentence,
    }
}

/// Whether the trace says that the job is there already.
pub fn is_duplicate(trace: &str) -> bool {
    trace.contains("DuplicateJobSubmissionException")
        || trace.contains("Job has already been submitted")
}

/// `From line 3, column 8 to line 3, column 9: …`, or `at line 3, column 8`.
pub fn place(sentence: &str) -> Option<(u64, u64)> {
    let number = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text[..end].parse::<u64>().ok()
    };
    let lower = sentence.to_ascii_lowercase();
    let at = lower.find("line ")? + "line ".len();
    let column = lower[at..].find("column ")? + "column ".len();
    Some((number(&lower[at..])?, number(&lower[at + column..])?))
}

/// In the order of the trace: the outermost first.
fn thrown(trace: &str) -> Vec<Thrown<'_>> {
    let mut found = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let line = line.trim_start_matches("<Exception on server side:").trim();
        let text = match line.strip_prefix("Caused by: ") {
            Some(text) => text,
            None if number < 2 && !line.starts_with("at ") => line,
            None => continue,
        };
        found.extend(exception(text));
    }
    found
}

fn exception(text: &str) -> Option<Thrown<'_>> {
    let (class, message) = text.split_once(": ").unwrap_or((text.trim_end_matches(':'), ""));
    let is_class = class.contains('.')
        && class.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '$'));
    is_class.then_some(Thrown { class, message: message.trim() })
}

fn known(it: Thrown<'_>, trace: &str, release: Release) -> Option<String> {
    let name = it.class.rsplit(['.', '$']).next().unwrap_or(it.class);
    let message = it.message;
    match name {
        "StateMigrationException" => Some(format!(
            "The new code cannot read the state of {}: its type changed in a way that Flink \
             does not migrate ({})",
            operator(trace).unwrap_or_else(|| UNNAMED.to_owned()),
            first_sentence(message)
        )),
        "ClassNotFoundException" | "NoClassDefFoundError" => Some(format!(
            "The class {} is neither in the application's JAR nor in Flink {release}",
            message.replace('/', ".")
        )),
        "NoSuchMethodError"
        | "NoSuchFieldError"
        | "AbstractMethodError"
        | "IncompatibleClassChangeError"
        | "UnsupportedClassVersionError" => Some(format!(
            "The JAR was compiled against something else than Flink {release} and this Java: \
             {name}: {message}"
        )),
        "KryoException" => Some(format!("Kryo cannot read or write a value: {message}")),
        _ => of_message(message, release),
    }
}

fn of_message(message: &str, release: Release) -> Option<String> {
    if let Some(operator) = between(message, "state for operator ", " to the new program") {
        return Some(format!(
            "The snapshot has state of operator {operator}, and the new code has no such \
             operator: keep it (a JAR by its uid), or allow non-restored state"
        ));
    }
    if message.contains("Max parallelism mismatch") {
        return Some(first_sentence(message).to_owned());
    }
    if let Some(identifier) = between(message, "Could not find any factory for identifier '", "'") {
        let kind = between(message, "that implements '", "'").unwrap_or_default();
        let kind = if kind.contains("Format") { "format" } else { "connector" };
        return Some(format!("Flink {release} has no {kind} '{identifier}'"));
    }
    if let Some(at) = message.find("From line ").or_else(|| message.find("SQL parse failed. ")) {
        let text = message[at..].trim_start_matches("SQL parse failed. ");
        return Some(text.lines().next().unwrap_or(text).to_owned());
    }
    None
}

/// `Could not restore keyed state backend for KeyedProcess_90bea66d_(1/2)`: also said of the
/// operator state backend.
fn operator(trace: &str) -> Option<String> {
    let name = between(trace, "state backend for ", "_(")
        .or_else(|| between(trace, "state backend for ", " from any"))?;
    let name = name.rsplit_once('_').map_or(name, |(name, _)| name);
    Some(format!("operator {name}"))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(&rest[..rest.find(after)?])
}

fn first_sentence(message: &str) -> &str {
    message.split(". ").next().unwrap_or(message)
}

/// The last one that says something: an outer one repeats it, or says that something failed.
fn innermost(thrown: &[Thrown<'_>], trace: &str) -> String {
    match thrown.iter().rev().find(|it| !it.message.is_empty()) {
        Some(it) => {
            let name = it.class.rsplit('.').next().unwrap_or(it.class);
            let plain = name.ends_with("RuntimeException") || name == "Exception";
            if plain { it.message.to_owned() } else { format!("{name}: {}", it.message) }
        }
        None => trace.lines().next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(trace: &str, want: &str) {
        let release = Release::parse("1.18.1").expect("a release");
        assert_eq!(sentence(trace, release), want);
    }

    #[test]
    fn state_that_fits_nothing_names_its_operator() {
        check(
            "org.apache.flink.runtime.client.JobInitializationException: Could not start the JobMaster.\n\
             \tat x.y(Z.java:1)\n\
             Caused by: java.util.concurrent.CompletionException: java.lang.IllegalStateException: Failed to rollback\n\
             Caused by: java.lang.IllegalStateException: Failed to rollback to checkpoint/savepoint file:/s. \
             Cannot map checkpoint/savepoint state for operator 0a448493 to the new program, because the \
             operator is not available in the new program.",
            "The snapshot has state of operator 0a448493, and the new code has no such operator: \
             keep it (a JAR by its uid), or allow non-restored state",
        );
    }

    #[test]
    fn a_changed_type_of_state_names_its_operator() {
        check(
            "java.lang.Exception: Exception while creating StreamOperatorStateContext.\n\
             Caused by: org.apache.flink.util.FlinkException: Could not restore keyed state backend for \
             KeyedProcessOperator_90bea66de1c231edf33913ecd54406c1_(1/1) from any of the 1 provided restore options.\n\
             Caused by: org.apache.flink.util.StateMigrationException: The new state serializer \
             (org.x@1) must not be incompatible with the old state serializer (org.y@2).",
            "The new code cannot read the state of operator KeyedProcessOperator: its type changed in a \
             way that Flink does not migrate (The new state serializer (org.x@1) must not be \
             incompatible with the old state serializer (org.y@2).)",
        );
    }

    #[test]
    fn an_operator_without_a_name_is_told_by_its_task() {
        let told = || "The new code cannot read the state of an operator: x".to_owned();
        let want = "The new code cannot read the state of task count (1/1): x";
        assert_eq!(with_task(told(), Some("count (1/1)")), want);
        assert_eq!(with_task(told(), None), told());
    }

    #[test]
    fn what_is_missing_is_named() {
        check(
            "<Exception on server side:\norg.apache.flink.client.program.ProgramInvocationException: The main method caused an error\n\
             Caused by: java.lang.NoClassDefFoundError: com/shop/Order",
            "The class com.shop.Order is neither in the application's JAR nor in Flink 1.18.1",
        );
        check(
            "java.lang.RuntimeException: x\nCaused by: java.lang.NoSuchMethodError: 'void a.B.c()'",
            "The JAR was compiled against something else than Flink 1.18.1 and this Java: \
             NoSuchMethodError: 'void a.B.c()'",
        );
        check(
            "org.apache.flink.table.api.ValidationException: Could not find any factory for identifier \
             'kafka' that implements 'org.apache.flink.table.factories.DynamicTableFactory' in the classpath.",
            "Flink 1.18.1 has no connector 'kafka'",
        );
    }

    #[test]
    fn a_place_in_the_script_comes_first() {
        let trace = "<Exception on server side:\n\
             org.apache.flink.client.program.ProgramInvocationException: The main method caused an error: \
             SQL validation failed. From line 1, column 5 to line 1, column 8: Column 'x' not found in any table\n\
             Caused by: org.apache.calcite.sql.validate.SqlValidatorException: Column 'x' not found in any table";
        check(
            trace,
            "From line 1, column 5 to line 1, column 8: Column 'x' not found in any table",
        );
        assert_eq!(place("From line 12, column 54 to line 12"), Some((12, 54)));
        assert_eq!(place("Encountered \"x\" at line 3, column 7."), Some((3, 7)));
        assert_eq!(place("no place"), None);
    }

    #[test]
    fn of_everything_else_the_innermost_message_counts() {
        check(
            "java.lang.RuntimeException: a\nCaused by: java.io.IOException: disk full",
            "IOException: disk full",
        );
        check("java.lang.RuntimeException: job failed on purpose", "job failed on purpose");
        check("", "Flink gave no cause");
        assert!(is_duplicate("x DuplicateJobSubmissionException y"));
    }
}
