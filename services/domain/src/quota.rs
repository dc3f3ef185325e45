//! Limits of an account and of an application.

use crate::configuration::ParallelismConfiguration;
use crate::reject::Reject;

/// AWS: applications per account and Region.
pub const APPLICATIONS: u64 = 100;
/// AWS: Kinesis Processing Units of one application.
pub const KPUS: u64 = 64;
/// AWS: user tags of one application; a call may carry more, the application may not.
pub const TAGS: usize = 50;
/// Snapshots of one application (AWS gives no number). At the limit a snapshot by name is
/// refused, an automatic one is still taken (aws-api 2.4).
pub const SNAPSHOTS: usize = 1000;
/// Enhanced snapshots of one account in a Region that somebody asked for (AWS gives no
/// number). At the limit one more is refused, an automatic one is still taken.
pub const ACCOUNT_SNAPSHOTS: u64 = 1000;
/// Exports and imports of one account in progress at once (AWS gives no number beyond one
/// export of a snapshot): no account takes all turns.
pub const TRANSFERS: u64 = 10;
/// AWS: `ParallelismPerKPU`.
pub const PARALLELISM_PER_KPU: u32 = 8;

/// A job runs in one network.
pub const VPCS: usize = 1;
/// AWS gives no number.
pub const LOGGING_OPTIONS: usize = 10;

/// # Errors
/// The settings ask for more than an application may have.
pub fn check_parallelism(wanted: &ParallelismConfiguration) -> Result<(), Reject> {
    if wanted.parallelism_per_kpu > PARALLELISM_PER_KPU {
        return Err(Reject::Invalid {
            member: "ParallelismPerKPU",
            problem: format!("{} is above {PARALLELISM_PER_KPU}", wanted.parallelism_per_kpu),
        });
    }
    // Parallelism 10 at 4 a unit takes 3 units (aws-api 2.3).
    let kpus = u64::from(wanted.kpus());
    if kpus > KPUS {
        let what = format!(
            "Parallelism {} at ParallelismPerKPU {} takes {kpus} Kinesis Processing Units",
            wanted.parallelism, wanted.parallelism_per_kpu
        );
        return Err(Reject::Quota { what, max: KPUS });
    }
    Ok(())
}
