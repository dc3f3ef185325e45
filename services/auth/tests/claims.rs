//! Requests whose signature cannot be right, and what they are told.

use millrace_auth::signature::{Claim, Request, SignatureError, Signer};
use millrace_auth::{AccessKeyId, NewAccessKey, SecretKey};

const NOW_MS: i64 = 1_440_938_160_000;
const MINUTE_MS: i64 = 60_000;

fn signer() -> Signer {
    let key = NewAccessKey {
        id: AccessKeyId::new("AKIAIOSFODNN7EXAMPLE").expect("of the form"),
        secret: SecretKey::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY").expect("of the form"),
    };
    Signer { key, region: "us-east-1".into(), service: "kinesisanalytics".into() }
}

/// A request as the command line would sign it, to be spoilt.
#[derive(Clone)]
struct Sent {
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Sent {
    fn unsigned(at_ms: i64) -> Sent {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Sent {
            path: "/".into(),
            query: String::new(),
            headers: vec![
                header("host", "127.0.0.1:8181"),
                header("content-type", "application/x-amz-json-1.1"),
                header("x-amz-target", "KinesisAnalytics_20180523.ListApplications"),
                header("x-amz-date", &Signer::date(at_ms)),
            ],
            body: "{}".into(),
        }
    }

    fn signed(at_ms: i64) -> Sent {
        let mut sent = Sent::unsigned(at_ms);
        let authorization =
            sent.with_request(|request, body| signer().authorization(request, body, at_ms));
        sent.headers.push(("authorization".into(), authorization));
        sent
    }

    fn presigned(at_ms: i64, expires_s: u32) -> Sent {
        let mut sent = Sent::unsigned(at_ms);
        sent.headers.retain(|(name, _)| name != "x-amz-date");
        sent.query = sent.with_request(|request, body| {
            signer().presigned_query(request, body, expires_s, at_ms)
        });
        sent
    }

    fn with_request<T>(&self, look: impl FnOnce(&Request<'_>, &[u8]) -> T) -> T {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let Sent { path, query, body, .. } = self;
        look(&Request { method: "POST", path, query, headers: &headers }, body.as_bytes())
    }

    fn header(&mut self, name: &str) -> &mut String {
        let found = self.headers.iter_mut().find(|(given, _)| given == name);
        &mut found.expect("it is there").1
    }

    fn verify(&self, now_ms: i64) -> Result<(), SignatureError> {
        self.with_request(|request, body| {
            let claim = Claim::read(request, "kinesisanalytics", now_ms)?;
            claim.verify(request, body, &signer().key.secret).map(drop)
        })
    }
}

/// Spoils a good request by `spoil` and expects the refusal: its kind, a part of its text.
#[track_caller]
fn refused(spoil: impl FnOnce(&mut Sent), kind: &str, part: &str) {
    let mut sent = Sent::signed(NOW_MS);
    sent.verify(NOW_MS).expect("good before");
    spoil(&mut sent);
    expect_refusal(&sent, NOW_MS, kind, part);
}

#[track_caller]
fn expect_refusal(sent: &Sent, now_ms: i64, kind: &str, part: &str) {
    let error = sent.verify(now_ms).expect_err("it is spoilt");
    let found = match &error {
        SignatureError::Missing => "missing",
        SignatureError::Incomplete(_) => "incomplete",
        SignatureError::Invalid(_) => "invalid",
        SignatureError::SessionToken => "token",
    };
    assert!(found == kind && error.to_string().contains(part), "{found}: {error}");
    let secret = signer().key.secret;
    assert!(!error.to_string().contains(secret.reveal()), "{error}");
}

#[test]
fn whatever_is_signed_counts() {
    let differs = "does not match the signature you provided";
    refused(|sent| sent.body = "{ }".into(), "invalid", differs);
    refused(|sent| sent.path = "/v1".into(), "invalid", differs);
    refused(|sent| sent.query = "a=b".into(), "invalid", differs);
    refused(|sent| *sent.header("host") = "127.0.0.1:1".into(), "invalid", differs);
    let other = "KinesisAnalytics_20180523.DeleteApplication";
    refused(|sent| *sent.header("x-amz-target") = other.into(), "invalid", differs);
    refused(
        |sent| {
            let last = sent.header("authorization").pop();
            sent.header("authorization").push(if last == Some('0') { '1' } else { '0' });
        },
        "invalid",
        differs,
    );
    refused(
        |sent| {
            let authorization = sent.header("authorization").replace("us-east-1", "eu-west-1");
            *sent.header("authorization") = authorization;
        },
        "invalid",
        differs,
    );
    refused(|sent| sent.header("authorization").push_str("00"), "invalid", differs);
    refused(|sent| sent.header("authorization").push('x'), "invalid", differs);
}

#[test]
fn a_claim_that_is_not_whole_says_what_lacks() {
    let edit = |from: &'static str, to: &'static str| {
        move |sent: &mut Sent| {
            let edited = sent.header("authorization").replace(from, to);
            *sent.header("authorization") = edited;
        }
    };
    let without =
        |name: &'static str| move |sent: &mut Sent| sent.headers.retain(|(given, _)| given != name);
    refused(without("authorization"), "missing", "missing Authentication Token");
    refused(without("x-amz-date"), "incomplete", "'X-Amz-Date'");
    refused(edit("Credential=", "Id="), "incomplete", "requires 'Credential' parameter");
    refused(edit("Signature=", "S="), "incomplete", "requires 'Signature' parameter");
    refused(edit("SignedHeaders=", "S="), "incomplete", "requires 'SignedHeaders' parameter");
    refused(edit("Credential=", ""), "incomplete", "missing equal-sign");
    refused(edit("Signature=", "Credential="), "incomplete", "'Credential' twice");
    refused(edit("AWS4-HMAC-SHA256", "AWS"), "incomplete", "algorithm AWS4-HMAC-SHA256");
    refused(edit("AWS4-HMAC-SHA256", "Bearer"), "incomplete", "algorithm AWS4-HMAC-SHA256");
    refused(edit("/us-east-1", ""), "incomplete", "5 slash-delimited elements");
    refused(edit("host;", "Host;"), "incomplete", "in lower case");
    refused(edit("content-type;host;", "host;content-type;"), "incomplete", "in order");
    refused(edit("AKIAIOSFODNN7EXAMPLE", "AKI'--"), "incomplete", "access key id");
    refused(
        |sent| sent.headers.push(("authorization".into(), "AWS4-HMAC-SHA256 a=b".into())),
        "incomplete",
        "must be one header",
    );
    refused(|sent| sent.query = "X-Amz-Algorithm=x".into(), "incomplete", "given twice");
}

#[test]
fn the_scope_must_be_the_services() {
    let edit = |from: &'static str, to: &'static str| {
        move |sent: &mut Sent| {
            let edited = sent.header("authorization").replace(from, to);
            *sent.header("authorization") = edited;
        }
    };
    refused(edit("/kinesisanalytics/", "/kinesis/"), "invalid", "correct service: 'kinesisa");
    refused(edit("/us-east-1/", "/../"), "invalid", "a valid region, not '..'");
    refused(edit("/us-east-1/", "/US/"), "invalid", "a valid region");
    refused(edit("/aws4_request", "/aws5_request"), "invalid", "valid terminator: 'aws4_request'");
    refused(edit("/20150830/", "/20150829/"), "invalid", "'20150829' != '20150830'");
}

#[test]
fn what_a_request_means_must_be_signed() {
    let unsigned = |name: &'static str| {
        move |sent: &mut Sent| {
            let mut partial = sent.clone();
            partial.headers.retain(|(given, _)| given != name && given != "authorization");
            let authorization =
                partial.with_request(|request, body| signer().authorization(request, body, NOW_MS));
            *sent.header("authorization") = authorization;
        }
    };
    refused(unsigned("host"), "invalid", "'Host' or ':authority'");
    refused(unsigned("x-amz-target"), "invalid", "header x-amz-target must be among");
    refused(unsigned("x-amz-date"), "invalid", "header x-amz-date must be among");
    refused(
        |sent| sent.headers.push(("x-amz-more".into(), "1".into())),
        "invalid",
        "header x-amz-more must be among",
    );
    refused(
        |sent| sent.headers.retain(|(name, _)| name != "content-type"),
        "invalid",
        "content-type is not in the request",
    );
}

#[test]
fn a_body_that_is_not_signed_is_another_body() {
    // S3's way: the text UNSIGNED-PAYLOAD in the body's place.
    let mut sent = Sent::unsigned(NOW_MS);
    sent.headers.push(("x-amz-content-sha256".into(), "UNSIGNED-PAYLOAD".into()));
    sent.body = "UNSIGNED-PAYLOAD".into();
    let authorization =
        sent.with_request(|request, body| signer().authorization(request, body, NOW_MS));
    sent.headers.push(("authorization".into(), authorization));
    sent.body = "{}".into();
    expect_refusal(&sent, NOW_MS, "invalid", "does not match");
}

#[test]
fn session_tokens_are_refused_as_what_they_are() {
    let token = ("x-amz-security-token".to_owned(), "FwoGZXIvYXdzE".to_owned());
    refused(|sent| sent.headers.push(token), "token", "gives out no session tokens");
    let mut sent = Sent::presigned(NOW_MS, 60);
    sent.query.push_str("&X-Amz-Security-Token=FwoGZXIvYXdzE");
    expect_refusal(&sent, NOW_MS, "token", "gives out no session tokens");
}

#[test]
fn a_signature_holds_for_five_minutes_either_way() {
    let check = |after_ms: i64, refusal: Option<&str>| {
        let sent = Sent::signed(NOW_MS);
        match refusal {
            None => sent.verify(NOW_MS + after_ms).expect("in time"),
            Some(part) => expect_refusal(&sent, NOW_MS + after_ms, "invalid", part),
        }
    };
    check(5 * MINUTE_MS, None);
    check(-5 * MINUTE_MS, None);
    check(
        5 * MINUTE_MS + 1000,
        Some(
            "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z \
             (20150830T124101Z - 300 s)",
        ),
    );
    check(
        -5 * MINUTE_MS - 1000,
        Some(
            "Signature not yet current: 20150830T123600Z is still later than \
             20150830T123559Z (20150830T123059Z + 5 min.)",
        ),
    );
}

#[test]
fn a_presigned_request_holds_for_as_long_as_it_says() {
    let sent = Sent::presigned(NOW_MS, 3600);
    sent.verify(NOW_MS + 60 * MINUTE_MS).expect("in time");
    expect_refusal(&sent, NOW_MS + 61 * MINUTE_MS, "invalid", "Signature expired");
    expect_refusal(&sent, NOW_MS - 6 * MINUTE_MS, "invalid", "Signature not yet current");
    for expires_s in [0, 604_801] {
        let sent = Sent::presigned(NOW_MS, expires_s);
        expect_refusal(&sent, NOW_MS, "incomplete", "X-Amz-Expires must be 1 to 604800");
    }
    let mut spoilt = sent.clone();
    spoilt.body = "{ }".into();
    expect_refusal(&spoilt, NOW_MS, "invalid", "does not match");
    let mut spoilt = sent.clone();
    spoilt.query = sent.query.replace("X-Amz-Date=", "X-Amz-Day=");
    expect_refusal(&spoilt, NOW_MS, "incomplete", "'X-Amz-Date'");
    let mut spoilt = sent;
    spoilt.query = spoilt.query.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1");
    expect_refusal(&spoilt, NOW_MS, "incomplete", "X-Amz-Algorithm must be");
}
