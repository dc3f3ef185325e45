//! Typed expressions to something that runs, with constants folded.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType as ArrowType, Field as ArrowField, Schema, SchemaRef};
use datafusion_common::ScalarValue;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{Column, Literal as LiteralExpr};
use millrace_dataflow::{DataType, EvalContext, EvalError, Evaluate, Expression};

use crate::cast::Cast;
use crate::digest::digest;
use crate::physical::call::CallExpr;
use crate::physical::cast::CastExpr;
use crate::physical::context::with_context;
use crate::physical::field::FieldExpr;
use crate::physical::from_datafusion;
use crate::physical::scope::Env;
use crate::registry::{self, Body, Function};
use crate::typed::{ExprContext, ExprError, Literal, TypedExpr, TypedKind};
use crate::value::{Value, build};
use crate::zone::Zone;

pub(crate) fn lower(expression: &TypedExpr, ctx: &ExprContext) -> Result<Expression, ExprError> {
    let data_type = expression.data_type.clone();
    let digest = digest(expression);
    if let TypedKind::Column(index) = expression.kind {
        return Ok(Expression {
            run: Arc::new(Input(index)),
            data_type,
            digest,
            column: Some(index),
        });
    }
    let lowering = Lowering { zone: zone(ctx)?, schema: input_schema(expression) };
    let lowered = lowering.lower(expression, false)?;
    let run = Running {
        root: lowered.node,
        reads_context: lowered.reads_context,
        arrow_type: data_type.to_arrow(),
        columns: read_columns(expression),
    };
    Ok(Expression { run: Arc::new(run), data_type, digest, column: None })
}

pub(crate) fn zone(ctx: &ExprContext) -> Result<Zone, ExprError> {
    Zone::parse(&ctx.time_zone).ok_or_else(|| {
        ExprError::new(format!(
            "table.local-time-zone '{}' is no time zone; use an IANA name such as Europe/Berlin \
             or an offset such as GMT+08:00",
            ctx.time_zone
        ))
    })
}

/// Just an input column.
#[derive(Debug)]
struct Input(usize);

impl Evaluate for Input {
    fn evaluate(&self, batch: &RecordBatch, _: &EvalContext) -> Result<ArrayRef, EvalError> {
        batch.columns().get(self.0).cloned().ok_or_else(|| {
            EvalError::new(format!(
                "the expression reads column {} of {}",
                self.0,
                batch.num_columns()
            ))
        })
    }
}

#[derive(Debug)]
struct Running {
    root: Arc<dyn PhysicalExpr>,
    reads_context: bool,
    arrow_type: ArrowType,
    columns: Vec<usize>,
}

impl Evaluate for Running {
    fn reads(&self) -> Option<&[usize]> {
        Some(&self.columns)
    }

    fn evaluate(&self, batch: &RecordBatch, ctx: &EvalContext) -> Result<ArrayRef, EvalError> {
        let rows = batch.num_rows();
        let value = if self.reads_context {
            self.root.evaluate(&with_context(batch, ctx)?)
        } else {
            self.root.evaluate(batch)
        };
        let array = value
            .and_then(|value| value.into_array(rows))
            .map_err(|error| from_datafusion(&error))?;
        debug_assert_eq!(array.data_type(), &self.arrow_type, "type of {}", self.root);
        Ok(array)
    }
}

/// Ascending.
fn read_columns(expression: &TypedExpr) -> Vec<usize> {
    let mut types = Vec::new();
    collect_columns(expression, &mut types);
    (0..types.len()).filter(|column| types[*column].is_some()).collect()
}

/// The columns that the expression names, at their positions.
fn input_schema(expression: &TypedExpr) -> SchemaRef {
    let mut types: Vec<Option<DataType>> = Vec::new();
    collect_columns(expression, &mut types);
    let fields: Vec<ArrowField> = types
        .iter()
        .enumerate()
        .map(|(index, data_type)| {
            let arrow = data_type.as_ref().map_or(ArrowType::Null, DataType::to_arrow);
            ArrowField::new(format!("${index}"), arrow, true)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

fn collect_columns(expression: &TypedExpr, types: &mut Vec<Option<DataType>>) {
    match &expression.kind {
        TypedKind::Column(index) => {
            if types.len() <= *index {
                types.resize(index + 1, None);
            }
            types[*index] = Some(expression.data_type.clone());
        }
        TypedKind::Literal(_) => {}
        TypedKind::Call { arguments, .. } => {
            arguments.iter().for_each(|argument| collect_columns(argument, types));
        }
        TypedKind::Cast { value, .. } | TypedKind::Field { value, .. } => {
            collect_columns(value, types);
        }
    }
}

struct Lowered {
    node: Arc<dyn PhysicalExpr>,
    /// Depends on nothing but itself.
    constant: bool,
    reads_context: bool,
}

struct Lowering {
    zone: Zone,
    schema: SchemaRef,
}

impl Lowering {
    /// `guarded`: some rows may never get here, so that a failing constant must wait
    /// for a row that does.
    fn lower(&self, expression: &TypedExpr, guarded: bool) -> Result<Lowered, ExprError> {
        let lowered = match &expression.kind {
            TypedKind::Column(index) => {
                let node = Arc::new(Column::new(&format!("${index}"), *index));
                return Ok(Lowered { node, constant: false, reads_context: false });
            }
            TypedKind::Literal(literal) => {
                let node = literal_node(literal, &expression.data_type)?;
                return Ok(Lowered { node, constant: true, reads_context: false });
            }
            TypedKind::Cast { value, try_cast } => {
                self.cast(value, &expression.data_type, *try_cast, guarded)?
            }
            TypedKind::Field { value, index } => {
                let inner = self.lower(value, guarded)?;
                let arrow = expression.data_type.to_arrow();
                Lowered { node: FieldExpr::node(inner.node, *index, arrow), ..inner }
            }
            TypedKind::Call { function, arguments } => {
                self.call(function, arguments, &expression.data_type, guarded)?
            }
        };
        if lowered.constant { fold(lowered, guarded) } else { Ok(lowered) }
    }

    fn cast(
        &self,
        value: &TypedExpr,
        to: &DataType,
        try_cast: bool,
        guarded: bool,
    ) -> Result<Lowered, ExprError> {
        let inner = self.lower(value, guarded)?;
        let from = value.data_type.clone();
        let cast = Cast { from, to: to.clone(), try_cast, zone: self.zone };
        Ok(Lowered { node: CastExpr::node(cast, inner.node), ..inner })
    }

    fn call(
        &self,
        name: &str,
        arguments: &[TypedExpr],
        result: &DataType,
        guarded: bool,
    ) -> Result<Lowered, ExprError> {
        let function = registry::find(name)
            .ok_or_else(|| ExprError::new(format!("no function is named {name}")))?;
        let mut nodes = Vec::with_capacity(arguments.len());
        let (mut constant, mut reads_context) = (!function.volatile, function.volatile);
        for (position, argument) in arguments.iter().enumerate() {
            let lowered = self.lower(argument, guarded || (function.lazy && position > 0))?;
            constant &= lowered.constant;
            reads_context |= lowered.reads_context;
            nodes.push(lowered.node);
        }
        let env = Arc::new(Env {
            zone: self.zone,
            arguments: arguments.iter().map(|argument| argument.data_type.clone()).collect(),
            result: result.clone(),
            schema: self.schema.clone(),
        });
        Ok(Lowered { node: node(function, nodes, &env)?, constant, reads_context })
    }
}

fn node(
    function: &'static Function,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    env: &Arc<Env>,
) -> Result<Arc<dyn PhysicalExpr>, ExprError> {
    match function.body {
        Body::Strict(run) => Ok(CallExpr::strict(function.name, run, env, arguments)),
        Body::Rows(run) => Ok(CallExpr::rows(function.name, run, env, arguments)),
        Body::Arrays(run) => Ok(CallExpr::arrays(function.name, run, env, arguments)),
        Body::Node(build) => build(arguments, env),
        Body::Rewrite(_) | Body::NotOffered => {
            Err(ExprError::new(format!("{} was not resolved by `call`", function.name)))
        }
    }
}

/// A constant's value in place of the expression.
fn fold(lowered: Lowered, guarded: bool) -> Result<Lowered, ExprError> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let one_row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options)
        .expect("a batch without columns may have a row");
    let value = lowered
        .node
        .evaluate(&one_row)
        .and_then(|value| value.into_array(1))
        .and_then(|array| ScalarValue::try_from_array(&array, 0));
    match value {
        Ok(scalar) => Ok(Lowered { node: Arc::new(LiteralExpr::new(scalar)), ..lowered }),
        Err(_) if guarded => Ok(lowered),
        Err(error) => Err(ExprError::new(from_datafusion(&error).message)),
    }
}

fn literal_node(
    literal: &Literal,
    data_type: &DataType,
) -> Result<Arc<dyn PhysicalExpr>, ExprError> {
    let value = match literal {
        Literal::Null => Value::Null,
        Literal::Boolean(value) => Value::Boolean(*value),
        Literal::Integer(value) => Value::Integer(*value),
        Literal::Decimal(value) => Value::Decimal(*value),
        Literal::Float(value) => Value::Float(*value),
        Literal::String(text) => Value::text(text.as_str()),
        Literal::Binary(bytes) => Value::bytes(bytes.as_slice()),
        Literal::Timestamp(nanos) => Value::Timestamp(*nanos),
    };
    let array = build(vec![value], data_type);
    if array.is_null(0) && *literal != Literal::Null {
        return Err(ExprError::new(format!("{literal:?} is no value of type {data_type}")));
    }
    let scalar = ScalarValue::try_from_array(&array, 0)
        .map_err(|error| ExprError::new(error.strip_backtrace()))?;
    Ok(Arc::new(LiteralExpr::new(scalar)))
}
