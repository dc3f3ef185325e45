//! The OpenAPI document: made from the handlers, with each operation's errors.

use std::sync::OnceLock;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::catalogue::{self, Described};
use super::model::words::{SnapshotInitiatorOperation, SnapshotOperationName};
use super::problem::{Kind, MEDIA_TYPE, Problem};
use super::{params, reply};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Millrace",
        description = "Applications in Flink's SQL: create, run, change and look at them.\n\n\
            The calls are those of Amazon Managed Service for Apache Flink, which the same \
            server answers as AWS JSON 1.1 at `POST /`, and what that cannot say. Errors are \
            problems of RFC 9457; their `code` is AWS's. A mutation takes an \
            `Idempotency-Key`; a change of a version takes `currentVersionId` or `If-Match`. \
            Every call is signed as the AWS surface's are, and asks for the action of the AWS \
            operation that does the same.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "applications", description = "What there is."),
        (name = "lifecycle", description = "Start, stop, change, go back."),
        (name = "versions", description = "What an application said."),
        (name = "operations", description = "What was asked for, and how it came out."),
        (name = "snapshots", description = "Copies of an application's state."),
        (name = "account snapshots", description = "Copies of state that outlive their application."),
        (name = "observability", description = "Events, logs and metrics."),
        (name = "options", description = "Networks and log streams."),
        (name = "tags", description = "Keys and values of one's own."),
    ),
    components(schemas(
        Problem,
        params::TagKey,
        SnapshotInitiatorOperation,
        SnapshotOperationName,
    ))
)]
struct Head;

/// What the document says of the whole.
pub fn head() -> utoipa::openapi::OpenApi {
    Head::openapi()
}

/// The document of this surface.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let (_, api) = super::described().split_for_parts();
        let mut document = serde_json::to_value(api).expect("a document has text keys only");
        for (path, item) in members(&mut document["paths"]) {
            for (method, operation) in members(item) {
                add_errors(path, method, operation);
            }
        }
        document["components"]["securitySchemes"] = json!({
            SIGNED: {
                "type": "apiKey", "in": "header", "name": "Authorization",
                "description": "AWS Signature Version 4, service `kinesisanalytics`.",
            },
            BEARER: {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "A token of an identity provider that the service trusts. \
                    The header `millrace-region` names the Region; without it, it is the \
                    service's first.",
            },
        });
        document["security"] = json!([{ SIGNED: [] }, { BEARER: [] }]);
        document
    })
}

/// How the document names the ways in which a caller proves who it is.
const SIGNED: &str = "sigv4";
const BEARER: &str = "bearer";

/// `GET /v1/openapi.json`.
pub async fn serve() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    reply::json(StatusCode::OK, TEXT.get_or_init(|| document().to_string()).clone())
}

fn members(value: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    value.as_object_mut().into_iter().flat_map(Map::iter_mut)
}

fn add_errors(path: &str, method: &str, operation: &mut Value) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let errors = catalogue::errors(Described {
        id: &id,
        has_path: path.contains('{'),
        has_condition: parameters.iter().any(|parameter| parameter["name"] == "If-Match"),
        mutates: method != "get",
    });
    for (status, kinds) in errors {
        operation["responses"][status.to_string()] = response(&kinds);
    }
}

/// One response of several codes.
fn response(kinds: &[Kind]) -> Value {
    let line = |kind: &Kind| format!("`{}`: {}.", kind.code, kind.title);
    let lines: Vec<String> = kinds.iter().map(line).collect();
    json!({
        "description": lines.join("\n"),
        "content": { MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}
