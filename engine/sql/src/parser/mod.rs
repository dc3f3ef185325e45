//! Recursive descent over the tokens; a Pratt parser for expressions. Each
//! statement that cannot be parsed gives one problem and parsing goes on behind
//! the next `;`.

mod create;
mod datetime;
mod expression;
mod function;
mod group;
mod json;
mod over;
mod query;
mod statement;
mod table;
mod types;

use crate::ast::{Ident, Path, Statement, Text};
use crate::diagnostic::Problem;
use crate::lexer::{Token, TokenKind, tokenize};
use crate::reserved::is_reserved;
use crate::span::Span;

/// Nesting of expressions, queries and types; bounds the use of the stack.
const MAX_DEPTH: usize = 100;

/// Operators of one precedence in a row: `a AND b AND ...`; each makes the tree deeper.
const MAX_CHAIN: usize = 300;

type Parsed<T> = Result<T, Problem>;

/// All statements that parse, and every problem found.
pub fn parse(script: &str) -> (Vec<Statement>, Vec<Problem>) {
    let (tokens, mut problems) = tokenize(script);
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0 };
    let mut statements = Vec::new();
    while !parser.at_end() {
        if parser.accept_symbol(";") {
            continue;
        }
        match parser.statement_and_terminator() {
            Ok(statement) => statements.push(statement),
            Err(problem) => {
                problems.push(problem);
                parser.skip_statement();
            }
        }
    }
    // A lexical error often causes a syntax error right behind it: keep the first of
    // each statement's neighbourhood only when they overlap.
    problems.sort_by_key(|problem| problem.span.start);
    problems.dedup_by(|next, first| next.span.start < first.span.end.max(first.span.start + 1));
    (statements, problems)
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &'a Token {
        self.peek_at(0)
    }

    fn peek_at(&self, offset: usize) -> &'a Token {
        let last = self.tokens.len() - 1;
        &self.tokens[(self.at + offset).min(last)]
    }

    fn at_end(&self) -> bool {
        self.peek().kind == TokenKind::End
    }

    fn advance(&mut self) -> &'a Token {
        let token = self.peek();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn span(&self) -> Span {
        self.peek().span
    }

    /// From `start` to the end of the last token taken.
    fn since(&self, start: Span) -> Span {
        let last = self.tokens[self.at.saturating_sub(1)].span;
        if last.end < start.start { start } else { start.to(last) }
    }

    fn is_word_at(&self, offset: usize, word: &str) -> bool {
        matches!(&self.peek_at(offset).kind,
            TokenKind::Word { text, quoted: false } if text.eq_ignore_ascii_case(word))
    }

    fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    fn is_words(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(offset, word)| self.is_word_at(offset, word))
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    fn accept_words(&mut self, words: &[&str]) -> bool {
        let found = self.is_words(words);
        if found {
            self.at += words.len();
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.accept_word(word) { Ok(()) } else { Err(self.expected(word)) }
    }

    fn is_symbol_at(&self, offset: usize, symbol: &str) -> bool {
        matches!(&self.peek_at(offset).kind, TokenKind::Symbol(found) if *found == symbol)
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        self.is_symbol_at(0, symbol)
    }

    fn accept_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    fn expect_symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.accept_symbol(symbol) { Ok(()) } else { Err(self.expected(&format!("'{symbol}'"))) }
    }

    fn expected(&self, what: &str) -> Problem {
        let token = self.peek();
        let problem =
            Problem::new(token.span, format!("expected {what}, found {}", describe(&token.kind)));
        match &token.kind {
            TokenKind::Word { text, quoted: false }
                if what.contains("name") && is_reserved(text) && !starts_a_clause(text) =>
            {
                problem.with_hint(format!(
                    "{text} is a reserved word: write it in back-ticks, `{text}`"
                ))
            }
            _ => problem,
        }
    }

    /// A name: a word in back-ticks, or one that is not reserved.
    fn ident(&mut self, what: &str) -> Parsed<Ident> {
        match self.accept_ident() {
            Some(ident) => Ok(ident),
            None => Err(self.expected(what)),
        }
    }

    fn accept_ident(&mut self) -> Option<Ident> {
        let token = self.peek();
        match &token.kind {
            TokenKind::Word { text, quoted } if *quoted || !is_reserved(text) => {
                self.advance();
                Some(Ident { text: text.clone(), span: token.span })
            }
            _ => None,
        }
    }

    fn path(&mut self, what: &str) -> Parsed<Path> {
        let mut parts = vec![self.ident(what)?];
        while self.accept_symbol(".") {
            parts.push(self.ident("a name after '.'")?);
        }
        Ok(Path { parts })
    }

    fn text(&mut self, what: &str) -> Parsed<Text> {
        let token = self.peek();
        match &token.kind {
            TokenKind::String(value) => {
                self.advance();
                Ok(Text { value: value.clone(), span: token.span })
            }
            _ => Err(self.expected(what)),
        }
    }

    fn comma_separated<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.accept_symbol(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn parenthesised_names(&mut self, what: &str) -> Parsed<Vec<Ident>> {
        self.expect_symbol("(")?;
        let names = self.comma_separated(|parser| parser.ident(what))?;
        self.expect_symbol(")")?;
        Ok(names)
    }

    fn whole_number(&mut self, what: &str) -> Parsed<(u64, Span)> {
        let token = self.peek();
        let value = match &token.kind {
            TokenKind::Number(text) => text.parse().ok(),
            _ => None,
        };
        let value = value.ok_or_else(|| self.expected(what))?;
        self.advance();
        Ok((value, token.span))
    }

    /// Runs one level deeper, or says that the text nests too deeply.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return Err(Problem::new(
                self.span(),
                format!("this is nested more than {MAX_DEPTH} levels deep"),
            ));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn skip_statement(&mut self) {
        self.depth = 0;
        while !self.at_end() && !self.accept_symbol(";") {
            self.advance();
        }
    }
}

// Where a name is missing and a clause follows, the clause's word is not the mistake.
fn starts_a_clause(word: &str) -> bool {
    let clauses =
        ["SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "AS", "ON"];
    clauses.iter().any(|clause| clause.eq_ignore_ascii_case(word))
}

fn describe(kind: &TokenKind) -> String {
    match kind {
        TokenKind::Word { text, quoted: true } => format!("`{text}`"),
        TokenKind::Word { text, .. } => text.clone(),
        TokenKind::String(_) => "a string".into(),
        TokenKind::Binary(_) => "a binary string".into(),
        TokenKind::Number(text) | TokenKind::Float(text) => text.clone(),
        TokenKind::Symbol(symbol) => format!("'{symbol}'"),
        TokenKind::HintStart => "a hint".into(),
        TokenKind::HintEnd => "the end of a hint".into(),
        TokenKind::End => "the end of the script".into(),
    }
}
