//! Statements, and the bodies of statement sets (section A).

use super::{Parsed, Parser};
use crate::ast::{DropKind, Hint, Insert, Statement, StatementKind, TableOption};
use crate::diagnostic::Problem;
use crate::lexer::TokenKind;

/// Statements that Flink has and this engine does not offer, by their first words.
const NOT_OFFERED: [(&[&str], &str); 20] = [
    (&["ALTER"], "ALTER"),
    (&["DELETE"], "DELETE"),
    (&["UPDATE"], "UPDATE"),
    (&["UPSERT"], "UPSERT INTO"),
    (&["MERGE"], "MERGE"),
    (&["TRUNCATE"], "TRUNCATE TABLE"),
    (&["CALL"], "CALL"),
    (&["ANALYZE"], "ANALYZE TABLE"),
    (&["LOAD"], "LOAD MODULE"),
    (&["UNLOAD"], "UNLOAD MODULE"),
    (&["ADD"], "ADD JAR"),
    (&["REMOVE"], "REMOVE JAR"),
    (&["COMPILE"], "COMPILE PLAN"),
    (&["STOP"], "STOP JOB"),
    (&["HELP"], "HELP"),
    (&["CREATE", "CATALOG"], "CREATE CATALOG"),
    (&["CREATE", "DATABASE"], "CREATE DATABASE"),
    (&["CREATE", "FUNCTION"], "CREATE FUNCTION"),
    (&["CREATE", "MATERIALIZED"], "CREATE MATERIALIZED TABLE"),
    (&["EXECUTE", "PLAN"], "EXECUTE PLAN"),
];

impl Parser<'_> {
    pub(super) fn statement_and_terminator(&mut self) -> Parsed<Statement> {
        let statement = self.statement()?;
        if self.at_end() || self.accept_symbol(";") {
            return Ok(statement);
        }
        Err(self.expected("';' or the end of the script"))
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let start = self.span();
        if let Some((words, name)) = NOT_OFFERED.iter().find(|(words, _)| self.is_words(words)) {
            let span = start.to(self.peek_at(words.len() - 1).span);
            let problem = Problem::new(span, format!("{name} is not offered yet"));
            return Err(match name.ends_with(" PLAN") {
                true => problem.with_hint(
                    "'millrace sql compile FILE' prints the plan of a script; a plan is run in place of a script",
                ),
                false => problem,
            });
        }
        let kind = self.statement_kind()?;
        Ok(Statement { kind, span: self.since(start) })
    }

    fn statement_kind(&mut self) -> Parsed<StatementKind> {
        if self.is_word("CREATE") {
            return self.create();
        }
        if self.accept_word("DROP") {
            return self.drop();
        }
        if self.accept_word("SET") {
            return self.set();
        }
        if self.accept_word("RESET") {
            return self.reset();
        }
        if self.is_word("INSERT") || self.is_words(&["EXECUTE", "INSERT"]) {
            return self.insert().map(StatementKind::Insert);
        }
        if self.is_words(&["BEGIN", "STATEMENT", "SET"]) || self.is_words(&["EXECUTE", "STATEMENT"])
        {
            return self.statement_set();
        }
        if self.accept_word("EXPLAIN") {
            return self.explain();
        }
        if self.accept_word("SHOW") {
            return self.show();
        }
        if self.accept_word("DESCRIBE") || self.accept_word("DESC") {
            self.accept_word("EXTENDED");
            return Ok(StatementKind::Describe { name: self.path("the name of a table")? });
        }
        if self.accept_word("USE") {
            return self.use_statement();
        }
        if self.at_query() {
            return self.query().map(StatementKind::Query);
        }
        Err(self.expected("a statement"))
    }

    fn drop(&mut self) -> Parsed<StatementKind> {
        let temporary = self.accept_word("TEMPORARY");
        let what = if self.accept_word("TABLE") {
            DropKind::Table
        } else if self.accept_word("VIEW") {
            DropKind::View
        } else {
            return Err(self.expected("TABLE or VIEW"));
        };
        let if_exists = self.accept_words(&["IF", "EXISTS"]);
        let name = self.path("a name")?;
        Ok(StatementKind::Drop { what, name, if_exists, temporary })
    }

    fn set(&mut self) -> Parsed<StatementKind> {
        if self.at_end() || self.is_symbol(";") {
            return Ok(StatementKind::ShowSettings);
        }
        let quoting = "keys and values are quoted: SET 'key' = 'value'";
        let key =
            self.text("a key in single quotes").map_err(|problem| problem.with_hint(quoting))?;
        self.expect_symbol("=")?;
        let value =
            self.text("a value in single quotes").map_err(|problem| problem.with_hint(quoting))?;
        Ok(StatementKind::Set { key, value })
    }

    fn reset(&mut self) -> Parsed<StatementKind> {
        if self.at_end() || self.is_symbol(";") {
            return Ok(StatementKind::Reset { key: None });
        }
        Ok(StatementKind::Reset { key: Some(self.text("a key in single quotes")?) })
    }

    pub(super) fn insert(&mut self) -> Parsed<Insert> {
        let start = self.span();
        self.accept_word("EXECUTE");
        self.expect_word("INSERT")?;
        if self.is_word("OVERWRITE") {
            return Err(Problem::new(
                self.span(),
                "INSERT OVERWRITE needs a bounded input and is not offered; write INSERT INTO",
            ));
        }
        self.expect_word("INTO")?;
        let table = self.path("the name of the table to write")?;
        let hints = self.hints()?;
        if self.is_word("PARTITION") {
            return Err(Problem::new(
                self.span(),
                "INSERT INTO ... PARTITION (...) is not offered yet; select the partition's value as a column",
            ));
        }
        let columns = if self.is_symbol("(") && !self.is_query_at(1) {
            self.parenthesised_names("the name of a column")?
        } else {
            Vec::new()
        };
        let query = self.query()?;
        Ok(Insert { table, hints, columns, query, span: self.since(start) })
    }

    // `EXECUTE STATEMENT SET BEGIN ins; ins; END` or `BEGIN STATEMENT SET; ins; END`.
    fn statement_set(&mut self) -> Parsed<StatementKind> {
        if self.accept_word("EXECUTE") {
            self.expect_word("STATEMENT")?;
            self.expect_word("SET")?;
            self.expect_word("BEGIN")?;
        } else {
            self.at += 3;
            self.expect_symbol(";")?;
        }
        let mut inserts = Vec::new();
        while !self.accept_word("END") {
            inserts.push(self.insert_of_set()?);
        }
        Ok(StatementKind::StatementSet(inserts))
    }

    fn insert_of_set(&mut self) -> Parsed<Insert> {
        if !(self.is_word("INSERT") || self.is_words(&["EXECUTE", "INSERT"])) {
            return Err(self.expected("INSERT INTO or END"));
        }
        let insert = self.insert()?;
        self.expect_symbol(";")?;
        while self.accept_symbol(";") {}
        Ok(insert)
    }

    fn explain(&mut self) -> Parsed<StatementKind> {
        let details = ["ESTIMATED_COST", "CHANGELOG_MODE", "PLAN_ADVICE", "JSON_EXECUTION_PLAN"];
        if !self.accept_words(&["PLAN", "FOR"]) {
            while details.iter().any(|detail| self.accept_word(detail)) {
                self.accept_symbol(",");
            }
        }
        let start = self.span();
        let kind = if self.is_words(&["STATEMENT", "SET"]) {
            self.at += 2;
            self.expect_word("BEGIN")?;
            let mut inserts = Vec::new();
            while !self.accept_word("END") {
                inserts.push(self.insert_of_set()?);
            }
            StatementKind::StatementSet(inserts)
        } else if self.is_word("INSERT") {
            StatementKind::Insert(self.insert()?)
        } else {
            StatementKind::Query(self.query()?)
        };
        let statement = Box::new(Statement { kind, span: self.since(start) });
        Ok(StatementKind::Explain { statement })
    }

    fn show(&mut self) -> Parsed<StatementKind> {
        if self.accept_word("TABLES") {
            return Ok(StatementKind::ShowTables);
        }
        if self.accept_word("VIEWS") {
            return Ok(StatementKind::ShowViews);
        }
        let problem = self.expected("TABLES or VIEWS");
        Err(problem.with_hint("other SHOW statements are not offered yet"))
    }

    fn use_statement(&mut self) -> Parsed<StatementKind> {
        if self.accept_word("CATALOG") {
            return Ok(StatementKind::UseCatalog { name: self.ident("the name of a catalog")? });
        }
        Ok(StatementKind::UseDatabase { name: self.path("the name of a database")? })
    }

    /// Zero or more `/*+ NAME('k'='v', ...) [, NAME ...] */`.
    pub(super) fn hints(&mut self) -> Parsed<Vec<Hint>> {
        let mut hints = Vec::new();
        while self.peek().kind == TokenKind::HintStart {
            self.advance();
            while self.peek().kind != TokenKind::HintEnd {
                hints.push(self.hint()?);
                self.accept_symbol(",");
            }
            self.advance();
        }
        Ok(hints)
    }

    fn hint(&mut self) -> Parsed<Hint> {
        let name = self.ident("the name of a hint")?;
        let mut options = Vec::new();
        if self.accept_symbol("(") {
            while !self.accept_symbol(")") {
                options.push(self.hint_option()?);
                self.accept_symbol(",");
            }
        }
        Ok(Hint { name, options })
    }

    // `'k'='v'`, or a bare name as in BROADCAST(t), kept as a key without a value.
    fn hint_option(&mut self) -> Parsed<TableOption> {
        if let Some(name) = self.accept_ident() {
            let text = crate::ast::Text { value: name.text, span: name.span };
            return Ok(TableOption {
                value: crate::ast::Text { value: String::new(), ..text.clone() },
                key: text,
            });
        }
        let key = self.text("a key in single quotes")?;
        self.expect_symbol("=")?;
        let value = self.text("a value in single quotes")?;
        Ok(TableOption { key, value })
    }
}
