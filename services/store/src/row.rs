//! Columns to domain values and back. A value that is not one of ours is named.

use millrace_domain::{InvalidId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;

/// Reads the columns of one row of `table`.
pub(crate) struct Reader<'r> {
    pub table: &'static str,
    pub row: &'r AnyRow,
}

impl Reader<'_> {
    pub fn text(&self, column: &'static str) -> Result<String, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    pub fn optional_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    pub fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.row.try_get::<i64, _>(column)? != 0)
    }

    pub fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        Ok(Timestamp(self.row.try_get(column)?))
    }

    pub fn optional_time(&self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.row.try_get::<Option<i64>, _>(column)?.map(Timestamp))
    }

    pub fn count(&self, column: &'static str) -> Result<u64, StoreError> {
        let value: i64 = self.row.try_get(column)?;
        u64::try_from(value).map_err(|_| self.inconsistent(column, value.to_string()))
    }

    pub fn optional_count(&self, column: &'static str) -> Result<Option<u64>, StoreError> {
        match self.row.try_get::<Option<i64>, _>(column)? {
            None => Ok(None),
            Some(_) => self.count(column).map(Some),
        }
    }

    /// An id type made of text.
    pub fn id<T>(
        &self,
        column: &'static str,
        new: fn(String) -> Result<T, InvalidId>,
    ) -> Result<T, StoreError> {
        let text = self.text(column)?;
        new(text.clone()).map_err(|_| self.inconsistent(column, text))
    }

    /// An enumeration, stored as the word that serde gives it.
    pub fn word<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        let text = self.text(column)?;
        serde_json::from_value(serde_json::Value::String(text.clone()))
            .map_err(|_| self.inconsistent(column, text))
    }

    pub fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        // The content is not shown: a configuration may hold a secret.
        let broken = |_| self.inconsistent(column, "JSON of another shape".to_owned());
        serde_json::from_str(&self.text(column)?).map_err(broken)
    }

    pub fn optional_json<T: DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        match self.optional_text(column)? {
            None => Ok(None),
            Some(_) => self.json(column).map(Some),
        }
    }

    pub fn inconsistent(&self, column: &'static str, value: String) -> StoreError {
        StoreError::Inconsistent { table: self.table, column, value }
    }
}

/// What [`Reader::word`] reads.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("enumerations without data serialise to a word, not {other:?}"),
    }
}

/// What [`Reader::json`] reads.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("domain values have text keys only")
}

/// What [`Reader::count`] reads.
pub(crate) fn count(value: u64) -> i64 {
    i64::try_from(value).expect("versions, generations and revisions stay far below 2^63")
}
