//! The catalogue of runtime environments, as data: which exist, which are offered here,
//! and which changes between them are allowed.
//!
//! Source of the names: the `RuntimeEnvironment` enum of the AWS API (2018-05-23 model).

use std::fmt;

/// One value of AWS's `RuntimeEnvironment`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimeEnvironment {
    /// As on the wire, for example `FLINK-1_18`.
    pub name: &'static str,
    pub kind: RuntimeKind,
    /// Flink's `(major, minor)`; the place on the upgrade path.
    pub version: (u16, u16),
    pub standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeKind {
    Flink,
    /// Studio notebooks.
    Zeppelin,
    /// The SQL applications before Flink.
    Sql,
}

/// Whether an application can be made with it here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Served by the embedded engine.
    Offered,
    /// AWS has it, this service does not serve it yet.
    NotOffered,
    /// AWS withdrew it (1.6, 1.8 and 1.11 in February 2025).
    Retired,
}

const fn flink(
    name: &'static str,
    major: u16,
    minor: u16,
    standing: Standing,
) -> RuntimeEnvironment {
    RuntimeEnvironment { name, kind: RuntimeKind::Flink, version: (major, minor), standing }
}

const fn other(
    name: &'static str,
    kind: RuntimeKind,
    major: u16,
    minor: u16,
) -> RuntimeEnvironment {
    RuntimeEnvironment { name, kind, version: (major, minor), standing: Standing::NotOffered }
}

/// Every runtime environment that the API knows, in the model's order.
pub const CATALOGUE: &[RuntimeEnvironment] = &[
    other("SQL-1_0", RuntimeKind::Sql, 1, 0),
    flink("FLINK-1_6", 1, 6, Standing::Retired),
    flink("FLINK-1_8", 1, 8, Standing::Retired),
    other("ZEPPELIN-FLINK-1_0", RuntimeKind::Zeppelin, 1, 0),
    flink("FLINK-1_11", 1, 11, Standing::Retired),
    flink("FLINK-1_13", 1, 13, Standing::NotOffered),
    other("ZEPPELIN-FLINK-2_0", RuntimeKind::Zeppelin, 2, 0),
    flink("FLINK-1_15", 1, 15, Standing::Offered),
    other("ZEPPELIN-FLINK-3_0", RuntimeKind::Zeppelin, 3, 0),
    flink("FLINK-1_18", 1, 18, Standing::Offered),
    flink("FLINK-1_19", 1, 19, Standing::Offered),
    flink("FLINK-1_20", 1, 20, Standing::Offered),
    flink("FLINK-2_2", 2, 2, Standing::NotOffered),
    flink("FLINK-2_3", 2, 3, Standing::NotOffered),
];

/// AWS: enhanced snapshots begin with Flink 1.20.
pub fn has_enhanced_snapshots(name: &str) -> bool {
    RuntimeEnvironment::named(name)
        .is_ok_and(|runtime| runtime.kind == RuntimeKind::Flink && runtime.version >= (1, 20))
}

impl RuntimeEnvironment {
    /// The entry of that name, offered or not.
    ///
    /// # Errors
    /// The API has no such runtime environment.
    pub fn named(name: &str) -> Result<&'static RuntimeEnvironment, RuntimeRefused> {
        CATALOGUE
            .iter()
            .find(|entry| entry.name == name)
            .ok_or_else(|| RuntimeRefused::Unknown { name: name.to_owned() })
    }

    /// The entry of that name, when an application can be made with it here.
    ///
    /// # Errors
    /// Unknown, retired, or not served; the error lists those that are offered.
    pub fn offered(name: &str) -> Result<&'static RuntimeEnvironment, RuntimeRefused> {
        let entry = RuntimeEnvironment::named(name)?;
        match entry.standing {
            Standing::Offered => Ok(entry),
            Standing::NotOffered => Err(RuntimeRefused::NotOffered { name: entry.name }),
            Standing::Retired => Err(RuntimeRefused::Retired { name: entry.name }),
        }
    }

    /// Whether `self` is newer than `other`: reads its snapshots, not the reverse.
    pub fn is_newer_than(&self, other: &RuntimeEnvironment) -> bool {
        self.version > other.version
    }
}

/// Whether `UpdateApplication` may change `from` to `to` (AWS: in-place version upgrades):
/// forward only; the way back is `RollbackApplication`.
///
/// # Errors
/// The target is not offered, is older, or is of another kind.
pub fn check_update(from: &str, to: &str) -> Result<&'static RuntimeEnvironment, RuntimeRefused> {
    let target = RuntimeEnvironment::offered(to)?;
    let current = RuntimeEnvironment::named(from)?;
    if current.kind != target.kind {
        return Err(RuntimeRefused::OtherKind { from: current.name, to: target.name });
    }
    if current.is_newer_than(target) {
        return Err(RuntimeRefused::Downgrade { from: current.name, to: target.name });
    }
    Ok(target)
}

/// The names of the runtimes offered, oldest first: `FLINK-1_15, FLINK-1_18, …`.
pub fn offered_names() -> Offered {
    Offered
}

/// Displays the list of the runtimes offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered;

impl fmt::Display for Offered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offered = CATALOGUE.iter().filter(|entry| entry.standing == Standing::Offered);
        for (at, entry) in offered.enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            f.write_str(entry.name)?;
        }
        Ok(())
    }
}

/// Why a runtime environment cannot be had. `Display` says what can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeRefused {
    #[error("there is no RuntimeEnvironment {name:?}; this service offers {Offered}")]
    Unknown { name: String },
    #[error("RuntimeEnvironment {name} is not offered by this service, which offers {Offered}")]
    NotOffered { name: &'static str },
    #[error("RuntimeEnvironment {name} is retired; this service offers {Offered}")]
    Retired { name: &'static str },
    #[error(
        "an update cannot go back from {from} to {to}: \
         use RollbackApplication, which restores the version before the upgrade"
    )]
    Downgrade { from: &'static str, to: &'static str },
    #[error("an application of runtime {from} cannot become one of {to}: create a new application")]
    OtherKind { from: &'static str, to: &'static str },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str) -> String {
        RuntimeEnvironment::offered(name).unwrap_err().to_string()
    }

    #[test]
    fn the_embedded_engine_offers_four() {
        assert_eq!(offered_names().to_string(), "FLINK-1_15, FLINK-1_18, FLINK-1_19, FLINK-1_20");
        for name in ["FLINK-1_15", "FLINK-1_18", "FLINK-1_19", "FLINK-1_20"] {
            assert_eq!(RuntimeEnvironment::offered(name).map(|entry| entry.name), Ok(name));
        }
    }

    #[test]
    fn a_refusal_names_the_runtime_and_lists_those_offered() {
        for (name, word) in [
            ("FLINK-9_9", "there is no"),
            ("flink-1_18", "there is no"),
            ("FLINK-1_11", "retired"),
            ("FLINK-1_13", "not offered"),
            ("FLINK-2_3", "not offered"),
            ("SQL-1_0", "not offered"),
        ] {
            let text = refusal(name);
            assert!(text.contains(name) && text.contains(word), "{text}");
            assert!(text.contains("FLINK-1_15, FLINK-1_18"), "{text}");
        }
    }

    #[test]
    fn an_update_goes_forward_and_never_back() {
        for (from, to) in [
            ("FLINK-1_15", "FLINK-1_18"),
            ("FLINK-1_18", "FLINK-1_18"),
            ("FLINK-1_15", "FLINK-1_20"),
            ("FLINK-1_13", "FLINK-1_15"),
        ] {
            assert_eq!(check_update(from, to).map(|entry| entry.name), Ok(to));
        }
        let text = check_update("FLINK-1_20", "FLINK-1_18").unwrap_err().to_string();
        assert!(text.contains("RollbackApplication"), "{text}");
        assert!(matches!(
            check_update("ZEPPELIN-FLINK-3_0", "FLINK-1_18"),
            Err(RuntimeRefused::OtherKind { .. })
        ));
    }
}
