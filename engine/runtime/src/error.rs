//! Why a task or a job ends.

use std::error::Error;

use crate::operator::OperatorError;

/// A failure with the operator where it happened. `Display` is what the exception
/// history shows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operator}: {message}")]
pub struct TaskError {
    pub operator: String,
    pub message: String,
}

impl TaskError {
    pub fn new(operator: impl Into<String>, message: impl Into<String>) -> TaskError {
        TaskError { operator: operator.into(), message: message.into() }
    }

    /// With all causes of `error` in one line.
    pub fn from_error(operator: impl Into<String>, error: &(dyn Error + 'static)) -> TaskError {
        TaskError::new(operator, millrace_state::chain(error))
    }

    /// An operator's error names its operator itself, and its causes in its text.
    pub fn from_operator(operator: &str, error: &OperatorError) -> TaskError {
        let text = error.to_string();
        let message = text.strip_prefix(&format!("{operator}: ")).unwrap_or(&text).to_owned();
        TaskError::new(operator, message)
    }
}

/// Why a task's loop ends before its input does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskStop {
    /// The coordinator asked for it, or a neighbour is gone.
    Cancelled,
    Failed(TaskError),
}

impl From<TaskError> for TaskStop {
    fn from(error: TaskError) -> TaskStop {
        TaskStop::Failed(error)
    }
}
