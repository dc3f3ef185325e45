//! A script in Flink's SQL, made ready for Flink: settings, statements that define things,
//! and one that inserts.
//!
//! All INSERTs of a script are one job, whether it says STATEMENT SET or not, as on the
//! embedded engine. Statements keep the lines and columns they have in the script, so that
//! what Flink says of a place holds for the script.

use std::collections::BTreeMap;

/// What Flink is given of a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// SET, in force for the whole script.
    pub settings: BTreeMap<String, String>,
    /// Run in this order; the last one inserts.
    pub statements: Vec<String>,
}

/// Why a script cannot be run on Flink as a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScriptError {
    pub line: u64,
    pub column: u64,
    pub message: String,
}

/// One statement, without its semicolon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Statement<'a> {
    text: &'a str,
    line: u64,
    column: u64,
}

const SET_BEGIN: &str = "EXECUTE STATEMENT SET BEGIN";

/// # Errors
/// It has no INSERT, or a statement that is none of a job's.
pub fn read(text: &str) -> Result<Script, ScriptError> {
    let mut script = Script::default();
    let mut inserts: Vec<Statement<'_>> = Vec::new();
    for statement in statements(text) {
        let statement = match without(statement, &["EXECUTE", "STATEMENT", "SET", "BEGIN"]) {
            Some(first) => first,
            None => statement,
        };
        let words = words(statement.text, 2);
        let first = words.first().map(String::as_str).unwrap_or_default();
        let second = words.get(1).map(String::as_str).unwrap_or_default();
        match (first, second) {
            ("", _) | ("BEGIN", "STATEMENT") | ("END", "") => {}
            ("SET", _) => set(&mut script.settings, statement)?,
            ("RESET", _) => reset(&mut script.settings, statement),
            ("INSERT", _) => inserts.push(statement),
            ("EXECUTE", "INSERT") => inserts.extend(without(statement, &["EXECUTE"])),
            ("CREATE" | "ALTER" | "DROP" | "USE" | "LOAD" | "UNLOAD" | "ADD" | "REMOVE", _) => {
                if let Some(insert) = inserts.first() {
                    let message = format!(
                        "{first} after an INSERT (line {}): all INSERTs of a script are one job, \
                         so put it before them",
                        insert.line
                    );
                    return Err(refused(statement, message));
                }
                script.statements.push(padded("", statement));
            }
            _ => {
                let message = format!("{first} is not a statement of a job: use INSERT INTO");
                return Err(refused(statement, message));
            }
        }
    }
    script.statements.push(joined(&inserts)?);
    Ok(script)
}

fn refused(statement: Statement<'_>, message: String) -> ScriptError {
    ScriptError { line: statement.line, column: statement.column, message }
}

fn joined(inserts: &[Statement<'_>]) -> Result<String, ScriptError> {
    match inserts {
        [] => Err(ScriptError {
            line: 0,
            column: 0,
            message: "the script has no INSERT INTO: there is nothing to run".to_owned(),
        }),
        [insert] => Ok(padded("", *insert)),
        inserts => {
            let mut text = SET_BEGIN.to_owned();
            for insert in inserts {
                text = padded(&text, *insert);
                text.push(';');
            }
            text.push_str(" END");
            Ok(text)
        }
    }
}

/// `before`, then the statement in its line and, where there is room, in its column.
fn padded(before: &str, statement: Statement<'_>) -> String {
    let line = before.matches('\n').count() as u64 + 1;
    let mut text = before.to_owned();
    text.extend((line..statement.line).map(|_| '\n'));
    let written = text.rsplit('\n').next().unwrap_or_default().chars().count() as u64;
    text.extend((written + 1..statement.column).map(|_| ' '));
    if statement.column <= written && !text.is_empty() {
        text.push(' ');
    }
    text.push_str(statement.text);
    text
}

/// `SET 'key' = 'value'`, or without the quotes.
fn set(
    settings: &mut BTreeMap<String, String>,
    statement: Statement<'_>,
) -> Result<(), ScriptError> {
    let rest = without(statement, &["SET"]).map_or("", |rest| rest.text);
    let Some((key, value)) = rest.split_once('=') else {
        return Err(refused(
            statement,
            "SET without a value: write SET 'key' = 'value'".to_owned(),
        ));
    };
    settings.insert(unquoted(key), unquoted(value));
    Ok(())
}

fn reset(settings: &mut BTreeMap<String, String>, statement: Statement<'_>) {
    match without(statement, &["RESET"]) {
        Some(key) if !key.text.is_empty() => drop(settings.remove(&unquoted(key.text))),
        _ => settings.clear(),
    }
}

fn unquoted(text: &str) -> String {
    let text = text.trim();
    match text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => text.to_owned(),
    }
}

/// A string literal of a script, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    pub text: String,
    /// It is the value of an option: `'path' = '…'`.
    pub is_option: bool,
}

/// Every string literal of the script, those in hints too.
pub fn literals(text: &str) -> Vec<Literal> {
    let mut found: Vec<Literal> = Vec::new();
    // Whether a literal, and then whether an equals sign, came last.
    let (mut after_literal, mut after_equals) = (false, false);
    for_each_token(text, |kind, token| match kind {
        Token::Literal => {
            found.push(Literal { text: unquoted(token), is_option: after_equals });
            (after_literal, after_equals) = (true, false);
        }
        Token::Other if token == "=" && after_literal => after_equals = true,
        Token::Other if token.trim().is_empty() => {}
        Token::Comment => {}
        Token::Quoted | Token::Other => (after_literal, after_equals) = (false, false),
    });
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Comment,
    Literal,
    /// `identifier`
    Quoted,
    Other,
}

/// Comments, literals, quoted identifiers whole; of everything else each character.
fn for_each_token<'a>(text: &'a str, mut each: impl FnMut(Token, &'a str)) {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (kind, bytes) = match first {
            '\'' => (Token::Literal, quoted(rest, '\'')),
            '`' => (Token::Quoted, quoted(rest, '`')),
            _ if rest.starts_with("--") => (Token::Comment, rest.find('\n').unwrap_or(rest.len())),
            // A hint is no comment.
            _ if rest.starts_with("/*+") => (Token::Other, 3),
            _ if rest.starts_with("/*") => {
                (Token::Comment, rest[2..].find("*/").map_or(rest.len(), |end| end + 4))
            }
            other => (Token::Other, other.len_utf8()),
        };
        each(kind, &rest[..bytes]);
        rest = &rest[bytes..];
    }
}

/// Bytes up to and with the closing quote; a doubled one does not close.
fn quoted(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(found) = text[at..].find(quote) {
        at += found + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// Split at semicolons; blanks and comments before a statement are left out.
fn statements(text: &str) -> Vec<Statement<'_>> {
    let (mut found, mut from, mut at) = (Vec::new(), 0, 0);
    for_each_token(text, |_, token| {
        if token == ";" {
            found.push((from, at));
            from = at + 1;
        }
        at += token.len();
    });
    found.push((from, text.len()));
    found.into_iter().filter_map(|(from, to)| statement(text, from, to)).collect()
}

fn statement(text: &str, from: usize, to: usize) -> Option<Statement<'_>> {
    let from = to - skipped(&text[from..to]).len();
    let found = text[from..to].trim_end();
    if found.is_empty() {
        return None;
    }
    let before = &text[..from];
    let line = before.matches('\n').count() as u64 + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
    Some(Statement { text: found, line, column })
}

/// What follows the blanks and comments that a text begins with.
fn skipped(text: &str) -> &str {
    let (mut at, mut done) = (0, false);
    for_each_token(text, |kind, token| {
        done |= kind != Token::Comment && !token.trim().is_empty();
        if !done {
            at += token.len();
        }
    });
    &text[at..]
}

/// The first words, in capitals.
fn words(text: &str, count: usize) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), text);
    while found.len() < count {
        rest = skipped(rest);
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let word = &rest[..end.unwrap_or(rest.len())];
        if word.is_empty() {
            break;
        }
        found.push(word.to_ascii_uppercase());
        rest = &rest[word.len()..];
    }
    found
}

/// What follows these words; `None`: it does not begin with them.
fn without<'a>(statement: Statement<'a>, expected: &[&str]) -> Option<Statement<'a>> {
    if words(statement.text, expected.len()) != expected {
        return None;
    }
    let mut rest = statement.text;
    for word in expected {
        rest = &skipped(rest)[word.len()..];
    }
    let rest = skipped(rest);
    let before = &statement.text[..statement.text.len() - rest.len()];
    let lines = before.matches('\n').count() as u64;
    let width = before.rsplit('\n').next().unwrap_or_default().chars().count() as u64;
    let column = if lines == 0 { statement.column + width } else { width + 1 };
    Some(Statement { text: rest, line: statement.line + lines, column })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements_of(text: &str) -> Vec<String> {
        read(text).expect(text).statements
    }

    #[test]
    fn semicolons_in_literals_names_and_comments_do_not_split() {
        let text = "-- a; b\nCREATE TABLE `x;y` (a STRING /* ; */) WITH ('p' = 'it''s; ok');\n\
                    INSERT INTO `x;y` VALUES (';');";
        let found = statements_of(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], "\nCREATE TABLE `x;y` (a STRING /* ; */) WITH ('p' = 'it''s; ok')");
        assert_eq!(found[1], "\n\nINSERT INTO `x;y` VALUES (';')");
    }

    #[test]
    fn every_way_to_say_a_set_is_one_statement_in_its_place() {
        let want =
            "EXECUTE STATEMENT SET BEGIN\n  INSERT INTO a SELECT 1;\n  INSERT INTO b SELECT 2; END";
        let check = |text: &str| {
            let found = statements_of(text);
            assert_eq!(found, [want.to_owned()], "{text}");
        };
        check("\n  INSERT INTO a SELECT 1;\n  INSERT INTO b SELECT 2;");
        check(
            "EXECUTE STATEMENT SET BEGIN\n  INSERT INTO a SELECT 1;\n  INSERT INTO b SELECT 2;\nEND;",
        );
        check("BEGIN STATEMENT SET;\n  INSERT INTO a SELECT 1;\n  INSERT INTO b SELECT 2;\nEND;");
        assert_eq!(
            statements_of("EXECUTE INSERT INTO a SELECT 1"),
            ["        INSERT INTO a SELECT 1"]
        );
    }

    #[test]
    fn settings_hold_for_the_whole_script() {
        let script = read("SET 'a.b' = 'x=y'; SET c = 1; RESET 'c'; INSERT INTO t SELECT 1;");
        let settings = script.expect("a script").settings;
        assert_eq!(settings, BTreeMap::from([("a.b".to_owned(), "x=y".to_owned())]));
        assert!(
            read("SET 'a' = 'b'; RESET; INSERT INTO t SELECT 1").expect("one").settings.is_empty()
        );
    }

    #[test]
    fn what_is_no_job_is_refused_with_its_place() {
        let check = |text: &str, line: u64, word: &str| {
            let error = read(text).unwrap_err();
            assert!(error.line == line && error.message.contains(word), "{error:?}");
        };
        check("", 0, "no INSERT");
        check("CREATE TABLE t (a INT);", 0, "no INSERT");
        check("\nSELECT 1;", 2, "SELECT is not a statement of a job");
        check("INSERT INTO t SELECT 1;\nUSE CATALOG c;", 2, "after an INSERT (line 1)");
        check("SET 'x';", 1, "SET without a value");
    }

    #[test]
    fn literals_are_found_whole() {
        let text = "-- 'no'\nCREATE TABLE t (a INT) WITH ('path' = 'it''s /x', \
                    'k' = /* 'no' */ 'v');\n\
                    INSERT INTO t SELECT '/' FROM s /*+ OPTIONS('path'='/y') */ WHERE u = '/z'";
        let found: Vec<(String, bool)> =
            literals(text).into_iter().map(|it| (it.text, it.is_option)).collect();
        let want = [
            ("path", false),
            ("it's /x", true),
            ("k", false),
            ("v", true),
            ("/", false),
            ("path", false),
            ("/y", true),
            ("/z", false),
        ];
        assert_eq!(found, want.map(|(text, option)| (text.to_owned(), option)));
    }
}
