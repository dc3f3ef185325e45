//! Conditions: an operator, a key, the values allowed.

use chrono::{DateTime, NaiveDate};

use super::Ask;
use super::pattern::Pattern;
use crate::principal::Principal;

/// One key of one operator; all of a statement must hold.
#[derive(Clone, Debug)]
pub struct Condition {
    operator: Operator,
    key: Key,
    values: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operator {
    kind: Kind,
    /// `…NotEquals`, `…NotLike`: none of the values.
    negated: bool,
    /// Holds too when the key has no value.
    if_exists: bool,
    over: Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Equals,
    EqualsIgnoringCase,
    Like,
    Arn,
    Date(Order),
    /// Whether the key has no value.
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How several values of a key count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    One,
    All,
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    ResourceTag(String),
    RequestTag(String),
    TagKeys,
    PrincipalArn,
    PrincipalAccount,
    UserName,
    RequestedRegion,
    CurrentTime,
    EpochTime,
}

#[derive(Clone, Debug)]
enum Value {
    Text(Pattern),
    /// Milliseconds since the epoch.
    Time(i64),
    Flag(bool),
}

const OPERATORS: &str = "StringEquals, StringNotEquals, StringEqualsIgnoreCase, \
    StringNotEqualsIgnoreCase, StringLike, StringNotLike, ArnEquals, ArnNotEquals, ArnLike, \
    ArnNotLike, DateEquals, DateNotEquals, DateLessThan, DateLessThanEquals, DateGreaterThan, \
    DateGreaterThanEquals and Null, with IfExists after or ForAllValues:, ForAnyValue: before";
const KEYS: &str = "aws:ResourceTag/KEY, aws:RequestTag/KEY, aws:TagKeys, aws:PrincipalArn, \
    aws:PrincipalAccount, aws:username, aws:RequestedRegion, aws:CurrentTime and aws:EpochTime";

impl Condition {
    /// # Errors
    /// What is wrong.
    pub fn parse(operator: &str, key: &str, values: &[String]) -> Result<Condition, String> {
        let (operator, key) = (Operator::parse(operator)?, Key::parse(key)?);
        check_together(operator, &key)?;
        if values.is_empty() {
            return Err("it has no values".to_owned());
        }
        let values = values.iter().map(|text| Value::parse(operator.kind, text));
        Ok(Condition { operator, key, values: values.collect::<Result<_, _>>()? })
    }

    pub fn holds(&self, principal: &Principal, ask: &Ask<'_>) -> bool {
        let given = self.key.values(principal, ask);
        let Operator { kind, negated, if_exists, over } = self.operator;
        if kind == Kind::Null {
            return self.values.iter().any(|value| value.is_flag(given.is_empty()));
        }
        if given.is_empty() {
            return if_exists || over == Over::All || (negated && over == Over::One);
        }
        let one = |given: &String| {
            self.values.iter().any(|value| value.fits(kind, given, principal)) != negated
        };
        if over == Over::Any { given.iter().any(one) } else { given.iter().all(one) }
    }
}

/// IAM leaves open what one-valued operators mean for several values: they must say.
fn check_together(operator: Operator, key: &Key) -> Result<(), String> {
    if *key == Key::TagKeys && operator.over == Over::One && operator.kind != Kind::Null {
        return Err("aws:TagKeys has several values: put ForAllValues: or ForAnyValue: before \
                    the operator"
            .to_owned());
    }
    let timely = matches!(key, Key::CurrentTime | Key::EpochTime);
    if matches!(operator.kind, Kind::Date(_)) != timely && operator.kind != Kind::Null {
        return Err("Date operators go with aws:CurrentTime and aws:EpochTime, and those with \
                    no other"
            .to_owned());
    }
    Ok(())
}

impl Operator {
    fn parse(text: &str) -> Result<Operator, String> {
        let (over, rest) = match text.split_once(':') {
            None => (Over::One, text),
            Some(("ForAllValues", rest)) => (Over::All, rest),
            Some(("ForAnyValue", rest)) => (Over::Any, rest),
            Some(_) => return Err(unknown(text)),
        };
        let (name, if_exists) =
            rest.strip_suffix("IfExists").map_or((rest, false), |name| (name, true));
        let (kind, negated) = kind(name).ok_or_else(|| unknown(text))?;
        if kind == Kind::Null && name != text {
            return Err("Null stands alone: without IfExists, ForAllValues and ForAnyValue".into());
        }
        Ok(Operator { kind, negated, if_exists, over })
    }
}

fn kind(name: &str) -> Option<(Kind, bool)> {
    Some(match name {
        "StringEquals" => (Kind::Equals, false),
        "StringNotEquals" => (Kind::Equals, true),
        "StringEqualsIgnoreCase" => (Kind::EqualsIgnoringCase, false),
        "StringNotEqualsIgnoreCase" => (Kind::EqualsIgnoringCase, true),
        "StringLike" => (Kind::Like, false),
        "StringNotLike" => (Kind::Like, true),
        // IAM: the two behave identically.
        "ArnEquals" | "ArnLike" => (Kind::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Kind::Arn, true),
        "DateEquals" => (Kind::Date(Order::Equal), false),
        "DateNotEquals" => (Kind::Date(Order::Equal), true),
        "DateLessThan" => (Kind::Date(Order::Less), false),
        "DateLessThanEquals" => (Kind::Date(Order::LessOrEqual), false),
        "DateGreaterThan" => (Kind::Date(Order::Greater), false),
        "DateGreaterThanEquals" => (Kind::Date(Order::GreaterOrEqual), false),
        "Null" => (Kind::Null, false),
        _ => return None,
    })
}

fn unknown(operator: &str) -> String {
    format!("{operator} is no operator that this service knows; it knows {OPERATORS}")
}

impl Key {
    /// Names of keys have no case (IAM); the key of a tag has, as tags have.
    fn parse(text: &str) -> Result<Key, String> {
        let (name, tag) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let tag = tag.filter(|tag| !tag.is_empty()).map(str::to_owned);
        Ok(match (name.to_ascii_lowercase().as_str(), tag) {
            ("aws:resourcetag", Some(tag)) => Key::ResourceTag(tag),
            ("aws:requesttag", Some(tag)) => Key::RequestTag(tag),
            ("aws:tagkeys", None) => Key::TagKeys,
            ("aws:principalarn", None) => Key::PrincipalArn,
            ("aws:principalaccount", None) => Key::PrincipalAccount,
            ("aws:username", None) => Key::UserName,
            ("aws:requestedregion", None) => Key::RequestedRegion,
            ("aws:currenttime", None) => Key::CurrentTime,
            ("aws:epochtime", None) => Key::EpochTime,
            _ => return Err(format!("{text} is no key that this service knows; it knows {KEYS}")),
        })
    }

    fn values(&self, principal: &Principal, ask: &Ask<'_>) -> Vec<String> {
        let context = &ask.context;
        match self {
            Key::ResourceTag(tag) => context.resource_tags.get(tag).cloned().into_iter().collect(),
            Key::RequestTag(tag) => context.request_tags.get(tag).cloned().into_iter().collect(),
            Key::TagKeys => {
                context.request_tags.keys().chain(&context.removed_tag_keys).cloned().collect()
            }
            Key::PrincipalArn => vec![principal.to_string()],
            Key::PrincipalAccount => vec![principal.account().to_owned()],
            Key::UserName => principal.user_name().map(str::to_owned).into_iter().collect(),
            Key::RequestedRegion => vec![context.region.to_owned()],
            Key::CurrentTime | Key::EpochTime => vec![context.now_ms.to_string()],
        }
    }
}

impl Value {
    fn parse(kind: Kind, text: &str) -> Result<Value, String> {
        match kind {
            Kind::Date(_) => time(text).map(Value::Time).ok_or_else(|| {
                format!("{text:?} is no time: write 2026-12-31T23:59:59Z or seconds since 1970")
            }),
            Kind::Null => match text {
                "true" => Ok(Value::Flag(true)),
                "false" => Ok(Value::Flag(false)),
                _ => Err(format!("{text:?} is neither true nor false")),
            },
            _ => Pattern::parse(text).map(Value::Text),
        }
    }

    fn is_flag(&self, flag: bool) -> bool {
        matches!(self, Value::Flag(own) if *own == flag)
    }

    fn fits(&self, kind: Kind, given: &str, principal: &Principal) -> bool {
        match (self, kind) {
            (Value::Text(own), Kind::Equals) => own.equals(given, principal),
            (Value::Text(own), Kind::EqualsIgnoringCase) => {
                own.equals_ignoring_case(given, principal)
            }
            (Value::Text(own), Kind::Like) => own.matches(given, principal),
            (Value::Text(own), Kind::Arn) => own.matches_arn(given, principal),
            (Value::Time(own), Kind::Date(order)) => {
                given.parse::<i64>().is_ok_and(|given| order.holds(given, *own))
            }
            _ => false,
        }
    }
}

impl Order {
    fn holds(self, given: i64, own: i64) -> bool {
        match self {
            Order::Equal => given == own,
            Order::Less => given < own,
            Order::LessOrEqual => given <= own,
            Order::Greater => given > own,
            Order::GreaterOrEqual => given >= own,
        }
    }
}

/// ISO 8601, a day alone too, or whole seconds since the epoch; in milliseconds.
fn time(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1000);
    }
    let day = |text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis());
    time.or_else(|| Some(day(text)?.and_utc().timestamp_millis()))
}
