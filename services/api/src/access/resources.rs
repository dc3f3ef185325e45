//! What an operation of the AWS API wants: its action on its resources.

use std::collections::BTreeMap;

use millrace_api_spec::{ErrorCode, OperationSpec};
use millrace_auth::SERVICE;
use millrace_auth::actions::{self, On};
use millrace_domain::{ApplicationName, EnhancedSnapshotName};
use serde_json::Value;

use super::{Caller, Wanted};
use crate::calls::Call;
use crate::error::ApiError;

/// The resource's kind in an ARN, and its name.
type Resource<'a> = (&'static str, &'a str);

/// What a validated request wants.
///
/// # Errors
/// The operation has no action, or a name is none.
pub(crate) async fn wanted(
    call: &Call,
    caller: &Caller,
    operation: &OperationSpec,
    request: &Value,
) -> Result<Vec<Wanted>, ApiError> {
    let on = actions::of(operation.name).ok_or_else(|| {
        let message = format!("{} has no action that could be allowed", operation.name);
        ApiError::new(ErrorCode::AccessDenied, message)
    })?;
    let whole = Wanted {
        action: actions::name(operation.name),
        resource: "*".to_owned(),
        request_tags: request_tags(request),
        removed_tag_keys: removed_tag_keys(request),
        ..Wanted::default()
    };
    let mut all = Vec::new();
    for (arn, resource) in named(call, on, request) {
        let creates = is_created(operation, resource);
        let resource_tags = match resource {
            Some(resource) if !creates && !caller.principal.is_root() => {
                tags(call, resource).await?
            }
            _ => BTreeMap::new(),
        };
        all.push(Wanted { resource: arn, resource_tags, ..whole.clone() });
    }
    if all.is_empty() {
        all.push(whole);
    }
    Ok(all)
}

/// The ARNs of what a request names, each with the resource of the caller's own that it
/// is, if it is one.
fn named<'a>(call: &Call, on: On, request: &'a Value) -> Vec<(String, Option<Resource<'a>>)> {
    let member = |name: &str| request[name].as_str().unwrap_or_default();
    let own = |resource: Resource<'a>| (arn(call, resource), Some(resource));
    let application = || own(("application", member("ApplicationName")));
    let snapshot = || own(("snapshot", member("SnapshotName")));
    let given = |arn: &'a str| (arn.to_owned(), own_resource(call, arn));
    let mut named = match on {
        On::Application => vec![application()],
        On::Snapshot => vec![snapshot()],
        On::ApplicationAndSnapshot => vec![application(), snapshot()],
        On::Everything => Vec::new(),
        On::Named => vec![given(member("ResourceARN"))],
    };
    named.extend(restored(request).map(given));
    named
}

/// The snapshot that an application is to begin from: its state is read.
fn restored(request: &Value) -> Option<&str> {
    ["RunConfiguration", "RunConfigurationUpdate"]
        .into_iter()
        .find_map(|run| request[run]["ApplicationRestoreConfiguration"]["SnapshotArn"].as_str())
}

/// A resource of another account or Region is nobody's here, and is not looked up.
fn own_resource<'a>(call: &Call, given: &'a str) -> Option<Resource<'a>> {
    let (prefix, name) = given.rsplit_once('/')?;
    ["application", "snapshot"]
        .into_iter()
        .map(|kind| (kind, name))
        .find(|(kind, _)| arn(call, (kind, "")).strip_suffix('/') == Some(prefix))
}

fn arn(call: &Call, (kind, name): Resource<'_>) -> String {
    format!("arn:aws:{SERVICE}:{}:{}:{kind}/{name}", call.region, call.account)
}

/// What does not exist yet has no tags, also when another one has its name.
fn is_created(operation: &OperationSpec, resource: Option<Resource<'_>>) -> bool {
    match operation.name {
        "CreateApplication" => true,
        "CreateSnapshot" | "ImportSnapshot" => resource.is_some_and(|(kind, _)| kind == "snapshot"),
        _ => false,
    }
}

async fn tags(
    call: &Call,
    (kind, name): Resource<'_>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let store = &call.state.store;
    let found = if kind == "application" {
        let name = ApplicationName::new(name)?;
        let found = store.application(&call.account, &call.region, &name).await?;
        found.map(|application| application.tags)
    } else {
        let name = EnhancedSnapshotName::new(name)?;
        store.enhanced_snapshot(call.owner(), &name).await?.map(|snapshot| snapshot.tags)
    };
    Ok(found.unwrap_or_default())
}

fn request_tags(request: &Value) -> BTreeMap<String, String> {
    let pair = |tag: &Value| {
        let text = |name: &str| tag[name].as_str().map(str::to_owned);
        Some((text("Key")?, text("Value").unwrap_or_default()))
    };
    request["Tags"].as_array().into_iter().flatten().filter_map(pair).collect()
}

fn removed_tag_keys(request: &Value) -> Vec<String> {
    let keys = request["TagKeys"].as_array().into_iter().flatten();
    keys.filter_map(|key| key.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use millrace_api_spec::operations::OPERATIONS;
    use millrace_api_spec::shape::Shape;

    use super::*;

    #[test]
    fn every_operation_has_an_action_and_names_what_it_is_on() {
        for operation in OPERATIONS {
            let on = actions::of(operation.name).unwrap_or_else(|| {
                panic!("{} has no action: millrace_auth::actions", operation.name)
            });
            let needed: &[&str] = match on {
                On::Application => &["ApplicationName"],
                On::Snapshot => &["SnapshotName"],
                On::ApplicationAndSnapshot => &["ApplicationName", "SnapshotName"],
                On::Named => &["ResourceARN"],
                On::Everything => &[],
            };
            let required = required(operation.input);
            for member in needed {
                assert!(required.contains(member), "{} has no {member}", operation.name);
            }
            let names = ["ApplicationName", "ResourceARN"];
            let named = required.iter().any(|member| names.contains(member));
            assert!(on != On::Everything || !named, "{} names a resource", operation.name);
        }
        assert_eq!(actions::all().count(), OPERATIONS.len() + 1);
    }

    fn required(shape: &'static Shape) -> Vec<&'static str> {
        match shape {
            Shape::Structure(members) => {
                members.iter().filter(|member| member.required).map(|member| member.name).collect()
            }
            other => panic!("a request is a structure, not {other:?}"),
        }
    }
}
