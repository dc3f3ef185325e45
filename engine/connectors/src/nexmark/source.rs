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

use super::columns::{Member, RowColumn};
use super::events::{EventKind, Settings, push_extra};
use super::table::{AUCTION, BID, Column, PERSON, column};
use super::words::push_word;
use crate::errors::{source_failed, source_refused};
use crate::generator::{Lane, LaneEnumerator, LaneReader, Rows};
use crate::world::World;

pub struct NexmarkSource {
    settings: Arc<Settings>,
    columns: Vec<Column>,
    schema: SchemaRef,
    /// For each column; see [`ScanSpec::members`].
    members: Vec<Option<Vec<usize>>>,
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
            members: scan.members.clone(),
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
        let columns = self.columns.iter().zip(self.schema.fields()).enumerate();
        let read = |at| self.members.get(at).and_then(Option::as_deref);
        let events = Events {
            settings: self.settings.clone(),
            columns: columns.map(|(at, column)| Builder::new(column, read(at))).collect(),
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
    fn new((column, field): (&Column, &Arc<datatypes::Field>), read: Option<&[usize]>) -> Builder {
        let (kind, members) = match column {
            Column::EventType => return Builder::EventType(Vec::new()),
            Column::Person => (EventKind::Person, PERSON),
            Column::Auction => (EventKind::Auction, AUCTION),
            Column::Bid => (EventKind::Bid, BID),
        };
        let datatypes::DataType::Struct(fields) = field.data_type() else {
            unreachable!("the column was checked to be a ROW")
        };
        Builder::Events(kind, RowColumn::new(fields.clone(), members, read))
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
        let mut row = 0;
        while row < numbers {
            let (kind, run) = self.settings.run(lane.next + row as u64);
            let count = (run as usize).min(numbers - row);
            let run = Run { number: lane.next + row as u64, count, base_ms: lane.base_ms };
            for builder in &mut self.columns {
                match builder {
                    Builder::EventType(kinds) => kinds.resize(row + count, kind as i32),
                    Builder::Events(own, column) if *own == kind => {
                        run.push(&self.settings, kind, column.events(row, count));
                    }
                    Builder::Events(..) => {}
                }
            }
            row += count;
        }
        let columns = self.columns.iter_mut().map(|builder| builder.finish(numbers)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(numbers));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|error| source_failed("generated columns do not fit together", error))
    }
}

/// Events of one kind, one after another.
struct Run {
    number: u64,
    count: usize,
    base_ms: i64,
}

impl Run {
    /// `members` are in the order of the table.
    fn push(&self, settings: &Settings, kind: EventKind, members: &mut [Member]) {
        match kind {
            EventKind::Person => self.persons(settings, members),
            EventKind::Auction => self.auctions(settings, members),
            EventKind::Bid => self.bids(settings, members),
        }
    }

    /// Number and time of each event.
    fn events(&self, settings: &Settings) -> impl Iterator<Item = (u64, i64)> + use<> {
        let base_ms = self.base_ms;
        let times = settings.times(self.number).map(move |ms| base_ms + ms);
        (self.number..self.number + self.count as u64).zip(times)
    }

    fn persons(&self, settings: &Settings, members: &mut [Member]) {
        let [id, name, email, credit_card, city, state, time, extra] = members else { return };
        let with_texts =
            [&*name, email, credit_card, city, state, extra].iter().any(|text| text.is_read());
        for (number, at_ms) in self.events(settings) {
            id.number(settings.person_id(number));
            time.number(at_ms);
            if with_texts {
                let person = settings.person(number);
                name.text(&person.name);
                email.text(&person.email);
                credit_card.text(&person.credit_card);
                city.text(person.city);
                state.text(person.state);
                extra.text_with(|out| push_extra(person.dice, person.extra, out));
            }
        }
    }

    fn auctions(&self, settings: &Settings, members: &mut [Member]) {
        let [id, item, description, initial, reserve, time, expires, seller, category, extra] =
            members
        else {
            return;
        };
        let with_texts = [&*item, description, extra].iter().any(|text| text.is_read());
        let (mut words, mut more_words) = (Vec::new(), Vec::new());
        for (number, at_ms) in self.events(settings) {
            let mut auction = settings.auction(number);
            id.number(auction.id);
            initial.number(auction.initial_bid);
            reserve.number(auction.reserve);
            time.number(at_ms);
            expires.number(self.base_ms + auction.expires_ms);
            seller.number(auction.seller);
            category.number(auction.category);
            if with_texts {
                words.clear();
                more_words.clear();
                push_word(&mut auction.dice, 20, b' ', &mut words);
                push_word(&mut auction.dice, 100, b' ', &mut more_words);
                let texts = words.len() + more_words.len();
                let length = settings.auction_extra(&mut auction.dice, texts);
                item.text_with(|out| out.extend_from_slice(&words));
                description.text_with(|out| out.extend_from_slice(&more_words));
                extra.text_with(|out| push_extra(auction.dice, length, out));
            }
        }
    }

    fn bids(&self, settings: &Settings, members: &mut [Member]) {
        let [auction, bidder, price, channel, url, time, extra] = members else { return };
        let newest = settings.newest(self.number);
        for (number, at_ms) in self.events(settings) {
            let bid = settings.bid_after(newest, number);
            auction.number(bid.auction);
            bidder.number(bid.bidder);
            price.number(bid.price);
            channel.text(&bid.channel.name);
            url.text(&bid.channel.url);
            time.number(at_ms);
            extra.text_with(|out| push_extra(bid.dice, bid.extra, out));
        }
    }
}
