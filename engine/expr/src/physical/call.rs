//! A function of our own as a physical expression.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType as ArrowType, Schema};
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;
use millrace_dataflow::EvalError;

use super::runs;
use super::scope::{Caches, Env, Scope};
use super::{node_identity, to_array, to_datafusion};
use crate::functions::columns;
use crate::registry::{ArrayFunction, RowFunction};
use crate::value::{Reader, Value, build};

#[derive(Clone, Copy)]
enum Kernel {
    Strict(RowFunction),
    Rows(RowFunction),
    Arrays(ArrayFunction),
}

/// A call of a registry function.
pub(crate) struct CallExpr {
    name: &'static str,
    kernel: Kernel,
    env: Arc<Env>,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    /// Tried before the rows are gone through.
    columns: Option<columns::Form>,
    caches: Mutex<Caches>,
}

impl CallExpr {
    fn node(
        name: &'static str,
        kernel: Kernel,
        env: &Arc<Env>,
        arguments: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Arc<dyn PhysicalExpr> {
        let env = env.clone();
        let columns = columns::form(name);
        Arc::new(CallExpr { name, kernel, env, arguments, columns, caches: Mutex::default() })
    }

    /// It fails for no row, and is computed a column at a time.
    pub fn is_cheap(&self) -> bool {
        self.columns.as_ref().is_some_and(|form| form.is_cheap)
    }

    /// Row by row; NULL in, NULL out.
    pub fn strict(
        name: &'static str,
        run: RowFunction,
        env: &Arc<Env>,
        arguments: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Arc<dyn PhysicalExpr> {
        CallExpr::node(name, Kernel::Strict(run), env, arguments)
    }

    /// Row by row, NULLs included.
    pub fn rows(
        name: &'static str,
        run: RowFunction,
        env: &Arc<Env>,
        arguments: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Arc<dyn PhysicalExpr> {
        CallExpr::node(name, Kernel::Rows(run), env, arguments)
    }

    /// Whole columns.
    pub fn arrays(
        name: &'static str,
        run: ArrayFunction,
        env: &Arc<Env>,
        arguments: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Arc<dyn PhysicalExpr> {
        CallExpr::node(name, Kernel::Arrays(run), env, arguments)
    }

    fn identity(&self) -> String {
        format!("{}:{}:{:?}", self.name, self.env.result, self.env.zone)
    }

    fn by_row(&self, run: RowFunction, strict: bool, batch: &RecordBatch) -> Result<ArrayRef> {
        let columns = self
            .arguments
            .iter()
            .map(|argument| Column::of(argument.evaluate(batch)?))
            .collect::<Result<Vec<Column>>>()?;
        // A panic inside a function poisons the lock, and the caches stay usable.
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scope = Scope { env: &self.env, caches: &mut caches };
        if let Some(form) = &self.columns
            && let Some(array) =
                (form.run)(&columns, &mut scope).map_err(|error| self.named(&error))?
        {
            return Ok(array);
        }
        if let Some(pattern) = self.one_pattern(&columns)
            && let Some(step_ms) = runs::step_ms(&pattern)
        {
            let made = runs::formatted(&columns[0].array, &pattern, step_ms, run, &mut scope);
            return made.map_err(|error| self.named(&error));
        }
        let readers: Vec<(Reader<'_>, bool)> =
            columns.iter().map(|c| (Reader::new(c.array.as_ref()), c.constant)).collect();
        let mut results = Vec::with_capacity(batch.num_rows());
        let mut row_arguments = Vec::with_capacity(readers.len());
        for row in 0..batch.num_rows() {
            row_arguments.clear();
            row_arguments.extend(
                readers
                    .iter()
                    .map(|(reader, constant)| reader.get(if *constant { 0 } else { row })),
            );
            let value = if strict && row_arguments.iter().any(Value::is_null) {
                Value::Null
            } else {
                run(&row_arguments, &mut scope).map_err(|error| self.named(&error))?
            };
            results.push(value);
        }
        Ok(build(results, &self.env.result))
    }

    /// Of a DATE_FORMAT that formats a column.
    fn one_pattern(&self, columns: &[Column]) -> Option<String> {
        let [times, pattern] = columns else { return None };
        let is_column = !times.constant && pattern.constant && runs::takes(&times.array);
        if self.name != "DATE_FORMAT" || !is_column || pattern.array.is_null(0) {
            return None;
        }
        match Reader::new(pattern.array.as_ref()).get(0) {
            Value::String(text) => Some(text.to_string()),
            _ => None,
        }
    }

    fn named(&self, error: &EvalError) -> datafusion_common::DataFusionError {
        let message = if self.name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            format!("{}: {}", self.name, error.message)
        } else {
            error.message.clone()
        };
        to_datafusion(EvalError::new(message))
    }
}

/// An argument's column; a constant is one element for all rows.
pub(crate) struct Column {
    pub array: ArrayRef,
    pub constant: bool,
}

impl Column {
    fn of(value: ColumnarValue) -> Result<Column> {
        Ok(match value {
            ColumnarValue::Array(array) => Column { array, constant: false },
            ColumnarValue::Scalar(scalar) => Column { array: scalar.to_array()?, constant: true },
        })
    }
}

node_identity!(CallExpr);

impl PhysicalExpr for CallExpr {
    fn data_type(&self, _: &Schema) -> Result<ArrowType> {
        Ok(self.env.result.to_arrow())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let array = match self.kernel {
            Kernel::Strict(run) => self.by_row(run, true, batch)?,
            Kernel::Rows(run) => self.by_row(run, false, batch)?,
            Kernel::Arrays(run) => {
                let arrays = self
                    .arguments
                    .iter()
                    .map(|argument| to_array(argument.evaluate(batch)?, batch.num_rows()))
                    .collect::<Result<Vec<ArrayRef>>>()?;
                run(&arrays, &self.env).map_err(|error| self.named(&error))?
            }
        };
        debug_assert_eq!(array.len(), batch.num_rows(), "{self} gives a value a row");
        Ok(ColumnarValue::Array(array))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.arguments.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(CallExpr::node(self.name, self.kernel, &self.env, children))
    }

    fn fmt_sql(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
