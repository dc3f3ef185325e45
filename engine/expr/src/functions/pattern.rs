//! LIKE and SIMILAR TO (rows D1.6, D1.7).

use std::sync::Arc;

use datafusion_common::ScalarValue;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::LikeExpr;
use millrace_dataflow::EvalError;

use super::logic::literal;
use crate::physical::call::CallExpr;
use crate::physical::scope::{Env, Scope};
use crate::registry::{Body, Function};
use crate::signature::strings_to_boolean;
use crate::typed::ExprError;
use crate::value::Value;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("LIKE", (2, 3), strings_to_boolean, Body::Node(like)),
    Function::new("SIMILAR TO", (2, 3), strings_to_boolean, Body::Strict(similar_to)),
];

/// DataFusion's LIKE escapes with a backslash; Flink's has no escape by default.
fn like(
    mut arguments: Vec<Arc<dyn PhysicalExpr>>,
    env: &Arc<Env>,
) -> Result<Arc<dyn PhysicalExpr>, ExprError> {
    let constant = literal(arguments[1].as_ref()).map(|literal| literal.value().clone());
    if arguments.len() == 2
        && let Some(ScalarValue::Utf8(Some(pattern))) = constant
        && !pattern.contains('\\')
    {
        let pattern = arguments.pop().expect("two arguments");
        let value = arguments.pop().expect("two arguments");
        return Ok(Arc::new(LikeExpr::new(false, false, value, pattern)));
    }
    Ok(CallExpr::strict("LIKE", like_row, env, arguments))
}

#[derive(Clone, Copy, PartialEq)]
enum Token {
    Letter(char),
    One,
    Many,
}

fn tokens(pattern: &str, escape: Option<char>) -> Result<Vec<Token>, EvalError> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        tokens.push(match letter {
            letter if Some(letter) == escape => match letters.next() {
                Some(next) if next == '%' || next == '_' || Some(next) == escape => {
                    Token::Letter(next)
                }
                _ => {
                    return Err(EvalError::new(format!("invalid escape sequence in '{pattern}'")));
                }
            },
            '%' => Token::Many,
            '_' => Token::One,
            letter => Token::Letter(letter),
        });
    }
    Ok(tokens)
}

pub(super) fn escape_of(row: &[Value<'_>]) -> Result<Option<char>, EvalError> {
    let Some(escape) = row.get(2).map(Value::as_str) else { return Ok(None) };
    let mut letters = escape.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => Ok(Some(letter)),
        _ => Err(EvalError::new(format!("the escape '{escape}' is not one character"))),
    }
}

fn like_row<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Result<Value<'a>, EvalError> {
    let tokens = tokens(row[1].as_str(), escape_of(row)?)?;
    Ok(Value::Boolean(matches(row[0].as_str(), &tokens)))
}

/// Greedy with one point of return: linear in most texts, quadratic at worst.
fn matches(text: &str, tokens: &[Token]) -> bool {
    let letters: Vec<char> = text.chars().collect();
    let (mut at, mut token) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < letters.len() {
        match tokens.get(token) {
            Some(Token::Many) => {
                back = Some((token, at));
                token += 1;
                continue;
            }
            Some(Token::One) => {
                at += 1;
                token += 1;
                continue;
            }
            Some(Token::Letter(letter)) if *letter == letters[at] => {
                at += 1;
                token += 1;
                continue;
            }
            _ => {}
        }
        let Some((star, from)) = back else { return false };
        back = Some((star, from + 1));
        token = star + 1;
        at = from + 1;
    }
    tokens[token..].iter().all(|token| *token == Token::Many)
}

/// SQL's regular expressions: `%` and `_` besides the usual operators.
fn similar_to<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Result<Value<'a>, EvalError> {
    let escape = escape_of(row)?;
    let mut expression = String::from("(?s)^(?:");
    let mut letters = row[1].as_str().chars();
    let mut in_class = false;
    while let Some(letter) = letters.next() {
        if Some(letter) == escape {
            let next = letters.next().unwrap_or(letter);
            expression.push_str(&regex::escape(next.encode_utf8(&mut [0; 4])));
            continue;
        }
        match letter {
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        match letter {
            '%' if !in_class => expression.push_str(".*"),
            '_' if !in_class => expression.push('.'),
            '.' | '\\' | '^' | '$' if !in_class => {
                expression.push('\\');
                expression.push(letter);
            }
            letter => expression.push(letter),
        }
    }
    expression.push_str(")$");
    match scope.regex(&expression)? {
        Some(regex) => Ok(Value::Boolean(regex.is_match(row[0].as_str()))),
        None => Err(EvalError::new(format!("'{}' is no valid pattern", row[1].as_str()))),
    }
}
