//! Limits of an account and of an application.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::configuration::ParallelismConfiguration;
use crate::reject::Reject;

/// What an account may have in a Region, as far as who runs the service may say otherwise;
/// by default as AWS has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Quotas {
    /// Applications (AWS: 100).
    pub applications: u64,
    /// Kinesis Processing Units of one application (AWS: 64).
    pub kpus: u64,
    /// Snapshots of one application (AWS gives no number). At the limit a snapshot by name is
    /// refused, an automatic one is still taken (aws-api 2.4).
    pub snapshots: u64,
    /// Enhanced snapshots that somebody asked for (AWS gives no number). At the limit one more
    /// is refused, an automatic one is still taken.
    pub account_snapshots: u64,
    /// Exports and imports in progress at once, in all Regions (AWS gives no number beyond one
    /// export of a snapshot): no account takes all turns.
    pub transfers: u64,
}

impl Quotas {
    /// What AWS has, and 1000 snapshots where it gives no number.
    pub const AWS: Quotas = Quotas {
        applications: 100,
        kpus: 64,
        snapshots: 1000,
        account_snapshots: 1000,
        transfers: 10,
    };
}

impl Default for Quotas {
    fn default() -> Quotas {
        Quotas::AWS
    }
}

/// The quotas of all accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaBook {
    others: Quotas,
    accounts: BTreeMap<String, Quotas>,
}

impl QuotaBook {
    pub fn of(&self, account: &str) -> &Quotas {
        self.accounts.get(account).unwrap_or(&self.others)
    }

    /// Reads `{"applications": 500, "accounts": {"111122223333": {"kpus": 256}}}`: quotas of
    /// every account, and under `accounts` what one has otherwise. What is not named stays
    /// AWS's.
    ///
    /// # Errors
    /// It is no such document; says what is wrong with it.
    pub fn read(text: &str) -> Result<QuotaBook, String> {
        let document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let Value::Object(mut all) = document else {
            return Err("it must be a JSON object".to_owned());
        };
        let accounts = match all.remove("accounts") {
            None => serde_json::Map::new(),
            Some(Value::Object(accounts)) => accounts,
            Some(_) => return Err("accounts: must be an object by account".to_owned()),
        };
        let others = quotas(Value::Object(all.clone())).map_err(|error| error.to_string())?;
        let own = |(account, own): (String, Value)| {
            let Value::Object(own) = own else {
                return Err(format!("accounts.{account}: must be an object of quotas"));
            };
            if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!("accounts.{account}: an account is 12 digits"));
            }
            let mut merged = all.clone();
            merged.extend(own);
            let quotas = quotas(Value::Object(merged));
            let quotas = quotas.map_err(|error| format!("accounts.{account}: {error}"))?;
            Ok((account, quotas))
        };
        let accounts = accounts.into_iter().map(own).collect::<Result<_, _>>()?;
        Ok(QuotaBook { others, accounts })
    }
}

fn quotas(value: Value) -> Result<Quotas, serde_json::Error> {
    serde_json::from_value(value)
}

/// AWS: user tags of one application; a call may carry more, the application may not.
pub const TAGS: usize = 50;
/// AWS: `ParallelismPerKPU`.
pub const PARALLELISM_PER_KPU: u32 = 8;

/// A job runs in one network.
pub const VPCS: usize = 1;
/// AWS gives no number.
pub const LOGGING_OPTIONS: usize = 10;

/// # Errors
/// The settings ask for more than an application may have.
pub fn check_parallelism(wanted: &ParallelismConfiguration, quotas: &Quotas) -> Result<(), Reject> {
    if wanted.parallelism_per_kpu > PARALLELISM_PER_KPU {
        return Err(Reject::Invalid {
            member: "ParallelismPerKPU",
            problem: format!("{} is above {PARALLELISM_PER_KPU}", wanted.parallelism_per_kpu),
        });
    }
    // Parallelism 10 at 4 a unit takes 3 units (aws-api 2.3).
    let kpus = u64::from(wanted.kpus());
    if kpus > quotas.kpus {
        let what = format!(
            "Parallelism {} at ParallelismPerKPU {} takes {kpus} Kinesis Processing Units",
            wanted.parallelism, wanted.parallelism_per_kpu
        );
        return Err(Reject::Quota { what, max: quotas.kpus });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_own_quotas_over_those_of_all() {
        let text = r#"{"applications": 500, "kpus": 128,
            "accounts": {"111122223333": {"kpus": 8, "transfers": 1}}}"#;
        let book = QuotaBook::read(text).unwrap();
        let others = Quotas { applications: 500, kpus: 128, ..Quotas::default() };
        assert_eq!(*book.of("000000000000"), others);
        assert_eq!(*book.of("111122223333"), Quotas { kpus: 8, transfers: 1, ..others });
        assert_eq!(QuotaBook::read("{}"), Ok(QuotaBook::default()));
    }

    #[test]
    fn what_is_no_book_of_quotas_is_refused_with_its_place() {
        let check = |text: &str, needle: &str| {
            let error = QuotaBook::read(text).unwrap_err();
            assert!(error.contains(needle), "{text}: {error}");
        };
        check("[]", "a JSON object");
        check(r#"{"aplications": 1}"#, "aplications");
        check(r#"{"kpus": -1}"#, "-1");
        check(r#"{"accounts": []}"#, "accounts: must be");
        check(r#"{"accounts": {"1": {}}}"#, "accounts.1: an account is 12 digits");
        check(r#"{"accounts": {"111122223333": {"kpu": 1}}}"#, "accounts.111122223333: unknown");
    }
}
