//! The LOOKUP hint of a query block (rows B7.2 to B7.10; Flink: FLIP-204, FLIP-234).

use millrace_dataflow::graph::Retry;
use millrace_dataflow::settings::parse_duration_ms;

use super::from::CommonTables;
use super::scope::Scope;
use super::{Binder, Bound};
use crate::ast::{self, Hint, TableOption};
use crate::diagnostic::Problem;
use crate::logical::LookupOptions;
use crate::span::Span;

/// The table that a hint is for.
#[derive(Clone)]
pub(super) struct LookupHint {
    pub table: String,
    pub span: Span,
    pub options: LookupOptions,
}

/// Keys that make sense together only.
const RETRY: [&str; 4] = ["retry-predicate", "retry-strategy", "fixed-delay", "max-attempts"];
const OTHERS: [&str; 5] = ["table", "async", "output-mode", "capacity", "timeout"];

impl Binder<'_> {
    pub(super) fn lookup_hints(&self, select: &ast::Select) -> Bound<Vec<LookupHint>> {
        let is_lookup = |hint: &&Hint| hint.name.text.eq_ignore_ascii_case("LOOKUP");
        select.hints.iter().filter(is_lookup).map(lookup_hint).collect()
    }
}

fn lookup_hint(hint: &Hint) -> Bound<LookupHint> {
    hint.options.iter().try_for_each(check_option)?;
    let option = |key: &str| hint.options.iter().find(|option| option.key.value == key);
    let given = RETRY.iter().filter(|key| option(key).is_some()).count();
    if given != 0 && given != RETRY.len() {
        let message = format!("the LOOKUP hint takes {} together or not at all", RETRY.join(", "));
        return Err(Problem::new(hint.name.span, message));
    }
    let table = option("table").ok_or_else(|| {
        Problem::new(hint.name.span, "the LOOKUP hint names no table")
            .with_hint("add 'table' with the name of the table that is looked up, or its alias")
    })?;
    let text = |key: &str| option(key).map(|option| option.value.value.trim());
    let duration = |key: &str| text(key).and_then(|value| parse_duration_ms(value).ok());
    let number = |key: &str| text(key).and_then(|value| value.parse::<u32>().ok());
    let is = |key: &str, wanted: &str| text(key).map(|value| value.eq_ignore_ascii_case(wanted));
    let retry = duration("fixed-delay").zip(number("max-attempts"));
    let options = LookupOptions {
        asynchronous: is("async", "true"),
        unordered: is("output-mode", "allow_unordered"),
        capacity: number("capacity").map(|capacity| capacity as usize),
        timeout_ms: duration("timeout"),
        retry: retry.map(|(delay_ms, attempts)| Retry { delay_ms, attempts }),
    };
    Ok(LookupHint { table: table.value.value.clone(), span: table.value.span, options })
}

fn check_option(option: &TableOption) -> Bound<()> {
    let (key, value) = (option.key.value.as_str(), option.value.value.trim());
    let known = RETRY.iter().chain(&OTHERS).any(|known| *known == key);
    if !known {
        let message = format!("the LOOKUP hint has no option '{key}'");
        let names: Vec<&str> = OTHERS.into_iter().chain(RETRY).collect();
        return Err(Problem::new(option.key.span, message)
            .with_hint(format!("it has {}", names.join(", "))));
    }
    let among = |values: &[&str]| values.iter().any(|known| known.eq_ignore_ascii_case(value));
    let wanted = match key {
        "async" if !among(&["true", "false"]) => "true or false",
        "output-mode" if !among(&["ordered", "allow_unordered"]) => "ordered or allow_unordered",
        "retry-predicate" if !among(&["lookup_miss"]) => "lookup_miss",
        "retry-strategy" if !among(&["fixed_delay"]) => "fixed_delay",
        "capacity" | "max-attempts" if !value.parse::<u32>().is_ok_and(|count| count > 0) => {
            "a whole number above 0"
        }
        "timeout" | "fixed-delay" if parse_duration_ms(value).is_err() => {
            "a duration such as '500 ms' or '10 s'"
        }
        _ => return Ok(()),
    };
    let message = format!("'{key}' of the LOOKUP hint is {wanted}, not '{value}'");
    Err(Problem::new(option.value.span, message))
}

impl CommonTables {
    /// What a hint says of the table that goes by this name.
    pub(super) fn lookup_options(&self, side: &Scope) -> LookupOptions {
        let name = side.relations.first().and_then(|relation| relation.name.last());
        let hint = self.lookup_hints.iter().find(|hint| Some(&hint.table) == name);
        hint.map(|hint| hint.options).unwrap_or_default()
    }

    /// # Errors
    /// A LOOKUP hint names a table that the query block has not.
    pub(super) fn check_lookup_hints(&self, scope: &Scope) -> Bound<()> {
        let has = |hint: &&LookupHint| {
            scope.relations.iter().any(|relation| relation.name.last() == Some(&hint.table))
        };
        let Some(hint) = self.lookup_hints.iter().find(|hint| !has(hint)) else { return Ok(()) };
        let message = format!("the LOOKUP hint names '{}', which is no table here", hint.table);
        let names: Vec<&str> = scope
            .relations
            .iter()
            .filter_map(|relation| relation.name.last().map(String::as_str))
            .collect();
        let right = match names.is_empty() {
            true => "name a table of FROM by its alias".to_owned(),
            false => format!("name a table of FROM by its alias: {}", names.join(", ")),
        };
        Err(Problem::new(hint.span, message).with_hint(right))
    }
}
