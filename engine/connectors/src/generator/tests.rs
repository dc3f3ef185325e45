use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, UInt64Array};
use arrow::datatypes::UInt64Type;

use super::*;

/// Rows that are their numbers.
struct Numbers;

impl Rows for Numbers {
    fn generate(
        &mut self,
        lane: &Lane,
        numbers: usize,
        _: i64,
    ) -> Result<RecordBatch, SourceError> {
        let values = UInt64Array::from_iter_values(lane.next..lane.next + numbers as u64);
        let column: ArrayRef = Arc::new(values);
        Ok(RecordBatch::try_from_iter([("n", column)]).expect("one column"))
    }
}

fn reader(rate: Option<u64>, end: Option<u64>, splits: Vec<Split>) -> LaneReader<Numbers> {
    let mut reader = LaneReader::new(Numbers, rate, end, 100);
    splits.into_iter().for_each(|split| reader.add_split(split).expect("a good split"));
    reader
}

fn first_splits(parallelism: u16, rate: Option<u64>) -> Vec<Split> {
    LaneEnumerator::new(parallelism, rate, (7, 0), None).discover().expect("planned")
}

/// What a reader gives in at most `polls` polls at a time.
fn read(reader: &mut LaneReader<Numbers>, polls: usize, now_ms: i64) -> Vec<u64> {
    let mut numbers = Vec::new();
    for _ in 0..polls {
        match reader.poll(now_ms).expect("no errors") {
            ReaderEvent::Batch { batch, .. } => {
                numbers.extend(batch.record.column(0).as_primitive::<UInt64Type>().values());
            }
            ReaderEvent::SplitFinished { .. } => {}
            ReaderEvent::Wait(_) => break,
        }
    }
    numbers
}

#[test]
fn one_reader_gives_all_numbers_in_order() {
    for rate in [None, Some(5_000), Some(10)] {
        let mut reader = reader(None, Some(3_000), first_splits(1, rate));
        assert_eq!(read(&mut reader, 100_000, 0), (0..3_000).collect::<Vec<_>>());
        assert!(reader.snapshot().is_empty());
    }
}

#[test]
fn several_readers_share_the_numbers_out() {
    let splits = first_splits(3, None);
    assert_eq!(splits.len(), 9);
    let mut all = Vec::new();
    for subtask in 0..3 {
        let own = splits.iter().skip(subtask).step_by(3).cloned().collect();
        let given = read(&mut reader(None, Some(20_000), own), 100_000, 0);
        assert!(given.is_sorted());
        all.extend(given);
    }
    all.sort_unstable();
    assert_eq!(all, (0..20_000).collect::<Vec<_>>());
}

#[test]
fn from_every_snapshot_the_rest_follows_at_any_number_of_readers() {
    const END: u64 = 2_500;
    for polls in 0..30 {
        let mut first = reader(None, Some(END), first_splits(1, None));
        let mut all = read(&mut first, polls, 0);
        let splits = first.snapshot();
        for readers in [1, 2, 5] {
            let mut whole = all.clone();
            for subtask in 0..readers {
                let own = splits.iter().skip(subtask).step_by(readers).cloned().collect();
                whole.extend(read(&mut reader(None, Some(END), own), 100_000, 0));
            }
            whole.sort_unstable();
            assert_eq!(
                whole,
                (0..END).collect::<Vec<_>>(),
                "after {polls} polls, {readers} readers"
            );
        }
        all.clear();
    }
}

#[test]
fn a_restored_enumerator_plans_nothing_again() {
    let mut enumerator = LaneEnumerator::new(2, None, (7, 0), None);
    assert_eq!(enumerator.discover().expect("planned").len(), 8);
    assert!(enumerator.discover().expect("planned before").is_empty());
    let state = enumerator.snapshot();
    let mut restored = LaneEnumerator::new(4, None, (8, 0), Some(&state));
    assert!(restored.discover().expect("planned before").is_empty());
}

#[test]
fn slow_generators_have_one_split_a_reader() {
    assert_eq!(first_splits(2, Some(1)).len(), 2);
    assert_eq!(first_splits(2, Some(100_000)).len(), 8);
}

#[test]
fn a_rate_is_kept_by_the_processing_time() {
    let mut reader = reader(Some(10_000), None, first_splits(1, Some(10_000)));
    assert_eq!(read(&mut reader, 1_000, 5_000).len(), 1);
    assert!(matches!(reader.poll(5_000), Ok(ReaderEvent::Wait(_))));
    assert_eq!(read(&mut reader, 1_000, 5_010).len(), 100);
    assert_eq!(read(&mut reader, 1_000, 5_110).len(), 1_000);
    // An hour of standstill is not made up for.
    assert_eq!(read(&mut reader, 1_000, 3_605_110).len(), 1);
    assert_eq!(read(&mut reader, 1_000, 3_605_210).len(), 1_000);
}

#[test]
fn numbers_are_due_by_the_time_they_say_unless_that_is_long_ago() {
    let given = |base_ms: i64, now_ms: i64| {
        let mut enumerator = LaneEnumerator::new(1, Some(1_000), (7, base_ms), None);
        let splits = enumerator.discover().expect("planned");
        let mut reader = reader(Some(1_000), None, splits);
        (read(&mut reader, 1_000, now_ms).len(), read(&mut reader, 1_000, now_ms + 100).len())
    };
    assert_eq!(given(5_000, 5_000), (1, 100));
    assert_eq!(given(5_000, 5_040), (41, 100), "what the start took is made up for");
    assert_eq!(given(5_000, 7_000), (1, 100), "longer is not");
    assert_eq!(given(5_000, 1_000), (1, 100), "nor is what is to come");
}
