//! Which expressions may be computed for rows that do not need them: those that cannot
//! fail and cost less than to leave rows out.

use std::any::Any;
use std::sync::Arc;

use datafusion_expr::Operator;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{
    BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, Literal, NotExpr,
};

use super::call::CallExpr;
use super::field::FieldExpr;
use super::logic::LogicExpr;

/// Columns, members of them, constants, comparisons and tests of those, and functions
/// that take a column at a time.
pub(super) fn is_cheap(expression: &Arc<dyn PhysicalExpr>) -> bool {
    let node: &dyn Any = expression.as_ref();
    if node.is::<Column>() || node.is::<Literal>() {
        return true;
    }
    let is_cheap_node = if let Some(comparison) = node.downcast_ref::<BinaryExpr>() {
        use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
        matches!(comparison.op(), Eq | NotEq | Lt | LtEq | Gt | GtEq)
    } else if let Some(call) = node.downcast_ref::<CallExpr>() {
        call.is_cheap()
    } else if let Some(logic) = node.downcast_ref::<LogicExpr>() {
        logic.is_boolean()
    } else {
        node.is::<FieldExpr>()
            || node.is::<NotExpr>()
            || node.is::<IsNullExpr>()
            || node.is::<IsNotNullExpr>()
            || node.is::<InListExpr>()
    };
    is_cheap_node && expression.children().into_iter().all(is_cheap)
}
