//! Access keys: an id that is no secret, and a secret that is shown once.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Random bytes that a new key is made of.
pub const RANDOM_BYTES: usize = 40;
/// AWS: long-term keys begin so.
const PREFIX: &str = "AKIA";
/// AWS's own are 16 to 128 characters; those of its examples are shorter.
const ID_LENGTHS: std::ops::RangeInclusive<usize> = 8..=128;
const SECRET_LENGTHS: std::ops::RangeInclusive<usize> = 16..=128;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Names an access key; travels in the clear with each request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessKeyId(String);

/// A text that is no access key. Never shows a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAccessKey {
    #[error("an access key id is 8 to 128 letters, digits and underscores")]
    Id,
    #[error("a secret access key is 16 to 128 printable characters without spaces")]
    Secret,
}

impl AccessKeyId {
    /// # Errors
    /// The text is not of the form of a key id.
    pub fn new(text: impl Into<String>) -> Result<AccessKeyId, InvalidAccessKey> {
        let text = text.into();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if ID_LENGTHS.contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(AccessKeyId(text));
        }
        Err(InvalidAccessKey::Id)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The secret that signatures are made with. Has no `Display`, and its `Debug` shows
/// nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(String);

impl SecretKey {
    /// # Errors
    /// The text is too short, too long, or cannot stand in a credentials file.
    pub fn new(text: impl Into<String>) -> Result<SecretKey, InvalidAccessKey> {
        let text = text.into();
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if SECRET_LENGTHS.contains(&text.len()) && printable {
            return Ok(SecretKey(text));
        }
        Err(InvalidAccessKey::Secret)
    }

    /// For the one place where it is shown, and for computing signatures.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// Whether a key may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum KeyStatus {
    Active,
    /// Kept, and refused.
    Inactive,
}

impl KeyStatus {
    pub fn name(self) -> &'static str {
        match self {
            KeyStatus::Active => "Active",
            KeyStatus::Inactive => "Inactive",
        }
    }
}

/// An access key with its secret in the clear: just made, or read from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccessKey {
    pub id: AccessKeyId,
    pub secret: SecretKey,
}

impl NewAccessKey {
    /// `AKIA` and 16 letters and digits (80 bits), and 40 characters of secret (240 bits).
    pub fn generate(random: &[u8; RANDOM_BYTES]) -> NewAccessKey {
        let (name, secret) = random.split_at(10);
        let id = base32(name);
        NewAccessKey {
            id: AccessKeyId(format!("{PREFIX}{id}")),
            secret: SecretKey(STANDARD.encode(secret)),
        }
    }
}

fn base32(bytes: &[u8]) -> String {
    let (mut text, mut held, mut bits) = (String::new(), 0u32, 0u32);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(BASE32[(held >> bits) as usize & 31]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_awss_form_and_all_of_the_randomness() {
        let mut random = [0u8; RANDOM_BYTES];
        let zero = NewAccessKey::generate(&random);
        assert_eq!(zero.id.as_str(), "AKIAAAAAAAAAAAAAAAAA");
        assert_eq!(zero.secret.reveal().len(), 40);
        for index in 0..RANDOM_BYTES {
            random[index] = 1;
            assert_ne!(NewAccessKey::generate(&random), zero, "byte {index} does not count");
            random[index] = 0;
        }
        // RFC 4648, section 10.
        assert_eq!(base32(b"fooba"), "MZXW6YTB");
    }

    #[test]
    fn a_secret_is_not_shown() {
        let key = NewAccessKey::generate(&[7; RANDOM_BYTES]);
        assert!(!format!("{key:?}").contains(key.secret.reveal()));
        let error = SecretKey::new("has a space, though").unwrap_err().to_string();
        assert!(!error.contains("though"), "{error}");
    }

    #[test]
    fn ids_and_secrets_that_a_file_cannot_hold_are_refused() {
        assert!(AccessKeyId::new("AKIAIOSFODNN7EXAMPLE").is_ok());
        for bad in ["", "short", "AKIA/../../../../x", "AKIAIOSFODNN7EXAMPLE\n"] {
            assert_eq!(AccessKeyId::new(bad), Err(InvalidAccessKey::Id), "{bad:?}");
        }
        assert!(SecretKey::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY").is_ok());
        for bad in ["", "short", "wJalrXUtnFEMI K7MDENG", "wJalrXUtnFEMI\nK7MDENG"] {
            assert!(SecretKey::new(bad).is_err(), "{bad:?}");
        }
    }
}
