//! Short ways to make the errors of sources and sinks.

use std::error::Error;

use millrace_dataflow::sink::SinkError;
use millrace_dataflow::source::SourceError;

pub fn source_failed(
    message: impl Into<String>,
    cause: impl Error + Send + Sync + 'static,
) -> SourceError {
    SourceError::Failed { message: message.into(), source: Some(Box::new(cause)) }
}

pub fn source_refused(message: impl Into<String>) -> SourceError {
    SourceError::Failed { message: message.into(), source: None }
}

pub fn sink_failed(
    message: impl Into<String>,
    cause: impl Error + Send + Sync + 'static,
) -> SinkError {
    SinkError { message: message.into(), source: Some(Box::new(cause)) }
}

pub fn sink_refused(message: impl Into<String>) -> SinkError {
    SinkError { message: message.into(), source: None }
}
