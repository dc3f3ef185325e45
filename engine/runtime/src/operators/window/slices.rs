//! Arithmetic of windows and of the slices they share. All times are milliseconds of
//! the windows' own clock (UTC, or the session zone's wall clock).
//!
//! A slice is the longest span that lies in the same windows throughout; it is named
//! by its end. Source of the rules: Flink `SliceAssigners`.

use millrace_dataflow::graph::{WindowAssigner, WindowKind};

/// A window, or a slice: `[start, end)`. Ordered by end first, as windows fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub end: i64,
    pub start: i64,
}

/// The shape of the windows of one operator.
#[derive(Clone, Copy, Debug)]
pub struct Slices {
    kind: WindowKind,
    offset_ms: i64,
}

impl Slices {
    pub fn new(assigner: &WindowAssigner) -> Slices {
        Slices { kind: assigner.kind, offset_ms: assigner.offset_ms }
    }

    pub fn kind(&self) -> WindowKind {
        self.kind
    }

    /// Distance between the ends of neighbouring windows, and length of a slice.
    fn interval_ms(&self) -> i64 {
        match self.kind {
            WindowKind::Tumble { size_ms } => size_ms,
            WindowKind::Hop { slide_ms, .. } => slide_ms,
            WindowKind::Cumulate { step_ms, .. } => step_ms,
            // Not sliced: a row's own session, before it is merged with others.
            WindowKind::Session { gap_ms } => gap_ms,
        }
    }

    fn size_ms(&self) -> i64 {
        match self.kind {
            WindowKind::Tumble { size_ms }
            | WindowKind::Hop { size_ms, .. }
            | WindowKind::Cumulate { size_ms, .. } => size_ms,
            WindowKind::Session { gap_ms } => gap_ms,
        }
    }

    /// Greatest multiple of `length` (plus the offset) that is not after the time.
    fn floor(&self, time: i64, length: i64) -> i64 {
        time - (time - self.offset_ms).rem_euclid(length)
    }

    /// The slice of a row.
    pub fn of(&self, time: i64) -> Span {
        let start = self.floor(time, self.interval_ms());
        Span { start, end: start + self.interval_ms() }
    }

    fn window_ending_at(&self, end: i64) -> Span {
        let start = match self.kind {
            WindowKind::Cumulate { size_ms, .. } => self.floor(end - 1, size_ms),
            _ => end - self.size_ms(),
        };
        Span { start, end }
    }

    /// The first window that holds the slice.
    pub fn first_window(&self, slice: Span) -> Span {
        self.window_ending_at(slice.end)
    }

    /// The last window that holds the slice.
    pub fn last_window(&self, slice: Span) -> Span {
        match self.kind {
            WindowKind::Tumble { .. } | WindowKind::Session { .. } => slice,
            WindowKind::Hop { slide_ms, size_ms } => {
                self.window_ending_at(slice.end - slide_ms + size_ms)
            }
            WindowKind::Cumulate { size_ms, .. } => {
                let start = self.floor(slice.end - 1, size_ms);
                Span { start, end: start + size_ms }
            }
        }
    }

    /// The window that ends next after this one and may share slices with it.
    pub fn next_window(&self, window: Span) -> Option<Span> {
        match self.kind {
            WindowKind::Tumble { .. } | WindowKind::Session { .. } => None,
            WindowKind::Hop { slide_ms, .. } => Some(self.window_ending_at(window.end + slide_ms)),
            WindowKind::Cumulate { step_ms, size_ms } => (window.end < window.start + size_ms)
                .then_some(Span { start: window.start, end: window.end + step_ms }),
        }
    }

    /// Where a cumulating window keeps all that it has fired: its first slice.
    pub fn base(&self, slice: Span) -> Span {
        let start = self.floor(slice.end - 1, self.size_ms());
        Span { start, end: start + self.interval_ms() }
    }

    /// Every window of a row, in the order in which a windowing table function copies
    /// it: hopping windows from the latest, cumulating ones from the shortest.
    pub fn windows_of(&self, time: i64) -> Vec<Span> {
        match self.kind {
            WindowKind::Tumble { .. } => vec![self.of(time)],
            WindowKind::Session { gap_ms } => {
                vec![Span { start: time, end: time.saturating_add(gap_ms) }]
            }
            WindowKind::Hop { slide_ms, size_ms } => {
                let mut start = self.floor(time, slide_ms);
                let mut windows = Vec::new();
                while start > time - size_ms {
                    windows.push(Span { start, end: start + size_ms });
                    start -= slide_ms;
                }
                windows
            }
            WindowKind::Cumulate { step_ms, size_ms } => {
                let start = self.floor(time, size_ms);
                let first = self.floor(time, step_ms) + step_ms;
                let ends = (first..=start + size_ms).step_by(step_ms as usize);
                ends.map(|end| Span { start, end }).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_dataflow::graph::WindowTime;

    fn slices(kind: WindowKind, offset_ms: i64) -> Slices {
        let time = WindowTime::Proctime;
        Slices::new(&WindowAssigner { kind, offset_ms, time, time_zone: None })
    }

    fn check(kind: WindowKind, offset_ms: i64, time: i64, expected: &[(i64, i64)]) {
        let slices = slices(kind, offset_ms);
        let windows: Vec<_> =
            slices.windows_of(time).iter().map(|window| (window.start, window.end)).collect();
        assert_eq!(windows, expected, "{kind:?} at {time}");
        // By slices: the same windows, first to last.
        let slice = slices.of(time);
        assert!(slice.start <= time && time < slice.end);
        let mut by_slices = vec![slices.first_window(slice)];
        while by_slices[by_slices.len() - 1] != slices.last_window(slice) {
            let next = slices.next_window(by_slices[by_slices.len() - 1]);
            by_slices.push(next.expect("not yet the last"));
        }
        let mut sorted = slices.windows_of(time);
        sorted.sort();
        assert_eq!(by_slices, sorted);
    }

    #[test]
    fn b3_1_tumbling_windows_are_aligned_to_the_epoch() {
        let tumble = WindowKind::Tumble { size_ms: 10 };
        check(tumble, 0, 0, &[(0, 10)]);
        check(tumble, 0, -1, &[(-10, 0)]);
        check(tumble, 3, 2, &[(-7, 3)]);
        check(tumble, -3, 8, &[(7, 17)]);
    }

    #[test]
    fn b3_2_hopping_windows_copy_from_the_latest() {
        let hop = WindowKind::Hop { slide_ms: 5, size_ms: 15 };
        check(hop, 0, 12, &[(10, 25), (5, 20), (0, 15)]);
        check(hop, 1, 0, &[(-4, 11), (-9, 6), (-14, 1)]);
    }

    #[test]
    fn b3_3_cumulating_windows_share_their_start() {
        let cumulate = WindowKind::Cumulate { step_ms: 5, size_ms: 15 };
        check(cumulate, 0, 7, &[(0, 10), (0, 15)]);
        check(cumulate, 0, 14, &[(0, 15)]);
        check(cumulate, 0, -15, &[(-15, -10), (-15, -5), (-15, 0)]);
        assert_eq!(
            slices(cumulate, 0).base(Span { start: 10, end: 15 }),
            Span { start: 0, end: 5 }
        );
    }
}
