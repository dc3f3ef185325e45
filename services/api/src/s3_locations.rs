//! Where in S3 code and snapshots may come from, and where snapshots may go. The service does
//! it with its own key: without a list any tenant could read or write whatever that key can.

use std::str::FromStr;

use crate::artifacts::{ArtifactError, S3Object};

/// One location: a bucket or a part of it, for all accounts or one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Location {
    account: Option<String>,
    bucket: String,
    prefix: String,
}

/// The locations allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Locations {
    /// Whose key the service's own is: may fetch from everywhere while nothing is listed.
    own_account: String,
    listed: Vec<S3Location>,
}

/// A text that is no location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no S3 location: write s3://BUCKET/PREFIX or ACCOUNT=s3://BUCKET/PREFIX")]
pub struct InvalidS3Location(String);

impl FromStr for S3Location {
    type Err = InvalidS3Location;

    fn from_str(text: &str) -> Result<S3Location, InvalidS3Location> {
        let invalid = || InvalidS3Location(text.to_owned());
        let (account, location) = match text.split_once('=') {
            Some((account, location)) if !account.contains('/') => (Some(account), location),
            _ => (None, text),
        };
        let digits = |account: &str| {
            account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())
        };
        let place = location.strip_prefix("s3://").ok_or_else(invalid)?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() || account.is_some_and(|account| !digits(account)) {
            return Err(invalid());
        }
        Ok(S3Location {
            account: account.map(str::to_owned),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

impl S3Locations {
    /// Nothing listed: `account` alone may, everywhere.
    pub fn of_account(account: impl Into<String>) -> S3Locations {
        S3Locations { own_account: account.into(), listed: Vec::new() }
    }

    /// These and no others, if there are any.
    pub fn with(self, listed: Vec<S3Location>) -> S3Locations {
        S3Locations { listed, ..self }
    }

    /// # Errors
    /// `account` may not fetch the object, whether it exists or not.
    pub fn check(&self, account: &str, object: &S3Object) -> Result<(), ArtifactError> {
        if self.allow(account, &object.bucket, &object.key) {
            return Ok(());
        }
        let (bucket, key) = (object.bucket.clone(), object.key.clone());
        Err(ArtifactError::NotAllowed { bucket, key })
    }

    /// Whether `account` may do it with this object, or with all below it when the key ends
    /// in a slash.
    pub fn allow(&self, account: &str, bucket: &str, key: &str) -> bool {
        // S3 takes keys as they are; what stands before it may take `..` as a way up.
        if key.split('/').any(|part| matches!(part, "." | "..")) {
            return false;
        }
        if self.listed.is_empty() {
            return self.own_account == account;
        }
        self.listed.iter().any(|location| {
            location.account.as_deref().is_none_or(|of| of == account)
                && location.bucket == bucket
                && key.starts_with(&location.prefix)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_may_be_fetched() {
        let check = |listed: &[&str], account: &str, place: &str, expected: bool| {
            let listed = listed.iter().map(|text| text.parse().expect("a location"));
            let locations = S3Locations::of_account("111111111111").with(listed.collect());
            let (bucket, key) = place.split_once('/').expect("a bucket and a key");
            let (bucket, key) = (bucket.to_owned(), key.to_owned());
            let object = S3Object { bucket, key, version: None };
            assert_eq!(locations.check(account, &object).is_ok(), expected, "{account} {place}");
        };
        check(&[], "111111111111", "any/key", true);
        check(&[], "222222222222", "any/key", false);
        let listed = ["s3://shared/code/", "222222222222=s3://two", "222222222222=s3://x/a=b"];
        check(&listed, "111111111111", "shared/code/a.zip", true);
        check(&listed, "222222222222", "shared/code/a.zip", true);
        check(&listed, "222222222222", "shared/data/a.zip", false);
        check(&listed, "222222222222", "shared/code/../data/a", false);
        check(&listed, "222222222222", "two/x", true);
        check(&listed, "222222222222", "x/a=b/c", true);
        check(&listed, "111111111111", "two/x", false);
        check(&listed, "111111111111", "two-more/x", false);
        check(&listed, "111111111111", "any/key", false);
    }

    #[test]
    fn what_is_no_location_is_refused() {
        for text in ["", "bucket", "s3://", "s3:///key", "12=s3://b", "x=s3://b", "http://b"] {
            assert!(text.parse::<S3Location>().is_err(), "{text}");
        }
    }
}
