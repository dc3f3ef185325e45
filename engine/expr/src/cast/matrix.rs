//! Which pairs of types can be cast.

use millrace_dataflow::TypeRoot;

use crate::typed::ExprError;

/// # Errors
/// The pair has no cast; the text says what to use instead when there is something.
pub(crate) fn check(from: &TypeRoot, to: &TypeRoot) -> Result<(), ExprError> {
    if allowed(from, to) {
        return Ok(());
    }
    let hint = match (from, to) {
        // Row C5.30.
        (a, b) if a.is_timestamp() && b.is_numeric() => "; use UNIX_TIMESTAMP or EXTRACT",
        (a, b) if a.is_numeric() && b.is_timestamp() => {
            "; use TO_TIMESTAMP_LTZ or TO_TIMESTAMP(FROM_UNIXTIME(..))"
        }
        // Row C5.28 needs the interval's leading unit, which the type does not keep.
        (a, b) if is_interval(a) || is_interval(b) => {
            "; casts between intervals and numbers are not offered yet, use TIMESTAMPDIFF"
        }
        _ => "",
    };
    Err(ExprError::new(format!("cannot cast {from} to {to}{hint}")))
}

fn is_interval(root: &TypeRoot) -> bool {
    matches!(root, TypeRoot::IntervalYearMonth | TypeRoot::IntervalDayTime)
}

fn allowed(from: &TypeRoot, to: &TypeRoot) -> bool {
    use TypeRoot as T;
    if *from == T::Null || from == to {
        return true;
    }
    match (from, to) {
        (_, T::Null) => false,
        (_, T::Char(_) | T::VarChar(_)) => true,
        (T::Char(_) | T::VarChar(_), _) => {
            to.is_numeric()
                || to.is_binary()
                || to.is_timestamp()
                || matches!(to, T::Boolean | T::Date | T::Time)
        }
        (T::Boolean, _) => to.is_numeric(),
        (_, T::Boolean) => from.is_numeric(),
        (T::Date, _) => to.is_timestamp(),
        (T::Time, _) => to.is_timestamp(),
        (_, T::Date | T::Time) => from.is_timestamp(),
        (T::Array(a), T::Array(b)) | (T::Multiset(a), T::Multiset(b)) => allowed(&a.root, &b.root),
        (T::Map(k1, v1), T::Map(k2, v2)) => {
            allowed(&k1.root, &k2.root) && allowed(&v1.root, &v2.root)
        }
        (T::Row(a), T::Row(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| allowed(&a.data_type.root, &b.data_type.root))
        }
        _ => {
            (from.is_numeric() && to.is_numeric())
                || (from.is_binary() && to.is_binary())
                || (from.is_timestamp() && to.is_timestamp())
        }
    }
}
