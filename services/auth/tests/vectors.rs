//! AWS's published signatures (the signing test suite, version 4): request in, signature
//! out. Key, Region, service and time are the suite's own.

use millrace_auth::signature::{Claim, Request, Signer};
use millrace_auth::{AccessKeyId, NewAccessKey, SecretKey};

/// One request as it is sent, and its signature.
struct Vector {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    query: &'static str,
    /// Besides `host` and `x-amz-date`.
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    signature: &'static str,
}

const NOW_MS: i64 = 1_440_938_160_000;
const DATE: &str = "20150830T123600Z";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const KEY: &str = "AKIDEXAMPLE";

const fn get(
    name: &'static str,
    path: &'static str,
    query: &'static str,
    headers: &'static [(&'static str, &'static str)],
    signature: &'static str,
) -> Vector {
    Vector { name, method: "GET", path, query, headers, body: "", signature }
}

const IN_HEADER: &[Vector] = &[
    get(
        "vanilla",
        "/",
        "",
        &[],
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    get(
        "relative-relative",
        "/example1/example2/../..",
        "",
        &[],
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    get(
        "slashes",
        "//example//",
        "",
        &[],
        "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
    ),
    get(
        "space",
        "/example space/",
        "",
        &[],
        "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
    ),
    get("utf8", "/ሴ", "", &[], "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    get(
        "empty-query-key",
        "/",
        "Param1=value1",
        &[],
        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
    ),
    get(
        "query-order-key-case",
        "/",
        "Param2=value2&Param1=value1",
        &[],
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    get(
        "query-order-encoded",
        "/",
        "Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
        &[],
        "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
    ),
    get(
        "utf8-query",
        "/",
        "ሴ=bar",
        &[],
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    ),
    get(
        "header-key-duplicate",
        "/",
        "",
        &[("my-header1", "value2"), ("my-header1", "value2"), ("my-header1", "value1")],
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    ),
    get(
        "header-value-trim",
        "/",
        "",
        &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    Vector {
        name: "post-vanilla",
        method: "POST",
        path: "/",
        query: "",
        headers: &[],
        body: "",
        signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    },
    Vector {
        name: "post-x-www-form-urlencoded",
        method: "POST",
        path: "/",
        query: "",
        headers: &[
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-length", "13"),
            (
                "x-amz-content-sha256",
                "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
            ),
        ],
        body: "Param1=value1",
        signature: "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
    },
];

impl Vector {
    /// Whether the signature holds for the vector's request with this body.
    fn holds(&self, authorization: Option<&str>, query: &str, body: &str) -> bool {
        let mut headers: Vec<(&str, &[u8])> =
            vec![("host", b"example.amazonaws.com"), ("x-amz-date", DATE.as_bytes())];
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_bytes())));
        headers.extend(authorization.map(|value| ("authorization", value.as_bytes())));
        let request = Request { method: self.method, path: self.path, query, headers: &headers };
        let claim = Claim::read(&request, "service", NOW_MS).expect(self.name);
        assert_eq!(claim.key(), &AccessKeyId::new(KEY).expect("of the form"));
        let secret = SecretKey::new(SECRET).expect("of the form");
        let verified = claim.verify(&request, body.as_bytes(), &secret);
        verified.is_ok_and(|verified| verified.region == "us-east-1")
    }

    fn authorization(&self) -> String {
        let mut names = vec!["host", "x-amz-date"];
        names.extend(self.headers.iter().map(|(name, _)| *name));
        names.sort_unstable();
        names.dedup();
        format!(
            "AWS4-HMAC-SHA256 Credential={KEY}/20150830/us-east-1/service/aws4_request, \
             SignedHeaders={}, Signature={}",
            names.join(";"),
            self.signature
        )
    }
}

#[test]
fn awss_signatures_in_the_header_hold_and_no_other_body_does() {
    for vector in IN_HEADER {
        let authorization = vector.authorization();
        let holds = |body: &str| vector.holds(Some(&authorization), vector.query, body);
        assert!(holds(vector.body), "{}", vector.name);
        assert!(!holds("another"), "{}", vector.name);
    }
}

/// Name of the vector above, and the signature of the same request presigned for an hour.
const IN_QUERY: &[(&str, &str)] = &[
    ("vanilla", "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d"),
    ("post-vanilla", "2ce6e6d2e0cf2f9d1b55fafec88cd20574c31dc2e7631979f71ba2310083e95b"),
    ("header-value-trim", "e7bb0fd515e125e1aec2ecc4c0c17484fb06f6846b927c35e46005dd3df3acd4"),
    ("query-order-encoded", "c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787"),
];

#[test]
fn awss_signatures_in_the_query_hold_and_no_longer_expiry_does() {
    for (name, signature) in IN_QUERY {
        let vector = IN_HEADER.iter().find(|vector| vector.name == *name).expect(name);
        let mut names = vec!["host"];
        names.extend(vector.headers.iter().map(|(name, _)| *name));
        let query = format!(
            "{}&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential={KEY}%2F20150830%2Fus-east-1%2Fservice%2Faws4_request\
             &X-Amz-Date={DATE}&X-Amz-SignedHeaders={}&X-Amz-Expires=3600\
             &X-Amz-Signature={signature}",
            vector.query,
            names.join("%3B"),
        );
        assert!(vector.holds(None, &query, vector.body), "{name}");
        assert!(!vector.holds(None, &query, "another"), "{name}");
        let longer = query.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200");
        assert!(!vector.holds(None, &longer, vector.body), "{name}");
    }
}

/// What is signed here is what is verified here.
#[test]
fn the_signer_makes_awss_signatures() {
    let key = NewAccessKey {
        id: AccessKeyId::new(KEY).expect("of the form"),
        secret: SecretKey::new(SECRET).expect("of the form"),
    };
    let signer = Signer { key, region: "us-east-1".into(), service: "service".into() };
    for vector in IN_HEADER {
        let mut headers: Vec<(&str, &[u8])> =
            vec![("host", b"example.amazonaws.com"), ("x-amz-date", DATE.as_bytes())];
        headers.extend(vector.headers.iter().map(|(name, value)| (*name, value.as_bytes())));
        let Vector { method, path, query, body, .. } = *vector;
        let request = Request { method, path, query, headers: &headers };
        let authorization = signer.authorization(&request, body.as_bytes(), NOW_MS);
        assert_eq!(authorization, vector.authorization(), "{}", vector.name);
        let presigned = signer.presigned_query(&request, body.as_bytes(), 60, NOW_MS);
        assert!(vector.holds(None, &presigned, body), "{}", vector.name);
    }
    assert_eq!(Signer::date(NOW_MS), DATE);
}
