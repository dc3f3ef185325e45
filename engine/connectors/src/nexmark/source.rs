//! Events as a source.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{self, SchemaRef};
use millrace_dataflow::source::{
    Assignment, Boundedness, ScanSpec, Source, SourceError, SourceReader, SplitEnumerator,
    TaskContext,
};
use millrace_dataflow::table::ProducedColumn;
use millrace_dataflow::types::Schema;

use super::columns::RowColumn;
use super::events::{EventKind, Settings, push_extra};
use super::table::{AUCTION, BID, Column, PERSON, column};
use crate::errors::{source_failed, source_refused};
use crate::generator::{Lane, LaneEnumerator, LaneReader, Rows};
use crate::world::World;

pub struct NexmarkSource {
    settings: Arc<Settings>,
    columns: Vec<Column>,
    schema: SchemaRef,
    batch_rows: usize,
    world: World,
}

impl NexmarkSource {
    pub fn new(scan: &ScanSpec, world: &World) -> Result<NexmarkSource, SourceError> {
        let settings =
            Settings::of(&scan.table.options).map_err(|error| source_refused(error.message))?;
        let (mut columns, mut fields) = (Vec::new(), Vec::new());
        for produced in &scan.columns {
            let ProducedColumn::Physical(at) = produced else {
                return Err(source_refused("connector 'nexmark' has no metadata columns"));
            };
            let field = scan.table.physical.fields[*at].clone();
            columns.push(column(&field).map_err(source_refused)?);
            fields.push(field);
        }
        Ok(NexmarkSource {
            settings: Arc::new(settings),
            columns,
            schema: Schema::new(fields).to_arrow(),
            batch_rows: scan.batch_rows,
            world: world.clone(),
        })
    }

    fn rate(&self) -> Option<u64> {
        (!self.settings.unthrottled).then_some(self.settings.rate)
    }
}

impl Source for NexmarkSource {
    fn boundedness(&self) -> Boundedness {
        match self.settings.events {
            Some(_) if !self.settings.keep_alive => Boundedness::Bounded,
            _ => Boundedness::Unbounded,
        }
    }

    fn assignment(&self) -> Assignment {
        Assignment::Eager
    }

    fn discovery_interval(&self) -> Option<Duration> {
        None
    }

    fn create_enumerator(
        &self,
        parallelism: u16,
        restored: Option<&serde_json::Value>,
    ) -> Result<Box<dyn SplitEnumerator>, SourceError> {
        // The first start fixes the base time: it goes with the splits from then on.
        let base_ms = self.settings.base_ms.unwrap_or_else(|| self.world.now_ms());
        Ok(Box::new(LaneEnumerator::new(parallelism, self.rate(), (0, base_ms), restored)))
    }

    fn create_reader(&self, _ctx: TaskContext) -> Result<Box<dyn SourceReader>, SourceError> {
        let events = Events {
            settings: self.settings.clone(),
            columns: self.columns.iter().zip(self.schema.fields()).map(Builder::new).collect(),
            schema: self.schema.clone(),
        };
        let reader = LaneReader::new(events, self.rate(), self.settings.events, self.batch_rows);
        Ok(Box::new(if self.settings.keep_alive { reader.keep_alive() } else { reader }))
    }
}

struct Events {
    settings: Arc<Settings>,
    columns: Vec<Builder>,
    schema: SchemaRef,
}

enum Builder {
    EventType(Vec<i32>),
    /// Holds the events of one kind.
    Events(EventKind, RowColumn),
}

impl Builder {
    fn new((column, field): (&Column, &Arc<datatypes::Field>)) -> Builder {
        let (kind, members) = match column {
            Column::EventType => return Builder::EventType(Vec::new()),
            Column::Person => (EventKind::Person, PERSON),
            Column::Auction => (EventKind::Auction, AUCTION),
            Column::Bid => (EventKind::Bid, BID),
        };
        let datatypes::DataType::Struct(fields) = field.data_type() else {
            unreachable!("the column was checked to be a ROW")
        };
        Builder::Events(kind, RowColumn::new(fields.clone(), members))
    }

    fn finish(&mut self, rows: usize) -> ArrayRef {
        match self {
            Builder::EventType(kinds) => Arc::new(Int32Array::from(std::mem::take(kinds))),
            Builder::Events(_, column) => column.finish(rows),
        }
    }
}

impl Rows for Events {
    fn generate(
        &mut self,
        lane: &Lane,
        numbers: usize,
        _processing_time_ms: i64,
    ) -> Result<RecordBatch, SourceError> {
        for row in 0..numbers {
            let number = lane.next + row as u64;
            let kind = self.settings.kind(number);
            for builder in &mut self.columns {
                match builder {
                    Builder::EventType(kinds) => kinds.push(kind as i32),
                    Builder::Events(own, column) if *own == kind => {
                        push(&self.settings, kind, number, lane.base_ms, row, column);
                    }
                    Builder::Events(..) => {}
                }
            }
        }
        let columns = self.columns.iter_mut().map(|builder| builder.finish(numbers)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(numbers));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|error| source_failed("generated columns do not fit together", error))
    }
}

// Members in the order of the table.
fn push(
    settings: &Settings,
    kind: EventKind,
    number: u64,
    base_ms: i64,
    row: usize,
    column: &mut RowColumn,
) {
    let at_ms = base_ms + settings.offset_ms(number);
    let mut event = column.event(row);
    match kind {
        EventKind::Person => {
            let person = settings.person(number);
            event.number(person.id).text(&person.name).text(&person.email);
            event.text(&person.credit_card).text(person.city).text(person.state).number(at_ms);
            event.text_with(|out| push_extra(person.dice, person.extra, out));
        }
        EventKind::Auction => {
            let auction = settings.auction(number);
            event.number(auction.id).text(&auction.item).text(&auction.description);
            event.number(auction.initial_bid).number(auction.reserve).number(at_ms);
            event.number(base_ms + auction.expires_ms);
            event.number(auction.seller).number(auction.category);
            event.text_with(|out| push_extra(auction.dice, auction.extra, out));
        }
        EventKind::Bid => {
            let bid = settings.bid(number);
            event.number(bid.auction).number(bid.bidder).number(bid.price);
            event.text(&bid.channel.name).text(&bid.channel.url).number(at_ms);
            event.text_with(|out| push_extra(bid.dice, bid.extra, out));
        }
    }
}
