//! What a script's first lines say of how it is to be run and what is expected.
//!
//! ```sql
//! -- tables: nexmark        (the tables of differential/tables/nexmark.sql stand before it)
//! -- parallelism: 1 2       (a case for each; 1 when nothing is said)
//! -- mini-batch: both       (each case once more with mini-batches)
//! -- pending: REASON        (Flink answers, this engine not yet)
//! -- differs: REASON        (both answer, not the same)
//! -- refused: REASON        (both refuse)
//! -- unchecked: REASON      (the answer depends on the clock: only planned here)
//! -- flink: TEXT => OTHER   (Flink is asked with the other text in its place)
//! ```

use std::fs;
use std::path::Path;

const MINI_BATCH: &str = "SET 'table.exec.mini-batch.enabled' = 'true';
SET 'table.exec.mini-batch.allow-latency' = '1 s';
SET 'table.exec.mini-batch.size' = '500';
";

/// What must come out. All but `Equal` carry the reason and are listed at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    Equal,
    /// Fails when the answers become equal, so that the list stays true.
    Pending(String),
    Differs(String),
    /// Fails when either engine answers.
    Refused(String),
    Unchecked(String),
}

/// One run of a script on both engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    /// With `$DATA`, `$OUT`, `$EVENTS` and `$BOUND` still in it.
    pub text: String,
    pub parallelism: u16,
    pub expectation: Expectation,
    /// What stands for what in the text that Flink is asked with.
    pub for_flink: Option<(String, String)>,
}

impl Case {
    pub fn text_for_flink(&self) -> String {
        match &self.for_flink {
            Some((ours, theirs)) => self.text.replace(ours, theirs),
            None => self.text.clone(),
        }
    }
}

/// The cases of a script.
///
/// # Errors
/// A line of the header is not known, or the tables it names cannot be read.
pub fn cases(name: &str, text: &str, tables: &Path) -> Result<Vec<Case>, String> {
    let header = Header::of(text).map_err(|line| format!("{name}: not a header: {line}"))?;
    let mut body = String::new();
    if let Some(named) = &header.tables {
        let file = tables.join(format!("{named}.sql"));
        let declared = fs::read_to_string(&file);
        body = declared.map_err(|cause| format!("{name}: {}: {cause}", file.display()))?;
    }
    body.extend(
        text.lines().filter(|line| !line.starts_with("--")).map(|line| format!("{line}\n")),
    );
    let mut cases = Vec::new();
    for parallelism in header.parallelism {
        let case = |suffix: &str, settings: &str| Case {
            name: match parallelism {
                1 => format!("{name}{suffix}"),
                more => format!("{name}@{more}{suffix}"),
            },
            text: format!("{settings}{body}"),
            parallelism,
            expectation: header.expectation.clone(),
            for_flink: header.for_flink.clone(),
        };
        cases.push(case("", ""));
        if header.mini_batch {
            cases.push(case("+mini", MINI_BATCH));
        }
    }
    Ok(cases)
}

struct Header {
    expectation: Expectation,
    tables: Option<String>,
    parallelism: Vec<u16>,
    mini_batch: bool,
    for_flink: Option<(String, String)>,
}

impl Header {
    /// # Errors
    /// The line that is not understood.
    fn of(text: &str) -> Result<Self, &str> {
        let mut header = Self {
            expectation: Expectation::Equal,
            tables: None,
            parallelism: vec![1],
            mini_batch: false,
            for_flink: None,
        };
        for line in text.lines().take_while(|line| line.starts_with("--")) {
            let told = line.trim_start_matches('-').trim().split_once(':');
            header.take(told.ok_or(line)?).ok_or(line)?;
        }
        Ok(header)
    }

    fn take(&mut self, (key, value): (&str, &str)) -> Option<()> {
        let value = value.trim();
        match key {
            "pending" => self.expectation = Expectation::Pending(value.to_owned()),
            "differs" => self.expectation = Expectation::Differs(value.to_owned()),
            "refused" => self.expectation = Expectation::Refused(value.to_owned()),
            "unchecked" => self.expectation = Expectation::Unchecked(value.to_owned()),
            "tables" => self.tables = Some(value.to_owned()),
            "parallelism" => {
                self.parallelism = value
                    .split_whitespace()
                    .map(|word| word.parse().ok())
                    .collect::<Option<_>>()?;
            }
            "flink" => {
                let (ours, theirs) = value.split_once("=>")?;
                self.for_flink = Some((ours.trim().to_owned(), theirs.trim().to_owned()));
            }
            "mini-batch" => self.mini_batch = value == "both",
            "note" => {}
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Expectation, cases};

    #[test]
    fn a_header_makes_a_case_for_each_parallelism_and_kind_of_batch() {
        let text = "-- parallelism: 1 2\n-- mini-batch: both\n-- pending: later\nSELECT 1;\n";
        let made = cases("a.b", text, Path::new("")).unwrap();
        let names: Vec<_> = made.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["a.b", "a.b+mini", "a.b@2", "a.b@2+mini"]);
        assert_eq!(made[0].text, "SELECT 1;\n");
        assert!(made[1].text.starts_with("SET 'table.exec.mini-batch.enabled'"));
        assert_eq!(made[3].expectation, Expectation::Pending("later".to_owned()));
        assert_eq!(made[3].parallelism, 2);
    }

    #[test]
    fn flink_may_be_asked_with_another_text() {
        let text = "-- flink: JOIN a NOW => JOIN a\nSELECT 1 FROM b JOIN a NOW;\n";
        let made = cases("a.b", text, Path::new("")).unwrap();
        assert_eq!(made[0].text, "SELECT 1 FROM b JOIN a NOW;\n");
        assert_eq!(made[0].text_for_flink(), "SELECT 1 FROM b JOIN a;\n");
    }

    #[test]
    fn an_unknown_header_is_an_error_that_names_the_line() {
        let said = cases("a.b", "-- whatever: 1\nSELECT 1;\n", Path::new("")).unwrap_err();
        assert_eq!(said, "a.b: not a header: -- whatever: 1");
    }
}
