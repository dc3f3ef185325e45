//! A constant table as a source with one split, so that a checkpoint knows
//! whether its rows were given.

use std::time::Duration;

use arrow::record_batch::RecordBatch;
use millrace_dataflow::Batch;
use millrace_dataflow::source::{
    Assignment, Boundedness, ReaderEvent, Source, SourceError, SourceReader, Split,
    SplitEnumerator, TaskContext,
};
use serde_json::{Value, json};

pub struct ValuesSource {
    pub rows: RecordBatch,
}

const SPLIT: &str = "values";

impl Source for ValuesSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn assignment(&self) -> Assignment {
        Assignment::Eager
    }

    fn discovery_interval(&self) -> Option<Duration> {
        None
    }

    fn create_enumerator(
        &self,
        _parallelism: u16,
        restored: Option<&Value>,
    ) -> Result<Box<dyn SplitEnumerator>, SourceError> {
        Ok(Box::new(ValuesEnumerator { given: restored.is_some() }))
    }

    fn create_reader(&self, _ctx: TaskContext) -> Result<Box<dyn SourceReader>, SourceError> {
        Ok(Box::new(ValuesReader { rows: self.rows.clone(), split: None, given: false }))
    }
}

struct ValuesEnumerator {
    given: bool,
}

impl SplitEnumerator for ValuesEnumerator {
    fn discover(&mut self) -> Result<Vec<Split>, SourceError> {
        if std::mem::replace(&mut self.given, true) {
            return Ok(vec![]);
        }
        Ok(vec![Split { id: SPLIT.into(), state: json!({ "given": false }) }])
    }

    fn snapshot(&self) -> Value {
        json!({ "given": self.given })
    }
}

struct ValuesReader {
    rows: RecordBatch,
    split: Option<Split>,
    given: bool,
}

impl SourceReader for ValuesReader {
    fn add_split(&mut self, split: Split) -> Result<(), SourceError> {
        self.given = split.state["given"].as_bool().unwrap_or(false);
        self.split = Some(split);
        Ok(())
    }

    fn poll(&mut self, _now_ms: i64) -> Result<ReaderEvent, SourceError> {
        if self.split.is_none() {
            return Ok(ReaderEvent::Wait(Duration::from_secs(1)));
        }
        if !std::mem::replace(&mut self.given, true) && self.rows.num_rows() > 0 {
            let batch = Batch::insert_only(self.rows.clone());
            return Ok(ReaderEvent::Batch { split: SPLIT.into(), batch });
        }
        self.split = None;
        Ok(ReaderEvent::SplitFinished { split: SPLIT.into() })
    }

    fn snapshot(&self) -> Vec<Split> {
        let split = self.split.iter().cloned();
        split.map(|split| Split { state: json!({ "given": self.given }), ..split }).collect()
    }
}
