//! A windowing table function on its own: each row once per window, with
//! window_start, window_end and window_time appended (rows B3.7, B3.8). Late rows
//! pass.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use millrace_dataflow::graph::{WindowAssigner, WindowTime};
use millrace_dataflow::{Batch, Schema};

use super::slices::{Slices, Span};
use super::zone::SessionZone;
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};
use crate::operators::shape::Shape;

#[derive(Debug)]
pub struct WindowAssign {
    shape: Shape,
    slices: Slices,
    time: WindowTime,
    clock: Clock,
}

/// How the windows' clock relates to instants.
#[derive(Debug)]
pub struct Clock {
    pub zone: SessionZone,
}

impl Clock {
    /// # Errors
    /// The session time zone is unknown.
    pub fn new(time_zone: Option<&str>, shape: &Shape) -> Result<Clock, OperatorError> {
        let name = time_zone.unwrap_or("UTC");
        let zone = SessionZone::parse(name).ok_or_else(|| {
            shape.failed(format!(
                "no time zone {name:?}; set 'table.local-time-zone' to a name like \
                 'Europe/Berlin' or an offset like 'GMT+01:00'"
            ))
        })?;
        Ok(Clock { zone })
    }

    /// The time of each row on the windows' clock.
    pub fn times(
        &self,
        batch: &Batch,
        time: WindowTime,
        ctx: &OperatorContext,
        shape: &Shape,
    ) -> Result<Vec<i64>, OperatorError> {
        let mut times = match time {
            WindowTime::Rowtime(index) => shape.times_ms(batch.record.column(index))?,
            WindowTime::Proctime => vec![ctx.processing_time_ms; batch.num_rows()],
        };
        if !matches!(self.zone, SessionZone::Utc) {
            times.iter_mut().for_each(|time| *time = self.zone.local_ms(*time));
        }
        Ok(times)
    }

    /// The window's last millisecond: an instant when the output column is one.
    pub fn window_time(&self, window: Span, is_instant: bool) -> i64 {
        if is_instant { self.zone.instant_ms(window.end - 1) } else { window.end - 1 }
    }
}

/// Whether output column `index` is a TIMESTAMP_LTZ.
pub fn is_instant(shape: &Shape, index: usize) -> bool {
    matches!(
        shape.schema.field(index).data_type(),
        arrow::datatypes::DataType::Timestamp(_, Some(_))
    )
}

impl WindowAssign {
    /// # Errors
    /// The session time zone is unknown.
    pub fn new(
        window: &WindowAssigner,
        output: &Schema,
        name: &str,
    ) -> Result<WindowAssign, OperatorError> {
        let shape = Shape::new(name, output);
        let clock = Clock::new(window.time_zone.as_deref(), &shape)?;
        Ok(WindowAssign { shape, slices: Slices::new(window), time: window.time, clock })
    }

    fn columns(
        &self,
        batch: &Batch,
        rows: Vec<u32>,
        windows: &[Span],
    ) -> Result<Vec<ArrayRef>, OperatorError> {
        let rows = UInt32Array::from(rows);
        let copied = batch.record.columns().iter().map(|column| take(column, &rows, None));
        let mut columns: Vec<ArrayRef> =
            copied.collect::<Result<_, _>>().map_err(|error| self.shape.failed(error))?;
        let at = columns.len();
        let instant = is_instant(&self.shape, at + 2);
        let starts = windows.iter().map(|window| window.start).collect();
        let ends = windows.iter().map(|window| window.end).collect();
        let times = windows.iter().map(|window| self.clock.window_time(*window, instant)).collect();
        for (index, values) in [starts, ends, times].into_iter().enumerate() {
            columns.push(self.shape.timestamps(at + index, values)?);
        }
        Ok(columns)
    }
}

impl Operator for WindowAssign {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let times = self.clock.times(&batch, self.time, ctx, &self.shape)?;
        let (mut rows, mut windows) = (Vec::new(), Vec::new());
        for (row, time) in times.into_iter().enumerate() {
            windows.extend(self.slices.windows_of(time));
            rows.resize(windows.len(), row as u32);
        }
        let kinds =
            batch.kinds.as_ref().map(|kinds| rows.iter().map(|&row| kinds[row as usize]).collect());
        let columns = self.columns(&batch, rows, &windows)?;
        let record = self.shape.record(columns, windows.len())?;
        out.emit(match kinds {
            Some(kinds) => Batch::changelog(record, kinds),
            None => Batch::insert_only(record),
        });
        Ok(())
    }

    fn snapshot(
        &mut self,
        _: &OperatorContext,
        _: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        Ok(())
    }

    fn restore(&mut self, _: &OperatorContext, _: Vec<StateEntry>) -> Result<(), OperatorError> {
        Ok(())
    }
}
