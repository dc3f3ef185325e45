//! CREATE TABLE and CREATE VIEW (sections A.2 and A.4).

use super::{Parsed, Parser};
use crate::ast::{
    ColumnDefinition, ColumnKind, CreateTable, CreateView, Ident, Like, LikeOption, LikeStrategy,
    PrimaryKey, StatementKind, TableOption, Watermark,
};
use crate::diagnostic::Problem;
use crate::span::Span;

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Parsed<StatementKind> {
        let start = self.span();
        self.expect_word("CREATE")?;
        if self.accept_words(&["OR", "REPLACE"]) && !self.is_word("VIEW") {
            return Err(Problem::new(self.since(start), "CREATE OR REPLACE is not offered"));
        }
        let temporary = self.accept_word("TEMPORARY");
        if self.accept_word("TABLE") {
            return self.create_table(temporary);
        }
        if self.accept_word("VIEW") {
            return self.create_view(temporary);
        }
        Err(self.expected("TABLE or VIEW"))
    }

    fn create_view(&mut self, temporary: bool) -> Parsed<StatementKind> {
        let if_not_exists = self.accept_words(&["IF", "NOT", "EXISTS"]);
        let name = self.path("the name of the view")?;
        let columns = if self.is_symbol("(") {
            self.parenthesised_names("the name of a column")?
        } else {
            Vec::new()
        };
        self.comment()?;
        self.expect_word("AS")?;
        let query = self.query()?;
        let view = CreateView { name, temporary, if_not_exists, columns, query };
        Ok(StatementKind::CreateView(view))
    }

    fn create_table(&mut self, temporary: bool) -> Parsed<StatementKind> {
        let if_not_exists = self.accept_words(&["IF", "NOT", "EXISTS"]);
        let name = self.path("the name of the table")?;
        let mut table = CreateTable {
            name,
            temporary,
            if_not_exists,
            columns: Vec::new(),
            watermarks: Vec::new(),
            primary_keys: Vec::new(),
            partitioned_by: Vec::new(),
            options: Vec::new(),
            like: None,
        };
        if self.accept_symbol("(") && !self.accept_symbol(")") {
            self.table_element(&mut table)?;
            while self.accept_symbol(",") {
                self.table_element(&mut table)?;
            }
            self.expect_symbol(")")?;
        }
        self.table_tail(&mut table)?;
        Ok(StatementKind::CreateTable(table))
    }

    fn table_tail(&mut self, table: &mut CreateTable) -> Parsed<()> {
        self.comment()?;
        if self.is_word("DISTRIBUTED") {
            return Err(Problem::new(self.span(), "DISTRIBUTED BY is not offered yet"));
        }
        if self.accept_words(&["PARTITIONED", "BY"]) {
            table.partitioned_by = self.parenthesised_names("the name of a column")?;
        }
        if self.accept_word("WITH") {
            table.options = self.options()?;
        }
        if self.accept_word("LIKE") {
            table.like = Some(self.like()?);
        }
        if self.is_word("AS") {
            return Err(Problem::new(self.span(), "CREATE TABLE ... AS SELECT is not offered yet")
                .with_hint("write CREATE TABLE with columns, then INSERT INTO"));
        }
        Ok(())
    }

    fn table_element(&mut self, table: &mut CreateTable) -> Parsed<()> {
        let start = self.span();
        if self.is_word("WATERMARK") && self.is_word_at(1, "FOR") {
            table.watermarks.push(self.watermark()?);
            return Ok(());
        }
        if self.accept_word("CONSTRAINT") {
            self.ident("the name of the constraint")?;
        }
        if self.is_word("UNIQUE") {
            return Err(Problem::new(
                self.span(),
                "UNIQUE is not supported; Flink knows PRIMARY KEY only",
            ));
        }
        if self.accept_words(&["PRIMARY", "KEY"]) {
            let columns = self.parenthesised_names("the name of a column")?;
            return self.primary_key(table, columns, start);
        }
        let column = self.column(table)?;
        table.columns.push(column);
        Ok(())
    }

    fn watermark(&mut self) -> Parsed<Watermark> {
        let start = self.span();
        self.at += 2;
        let column = self.path("the name of the time column")?;
        self.expect_word("AS")?;
        let expression = self.expression()?;
        Ok(Watermark { column, expression, span: self.since(start) })
    }

    fn primary_key(
        &mut self,
        table: &mut CreateTable,
        columns: Vec<Ident>,
        start: Span,
    ) -> Parsed<()> {
        let enforced = !self.accept_word("NOT");
        let written = self.accept_word("ENFORCED");
        let span = self.since(start);
        if enforced || !written {
            return Err(Problem::new(
                span,
                "Flink does not own the data and cannot enforce a primary key",
            )
            .with_hint("write PRIMARY KEY ... NOT ENFORCED"));
        }
        table.primary_keys.push(PrimaryKey { columns, span });
        Ok(())
    }

    fn column(&mut self, table: &mut CreateTable) -> Parsed<ColumnDefinition> {
        let name = self.ident("the name of a column")?;
        let kind = if self.accept_word("AS") {
            ColumnKind::Computed { expression: self.expression()? }
        } else {
            self.typed_column(&name, table)?
        };
        self.comment()?;
        Ok(ColumnDefinition { name, kind })
    }

    fn typed_column(&mut self, name: &Ident, table: &mut CreateTable) -> Parsed<ColumnKind> {
        let start = self.span();
        let data_type = self.data_type()?;
        if self.accept_word("METADATA") {
            let key = if self.accept_word("FROM") {
                Some(self.text("the metadata key in single quotes")?)
            } else {
                None
            };
            let is_virtual = self.accept_word("VIRTUAL");
            return Ok(ColumnKind::Metadata { data_type, key, is_virtual });
        }
        if self.accept_word("CONSTRAINT") {
            self.ident("the name of the constraint")?;
        }
        if self.accept_words(&["PRIMARY", "KEY"]) {
            self.primary_key(table, vec![name.clone()], start)?;
        }
        Ok(ColumnKind::Physical { data_type })
    }

    fn comment(&mut self) -> Parsed<()> {
        if self.accept_word("COMMENT") {
            self.text("a comment in single quotes")?;
        }
        Ok(())
    }

    fn options(&mut self) -> Parsed<Vec<TableOption>> {
        self.expect_symbol("(")?;
        let options = self.comma_separated(|parser| {
            let key = parser.text("an option's key in single quotes")?;
            parser.expect_symbol("=")?;
            let value = parser.text("an option's value in single quotes")?;
            Ok(TableOption { key, value })
        })?;
        self.expect_symbol(")")?;
        Ok(options)
    }

    fn like(&mut self) -> Parsed<Like> {
        let source = self.path("the name of a table")?;
        let mut options = Vec::new();
        if self.accept_symbol("(") {
            while !self.accept_symbol(")") {
                options.push(self.like_option()?);
                self.accept_symbol(",");
            }
        }
        Ok(Like { source, options })
    }

    fn like_option(&mut self) -> Parsed<LikeOption> {
        let start = self.span();
        let strategy = if self.accept_word("INCLUDING") {
            LikeStrategy::Including
        } else if self.accept_word("EXCLUDING") {
            LikeStrategy::Excluding
        } else if self.accept_word("OVERWRITING") {
            LikeStrategy::Overwriting
        } else {
            return Err(self.expected("INCLUDING, EXCLUDING or OVERWRITING"));
        };
        let features =
            ["ALL", "CONSTRAINTS", "GENERATED", "METADATA", "OPTIONS", "PARTITIONS", "WATERMARKS"];
        let feature = features.iter().find(|feature| self.accept_word(feature));
        let feature = feature.ok_or_else(|| self.expected(&features.join(", ")))?;
        Ok(LikeOption { strategy, feature: (*feature).to_owned(), span: self.since(start) })
    }
}
