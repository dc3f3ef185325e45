//! Takes rows and forgets them (row G9.3).

use millrace_dataflow::CommitPermit;
use millrace_dataflow::batch::Batch;
use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::message::Generation;
use millrace_dataflow::sink::{Committable, Committer, Sink, SinkError, SinkWriter, WriterContext};
use millrace_formats::options::{OptionKind, OptionSpec};

use crate::registry::{Connector, descriptor};

const OPTIONS: &[OptionSpec] = &[OptionSpec::optional("sink.parallelism", OptionKind::Int)];

pub fn connector() -> Connector {
    Connector {
        descriptor: descriptor("blackhole", false, true),
        options: OPTIONS,
        takes_format: false,
        check: |_, _| Ok(()),
        sink_mode: |_| ChangelogMode::UPSERT,
        source: None,
        sink: Some(|_, _| Ok(Box::new(Blackhole))),
        lookup: None,
        lookup_source: None,
    }
}

struct Blackhole;

impl Sink for Blackhole {
    fn create_writer(
        &self,
        _ctx: WriterContext,
        _restored: &[serde_json::Value],
    ) -> Result<Box<dyn SinkWriter>, SinkError> {
        Ok(Box::new(Blackhole))
    }

    fn clean_up(&self, _generation: Generation, _attempt: u32) -> Result<(), SinkError> {
        Ok(())
    }

    fn create_committer(&self) -> Result<Box<dyn Committer>, SinkError> {
        Ok(Box::new(Blackhole))
    }
}

impl SinkWriter for Blackhole {
    fn write(&mut self, _batch: &Batch) -> Result<(), SinkError> {
        Ok(())
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

impl Committer for Blackhole {
    fn commit(&mut self, _: &CommitPermit, _: &[Committable]) -> Result<(), SinkError> {
        Ok(())
    }
}
