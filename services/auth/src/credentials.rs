//! AWS's shared credentials file, as far as access keys go.
//!
//! `[PROFILE]`, then `aws_access_key_id = …` and `aws_secret_access_key = …`. Other
//! settings are passed over: the file may be the user's own.

use crate::access_key::{AccessKeyId, NewAccessKey, SecretKey};

/// The profile that tools use when none is named.
pub const DEFAULT_PROFILE: &str = "default";

/// Why a profile has no access key. Never shows a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    #[error("there is no profile [{0}]")]
    NoProfile(String),
    #[error("profile [{profile}] has no {setting}")]
    Missing { profile: String, setting: &'static str },
    #[error("profile [{profile}] has an {setting} that is none")]
    Invalid { profile: String, setting: &'static str },
    #[error(
        "profile [{0}] holds a session token: \
         this service knows access keys only, make one with `millrace keys create`"
    )]
    SessionToken(String),
}

const ID: &str = "aws_access_key_id";
const SECRET: &str = "aws_secret_access_key";
const TOKEN: &str = "aws_session_token";

/// The access key of `profile`.
///
/// # Errors
/// There is none, or it is no access key.
pub fn read(text: &str, profile: &str) -> Result<NewAccessKey, CredentialsError> {
    let section =
        section(text, profile).ok_or_else(|| CredentialsError::NoProfile(profile.to_owned()))?;
    let of = |setting: &'static str| {
        let found = section.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(setting));
        found
            .map(|(_, value)| *value)
            .ok_or_else(|| CredentialsError::Missing { profile: profile.to_owned(), setting })
    };
    if of(TOKEN).is_ok_and(|token| !token.is_empty()) {
        return Err(CredentialsError::SessionToken(profile.to_owned()));
    }
    let invalid =
        |setting| move |_| CredentialsError::Invalid { profile: profile.to_owned(), setting };
    Ok(NewAccessKey {
        id: AccessKeyId::new(of(ID)?).map_err(invalid(ID))?,
        secret: SecretKey::new(of(SECRET)?).map_err(invalid(SECRET))?,
    })
}

/// The lines of one profile.
pub fn write(profile: &str, key: &NewAccessKey) -> String {
    format!("[{profile}]\n{ID} = {}\n{SECRET} = {}\n", key.id, key.secret.reveal())
}

/// The settings of a profile; `None` when the file has no such profile.
fn section<'a>(text: &'a str, profile: &str) -> Option<Vec<(&'a str, &'a str)>> {
    let mut lines = text.lines().map(str::trim).skip_while(|line| heading(line) != Some(profile));
    lines.next()?;
    let settings = lines
        .take_while(|line| heading(line).is_none())
        .filter(|line| !line.starts_with(['#', ';']))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()));
    Some(settings.collect())
}

fn heading(line: &str) -> Option<&str> {
    let name = line.strip_prefix('[')?.split(']').next()?.trim();
    Some(name.strip_prefix("profile ").map_or(name, str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_key::RANDOM_BYTES;

    const FILE: &str = "\
# mine
[work]
region = eu-west-1
aws_access_key_id=AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
  [ default ]
aws_access_key_id = AKIADEFAULTDEFAULT22
; aws_secret_access_key = commented/out/commented/out
[token]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
aws_session_token = x
[bad]
aws_access_key_id = ../../../../../../../
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
";

    #[test]
    fn a_profile_is_found_by_name_or_the_failure_says_what_lacks() {
        let check = |profile: &str, expected: Result<&str, &str>| {
            let found = read(FILE, profile);
            let shown = found.as_ref().map(|key| key.id.as_str()).map_err(ToString::to_string);
            assert_eq!(shown.as_deref().map_err(String::as_str), expected, "{profile}");
        };
        check("work", Ok("AKIAIOSFODNN7EXAMPLE"));
        check("default", Err("profile [default] has no aws_secret_access_key"));
        check("none", Err("there is no profile [none]"));
        check("bad", Err("profile [bad] has an aws_access_key_id that is none"));
        assert!(matches!(read(FILE, "token"), Err(CredentialsError::SessionToken(_))));
    }

    #[test]
    fn what_is_written_is_read() {
        let key = NewAccessKey::generate(&[5; RANDOM_BYTES]);
        let file = write("other", &NewAccessKey::generate(&[6; RANDOM_BYTES])) + "\n";
        assert_eq!(read(&(file + &write(DEFAULT_PROFILE, &key)), DEFAULT_PROFILE), Ok(key));
    }
}
