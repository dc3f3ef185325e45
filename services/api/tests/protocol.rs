//! AWS JSON 1.1 and what is wrong with requests before an operation looks at them.

mod support;

use axum::body::Body;
use http::Request;
use millrace_api_spec::operations::OPERATIONS;
use serde_json::json;
use support::{Api, creation, request};

#[tokio::test]
async fn every_operation_of_the_table_answers_as_it_says() {
    let api = Api::new().await;
    for operation in OPERATIONS {
        let reply = api.raw(operation.name, "{}").await;
        let code = reply.body["__type"].as_str().unwrap_or("none");
        let expected = match operation.name {
            "ListApplications" | "ListSnapshots" => "none",
            // What is required is missing: decoded, validated, and refused.
            _ => "InvalidArgumentException",
        };
        assert_eq!(code, expected, "{}: {}", operation.name, reply.body);
        assert!(reply.headers.contains_key("x-amzn-requestid"));
        assert_eq!(reply.headers["content-type"], "application/x-amz-json-1.1");
    }
}

#[tokio::test]
async fn an_unknown_operation_is_told_so() {
    let api = Api::new().await;
    api.refused("NoSuchOperation", json!({}), "UnknownOperationException", "X-Amz-Target").await;
    for target in ["KinesisAnalytics_20150814.ListApplications", "ListApplications", ""] {
        let request =
            Request::post("/").header("x-amz-target", target).body(Body::empty()).unwrap();
        let reply = api.send(request).await;
        assert_eq!(reply.body["__type"], "UnknownOperationException", "{target}");
    }
    let reply = api.send(Request::post("/").body(Body::empty()).unwrap()).await;
    assert_eq!((reply.status, &reply.body["__type"]), (400, &json!("UnknownOperationException")));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_a_serialization_exception() {
    let api = Api::new().await;
    for body in [
        "{",
        "[]",
        "null",
        "7",
        "{\"ApplicationName\": 7}",
        "{\"ApplicationName\": {}}",
        "{\"ApplicationName\": \"a\", \"IncludeAdditionalDetails\": \"yes\"}",
        "\u{0}",
        "{} trailing",
    ] {
        let reply = api.raw("DescribeApplication", body).await;
        assert_eq!(reply.body["__type"], "SerializationException", "{body}: {}", reply.body);
        assert_eq!(reply.status, 400);
    }
    let broken = api.raw("DescribeApplication", vec![b'{', 0xff, 0xfe, b'}']).await;
    assert_eq!(broken.body["__type"], "SerializationException");
    let deep = "[".repeat(100_000);
    let reply = api.raw("DescribeApplication", deep).await;
    assert_eq!(reply.body["__type"], "SerializationException");
}

#[tokio::test]
async fn an_empty_body_is_an_empty_request() {
    let api = Api::new().await;
    assert_eq!(api.raw("ListApplications", "").await.status, 200);
    assert_eq!(api.raw("ListApplications", " \n").await.status, 200);
}

#[tokio::test]
async fn the_content_type_must_be_the_protocols() {
    let api = Api::new().await;
    let with = |content_type: &'static str| {
        Request::post("/")
            .header("content-type", content_type)
            .header("x-amz-target", "KinesisAnalytics_20180523.ListApplications")
            .body(Body::from("{}"))
            .unwrap()
    };
    assert_eq!(api.send(with("application/x-amz-json-1.1")).await.status, 200);
    assert_eq!(api.send(with("application/x-amz-json-1.1; charset=utf-8")).await.status, 200);
    let reply = api.send(with("text/plain")).await;
    assert_eq!(reply.body["__type"], "SerializationException");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let api = Api::new().await;
    for (operation, mebibytes) in [("CreateApplication", 73), ("StartApplication", 2)] {
        let reply = api.raw(operation, vec![b' '; mebibytes * 1024 * 1024]).await;
        assert_eq!(reply.status, 413);
        assert_eq!(reply.body["__type"], "RequestEntityTooLargeException");
    }
    // What is too much for one operation is not for another.
    let reply = api.raw("CreateApplication", vec![b' '; 2 * 1024 * 1024]).await;
    assert_eq!(reply.body["__type"], "InvalidArgumentException");
}

#[tokio::test]
async fn the_region_of_the_signature_separates_applications() {
    let api = Api::new().await;
    api.create("app").await;
    let in_region = |operation: &str, body: String| request(operation).body(Body::from(body));
    let other = in_region("CreateApplication", creation("app").to_string()).unwrap();
    let created = api.send_as(&api.root, "eu-west-1", other).await;
    let arn = &created.body["ApplicationDetail"]["ApplicationARN"];
    assert_eq!(arn, "arn:aws:kinesisanalytics:eu-west-1:000000000000:application/app");
    let listed = api.raw("ListApplications", "{}").await;
    assert_eq!(listed.body["ApplicationSummaries"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_service_says_that_it_is_well() {
    let api = Api::new().await;
    let health = || Request::get("/healthz").body(Body::empty()).unwrap();
    assert_eq!(api.send(health()).await.status, 200);
    api.store.close().await;
    assert_eq!(api.send(health()).await.status, 503);
}

#[tokio::test]
async fn a_failure_of_ours_is_a_500_that_shows_nothing() {
    let api = Api::new().await;
    api.store.close().await;
    let reply = api.raw("ListApplications", "{}").await;
    assert_eq!((reply.status, &reply.body["__type"]), (500, &json!("InternalFailure")));
    let message = reply.body["message"].as_str().unwrap();
    assert!(!message.contains("pool") && !message.contains("sql"), "{message}");
}
