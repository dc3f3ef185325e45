//! JSON functions, whose arguments have clauses (section D.7). The clauses become CHAR
//! literals behind the path, as `millrace_expr::call` takes them.

use super::{Parsed, Parser};
use crate::ast::{Expr, ExprKind, LiteralValue};

/// Functions with clauses; JSON_STRING has none.
pub(super) const FUNCTIONS: [&str; 5] =
    ["JSON_EXISTS", "JSON_VALUE", "JSON_QUERY", "JSON_OBJECT", "JSON_ARRAY"];

/// What happens where there is no value, or no JSON.
struct Otherwise {
    on_empty: (Expr, Expr),
    on_error: (Expr, Expr),
}

impl Parser<'_> {
    pub(super) fn json_function(&mut self, word: &str) -> Parsed<Expr> {
        let start = self.advance().span;
        self.expect_symbol("(")?;
        let (name, arguments) = match word {
            "JSON_EXISTS" => (word, self.json_exists()?),
            "JSON_VALUE" => (word, self.json_value()?),
            "JSON_QUERY" => (word, self.json_query()?),
            "JSON_OBJECT" => self.json_object()?,
            _ => self.json_array()?,
        };
        self.expect_symbol(")")?;
        Ok(self.call_of(name, start, arguments))
    }

    fn json_and_path(&mut self) -> Parsed<Vec<Expr>> {
        let json = self.expression()?;
        self.expect_symbol(",")?;
        Ok(vec![json, self.expression()?])
    }

    // `[{TRUE|FALSE|UNKNOWN|ERROR} ON ERROR]` (row D7.2)
    fn json_exists(&mut self) -> Parsed<Vec<Expr>> {
        let mut arguments = self.json_and_path()?;
        if self.is_symbol(")") {
            return Ok(arguments);
        }
        let answers = ["TRUE", "FALSE", "UNKNOWN", "ERROR"];
        let Some(answer) = answers.into_iter().find(|answer| self.is_word(answer)) else {
            return Err(self.expected("TRUE, FALSE, UNKNOWN or ERROR ON ERROR"));
        };
        arguments.push(Self::keyword_argument(answer, self.advance().span));
        self.expect_word("ON")?;
        self.expect_word("ERROR")?;
        Ok(arguments)
    }

    // `[RETURNING type] [{NULL|ERROR|DEFAULT e} ON EMPTY] [.. ON ERROR]` (row D7.3)
    fn json_value(&mut self) -> Parsed<Vec<Expr>> {
        let mut arguments = self.json_and_path()?;
        if self.is_symbol(")") {
            return Ok(arguments);
        }
        arguments.push(self.json_returning()?);
        let otherwise = self.json_otherwise(&["NULL", "ERROR", "DEFAULT"])?;
        let Otherwise { on_empty, on_error } = otherwise;
        arguments.extend([on_empty.0, on_empty.1, on_error.0, on_error.1]);
        Ok(arguments)
    }

    fn json_returning(&mut self) -> Parsed<Expr> {
        let span = self.span();
        if !self.accept_word("RETURNING") {
            return Ok(Self::keyword_argument("STRING", span));
        }
        let types = [
            ("STRING", "STRING"),
            ("VARCHAR", "STRING"),
            ("BOOLEAN", "BOOLEAN"),
            ("INTEGER", "INTEGER"),
            ("INT", "INTEGER"),
            ("DOUBLE", "DOUBLE"),
        ];
        let span = self.span();
        match types.into_iter().find(|(word, _)| self.accept_word(word)) {
            Some((_, name)) => Ok(Self::keyword_argument(name, span)),
            None => Err(self.expected("STRING, BOOLEAN, INTEGER or DOUBLE after RETURNING")),
        }
    }

    // Wrapper, then what to do otherwise (row D7.4).
    fn json_query(&mut self) -> Parsed<Vec<Expr>> {
        let mut arguments = self.json_and_path()?;
        if self.is_symbol(")") {
            return Ok(arguments);
        }
        arguments.push(self.json_wrapper()?);
        let answers = ["NULL", "ERROR", "EMPTY ARRAY", "EMPTY OBJECT"];
        let Otherwise { on_empty, on_error } = self.json_otherwise(&answers)?;
        arguments.extend([on_empty.0, on_error.0]);
        Ok(arguments)
    }

    // `{WITHOUT | WITH [CONDITIONAL|UNCONDITIONAL]} [ARRAY] WRAPPER`
    fn json_wrapper(&mut self) -> Parsed<Expr> {
        let span = self.span();
        let wrapper = if self.accept_word("WITHOUT") {
            "WITHOUT"
        } else if !self.accept_word("WITH") {
            return Ok(Self::keyword_argument("WITHOUT", span));
        } else if self.accept_word("CONDITIONAL") {
            "CONDITIONAL"
        } else {
            self.accept_word("UNCONDITIONAL");
            "UNCONDITIONAL"
        };
        self.accept_word("ARRAY");
        self.expect_word("WRAPPER")?;
        Ok(Self::keyword_argument(wrapper, span))
    }

    fn json_otherwise(&mut self, answers: &[&str]) -> Parsed<Otherwise> {
        let span = self.span();
        let null = || Expr { kind: ExprKind::Literal(LiteralValue::Null), span };
        let nothing = || (Self::keyword_argument("NULL", span), null());
        let mut otherwise = Otherwise { on_empty: nothing(), on_error: nothing() };
        while !self.is_symbol(")") {
            let span = self.span();
            let words = |answer: &str| answer.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let answer = answers.iter().find(|answer| {
                let words = words(answer);
                self.accept_words(&words.iter().map(String::as_str).collect::<Vec<_>>())
            });
            let Some(answer) = answer else {
                let wanted = format!("{} ON EMPTY or ON ERROR", answers.join(", "));
                return Err(self.expected(&wanted));
            };
            let default = if *answer == "DEFAULT" { self.expression()? } else { null() };
            let told = (Self::keyword_argument(answer, span), default);
            self.expect_word("ON")?;
            if self.accept_word("EMPTY") {
                otherwise.on_empty = told;
            } else {
                self.expect_word("ERROR")?;
                otherwise.on_error = told;
            }
        }
        Ok(otherwise)
    }

    // `[KEY] k VALUE v`, `k : v` or `k, v`; then NULL or ABSENT ON NULL (row D7.7).
    fn json_object(&mut self) -> Parsed<(&'static str, Vec<Expr>)> {
        let mut arguments = Vec::new();
        while !self.is_symbol(")") && !self.at_null_clause() {
            self.accept_word("KEY");
            arguments.push(self.expression()?);
            if !self.accept_word("VALUE") && !self.accept_symbol(":") {
                self.expect_symbol(",")?;
            }
            arguments.push(self.expression()?);
            if !self.accept_symbol(",") {
                break;
            }
        }
        let absent = self.null_clause()? == Some("ABSENT");
        Ok((if absent { "JSON_OBJECT ABSENT ON NULL" } else { "JSON_OBJECT" }, arguments))
    }

    fn json_array(&mut self) -> Parsed<(&'static str, Vec<Expr>)> {
        let mut arguments = Vec::new();
        if !self.is_symbol(")") && !self.at_null_clause() {
            arguments = self.comma_separated(Self::expression)?;
        }
        let kept = self.null_clause()? == Some("NULL");
        Ok((if kept { "JSON_ARRAY NULL ON NULL" } else { "JSON_ARRAY" }, arguments))
    }

    fn at_null_clause(&self) -> bool {
        ["NULL", "ABSENT"].iter().any(|word| self.is_words(&[word, "ON"]))
    }

    fn null_clause(&mut self) -> Parsed<Option<&'static str>> {
        if !self.at_null_clause() {
            return Ok(None);
        }
        let word = if self.is_word("NULL") { "NULL" } else { "ABSENT" };
        self.advance();
        self.expect_word("ON")?;
        self.expect_word("NULL")?;
        Ok(Some(word))
    }
}
