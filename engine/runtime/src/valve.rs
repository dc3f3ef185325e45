//! Watermarks of several channels brought to one: the least of those not idle
//! (rows E.11, E.9; Flink: `StatusWatermarkValve`). Never goes back.

use millrace_dataflow::Watermark;

/// What a channel's news mean for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    Nothing,
    To(Watermark),
    /// All channels are idle; with the watermark to send first when it has grown.
    Idle(Option<Watermark>),
}

#[derive(Clone, Debug)]
pub struct Valve {
    channels: Vec<(Watermark, bool)>,
    current: Watermark,
    idle: bool,
}

impl Valve {
    pub fn new(channels: usize) -> Valve {
        Valve {
            channels: vec![(Watermark::MIN, false); channels],
            current: Watermark::MIN,
            idle: false,
        }
    }

    pub fn watermark(&mut self, channel: usize, watermark: Watermark) -> Advance {
        let slot = &mut self.channels[channel];
        *slot = (slot.0.max(watermark), false);
        self.idle = false;
        self.settle()
    }

    /// A batch makes a channel count again.
    pub fn active(&mut self, channel: usize) {
        self.channels[channel].1 = false;
        self.idle = false;
    }

    pub fn idle(&mut self, channel: usize) -> Advance {
        self.channels[channel].1 = true;
        if self.channels.iter().any(|(_, idle)| !idle) {
            return self.settle();
        }
        let was_idle = std::mem::replace(&mut self.idle, true);
        let greatest = self.channels.iter().map(|(watermark, _)| *watermark).max();
        let grown = greatest.filter(|watermark| *watermark > self.current);
        self.current = grown.unwrap_or(self.current);
        if was_idle && grown.is_none() { Advance::Nothing } else { Advance::Idle(grown) }
    }

    /// A channel's own watermark.
    pub fn channel(&self, channel: usize) -> Watermark {
        self.channels[channel].0
    }

    fn settle(&mut self) -> Advance {
        let active = self.channels.iter().filter(|(_, idle)| !idle);
        match active.map(|(watermark, _)| *watermark).min() {
            Some(least) if least > self.current => {
                self.current = least;
                Advance::To(least)
            }
            _ => Advance::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_11_the_least_of_the_active_channels_counts() {
        let at = Watermark;
        let mut valve = Valve::new(2);
        assert_eq!(valve.watermark(0, at(5)), Advance::Nothing);
        assert_eq!(valve.watermark(1, at(3)), Advance::To(at(3)));
        assert_eq!(valve.idle(1), Advance::To(at(5)));
        assert_eq!(valve.watermark(0, at(9)), Advance::To(at(9)));
        // Back with an older watermark: it holds back, but nothing goes back.
        assert_eq!(valve.watermark(1, at(4)), Advance::Nothing);
        assert_eq!(valve.watermark(0, at(20)), Advance::Nothing);
        assert_eq!(valve.watermark(1, at(12)), Advance::To(at(12)));
    }

    #[test]
    fn e_11_all_idle_is_idle_at_the_greatest() {
        let mut valve = Valve::new(2);
        valve.watermark(0, Watermark(5));
        valve.watermark(1, Watermark(3));
        assert_eq!(valve.idle(1), Advance::To(Watermark(5)));
        assert_eq!(valve.idle(0), Advance::Idle(None));
        assert_eq!(valve.idle(0), Advance::Nothing);
        valve.active(1);
        assert_eq!(valve.idle(1), Advance::Idle(None));
    }
}
