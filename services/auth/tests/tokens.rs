//! Bearer tokens: what proves who asks, and what does not.

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use millrace_auth::Principal;
use millrace_auth::token::{Issuer, TokenError, issuers};
use serde_json::{Value, json};

/// The time of all tests, in seconds.
const NOW: i64 = 1_000_000;

fn ec_key() -> EncodingKey {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    let random = aws_lc_rs::rand::SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
    EncodingKey::from_ec_der(pkcs8.expect("a key").as_ref())
}

fn public(key: &EncodingKey, name: Option<&str>) -> Jwk {
    let mut public = Jwk::from_encoding_key(key, Algorithm::ES256).expect("a key");
    public.common.key_id = name.map(str::to_owned);
    public
}

fn issuer(account: Value) -> Issuer {
    let mut issuer = json!({ "issuer": "https://idp", "audience": "millrace", "keys": "k" });
    issuer.as_object_mut().expect("one").extend(account.as_object().expect("one").clone());
    issuers(json!([issuer]).to_string().as_bytes()).expect("sound").remove(0)
}

fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://idp", "aud": "millrace", "sub": "alice", "exp": NOW + 100,
    });
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

fn signed(key: &EncodingKey, algorithm: Algorithm, name: Option<&str>, claims: &Value) -> String {
    let header = Header { kid: name.map(str::to_owned), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).expect("a token")
}

fn user(name: &str) -> Principal {
    Principal::user("000000000000", name).expect("a user")
}

#[test]
fn claims_decide_who_it_is_and_until_when() {
    let key = ec_key();
    let keys = JwkSet { keys: vec![public(&key, Some("k1"))] };
    let fixed = issuer(json!({ "account": "000000000000" }));
    let check = |changes: Value, expected: Result<Principal, &str>| {
        let token = signed(&key, Algorithm::ES256, Some("k1"), &claims(&changes));
        let verified = fixed.verify(&token, &keys, NOW * 1000);
        match expected {
            Ok(principal) => assert_eq!(verified, Ok(principal), "{changes}"),
            Err(part) => {
                let text = verified.expect_err("it proves nothing").to_string();
                assert!(text.contains(part), "{changes}: {text}");
            }
        }
    };
    check(json!({}), Ok(user("alice")));
    check(json!({ "aud": ["other", "millrace"] }), Ok(user("alice")));
    check(json!({ "sub": "bob@example" }), Ok(user("bob@example")));
    check(json!({ "exp": NOW - 59 }), Ok(user("alice")));
    check(json!({ "exp": NOW - 60 }), Err("has expired"));
    check(json!({ "exp": null }), Err("has expired, or has no expiry"));
    check(json!({ "exp": "soon" }), Err("no expiry"));
    check(json!({ "nbf": NOW + 60 }), Ok(user("alice")));
    check(json!({ "nbf": NOW + 62 }), Err("not valid yet"));
    check(json!({ "aud": "other" }), Err("another audience than \"millrace\""));
    check(json!({ "aud": null }), Err("another audience"));
    check(json!({ "iss": "https://other" }), Err("issues as \"https://other\""));
    check(json!({ "sub": null }), Err("it is no text"));
    check(json!({ "sub": "a/b" }), Err("\"sub\" names no user"));
    check(json!({ "sub": "" }), Err("names no user"));
}

#[test]
fn the_account_and_the_user_may_be_claims() {
    let key = ec_key();
    let keys = JwkSet { keys: vec![public(&key, None)] };
    let claimed = issuer(json!({ "accountClaim": "tenant", "userClaim": "email" }));
    let token = |changes: Value| signed(&key, Algorithm::ES256, None, &claims(&changes));
    let verify = |changes: Value| claimed.verify(&token(changes), &keys, NOW * 1000);
    let both = json!({ "tenant": "111122223333", "email": "a@b.c" });
    assert_eq!(verify(both), Ok(Principal::user("111122223333", "a@b.c").expect("a user")));
    let missing = verify(json!({ "email": "a@b.c" })).expect_err("no account");
    assert!(missing.to_string().contains("\"tenant\" names no account"), "{missing}");
    verify(json!({ "tenant": "acme", "email": "a@b.c" })).expect_err("no account");
}

#[test]
fn only_the_issuers_own_signature_counts() {
    let (key, other) = (ec_key(), ec_key());
    let one = issuer(json!({ "account": "000000000000" }));
    let keys = JwkSet { keys: vec![public(&key, Some("k1")), public(&other, Some("k2"))] };
    let claims = claims(&json!({}));
    let verify = |token: &str| one.verify(token, &keys, NOW * 1000);
    let good = signed(&key, Algorithm::ES256, Some("k1"), &claims);
    assert_eq!(verify(&good), Ok(user("alice")));
    // Under another's name, under nobody's, under none where there are two.
    let swapped = signed(&key, Algorithm::ES256, Some("k2"), &claims);
    assert_eq!(verify(&swapped), Err(TokenError::Signature));
    let unknown = signed(&key, Algorithm::ES256, Some("k3"), &claims);
    assert_eq!(verify(&unknown), Err(TokenError::Key { key: "k3".into() }));
    let nameless = signed(&key, Algorithm::ES256, None, &claims);
    assert_eq!(verify(&nameless), Err(TokenError::Key { key: String::new() }));
    // Signed with what everybody knows.
    let secret = EncodingKey::from_secret(b"k1");
    let symmetric = signed(&secret, Algorithm::HS256, Some("k1"), &claims);
    assert_eq!(verify(&symmetric), Err(TokenError::Algorithm { algorithm: "HS256".into() }));
    // With any part of it changed.
    for at in (0..good.len()).step_by(7) {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        verify(&String::from_utf8(bytes).expect("ASCII")).expect_err("changed");
    }
    for bad in ["", "a", "a.b", "a.b.c", "..", &"a".repeat(20_000)] {
        assert_eq!(verify(bad), Err(TokenError::Unreadable), "{bad:.20}");
    }
    // `none`, in any spelling.
    let (_, rest) = good.split_once('.').expect("three parts");
    verify(&format!("eyJhbGciOiJub25lIn0.{rest}")).expect_err("unsigned");
}

#[test]
fn a_configuration_says_enough_and_not_too_much() {
    let check = |json: Value, part: &str| {
        let text = match issuers(json.to_string().as_bytes()) {
            Ok(_) => String::new(),
            Err(error) => {
                let source = std::error::Error::source(&error);
                format!("{error}: {}", source.map(ToString::to_string).unwrap_or_default())
            }
        };
        assert!(text.contains(part) && text.is_empty() == part.is_empty(), "{json}: {text}");
    };
    let one = json!({ "issuer": "i", "audience": "a", "keys": "k", "account": "000000000000" });
    let with = |name: &str, value: Value| {
        let mut changed = one.clone();
        changed[name] = value;
        json!([changed])
    };
    check(json!([one]), "");
    check(json!([]), "");
    check(json!([one, one]), "is there twice");
    check(with("accountClaim", "c".into()), "either account or accountClaim");
    check(with("account", Value::Null), "either account or accountClaim");
    check(with("account", "1".into()), "an account is 12 digits");
    check(with("secret", "x".into()), "unknown field `secret`");
    check(json!({}), "no list of issuers");
}
