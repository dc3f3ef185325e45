//! Texts with `*`, `?` and policy variables.

use crate::principal::Principal;

/// A text that others are matched against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// `*`: any characters, also none.
    Any,
    /// `?`: one character.
    One,
    Character(char),
    Variable(Variable),
}

/// Variables that have a value for every user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    UserName,
    PrincipalArn,
    Account,
}

/// A `*` or `?` of a pattern, or a character of it once its variables are filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Any,
    One,
    Character(char),
}

const KNOWN: &str = "aws:username, aws:PrincipalArn, aws:PrincipalAccount, *, ? and $";

impl Pattern {
    /// # Errors
    /// It has a variable that this service does not know: what is wrong.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some(character) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("${") {
                let (name, after) =
                    after.split_once('}').ok_or_else(|| format!("{text:?} has ${{ without }}"))?;
                pieces.push(variable(name)?);
                rest = after;
                continue;
            }
            pieces.push(match character {
                '*' => Piece::Any,
                '?' => Piece::One,
                other => Piece::Character(other),
            });
            rest = &rest[character.len_utf8()..];
        }
        Ok(Pattern(pieces))
    }

    /// Whether the whole of `text` is as the pattern says. `*` goes across `/` and `:`.
    pub fn matches(&self, text: &str, principal: &Principal) -> bool {
        matches(&self.units(principal), &text.chars().collect::<Vec<_>>())
    }

    /// The same without regard to case: actions.
    pub fn matches_ignoring_case(&self, text: &str, principal: &Principal) -> bool {
        let lower = |unit| match unit {
            Unit::Character(c) => Unit::Character(c.to_ascii_lowercase()),
            other => other,
        };
        let units: Vec<Unit> = self.units(principal).into_iter().map(lower).collect();
        matches(&units, &text.to_ascii_lowercase().chars().collect::<Vec<_>>())
    }

    /// Whether `text` is the pattern's own, `*` and `?` standing for themselves.
    pub fn equals(&self, text: &str, principal: &Principal) -> bool {
        self.literal(principal) == text
    }

    pub fn equals_ignoring_case(&self, text: &str, principal: &Principal) -> bool {
        self.literal(principal).eq_ignore_ascii_case(text)
    }

    /// As an ARN: each of its six parts by itself.
    pub fn matches_arn(&self, text: &str, principal: &Principal) -> bool {
        let (pattern, text) = (self.units(principal), text.chars().collect::<Vec<_>>());
        let pattern = pattern.splitn(6, |unit| *unit == Unit::Character(':'));
        let (pattern, text) = (pattern.collect::<Vec<_>>(), text.splitn(6, |c| *c == ':'));
        let text: Vec<&[char]> = text.collect();
        pattern.len() == text.len()
            && pattern.iter().zip(text).all(|(pattern, text)| matches(pattern, text))
    }

    fn literal(&self, principal: &Principal) -> String {
        let shown = |unit| match unit {
            Unit::Any => '*',
            Unit::One => '?',
            Unit::Character(c) => c,
        };
        self.units(principal).into_iter().map(shown).collect()
    }

    fn units(&self, principal: &Principal) -> Vec<Unit> {
        let mut units = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            match piece {
                Piece::Any => units.push(Unit::Any),
                Piece::One => units.push(Unit::One),
                Piece::Character(c) => units.push(Unit::Character(*c)),
                Piece::Variable(variable) => {
                    units.extend(variable.value(principal).chars().map(Unit::Character));
                }
            }
        }
        units
    }
}

impl Variable {
    fn value(self, principal: &Principal) -> String {
        match self {
            Variable::UserName => principal.user_name().unwrap_or_default().to_owned(),
            Variable::PrincipalArn => principal.to_string(),
            Variable::Account => principal.account().to_owned(),
        }
    }
}

fn variable(name: &str) -> Result<Piece, String> {
    let name = name.trim();
    Ok(match name.to_ascii_lowercase().as_str() {
        "*" | "?" | "$" => Piece::Character(name.chars().next().expect("one character")),
        "aws:username" => Piece::Variable(Variable::UserName),
        "aws:principalarn" => Piece::Variable(Variable::PrincipalArn),
        "aws:principalaccount" => Piece::Variable(Variable::Account),
        _ => return Err(format!("the variable ${{{name}}} is not known; known are {KNOWN}")),
    })
}

/// In time of the product of both lengths at most: after a mismatch only the last `*` is
/// tried with one character more.
fn matches(pattern: &[Unit], text: &[char]) -> bool {
    let (mut p, mut t, mut last_any) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(Unit::Any) => {
                last_any = Some((p, t));
                p += 1;
            }
            Some(Unit::One) => (p, t) = (p + 1, t + 1),
            Some(Unit::Character(c)) if *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match last_any {
                None => return false,
                Some((any, from)) => {
                    last_any = Some((any, from + 1));
                    (p, t) = (any + 1, from + 1);
                }
            },
        }
    }
    pattern[p..].iter().all(|unit| *unit == Unit::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> Principal {
        Principal::user("123456789012", "alice").expect("of the form")
    }

    #[test]
    fn wildcards_match_the_whole_text() {
        let check = |pattern: &str, text: &str, expected: bool| {
            let found = Pattern::parse(pattern).expect(pattern).matches(text, &user());
            assert_eq!(found, expected, "{pattern} on {text}");
        };
        check("*", "", true);
        check("a*", "a", true);
        check("a*c", "abbc", true);
        check("a*c", "abbd", false);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("*a*b*", "xxaxxbxx", true);
        check("*a*b", "xxbxxa", false);
        check("arn:*:application/x", "arn:aws:k:r:1:application/x", true);
        check("é?", "éü", true);
        check("${aws:username}-*", "alice-1", true);
        check("${aws:UserName}-*", "bob-1", false);
        check("${*}", "*", true);
        check("${*}", "a", false);
        check("a", "A", false);
    }

    #[test]
    fn a_long_pattern_takes_no_long_time() {
        let pattern = Pattern::parse(&"*a".repeat(500)).expect("a pattern");
        assert!(!pattern.matches(&"b".repeat(5_000), &user()));
        assert!(!pattern.matches(&"a".repeat(499), &user()));
        assert!(pattern.matches(&"a".repeat(5_000), &user()));
    }

    #[test]
    fn arns_match_part_by_part() {
        let check = |pattern: &str, text: &str, expected: bool| {
            let found = Pattern::parse(pattern).expect(pattern).matches_arn(text, &user());
            assert_eq!(found, expected, "{pattern} on {text}");
        };
        let alice = "arn:aws:iam::123456789012:user/alice";
        check("arn:aws:iam::*:user/*", alice, true);
        check("arn:*", alice, false);
        check("arn:aws:iam:*:user/*", alice, false);
        check("${aws:PrincipalArn}", alice, true);
    }

    #[test]
    fn a_variable_without_a_value_is_refused() {
        for text in ["${aws:ResourceTag/team}", "${x", "${}"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
