//! The root access key: made by the first start, so that no server ever runs open and a
//! laptop needs no further step.

use std::path::Path;

use anyhow::Context;
use millrace_auth::credentials::{self, DEFAULT_PROFILE};
use millrace_auth::seal::{NONCE_BYTES, SealingKey};
use millrace_auth::{KeyStatus, NewAccessKey, Principal};
use millrace_domain::Timestamp;
use millrace_store::{Store, StoredKey};

use crate::{edge, place, secrets};

/// Where the root access key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootKey {
    /// In the credentials file: written now.
    Made,
    /// In the credentials file.
    There,
    /// Somewhere else, or deleted.
    Gone,
}

/// Makes the root access key of `account` when the account never had a key: it is written
/// to the credentials file first, and taken from there. So one that was cut off between
/// the two goes on, and replicas that start at once agree on one.
///
/// # Errors
/// The secrets there are were sealed under another key, the file cannot be written or holds
/// no key, or the database does not answer.
pub async fn ensure(
    store: &Store,
    sealing: &SealingKey,
    account: &str,
    data_dir: &Path,
) -> anyhow::Result<RootKey> {
    if let Some(key) = store.access_keys(None).await?.first() {
        sealing.open(&key.id, &key.sealed)?;
    }
    let path = data_dir.join(place::CREDENTIALS);
    if store.had_access_keys(account).await? {
        return Ok(if path.exists() { RootKey::There } else { RootKey::Gone });
    }
    let new = NewAccessKey::generate(&edge::random()?);
    secrets::write_new(&path, &credentials::write(DEFAULT_PROFILE, &new))
        .with_context(|| format!("cannot write {}", path.display()))?;
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let key = credentials::read(&text, DEFAULT_PROFILE)
        .with_context(|| format!("{} holds no access key: move it away", path.display()))?;
    let owner = Principal::root(account)?;
    let stored = sealed(sealing, &key, owner.clone())?;
    let added = store.add_access_key(&stored).await?;
    // Another replica may have added it; or the file has the key of another account.
    let known = store.access_key(&key.id).await?;
    Ok(if added || known.is_some_and(|known| known.owner == owner) {
        RootKey::Made
    } else {
        RootKey::Gone
    })
}

/// A new key as it is stored.
pub fn sealed(
    sealing: &SealingKey,
    key: &NewAccessKey,
    owner: Principal,
) -> anyhow::Result<StoredKey> {
    let nonce = edge::random::<NONCE_BYTES>()?;
    Ok(StoredKey {
        id: key.id.clone(),
        owner,
        sealed: sealing.seal(&key.id, &key.secret, nonce),
        status: KeyStatus::Active,
        created_at: Timestamp(edge::now_ms()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_start_makes_a_key_and_no_later_one_does() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let data = directory.path();
        let store = Store::open(&data.join("millrace.db")).await.expect("a store");
        let sealing = secrets::sealing_key(data, None).expect("a key");
        let ensure = async || ensure(&store, &sealing, "000000000000", data).await.expect("done");
        assert_eq!(ensure().await, RootKey::Made);
        let text = std::fs::read_to_string(data.join("credentials")).expect("written");
        let key = credentials::read(&text, DEFAULT_PROFILE).expect("a key");
        let stored = store.access_key(&key.id).await.expect("read").expect("there");
        assert_eq!(sealing.open(&key.id, &stored.sealed), Ok(key.secret));
        assert!(stored.owner.is_root());
        assert_eq!(ensure().await, RootKey::There);
        // A deleted key does not come back.
        store.delete_access_key(&key.id).await.expect("deleted");
        assert_eq!(ensure().await, RootKey::There);
        assert_eq!(store.access_keys(None).await.expect("read"), []);
        std::fs::remove_file(data.join("credentials")).expect("removed");
        assert_eq!(ensure().await, RootKey::Gone);
    }

    #[tokio::test]
    async fn a_start_that_was_cut_off_goes_on_with_the_key_it_wrote() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let data = directory.path();
        let store = Store::open(&data.join("millrace.db")).await.expect("a store");
        let sealing = secrets::sealing_key(data, None).expect("a key");
        let written = NewAccessKey::generate(&[7; 40]);
        let text = credentials::write(DEFAULT_PROFILE, &written);
        secrets::write_new(&data.join("credentials"), &text).expect("written");
        ensure(&store, &sealing, "000000000000", data).await.expect("done");
        assert!(store.access_key(&written.id).await.expect("read").is_some());

        // The file has one account's key: it becomes no other's.
        let another = ensure(&store, &sealing, "111111111111", data).await.expect("done");
        assert_eq!(another, RootKey::Gone);
        let stored = store.access_key(&written.id).await.expect("read").expect("there");
        assert_eq!(stored.owner.account(), "000000000000");

        let other = SealingKey::new(&[9; 32]);
        let refusal = ensure(&store, &other, "000000000000", data).await.unwrap_err();
        assert!(refusal.to_string().contains("sealed under another key"), "{refusal}");
    }
}
