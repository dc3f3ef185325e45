//! `millrace keys`.

use anyhow::{Context, bail};
use millrace_auth::credentials::{self, DEFAULT_PROFILE};
use millrace_auth::{AccessKeyId, KeyStatus, NewAccessKey, Principal};
use millrace_store::{Store, StoredKey};
use serde_json::{Value, json};

use super::args::{KeysArguments, KeysCommand};
use super::{audited, shown};
use crate::output::{self, Format};
use crate::place::Place;
use crate::serve::sealed;
use crate::{edge, secrets};

pub async fn run(arguments: KeysArguments) -> anyhow::Result<()> {
    let KeysArguments { place, output: format, command } = arguments;
    let store = place.store().await?;
    match command {
        KeysCommand::Create(owner) => create(&store, &place, format, owner.owner()?).await,
        KeysCommand::List { account } => list(&store, format, account.as_deref()).await,
        KeysCommand::Disable { id } => set(&store, format, id, KeyStatus::Inactive).await,
        KeysCommand::Enable { id } => set(&store, format, id, KeyStatus::Active).await,
        KeysCommand::Delete { id } => delete(&store, format, id).await,
    }
}

async fn create(
    store: &Store,
    place: &Place,
    format: Format,
    owner: Principal,
) -> anyhow::Result<()> {
    let sealing = secrets::sealing_key(&place.data_dir()?, place.key_file.as_deref())?;
    let new = NewAccessKey::generate(&edge::random()?);
    let key = sealed(&sealing, &new, owner.clone())?;
    let added = async { Ok(store.add_access_key(&key).await?) };
    if !audited(store, &owner, "CreateAccessKey", owner.to_string(), added).await? {
        bail!("the new key has an id that is taken: try again");
    }
    match format {
        Format::Json => output::json(&json!({
            "AccessKeyId": new.id.as_str(),
            "SecretAccessKey": new.secret.reveal(),
            "Principal": owner.to_string(),
        })),
        Format::Text => {
            output::write_out(credentials::write(DEFAULT_PROFILE, &new).as_bytes());
            eprintln!("an access key of {owner}; its secret is not shown again");
            if !owner.is_root() && store.policies(&owner).await?.is_empty() {
                eprintln!("next: say what it may do with `millrace policy put`; now it is nothing");
            }
        }
    }
    Ok(())
}

async fn list(store: &Store, format: Format, account: Option<&str>) -> anyhow::Result<()> {
    let keys = store.access_keys(account).await?;
    match format {
        Format::Json => output::json(&keys.iter().map(described).collect::<Value>()),
        Format::Text => {
            let row = |key: &StoredKey| {
                let (owner, status) = (key.owner.to_string(), key.status.name().to_owned());
                vec![key.id.to_string(), owner, status, shown(key.created_at)]
            };
            let rows: Vec<_> = keys.iter().map(row).collect();
            output::line(&output::table(&["ACCESS KEY", "OF", "STATUS", "CREATED"], &rows));
        }
    }
    Ok(())
}

fn described(key: &StoredKey) -> Value {
    json!({
        "AccessKeyId": key.id.as_str(),
        "Principal": key.owner.to_string(),
        "Status": key.status.name(),
        "CreateDate": shown(key.created_at),
    })
}

async fn set(
    store: &Store,
    format: Format,
    id: AccessKeyId,
    status: KeyStatus,
) -> anyhow::Result<()> {
    let key = existing(store, &id).await?;
    let set = async { Ok(store.set_access_key(&id, status).await?) };
    audited(store, &key.owner, "UpdateAccessKey", id.to_string(), set).await?;
    match format {
        Format::Json => output::json(&described(&StoredKey { status, ..key })),
        Format::Text => output::line(&format!("{id} is {}", status.name())),
    }
    Ok(())
}

async fn delete(store: &Store, format: Format, id: AccessKeyId) -> anyhow::Result<()> {
    let key = existing(store, &id).await?;
    let deleted = async { Ok(store.delete_access_key(&id).await?) };
    audited(store, &key.owner, "DeleteAccessKey", id.to_string(), deleted).await?;
    match format {
        Format::Json => output::json(&json!({"AccessKeyId": id.as_str(), "Deleted": true})),
        Format::Text => output::line(&format!("deleted {id}")),
    }
    Ok(())
}

async fn existing(store: &Store, id: &AccessKeyId) -> anyhow::Result<StoredKey> {
    let key = store.access_key(id).await?;
    key.with_context(|| format!("there is no access key {id}; see `millrace keys list`"))
}
