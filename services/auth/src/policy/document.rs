//! From the text of a policy to its statements.

use serde_json::{Map, Value};

use super::condition::Condition;
use super::error::PolicyError;
use super::pattern::Pattern;
use super::strict;
use super::{Ask, LONGEST};
use crate::actions;
use crate::principal::Principal;

/// IAM: the language of today. In the older one `${…}` means nothing.
const VERSION: &str = "2012-10-17";

/// A policy document whose every part is understood.
#[derive(Clone, Debug)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
pub(super) struct Statement {
    /// Its `Sid`, or its number from 1.
    pub name: String,
    pub denies: bool,
    actions: Texts,
    resources: Texts,
    conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Clone, Debug)]
struct Texts {
    negated: bool,
    patterns: Vec<Pattern>,
    /// As written, for [`Policy::warnings`].
    written: Vec<String>,
}

type Object = Map<String, Value>;

impl Policy {
    /// # Errors
    /// It is no policy, or has a part that this service cannot hold to: which, and why.
    pub fn parse(text: &str) -> Result<Policy, PolicyError> {
        if text.len() > LONGEST {
            let problem = format!("it is longer than {LONGEST} characters");
            return Err(PolicyError::new("", problem));
        }
        let document = strict::parse(text)
            .map_err(|error| PolicyError::new("", format!("it is not JSON: {error}")))?;
        let document = object("", &document)?;
        known("", document, &["Version", "Id", "Statement"])?;
        check_version(document)?;
        let statements =
            document.get("Statement").ok_or_else(|| PolicyError::new("", "it has no Statement"))?;
        // One statement may stand without its list.
        let statements = match statements {
            Value::Array(list) => list.iter().collect(),
            one => vec![one],
        };
        if statements.is_empty() {
            return Err(PolicyError::new("Statement", "it is empty"));
        }
        let statements = statements.iter().enumerate();
        let statements = statements.map(|(index, value)| statement(index, value));
        Ok(Policy { statements: statements.collect::<Result<_, _>>()? })
    }

    /// What is understood and yet hardly meant: actions that no operation has.
    pub fn warnings(&self) -> Vec<String> {
        let all = self.statements.iter().flat_map(|statement| {
            statement.actions.written.iter().zip(&statement.actions.patterns)
        });
        let lost = all.filter(|(_, pattern)| !actions::any_matches(pattern));
        lost.map(|(written, _)| format!("{written} is no action of this service")).collect()
    }

    /// The statements that speak about `ask`.
    pub(super) fn that_hold<'a>(
        &'a self,
        principal: &'a Principal,
        ask: &'a Ask<'_>,
    ) -> impl Iterator<Item = &'a Statement> {
        self.statements.iter().filter(move |statement| statement.holds(principal, ask))
    }
}

impl Statement {
    fn holds(&self, principal: &Principal, ask: &Ask<'_>) -> bool {
        let Statement { actions, resources, conditions, .. } = self;
        let action = |pattern: &Pattern| pattern.matches_ignoring_case(ask.action, principal);
        let resource = |pattern: &Pattern| pattern.matches(ask.resource, principal);
        actions.patterns.iter().any(action) != actions.negated
            && resources.patterns.iter().any(resource) != resources.negated
            && conditions.iter().all(|condition| condition.holds(principal, ask))
    }
}

fn check_version(document: &Object) -> Result<(), PolicyError> {
    match document.get("Version").and_then(Value::as_str) {
        Some(VERSION) => Ok(()),
        _ => Err(PolicyError::new("Version", format!("it must be {VERSION:?}"))),
    }
}

fn statement(index: usize, value: &Value) -> Result<Statement, PolicyError> {
    let at = format!("Statement[{index}]");
    let members = object(&at, value)?;
    for refused in ["Principal", "NotPrincipal"] {
        if members.contains_key(refused) {
            let problem = "a user's policy speaks about that user: leave it out";
            return Err(PolicyError::new(format!("{at}.{refused}"), problem));
        }
    }
    let names = ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];
    known(&at, members, &names)?;
    Ok(Statement {
        name: name(&at, index, members)?,
        denies: denies(&at, members)?,
        actions: texts(&at, members, "Action", "NotAction", check_action)?,
        resources: texts(&at, members, "Resource", "NotResource", check_resource)?,
        conditions: conditions(&at, members)?,
    })
}

fn name(at: &str, index: usize, members: &Object) -> Result<String, PolicyError> {
    let Some(sid) = members.get("Sid") else { return Ok((index + 1).to_string()) };
    let form = |sid: &&str| !sid.is_empty() && sid.chars().all(|c| c.is_ascii_alphanumeric());
    let sid = sid.as_str().filter(form).map(str::to_owned);
    sid.ok_or_else(|| PolicyError::new(format!("{at}.Sid"), "it must be letters and digits"))
}

fn denies(at: &str, members: &Object) -> Result<bool, PolicyError> {
    match members.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Ok(false),
        Some("Deny") => Ok(true),
        _ => Err(PolicyError::new(format!("{at}.Effect"), "it must be Allow or Deny")),
    }
}

fn texts(
    at: &str,
    members: &Object,
    plain: &str,
    negated: &str,
    check: fn(&str) -> Result<(), String>,
) -> Result<Texts, PolicyError> {
    let (name, value) = match (members.get(plain), members.get(negated)) {
        (Some(value), None) => (plain, value),
        (None, Some(value)) => (negated, value),
        _ => return Err(PolicyError::new(at, format!("it must have {plain} or {negated}"))),
    };
    let at = format!("{at}.{name}");
    let written = strings(&at, value)?;
    if written.is_empty() {
        return Err(PolicyError::new(at, "it is empty"));
    }
    let pattern = |text: &String| {
        check(text).and_then(|()| Pattern::parse(text)).map_err(|e| PolicyError::new(&at, e))
    };
    let patterns = written.iter().map(pattern).collect::<Result<_, _>>()?;
    Ok(Texts { negated: name == negated, patterns, written })
}

/// `*`, or a service and what it does.
fn check_action(text: &str) -> Result<(), String> {
    let service = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let does = |c: char| c.is_ascii_alphanumeric() || matches!(c, '*' | '?');
    let good = text.split_once(':').is_some_and(|(before, after)| {
        !before.is_empty()
            && before.chars().all(service)
            && !after.is_empty()
            && after.chars().all(does)
    });
    if good || text == "*" {
        return Ok(());
    }
    Err(format!("{text:?} is no action: write * or kinesisanalytics:StartApplication"))
}

/// `*`, or an ARN of six parts.
fn check_resource(text: &str) -> Result<(), String> {
    let arn = text.starts_with("arn:") && (text.split(':').count() >= 6 || text.ends_with('*'));
    if arn || text == "*" {
        return Ok(());
    }
    Err(format!(
        "{text:?} is no resource: write * or arn:aws:kinesisanalytics:REGION:ACCOUNT:application/NAME"
    ))
}

fn conditions(at: &str, members: &Object) -> Result<Vec<Condition>, PolicyError> {
    let at = format!("{at}.Condition");
    let Some(operators) = members.get("Condition") else { return Ok(Vec::new()) };
    let mut conditions = Vec::new();
    for (operator, keys) in object(&at, operators)? {
        let at = format!("{at}.{operator}");
        let keys = object(&at, keys)?;
        if keys.is_empty() {
            return Err(PolicyError::new(at, "it has no key"));
        }
        for (key, values) in keys {
            let values = strings(&format!("{at}.{key}"), values)?;
            let condition = Condition::parse(operator, key, &values);
            conditions.push(
                condition.map_err(|problem| PolicyError::new(format!("{at}.{key}"), problem))?,
            );
        }
    }
    Ok(conditions)
}

fn object<'a>(at: &str, value: &'a Value) -> Result<&'a Object, PolicyError> {
    value.as_object().ok_or_else(|| PolicyError::new(at, "it must be a JSON object"))
}

fn known(at: &str, members: &Object, names: &[&str]) -> Result<(), PolicyError> {
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let problem = format!("{name} is not known; known are {}", names.join(", "));
            Err(PolicyError::new(at, problem))
        }
    }
}

/// A text or a list of texts; true and false are taken as texts (IAM).
fn strings(at: &str, value: &Value) -> Result<Vec<String>, PolicyError> {
    let string = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(PolicyError::new(at, "it must be a text or a list of texts")),
    };
    match value {
        Value::Array(list) => list.iter().map(string).collect(),
        one => Ok(vec![string(one)?]),
    }
}
