//! What typing functions say about their arguments.

use millrace_dataflow::{DataType, TypeRoot};

use crate::coerce::{cast_to, common_type};
use crate::typed::{ExprError, Literal, TypedExpr, TypedKind};

/// A call whose arguments are being checked.
pub(crate) struct Signature<'a> {
    pub name: &'static str,
    pub arguments: &'a mut Vec<TypedExpr>,
}

impl Signature<'_> {
    pub fn len(&self) -> usize {
        self.arguments.len()
    }

    pub fn root(&self, index: usize) -> &TypeRoot {
        &self.arguments[index].data_type.root
    }

    /// Whether any argument may be NULL (row C2.2).
    pub fn nullable(&self) -> bool {
        self.arguments.iter().any(|a| a.data_type.nullable || a.data_type.root == TypeRoot::Null)
    }

    /// `root`, nullable when any argument is.
    pub fn result(&self, root: TypeRoot) -> Result<DataType, ExprError> {
        let nullable = self.nullable();
        Ok(DataType { root, nullable })
    }

    pub fn cast(&mut self, index: usize, root: &TypeRoot) {
        let value = self.arguments[index].clone();
        self.arguments[index] = cast_to(value, root);
    }

    pub fn error(&self, index: usize, wanted: &str) -> ExprError {
        ExprError::at(
            index,
            format!(
                "{} does not take {} as argument {}; it takes {wanted}",
                self.name,
                self.root(index),
                index + 1
            ),
        )
    }

    fn untyped_null(&mut self, index: usize, root: TypeRoot) -> bool {
        let null = *self.root(index) == TypeRoot::Null;
        if null {
            self.cast(index, &root);
        }
        null
    }

    pub fn character(&mut self, index: usize) -> Result<(), ExprError> {
        if self.untyped_null(index, TypeRoot::string()) || self.root(index).is_character() {
            return Ok(());
        }
        Err(self.error(index, "a character string"))
    }

    pub fn characters(&mut self) -> Result<(), ExprError> {
        (0..self.len()).try_for_each(|index| self.character(index))
    }

    pub fn boolean(&mut self, index: usize) -> Result<(), ExprError> {
        if self.untyped_null(index, TypeRoot::Boolean) || *self.root(index) == TypeRoot::Boolean {
            return Ok(());
        }
        Err(self.error(index, "BOOLEAN"))
    }

    pub fn numeric(&mut self, index: usize) -> Result<(), ExprError> {
        if self.untyped_null(index, TypeRoot::Int) || self.root(index).is_numeric() {
            return Ok(());
        }
        Err(self.error(index, "a number"))
    }

    /// Any integer; the value is read as 64 bits whatever its width.
    pub fn integer(&mut self, index: usize) -> Result<(), ExprError> {
        if self.untyped_null(index, TypeRoot::Int) || self.root(index).is_integer() {
            return Ok(());
        }
        Err(self.error(index, "an integer"))
    }

    /// Any number, as DOUBLE.
    pub fn double(&mut self, index: usize) -> Result<(), ExprError> {
        self.numeric(index)?;
        self.cast(index, &TypeRoot::Double);
        Ok(())
    }

    pub fn array(&mut self, index: usize) -> Result<DataType, ExprError> {
        match self.root(index) {
            TypeRoot::Array(element) => Ok((**element).clone()),
            _ => Err(self.error(index, "an ARRAY")),
        }
    }

    pub fn map(&mut self, index: usize) -> Result<(DataType, DataType), ExprError> {
        match self.root(index) {
            TypeRoot::Map(key, value) => Ok(((**key).clone(), (**value).clone())),
            TypeRoot::Multiset(element) => Ok(((**element).clone(), TypeRoot::Int.not_null())),
            _ => Err(self.error(index, "a MAP")),
        }
    }

    /// Brings the arguments of `range` to their common type (row C3.18).
    pub fn common(
        &mut self,
        indexes: impl Iterator<Item = usize> + Clone,
    ) -> Result<DataType, ExprError> {
        let types: Vec<DataType> =
            indexes.clone().map(|index| self.arguments[index].data_type.clone()).collect();
        let common = common_type(&types).ok_or_else(|| {
            let names: Vec<String> = types.iter().map(|t| t.root.to_string()).collect();
            ExprError::new(format!("{} finds no common type of {}", self.name, names.join(", ")))
        })?;
        for index in indexes {
            self.cast(index, &common.root);
        }
        Ok(common)
    }

    /// The text of an argument that must be a constant.
    pub fn constant_text(&self, index: usize) -> Option<&str> {
        match &self.arguments[index].kind {
            TypedKind::Literal(Literal::String(text)) => Some(text),
            _ => None,
        }
    }

    pub fn constant_integer(&self, index: usize) -> Option<i64> {
        constant_integer(&self.arguments[index])
    }

    /// The length in code points of a character argument.
    pub fn length(&self, index: usize) -> u32 {
        match self.root(index) {
            TypeRoot::Char(n) | TypeRoot::VarChar(n) => *n,
            _ => millrace_dataflow::types::MAX_LENGTH,
        }
    }
}

fn constant_integer(expression: &TypedExpr) -> Option<i64> {
    match &expression.kind {
        TypedKind::Literal(Literal::Integer(value)) => Some(*value),
        TypedKind::Call { function, arguments } if function == "NEGATE" => {
            constant_integer(&arguments[0]).map(|value| -value)
        }
        _ => None,
    }
}

/// All strings; STRING.
pub(crate) fn strings_to_string(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.characters()?;
    call.result(TypeRoot::string())
}

/// All strings; BOOLEAN.
pub(crate) fn strings_to_boolean(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.characters()?;
    call.result(TypeRoot::Boolean)
}

/// All strings; INT.
pub(crate) fn strings_to_int(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.characters()?;
    call.result(TypeRoot::Int)
}

/// All numbers, as DOUBLE; DOUBLE.
pub(crate) fn doubles_to_double(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    (0..call.len()).try_for_each(|index| call.double(index))?;
    call.result(TypeRoot::Double)
}
