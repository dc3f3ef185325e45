//! Result types of aggregate functions (section D.8).

use millrace_dataflow::{DataType, TypeRoot};

use crate::decimal::arithmetic_type;
use crate::typed::ExprError;

pub(crate) fn aggregate_type(
    function: &str,
    arguments: &[DataType],
) -> Result<DataType, ExprError> {
    let name = function.to_ascii_uppercase();
    match name.as_str() {
        "COUNT" => return Ok(TypeRoot::BigInt.not_null()),
        "LISTAGG" => return listagg(arguments),
        _ => {}
    }
    let known = [
        "SUM",
        "SUM0",
        "AVG",
        "MIN",
        "MAX",
        "FIRST_VALUE",
        "LAST_VALUE",
        "STDDEV_POP",
        "STDDEV_SAMP",
        "VAR_POP",
        "VAR_SAMP",
        "VARIANCE",
        "STDDEV",
        "COLLECT",
    ];
    if !known.contains(&name.as_str()) {
        return Err(ExprError::new(format!(
            "no aggregate function is named {function}; there are COUNT, LISTAGG, {}",
            known.join(", ")
        )));
    }
    let [argument] = arguments else {
        return Err(ExprError::new(format!("{name} takes one argument, not {}", arguments.len())));
    };
    let root = &argument.root;
    let result = match name.as_str() {
        "FIRST_VALUE" | "LAST_VALUE" => root.clone(),
        "COLLECT" => return Ok(TypeRoot::Multiset(Box::new(argument.clone())).not_null()),
        "MIN" | "MAX" => ordered(&name, root)?,
        "SUM" | "SUM0" => sum(&name, root)?,
        "AVG" => average(&name, root)?,
        _ => numeric(&name, root)?.clone(),
    };
    // A group may hold nothing but NULLs, and a global aggregate no row at all.
    Ok(result.nullable())
}

fn numeric<'a>(name: &str, root: &'a TypeRoot) -> Result<&'a TypeRoot, ExprError> {
    if root.is_numeric() {
        return Ok(root);
    }
    Err(ExprError::at(0, format!("{name} does not take {root}; it takes a number")))
}

/// Row D8.2.
fn sum(name: &str, root: &TypeRoot) -> Result<TypeRoot, ExprError> {
    Ok(match numeric(name, root)? {
        TypeRoot::Decimal { scale, .. } => TypeRoot::Decimal { precision: 38, scale: *scale },
        root => root.clone(),
    })
}

/// Rows D8.3, C4.8: a DECIMAL sum divided by a count of DECIMAL(20, 0).
fn average(name: &str, root: &TypeRoot) -> Result<TypeRoot, ExprError> {
    Ok(match numeric(name, root)? {
        TypeRoot::Decimal { scale, .. } => arithmetic_type("/", (38, *scale), (20, 0)),
        root => root.clone(),
    })
}

/// Row D8.4.
fn ordered(name: &str, root: &TypeRoot) -> Result<TypeRoot, ExprError> {
    let has_order = !matches!(
        root,
        TypeRoot::Array(_)
            | TypeRoot::Map(_, _)
            | TypeRoot::Multiset(_)
            | TypeRoot::Row(_)
            | TypeRoot::Null
    ) && !root.is_binary();
    if has_order {
        return Ok(root.clone());
    }
    Err(ExprError::at(0, format!("{name} does not take {root}: it has no order")))
}

fn listagg(arguments: &[DataType]) -> Result<DataType, ExprError> {
    if arguments.is_empty() || arguments.len() > 2 {
        return Err(ExprError::new("LISTAGG takes a string and, if wanted, a separator"));
    }
    if let Some(at) = arguments.iter().position(|argument| !argument.root.is_character()) {
        let root = &arguments[at].root;
        return Err(ExprError::at(at, format!("LISTAGG does not take {root}; cast it to STRING")));
    }
    Ok(TypeRoot::string().nullable())
}
