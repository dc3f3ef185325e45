//! FROM: tables, subqueries, windowing functions, joins (sections B.3 and B.6).

use super::{Parsed, Parser};
use crate::ast::{
    Alias, Expr, Ident, JoinCondition, JoinKind, TableAsOf, TableRef, TableRefKind, WindowCall,
};
use crate::diagnostic::Problem;
use crate::span::Span;

impl Parser<'_> {
    pub(super) fn table_list(&mut self) -> Parsed<TableRef> {
        let start = self.span();
        let mut left = self.joined_table()?;
        let mut chain = 0;
        while self.accept_symbol(",") {
            chain += 1;
            self.check_chain(chain)?;
            let right = self.joined_table()?;
            left = self.join(left, right, JoinKind::Inner, JoinCondition::None, start);
        }
        Ok(left)
    }

    fn join(
        &self,
        left: TableRef,
        right: TableRef,
        kind: JoinKind,
        condition: JoinCondition,
        start: Span,
    ) -> TableRef {
        let (left, right) = (Box::new(left), Box::new(right));
        TableRef {
            kind: TableRefKind::Join { left, right, kind, condition },
            span: self.since(start),
        }
    }

    fn joined_table(&mut self) -> Parsed<TableRef> {
        let start = self.span();
        let mut left = self.table_primary()?;
        let mut chain = 0;
        loop {
            chain += 1;
            self.check_chain(chain)?;
            if self.accept_words(&["CROSS", "JOIN"]) {
                let right = self.table_primary()?;
                left = self.join(left, right, JoinKind::Inner, JoinCondition::None, start);
                continue;
            }
            if self.accept_word("NATURAL") {
                let Some(kind) = self.join_kind()? else { return Err(self.expected("JOIN")) };
                let right = self.table_primary()?;
                left = self.join(left, right, kind, JoinCondition::Natural, start);
                continue;
            }
            let Some(kind) = self.join_kind()? else { return Ok(left) };
            let right = self.table_primary()?;
            let condition = self.join_condition()?;
            left = self.join(left, right, kind, condition, start);
        }
    }

    fn join_kind(&mut self) -> Parsed<Option<JoinKind>> {
        if self.accept_word("JOIN") || self.accept_words(&["INNER", "JOIN"]) {
            return Ok(Some(JoinKind::Inner));
        }
        let outer =
            [("LEFT", JoinKind::Left), ("RIGHT", JoinKind::Right), ("FULL", JoinKind::Full)];
        for (word, kind) in outer {
            if self.accept_word(word) {
                self.accept_word("OUTER");
                self.expect_word("JOIN")?;
                return Ok(Some(kind));
            }
        }
        Ok(None)
    }

    fn join_condition(&mut self) -> Parsed<JoinCondition> {
        if self.accept_word("ON") {
            return self.expression().map(JoinCondition::On);
        }
        if self.accept_word("USING") {
            return self.parenthesised_names("the name of a column").map(JoinCondition::Using);
        }
        Err(self.expected("ON or USING"))
    }

    fn table_primary(&mut self) -> Parsed<TableRef> {
        self.nested(|parser| {
            let start = parser.span();
            let kind = parser.table_primary_kind()?;
            let table = TableRef { kind, span: parser.since(start) };
            parser.refuse_table_suffix()?;
            Ok(table)
        })
    }

    fn table_primary_kind(&mut self) -> Parsed<TableRefKind> {
        if self.is_word("TABLE") && self.is_symbol_at(1, "(") {
            return self.window_function();
        }
        if self.is_word("UNNEST") {
            return self.unnest();
        }
        if self.is_word("LATERAL") {
            return self.lateral();
        }
        if self.is_symbol("(") {
            return self.parenthesised_table();
        }
        let name = self.path("the name of a table")?;
        let hints = self.hints()?;
        if self.accept_words(&["FOR", "SYSTEM_TIME"]) {
            self.expect_word("AS")?;
            self.expect_word("OF")?;
            let time = self.expression()?;
            let alias = self.table_alias()?;
            return Ok(TableRefKind::AsOf(Box::new(TableAsOf { name, hints, time, alias })));
        }
        let alias = self.table_alias()?;
        Ok(TableRefKind::Table { name, hints, alias })
    }

    fn refuse_table_suffix(&mut self) -> Parsed<()> {
        for (word, name) in [
            ("MATCH_RECOGNIZE", "MATCH_RECOGNIZE is not offered yet"),
            ("FOR", "FOR SYSTEM_TIME AS OF stands behind the name of a table, before its alias"),
            ("TABLESAMPLE", "TABLESAMPLE is not supported in Flink SQL"),
        ] {
            if self.is_word(word) {
                return Err(Problem::new(self.span(), name));
            }
        }
        Ok(())
    }

    // `UNNEST(array) [AS t(a)]` (row B6.17).
    fn unnest(&mut self) -> Parsed<TableRefKind> {
        self.advance();
        self.expect_symbol("(")?;
        let collection = self.expression()?;
        self.expect_symbol(")")?;
        if self.is_words(&["WITH", "ORDINALITY"]) {
            return Err(Problem::new(self.span(), "UNNEST .. WITH ORDINALITY came with Flink 2.x"));
        }
        let alias = self.table_alias()?;
        Ok(TableRefKind::Unnest { collection, alias })
    }

    fn lateral(&mut self) -> Parsed<TableRefKind> {
        self.advance();
        if self.is_symbol("(") && self.is_query_at(1) {
            self.expect_symbol("(")?;
            let query = Box::new(self.query()?);
            self.expect_symbol(")")?;
            let alias = self.table_alias()?;
            return Ok(TableRefKind::Lateral { query, alias });
        }
        let construct = "LATERAL TABLE (a table function)";
        self.expect_word("TABLE")?;
        self.expect_symbol("(")?;
        self.skip_parentheses()?;
        self.table_alias()?;
        Ok(TableRefKind::Unsupported { construct })
    }

    // To the closing parenthesis of one that was opened.
    fn skip_parentheses(&mut self) -> Parsed<()> {
        let mut open = 1;
        while open > 0 {
            if self.at_end() || self.is_symbol(";") {
                return Err(self.expected("')'"));
            }
            open += usize::from(self.is_symbol("("));
            open -= usize::from(self.is_symbol(")"));
            self.advance();
        }
        Ok(())
    }

    fn parenthesised_table(&mut self) -> Parsed<TableRefKind> {
        if self.is_query_at(0) {
            self.expect_symbol("(")?;
            let query = Box::new(self.query()?);
            self.expect_symbol(")")?;
            let alias = self.table_alias()?;
            return Ok(TableRefKind::Derived { query, alias });
        }
        self.expect_symbol("(")?;
        let inner = self.table_list()?;
        self.expect_symbol(")")?;
        Ok(inner.kind)
    }

    fn table_alias(&mut self) -> Parsed<Option<Alias>> {
        let Some(name) = self.alias_name()? else { return Ok(None) };
        let columns = if self.is_symbol("(") {
            self.parenthesised_names("the name of a column")?
        } else {
            Vec::new()
        };
        Ok(Some(Alias { name, columns }))
    }

    // `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL ...)) [AS w]`
    fn window_function(&mut self) -> Parsed<TableRefKind> {
        self.at += 2;
        let function = self.ident("TUMBLE, HOP, CUMULATE or SESSION")?;
        self.expect_symbol("(")?;
        self.named_argument("DATA");
        self.expect_word("TABLE").map_err(|problem| {
            problem.with_hint(
                "a windowing function takes TABLE <name>: the name of a table or view (row B3.6)",
            )
        })?;
        if self.is_symbol("(") {
            return Err(Problem::new(
                self.span(),
                "a windowing function takes the name of a table or view, not a subquery",
            )
            .with_hint("make a view of the subquery"));
        }
        let table = self.path("the name of a table or view")?;
        let hints = self.hints()?;
        let partition = if self.is_word("PARTITION") { self.partition_by()? } else { Vec::new() };
        let time_column = self.descriptor()?;
        let mut arguments = Vec::new();
        while self.accept_symbol(",") {
            arguments.push(self.window_argument()?);
        }
        self.expect_symbol(")")?;
        self.expect_symbol(")")?;
        let alias = self.table_alias()?;
        let call = WindowCall { function, table, hints, partition, time_column, arguments };
        Ok(TableRefKind::WindowFunction { call, alias })
    }

    // A comma also ends the clause: DESCRIPTOR is the next argument.
    fn partition_by(&mut self) -> Parsed<Vec<Expr>> {
        self.advance();
        self.expect_word("BY")?;
        let parenthesised = self.accept_symbol("(");
        let mut keys = vec![self.expression()?];
        while self.is_symbol(",") {
            let comma = self.at;
            self.advance();
            if self.is_word("DESCRIPTOR") || self.is_word("TIMECOL") {
                self.at = comma;
                break;
            }
            keys.push(self.expression()?);
        }
        if parenthesised {
            self.expect_symbol(")")?;
        }
        Ok(keys)
    }

    fn named_argument(&mut self, name: &str) {
        if self.is_word(name) && self.is_symbol_at(1, "=>") {
            self.at += 2;
        }
    }

    fn descriptor(&mut self) -> Parsed<Ident> {
        self.expect_symbol(",")?;
        self.named_argument("TIMECOL");
        self.expect_word("DESCRIPTOR")?;
        self.expect_symbol("(")?;
        let column = self.ident("the name of the time column")?;
        self.expect_symbol(")")?;
        Ok(column)
    }

    fn window_argument(&mut self) -> Parsed<(Option<Ident>, Expr)> {
        if self.is_symbol_at(1, "=>") {
            let name = self.ident("the name of an argument")?;
            self.advance();
            return Ok((Some(name), self.expression()?));
        }
        Ok((None, self.expression()?))
    }
}
