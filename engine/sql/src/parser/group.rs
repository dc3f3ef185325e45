//! GROUP BY, with GROUPING SETS, CUBE and ROLLUP (row B2.8).

use super::{Parsed, Parser};
use crate::ast::{Expr, ExprKind, GroupBy};
use crate::diagnostic::Problem;
use crate::span::Span;

/// More sets than this in one GROUP BY are refused: each row is read once for each.
const MAX_SETS: usize = 256;

/// Sets of positions in the list of keys.
type Sets = Vec<Vec<usize>>;

impl Parser<'_> {
    pub(super) fn group_by(&mut self) -> Parsed<Option<GroupBy>> {
        let start = self.span();
        if !self.accept_words(&["GROUP", "BY"]) {
            return Ok(None);
        }
        let mut keys = Vec::new();
        let (mut sets, mut any) = (vec![Vec::new()], false);
        loop {
            any |= self.at_sets();
            let item = self.group_item(&mut keys)?;
            sets = self.product(&sets, &item, start)?;
            if !self.accept_symbol(",") {
                break;
            }
        }
        Ok(Some(GroupBy { keys, sets: any.then_some(sets), span: self.since(start) }))
    }

    fn at_sets(&self) -> bool {
        self.is_words(&["GROUPING", "SETS"])
            || (self.is_symbol_at(1, "(") && (self.is_word("CUBE") || self.is_word("ROLLUP")))
    }

    fn group_item(&mut self, keys: &mut Vec<Expr>) -> Parsed<Sets> {
        self.nested(|parser| {
            if !parser.at_sets() {
                return Ok(vec![parser.group_keys(keys)?]);
            }
            if parser.accept_words(&["GROUPING", "SETS"]) {
                return parser.set_list(keys).map(|sets| sets.concat());
            }
            let cube = parser.is_word("CUBE");
            let start = parser.span();
            parser.advance();
            let parts = parser.set_list(keys)?;
            let parts: Sets = parts.into_iter().map(|sets| sets.concat()).collect();
            if cube { parser.cube(&parts, start) } else { Ok(rolled_up(&parts)) }
        })
    }

    fn set_list(&mut self, keys: &mut Vec<Expr>) -> Parsed<Vec<Sets>> {
        self.expect_symbol("(")?;
        let mut list = vec![self.group_item(keys)?];
        while self.accept_symbol(",") {
            list.push(self.group_item(keys)?);
        }
        self.expect_symbol(")")?;
        Ok(list)
    }

    fn cube(&self, parts: &[Vec<usize>], start: Span) -> Parsed<Sets> {
        let mut sets = vec![Vec::new()];
        for part in parts {
            sets = self.product(&sets, &[part.clone(), Vec::new()], start)?;
        }
        Ok(sets)
    }

    fn product(&self, sets: &[Vec<usize>], more: &[Vec<usize>], start: Span) -> Parsed<Sets> {
        if sets.len() * more.len() > MAX_SETS {
            let message = format!("more than {MAX_SETS} grouping sets in one GROUP BY");
            return Err(Problem::new(self.since(start), message));
        }
        let joined = |set: &Vec<usize>, other: &Vec<usize>| [set.clone(), other.clone()].concat();
        Ok(sets.iter().flat_map(|set| more.iter().map(move |other| joined(set, other))).collect())
    }

    // A key, or several in parentheses; their positions.
    fn group_keys(&mut self, keys: &mut Vec<Expr>) -> Parsed<Vec<usize>> {
        let first = keys.len();
        if self.is_symbol("(") && self.is_symbol_at(1, ")") {
            self.at += 2;
            return Ok(Vec::new());
        }
        let key = self.expression()?;
        match key.kind {
            ExprKind::Call(call) if call.name == "ROW" && call.name_span == Span::default() => {
                keys.extend(call.arguments);
            }
            kind => keys.push(Expr { kind, span: key.span }),
        }
        Ok((first..keys.len()).collect())
    }
}

// All of them, all but the last, and so on to none.
fn rolled_up(parts: &[Vec<usize>]) -> Sets {
    (0..=parts.len()).rev().map(|count| parts[..count].concat()).collect()
}
