//! The REST surface: the same applications as the AWS surface, told in its own way.

mod support;

use millrace_domain::Status;
use serde_json::{Value, json};
use support::{Api, Reply, creation};

fn new(name: &str) -> Value {
    json!({
        "name": name, "runtimeEnvironment": "FLINK-1_18",
        "configuration": { "code": { "text": "SELECT 1" } }
    })
}

#[track_caller]
fn check(reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{}", reply.body);
}

/// A problem with this status and code, whose detail has this part.
#[track_caller]
fn problem(reply: &Reply, status: u16, code: &str, part: &str) {
    let body = &reply.body;
    assert_eq!(reply.headers["content-type"], "application/problem+json", "{body}");
    assert_eq!((reply.status, body["code"].as_str()), (status, Some(code)), "{body}");
    assert_eq!(body["status"], status);
    assert_eq!(body["type"], format!("urn:millrace:error:{code}"));
    let detail = body["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(part), "{detail}\ndoes not contain\n{part}");
}

#[tokio::test]
async fn an_application_is_the_same_on_both_surfaces() {
    let api = Api::new().await;
    let created = api.rest("POST", "/v1/applications", new("app")).await;
    check(&created, 201);
    assert_eq!(created.headers["location"], "/v1/applications/app");
    assert_eq!(created.body["status"], "READY");
    assert_eq!(created.body["createdAt"], "2026-11-22T14:03:24.683Z");
    let detail = api.describe("app").await;
    assert_eq!(detail["RuntimeEnvironment"], "FLINK-1_18");
    api.create("other").await;
    let shown = api.rest("GET", "/v1/applications/other", Value::Null).await;
    check(&shown, 200);
    assert_eq!(shown.body["configuration"]["code"]["text"], support::SCRIPT);
    let tag = format!("\"{}\"", shown.body["conditionalToken"].as_str().unwrap());
    assert_eq!(shown.headers["etag"], tag.as_str());
    let list = api.rest("GET", "/v1/applications", Value::Null).await.body;
    let names: Vec<&Value> =
        list["applications"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["app", "other"]);
}

#[tokio::test]
async fn a_list_goes_on_with_its_token() {
    let api = Api::new().await;
    for name in ["a", "b", "c"] {
        api.create(name).await;
    }
    let first = api.rest("GET", "/v1/applications?limit=2", Value::Null).await.body;
    assert_eq!(first["nextToken"], "b");
    let rest = api.rest("GET", "/v1/applications?limit=2&nextToken=b", Value::Null).await.body;
    assert_eq!(rest["applications"][0]["name"], "c");
    assert_eq!(rest.get("nextToken"), None);
}

#[tokio::test]
async fn what_is_refused_is_a_problem_with_the_code_of_aws() {
    let api = Api::new().await;
    let get = |path: &'static str| api.rest("GET", path, Value::Null);
    problem(&get("/v1/applications/no").await, 404, "ResourceNotFoundException", "no application");
    problem(&get("/v1/nothing").await, 404, "UnknownOperationException", "openapi.json");
    problem(&get("/v1/applications?limit=99").await, 400, "InvalidArgumentException", "limit '99'");
    problem(&get("/v1/applications?limits=9").await, 400, "InvalidArgumentException", "limits");
    problem(&get("/v1/applications/%FF").await, 400, "SerializationException", "UTF-8");
    let put = api.rest("PUT", "/v1/applications", json!({})).await;
    problem(&put, 405, "MethodNotAllowedException", "methods");
    let post = |body: Value| api.rest("POST", "/v1/applications", body);
    problem(&post(json!({ "name": 1 })).await, 400, "SerializationException", "string");
    let unknown = json!({ "name": "a", "runtimeEnvironment": "FLINK-1_18", "Name": "b" });
    problem(&post(unknown).await, 400, "SerializationException", "unknown field `Name`");
    let bad = post(json!({ "name": "a b", "runtimeEnvironment": "FLINK-9" })).await;
    problem(&bad, 400, "InvalidArgumentException", "name 'a b': it");
    assert_eq!(bad.body["errors"][1]["path"], "runtimeEnvironment");
    let old = post(json!({ "name": "a", "runtimeEnvironment": "FLINK-1_6" })).await;
    problem(&old, 400, "InvalidArgumentException", "offered are");
    let text = [("content-type", "text/plain")];
    let request = http::Request::post("/v1/applications").header(text[0].0, text[0].1);
    let reply = api.send(request.body(axum::body::Body::from("x")).unwrap()).await;
    problem(&reply, 415, "UnsupportedMediaTypeException", "application/json");
}

#[tokio::test]
async fn a_running_application_is_updated_on_the_condition_that_it_is_as_seen() {
    let api = Api::new().await;
    api.create("app").await;
    let started = api.rest("POST", "/v1/applications/app/start", Value::Null).await;
    check(&started, 202);
    assert!(started.body["operationId"].is_string());
    assert_eq!(started.body["application"]["status"], "STARTING");
    let again = api.rest("POST", "/v1/applications/app/start", Value::Null).await;
    problem(&again, 409, "ResourceInUseException", "STARTING");
    api.settle("app", Status::Running).await;
    let update = |headers: &'static [(&'static str, &'static str)], body: Value| {
        api.rest_with("POST", "/v1/applications/app/updates", headers, body)
    };
    let upgrade = json!({ "runtimeEnvironment": "FLINK-1_19" });
    let bare = update(&[], upgrade.clone()).await;
    problem(&bare, 400, "InvalidArgumentException", "give currentVersionId, or If-Match");
    let other = update(&[("if-match", "\"abc\"")], upgrade.clone()).await;
    problem(&other, 412, "PreconditionFailedException", "not the application's current one");
    let stale = json!({ "runtimeEnvironment": "FLINK-1_19", "currentVersionId": 7 });
    problem(&update(&[], stale).await, 409, "ConcurrentModificationException", "version 1");
    let nothing = update(&[], json!({ "currentVersionId": 1 })).await;
    problem(&nothing, 400, "InvalidArgumentException", "asks for no change");
    let token = api.describe("app").await["ConditionalToken"].as_str().unwrap().to_owned();
    let tag = format!("\"{token}\"");
    let path = "/v1/applications/app/updates";
    let done = api.rest_with("POST", path, &[("if-match", &tag)], upgrade).await;
    check(&done, 202);
    assert_eq!(done.body["application"]["versionId"], 2);
    api.settle("app", Status::Running).await;
    let any = update(&[("if-match", "*")], json!({ "runtimeEnvironment": "FLINK-1_20" })).await;
    check(&any, 202);
    let operation = any.body["operationId"].as_str().unwrap();
    let path = format!("/v1/applications/app/operations/{operation}");
    let shown = api.rest("GET", &path, Value::Null).await;
    check(&shown, 200);
    assert_eq!(shown.body["operation"], "UpdateApplication");
    assert_eq!((&shown.body["fromVersionId"], &shown.body["toVersionId"]), (&json!(2), &json!(3)));
    let versions = api.rest("GET", "/v1/applications/app/versions", Value::Null).await.body;
    assert_eq!(versions["versions"][0]["runtimeEnvironment"], "FLINK-1_20");
    let one = api.rest("GET", "/v1/applications/app/versions/1", Value::Null).await.body;
    assert_eq!(one["runtimeEnvironment"], "FLINK-1_18");
    let none = api.rest("GET", "/v1/applications/app/versions/x", Value::Null).await;
    problem(&none, 400, "InvalidArgumentException", "whole number");
}

#[tokio::test]
async fn a_retry_with_the_same_key_is_answered_as_the_first_time() {
    let api = Api::new().await;
    let key = [("idempotency-key", "k1")];
    let first = api.rest_with("POST", "/v1/applications", &key, new("app")).await;
    check(&first, 201);
    api.now.fetch_add(5_000, std::sync::atomic::Ordering::SeqCst);
    let again = api.rest_with("POST", "/v1/applications", &key, new("app")).await;
    check(&again, 201);
    assert_eq!(first.body, again.body);
    let other = api.rest("POST", "/v1/applications", new("app")).await;
    problem(&other, 409, "ResourceInUseException", "exists");
    let key = [("idempotency-key", "k2")];
    let path = "/v1/applications/app";
    let gone = api.rest_with("DELETE", path, &key, Value::Null).await;
    check(&gone, 202);
    let again = api.rest_with("DELETE", path, &key, Value::Null).await;
    assert_eq!((again.status, &again.body), (202, &gone.body));
}

#[tokio::test]
async fn settings_are_custom_where_values_are_given() {
    let api = Api::new().await;
    let mut request = new("app");
    request["configuration"]["checkpoints"] = json!({ "intervalMs": 1000 });
    request["configuration"]["parallelism"] = json!({ "parallelism": 4 });
    request["configuration"]["rollback"] = json!({ "enabled": true });
    request["configuration"]["propertyGroups"] = json!({ "g": { "k": "v" } });
    request["tags"] = json!({ "team": "a" });
    let created = api.rest("POST", "/v1/applications", request).await;
    check(&created, 201);
    let configuration = &created.body["configuration"];
    assert_eq!(configuration["checkpoints"]["configurationType"], "CUSTOM");
    assert_eq!(configuration["checkpoints"]["intervalMs"], 1000);
    assert_eq!(configuration["monitoring"]["configurationType"], "DEFAULT");
    assert_eq!(configuration["kpus"], 4);
    assert_eq!(configuration["rollback"]["enabled"], true);
    assert_eq!(configuration["engine"], "auto");
    assert_eq!(created.body["tags"], json!({ "team": "a" }));
}

#[tokio::test]
async fn the_engine_is_chosen_beside_the_property_groups_there_are() {
    let api = Api::new().await;
    let mut request = new("app");
    request["configuration"]["propertyGroups"] = json!({ "g": { "k": "v" } });
    check(&api.rest("POST", "/v1/applications", request).await, 201);
    let choose = |engine: &str| {
        let body = json!({ "currentVersionId": 1, "configuration": { "engine": engine } });
        api.rest("POST", "/v1/applications/app/updates", body)
    };
    problem(&choose("fast").await, 400, "SerializationException", "unknown variant");
    let chosen = choose("flink").await;
    check(&chosen, 202);
    let configuration = &chosen.body["application"]["configuration"];
    assert_eq!(configuration["engine"], "flink");
    assert_eq!(configuration["propertyGroups"]["g"], json!({ "k": "v" }));
}

#[tokio::test]
async fn tags_options_and_the_window_are_set_and_removed() {
    let api = Api::new().await;
    api.create("app").await;
    let path = "/v1/applications/app/tags";
    check(&api.rest("PUT", path, json!({ "a": "1", "b": "2" })).await, 204);
    check(&api.rest("DELETE", &format!("{path}?key=a&key=c"), Value::Null).await, 204);
    assert_eq!(api.rest("GET", path, Value::Null).await.body, json!({ "b": "2" }));
    let bad = api.rest("DELETE", &format!("{path}?tag=a"), Value::Null).await;
    problem(&bad, 400, "InvalidArgumentException", "give key");
    check(&api.rest("PUT", path, json!({})).await, 204);
    let none = api.rest("PUT", "/v1/applications/no/tags", json!({})).await;
    problem(&none, 404, "ResourceNotFoundException", "no application");

    let window = json!({ "windowStart": "05:30" });
    let set = api.rest("PUT", "/v1/applications/app/maintenance", window).await;
    check(&set, 200);
    assert_eq!(set.body["application"]["maintenanceWindow"]["end"], "13:30");

    let scaled = async |body| api.rest("PUT", "/v1/applications/app/scaling", body).await;
    let set = scaled(json!({ "rule": "RATE", "targetUtilization": 60 })).await;
    check(&set, 200);
    let wanted = json!({ "rule": "RATE", "targetUtilization": 60 });
    assert_eq!(set.body["application"]["scaling"], wanted);
    assert_eq!(set.body["application"]["versionId"], 1);
    let shown = api.rest("GET", "/v1/applications/app", Value::Null).await;
    assert_eq!((&shown.body["scaling"], &shown.body["currentParallelism"]), (&wanted, &json!(1)));
    let bad = scaled(json!({ "rule": "RATE", "targetUtilization": 99 })).await;
    problem(&bad, 400, "InvalidArgumentException", "10 to 95");
    let bad = scaled(json!({ "rule": "CPU", "targetUtilization": 60 })).await;
    problem(&bad, 400, "InvalidArgumentException", "RATE alone");
    check(&scaled(json!({ "rule": "CPU" })).await, 200);

    let vpc = json!({ "currentVersionId": 1, "subnetIds": ["s"], "securityGroupIds": ["g"] });
    let added = api.rest("POST", "/v1/applications/app/vpc-configurations", vpc).await;
    check(&added, 200);
    let id = &added.body["application"]["configuration"]["vpcConfigurations"][0]["id"];
    let path = format!("/v1/applications/app/vpc-configurations/{}", id.as_str().unwrap());
    let deleted = api.rest_with("DELETE", &path, &[("if-match", "*")], Value::Null).await;
    check(&deleted, 200);
    let left = &deleted.body["application"]["configuration"]["vpcConfigurations"];
    assert_eq!(left, &json!([]));

    let option = json!({ "currentVersionId": 3, "logStreamArn": "arn:x" });
    let added = api.rest("POST", "/v1/applications/app/logging-options", option).await;
    check(&added, 200);
    let path = "/v1/applications/app/logging-options/no?currentVersionId=4";
    let none = api.rest("DELETE", path, Value::Null).await;
    problem(&none, 404, "ResourceNotFoundException", "no");
}

#[tokio::test]
async fn snapshots_are_taken_listed_and_deleted() {
    let api = Api::new().await;
    api.create("app").await;
    let path = "/v1/applications/app/snapshots";
    let early = api.rest("POST", path, json!({ "name": "s" })).await;
    problem(&early, 409, "ResourceInUseException", "RUNNING");
    api.settle("app", Status::Running).await;
    let taken = api.rest("POST", path, json!({ "name": "s" })).await;
    check(&taken, 202);
    assert_eq!(taken.body["status"], "CREATING");
    api.edit("app", |application, _| application.open_operation = None).await;
    let list = api.rest("GET", path, Value::Null).await.body;
    assert_eq!(list["snapshots"][0]["name"], "s");
    let busy = api.rest("DELETE", &format!("{path}/s"), Value::Null).await;
    problem(&busy, 409, "ResourceInUseException", "CREATING");
    let none = api.rest("DELETE", &format!("{path}/t"), Value::Null).await;
    problem(&none, 404, "ResourceNotFoundException", "no snapshot t");
    let legacy = json!({ "applicationName": "app", "name": "s" });
    let refused = api.rest("POST", "/v1/snapshots", legacy).await;
    assert_eq!(refused.body["code"], "InvalidApplicationConfigurationException");
    assert_eq!(refused.status, 422);
    let both = api.rest("GET", "/v1/snapshots?status=READY&initiator=USER", Value::Null).await;
    problem(&both, 400, "InvalidArgumentException", "one filter");
    let all = api.rest("GET", "/v1/snapshots?status=READY", Value::Null).await;
    assert_eq!(all.body, json!({ "snapshots": [] }));
}

#[tokio::test]
async fn a_rollback_needs_to_know_from_where() {
    let api = Api::new().await;
    api.ok("CreateApplication", creation("app")).await;
    api.settle("app", Status::Running).await;
    let path = "/v1/applications/app/rollback";
    let bare = api.rest("POST", path, Value::Null).await;
    problem(&bare, 400, "InvalidArgumentException", "give currentVersionId, or If-Match");
    let other = api.rest_with("POST", path, &[("if-match", "\"x\"")], Value::Null).await;
    problem(&other, 412, "PreconditionFailedException", "current one");
    let none = api.rest_with("POST", path, &[("if-match", "*")], Value::Null).await;
    problem(&none, 400, "InvalidRequestException", "not the result of an update");
}

#[tokio::test]
async fn a_check_tells_what_an_update_would_do_and_does_nothing() {
    let api = Api::new().await;
    api.create("app").await;
    let path = "/v1/applications/app/updates:check";
    let upgrade = json!({ "currentVersionId": 1, "runtimeEnvironment": "FLINK-1_19" });
    let before = api.load("app").await;

    let stopped = api.rest("POST", path, upgrade.clone()).await;
    check(&stopped, 200);
    let verdict = &stopped.body;
    assert_eq!((&verdict["ok"], &verdict["job"]["runs"]), (&json!(true), &json!(false)));
    assert_eq!((&verdict["fromVersionId"], &verdict["toVersionId"]), (&json!(1), &json!(2)));
    assert_eq!(
        verdict["changes"],
        json!([{ "member": "runtimeEnvironment", "before": "FLINK-1_18", "after": "FLINK-1_19" }])
    );
    assert_eq!(verdict["plan"]["changes"][0]["change"], "added");
    assert_eq!(verdict["plan"]["changes"][1]["change"], "removed");
    assert_eq!(verdict["job"]["downtime"]["expectedMs"], 0);
    assert_eq!(api.load("app").await, before);

    let body = api.rest("POST", "/v1/applications/app/start", Value::Null).await.body;
    assert_eq!(body["application"]["status"], "STARTING");
    let busy = api.rest("POST", path, upgrade.clone()).await;
    problem(&busy, 409, "ResourceInUseException", "UpdateApplication is not possible");
    api.edit("app", |application, _| {
        application.status = Status::Running;
        application.open_operation = None;
        application.job = Some(millrace_domain::Job {
            generation: millrace_domain::Generation(1),
            version: millrace_domain::VersionId(1),
            run: Default::default(),
            started_at: millrace_domain::Timestamp(1),
            restarts: 0,
            parallelism: None,
        });
    })
    .await;
    let before = api.load("app").await;
    let refused = api.rest("POST", path, upgrade.clone()).await;
    check(&refused, 200);
    assert_eq!(refused.body["refusal"], "Operator agg is dropped: x.");
    assert_eq!(refused.body["state"][0]["verdict"], "dropped");
    assert_eq!(refused.body["job"]["stopped"], false);
    let mut allowed = upgrade.clone();
    allowed["restore"] = json!({ "allowNonRestoredState": true });
    let verdict = api.rest("POST", path, allowed).await.body;
    assert_eq!((&verdict["ok"], &verdict["job"]["stopped"]), (&json!(true), &json!(true)));
    assert_eq!(verdict["job"]["downtime"].get("expectedMs"), None);
    assert_eq!(api.load("app").await, before);

    let mut asleep = upgrade;
    asleep["runtimeEnvironment"] = json!("FLINK-1_20");
    let none = api.rest("POST", path, asleep).await;
    problem(&none, 503, "ServiceUnavailableException", "it is asleep");
}

#[tokio::test]
async fn events_are_listed_and_streamed_from_where_the_reader_was() {
    let api = Api::new().await;
    api.create("app").await;
    check(&api.rest("POST", "/v1/applications/app/start", Value::Null).await, 202);
    let path = "/v1/applications/app/events";
    let list = api.rest("GET", &format!("{path}?limit=2"), Value::Null).await.body;
    let kinds = [&list["events"][0]["kind"], &list["events"][1]["kind"]];
    assert_eq!(kinds, ["StatusChanged", "OperationBegan"]);
    assert_eq!(list["events"][0]["message"], "READY became STARTING");
    let token = list["nextToken"].as_str().unwrap();
    let more = api.rest("GET", &format!("{path}?nextToken={token}"), Value::Null).await.body;
    assert_eq!(more["events"][0]["kind"], "ApplicationCreated");
    assert_eq!(more.get("nextToken"), None);
    let stream = async |headers: &[(&str, &str)]| {
        let reply = api.rest_with("GET", path, headers, Value::Null).await;
        check(&reply, 200);
        assert_eq!(reply.headers["content-type"], "text/event-stream");
        reply.body.as_str().unwrap_or_default().to_owned()
    };
    let accept = ("accept", "text/event-stream");
    let all = stream(&[accept, ("last-event-id", "0")]).await;
    let ids: Vec<&str> = all.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    assert_eq!(ids.len(), 3, "{all}");
    assert!(all.starts_with("retry: 1000\n\n"), "{all}");
    let rest = stream(&[accept, ("last-event-id", ids[1])]).await;
    assert!(rest.contains("event: StatusChanged\ndata: {\"sequence\":"), "{rest}");
    assert!(!rest.contains("OperationBegan"), "{rest}");
    assert_eq!(stream(&[accept]).await, "retry: 1000\n\n");
    let bad = api.rest_with("GET", path, &[accept, ("last-event-id", "x")], Value::Null).await;
    problem(&bad, 400, "InvalidArgumentException", "Last-Event-ID");
    let bad = api.rest("GET", &format!("{path}?limit=51"), Value::Null).await;
    problem(&bad, 400, "InvalidArgumentException", "1 to 50");
}

#[tokio::test]
async fn logs_are_cut_and_searched_by_the_line() {
    let api = Api::new().await;
    api.create("app").await;
    let read = async |query: &str| {
        let path = format!("/v1/applications/app/logs{query}");
        let reply = api.rest("GET", &path, Value::Null).await;
        check(&reply, 200);
        assert_eq!(reply.headers["content-type"], "text/plain; charset=utf-8");
        reply.body.as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(read("").await, "one\nTwo\nthree\n");
    assert_eq!(read("?tail=2").await, "Two\nthree\n");
    assert_eq!(read("?search=TW").await, "Two\n");
    assert_eq!(read("?search=t&tail=1&follow=true").await, "three\n");
    for (query, part) in [("tail=0", "10000"), ("search=", "256"), ("follow=maybe", "query")] {
        let path = format!("/v1/applications/app/logs?{query}");
        let reply = api.rest("GET", &path, Value::Null).await;
        problem(&reply, 400, "InvalidArgumentException", part);
    }
    let none = api.rest("GET", "/v1/applications/no/logs", Value::Null).await;
    problem(&none, 404, "ResourceNotFoundException", "no application");
}

#[tokio::test]
async fn metrics_are_those_of_the_job_there_is() {
    let api = Api::new().await;
    api.create("app").await;
    let path = "/v1/applications/app/metrics";
    let stopped = api.rest("GET", path, Value::Null).await;
    assert_eq!((stopped.status, &stopped.body), (200, &json!({ "history": [] })));
    let plan = api.rest("GET", "/v1/applications/app/plan", Value::Null).await;
    problem(&plan, 404, "ResourceNotFoundException", "tells its plan");
    api.edit("app", |application, _| {
        application.job = Some(millrace_domain::Job {
            generation: millrace_domain::Generation(4),
            version: millrace_domain::VersionId(1),
            run: Default::default(),
            started_at: millrace_domain::Timestamp(1),
            restarts: 0,
            parallelism: None,
        });
    })
    .await;
    let plan = api.rest("GET", "/v1/applications/app/plan", Value::Null).await;
    assert_eq!((plan.status, &plan.body), (200, &json!({ "generation": 4 })));
    let current = api.rest("GET", path, Value::Null).await.body["current"].clone();
    assert_eq!((&current["generation"], &current["job"]["uptime"]), (&json!(4), &json!(5.0)));
}
