//! What strangers send before anybody knows who they are, and what operators paste.

use millrace_auth::policy::{Ask, Context, Decision, NamedPolicy, Policy, decide};
use millrace_auth::signature::{Claim, Request, Signer};
use millrace_auth::{NewAccessKey, Principal, SERVICE};

const NOW_MS: i64 = 1_795_356_204_683;
const BODY: &[u8] = b"{}";

pub fn policies() -> Vec<Vec<u8>> {
    [
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Version":"2012-10-17","Id":"a","Statement":[{"Sid":"b","Effect":"Deny","NotAction":["kinesisanalytics:Describe*","s3:Get?bject"],"NotResource":"arn:aws:kinesisanalytics:*:*:application/${aws:username}-*"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":["a","${*}b"]},"ForAllValues:StringLikeIfExists":{"aws:TagKeys":"t*"},"Null":{"aws:RequestTag/x":true},"ArnLike":{"aws:PrincipalArn":"arn:*:iam::*:user/*"},"DateLessThan":{"aws:CurrentTime":"2027-01-01T00:00:00Z"}}}]}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// A policy is refused, or decides; a `Deny` of everything wins over it.
pub fn policy(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(policy) = Policy::parse(text) else { return };
    let deny =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
    let deny = Policy::parse(deny).expect("a policy");
    let named = |policy: &Policy| NamedPolicy { name: "p".into(), policy: policy.clone() };
    let user = Principal::user("123456789012", "alice").expect("of the form");
    let context = Context { region: "us-east-1", now_ms: NOW_MS, ..Context::default() };
    let action = "kinesisanalytics:StartApplication";
    let resource = "arn:aws:kinesisanalytics:us-east-1:123456789012:application/alice-1";
    let ask = Ask { action, resource, context };
    let alone = decide(&user, &[named(&policy)], &ask);
    assert_ne!(alone, Decision::Root, "a user is no root");
    let denied = decide(&user, &[named(&policy), named(&deny)], &ask);
    assert!(!denied.is_allowed(), "a Deny was passed over");
}

fn signer() -> Signer {
    let key = NewAccessKey::generate(&[1; 40]);
    Signer { key, region: "us-east-1".into(), service: SERVICE.into() }
}

fn headers(date: &str) -> [(&'static str, &[u8]); 3] {
    let target = b"KinesisAnalytics_20180523.ListApplications";
    [("host", b"127.0.0.1:8181"), ("x-amz-date", date.as_bytes()), ("x-amz-target", target)]
}

pub fn authorizations() -> Vec<Vec<u8>> {
    let date = Signer::date(NOW_MS);
    let headers = headers(&date);
    let request = Request { method: "POST", path: "/", query: "", headers: &headers };
    vec![signer().authorization(&request, BODY, NOW_MS).into_bytes()]
}

/// A header is refused, or claims something that nobody without the secret can prove.
pub fn authorization(header: &[u8]) {
    let date = Signer::date(NOW_MS);
    let mut headers = headers(&date).to_vec();
    headers.push(("authorization", header));
    let request = Request { method: "POST", path: "/", query: "", headers: &headers };
    let Ok(claim) = Claim::read(&request, SERVICE, NOW_MS) else { return };
    let another = NewAccessKey::generate(&[2; 40]);
    assert!(claim.verify(&request, BODY, &another.secret).is_err(), "proven without the secret");
}
