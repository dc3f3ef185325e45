//! What a Flink version brought: the one place that refuses a feature under a level
//! that lacks it.

use millrace_dataflow::RuntimeLevel;

use crate::diagnostic::Problem;
use crate::span::Span;

/// A construct that not every level has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    LookupHint,
    StateTtlHint,
    SessionWindow,
    WindowOverUpdates,
    ScanWatermarkOptions,
    ScanParallelism,
}

struct Since {
    feature: Feature,
    name: &'static str,
    /// The Flink version that brought it.
    flink: &'static str,
    /// The first level that has it.
    level: RuntimeLevel,
}

const TABLE: [Since; 6] = [
    Since {
        feature: Feature::LookupHint,
        name: "the LOOKUP hint",
        flink: "1.16",
        level: RuntimeLevel::Flink1_18,
    },
    Since {
        feature: Feature::StateTtlHint,
        name: "the STATE_TTL hint",
        flink: "1.19",
        level: RuntimeLevel::Flink1_19,
    },
    Since {
        feature: Feature::SessionWindow,
        name: "the windowing function SESSION",
        flink: "1.19",
        level: RuntimeLevel::Flink1_19,
    },
    Since {
        feature: Feature::WindowOverUpdates,
        name: "window aggregation over an updating input",
        flink: "1.19",
        level: RuntimeLevel::Flink1_19,
    },
    Since {
        feature: Feature::ScanWatermarkOptions,
        name: "the table options 'scan.watermark.*'",
        flink: "1.18",
        level: RuntimeLevel::Flink1_18,
    },
    Since {
        feature: Feature::ScanParallelism,
        name: "the table option 'scan.parallelism'",
        flink: "1.19",
        level: RuntimeLevel::Flink1_19,
    },
];

impl Feature {
    /// # Errors
    /// The level is older than the feature; the text names the version that has it.
    pub fn check(self, level: RuntimeLevel, span: Span) -> Result<(), Problem> {
        let Some(since) = TABLE.iter().find(|since| since.feature == self) else { return Ok(()) };
        if level >= since.level {
            return Ok(());
        }
        let message = format!(
            "{} was introduced in Flink {}; this application runs on {level}",
            since.name, since.flink
        );
        let hint = format!("update the runtime environment to {} or later", since.level);
        Err(Problem::new(span, message).with_hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_has_exactly_what_its_version_brought() {
        for (feature, level, has) in [
            (Feature::LookupHint, RuntimeLevel::Flink1_15, false),
            (Feature::LookupHint, RuntimeLevel::Flink1_18, true),
            (Feature::StateTtlHint, RuntimeLevel::Flink1_18, false),
            (Feature::StateTtlHint, RuntimeLevel::Flink1_19, true),
            (Feature::SessionWindow, RuntimeLevel::Flink1_18, false),
            (Feature::SessionWindow, RuntimeLevel::Flink1_20, true),
            (Feature::ScanWatermarkOptions, RuntimeLevel::Flink1_15, false),
        ] {
            assert_eq!(feature.check(level, Span::default()).is_ok(), has, "{feature:?} {level}");
        }
    }

    #[test]
    fn a_refusal_names_the_version_and_the_way_out() {
        let problem = Feature::LookupHint
            .check(RuntimeLevel::Flink1_15, Span::default())
            .expect_err("1.15 has no LOOKUP hint");
        assert_eq!(
            problem.message,
            "the LOOKUP hint was introduced in Flink 1.16; this application runs on FLINK-1_15"
        );
        assert_eq!(
            problem.hint.as_deref(),
            Some("update the runtime environment to FLINK-1_18 or later")
        );
    }
}
