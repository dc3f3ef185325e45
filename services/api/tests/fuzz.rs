//! Requests that a program might send by mistake, or somebody on purpose: none makes the
//! service fail, and each is answered as the document says.

mod support;

use axum::body::Body;
use http::Request;
use millrace_api_spec::operations::OPERATIONS;
use millrace_domain::{Generation, Job, Status, Timestamp, VersionId};
use serde_json::{Value, json};
use support::random::Random;
use support::schema::Schemas;
use support::{Api, creation, with};

/// Requests of each operation of the REST surface.
const ROUNDS: usize = 60;
/// Bodies of the AWS surface.
const BODIES: usize = 4_000;

/// One stopped application, and one that runs.
async fn populated() -> Api {
    let api = Api::new().await;
    restore(&api).await;
    api
}

/// Puts back what the requests have changed.
async fn restore(api: &Api) {
    for name in ["app", "run"] {
        let created = api.raw("CreateApplication", creation(name).to_string()).await;
        assert!(created.status < 500, "{}", created.body);
        let running = name == "run";
        api.edit(name, |application, _| {
            application.status = if running { Status::Running } else { Status::Ready };
            application.open_operation = None;
            let version = application.version;
            let generation = Generation(1);
            let (run, started_at) = (Default::default(), Timestamp(1));
            let job = Job { generation, version, run, started_at, restarts: 0, parallelism: None };
            application.job = running.then_some(job);
            assert!(version >= VersionId(1));
        })
        .await;
    }
}

#[tokio::test]
async fn every_request_is_answered_as_the_document_says() {
    let api = populated().await;
    let document = millrace_api::openapi_document();
    let mut random = Random(20_261_123);
    let mut statuses = std::collections::BTreeMap::new();
    for round in 0..ROUNDS {
        restore(&api).await;
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("methods") {
                let asked = request(document, path, method, operation, &mut random);
                let shown = format!("round {round}: {asked:?}");
                let status = check(&api, document, operation, asked, &shown).await;
                *statuses.entry(status).or_insert(0) += 1;
            }
        }
    }
    // The requests are good enough to get somewhere, and bad enough to be refused.
    for status in [200, 202, 204, 400, 404, 409] {
        assert!(statuses.contains_key(&status), "{statuses:?}");
    }
}

#[derive(Debug)]
struct Asked {
    method: String,
    uri: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn request(
    document: &Value,
    path: &str,
    method: &str,
    operation: &Value,
    random: &mut Random,
) -> Asked {
    let schemas = Schemas(document);
    let (mut uri, mut query, mut headers) = (path.to_owned(), Vec::new(), Vec::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().expect("a name");
        let value = plain(schemas.value(&parameter["schema"], random));
        match parameter["in"].as_str() {
            Some("path") => {
                let known = ["app", "run", "1"];
                let value = if random.once_in(4) { value } else { (*random.of(&known)).to_owned() };
                uri = uri.replace(&format!("{{{name}}}"), &encoded(&value));
            }
            Some("query") if random.once_in(3) => query.push(format!("{name}={}", encoded(&value))),
            Some("header") if random.once_in(3) => {
                let any = ["*", "\"x\"", "text/event-stream", "7"];
                let value = if random.once_in(2) { (*random.of(&any)).to_owned() } else { value };
                if http::HeaderValue::from_str(&value).is_ok() {
                    headers.push((name.to_owned(), value));
                }
            }
            _ => {}
        }
    }
    if !query.is_empty() {
        uri = format!("{uri}?{}", query.join("&"));
    }
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let mut body = Vec::new();
    if !schema.is_null() {
        let known = json!({ "currentVersionId": 1 });
        let mut value = schemas.value(schema, random);
        if value.get("currentVersionId").is_some() && !random.once_in(4) {
            value = with(value, known);
        }
        body = value.to_string().into_bytes();
        if random.once_in(10) {
            body = random.mutated(&body);
        }
        let kinds = ["application/json", "application/json; charset=utf-8", "text/plain"];
        let kind = if random.once_in(20) { kinds[2] } else { kinds[random.below(2)] };
        headers.push(("content-type".to_owned(), kind.to_owned()));
    }
    Asked { method: method.to_uppercase(), uri, headers, body }
}

/// The answer is documented, fits its schema, and no 5xx but the planner's.
async fn check(api: &Api, document: &Value, operation: &Value, asked: Asked, shown: &str) -> u16 {
    let mut request = Request::builder().method(asked.method.as_str()).uri(&asked.uri);
    for (name, value) in &asked.headers {
        request = request.header(name, value);
    }
    let Ok(request) = request.body(Body::from(asked.body)) else { return 0 };
    let reply = api.send(request).await;
    let id = operation["operationId"].as_str().unwrap_or_default();
    let asleep = id == "checkUpdate" && reply.status == 503;
    assert!(reply.status < 500 || asleep, "{id}: {} {}\n{shown}", reply.status, reply.body);
    let kind = reply.headers.get("content-type").map(|kind| kind.to_str().unwrap_or_default());
    // A path parameter with a slash, or none, is another path.
    if reply.body["code"] == "UnknownOperationException"
        || reply.body["code"] == "MethodNotAllowedException"
    {
        return reply.status;
    }
    let response = &operation["responses"][reply.status.to_string()];
    assert!(
        !response.is_null(),
        "{id} does not document {}: {}\n{shown}",
        reply.status,
        reply.body
    );
    let Some(kind) = kind else { return reply.status };
    let kind = kind.split(';').next().unwrap_or_default();
    let content = &response["content"][kind];
    assert!(!content.is_null(), "{id} does not document {kind} for {}\n{shown}", reply.status);
    if kind.ends_with("json") {
        let misfit = Schemas(document).misfit(&content["schema"], &reply.body, "the answer");
        assert_eq!(misfit, None, "{id}: {}\n{shown}", reply.body);
    }
    reply.status
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Array(items) => items.into_iter().map(plain).next().unwrap_or_default(),
        other => other.to_string(),
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn no_bytes_make_the_aws_surface_fail() {
    let api = populated().await;
    let mut random = Random(7);
    let corpus = corpus();
    for round in 0..BODIES {
        if round % 200 == 0 {
            restore(&api).await;
        }
        let (operation, body) = random.of(&corpus);
        let other = OPERATIONS[random.below(OPERATIONS.len())].name;
        let operation = if random.once_in(5) { other } else { operation.as_str() };
        let body = random.mutated(body.to_string().as_bytes());
        let shown = String::from_utf8_lossy(&body).into_owned();
        let reply = api.raw(operation, body).await;
        assert!(reply.status < 500, "round {round}, {operation}: {}\n{shown}", reply.body);
        if reply.status != 200 {
            assert!(reply.body["__type"].is_string(), "{operation}: {}\n{shown}", reply.body);
        }
    }
}

fn corpus() -> Vec<(String, Value)> {
    let named = json!({ "ApplicationName": "run" });
    let at =
        |more: Value| with(with(named.clone(), json!({ "CurrentApplicationVersionId": 1 })), more);
    let arn = support::arn("app");
    let settings = json!({
        "CheckpointConfigurationUpdate": { "ConfigurationTypeUpdate": "CUSTOM", "CheckpointIntervalUpdate": 1 },
        "ParallelismConfigurationUpdate": { "ConfigurationTypeUpdate": "CUSTOM", "ParallelismUpdate": 2 }
    });
    let code = json!({ "CodeContentUpdate": { "ZipFileContentUpdate": "UEsDBAo=" }, "CodeContentTypeUpdate": "ZIPFILE" });
    [
        ("CreateApplication", creation("new")),
        ("CreateApplication", with(creation("tagged"), json!({ "Tags": [{ "Key": "k", "Value": "v" }] }))),
        ("DescribeApplication", with(named.clone(), json!({ "IncludeAdditionalDetails": true }))),
        ("ListApplications", json!({ "Limit": 3, "NextToken": "a" })),
        ("UpdateApplication", at(json!({ "RuntimeEnvironmentUpdate": "FLINK-1_19" }))),
        ("UpdateApplication", at(json!({ "ApplicationConfigurationUpdate": {
            "FlinkApplicationConfigurationUpdate": settings, "ApplicationCodeConfigurationUpdate": code,
            "EnvironmentPropertyUpdates": { "PropertyGroups": [{ "PropertyGroupId": "g", "PropertyMap": { "k": "v" } }] }
        } }))),
        ("StartApplication", json!({ "ApplicationName": "app", "RunConfiguration": {
            "ApplicationRestoreConfiguration": { "ApplicationRestoreType": "RESTORE_FROM_CUSTOM_SNAPSHOT", "SnapshotName": "s" }
        } })),
        ("StopApplication", with(named.clone(), json!({ "Force": true }))),
        ("RollbackApplication", at(json!({}))),
        ("CreateApplicationSnapshot", with(named.clone(), json!({ "SnapshotName": "s" }))),
        ("DeleteApplicationSnapshot", with(named.clone(), json!({ "SnapshotName": "s", "SnapshotCreationTimestamp": 1.5 }))),
        ("ListApplicationSnapshots", with(named.clone(), json!({ "Limit": 50, "NextToken": "9" }))),
        ("ListApplicationOperations", with(named.clone(), json!({ "OperationStatus": "FAILED", "NextToken": "18446744073709551615" }))),
        ("DescribeApplicationOperation", with(named.clone(), json!({ "OperationId": "x" }))),
        ("DescribeApplicationVersion", with(named.clone(), json!({ "ApplicationVersionId": 999_999_999 }))),
        ("TagResource", json!({ "ResourceARN": arn, "Tags": [{ "Key": "k", "Value": "v" }] })),
        ("UntagResource", json!({ "ResourceARN": arn, "TagKeys": ["k"] })),
        ("ListTagsForResource", json!({ "ResourceARN": arn })),
        ("AddApplicationVpcConfiguration", at(json!({ "VpcConfiguration": { "SubnetIds": ["s"], "SecurityGroupIds": ["g"] } }))),
        ("AddApplicationCloudWatchLoggingOption", at(json!({ "CloudWatchLoggingOption": { "LogStreamARN": "arn:x" } }))),
        ("UpdateApplicationMaintenanceConfiguration", with(named.clone(), json!({
            "ApplicationMaintenanceConfigurationUpdate": { "ApplicationMaintenanceWindowStartTimeUpdate": "05:00" } }))),
        ("CreateSnapshot", with(named.clone(), json!({ "SnapshotName": "e", "Tags": [{ "Key": "k" }] }))),
        ("ListSnapshots", json!({ "SnapshotStatus": "READY", "Limit": 1 })),
        ("DeleteApplication", json!({ "ApplicationName": "app", "CreateTimestamp": 1_795_356_204.683 })),
    ]
    .map(|(operation, body)| (operation.to_owned(), body))
    .into()
}
