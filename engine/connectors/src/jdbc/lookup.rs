//! Lookups: one statement finds the rows of many keys.

use arrow::array::RecordBatch;
use millrace_dataflow::lookup::{LookedUp, LookupClient, LookupSource, LookupSpec};
use millrace_dataflow::source::SourceError;
use millrace_dataflow::types::{Field, Schema, TypeRoot};
use sqlx::Row;

use super::columns::{scanned_fields, selected};
use super::connection::{Connection, Target};
use super::types::{Values, Wire, column, incoming, quoted};
use crate::errors::{source_failed, source_refused};

pub struct JdbcLookups {
    target: Target,
    fields: Vec<Field>,
    keys: Vec<TypeRoot>,
    sql: String,
}

impl JdbcLookups {
    pub fn new(spec: &LookupSpec, target: Target) -> JdbcLookups {
        let fields = scanned_fields(&spec.scan);
        let keys: Vec<&Field> = spec.keys.iter().map(|key| &fields[*key]).collect();
        let sql = statement(&target.table, &fields, &keys);
        let keys = keys.iter().map(|key| key.data_type.root.clone()).collect();
        JdbcLookups { target, keys, sql, fields }
    }
}

/// The number of the key first, counted from 0; then the columns.
fn statement(table: &str, fields: &[Field], keys: &[&Field]) -> String {
    let arrays: Vec<String> = keys
        .iter()
        .enumerate()
        .map(|(at, key)| {
            let name = Wire::of(&key.data_type.root).map_or("text", Wire::name);
            format!("${}::{name}[]", at + 1)
        })
        .collect();
    let names: Vec<String> = (0..keys.len()).map(|at| format!("c{at}")).collect();
    let conditions: Vec<String> = keys
        .iter()
        .zip(&names)
        .map(|(key, name)| {
            let value = incoming(&key.data_type.root, &format!("k.{name}"));
            format!("t.{} = {value}", quoted(&key.name))
        })
        .collect();
    format!(
        "SELECT (k.place - 1)::int4{} FROM unnest({}) WITH ORDINALITY AS k({}, place) JOIN {table} AS t ON {}",
        selected(fields),
        arrays.join(", "),
        names.join(", "),
        conditions.join(" AND ")
    )
}

impl LookupSource for JdbcLookups {
    fn connect(&self) -> Result<Box<dyn LookupClient>, SourceError> {
        let connection = Connection::new(&self.target)
            .map_err(|error| source_failed("cannot prepare a connection", error))?;
        Ok(Box::new(JdbcClient {
            connection,
            fields: self.fields.clone(),
            keys: self.keys.clone(),
            sql: self.sql.clone(),
        }))
    }
}

struct JdbcClient {
    connection: Connection,
    fields: Vec<Field>,
    keys: Vec<TypeRoot>,
    sql: String,
}

impl LookupClient for JdbcClient {
    fn lookup(&mut self, keys: &RecordBatch) -> Result<LookedUp, SourceError> {
        let place =
            format!("{} at {}", self.connection.target().table, self.connection.target().place);
        let rows = self.connection.with_retries(|connection| {
            let values = self
                .keys
                .iter()
                .zip(keys.columns())
                .map(|(root, column)| Values::of(column, root).map_err(sqlx::Error::Protocol));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            connection.rows(&self.sql, |query| {
                values.into_iter().fold(query, |query, values| values.bind(query))
            })
        });
        let rows = rows.map_err(|error| {
            source_failed(format!("rows of {place} cannot be looked up"), error)
        })?;
        let of = rows.iter().map(|row| row.try_get::<i32, _>(0).map(|key| key as u32));
        let of =
            of.collect::<Result<_, _>>().map_err(|error| source_failed("a key's number", error))?;
        let columns = self.fields.iter().enumerate().map(|(at, field)| {
            column(&rows, at + 1, &field.data_type).map_err(|message| {
                source_refused(format!("column '{}' of {place}: {message}", field.name))
            })
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let schema = Schema::new(self.fields.clone()).to_arrow();
        let rows = RecordBatch::try_new(schema, columns)
            .map_err(|error| source_failed(format!("rows of {place}"), error))?;
        Ok(LookedUp { rows, of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{BIGINT, TEXT};

    #[test]
    fn one_statement_asks_for_many_keys() {
        let fields = [
            Field::new("id", BIGINT.nullable()),
            Field::new("at", TypeRoot::Timestamp { precision: 3 }.nullable()),
            Field::new("Na\"me", TEXT.nullable()),
        ];
        let sql = statement("\"s\".\"t\"", &fields, &[&fields[2], &fields[1]]);
        assert_eq!(
            sql,
            "SELECT (k.place - 1)::int4, t.\"id\"::int8, \
             (extract(epoch FROM t.\"at\"::timestamp) * 1000000)::int8, t.\"Na\"\"me\"::text \
             FROM unnest($1::text[], $2::int8[]) WITH ORDINALITY AS k(c0, c1, place) \
             JOIN \"s\".\"t\" AS t ON t.\"Na\"\"me\" = k.c0 \
             AND t.\"at\" = (TIMESTAMP 'epoch' + k.c1 * INTERVAL '1 microsecond')"
        );
    }
}
