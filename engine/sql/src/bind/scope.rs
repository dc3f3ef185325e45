//! Which columns a name may mean.

use std::collections::BTreeSet;

use millrace_dataflow::{DataType, Field, Schema};

use super::Bound;
use crate::ast::{Ident, Path};
use crate::diagnostic::Problem;
use crate::nearest;

/// The columns of the FROM clause, relation by relation.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub relations: Vec<Relation>,
    /// The query around a subquery: names that are not found here.
    pub outer: Option<Box<Scope>>,
    /// Columns that `*` lists first: left's of a JOIN .. USING.
    pub shared: BTreeSet<usize>,
    /// Columns that only a qualified name means: right's of a JOIN .. USING.
    pub hidden: BTreeSet<usize>,
}

/// One relation of the FROM clause.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    /// Alias, or the parts of the table's name; empty for a subquery without an alias.
    pub name: Vec<String>,
    /// Where its columns start in the row.
    pub offset: usize,
    pub fields: Vec<Field>,
}

/// A column and the members of it that the path goes on to name.
pub(super) struct Found<'p> {
    pub index: usize,
    pub data_type: DataType,
    pub members: &'p [Ident],
}

impl Scope {
    pub(super) fn of_schema(name: Vec<String>, schema: &Schema) -> Scope {
        let relation = Relation { name, offset: 0, fields: schema.fields.clone() };
        Scope { relations: vec![relation], ..Scope::default() }
    }

    /// `self` to the left of `right`.
    pub(super) fn join(mut self, right: Scope) -> Scope {
        let offset = self.len();
        self.shared.extend(right.shared.iter().map(|column| column + offset));
        self.hidden.extend(right.hidden.iter().map(|column| column + offset));
        self.relations.extend(
            right
                .relations
                .into_iter()
                .map(|relation| Relation { offset: relation.offset + offset, ..relation }),
        );
        self
    }

    /// `self` as the scope of a subquery of a query over `outer`, whose columns come
    /// first in the row.
    pub(super) fn within(mut self, outer: &Scope) -> Scope {
        let width = outer.len();
        self.relations.iter_mut().for_each(|relation| relation.offset += width);
        self.shared = self.shared.iter().map(|column| column + width).collect();
        self.hidden = self.hidden.iter().map(|column| column + width).collect();
        self.outer = Some(Box::new(outer.clone()));
        self
    }

    /// The columns that `*`, or `t.*` with a qualifier, stands for.
    pub(super) fn listed(&self, qualifier: Option<&Path>) -> Vec<(usize, &str)> {
        let named = self
            .relations
            .iter()
            .filter(|relation| qualifier.is_none_or(|qualifier| relation.is_named(qualifier)));
        let columns = named.flat_map(|relation| {
            let fields = relation.fields.iter().enumerate();
            fields.map(|(position, field)| (relation.offset + position, field.name.as_str()))
        });
        if qualifier.is_some() {
            return columns.collect();
        }
        let visible = columns.filter(|(column, _)| !self.hidden.contains(column));
        let (mut first, rest): (Vec<_>, Vec<_>) =
            visible.partition(|(column, _)| self.shared.contains(column));
        first.extend(rest);
        first
    }

    pub(super) fn len(&self) -> usize {
        self.relations.iter().map(|relation| relation.fields.len()).sum()
    }

    /// `a`, `t.a`, `t.r.f`, `r.f`: the first part is a relation if one has that name
    /// and the second part is its column, else a column.
    pub(super) fn resolve<'p>(&self, path: &'p Path) -> Bound<Found<'p>> {
        let found = self.resolve_here(path);
        match &self.outer {
            Some(outer) => found.or_else(|problem| outer.resolve(path).map_err(|_| problem)),
            None => found,
        }
    }

    fn resolve_here<'p>(&self, path: &'p Path) -> Bound<Found<'p>> {
        for relation in &self.relations {
            if let Some(used) = relation.matches(&path.parts) {
                let found = relation.column(&path.parts[used], &path.parts[used + 1..]);
                // A ROW column may have its table's name.
                return found.or_else(|problem| self.resolve_column(path).map_err(|_| problem));
            }
        }
        self.resolve_column(path)
    }

    fn resolve_column<'p>(&self, path: &'p Path) -> Bound<Found<'p>> {
        let first = &path.parts[0];
        let mut found = None;
        for relation in &self.relations {
            for (position, field) in relation.fields.iter().enumerate() {
                let is_hidden = self.hidden.contains(&(relation.offset + position));
                if field.name != first.text || is_hidden {
                    continue;
                }
                if found.is_some() {
                    let message = format!("Column '{}' is ambiguous", first.text);
                    return Err(Problem::new(first.span, message)
                        .with_hint("put the table's name or alias before it"));
                }
                found = Some((relation.offset + position, field));
            }
        }
        let Some((index, field)) = found else { return Err(self.unknown(path)) };
        let data_type = field.data_type.clone();
        Ok(Found { index, data_type, members: &path.parts[1..] })
    }

    fn unknown(&self, path: &Path) -> Problem {
        let first = &path.parts[0];
        if path.parts.len() > 1 {
            let names = self.relations.iter().filter_map(|relation| relation.name.last());
            let names = names.chain(self.column_names());
            let hint = nearest::hint(&first.text, names.map(String::as_str));
            let message = format!("Table or column '{}' not found", first.text);
            return Problem::new(first.span, message).or_hint(hint);
        }
        let hint = nearest::hint(&first.text, self.column_names().map(String::as_str));
        Problem::new(first.span, format!("Column '{}' not found in any table", first.text))
            .or_hint(hint)
    }

    fn column_names(&self) -> impl Iterator<Item = &String> {
        self.relations.iter().flat_map(|relation| relation.fields.iter().map(|field| &field.name))
    }
}

impl Relation {
    /// How many leading parts name this relation, when a column follows them.
    fn matches(&self, parts: &[Ident]) -> Option<usize> {
        (1..=self.name.len()).rev().filter(|used| parts.len() > *used).find(|used| {
            let suffix = &self.name[self.name.len() - used..];
            suffix.iter().zip(parts).all(|(name, part)| *name == part.text)
        })
    }

    /// Whether `qualifier` names this relation as a whole: `t.*`.
    pub(super) fn is_named(&self, qualifier: &Path) -> bool {
        let count = qualifier.parts.len();
        count <= self.name.len()
            && self.name[self.name.len() - count..]
                .iter()
                .zip(&qualifier.parts)
                .all(|(name, part)| *name == part.text)
    }

    fn column<'p>(&self, name: &Ident, members: &'p [Ident]) -> Bound<Found<'p>> {
        match self.fields.iter().position(|field| field.name == name.text) {
            Some(position) => Ok(Found {
                index: self.offset + position,
                data_type: self.fields[position].data_type.clone(),
                members,
            }),
            None => {
                let names = self.fields.iter().map(|field| field.name.as_str());
                let hint = nearest::hint(&name.text, names);
                let table = self.name.last().map_or("", String::as_str);
                let message = format!("Column '{}' not found in table '{table}'", name.text);
                Err(Problem::new(name.span, message).or_hint(hint))
            }
        }
    }
}
