//! Script text to tokens (rows A1.2 to A1.10).

use crate::diagnostic::Problem;
use crate::span::Span;

#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub kind: TokenKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TokenKind {
    /// A keyword or a name; `quoted` in back-ticks, so never a keyword.
    Word {
        text: String,
        quoted: bool,
    },
    /// `'It''s'`, `U&'\263A'`.
    String(String),
    /// `x'45F0'`.
    Binary(Vec<u8>),
    /// Digits with or without a point: `1`, `1.0`, `.5`.
    Number(String),
    /// With an exponent: `1e0`.
    Float(String),
    /// `( ) [ ] , . ; + - * / % = <> < <= > >= || => ? : !`
    Symbol(&'static str),
    /// `/*+`
    HintStart,
    /// `*/` after a hint.
    HintEnd,
    End,
}

const SYMBOLS: [&str; 26] = [
    "<>", "<=", ">=", "!=", "||", "=>", "(", ")", "[", "]", "{", "}", ",", ".", ";", "+", "-", "*",
    "/", "%", "=", "<", ">", "?", ":", "!",
];

/// All tokens, the last of which is [`TokenKind::End`], and what could not be read.
pub fn tokenize(script: &str) -> (Vec<Token>, Vec<Problem>) {
    let mut lexer = Lexer { script, at: 0, in_hint: false, tokens: Vec::new(), problems: vec![] };
    while lexer.step() {}
    (lexer.tokens, lexer.problems)
}

struct Lexer<'a> {
    script: &'a str,
    at: usize,
    in_hint: bool,
    tokens: Vec<Token>,
    problems: Vec<Problem>,
}

impl Lexer<'_> {
    fn step(&mut self) -> bool {
        self.skip_blanks();
        let start = self.at;
        let Some(first) = self.rest().chars().next() else {
            self.push(start, TokenKind::End);
            return false;
        };
        match first {
            '\'' => self.string(start),
            '`' => self.quoted_name(start),
            '"' => self.double_quoted(start),
            '0'..='9' => self.number(start),
            '.' if self.digit_at(1) => self.number(start),
            c if c.is_alphabetic() || c == '_' => self.word(start),
            _ => self.symbol(start),
        }
        true
    }

    fn rest(&self) -> &str {
        &self.script[self.at..]
    }

    fn digit_at(&self, offset: usize) -> bool {
        self.script.as_bytes().get(self.at + offset).is_some_and(u8::is_ascii_digit)
    }

    fn push(&mut self, start: usize, kind: TokenKind) {
        self.tokens.push(Token { kind, span: Span::new(start, self.at) });
    }

    fn problem(&mut self, start: usize, message: impl Into<String>, hint: Option<&str>) {
        let mut problem = Problem::new(Span::new(start, self.at), message);
        problem.hint = hint.map(str::to_owned);
        self.problems.push(problem);
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            self.at += blank;
            let rest = self.rest();
            if rest.starts_with("--") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") && !rest.starts_with("/*+") {
                self.block_comment();
            } else {
                return;
            }
        }
    }

    fn block_comment(&mut self) {
        let start = self.at;
        match self.rest()[2..].find("*/") {
            Some(at) => self.at += at + 4,
            None => {
                self.at = self.script.len();
                self.problems.push(Problem::new(
                    Span::new(start, start + 2),
                    "this comment is not closed by '*/'",
                ));
            }
        }
    }

    // After the opening quote; doubled quotes stand for one.
    fn until_quote(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        let mut chars = self.rest().char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c != quote {
                text.push(c);
            } else if chars.next_if(|(_, next)| *next == quote).is_some() {
                text.push(quote);
            } else {
                self.at += at + quote.len_utf8();
                return Some(text);
            }
        }
        self.at = self.script.len();
        None
    }

    fn string(&mut self, start: usize) {
        self.at += 1;
        match self.until_quote('\'') {
            Some(text) => self.push(start, TokenKind::String(text)),
            None => self.unclosed(start, "string", "'"),
        }
    }

    fn unclosed(&mut self, start: usize, what: &str, quote: &str) {
        self.problems.push(Problem::new(
            Span::new(start, start + 1),
            format!("this {what} is not closed by {quote}"),
        ));
    }

    fn quoted_name(&mut self, start: usize) {
        self.at += 1;
        match self.until_quote('`') {
            Some(text) if !text.is_empty() => {
                self.push(start, TokenKind::Word { text, quoted: true });
            }
            Some(_) => self.problem(start, "a name in back-ticks must not be empty", None),
            None => self.unclosed(start, "name", "`"),
        }
    }

    fn double_quoted(&mut self, start: usize) {
        self.at += 1;
        let closed = self.until_quote('"').is_some();
        if !closed {
            self.at = start + 1;
        }
        self.problem(
            start,
            "double quotes have no meaning in Flink SQL",
            Some("write names in back-ticks (`name`) and strings in single quotes ('text')"),
        );
    }

    fn word(&mut self, start: usize) {
        let rest = self.rest();
        let length = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
            .unwrap_or(rest.len());
        let text = rest[..length].to_owned();
        self.at += length;
        if self.rest().starts_with('\'') && self.prefixed_string(start, &text) {
            return;
        }
        if text.eq_ignore_ascii_case("u") && self.rest().starts_with("&'") {
            return self.unicode_string(start);
        }
        self.push(start, TokenKind::Word { text, quoted: false });
    }

    // `x'45F0'`, `_UTF8'x'`, `N'x'`; false when the word is no such prefix.
    fn prefixed_string(&mut self, start: usize, prefix: &str) -> bool {
        let is_charset = prefix.starts_with('_') || prefix.eq_ignore_ascii_case("n");
        if prefix.eq_ignore_ascii_case("x") {
            self.binary(start);
        } else if is_charset {
            self.string_after_prefix(start);
        } else {
            return false;
        }
        true
    }

    fn string_after_prefix(&mut self, start: usize) {
        self.at += 1;
        match self.until_quote('\'') {
            Some(text) => self.push(start, TokenKind::String(text)),
            None => self.unclosed(start, "string", "'"),
        }
    }

    fn binary(&mut self, start: usize) {
        self.at += 1;
        let Some(text) = self.until_quote('\'') else {
            return self.unclosed(start, "binary string", "'");
        };
        match decode_hex(&text) {
            Some(bytes) => self.push(start, TokenKind::Binary(bytes)),
            None => self.problem(start, "a binary string has an even number of hex digits", None),
        }
    }

    // `U&'\263A'` with an optional `UESCAPE 'c'` after it (row A1.5).
    fn unicode_string(&mut self, start: usize) {
        self.at += 2;
        let Some(text) = self.until_quote('\'') else {
            return self.unclosed(start, "string", "'");
        };
        let escape = self.unicode_escape().unwrap_or('\\');
        match decode_unicode(&text, escape) {
            Some(text) => self.push(start, TokenKind::String(text)),
            None => self.problem(
                start,
                format!("'{escape}' must be followed by four hex digits of a code point"),
                None,
            ),
        }
    }

    fn unicode_escape(&mut self) -> Option<char> {
        let rest = self.rest();
        let after = rest.trim_start();
        let keyword = after.get(..7)?;
        let quoted = keyword.eq_ignore_ascii_case("uescape").then(|| after[7..].trim_start())?;
        let mut chars = quoted.strip_prefix('\'')?.chars();
        let escape = chars.next()?;
        let tail = chars.as_str().strip_prefix('\'')?.len();
        self.at = self.script.len() - tail;
        Some(escape)
    }

    fn number(&mut self, start: usize) {
        self.digits();
        if self.rest().starts_with('.') && !self.rest().starts_with("..") {
            self.at += 1;
            self.digits();
        }
        let is_float = self.exponent();
        let text = self.script[start..self.at].to_owned();
        let glued = self.rest().chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
        if glued {
            let rest = self.rest();
            self.at +=
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            self.problem(
                start,
                "a name must not start with a digit",
                Some("write such a name in back-ticks"),
            );
        }
        self.push(start, if is_float { TokenKind::Float(text) } else { TokenKind::Number(text) });
    }

    fn digits(&mut self) {
        while self.digit_at(0) {
            self.at += 1;
        }
    }

    fn exponent(&mut self) -> bool {
        if !self.rest().starts_with(['e', 'E']) {
            return false;
        }
        let signed = self.rest()[1..].starts_with(['+', '-']);
        let digits_at = 1 + usize::from(signed);
        if !self.digit_at(digits_at) {
            return false;
        }
        self.at += digits_at;
        self.digits();
        true
    }

    fn symbol(&mut self, start: usize) {
        if self.rest().starts_with("/*+") {
            self.at += 3;
            self.in_hint = true;
            return self.push(start, TokenKind::HintStart);
        }
        if self.in_hint && self.rest().starts_with("*/") {
            self.at += 2;
            self.in_hint = false;
            return self.push(start, TokenKind::HintEnd);
        }
        match SYMBOLS.iter().find(|symbol| self.rest().starts_with(**symbol)) {
            Some(symbol) => {
                self.at += symbol.len();
                self.push(start, TokenKind::Symbol(if *symbol == "!=" { "<>" } else { symbol }));
            }
            None => self.stray(start),
        }
    }

    fn stray(&mut self, start: usize) {
        let c = self.rest().chars().next().unwrap_or(' ');
        self.at += c.len_utf8();
        self.problem(
            start,
            format!("the character '{}' has no meaning here", c.escape_debug()),
            None,
        );
    }
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    digits
        .len()
        .is_multiple_of(2)
        .then(|| digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}

fn decode_unicode(text: &str, escape: char) -> Option<String> {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != escape {
            decoded.push(c);
        } else if let Some(after) = rest.strip_prefix(escape) {
            decoded.push(escape);
            rest = after;
        } else {
            let (digits, after) = rest.split_at_checked(4)?;
            decoded.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
            rest = after;
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(script: &str) -> Vec<TokenKind> {
        let (tokens, problems) = tokenize(script);
        assert_eq!(problems, vec![], "{script}");
        tokens.into_iter().map(|token| token.kind).filter(|kind| *kind != TokenKind::End).collect()
    }

    fn word(text: &str) -> TokenKind {
        TokenKind::Word { text: text.into(), quoted: false }
    }

    #[test]
    fn a1_literals_are_read() {
        for (script, expected) in [
            ("'It''s'", TokenKind::String("It's".into())),
            ("_UTF8'x'", TokenKind::String("x".into())),
            ("U&'\\263A'", TokenKind::String("☺".into())),
            ("U&'#263A' UESCAPE '#'", TokenKind::String("☺".into())),
            ("x'45F0'", TokenKind::Binary(vec![0x45, 0xF0])),
            ("1", TokenKind::Number("1".into())),
            ("1.", TokenKind::Number("1.".into())),
            (".5", TokenKind::Number(".5".into())),
            ("1e0", TokenKind::Float("1e0".into())),
            ("1.5E-3", TokenKind::Float("1.5E-3".into())),
            ("`a``b`", TokenKind::Word { text: "a`b".into(), quoted: true }),
            ("!=", TokenKind::Symbol("<>")),
        ] {
            assert_eq!(kinds(script), vec![expected], "{script}");
        }
    }

    #[test]
    fn a1_10_comments_vanish_and_hints_stay() {
        assert_eq!(kinds("a -- x\n/* y */ b"), vec![word("a"), word("b")]);
        assert_eq!(
            kinds("/*+ a */ * /"),
            vec![
                TokenKind::HintStart,
                word("a"),
                TokenKind::HintEnd,
                TokenKind::Symbol("*"),
                TokenKind::Symbol("/")
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_is_said_at_its_place() {
        for (script, start, message) in [
            ("a 'b", 2, "this string is not closed by '"),
            ("`b", 0, "this name is not closed by `"),
            ("\"b\"", 0, "double quotes have no meaning in Flink SQL"),
            ("x'4'", 0, "a binary string has an even number of hex digits"),
            ("/* b", 0, "this comment is not closed by '*/'"),
            ("a ~ b", 2, "the character '~' has no meaning here"),
            ("1a", 0, "a name must not start with a digit"),
            ("U&'\\26'", 0, "'\\' must be followed by four hex digits of a code point"),
        ] {
            let (_, problems) = tokenize(script);
            let found: Vec<_> =
                problems.iter().map(|p| (p.span.start, p.message.as_str())).collect();
            assert_eq!(found, vec![(start, message)], "{script}");
        }
    }
}
