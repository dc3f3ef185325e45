//! Writes rows to the process's output, as text for people (row G9.2).

mod text;

use std::io::Write;
use std::sync::Arc;

use millrace_dataflow::CommitPermit;
use millrace_dataflow::batch::Batch;
use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::message::Generation;
use millrace_dataflow::sink::{Committable, Committer, Sink, SinkError, SinkWriter, WriterContext};
use millrace_dataflow::source::TaskContext;
use millrace_dataflow::table::TableSpec;
use millrace_dataflow::types::Schema;
use millrace_formats::options::{OptionKind, OptionSpec};

pub use text::RowText;

use crate::errors::sink_failed;
use crate::options::TableOptions;
use crate::registry::{Connector, descriptor};
use crate::world::World;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::optional("print-identifier", OptionKind::Text),
    OptionSpec::defaulted("standard-error", OptionKind::Boolean, "false"),
    OptionSpec::optional("sink.parallelism", OptionKind::Int),
];

pub fn connector() -> Connector {
    Connector {
        descriptor: descriptor("print", false, true),
        options: OPTIONS,
        takes_format: false,
        check: |_, _| Ok(()),
        sink_mode: |_| ChangelogMode::ALL,
        source: None,
        sink: Some(|table, world| Ok(Box::new(Print::new(table, world)))),
        lookup: None,
        lookup_source: None,
    }
}

type Output = Arc<dyn Fn(&[u8]) -> std::io::Result<()> + Send + Sync>;

/// Where printed lines go; each call is handed whole lines.
#[derive(Clone)]
pub struct Console {
    out: Output,
    error: Output,
}

impl Console {
    /// The process's standard output and standard error.
    pub fn machine() -> Console {
        Console::new(
            |lines| {
                let mut out = std::io::stdout().lock();
                out.write_all(lines)?;
                out.flush()
            },
            |lines| std::io::stderr().lock().write_all(lines),
        )
    }

    pub fn new(
        out: impl Fn(&[u8]) -> std::io::Result<()> + Send + Sync + 'static,
        error: impl Fn(&[u8]) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Console {
        Console { out: Arc::new(out), error: Arc::new(error) }
    }
}

struct Print {
    schema: Schema,
    identifier: Option<String>,
    output: Output,
}

impl Print {
    fn new(table: &TableSpec, world: &World) -> Print {
        let options = TableOptions::new(&table.options, OPTIONS);
        let error = options.boolean("standard-error");
        Print {
            schema: table.physical.clone(),
            identifier: options.text("print-identifier").map(str::to_owned),
            output: if error { world.console.error.clone() } else { world.console.out.clone() },
        }
    }
}

/// `id:task> `, `id> `, `task> ` or nothing; tasks count from 1.
fn prefix(identifier: Option<&str>, task: TaskContext) -> String {
    let number = u32::from(task.subtask) + 1;
    match (identifier.filter(|id| !id.is_empty()), task.parallelism > 1) {
        (Some(id), true) => format!("{id}:{number}> "),
        (Some(id), false) => format!("{id}> "),
        (None, true) => format!("{number}> "),
        (None, false) => String::new(),
    }
}

impl Sink for Print {
    fn create_writer(
        &self,
        ctx: WriterContext,
        _restored: &[serde_json::Value],
    ) -> Result<Box<dyn SinkWriter>, SinkError> {
        Ok(Box::new(PrintWriter {
            prefix: prefix(self.identifier.as_deref(), ctx.task),
            schema: self.schema.clone(),
            output: self.output.clone(),
            lines: Vec::new(),
        }))
    }

    fn clean_up(&self, _generation: Generation, _attempt: u32) -> Result<(), SinkError> {
        Ok(())
    }

    fn create_committer(&self) -> Result<Box<dyn Committer>, SinkError> {
        Ok(Box::new(NothingToCommit))
    }
}

struct PrintWriter {
    prefix: String,
    schema: Schema,
    output: Output,
    lines: Vec<u8>,
}

impl SinkWriter for PrintWriter {
    fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        self.lines.clear();
        let text = RowText::new(&self.schema.fields, batch.record.columns())
            .map_err(|error| sink_failed("rows cannot be printed", error))?;
        for row in 0..batch.num_rows() {
            self.lines.extend_from_slice(self.prefix.as_bytes());
            text.write(batch.kind(row), row, &mut self.lines);
            self.lines.push(b'\n');
        }
        (self.output)(&self.lines)
            .map_err(|error| sink_failed("rows cannot be printed to the standard output", error))
    }

    fn flush(&mut self, _end_of_input: bool) -> Result<(), SinkError> {
        Ok(())
    }

    fn prepare_commit(&mut self) -> Result<Vec<Committable>, SinkError> {
        Ok(Vec::new())
    }

    fn snapshot(&mut self) -> Result<Vec<serde_json::Value>, SinkError> {
        Ok(Vec::new())
    }
}

struct NothingToCommit;

impl Committer for NothingToCommit {
    fn commit(&mut self, _: &CommitPermit, _: &[Committable]) -> Result<(), SinkError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
