//! Which types meet where: common types and implicit casts (section C.3).

use millrace_dataflow::{DataType, Field, TypeRoot};

use crate::decimal::{as_decimal, common_decimal};
use crate::typed::{ExprError, TypedExpr, TypedKind};

/// The type that several are brought to; NULL yields to any other.
pub(crate) fn common_type(types: &[DataType]) -> Option<DataType> {
    let nullable = types.iter().any(|t| t.nullable || t.root == TypeRoot::Null);
    let mut roots = types.iter().map(|t| &t.root).filter(|root| **root != TypeRoot::Null);
    let Some(first) = roots.next() else {
        return types.first().cloned();
    };
    let root = roots.try_fold(first.clone(), |left, right| common_root(&left, right))?;
    Some(DataType { root, nullable })
}

fn integer_width(root: &TypeRoot) -> Option<u8> {
    match root {
        TypeRoot::TinyInt => Some(1),
        TypeRoot::SmallInt => Some(2),
        TypeRoot::Int => Some(4),
        TypeRoot::BigInt => Some(8),
        _ => None,
    }
}

/// Rows C3.19 to C3.21: FLOAT with integers is FLOAT, with DECIMAL or DOUBLE DOUBLE.
pub(crate) fn common_numeric(left: &TypeRoot, right: &TypeRoot) -> Option<TypeRoot> {
    use TypeRoot as T;
    if let (Some(a), Some(b)) = (integer_width(left), integer_width(right)) {
        return Some(if a >= b { left.clone() } else { right.clone() });
    }
    match (left, right) {
        (T::Float, T::Float) => Some(T::Float),
        (T::Float, other) | (other, T::Float) if other.is_integer() => Some(T::Float),
        (T::Double | T::Float, other) | (other, T::Double | T::Float) if other.is_numeric() => {
            Some(T::Double)
        }
        _ => Some(common_decimal(as_decimal(left)?, as_decimal(right)?)),
    }
}

fn common_root(left: &TypeRoot, right: &TypeRoot) -> Option<TypeRoot> {
    use TypeRoot as T;
    if left == right {
        return Some(left.clone());
    }
    if left.is_numeric() && right.is_numeric() {
        return common_numeric(left, right);
    }
    match (left, right) {
        // Row C3.22.
        (T::Char(a) | T::VarChar(a), T::Char(b) | T::VarChar(b)) => Some(T::VarChar(*a.max(b))),
        (T::Binary(a) | T::VarBinary(a), T::Binary(b) | T::VarBinary(b)) => {
            Some(T::VarBinary(*a.max(b)))
        }
        (T::Timestamp { precision: a }, T::Timestamp { precision: b }) => {
            Some(T::Timestamp { precision: *a.max(b) })
        }
        (
            T::TimestampLtz { precision: a } | T::Timestamp { precision: a },
            T::TimestampLtz { precision: b } | T::Timestamp { precision: b },
        ) => Some(T::TimestampLtz { precision: *a.max(b) }),
        (T::Date, t @ (T::Timestamp { .. } | T::TimestampLtz { .. }))
        | (t @ (T::Timestamp { .. } | T::TimestampLtz { .. }), T::Date) => Some(t.clone()),
        (T::Array(a), T::Array(b)) => Some(T::Array(Box::new(pair(a, b)?))),
        (T::Multiset(a), T::Multiset(b)) => Some(T::Multiset(Box::new(pair(a, b)?))),
        (T::Map(k1, v1), T::Map(k2, v2)) => {
            Some(T::Map(Box::new(pair(k1, k2)?), Box::new(pair(v1, v2)?)))
        }
        (T::Row(a), T::Row(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .map(|(a, b)| Some(Field::new(a.name.clone(), pair(&a.data_type, &b.data_type)?)))
            .collect::<Option<Vec<Field>>>()
            .map(T::Row),
        _ => None,
    }
}

fn pair(left: &DataType, right: &DataType) -> Option<DataType> {
    common_type(&[left.clone(), right.clone()])
}

/// Whether INSERT and UNION cast by themselves (rows C3.1 to C3.11).
pub(crate) fn is_implicit(from: &TypeRoot, to: &TypeRoot) -> bool {
    use TypeRoot as T;
    if from == to || *from == T::Null {
        return true;
    }
    match (from, to) {
        (T::Char(_), T::Char(_) | T::VarChar(_)) | (T::VarChar(_), T::VarChar(_)) => true,
        (T::Binary(_), T::Binary(_) | T::VarBinary(_)) | (T::VarBinary(_), T::VarBinary(_)) => true,
        (_, T::Decimal { .. }) => from.is_numeric(),
        (_, T::TinyInt | T::SmallInt | T::Int | T::BigInt) => {
            integer_width(from).is_some_and(|width| Some(width) <= integer_width(to))
        }
        (T::Decimal { .. }, T::Float) => true,
        (_, T::Float) => from.is_integer(),
        (_, T::Double) => from.is_numeric(),
        (T::Timestamp { .. }, T::Date | T::Time) => true,
        (_, T::Timestamp { .. } | T::TimestampLtz { .. }) => from.is_timestamp(),
        (T::Array(a), T::Array(b)) | (T::Multiset(a), T::Multiset(b)) => {
            is_implicit(&a.root, &b.root)
        }
        (T::Map(k1, v1), T::Map(k2, v2)) => {
            is_implicit(&k1.root, &k2.root) && is_implicit(&v1.root, &v2.root)
        }
        (T::Row(a), T::Row(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| is_implicit(&a.data_type.root, &b.data_type.root))
        }
        _ => false,
    }
}

/// The same value in another type; itself when only nullability differs.
pub(crate) fn cast_to(value: TypedExpr, root: &TypeRoot) -> TypedExpr {
    if same_layout(&value.data_type.root, root) {
        return value;
    }
    let nullable = value.data_type.nullable || value.data_type.root == TypeRoot::Null;
    let data_type = DataType { root: root.clone(), nullable };
    let kind = TypedKind::Cast { value: Box::new(value), try_cast: false };
    TypedExpr { kind, data_type }
}

/// Types whose values need no change: equal, or text into wider VARCHAR.
fn same_layout(from: &TypeRoot, to: &TypeRoot) -> bool {
    match (from, to) {
        (TypeRoot::Char(a) | TypeRoot::VarChar(a), TypeRoot::VarChar(b)) => a <= b,
        (TypeRoot::Binary(a) | TypeRoot::VarBinary(a), TypeRoot::VarBinary(b)) => a <= b,
        _ => from == to,
    }
}

/// Brings both sides of a comparison to one type (rows C3.12 to C3.17).
///
/// # Errors
/// The two cannot be compared.
pub(crate) fn comparable(
    left: TypedExpr,
    right: TypedExpr,
) -> Result<(TypedExpr, TypedExpr), ExprError> {
    use TypeRoot as T;
    let (a, b) = (left.data_type.root.clone(), right.data_type.root.clone());
    if a == T::Null && b == T::Null {
        return Ok((cast_to(left, &T::Boolean), cast_to(right, &T::Boolean)));
    }
    if a == b {
        return Ok((left, right));
    }
    match (&a, &b) {
        (T::Null, _) => return Ok((cast_to(left, &b), right)),
        (_, T::Null) => return Ok((left, cast_to(right, &a))),
        _ if a.is_character() && is_datetime(&b) => return Ok((cast_to(left, &b), right)),
        _ if b.is_character() && is_datetime(&a) => return Ok((left, cast_to(right, &a))),
        (T::Date, _) | (_, T::Date) => return Err(incomparable(&a, &b)),
        _ => {}
    }
    let root = common_root(&a, &b).ok_or_else(|| incomparable(&a, &b))?;
    if root.is_character() || root.is_binary() {
        return Ok((left, right));
    }
    Ok((cast_to(left, &root), cast_to(right, &root)))
}

/// As [`comparable`], but a number also takes text (row C3.13: IN and BETWEEN).
pub(crate) fn comparable_list(
    value: TypedExpr,
    candidate: TypedExpr,
) -> Result<(TypedExpr, TypedExpr), ExprError> {
    let (a, b) = (value.data_type.root.clone(), candidate.data_type.root.clone());
    if a.is_numeric() && b.is_character() {
        return Ok((value, cast_to(candidate, &a)));
    }
    if b.is_numeric() && a.is_character() {
        return Ok((cast_to(value, &b), candidate));
    }
    comparable(value, candidate)
}

fn is_datetime(root: &TypeRoot) -> bool {
    matches!(root, TypeRoot::Date | TypeRoot::Time) || root.is_timestamp()
}

fn incomparable(left: &TypeRoot, right: &TypeRoot) -> ExprError {
    ExprError::new(format!(
        "implicit type conversion between {left} and {right} is not supported; cast one side"
    ))
}
