//! Expressions by precedence climbing. From loose to tight: OR; AND; NOT; IS;
//! comparisons; BETWEEN, IN, LIKE; `+ -`; `* / %` and `||`; signs; `[ ]` and `.`
//! (Calcite's table).

use super::{Parsed, Parser};
use crate::ast::{Call, Expr, ExprKind, LiteralValue, SubqueryTest};
use crate::diagnostic::Problem;
use crate::lexer::TokenKind;
use crate::span::Span;

const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const IS: u8 = 4;
const COMPARE: u8 = 5;
const MATCH: u8 = 6;
const ADD: u8 = 7;
const MULTIPLY: u8 = 8;
const SIGN: u8 = 9;

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.climb(0)
    }

    /// What may stand before IN in `POSITION(x IN y)`.
    pub(super) fn operand(&mut self) -> Parsed<Expr> {
        self.climb(ADD)
    }

    fn climb(&mut self, least: u8) -> Parsed<Expr> {
        self.nested(|parser| {
            let mut left = parser.prefix()?;
            let mut chain = 0;
            while let Some(precedence) = parser.infix_precedence() {
                if precedence < least {
                    break;
                }
                chain += 1;
                parser.check_chain(chain)?;
                left = parser.infix(left, precedence)?;
            }
            Ok(left)
        })
    }

    fn infix_precedence(&self) -> Option<u8> {
        match &self.peek().kind {
            TokenKind::Symbol(symbol) => match *symbol {
                "=" | "<>" | "<" | "<=" | ">" | ">=" => Some(COMPARE),
                "+" | "-" => Some(ADD),
                "*" | "/" | "%" | "||" => Some(MULTIPLY),
                _ => None,
            },
            TokenKind::Word { text, quoted: false } => self.word_precedence(text),
            _ => None,
        }
    }

    fn word_precedence(&self, word: &str) -> Option<u8> {
        match word.to_ascii_uppercase().as_str() {
            "OR" => Some(OR),
            "AND" => Some(AND),
            "IS" => Some(IS),
            "BETWEEN" | "IN" | "LIKE" | "SIMILAR" | "OVERLAPS" => Some(MATCH),
            "NOT" if ["BETWEEN", "IN", "LIKE", "SIMILAR"].iter().any(|w| self.is_word_at(1, w)) => {
                Some(MATCH)
            }
            _ => None,
        }
    }

    fn infix(&mut self, left: Expr, precedence: u8) -> Parsed<Expr> {
        match precedence {
            IS => self.is_test(left),
            MATCH => self.match_operator(left),
            _ => {
                let token = self.advance();
                let name = match &token.kind {
                    TokenKind::Symbol(symbol) => (*symbol).to_owned(),
                    TokenKind::Word { text, .. } => text.to_ascii_uppercase(),
                    _ => return Err(self.expected("an operator")),
                };
                let right = self.climb(precedence + 1)?;
                Ok(operator(&name, token.span, vec![left, right]))
            }
        }
    }

    fn is_test(&mut self, left: Expr) -> Parsed<Expr> {
        let start = self.span();
        self.expect_word("IS")?;
        let not = if self.accept_word("NOT") { "NOT " } else { "" };
        if self.accept_words(&["DISTINCT", "FROM"]) {
            let name = format!("IS {not}DISTINCT FROM");
            let span = self.since(start);
            let right = self.climb(IS + 1)?;
            return Ok(operator(&name, span, vec![left, right]));
        }
        for word in ["NULL", "TRUE", "FALSE", "UNKNOWN"] {
            if self.accept_word(word) {
                let name = format!("IS {not}{word}");
                let mut test = operator(&name, self.since(start), vec![left]);
                test.span = self.since(test.span);
                return Ok(test);
            }
        }
        if self.accept_word("JSON") {
            let kinds = ["VALUE", "SCALAR", "ARRAY", "OBJECT"];
            let kind = kinds.into_iter().find(|kind| self.accept_word(kind));
            let kind = kind.map(|kind| format!(" {kind}")).unwrap_or_default();
            let mut test = operator(&format!("IS {not}JSON{kind}"), self.since(start), vec![left]);
            test.span = self.since(test.span);
            return Ok(test);
        }
        Err(self.expected("NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM"))
    }

    fn match_operator(&mut self, left: Expr) -> Parsed<Expr> {
        let start = self.span();
        let negated = self.accept_word("NOT");
        let matched = if self.accept_word("BETWEEN") {
            self.between(left, start)?
        } else if self.accept_word("IN") {
            self.in_list(left, start)?
        } else if self.accept_word("LIKE") {
            self.like_operator("LIKE", left, start)?
        } else if self.accept_words(&["SIMILAR", "TO"]) {
            self.like_operator("SIMILAR TO", left, start)?
        } else {
            self.overlaps(left, start)?
        };
        Ok(if negated { operator("NOT", start, vec![matched]) } else { matched })
    }

    // `(a, b) OVERLAPS (c, d)` (row D4.11)
    fn overlaps(&mut self, left: Expr, start: Span) -> Parsed<Expr> {
        self.expect_word("OVERLAPS")?;
        let right = self.climb(ADD)?;
        let (whole, mut arguments) = (left.span.to(right.span), Vec::new());
        for side in [left, right] {
            match side.kind {
                ExprKind::Call(call) if call.name == "ROW" && call.arguments.len() == 2 => {
                    arguments.extend(call.arguments);
                }
                _ => return Err(Problem::new(side.span, "OVERLAPS compares (a, b) with (c, d)")),
            }
        }
        let mut test = operator("OVERLAPS", start, arguments);
        test.span = whole;
        Ok(test)
    }

    fn between(&mut self, value: Expr, start: Span) -> Parsed<Expr> {
        let symmetric = self.accept_word("SYMMETRIC");
        if !symmetric {
            self.accept_word("ASYMMETRIC");
        }
        let low = self.climb(ADD)?;
        self.expect_word("AND")?;
        let high = self.climb(ADD)?;
        let span = self.since(start);
        if !symmetric {
            return Ok(operator("BETWEEN", span, vec![value, low, high]));
        }
        let one = operator("BETWEEN", span, vec![value.clone(), low.clone(), high.clone()]);
        let other = operator("BETWEEN", span, vec![value, high, low]);
        Ok(operator("OR", span, vec![one, other]))
    }

    fn in_list(&mut self, value: Expr, start: Span) -> Parsed<Expr> {
        if self.is_query_at(1) {
            let value = Box::new(value);
            let mut subquery = self.subquery("IN (SELECT ...)", SubqueryTest::In(value))?;
            subquery.span = start.to(self.since(start));
            return Ok(subquery);
        }
        self.expect_symbol("(")?;
        let mut arguments = vec![value];
        arguments.extend(self.comma_separated(Self::expression)?);
        self.expect_symbol(")")?;
        let mut list = operator("IN", self.since(start), arguments);
        list.span = self.since(list.span);
        Ok(list)
    }

    fn like_operator(&mut self, name: &str, value: Expr, start: Span) -> Parsed<Expr> {
        let span = self.since(start);
        let mut arguments = vec![value, self.climb(ADD)?];
        if self.accept_word("ESCAPE") {
            arguments.push(self.climb(ADD)?);
        }
        Ok(operator(name, span, arguments))
    }

    fn prefix(&mut self) -> Parsed<Expr> {
        let start = self.span();
        if self.accept_word("NOT") {
            let value = self.climb(NOT)?;
            return Ok(operator_from(start, "NOT", start, vec![value]));
        }
        if self.accept_symbol("-") {
            return self.negative(start);
        }
        if self.accept_symbol("+") {
            return self.climb(SIGN);
        }
        let value = self.primary()?;
        self.postfix(value)
    }

    // A minus before digits belongs to the number, so that the smallest BIGINT can be written.
    fn negative(&mut self, start: Span) -> Parsed<Expr> {
        let value = self.climb(SIGN)?;
        let span = start.to(value.span);
        let literal = match value.kind {
            ExprKind::Literal(LiteralValue::Number(text)) if !text.starts_with('-') => {
                LiteralValue::Number(format!("-{text}"))
            }
            ExprKind::Literal(LiteralValue::Float(text)) if !text.starts_with('-') => {
                LiteralValue::Float(format!("-{text}"))
            }
            ExprKind::Literal(LiteralValue::YearMonth(months)) => LiteralValue::YearMonth(-months),
            ExprKind::Literal(LiteralValue::DayTime(ms)) => LiteralValue::DayTime(-ms),
            kind => {
                let value = Expr { kind, span: value.span };
                return Ok(operator_from(start, "NEGATE", start, vec![value]));
            }
        };
        Ok(Expr { kind: ExprKind::Literal(literal), span })
    }

    fn postfix(&mut self, mut value: Expr) -> Parsed<Expr> {
        let mut chain = 0;
        loop {
            chain += 1;
            self.check_chain(chain)?;
            let start = self.span();
            if self.accept_symbol("[") {
                let index = self.expression()?;
                self.expect_symbol("]")?;
                let first = value.span;
                let mut item = operator("ITEM", self.since(start), vec![value, index]);
                item.span = self.since(first);
                value = item;
            } else if self.accept_symbol(".") {
                let name = self.ident("the name of a field")?;
                let span = value.span.to(name.span);
                value = Expr { kind: ExprKind::Field { value: Box::new(value), name }, span };
            } else {
                return Ok(value);
            }
        }
    }
}

/// An operator's call; its span covers its arguments and the operator itself.
pub(super) fn operator(name: &str, name_span: Span, arguments: Vec<Expr>) -> Expr {
    let first = arguments.first().map_or(name_span, |argument| argument.span);
    operator_from(first, name, name_span, arguments)
}

fn operator_from(start: Span, name: &str, name_span: Span, arguments: Vec<Expr>) -> Expr {
    let last = arguments.last().map_or(name_span, |argument| argument.span);
    let span = start.to(name_span).to(last);
    let call = Call {
        name: name.to_owned(),
        name_span,
        arguments,
        distinct: false,
        star: false,
        filter: None,
        over: None,
        is_operator: true,
    };
    Expr { kind: ExprKind::Call(Box::new(call)), span }
}
