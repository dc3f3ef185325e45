//! Secrets at rest. A signature is an HMAC, so the secret itself is needed to check one:
//! it cannot be kept as a hash. It is kept encrypted, under a key that is not in the
//! database: who reads a copy of the database reads no secret.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::access_key::{AccessKeyId, SecretKey};
use crate::link::LinkKey;

pub const KEY_BYTES: usize = 32;
pub const NONCE_BYTES: usize = NONCE_LEN;
/// Names the way of sealing, for a later one.
const FORM: &str = "aes-256-gcm:";

/// The key that secrets are sealed under. Its `Debug` shows nothing of it.
pub struct SealingKey {
    secrets: LessSafeKey,
    links: LinkKey,
}

/// A sealed secret as it is stored: the form's name, then nonce and ciphertext in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(String);

/// Why a secret cannot be had. Says nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("the key that secrets are sealed under must be {KEY_BYTES} bytes in hexadecimal")]
    Key,
    #[error(
        "the secret of {0} was sealed under another key: \
         put back the key file that was used when it was made, or make a new access key"
    )]
    OtherKey(AccessKeyId),
    #[error("the secret of {0} was sealed in a way that this release does not know")]
    Form(AccessKeyId),
}

impl SealingKey {
    pub fn new(key: &[u8; KEY_BYTES]) -> SealingKey {
        let links = LinkKey::derived(key);
        let key = UnboundKey::new(&AES_256_GCM, key).expect("the length is AES-256's");
        SealingKey { secrets: LessSafeKey::new(key), links }
    }

    /// What links are signed with, derived from this key.
    pub fn links(&self) -> &LinkKey {
        &self.links
    }

    /// The key as a file holds it; space around it is allowed.
    ///
    /// # Errors
    /// It is not [`KEY_BYTES`] bytes in hexadecimal.
    pub fn from_hex(text: &str) -> Result<SealingKey, SealError> {
        let mut key = [0; KEY_BYTES];
        hex::decode_to_slice(text.trim(), &mut key).map_err(|_| SealError::Key)?;
        Ok(SealingKey::new(&key))
    }

    /// Seals the secret of `id`; opened for another id, it is refused. `nonce` must be
    /// random: no two secrets may be sealed with one.
    pub fn seal(&self, id: &AccessKeyId, secret: &SecretKey, nonce: [u8; NONCE_BYTES]) -> Sealed {
        let mut text = secret.reveal().as_bytes().to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.secrets
            .seal_in_place_append_tag(unique, Aad::from(id.as_str()), &mut text)
            .expect("a secret is far shorter than AES-GCM allows");
        let sealed = [nonce.as_slice(), &text].concat();
        Sealed(format!("{FORM}{}", STANDARD.encode(sealed)))
    }

    /// # Errors
    /// Another key sealed it, or it was sealed for another id, or changed since.
    pub fn open(&self, id: &AccessKeyId, sealed: &Sealed) -> Result<SecretKey, SealError> {
        let form = || SealError::Form(id.clone());
        let text = sealed.0.strip_prefix(FORM).ok_or_else(form)?;
        let mut bytes = STANDARD.decode(text).map_err(|_| form())?;
        let (nonce, secret) = bytes.split_at_mut_checked(NONCE_BYTES).ok_or_else(form)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| form())?;
        let opened = self.secrets.open_in_place(nonce, Aad::from(id.as_str()), secret);
        let other_key = || SealError::OtherKey(id.clone());
        let text = opened.map_err(|_| other_key())?.to_vec();
        String::from_utf8(text).ok().and_then(|text| SecretKey::new(text).ok()).ok_or_else(form)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

impl Sealed {
    /// As [`Sealed::as_str`] gave it; checked when it is opened.
    pub fn from_stored(text: String) -> Sealed {
        Sealed(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_key::{NewAccessKey, RANDOM_BYTES};

    #[test]
    fn a_sealed_secret_opens_under_its_key_and_for_its_id_alone() {
        let made = NewAccessKey::generate(&[3; RANDOM_BYTES]);
        let other = NewAccessKey::generate(&[4; RANDOM_BYTES]);
        let key = SealingKey::from_hex(&format!("{}\n", "ab".repeat(KEY_BYTES))).unwrap();
        let sealed = key.seal(&made.id, &made.secret, [9; NONCE_BYTES]);
        assert!(!sealed.as_str().contains(made.secret.reveal()));
        assert_eq!(key.open(&made.id, &sealed).unwrap(), made.secret);
        assert_eq!(key.open(&other.id, &sealed), Err(SealError::OtherKey(other.id.clone())));
        let another = SealingKey::new(&[1; KEY_BYTES]);
        assert_eq!(another.open(&made.id, &sealed), Err(SealError::OtherKey(made.id.clone())));
    }

    #[test]
    fn what_is_no_sealed_secret_is_an_error() {
        let id = NewAccessKey::generate(&[3; RANDOM_BYTES]).id;
        let key = SealingKey::new(&[1; KEY_BYTES]);
        for text in ["", "x", "aes-256-gcm:", "aes-256-gcm:AAAA", "rot13:AAAA", "aes-256-gcm:!"] {
            let opened = key.open(&id, &Sealed::from_stored(text.into()));
            assert_eq!(opened, Err(SealError::Form(id.clone())), "{text}");
        }
        assert!(SealingKey::from_hex("abcd").is_err());
        assert!(SealingKey::from_hex(&"zz".repeat(KEY_BYTES)).is_err());
    }
}
