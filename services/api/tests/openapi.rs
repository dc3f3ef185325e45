//! The OpenAPI document: committed, and as the handlers say.

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use millrace_api_spec::operations::OPERATIONS;
use serde_json::Value;
use support::Api;

fn committed() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../api-spec/openapi.json")
}

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            found.push((path.clone(), method.clone(), operation));
        }
    }
    found
}

#[test]
fn the_committed_document_is_that_of_the_handlers() {
    let document = millrace_api::openapi_document();
    let text = serde_json::to_string_pretty(document).expect("text keys") + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(committed(), &text).expect("the tree is writable");
    }
    let found = std::fs::read_to_string(committed()).unwrap_or_default();
    assert!(found == text, "api-spec/openapi.json is stale: run this test with UPDATE_GOLDEN=1");
}

#[tokio::test]
async fn the_document_is_served() {
    let api = Api::new().await;
    let reply = api.rest("GET", "/v1/openapi.json", Value::Null).await;
    assert_eq!((reply.status, &reply.body), (200, millrace_api::openapi_document()));
}

#[test]
fn every_operation_has_an_id_a_summary_and_its_errors() {
    let document = millrace_api::openapi_document();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(document) {
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        assert!(!id.is_empty() && ids.insert(id.clone()), "{method} {path}: {id:?}");
        assert!(operation["summary"].is_string(), "{id} has no summary");
        let responses = operation["responses"].as_object().expect("responses");
        assert!(responses.keys().any(|status| status.starts_with('2')), "{id}");
        for status in ["400", "500"] {
            assert!(responses.contains_key(status), "{id} does not document {status}");
        }
        let names = path.contains('{') || id == "createSnapshot";
        assert_eq!(responses.contains_key("404"), names, "{id}");
    }
}

/// Everything the AWS surface has is here, but what it does not serve itself.
#[test]
fn every_operation_of_the_aws_surface_is_there() {
    let document = millrace_api::openapi_document();
    let ids: BTreeSet<String> = operations(document)
        .into_iter()
        .filter_map(|(_, _, operation)| operation["operationId"].as_str().map(str::to_lowercase))
        .collect();
    let renamed = ["ListTagsForResource", "TagResource", "UntagResource"];
    let absent: Vec<&str> = OPERATIONS
        .iter()
        .map(|operation| operation.name)
        .filter(|name| !ids.contains(&name.to_lowercase()) && !renamed.contains(name))
        .collect();
    // SQL-1_0 applications are discontinued; the others are not offered yet.
    assert_eq!(
        absent,
        [
            "AddApplicationInput",
            "AddApplicationInputProcessingConfiguration",
            "AddApplicationOutput",
            "AddApplicationReferenceDataSource",
            "DeleteApplicationInputProcessingConfiguration",
            "DeleteApplicationOutput",
            "DeleteApplicationReferenceDataSource",
            "DiscoverInputSchema",
        ]
    );
}

#[test]
fn what_the_document_refers_to_is_in_it() {
    fn check(document: &Value, value: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    let found = document.pointer(reference.trim_start_matches('#'));
                    assert!(found.is_some(), "{reference} is not in the document");
                }
                members.values().for_each(|value| check(document, value));
            }
            Value::Array(items) => items.iter().for_each(|item| check(document, item)),
            _ => {}
        }
    }
    let document = millrace_api::openapi_document();
    check(document, document);
}
