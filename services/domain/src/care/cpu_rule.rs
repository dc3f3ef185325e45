//! AWS's rule: by the processor's use alone.

use crate::care::Verdict;
use crate::care::bounds::Bounds;
use crate::care::window::Window;

/// When to double and when to halve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuRule {
    pub high_percent: f64,
    pub high_minutes: usize,
    pub low_percent: f64,
    pub low_minutes: usize,
}

/// AWS: above 75 % in each of 15 minutes, twofold; below 10 % in each of six hours, half.
pub const AWS: CpuRule =
    CpuRule { high_percent: 75.0, high_minutes: 15, low_percent: 10.0, low_minutes: 360 };

pub fn decide(rule: &CpuRule, window: &Window, minute: i64, bounds: &Bounds) -> Verdict {
    let all = |minutes: usize, fits: &dyn Fn(f64) -> bool| {
        window.cpu(minute, minutes).filter(|values| values.iter().all(|value| fits(*value)))
    };
    if let Some(values) = all(rule.high_minutes, &|value| value > rule.high_percent) {
        let (least, most) = range(&values);
        let because = format!(
            "The processor's use was above {} % in each of the last {} minutes \
             ({least:.0} % to {most:.0} %)",
            rule.high_percent, rule.high_minutes
        );
        return bounds.verdict(bounds.current.saturating_mul(2), &because);
    }
    if let Some(values) = all(rule.low_minutes, &|value| value < rule.low_percent) {
        let (least, most) = range(&values);
        let because = format!(
            "The processor's use was below {} % for the last {} minutes \
             ({least:.0} % to {most:.0} %)",
            rule.low_percent, rule.low_minutes
        );
        return bounds.verdict(bounds.current / 2, &because);
    }
    Verdict::Keep
}

fn range(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, 0.0), |(least, most), it| (it.min(least), it.max(most)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::measure::Measure;
    use crate::care::measure::tests::measured;

    fn bounds(current: u32, least: u32) -> Bounds {
        Bounds { current, least, quota: 64, most_kpus: 64, max_parallelism: Some(128) }
    }

    /// Decides after each of these minutes; the first that is not Keep, and when.
    fn first(values: &[f64], bounds: &Bounds) -> Option<(usize, Verdict)> {
        let mut window = Window::default();
        values.iter().enumerate().find_map(|(minute, percent)| {
            let measure = Measure { cpu_percent: Some(*percent), ..measured(1, &[]) };
            window.note(minute as i64, measure);
            let verdict = decide(&AWS, &window, minute as i64, bounds);
            (verdict != Verdict::Keep).then_some((minute + 1, verdict))
        })
    }

    fn check(values: &[f64], (current, least): (u32, u32), want: Option<(usize, u32)>) {
        let got = first(values, &bounds(current, least));
        let scaled = got.as_ref().and_then(|(minute, verdict)| match verdict {
            Verdict::Scale { parallelism, .. } => Some((*minute, *parallelism)),
            _ => None,
        });
        assert_eq!(scaled, want, "{got:?}");
    }

    #[test]
    fn aws_fifteen_minutes_above_75_percent_double() {
        check(&[76.0; 15], (2, 1), Some((15, 4)));
        check(&[76.0; 14], (2, 1), None);
        check(&[75.0; 100], (2, 1), None);
        let with_a_rest = [[90.0; 10].as_slice(), &[60.0], &[90.0; 15]].concat();
        check(&with_a_rest, (2, 1), Some((26, 4)));
        check(&[99.0; 15], (40, 1), Some((15, 64)));
        check(&[99.0; 15], (64, 1), None);
    }

    #[test]
    fn aws_six_hours_below_10_percent_halve_and_never_under_parallelism() {
        check(&[9.0; 360], (8, 2), Some((360, 4)));
        check(&[9.0; 359], (8, 2), None);
        check(&[10.0; 400], (8, 2), None);
        check(&[1.0; 360], (3, 2), Some((360, 2)));
        check(&[1.0; 360], (2, 2), None);
        check(&[0.0; 400], (1, 1), None);
    }

    #[test]
    fn the_reason_has_the_numbers() {
        let (_, verdict) =
            first(&[[80.0; 14].as_slice(), &[96.4]].concat(), &bounds(2, 1)).expect("it scales");
        let Verdict::Scale { reason, .. } = verdict else { panic!("{verdict:?}") };
        assert_eq!(
            reason,
            "The processor's use was above 75 % in each of the last 15 minutes (80 % to 96 %): \
             parallelism 2 to 4"
        );
        let (_, held) = first(&[99.0; 15], &bounds(64, 1)).expect("it is held");
        let Verdict::Held(held) = held else { panic!("{held:?}") };
        assert!(held.reason.contains("asks for parallelism 128; but 64 is the most"), "{held:?}");
    }
}
