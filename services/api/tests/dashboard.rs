//! CreateApplicationPresignedUrl and what its links open: for whom, how long, and to read.

mod support;

use axum::body::Body;
use http::{HeaderMap, Request};
use millrace_auth::{KeyStatus, NewAccessKey, Principal};
use millrace_domain::{Generation, Job, Status, Timestamp, VersionId};
use millrace_store::StoredPolicy;
use serde_json::{Value, json};
use support::{ACCOUNT, Api, Reply, with};

const MINUTE_MS: i64 = 60_000;

fn asked(name: &str) -> Value {
    json!({ "ApplicationName": name, "UrlType": "FLINK_DASHBOARD_URL" })
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map(|it| it.to_str().unwrap().to_owned()).unwrap_or_default()
}

impl Api {
    async fn running(&self, name: &str) {
        self.create(name).await;
        self.edit(name, |application, _| {
            application.status = Status::Running;
            application.job = Some(Job {
                parallelism: None,
                generation: Generation(3),
                version: VersionId(1),
                run: Default::default(),
                started_at: Timestamp(0),
                restarts: 0,
            });
        })
        .await;
    }

    async fn link(&self, name: &str, key: &NewAccessKey, more: Value) -> String {
        let reply =
            self.call_as(key, "CreateApplicationPresignedUrl", with(asked(name), more)).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let url = reply.body["AuthorizedUrl"].as_str().unwrap().to_owned();
        url.strip_prefix("http://127.0.0.1:8181").unwrap().to_owned()
    }

    async fn visit(&self, method: &str, path: &str, cookie: &str) -> Reply {
        let request = Request::builder().method(method).uri(path).header("cookie", cookie);
        self.send_as_is(request.body(Body::empty()).unwrap()).await
    }

    /// The dashboard's path and the cookie that opens it.
    async fn follow(&self, link: &str) -> (String, String) {
        let reply = self.visit("GET", link, "").await;
        assert_eq!(reply.status, 303, "{}", reply.body);
        let cookie = header(&reply.headers, "set-cookie");
        let (value, attributes) = cookie.split_once(';').unwrap();
        assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite"), "{cookie}");
        (header(&reply.headers, "location"), value.to_owned())
    }
}

#[tokio::test]
async fn a_link_opens_a_session_that_reads() {
    let api = Api::new().await;
    api.running("app").await;
    let root = api.root.clone();
    let (place, cookie) = api.follow(&api.link("app", &root, json!({})).await).await;
    let id = api.load("app").await.application.id;
    assert_eq!(place, format!("/dashboard/{id}/"));
    let looked = api.visit("GET", &format!("{place}jobs/overview?x=1"), &cookie).await;
    assert_eq!(looked.body, json!({ "generation": 3, "place": "/jobs/overview?x=1" }));
    assert_eq!(header(&looked.headers, "cache-control"), "no-store");
    let page = api.visit("GET", &place, &format!("other=1; {cookie}")).await;
    assert!(page.status == 200 && page.body.as_str().unwrap().contains("<script>"));
    for method in ["POST", "PATCH", "DELETE", "PUT"] {
        let reply = api.visit(method, &format!("{place}jobs/1"), &cookie).await;
        assert_eq!(reply.status, 405, "{method}");
    }
    assert_eq!(api.visit("GET", &format!("{place}jobs/1/yarn-cancel"), &cookie).await.status, 404);
    assert_eq!(api.visit("GET", &place, "").await.status, 403);
    assert_eq!(api.visit("GET", &place, "millrace-dashboard=x").await.status, 403);
    api.running("other").await;
    let other = api.load("other").await.application.id;
    let reply = api.visit("GET", &format!("/dashboard/{other}/"), &cookie).await;
    assert_eq!(reply.status, 403, "another application's");
    api.edit("app", |application, _| application.job = None).await;
    assert_eq!(api.visit("GET", &place, &cookie).await.status, 503);
}

/// AWS: a link must be followed within three minutes; its session lasts as long as asked.
#[tokio::test]
async fn links_and_sessions_run_out() {
    let api = Api::new().await;
    api.running("app").await;
    let root = api.root.clone();
    let link = api.link("app", &root, json!({})).await;
    let short = api.link("app", &root, json!({ "SessionExpirationDurationInSeconds": 1800 })).await;
    api.pass(3 * MINUTE_MS - 1);
    let (place, long) = api.follow(&link).await;
    let (_, short) = api.follow(&short).await;
    api.pass(1);
    assert_eq!(api.visit("GET", &link, "").await.status, 403, "three minutes are over");
    assert_eq!(api.visit("GET", &place, &short).await.status, 200);
    api.pass(27 * MINUTE_MS);
    assert_eq!(api.visit("GET", &place, &short).await.status, 403, "half an hour is over");
    assert_eq!(api.visit("GET", &place, &long).await.status, 200);
    api.pass(12 * 60 * MINUTE_MS - 30 * MINUTE_MS);
    assert_eq!(api.visit("GET", &place, &long).await.status, 403, "twelve hours are over");
    let token = link.split_once("token=").unwrap().1;
    let reply = api.visit("GET", &place, &format!("millrace-dashboard={token}")).await;
    assert_eq!(reply.status, 403, "a link is no session");
}

#[tokio::test]
async fn only_a_running_job_has_a_link_and_only_flinks_dashboard() {
    let api = Api::new().await;
    api.create("app").await;
    let operation = "CreateApplicationPresignedUrl";
    api.refused(operation, asked("app"), "ResourceInUseException", "READY").await;
    api.refused(operation, asked("none"), "ResourceNotFoundException", "none").await;
    api.edit("app", |application, _| application.status = Status::Running).await;
    let zeppelin = json!({ "ApplicationName": "app", "UrlType": "ZEPPELIN_UI_URL" });
    api.refused(operation, zeppelin, "InvalidArgumentException", "INTERACTIVE").await;
    for seconds in [1799, 43_201] {
        let odd = with(asked("app"), json!({ "SessionExpirationDurationInSeconds": seconds }));
        api.refused(operation, odd, "InvalidArgumentException", "SessionExpiration").await;
    }
}

/// AWS: policies are enforced for every request, not only for the one that made the link.
#[tokio::test]
async fn a_session_ends_with_the_rights_of_who_made_it() {
    let api = Api::new().await;
    api.running("app").await;
    let alice = api.key(ACCOUNT, Some("alice"), 2).await;
    let denied = api.call_as(&alice, "CreateApplicationPresignedUrl", asked("app")).await;
    assert_eq!(denied.body["__type"], "AccessDeniedException");
    let principal = Principal::user(ACCOUNT, "alice").unwrap();
    let policy = |effect: &str| StoredPolicy {
        owner: principal.clone(),
        name: "p".to_owned(),
        updated_at: Timestamp(0),
        document: json!({ "Version": "2012-10-17", "Statement": [{ "Effect": effect,
            "Action": "kinesisanalytics:CreateApplicationPresignedUrl", "Resource": "*" }] })
        .to_string(),
    };
    api.put_policy(&policy("Allow")).await;
    let (place, cookie) = api.follow(&api.link("app", &alice, json!({})).await).await;
    assert_eq!(api.visit("GET", &place, &cookie).await.status, 200);
    api.put_policy(&policy("Deny")).await;
    assert_eq!(api.visit("GET", &place, &cookie).await.status, 403);
    api.put_policy(&policy("Allow")).await;
    assert_eq!(api.visit("GET", &place, &cookie).await.status, 200);
    api.set_key(&alice, KeyStatus::Inactive).await;
    assert_eq!(api.visit("GET", &place, &cookie).await.status, 403);
}

#[tokio::test]
async fn the_rest_surface_makes_links_too() {
    let api = Api::new().await;
    api.running("app").await;
    let path = "/v1/applications/app/dashboard-links";
    let made = api.rest("POST", path, json!({ "sessionSeconds": 1800 })).await;
    assert_eq!(made.status, 200, "{}", made.body);
    assert_eq!(made.body["sessionEndsAt"], "2026-11-22T14:33:24.683Z");
    let url = made.body["url"].as_str().unwrap();
    api.follow(url.strip_prefix("http://127.0.0.1:8181").unwrap()).await;
    let odd = api.rest("POST", path, json!({ "sessionSeconds": 5 })).await;
    assert_eq!((odd.status, &odd.body["errors"][0]["path"]), (400, &json!("sessionSeconds")));
}
