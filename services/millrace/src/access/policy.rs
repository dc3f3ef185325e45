//! `millrace policy`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use millrace_auth::Principal;
use millrace_auth::policy::{Ask, Context as Conditions, Decision, NamedPolicy, Policy, decide};
use millrace_domain::Timestamp;
use millrace_store::{Store, StoredPolicy};
use serde_json::{Value, json};

use super::args::{PolicyArguments, PolicyCommand, SimulateArguments};
use super::{audited, shown};
use crate::edge;
use crate::output::{self, Format};

/// Policies of one user: enough to sort them by, few enough to ask at each call.
const MOST: usize = 10;

pub async fn run(arguments: PolicyArguments) -> anyhow::Result<()> {
    let PolicyArguments { place, output: format, command } = arguments;
    let store = place.store().await?;
    match command {
        PolicyCommand::Put { user, name, file } => put(&store, user.user()?, name, &file).await,
        PolicyCommand::Get { user, name } => {
            let stored = existing(&store, &user.user()?, &name).await?;
            output::line(stored.document.trim_end());
            Ok(())
        }
        PolicyCommand::List { account } => list(&store, format, account.as_deref()).await,
        PolicyCommand::Delete { user, name } => delete(&store, &user.user()?, &name).await,
        PolicyCommand::Simulate(arguments) => simulate(&store, format, &arguments).await,
    }
}

async fn put(store: &Store, owner: Principal, name: String, file: &Path) -> anyhow::Result<()> {
    check_name(&name)?;
    let document = read(file)?;
    let policy = Policy::parse(&document)
        .with_context(|| format!("{} is no policy that can be held to", file.display()))?;
    let others = store.policies(&owner).await?;
    if others.len() >= MOST && others.iter().all(|other| other.name != name) {
        bail!("{owner} has {MOST} policies, which is the most; put statements into one of them");
    }
    let resource = format!("{owner} {name}");
    let stored = StoredPolicy {
        owner: owner.clone(),
        name: name.clone(),
        document,
        updated_at: Timestamp(edge::now_ms()),
    };
    let put = async { Ok(store.put_policy(&stored).await?) };
    audited(store, &owner, "PutUserPolicy", resource, put).await?;
    for warning in policy.warnings() {
        eprintln!("warning: {warning}");
    }
    output::line(&format!("{owner} has the policy {name}"));
    Ok(())
}

async fn list(store: &Store, format: Format, account: Option<&str>) -> anyhow::Result<()> {
    let policies = store.all_policies(account).await?;
    match format {
        Format::Json => {
            let described = |policy: &StoredPolicy| {
                json!({
                    "PolicyName": policy.name,
                    "Principal": policy.owner.to_string(),
                    "UpdateDate": shown(policy.updated_at),
                })
            };
            output::json(&policies.iter().map(described).collect::<Value>());
        }
        Format::Text => {
            let row = |policy: &StoredPolicy| {
                vec![policy.owner.to_string(), policy.name.clone(), shown(policy.updated_at)]
            };
            let rows: Vec<_> = policies.iter().map(row).collect();
            output::line(&output::table(&["OF", "POLICY", "PUT"], &rows));
        }
    }
    Ok(())
}

async fn delete(store: &Store, owner: &Principal, name: &str) -> anyhow::Result<()> {
    existing(store, owner, name).await?;
    let deleted = async { Ok(store.delete_policy(owner, name).await?) };
    audited(store, owner, "DeleteUserPolicy", format!("{owner} {name}"), deleted).await?;
    output::line(&format!("{owner} no longer has the policy {name}"));
    Ok(())
}

async fn simulate(
    store: &Store,
    format: Format,
    arguments: &SimulateArguments,
) -> anyhow::Result<()> {
    let user = arguments.user.user()?;
    let policies = policies(store, &user, arguments.policy.as_deref()).await?;
    let context = Conditions {
        region: &arguments.region,
        now_ms: edge::now_ms(),
        resource_tags: pairs(&arguments.tags)?,
        request_tags: pairs(&arguments.request_tags)?,
        removed_tag_keys: Vec::new(),
    };
    let ask = Ask { action: &arguments.action, resource: &arguments.resource, context };
    let decision = decide(&user, &policies, &ask);
    let (word, by) = match &decision {
        Decision::Root => ("allowed", None),
        Decision::Allowed { policy, statement } => ("allowed", Some((policy, statement))),
        Decision::Denied { policy, statement } => ("explicitDeny", Some((policy, statement))),
        Decision::NotAllowed => ("implicitDeny", None),
    };
    match format {
        Format::Json => output::json(&json!({
            "EvalDecision": word,
            "PolicyName": by.map(|(policy, _)| policy),
            "Statement": by.map(|(_, statement)| statement),
        })),
        Format::Text => output::line(&match by {
            None => {
                format!(
                    "{word}: no statement of {} policy documents speaks about it",
                    policies.len()
                )
            }
            Some((policy, statement)) => format!("{word} by statement {statement} of {policy}"),
        }),
    }
    if decision.is_allowed() {
        return Ok(());
    }
    bail!("{user} may not do {} on {}", arguments.action, arguments.resource)
}

async fn policies(
    store: &Store,
    user: &Principal,
    file: Option<&Path>,
) -> anyhow::Result<Vec<NamedPolicy>> {
    let texts = match file {
        Some(file) => vec![(file.display().to_string(), read(file)?)],
        None => {
            let stored = store.policies(user).await?;
            stored.into_iter().map(|policy| (policy.name, policy.document)).collect()
        }
    };
    let parse = |(name, text): (String, String)| {
        let policy = Policy::parse(&text).with_context(|| format!("the policy {name}"))?;
        Ok(NamedPolicy { name, policy })
    };
    texts.into_iter().map(parse).collect()
}

async fn existing(store: &Store, owner: &Principal, name: &str) -> anyhow::Result<StoredPolicy> {
    let found = store.policies(owner).await?.into_iter().find(|policy| policy.name == name);
    found.with_context(|| format!("{owner} has no policy {name}; see `millrace policy list`"))
}

/// IAM: as a user's name, and longer.
fn check_name(name: &str) -> anyhow::Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if (1..=128).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    bail!("{name:?} is no policy name: 1 to 128 letters, digits and any of _+=,.@-")
}

fn pairs(tags: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let pair = |tag: &String| {
        let (key, value) =
            tag.split_once('=').with_context(|| format!("{tag:?} is not KEY=VALUE"))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    tags.iter().map(pair).collect()
}

fn read(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read stdin")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}
