//! Who asks.

use std::fmt;

/// The root of an account, or one of its users.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    account: String,
    user: Option<String>,
}

/// A text that names no principal. `Display` says which form it must have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPrincipal {
    #[error("{0:?} is no account: an account is 12 digits")]
    Account(String),
    #[error("{0:?} is no user name: 1 to 64 letters, digits and any of _+=,.@- (as in IAM)")]
    User(String),
}

impl Principal {
    /// The root of an account, who may do everything in it.
    ///
    /// # Errors
    /// `account` is not 12 digits.
    pub fn root(account: &str) -> Result<Principal, InvalidPrincipal> {
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidPrincipal::Account(account.to_owned()));
        }
        Ok(Principal { account: account.to_owned(), user: None })
    }

    /// A user, who may do what its policies allow.
    ///
    /// # Errors
    /// `account` is not 12 digits, or `user` is not of IAM's form.
    pub fn user(account: &str, user: &str) -> Result<Principal, InvalidPrincipal> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if !(1..=64).contains(&user.len()) || !user.chars().all(allowed) {
            return Err(InvalidPrincipal::User(user.to_owned()));
        }
        let root = Principal::root(account)?;
        Ok(Principal { user: Some(user.to_owned()), ..root })
    }

    /// The root without a user name, else the user.
    ///
    /// # Errors
    /// As [`Principal::root`] and [`Principal::user`].
    pub fn of(account: &str, user: Option<&str>) -> Result<Principal, InvalidPrincipal> {
        user.map_or_else(|| Principal::root(account), |user| Principal::user(account, user))
    }

    pub fn account(&self) -> &str {
        &self.account
    }

    /// `None` for the root.
    pub fn user_name(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub fn is_root(&self) -> bool {
        self.user.is_none()
    }
}

/// As an ARN: `arn:aws:iam::ACCOUNT:root` or `arn:aws:iam::ACCOUNT:user/NAME`.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            None => write!(f, "arn:aws:iam::{}:root", self.account),
            Some(user) => write!(f, "arn:aws:iam::{}:user/{user}", self.account),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_have_iams_form_and_arn() {
        let check = |account: &str, user: Option<&str>, expected: Option<&str>| {
            let arn = Principal::of(account, user).ok().map(|principal| principal.to_string());
            assert_eq!(arn.as_deref(), expected, "{account} {user:?}");
        };
        check("000000000000", None, Some("arn:aws:iam::000000000000:root"));
        check("123456789012", Some("a.b@c"), Some("arn:aws:iam::123456789012:user/a.b@c"));
        check("12345678901", None, None);
        check("12345678901x", None, None);
        check("123456789012", Some(""), None);
        check("123456789012", Some("a/b"), None);
        check("123456789012", Some(&"a".repeat(65)), None);
    }
}
