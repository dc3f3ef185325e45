//! Queries: WITH, SELECT, VALUES, set operators, ORDER BY, LIMIT (section B.1, B.8).

use super::{Parsed, Parser};
use crate::ast::{
    CommonTable, Count, Expr, Ident, OrderItem, Path, Query, Select, SelectItem, SetExpr,
    SetOperator,
};
use crate::diagnostic::Problem;

impl Parser<'_> {
    pub(super) fn at_query(&self) -> bool {
        self.is_query_at(0)
    }

    /// Whether a query starts here, possibly in parentheses.
    pub(super) fn is_query_at(&self, mut offset: usize) -> bool {
        while self.is_symbol_at(offset, "(") {
            offset += 1;
        }
        ["SELECT", "VALUES", "WITH"].iter().any(|word| self.is_word_at(offset, word))
    }

    pub(super) fn query(&mut self) -> Parsed<Query> {
        self.nested(|parser| {
            let start = parser.span();
            let with = if parser.accept_word("WITH") { parser.common_tables()? } else { vec![] };
            let body = parser.set_expression()?;
            let mut query =
                Query { with, body, order_by: vec![], limit: None, offset: None, span: start };
            parser.query_tail(&mut query)?;
            query.span = parser.since(start);
            Ok(query)
        })
    }

    fn common_tables(&mut self) -> Parsed<Vec<CommonTable>> {
        if self.is_word("RECURSIVE") {
            return Err(Problem::new(self.span(), "Flink SQL has no recursive queries"));
        }
        self.comma_separated(|parser| {
            let name = parser.ident("a name for the common table")?;
            let columns = if parser.is_symbol("(") {
                parser.parenthesised_names("the name of a column")?
            } else {
                Vec::new()
            };
            parser.expect_word("AS")?;
            parser.expect_symbol("(")?;
            let query = parser.query()?;
            parser.expect_symbol(")")?;
            Ok(CommonTable { name, columns, query })
        })
    }

    fn query_tail(&mut self, query: &mut Query) -> Parsed<()> {
        if self.accept_words(&["ORDER", "BY"]) {
            query.order_by = self.order_items()?;
        }
        if self.accept_word("LIMIT") {
            query.limit = if self.accept_word("ALL") { None } else { Some(self.count()?) };
        }
        if self.accept_word("OFFSET") {
            query.offset = Some(self.count()?);
            let _ = self.accept_word("ROWS") || self.accept_word("ROW");
        }
        if self.accept_word("FETCH") {
            let _ = self.accept_word("FIRST") || self.accept_word("NEXT");
            query.limit = Some(self.count()?);
            let _ = self.accept_word("ROWS") || self.accept_word("ROW");
            self.expect_word("ONLY")?;
        }
        Ok(())
    }

    fn count(&mut self) -> Parsed<Count> {
        let (rows, span) = self.whole_number("a number of rows")?;
        Ok(Count { rows, span })
    }

    pub(super) fn order_items(&mut self) -> Parsed<Vec<OrderItem>> {
        self.comma_separated(|parser| {
            let expression = parser.expression()?;
            let descending = parser.accept_word("DESC");
            if !descending {
                parser.accept_word("ASC");
            }
            let nulls_first = if parser.accept_words(&["NULLS", "FIRST"]) {
                Some(true)
            } else if parser.accept_words(&["NULLS", "LAST"]) {
                Some(false)
            } else {
                None
            };
            Ok(OrderItem { expression, ascending: !descending, nulls_first })
        })
    }

    // UNION, EXCEPT and MINUS bind alike; INTERSECT binds tighter.
    fn set_expression(&mut self) -> Parsed<SetExpr> {
        let start = self.span();
        let mut left = self.intersection()?;
        let mut chain = 0;
        loop {
            let at = self.span();
            let operator = if self.accept_word("UNION") {
                SetOperator::Union
            } else if self.accept_word("EXCEPT") || self.accept_word("MINUS") {
                SetOperator::Except
            } else {
                return Ok(left);
            };
            chain += 1;
            self.check_chain(chain)?;
            let all = self.accept_word("ALL");
            if !all {
                self.accept_word("DISTINCT");
            }
            let right = Box::new(self.intersection()?);
            let span = if operator == SetOperator::Union { self.since(start) } else { at };
            left = SetExpr::Combine { left: Box::new(left), right, operator, all, span };
        }
    }

    fn intersection(&mut self) -> Parsed<SetExpr> {
        let mut left = self.set_primary()?;
        let mut chain = 0;
        while self.is_word("INTERSECT") {
            let span = self.span();
            self.advance();
            chain += 1;
            self.check_chain(chain)?;
            let all = self.accept_word("ALL");
            let right = Box::new(self.set_primary()?);
            let operator = SetOperator::Intersect;
            left = SetExpr::Combine { left: Box::new(left), right, operator, all, span };
        }
        Ok(left)
    }

    fn set_primary(&mut self) -> Parsed<SetExpr> {
        let start = self.span();
        if self.is_word("SELECT") {
            return self.select().map(|select| SetExpr::Select(Box::new(select)));
        }
        if self.accept_word("VALUES") {
            let rows = self.comma_separated(Self::values_row)?;
            return Ok(SetExpr::Values { rows, span: self.since(start) });
        }
        if self.accept_symbol("(") {
            let query = self.query()?;
            self.expect_symbol(")")?;
            return Ok(SetExpr::Nested(Box::new(query)));
        }
        Err(self.expected("SELECT, VALUES or a query in parentheses"))
    }

    fn values_row(&mut self) -> Parsed<Vec<Expr>> {
        let explicit_row = self.is_word("ROW") && self.is_symbol_at(1, "(");
        if explicit_row {
            self.advance();
        }
        if !self.accept_symbol("(") {
            return Ok(vec![self.expression()?]);
        }
        let row = self.comma_separated(Self::expression)?;
        self.expect_symbol(")")?;
        Ok(row)
    }

    fn select(&mut self) -> Parsed<Select> {
        let start = self.span();
        self.expect_word("SELECT")?;
        let hints = self.hints()?;
        let distinct = self.accept_word("DISTINCT");
        if !distinct {
            self.accept_word("ALL");
        }
        let items = self.comma_separated(Self::select_item)?;
        let from = if self.accept_word("FROM") { Some(self.table_list()?) } else { None };
        let filter = self.filter(from.is_some())?;
        let group_by = self.group_by()?;
        let having = if self.accept_word("HAVING") { Some(self.expression()?) } else { None };
        let windows = self.named_windows()?;
        self.refuse_late_clauses()?;
        let span = self.since(start);
        Ok(Select { hints, distinct, items, from, filter, group_by, having, windows, span })
    }

    fn filter(&mut self, has_from: bool) -> Parsed<Option<Expr>> {
        if has_from && self.accept_word("WHERE") {
            return Ok(Some(self.expression()?));
        }
        Ok(None)
    }

    fn refuse_late_clauses(&mut self) -> Parsed<()> {
        if self.is_word("QUALIFY") && !self.is_symbol_at(1, ".") {
            return Err(Problem::new(self.span(), "QUALIFY came with Flink 2.0")
                .with_hint("filter on ROW_NUMBER() in an outer query"));
        }
        Ok(())
    }

    fn select_item(&mut self) -> Parsed<SelectItem> {
        let start = self.span();
        if self.accept_symbol("*") {
            return Ok(SelectItem::Wildcard { qualifier: None, span: start });
        }
        if let Some(qualifier) = self.wildcard_qualifier() {
            return Ok(SelectItem::Wildcard {
                qualifier: Some(qualifier),
                span: self.since(start),
            });
        }
        let expression = self.expression()?;
        let alias = self.alias_name()?;
        Ok(SelectItem::Expr { expression, alias })
    }

    // `t.*`, `t.r.*`
    fn wildcard_qualifier(&mut self) -> Option<Path> {
        let before = self.at;
        let mut parts = Vec::new();
        while let Some(part) = self.accept_ident() {
            parts.push(part);
            if !self.accept_symbol(".") {
                break;
            }
            if self.accept_symbol("*") {
                return Some(Path { parts });
            }
        }
        self.at = before;
        None
    }

    pub(super) fn alias_name(&mut self) -> Parsed<Option<Ident>> {
        if self.accept_word("AS") {
            return self.ident("a name after AS").map(Some);
        }
        // QUALIFY is no reserved word before Flink 2.0, yet never an alias worth having.
        if self.is_word("QUALIFY") {
            return Ok(None);
        }
        Ok(self.accept_ident())
    }

    pub(super) fn check_chain(&self, length: usize) -> Parsed<()> {
        if length > super::MAX_CHAIN {
            let message =
                format!("more than {} operators stand in one chain here", super::MAX_CHAIN);
            return Err(Problem::new(self.span(), message));
        }
        Ok(())
    }
}
