//! Primary expressions: literals, names, function calls and those with a grammar of
//! their own (CASE, CAST, EXTRACT, TRIM, ...).

use super::expression::operator;
use super::{Parsed, Parser};
use crate::ast::{Call, Expr, ExprKind, LiteralValue, Path, SubqueryTest};
use crate::diagnostic::Problem;
use crate::lexer::TokenKind;
use crate::reserved::{is_callable, is_reserved};
use crate::span::Span;

/// Functions that are written without parentheses.
const BARE: [&str; 6] = [
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "CURRENT_USER",
];

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Parsed<Expr> {
        let token = self.peek();
        let literal = match &token.kind {
            TokenKind::Number(text) => LiteralValue::Number(text.clone()),
            TokenKind::Float(text) => LiteralValue::Float(text.clone()),
            TokenKind::Binary(bytes) => LiteralValue::Binary(bytes.clone()),
            TokenKind::String(_) => return self.string_literal(),
            TokenKind::Symbol("(") => return self.parenthesised(),
            TokenKind::Word { quoted: true, .. } => return self.name_or_call(),
            TokenKind::Word { text, quoted: false } => {
                return self.word_expression(&text.to_ascii_uppercase());
            }
            _ => return Err(self.expected("an expression")),
        };
        self.advance();
        Ok(Expr { kind: ExprKind::Literal(literal), span: token.span })
    }

    // Adjacent strings on following lines are one, as in the SQL standard.
    fn string_literal(&mut self) -> Parsed<Expr> {
        let start = self.span();
        let mut text = String::new();
        while let TokenKind::String(part) = &self.peek().kind {
            text.push_str(part);
            self.advance();
        }
        Ok(Expr { kind: ExprKind::Literal(LiteralValue::String(text)), span: self.since(start) })
    }

    fn parenthesised(&mut self) -> Parsed<Expr> {
        let start = self.span();
        if self.is_query_at(0) {
            return self.subquery("a scalar subquery", SubqueryTest::Scalar);
        }
        self.expect_symbol("(")?;
        let mut items = self.comma_separated(Self::expression)?;
        self.expect_symbol(")")?;
        if items.len() == 1 {
            // The parentheses belong to the place that a message points at.
            let inner = items.remove(0);
            return Ok(Expr { span: self.since(start), ..inner });
        }
        // An unwritten ROW has an empty name span: GROUP BY (a, b) tells them apart.
        let mut row = operator("ROW", Span::default(), items);
        row.span = self.since(start);
        Ok(row)
    }

    pub(super) fn subquery(&mut self, construct: &'static str, test: SubqueryTest) -> Parsed<Expr> {
        let start = self.span();
        self.expect_symbol("(")?;
        let query = Box::new(self.query()?);
        self.expect_symbol(")")?;
        let kind = ExprKind::Subquery { construct, test, query };
        Ok(Expr { kind, span: self.since(start) })
    }

    fn word_expression(&mut self, word: &str) -> Parsed<Expr> {
        let start = self.span();
        let opens = self.is_symbol_at(1, "(");
        let string_follows = matches!(self.peek_at(1).kind, TokenKind::String(_));
        match word {
            "NULL" => self.constant(LiteralValue::Null),
            "TRUE" => self.constant(LiteralValue::Boolean(true)),
            "FALSE" => self.constant(LiteralValue::Boolean(false)),
            "UNKNOWN" => self.constant(LiteralValue::Null),
            "DATE" | "TIME" | "TIMESTAMP" if string_follows => self.datetime_literal(word),
            "INTERVAL" => self.interval_literal(),
            "CASE" => self.case(),
            "CAST" | "TRY_CAST" if opens => self.cast(word == "TRY_CAST"),
            "EXTRACT" if opens => self.extract(),
            "TRIM" if opens => self.trim(),
            "POSITION" if opens => self.position(),
            "SUBSTRING" if opens => self.substring(),
            "OVERLAY" if opens => self.overlay(),
            "FLOOR" | "CEIL" | "CEILING" if opens => self.rounding(word),
            "TIMESTAMPADD" | "TIMESTAMPDIFF" if opens => self.timestamp_arithmetic(word),
            "ARRAY" | "MAP" if self.is_symbol_at(1, "[") => self.collection(word),
            "ROW" if opens => self.row_constructor(),
            _ if opens && super::json::FUNCTIONS.contains(&word) => self.json_function(word),
            "EXISTS" if opens => {
                self.advance();
                let mut subquery = self.subquery("EXISTS (SELECT ...)", SubqueryTest::Exists)?;
                subquery.span = self.since(start);
                Ok(subquery)
            }
            _ if BARE.contains(&word) && !opens => {
                self.advance();
                Ok(self.call_of(word, start, Vec::new()))
            }
            _ if is_reserved(word) && !(opens && is_callable(word)) => {
                Err(self.expected("an expression or a name"))
            }
            _ => self.name_or_call(),
        }
    }

    fn constant(&mut self, value: LiteralValue) -> Parsed<Expr> {
        let span = self.advance().span;
        Ok(Expr { kind: ExprKind::Literal(value), span })
    }

    pub(super) fn call_of(&self, name: &str, start: Span, arguments: Vec<Expr>) -> Expr {
        let mut call = operator(name, start, arguments);
        call.span = self.since(start);
        if let ExprKind::Call(call) = &mut call.kind {
            call.is_operator = false;
        }
        call
    }

    // A leading CHAR literal that names a unit or a mode.
    pub(super) fn keyword_argument(word: &str, span: Span) -> Expr {
        let text = LiteralValue::String(word.to_ascii_uppercase());
        Expr { kind: ExprKind::Literal(text), span }
    }

    fn name_or_call(&mut self) -> Parsed<Expr> {
        let start = self.span();
        if self.is_symbol_at(1, "(") {
            let TokenKind::Word { text, .. } = &self.advance().kind else {
                return Err(self.expected("the name of a function"));
            };
            return self.function_call(text, start);
        }
        let first = self.ident("an expression or a name")?;
        let mut parts = vec![first];
        while self.is_symbol(".") && matches!(self.peek_at(1).kind, TokenKind::Word { .. }) {
            self.advance();
            parts.push(self.ident("a name after '.'")?);
        }
        let path = Path { parts };
        Ok(Expr { span: path.span(), kind: ExprKind::Path(path) })
    }

    fn function_call(&mut self, name: &str, start: Span) -> Parsed<Expr> {
        self.expect_symbol("(")?;
        let mut call = Call {
            name: name.to_owned(),
            name_span: start,
            arguments: Vec::new(),
            distinct: self.accept_word("DISTINCT"),
            star: false,
            filter: None,
            over: None,
            is_operator: false,
        };
        if !call.distinct {
            self.accept_word("ALL");
        }
        if self.accept_symbol("*") {
            call.star = true;
        } else if !self.is_symbol(")") {
            call.arguments = self.comma_separated(Self::expression)?;
        }
        self.refuse_json_clauses(name)?;
        self.expect_symbol(")")?;
        self.call_suffix(&mut call)?;
        Ok(Expr { kind: ExprKind::Call(Box::new(call)), span: self.since(start) })
    }

    fn refuse_json_clauses(&self, name: &str) -> Parsed<()> {
        let is_json = name.len() > 5 && name[..5].eq_ignore_ascii_case("JSON_");
        if is_json && matches!(self.peek().kind, TokenKind::Word { .. }) {
            return Err(Problem::new(
                self.span(),
                format!("{} with further clauses is not offered yet", name.to_ascii_uppercase()),
            ));
        }
        Ok(())
    }

    fn call_suffix(&mut self, call: &mut Call) -> Parsed<()> {
        if self.is_words(&["WITHIN", "GROUP"]) {
            return Err(Problem::new(self.span(), "WITHIN GROUP is not supported in Flink SQL"));
        }
        if self.is_word("FILTER") && self.is_symbol_at(1, "(") {
            self.at += 2;
            self.expect_word("WHERE")?;
            call.filter = Some(self.expression()?);
            self.expect_symbol(")")?;
        }
        if self.is_word("OVER") {
            self.advance();
            call.over = Some(self.over()?);
        }
        Ok(())
    }

    // The simple form compares the operand with each WHEN.
    fn case(&mut self) -> Parsed<Expr> {
        let start = self.advance().span;
        let operand = if self.is_word("WHEN") { None } else { Some(self.expression()?) };
        let mut arguments = Vec::new();
        while self.accept_word("WHEN") {
            let when = self.expression()?;
            arguments.push(match &operand {
                Some(operand) => operator("=", when.span, vec![operand.clone(), when]),
                None => when,
            });
            self.expect_word("THEN")?;
            arguments.push(self.expression()?);
        }
        if arguments.is_empty() {
            return Err(self.expected("WHEN"));
        }
        let null = Expr { kind: ExprKind::Literal(LiteralValue::Null), span: self.span() };
        arguments.push(if self.accept_word("ELSE") { self.expression()? } else { null });
        self.expect_word("END")?;
        Ok(self.call_of("CASE", start, arguments))
    }

    fn cast(&mut self, try_cast: bool) -> Parsed<Expr> {
        let start = self.advance().span;
        self.expect_symbol("(")?;
        let value = Box::new(self.expression()?);
        self.expect_word("AS")?;
        let target = self.data_type()?;
        self.expect_symbol(")")?;
        Ok(Expr { kind: ExprKind::Cast { value, target, try_cast }, span: self.since(start) })
    }

    fn unit(&mut self) -> Parsed<Expr> {
        let token = self.peek();
        let TokenKind::Word { text, quoted: false } = &token.kind else {
            return Err(self.expected("a unit such as YEAR, MONTH, DAY, HOUR, MINUTE or SECOND"));
        };
        self.advance();
        Ok(Self::keyword_argument(text, token.span))
    }

    fn extract(&mut self) -> Parsed<Expr> {
        let start = self.advance().span;
        self.expect_symbol("(")?;
        let unit = self.unit()?;
        self.expect_word("FROM")?;
        let value = self.expression()?;
        self.expect_symbol(")")?;
        Ok(self.call_of("EXTRACT", start, vec![unit, value]))
    }

    // `TRIM([BOTH|LEADING|TRAILING] [set FROM] s)` or `TRIM(s)` (row D3.6).
    fn trim(&mut self) -> Parsed<Expr> {
        let start = self.advance().span;
        self.expect_symbol("(")?;
        let mode_span = self.span();
        let mode = ["BOTH", "LEADING", "TRAILING"].into_iter().find(|mode| self.accept_word(mode));
        let blank =
            Expr { kind: ExprKind::Literal(LiteralValue::String(" ".into())), span: mode_span };
        let (set, value) = if mode.is_some() && self.accept_word("FROM") {
            (blank, self.expression()?)
        } else {
            let first = self.expression()?;
            if self.accept_word("FROM") { (first, self.expression()?) } else { (blank, first) }
        };
        self.expect_symbol(")")?;
        let mode = Self::keyword_argument(mode.unwrap_or("BOTH"), mode_span);
        Ok(self.call_of("TRIM", start, vec![mode, set, value]))
    }

    fn position(&mut self) -> Parsed<Expr> {
        let start = self.advance().span;
        self.expect_symbol("(")?;
        // `IN` separates the arguments here, so the first must not swallow it.
        let needle = self.operand()?;
        self.expect_word("IN")?;
        let text = self.expression()?;
        self.expect_symbol(")")?;
        Ok(self.call_of("POSITION", start, vec![needle, text]))
    }

    fn substring(&mut self) -> Parsed<Expr> {
        let start = self.advance().span;
        self.expect_symbol("(")?;
        let mut arguments = vec![self.expression()?];
        if self.accept_word("FROM") {
            arguments.push(self.expression()?);
            if self.accept_word("FOR") {
                arguments.push(self.expression()?);
            }
        } else {
            while self.accept_symbol(",") {
                arguments.push(self.expression()?);
            }
        }
        self.expect_symbol(")")?;
        Ok(self.call_of("SUBSTRING", start, arguments))
    }

    fn overlay(&mut self) -> Parsed<Expr> {
        let start = self.advance().span;
        self.expect_symbol("(")?;
        let mut arguments = vec![self.expression()?];
        self.expect_word("PLACING")?;
        arguments.push(self.expression()?);
        self.expect_word("FROM")?;
        arguments.push(self.expression()?);
        if self.accept_word("FOR") {
            arguments.push(self.expression()?);
        }
        self.expect_symbol(")")?;
        Ok(self.call_of("OVERLAY", start, arguments))
    }

    // `FLOOR(x)` or `FLOOR(t TO unit)`, the unit first in the call.
    fn rounding(&mut self, name: &str) -> Parsed<Expr> {
        let start = self.advance().span;
        let name = if name == "CEILING" { "CEIL" } else { name };
        self.expect_symbol("(")?;
        let mut arguments = vec![self.expression()?];
        if self.accept_word("TO") {
            arguments.insert(0, self.unit()?);
        }
        self.expect_symbol(")")?;
        Ok(self.call_of(name, start, arguments))
    }

    fn timestamp_arithmetic(&mut self, name: &str) -> Parsed<Expr> {
        let start = self.advance().span;
        self.expect_symbol("(")?;
        let mut arguments = vec![self.unit()?];
        for _ in 0..2 {
            self.expect_symbol(",")?;
            arguments.push(self.expression()?);
        }
        self.expect_symbol(")")?;
        Ok(self.call_of(name, start, arguments))
    }

    fn collection(&mut self, name: &str) -> Parsed<Expr> {
        let start = self.advance().span;
        self.expect_symbol("[")?;
        let items =
            if self.is_symbol("]") { Vec::new() } else { self.comma_separated(Self::expression)? };
        self.expect_symbol("]")?;
        Ok(self.call_of(name, start, items))
    }

    fn row_constructor(&mut self) -> Parsed<Expr> {
        let start = self.advance().span;
        self.expect_symbol("(")?;
        let items = self.comma_separated(Self::expression)?;
        self.expect_symbol(")")?;
        Ok(self.call_of("ROW", start, items))
    }
}
