//! The session's tables and views by their full names (rows A1.3, A2.1, A3.10).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Bound;
use crate::ast::{DropKind, Ident, Path};
use crate::diagnostic::Problem;
use crate::logical::{BoundTable, Rel, TableColumn};
use crate::nearest;

/// Catalog, database, object.
pub(super) type FullName = [String; 3];

#[derive(Clone)]
pub(super) enum Entry {
    Table(Arc<BoundTable>),
    View(Arc<Rel>),
    /// Its creation failed and was reported.
    Broken,
}

pub(super) struct Catalog {
    catalog: String,
    database: String,
    builtin: (String, String),
    permanent: BTreeMap<FullName, Entry>,
    /// Shadows what is permanent until it is dropped.
    temporary: BTreeMap<FullName, Entry>,
}

impl Catalog {
    pub(super) fn new(catalog: String, database: String) -> Catalog {
        Catalog {
            builtin: (catalog.clone(), database.clone()),
            catalog,
            database,
            permanent: BTreeMap::new(),
            temporary: BTreeMap::new(),
        }
    }

    pub(super) fn full_name(&self, path: &Path) -> Bound<FullName> {
        let mut parts: Vec<String> = path.parts.iter().map(|part| part.text.clone()).collect();
        match parts.len() {
            1 => parts.splice(0..0, [self.catalog.clone(), self.database.clone()]).for_each(drop),
            2 => parts.insert(0, self.catalog.clone()),
            _ => {}
        }
        <FullName>::try_from(parts).map_err(|_| {
            Problem::new(
                path.span(),
                "a table's name has at most three parts: catalog.database.table",
            )
        })
    }

    fn entry(&self, name: &FullName) -> Option<&Entry> {
        self.temporary.get(name).or_else(|| self.permanent.get(name))
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        self.full_name(path).is_ok_and(|name| self.entry(&name).is_some())
    }

    pub(super) fn find(&self, path: &Path) -> Bound<&Entry> {
        let name = self.full_name(path)?;
        match self.entry(&name) {
            Some(Entry::Broken) => Err(Problem::new(path.span(), "")),
            Some(entry) => Ok(entry),
            None => {
                let known = self.list(true);
                let hint = nearest::hint(&name[2], known.iter().map(String::as_str));
                Err(Problem::new(path.span(), format!("Object '{path}' not found")).or_hint(hint))
            }
        }
    }

    /// For INSERT.
    pub(super) fn find_table(&self, path: &Path) -> Bound<Arc<BoundTable>> {
        match self.find(path)? {
            Entry::Table(table) => Ok(table.clone()),
            _ => Err(Problem::new(
                path.span(),
                format!("'{path}' is a view; rows go into tables only"),
            )),
        }
    }

    fn add(&mut self, path: &Path, temporary: bool, entry: Entry) -> Bound<()> {
        let name = self.full_name(path)?;
        let map = if temporary { &mut self.temporary } else { &mut self.permanent };
        if map.get(&name).is_some_and(|entry| !matches!(entry, Entry::Broken)) {
            let message = format!("Could not execute CREATE: '{}' already exists", name.join("."));
            return Err(Problem::new(path.span(), message)
                .with_hint("drop it first, or write IF NOT EXISTS"));
        }
        map.insert(name, entry);
        Ok(())
    }

    pub(super) fn add_table(
        &mut self,
        path: &Path,
        temporary: bool,
        table: Arc<BoundTable>,
    ) -> Bound<()> {
        self.add(path, temporary, Entry::Table(table))
    }

    pub(super) fn add_view(&mut self, path: &Path, temporary: bool, rel: Arc<Rel>) -> Bound<()> {
        self.add(path, temporary, Entry::View(rel))
    }

    pub(super) fn add_broken(&mut self, path: &Path) {
        if let Ok(name) = self.full_name(path)
            && self.entry(&name).is_none()
        {
            self.permanent.insert(name, Entry::Broken);
        }
    }

    pub(super) fn drop(
        &mut self,
        what: DropKind,
        path: &Path,
        if_exists: bool,
        temporary: bool,
    ) -> Bound<()> {
        let name = self.full_name(path)?;
        if !temporary && self.temporary.contains_key(&name) && self.permanent.contains_key(&name) {
            let message = format!(
                "a temporary object named '{path}' exists: drop it first with DROP TEMPORARY"
            );
            return Err(Problem::new(path.span(), message));
        }
        let map = match self.temporary.contains_key(&name) {
            true => &mut self.temporary,
            false => &mut self.permanent,
        };
        let fits = matches!(
            (map.get(&name), what),
            (Some(Entry::Table(_)), DropKind::Table)
                | (Some(Entry::View(_)), DropKind::View)
                | (Some(Entry::Broken), _)
        );
        if fits {
            map.remove(&name);
            return Ok(());
        }
        let kind = if what == DropKind::Table { "table" } else { "view" };
        let missing = Problem::new(path.span(), format!("there is no {kind} '{}'", name.join(".")));
        if if_exists { Ok(()) } else { Err(missing) }
    }

    /// Names in the current database: tables and views, or views alone.
    pub(super) fn list(&self, tables: bool) -> Vec<String> {
        let mut names: Vec<String> = self
            .permanent
            .iter()
            .chain(&self.temporary)
            .filter(|(name, entry)| {
                let wanted = match entry {
                    Entry::Table(_) => tables,
                    Entry::View(_) => true,
                    Entry::Broken => false,
                };
                wanted && name[0] == self.catalog && name[1] == self.database
            })
            .map(|(name, _)| name[2].clone())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    pub(super) fn use_catalog(&mut self, name: &Ident) -> Bound<()> {
        if name.text != self.builtin.0 {
            let message =
                format!("there is no catalog '{}'; there is '{}'", name.text, self.builtin.0);
            return Err(Problem::new(name.span, message));
        }
        self.catalog = name.text.clone();
        Ok(())
    }

    pub(super) fn use_database(&mut self, path: &Path) -> Bound<()> {
        let names: Vec<&str> = path.parts.iter().map(|part| part.text.as_str()).collect();
        let (catalog, database) = (self.builtin.0.as_str(), self.builtin.1.as_str());
        if names != [database] && names != [catalog, database] {
            let message = format!("there is no database '{path}'; there is '{database}'");
            return Err(Problem::new(path.span(), message));
        }
        Ok(())
    }

    /// As Flink's DESCRIBE (row A6.8).
    pub(super) fn describe(&self, path: &Path) -> Bound<String> {
        let mut lines = vec!["name | type | null | key | extras | watermark".to_owned()];
        match self.find(path)? {
            Entry::Table(table) => {
                for (index, field) in table.schema.fields.iter().enumerate() {
                    lines.push(describe_column(table, index, &field.name));
                }
            }
            Entry::View(rel) => {
                for field in &rel.schema.fields {
                    let root = &field.data_type.root;
                    lines.push(format!(
                        "{} | {root} | {} |  |  | ",
                        field.name, field.data_type.nullable
                    ));
                }
            }
            Entry::Broken => {}
        }
        Ok(lines.join("\n"))
    }
}

fn describe_column(table: &BoundTable, index: usize, name: &str) -> String {
    let data_type = &table.schema.fields[index].data_type;
    let key: Vec<&str> = table
        .spec
        .primary_key
        .iter()
        .map(|key| table.spec.physical.fields[*key].name.as_str())
        .collect();
    let key = if key.contains(&name) { format!("PRI({})", key.join(", ")) } else { String::new() };
    let extras = match &table.columns[index] {
        TableColumn::Physical(_) => String::new(),
        TableColumn::Computed(_) => "AS ...".to_owned(),
        TableColumn::Metadata(at) => {
            let metadata = &table.spec.metadata[*at];
            let suffix = if metadata.is_virtual { " VIRTUAL" } else { "" };
            format!("METADATA FROM '{}'{suffix}", metadata.key)
        }
    };
    let watermark = match &table.watermark {
        Some(watermark) if watermark.column == index => "yes",
        _ => "",
    };
    format!("{name} | {} | {} | {key} | {extras} | {watermark}", data_type.root, data_type.nullable)
}
