//! Who may call, and what they may do.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router, middleware};
use http::Request;
use millrace_api::Caller;
use millrace_auth::policy::Policy;
use millrace_auth::signature::Signer;
use millrace_auth::{KeyStatus, NewAccessKey, Principal, SERVICE, SecretKey};
use millrace_domain::Timestamp;
use millrace_store::StoredPolicy;
use serde_json::{Value, json};
use support::{ACCOUNT, Api, BURST, Reply, arn, creation, request, signed, with};

const OTHER: &str = "111111111111";

#[track_caller]
fn check(reply: &Reply, code: &str, part: &str) {
    let found = reply.body["__type"].as_str().unwrap_or("no error");
    let message = reply.body["message"].as_str().unwrap_or_default();
    assert!(found == code && message.contains(part), "{found}: {message}\nnot {code}: {part}");
    assert_eq!(reply.status, 400);
}

fn list() -> Request<Body> {
    request("ListApplications").body(Body::from("{}")).unwrap()
}

async fn put(api: &Api, account: &str, user: &str, statements: Value) {
    let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    Policy::parse(&document).unwrap_or_else(|error| panic!("{error}"));
    let policy = StoredPolicy {
        owner: Principal::user(account, user).unwrap(),
        name: "p".into(),
        document,
        updated_at: Timestamp(0),
    };
    api.put_policy(&policy).await;
}

#[tokio::test]
async fn who_does_not_prove_who_they_are_gets_nothing() {
    let api = Api::new().await;
    let now_ms = api.now.load(Ordering::SeqCst);
    check(&api.send_as_is(list()).await, "MissingAuthenticationTokenException", "missing");

    let unknown = NewAccessKey::generate(&[9; 40]);
    let reply = api.send_as(&unknown, "us-east-1", list()).await;
    check(&reply, "UnrecognizedClientException", "security token included in the request");

    let secret = SecretKey::new("another/another/another").unwrap();
    let wrong = NewAccessKey { secret, ..api.root.clone() };
    let reply = api.send_as(&wrong, "us-east-1", list()).await;
    check(&reply, "InvalidSignatureException", "does not match the signature you provided");

    for (at_ms, part) in [(now_ms - 301_000, "expired"), (now_ms + 301_000, "not yet current")] {
        let reply = api.send_as_is(signed(list(), &api.root, "us-east-1", at_ms).await).await;
        check(&reply, "InvalidSignatureException", part);
    }

    let mut broken = signed(list(), &api.root, "us-east-1", now_ms).await;
    broken.headers_mut().insert("authorization", "AWS4-HMAC-SHA256 x".parse().unwrap());
    check(&api.send_as_is(broken).await, "IncompleteSignatureException", "missing equal-sign");

    let mut token = signed(list(), &api.root, "us-east-1", now_ms).await;
    token.headers_mut().insert("x-amz-security-token", "x".parse().unwrap());
    check(&api.send_as_is(token).await, "UnrecognizedClientException", "no session tokens");

    let mut changed = signed(list(), &api.root, "us-east-1", now_ms).await;
    *changed.body_mut() = Body::from("{\"Limit\": 1}");
    check(&api.send_as_is(changed).await, "InvalidSignatureException", "does not match");

    let reply = api.send_as(&api.root, "mars-1", list()).await;
    check(
        &reply,
        "InvalidSignatureException",
        "not 'mars-1': this service serves us-east-1, eu-west-1",
    );
}

#[tokio::test]
async fn a_presigned_call_holds_for_as_long_as_it_says() {
    let api = Api::new().await;
    let now_ms = api.now.load(Ordering::SeqCst);
    let (host, target) = ("millrace.test", "KinesisAnalytics_20180523.ListApplications");
    let headers: [(&str, &[u8]); 2] =
        [("host", host.as_bytes()), ("x-amz-target", target.as_bytes())];
    let signed = millrace_auth::signature::Request {
        method: "POST",
        path: "/",
        query: "",
        headers: &headers,
    };
    let (key, region) = (api.root.clone(), "us-east-1".to_owned());
    let signer = Signer { key, region, service: SERVICE.to_owned() };
    let query = signer.presigned_query(&signed, b"{}", 60, now_ms);
    let presigned = |body: &'static str| {
        Request::post(format!("/?{query}"))
            .header("host", host)
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.1")
            .body(Body::from(body))
            .unwrap()
    };
    assert_eq!(api.send_as_is(presigned("{}")).await.status, 200);
    let changed = api.send_as_is(presigned("{ }")).await;
    check(&changed, "InvalidSignatureException", "does not match");
    api.now.fetch_add(61_000, Ordering::SeqCst);
    check(&api.send_as_is(presigned("{}")).await, "InvalidSignatureException", "expired");
}

#[tokio::test]
async fn a_disabled_key_is_as_one_that_never_was() {
    let api = Api::new().await;
    let key = api.key(ACCOUNT, None, 2).await;
    assert_eq!(api.send_as(&key, "us-east-1", list()).await.status, 200);
    api.set_key(&key, KeyStatus::Inactive).await;
    let disabled = api.send_as(&key, "us-east-1", list()).await;
    let unknown = NewAccessKey::generate(&[9; 40]);
    let never = api.send_as(&unknown, "us-east-1", list()).await;
    assert_eq!(disabled.body, never.body);
    api.set_key(&key, KeyStatus::Active).await;
    assert_eq!(api.send_as(&key, "us-east-1", list()).await.status, 200);
    api.store.delete_access_key(&key.id).await.unwrap();
    api.pass(999);
    assert_eq!(api.send_as(&key, "us-east-1", list()).await.status, 200, "not a second yet");
    api.pass(1);
    assert_eq!(api.send_as(&key, "us-east-1", list()).await.body, never.body);
}

#[tokio::test]
async fn accounts_see_nothing_of_each_other() {
    let api = Api::new().await;
    let other = api.key(OTHER, None, 2).await;
    api.create("orders").await;
    let listed = api.call_as(&other, "ListApplications", json!({})).await;
    assert_eq!(listed.body, json!({"ApplicationSummaries": []}));

    // What is there and what is not are told the same.
    let named = |name: &str| json!({"ApplicationName": name});
    for operation in ["DescribeApplication", "StartApplication", "ListApplicationOperations"] {
        let there = api.call_as(&other, operation, named("orders")).await;
        let absent = api.call_as(&other, operation, named("absent")).await;
        let text = there.body.to_string().replace("orders", "absent");
        assert_eq!(text, absent.body.to_string(), "{operation}");
    }
    let tags = |name: &str| json!({"ResourceARN": arn(name)});
    let there = api.call_as(&other, "ListTagsForResource", tags("orders")).await;
    let absent = api.call_as(&other, "ListTagsForResource", tags("absent")).await;
    assert_eq!(there.body, absent.body);
    check(&there, "ResourceNotFoundException", "another account");

    // The name is free for them, and has their account.
    let created = api.call_as(&other, "CreateApplication", creation("orders")).await;
    assert_eq!(
        created.body["ApplicationDetail"]["ApplicationARN"],
        "arn:aws:kinesisanalytics:us-east-1:111111111111:application/orders"
    );
}

#[tokio::test]
async fn a_user_may_do_what_a_policy_says_and_nothing_else() {
    let api = Api::new().await;
    let alice = api.key(ACCOUNT, Some("alice"), 2).await;
    api.create("orders").await;
    let describe = json!({"ApplicationName": "orders"});
    let refused = api.call_as(&alice, "DescribeApplication", describe.clone()).await;
    check(
        &refused,
        "AccessDeniedException",
        "User: arn:aws:iam::000000000000:user/alice is not authorized to perform: \
         kinesisanalytics:DescribeApplication on resource: \
         arn:aws:kinesisanalytics:us-east-1:000000000000:application/orders \
         because no identity-based policy allows",
    );
    put(
        &api,
        ACCOUNT,
        "alice",
        json!([
            {"Effect": "Allow", "Action": "kinesisanalytics:*", "Resource": arn("ord*")},
            {"Effect": "Deny", "Action": "kinesisanalytics:Delete*", "Resource": "*"},
        ]),
    )
    .await;
    assert_eq!(api.call_as(&alice, "DescribeApplication", describe).await.status, 200);
    let absent = api.call_as(&alice, "DescribeApplication", json!({"ApplicationName": "x"})).await;
    check(&absent, "AccessDeniedException", "no identity-based policy");
    let delete = json!({"ApplicationName": "orders", "CreateTimestamp": 1});
    let denied = api.call_as(&alice, "DeleteApplication", delete).await;
    check(&denied, "AccessDeniedException", "with an explicit deny");
    check(&api.call_as(&alice, "ListApplications", json!({})).await, "AccessDeniedException", "*");
    // The same name in another account is another user.
    let namesake = api.key(OTHER, Some("alice"), 3).await;
    let reply = api.call_as(&namesake, "CreateApplication", creation("ord")).await;
    check(&reply, "AccessDeniedException", "111111111111:user/alice");
}

#[tokio::test]
async fn tags_of_resource_and_request_decide() {
    let api = Api::new().await;
    let alice = api.key(ACCOUNT, Some("alice"), 2).await;
    let team = |value: &str| json!([{"Key": "team", "Value": value}]);
    for (name, value) in [("mine", "a"), ("theirs", "b")] {
        api.ok("CreateApplication", with(creation(name), json!({"Tags": team(value)}))).await;
    }
    put(
        &api,
        ACCOUNT,
        "alice",
        json!([
            {"Effect": "Allow", "Action": "*", "Resource": "*",
             "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}},
            {"Effect": "Allow", "Action": "kinesisanalytics:CreateApplication", "Resource": "*",
             "Condition": {"StringEquals": {"aws:RequestTag/team": "a"},
                           "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}},
            {"Effect": "Deny", "Action": ["kinesisanalytics:TagResource", "kinesisanalytics:UntagResource"], "Resource": "*",
             "Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": "team"}}},
        ]),
    )
    .await;
    let may = async |operation: &str, body: Value, expected: bool| {
        let reply = api.call_as(&alice, operation, body.clone()).await;
        let allowed = reply.body["__type"] != "AccessDeniedException";
        assert_eq!(allowed, expected, "{operation} {body}: {}", reply.body);
    };
    let named = |name: &str| json!({"ApplicationName": name});
    may("DescribeApplication", named("mine"), true).await;
    may("DescribeApplication", named("theirs"), false).await;
    may("DescribeApplication", named("absent"), false).await;
    may("ListTagsForResource", json!({"ResourceARN": arn("mine")}), true).await;
    may("ListTagsForResource", json!({"ResourceARN": arn("theirs")}), false).await;
    // Another spelling of an ARN is no way around.
    let spelt = arn("theirs").replace("arn:aws:", "arn:aws-cn:");
    may("ListTagsForResource", json!({"ResourceARN": spelt}), false).await;
    may("CreateApplication", with(creation("new"), json!({"Tags": team("a")})), true).await;
    may("CreateApplication", with(creation("new2"), json!({"Tags": team("b")})), false).await;
    may("CreateApplication", creation("new3"), false).await;
    // A taken name has no tags to borrow.
    may("CreateApplication", creation("mine"), false).await;
    let more = json!([{"Key": "team", "Value": "a"}, {"Key": "x", "Value": "y"}]);
    may("CreateApplication", with(creation("new4"), json!({"Tags": more})), false).await;
    may("TagResource", json!({"ResourceARN": arn("mine"), "Tags": team("b")}), false).await;
    may("UntagResource", json!({"ResourceARN": arn("mine"), "TagKeys": ["team"]}), false).await;
    may("UntagResource", json!({"ResourceARN": arn("mine"), "TagKeys": ["x"]}), true).await;
}

#[tokio::test]
async fn a_snapshot_is_made_by_who_may_on_both_of_its_resources() {
    let api = Api::new().await;
    let alice = api.key(ACCOUNT, Some("alice"), 2).await;
    api.create("orders").await;
    let wanted = json!({"ApplicationName": "orders", "SnapshotName": "s1"});
    let on = |resource: String| json!({"Effect": "Allow", "Action": "*", "Resource": resource});
    let snapshot = arn("s1").replace("application/", "snapshot/");
    for (statements, allowed) in [
        (json!([on(arn("orders"))]), false),
        (json!([on(snapshot.clone())]), false),
        (json!([on(arn("orders")), on(snapshot)]), true),
    ] {
        put(&api, ACCOUNT, "alice", statements).await;
        let reply = api.call_as(&alice, "CreateSnapshot", wanted.clone()).await;
        assert_eq!(reply.body["__type"] != "AccessDeniedException", allowed, "{}", reply.body);
    }
}

#[tokio::test]
async fn an_application_begins_from_a_snapshot_by_who_may_on_it() {
    let api = Api::new().await;
    let alice = api.key(ACCOUNT, Some("alice"), 2).await;
    api.create("orders").await;
    let snapshot = arn("s1").replace("application/", "snapshot/");
    let restore = json!({"ApplicationRestoreConfiguration": {
        "ApplicationRestoreType": "RESTORE_FROM_CUSTOM_SNAPSHOT", "SnapshotArn": snapshot}});
    let start = json!({"ApplicationName": "orders", "RunConfiguration": restore});
    let on = |resource: &str| json!({"Effect": "Allow", "Action": "*", "Resource": resource});
    put(&api, ACCOUNT, "alice", json!([on(&arn("orders"))])).await;
    check(
        &api.call_as(&alice, "StartApplication", start.clone()).await,
        "AccessDeniedException",
        "snapshot/s1",
    );
    put(&api, ACCOUNT, "alice", json!([on(&arn("orders")), on(&snapshot)])).await;
    let reply = api.call_as(&alice, "StartApplication", start).await;
    assert_ne!(reply.body["__type"], "AccessDeniedException", "{}", reply.body);
}

#[tokio::test]
async fn a_stored_policy_that_cannot_be_read_allows_nothing() {
    let api = Api::new().await;
    let alice = api.key(ACCOUNT, Some("alice"), 2).await;
    put(&api, ACCOUNT, "alice", json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}])).await;
    assert_eq!(api.call_as(&alice, "ListApplications", json!({})).await.status, 200);
    let broken = StoredPolicy {
        owner: Principal::user(ACCOUNT, "alice").unwrap(),
        name: "broken".into(),
        document: "{}".into(),
        updated_at: Timestamp(0),
    };
    api.put_policy(&broken).await;
    let reply = api.call_as(&alice, "ListApplications", json!({})).await;
    assert_eq!((reply.status, &reply.body["__type"]), (500, &json!("InternalFailure")));
}

#[tokio::test]
async fn calling_too_often_slows_down_nobody_else() {
    let api = Api::new().await;
    let alice = api.key(ACCOUNT, Some("alice"), 2).await;
    let other = api.key(OTHER, None, 3).await;
    put(&api, ACCOUNT, "alice", json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}])).await;
    let mut throttled = None;
    for call in 0..=BURST {
        let reply = api.call_as(&alice, "ListApplications", json!({})).await;
        if reply.status != 200 {
            check(&reply, "ThrottlingException", "Rate exceeded");
            throttled = Some(call);
            break;
        }
    }
    assert_eq!(throttled, Some(BURST));
    assert_eq!(api.raw("ListApplications", "{}").await.status, 200, "the root has its own");
    assert_eq!(api.call_as(&other, "ListApplications", json!({})).await.status, 200);
    // Refused signatures take nothing from whose name they bear.
    let secret = SecretKey::new("another/another/another").unwrap();
    let wrong = NewAccessKey { secret, ..other.clone() };
    for _ in 0..10 {
        api.call_as(&wrong, "ListApplications", json!({})).await;
    }
    api.now.fetch_add(1_000, Ordering::SeqCst);
    assert_eq!(api.call_as(&alice, "ListApplications", json!({})).await.status, 200);
}

#[tokio::test]
async fn what_changes_something_is_in_the_audit_log_with_its_end() {
    let api = Api::new().await;
    let alice = api.key(ACCOUNT, Some("alice"), 2).await;
    let created = api.raw("CreateApplication", creation("orders").to_string()).await;
    let named = json!({"ApplicationName": "orders"});
    api.call_as(&alice, "StartApplication", named.clone()).await;
    api.raw("StopApplication", named.to_string()).await;
    // Neither reading nor what is refused before is a change.
    api.raw("DescribeApplication", named.to_string()).await;
    api.raw("StartApplication", "{}").await;
    api.send_as_is(list()).await;

    let entries = api.store.audit(None, None, 10).await.unwrap().items;
    let shown: Vec<_> = entries
        .iter()
        .map(|entry| (entry.principal.as_str(), entry.action.as_str(), entry.outcome.as_str()))
        .collect();
    let root = "arn:aws:iam::000000000000:root";
    assert_eq!(
        shown,
        [
            (root, "kinesisanalytics:StopApplication", "ResourceInUseException"),
            (
                "arn:aws:iam::000000000000:user/alice",
                "kinesisanalytics:StartApplication",
                "AccessDeniedException"
            ),
            (root, "kinesisanalytics:CreateApplication", "Success"),
        ]
    );
    assert_eq!(entries[2].resource, arn("orders"));
    assert_eq!(entries[2].credential, api.root.id.as_str());
    assert_eq!(created.headers["x-amzn-requestid"], entries[2].request.as_str());
    assert!(!format!("{entries:?}").contains(api.root.secret.reveal()));
}

#[tokio::test]
async fn an_answer_is_given_again_to_who_got_it_alone() {
    let api = Api::new().await;
    let alice = api.key(ACCOUNT, Some("alice"), 2).await;
    let body = creation("orders");
    let send = async |key: &NewAccessKey| {
        let request = request("CreateApplication").header("amz-sdk-invocation-id", "one");
        let request = request.body(Body::from(body.to_string())).unwrap();
        api.send_as(key, "us-east-1", request).await
    };
    let first = send(&api.root).await;
    assert_eq!(send(&api.root).await.body, first.body);
    check(&send(&alice).await, "AccessDeniedException", "not authorized");
}

#[tokio::test]
async fn any_route_can_be_put_behind_a_signature() {
    let mut api = Api::new().await;
    let who = async |Extension(caller): Extension<Caller>| {
        format!("{} in {}", caller.principal, caller.region)
    };
    let signature =
        middleware::from_fn_with_state(api.state.clone(), millrace_api::access::require_signature);
    api.router = Router::new().route("/v1/who", get(who)).layer(signature);
    let ask = || Request::get("/v1/who?a=b").body(Body::empty()).unwrap();
    let reply = api.send_as(&api.root, "eu-west-1", ask()).await;
    assert_eq!(reply.body, "arn:aws:iam::000000000000:root in eu-west-1");
    check(&api.send_as_is(ask()).await, "MissingAuthenticationTokenException", "missing");
}

/// Method and path of every operation of the REST surface, with a name in each place.
fn rest_operations() -> Vec<(String, String)> {
    let document = millrace_api::openapi_document();
    let paths = document["paths"].as_object().expect("it has paths");
    let named = |path: &str| {
        let parts = path.split('/').map(|part| match part.split_once('}') {
            Some((name, rest)) if name.starts_with('{') => {
                let number = matches!(&name[1..], "version" | "versionId");
                format!("{}{rest}", if number { "1" } else { "orders" })
            }
            _ => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join("/")
    };
    let methods = |item: &Value| item.as_object().expect("an item").keys().cloned().collect();
    let each = paths.iter().flat_map(|(path, item)| {
        let methods: Vec<String> = methods(item);
        methods.into_iter().map(move |method| (method.to_uppercase(), named(path)))
    });
    each.collect()
}

/// A body that fits where one is needed: what is refused is the caller.
fn rest_body(method: &str, path: &str) -> Value {
    let snapshot = json!({"name": "s1", "applicationName": "orders"});
    match (method, path.rsplit('/').next().unwrap_or_default()) {
        ("POST", "applications") => json!({
            "name": "orders", "runtimeEnvironment": "FLINK-1_18",
            "serviceExecutionRole": "arn:aws:iam::000000000000:role/any",
        }),
        ("POST", "snapshots") if path == "/v1/snapshots" => snapshot,
        ("POST", "snapshots") => json!({"name": "s1"}),
        ("POST", "updates" | "updates:check") => {
            json!({"currentVersionId": 1, "runtimeEnvironment": "FLINK-1_19"})
        }
        ("POST", "rollback") => json!({"currentVersionId": 1}),
        ("POST", "exports") => json!({"to": {"bucketArn": "arn:aws:s3:::b", "prefix": "p"}}),
        ("POST", "snapshots:import") => {
            json!({"name": "s1", "from": {"bucketArn": "arn:aws:s3:::b", "prefix": "p"}})
        }
        ("PUT", "tags") => json!({"a": "b"}),
        ("POST", "vpc-configurations") => json!({
            "currentVersionId": 1, "subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"],
        }),
        ("POST", "logging-options") => json!({
            "currentVersionId": 1,
            "logStreamArn": "arn:aws:logs:us-east-1:000000000000:log-group:g:log-stream:s",
        }),
        ("PUT", _) => json!({"windowStart": "06:00"}),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn the_rest_surface_serves_nobody_who_may_not() {
    let api = Api::new().await;
    let alice = api.key(ACCOUNT, Some("alice"), 2).await;
    api.create("orders").await;
    let operations = rest_operations();
    assert!(operations.len() > 25, "{operations:?}");
    for (method, path) in operations {
        let request = || {
            let body = match rest_body(&method, &path) {
                Value::Null => Body::empty(),
                body => Body::from(body.to_string()),
            };
            let uri = if path.ends_with("/tags") && method == "DELETE" {
                format!("{path}?key=a")
            } else {
                path.clone()
            };
            let request = Request::builder().method(method.as_str()).uri(uri);
            request.header("content-type", "application/json").body(body).unwrap()
        };
        let unsigned = api.send_as_is(request()).await;
        let code = unsigned.body["code"].as_str().unwrap_or_default();
        assert_eq!((unsigned.status, code), (401, "MissingAuthenticationTokenException"), "{path}");
        let denied = api.send_as(&alice, "us-east-1", request()).await;
        let code = denied.body["code"].as_str().unwrap_or_default();
        let told = &denied.body;
        assert_eq!(
            (denied.status, code),
            (403, "AccessDeniedException"),
            "{method} {path}: {told}"
        );
        let detail = denied.body["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("user/alice is not authorized to perform: kinesisanalytics:"));
    }
}

#[tokio::test]
async fn a_change_by_rest_is_in_the_audit_log_with_its_end() {
    let api = Api::new().await;
    api.create("orders").await;
    let alice = api.key(ACCOUNT, Some("alice"), 2).await;
    let start = || Request::post("/v1/applications/orders/start").body(Body::empty()).unwrap();
    assert_eq!(api.send_as(&alice, "us-east-1", start()).await.status, 403);
    assert_eq!(api.send(start()).await.status, 202);
    assert_eq!(api.send(start()).await.status, 409);
    let listed = api.store.audit(None, None, 50).await.unwrap();
    let found: Vec<(&str, &str)> = listed
        .items
        .iter()
        .filter(|entry| entry.action == "kinesisanalytics:StartApplication")
        .map(|entry| {
            (entry.principal.rsplit(':').next().unwrap_or_default(), entry.outcome.as_str())
        })
        .collect();
    let want = [
        ("root", "ResourceInUseException"),
        ("root", "Success"),
        ("user/alice", "AccessDeniedException"),
    ];
    assert_eq!(found, want);
}

/// Takes `alice` and `root` for tokens of themselves.
struct SelfIssued;

#[async_trait::async_trait]
impl millrace_api::Tokens for SelfIssued {
    async fn verify(
        &self,
        token: &str,
        _: i64,
    ) -> Result<(millrace_auth::Principal, String), millrace_api::NotProven> {
        match token {
            "down" => Err(millrace_api::NotProven::Unavailable),
            "alice" => Ok((Principal::user(ACCOUNT, token).unwrap(), "idp".to_owned())),
            _ => Err(millrace_auth::token::TokenError::Unreadable.into()),
        }
    }
}

#[tokio::test]
async fn a_bearer_token_is_its_user_on_the_rest_surface_alone() {
    let mut api = Api::new().await;
    let state = millrace_api::ApiState { tokens: Arc::new(SelfIssued), ..api.state.clone() };
    api.router = millrace_api::router(state);
    api.create("a").await;
    let get = |token: &str, region: Option<&str>| {
        let mut request = Request::get("/v1/applications/a");
        request = request.header("authorization", format!("Bearer {token}"));
        if let Some(region) = region {
            request = request.header("millrace-region", region);
        }
        request.body(Body::empty()).unwrap()
    };
    let denied = api.send_as_is(get("alice", None)).await;
    assert_eq!(denied.status, 403, "{}", denied.body);
    put(
        &api,
        ACCOUNT,
        "alice",
        json!([{
            "Effect": "Allow", "Action": "kinesisanalytics:*", "Resource": "*",
        }]),
    )
    .await;
    let allowed = api.send_as_is(get("alice", None)).await;
    assert_eq!((allowed.status, &allowed.body["name"]), (200, &json!("a")), "{}", allowed.body);
    let elsewhere = api.send_as_is(get("alice", Some("eu-west-1"))).await;
    assert_eq!(elsewhere.status, 404, "another Region: {}", elsewhere.body);
    let nowhere = api.send_as_is(get("alice", Some("eu-west-9"))).await;
    assert!(nowhere.body.to_string().contains("us-east-1, eu-west-1"), "{}", nowhere.body);
    let unknown = api.send_as_is(get("mallory", None)).await;
    assert_eq!(unknown.status, 401, "{}", unknown.body);
    assert!(unknown.body.to_string().contains("no JSON Web Token"), "{}", unknown.body);
    assert_eq!(api.send_as_is(get("down", None)).await.status, 503);
    // What it changes is written down under its issuer.
    let change = Request::put("/v1/applications/a/tags")
        .header("authorization", "bearer alice")
        .header("content-type", "application/json")
        .body(Body::from(r#"{"team":"x"}"#))
        .unwrap();
    let changed = api.send_as_is(change).await;
    let audit = api.store.audit(Some(ACCOUNT), None, 1).await.unwrap().items;
    assert_eq!(audit[0].credential, "jwt:idp", "{changed:?}");
    // The AWS surface knows signatures alone.
    let call = request("ListApplications").header("authorization", "Bearer alice");
    let refused = api.send_as_is(call.body(Body::from("{}")).unwrap()).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
}
